"""What can stand at a place in SQL: names from the schema, and what the statement brings.

Nothing is run for it but questions about the schema and about the values of a column.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import apsw

from clankers.query._refusals import NAMING_PRAGMAS, READABLE_PRAGMAS
from clankers.query._scope import Scope, statement_at
from clankers.store._schema import INTERNAL_TABLES, SIDE_TABLES

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clankers.query._guard import Guard
    from clankers.query._statements import Token

_MOST_VALUES = 50
_LONGEST_VALUE = 80
# So many of the newest rows are looked at for the values of a column.
_LOOKED_AT = 20_000
_SECONDS_FOR_VALUES = 0.2
_TABLES = """
SELECT name FROM pragma_table_list WHERE schema IN ('main', 'temp')
  AND type IN ('table', 'view', 'virtual') AND name NOT LIKE 'sqlite@_%' ESCAPE '@'
UNION SELECT 'sqlite_schema' ORDER BY 1
"""
_COLUMNS = "SELECT name FROM pragma_table_xinfo(?)"
_FUNCTIONS = "SELECT DISTINCT name FROM pragma_function_list WHERE name GLOB '[a-z]*'"
_TABLE_FUNCTIONS = ("json_each", "json_tree")
# fmt: off
_BEGINNINGS = (
    "SELECT", "WITH", "EXPLAIN QUERY PLAN", "VALUES", "PRAGMA", "INSERT INTO", "UPDATE",
    "DELETE FROM", "CREATE TABLE", "CREATE INDEX", "CREATE VIEW", "DROP TABLE", "ALTER TABLE",
    "BEGIN", "COMMIT", "ROLLBACK", "REPLACE INTO",
)
_IN_EXPRESSIONS = (
    "FROM", "WHERE", "GROUP BY", "ORDER BY", "HAVING", "LIMIT", "OFFSET", "AND", "OR", "NOT", "AS",
    "DISTINCT", "CASE", "WHEN", "THEN", "ELSE", "END", "LIKE", "GLOB", "IN", "IS", "NULL",
    "BETWEEN", "EXISTS", "CAST", "COLLATE", "NOCASE", "DESC", "ASC", "UNION", "UNION ALL",
    "EXCEPT", "INTERSECT", "OVER", "PARTITION BY", "SELECT", "FILTER", "RETURNING", "SET",
    "VALUES", "ON CONFLICT", "DO UPDATE SET", "DO NOTHING", "USING", "JOIN", "LEFT JOIN", "MATCH",
    "NULLS LAST", "NULLS FIRST", "WINDOW",
)
_AFTER_TABLES = (
    "WHERE", "JOIN", "LEFT JOIN", "CROSS JOIN", "INNER JOIN", "ON", "USING", "AS", "GROUP BY",
    "ORDER BY", "LIMIT", "SET", "VALUES", "SELECT", "UNION", "DEFAULT VALUES", "RENAME TO",
    "ADD COLUMN", "DROP COLUMN", "RENAME COLUMN",
)
_BEFORE_TABLES = frozenset({"FROM", "JOIN", "INTO", "UPDATE", "TABLE", "EXISTS", "IGNORE"})
# What decides, read backwards, what is meant at a place.
_DECIDING = frozenset({
    "FROM", "JOIN", "INTO", "UPDATE", "TABLE", "SELECT", "WHERE", "ON", "BY", "HAVING", "SET",
    "RETURNING", "LIMIT", "OFFSET", "PRAGMA", "USING", "VALUES", "AS", "WITH",
})
_COMPARING = frozenset({"=", "==", "<", ">", "!", "LIKE", "GLOB", "IS", "NOT", "IN", "MATCH"})
# fmt: on


class Completion(NamedTuple):
    """Something that can be written at a place.

    Attributes:
        text: what stands there then.
        start: from where on it replaces what was written, in characters.
        kind: ``table``, ``column``, ``alias``, ``function``, ``keyword``, ``value`` or
            ``pragma``.
    """

    text: str
    start: int
    kind: str


class Completer:
    """Knows the schema of one database, as long as it stays as it is."""

    def __init__(self, connection: apsw.Connection, guard: Guard) -> None:
        self._connection = connection
        self._guard = guard
        self._version: object = None
        self._tables: list[str] = []
        self._columns: dict[str, list[str]] = {}
        self._functions: list[str] = []
        self._values: dict[tuple[str, str], list[str]] = {}

    def complete(self, sql: str, position: int) -> list[Completion]:
        """See `Query.complete`."""
        self._refresh()
        statement = statement_at(sql, position)
        written = next((token for token in statement if token.start < position <= token.end), None)
        if written is not None and written.kind == "space":
            if written.text[:2] in {"--", "/*"}:
                return []
            written = None
        if written is not None and written.kind in {"number", "parameter"}:
            return []
        if written is not None and written.kind == "sign":
            written = None
        start = position if written is None else written.start
        before = [token for token in statement if token.end <= start and token.kind != "space"]
        scope = Scope(statement, position, self._columns_of, self._described)
        if written is not None and written.kind == "text":
            return self._for_value(before, scope, written, position)
        prefix = "" if written is None else written.text[: position - start].lstrip('"`[')
        found = self._names(before, scope, prefix)
        return _fitting(found, prefix, start)

    def _refresh(self) -> None:
        """Reads the schema again when it is another one."""
        version = self._connection.execute("PRAGMA schema_version", can_cache=False).get
        if version == self._version:
            return
        self._version = version
        names = (str(name) for (name,) in self._connection.execute(_TABLES))
        tables = [name for name in names if name not in SIDE_TABLES]
        # The user's before ours, sessions before session_errors.
        self._tables = sorted(
            tables, key=lambda name: (name in INTERNAL_TABLES, name.replace("_", "~"))
        )
        self._functions = sorted(str(name) for (name,) in self._connection.execute(_FUNCTIONS))
        self._columns = {}
        self._values = {}

    def _columns_of(self, table: str) -> list[str]:
        key = table.lower()
        if key not in self._columns:
            try:
                rows = self._connection.execute(_COLUMNS, (table,)).fetchall()
            except apsw.Error:  # Such as a view whose table is gone.
                rows = []
            self._columns[key] = [str(name) for (name,) in rows]
        return self._columns[key]

    def _every_column(self) -> list[str]:
        """For a SELECT that does not say yet what it is from."""
        tables = (table for table in self._tables if table not in INTERNAL_TABLES)
        return [column for table in tables for column in self._columns_of(table)]

    def _described(self, sql: str) -> list[str]:
        """The columns that a SELECT would have; it is prepared and never run."""
        columns: list[str] = []

        def look(cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
            columns.extend(name for name, _ in cursor.get_description())
            return False

        cursor = self._connection.cursor()
        cursor.exec_trace = look
        self._guard.begin()
        with suppress(apsw.Error):
            cursor.execute(sql, can_cache=False)
        return columns

    def _names(self, before: list[Token], scope: Scope, prefix: str) -> Iterator[tuple[str, str]]:
        if before and before[-1].text == ".":
            qualifier = before[-2].text if len(before) > 1 else ""
            yield from (("column", name) for name in scope.columns_of(qualifier))
            return
        word, since = _deciding(before)
        if word == "AS" and not since:
            return
        if word == "PRAGMA":
            pragmas = sorted(READABLE_PRAGMAS | NAMING_PRAGMAS) if not since else []
            yield from (("pragma", name) for name in pragmas)
        elif word == "":
            yield from (("keyword", name) for name in _cased(_BEGINNINGS, prefix))
        elif word in _BEFORE_TABLES and (not since or since[-1].text == ","):
            names = [*scope.common_tables, *self._tables, *_TABLE_FUNCTIONS]
            yield from (("table", name) for name in dict.fromkeys(names))
        elif word in _BEFORE_TABLES:
            yield from (("keyword", name) for name in _cased(_AFTER_TABLES, prefix))
        else:
            columns = scope.columns or (self._every_column() if prefix else [])
            yield from (("column", name) for name in columns)
            yield from (("alias", name) for name in scope.aliases)
            yield from (("function", f"{name}(") for name in self._functions)
            yield from (("keyword", name) for name in _cased(_IN_EXPRESSIONS, prefix))

    def _for_value(
        self, before: list[Token], scope: Scope, written: Token, position: int
    ) -> list[Completion]:
        column = _compared(before)
        if not column:
            return []
        table = scope.table_with(column)
        if table is None:
            return []
        typed = written.text[1 : position - written.start].replace("''", "'").lower()
        values = self._values_of(*table)
        return [
            Completion("'" + value.replace("'", "''") + "'", written.start, "value")
            for value in values
            if value.lower().startswith(typed)
        ]

    def _values_of(self, table: str, column: str) -> list[str]:
        if (table, column) not in self._values:
            self._values[table, column] = self._read_values(table, column)
        return self._values[table, column]

    def _read_values(self, table: str, column: str) -> list[str]:
        """The texts that stand in a column, where they are few and short."""
        from time import monotonic

        of, what = _quoted(table), _quoted(column)
        sql = (
            f"SELECT {what}, count(*) FROM (SELECT {what} FROM {of} ORDER BY rowid DESC"
            f" LIMIT {_LOOKED_AT}) WHERE typeof({what}) = 'text' GROUP BY 1 ORDER BY 2 DESC"
            f" LIMIT {_MOST_VALUES + 1}"
        )
        self._guard.begin()
        self._guard.deadline = monotonic() + _SECONDS_FOR_VALUES
        try:
            found = [str(value) for value, _ in self._connection.execute(sql)]
        except (apsw.Error, UnicodeDecodeError):
            return []
        finally:
            self._guard.deadline = None
        if len(found) > _MOST_VALUES or any(len(value) > _LONGEST_VALUE for value in found):
            return []
        return found


def _deciding(before: list[Token]) -> tuple[str, list[Token]]:
    """The keyword that says what is meant, and what stands between it and the place."""
    depth = 0
    for index in range(len(before) - 1, -1, -1):
        token = before[index]
        if token.text == ")":
            depth += 1
        elif token.text == "(":
            depth -= 1
            if depth < 0:
                # The beginning of a subquery, or of a list of columns or arguments.
                opens = index == len(before) - 1
                is_query = opens and index > 0 and before[index - 1].text.upper() in _BEFORE_QUERIES
                return ("" if is_query else "SELECT"), before[index + 1 :]
        elif depth == 0 and token.kind == "word" and token.text.upper() in _DECIDING:
            return token.text.upper(), before[index + 1 :]
    return ("", []) if not before or _is_opening(before) else ("SELECT", before)


_BEFORE_QUERIES = frozenset({"FROM", "JOIN", "AS", "EXISTS", ","})


def _is_opening(before: list[Token]) -> bool:
    """Whether only the beginning of a statement stands there, such as INSERT OR REPLACE."""
    return all(token.kind == "word" for token in before)


def _compared(before: list[Token]) -> str:
    """The column that a text is compared with: of ``a.b = '``, ``b LIKE '``, ``b IN ('x', '``."""
    rest = list(before)
    while rest and (rest[-1].text in {",", "("} or rest[-1].kind == "text"):
        rest.pop()
    if not rest or rest[-1].text.upper() not in _COMPARING:
        return ""
    while rest and rest[-1].text.upper() in _COMPARING:
        rest.pop()
    if not rest or rest[-1].kind not in {"word", "name"}:
        return ""
    if len(rest) > 2 and rest[-2].text == ".":  # noqa: PLR2004
        return f"{rest[-3].text}.{rest[-1].text}"
    return rest[-1].text


def _fitting(found: Iterable[tuple[str, str]], prefix: str, start: int) -> list[Completion]:
    """Those that begin so, then those of which a later part of the name does."""
    typed = prefix.lower()
    first: list[Completion] = []
    then: list[Completion] = []
    for kind, name in dict.fromkeys(found):
        text = name if kind in {"keyword", "function", "pragma"} else _shown(name)
        if name.lower().startswith(typed):
            first.append(Completion(text, start, kind))
        elif kind in {"table", "column"} and f"_{typed}" in name.lower():
            then.append(Completion(text, start, kind))
    return [one for one in (*first, *then) if one.text != prefix]


def _cased(words: Iterable[str], prefix: str) -> Iterator[str]:
    """Keywords in small letters for those who write them so."""
    return (word.lower() for word in words) if prefix.islower() else iter(words)


def _shown(name: str) -> str:
    is_plain = name.isidentifier() and name.isascii() and name.upper() not in apsw.keywords
    return name if is_plain else _quoted(name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
