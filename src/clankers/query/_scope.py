"""Which tables and columns a place in a statement can speak of."""

from __future__ import annotations

from clankers.query._statements import tokens

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clankers.query._statements import Token

    Columns = Callable[[str], list[str]]
    # What stands in FROM: the table's name, or the text of a subquery that begins with "(".
    Source = str

_NAMES = frozenset({"word", "name"})
# fmt: off
_NO_ALIAS = frozenset({
    "WHERE", "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "OUTER", "NATURAL", "ON", "USING",
    "GROUP", "ORDER", "HAVING", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "SET", "VALUES",
    "SELECT", "RETURNING", "INDEXED", "NOT", "DEFAULT", "WINDOW",
})
# fmt: on


def statement_at(sql: str, position: int) -> list[Token]:
    """The tokens of the statement around a place, without its semicolon."""
    found: list[Token] = []
    for token in tokens(sql):
        if token.kind == "sign" and token.text == ";":
            if token.start >= position:
                break
            found = []
        else:
            found.append(token)
    return found


def plain(name: str) -> str:
    """A name without its quotes."""
    if len(name) > 1 and name[0] in '"`[':
        closing = "]" if name[0] == "[" else name[0]
        return name[1:].removesuffix(closing).replace(closing * 2, closing)
    return name


class Scope:
    """The tables of a statement that a place in it sees.

    Attributes:
        common_tables: the names of its WITH.
        aliases: what its tables are called, where that is not their name.
    """

    def __init__(
        self, statement: list[Token], position: int, columns_of: Columns, described: Columns
    ) -> None:
        self._columns_of = columns_of
        self._described = described
        self._tokens = [token for token in statement if token.kind != "space"]
        self._text = "".join(token.text for token in statement)
        self._offset = statement[0].start if statement else 0
        self._with_end = 0
        groups = _groups(self._tokens)
        seen = _groups_at(self._tokens, position)
        self._common = dict(self._read_common())
        self.common_tables = list(self._common)
        self._sources: dict[str, Source] = {}
        for name, source in self._read_sources(groups, seen):
            self._sources.setdefault(name.lower(), source)
        self.aliases = [name for name, source in self._sources.items() if name != source.lower()]

    @property
    def columns(self) -> list[str]:
        """The columns of all tables that are seen, each once."""
        every = [self.columns_of(name) for name in self._sources]
        return list(dict.fromkeys(column for columns in every for column in columns))

    def columns_of(self, name: str) -> list[str]:
        """The columns of a table or alias."""
        name = plain(name)
        source = self._sources.get(name.lower(), name)
        if source.startswith("("):
            return self._described(f"{self._with_clause()} SELECT * FROM {source}")
        if (common := self._common.get(source.lower())) is not None:
            return common or self._described(f"{self._with_clause()} SELECT * FROM {source}")
        return self._columns_of(source)

    def table_with(self, column: str) -> tuple[str, str] | None:
        """The table that a column is of, ``alias.column`` or alone, and its name there."""
        qualifier, _, name = column.rpartition(".")
        names = [plain(qualifier)] if qualifier else list(self._sources)
        for table in names:
            source = self._sources.get(table.lower(), table)
            if source.startswith("(") or source.lower() in self._common:
                continue
            for known in self._columns_of(source):
                if known.lower() == plain(name).lower():
                    return source, known
        return None

    def _read_common(self) -> Iterator[tuple[str, list[str]]]:
        """Names and named columns of WITH a(x, y) AS (...), b AS (...)."""
        found = self._tokens
        if not found or not found[0].says("WITH"):
            return
        index = 2 if len(found) > 1 and found[1].says("RECURSIVE") else 1
        while index < len(found) and found[index].kind in _NAMES:
            name = plain(found[index].text).lower()
            index += 1
            columns: list[str] = []
            if index < len(found) and found[index].text == "(":
                end = _closing(found, index)
                columns = [plain(one.text) for one in found[index:end] if one.kind in _NAMES]
                index = end + 1
            while index < len(found) and found[index].text != "(":
                index += 1  # AS, NOT, MATERIALIZED
            end = _closing(found, index)
            if end >= len(found):
                return
            self._with_end = found[end].end
            yield name, columns
            index = end + 1
            if index >= len(found) or found[index].text != ",":
                return
            index += 1

    def _with_clause(self) -> str:
        return self._text[: max(self._with_end - self._offset, 0)]

    def _read_sources(self, groups: list[int], seen: set[int]) -> Iterator[tuple[str, Source]]:
        found = self._tokens
        for index, token in enumerate(found):
            if groups[index] not in seen or token.kind != "word":
                continue
            word = token.text.upper()
            if word in {"FROM", "JOIN", "INTO", "UPDATE", "TABLE"}:
                yield from self._items(index + 1, groups[index], groups, several=word == "FROM")

    def _items(
        self, index: int, group: int, groups: list[int], *, several: bool
    ) -> Iterator[tuple[str, Source]]:
        """The tables from a place on: ``a``, ``main.a AS b``, ``(SELECT ...) c``."""
        found = self._tokens
        while True:
            source, index = self._source(index)
            if not source:
                return
            if index < len(found) and found[index].says("AS"):
                index += 1
            if self._is_name(index):
                yield plain(found[index].text), source
                index += 1
            else:
                yield source, source
            has_more = several and index < len(found) and found[index].text == ","
            if not has_more or groups[index] != group:
                return
            index += 1

    def _source(self, index: int) -> tuple[Source, int]:
        """The table or subquery at a place, and where it ends; "" where there is none."""
        found = self._tokens
        if index < len(found) and found[index].text == "(":
            end = _closing(found, index)
            last = found[min(end, len(found) - 1)].end
            return self._text[found[index].start - self._offset : last - self._offset], end + 1
        if not self._is_name(index):
            return "", index
        while index + 2 < len(found) and found[index + 1].text == ".":
            index += 2
        return plain(found[index].text), index + 1

    def _is_name(self, index: int) -> bool:
        if index >= len(self._tokens):
            return False
        token = self._tokens[index]
        return token.kind in _NAMES and token.text.upper() not in _NO_ALIAS


def _groups(found: list[Token]) -> list[int]:
    """The parenthesis that each token stands in, by the place where it opens; 0 for none."""
    stack = [0]
    groups = []
    for index, token in enumerate(found):
        if token.text == ")" and len(stack) > 1:
            stack.pop()
        groups.append(stack[-1])
        if token.text == "(":
            stack.append(index + 1)
    return groups


def _groups_at(found: list[Token], position: int) -> set[int]:
    """All parentheses that are open at a place, and the statement itself."""
    stack = [0]
    for index, token in enumerate(found):
        if token.start >= position:
            break
        if token.text == "(":
            stack.append(index + 1)
        elif token.text == ")" and len(stack) > 1 and token.end <= position:
            stack.pop()
    return set(stack)


def _closing(found: list[Token], opening: int) -> int:
    """The place of the parenthesis that closes one; behind the end where none does."""
    depth = 0
    for index in range(opening, len(found)):
        if found[index].text == "(":
            depth += 1
        elif found[index].text == ")":
            depth -= 1
            if depth == 0:
                return index
    return len(found)
