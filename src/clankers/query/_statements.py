"""SQL text cut into words and statements.

What a statement may do is never decided here: SQLite judges each piece when it prepares it,
and one that was cut wrongly is a syntax error.
"""

from __future__ import annotations

import re
from itertools import islice, takewhile
from typing import NamedTuple

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterator

# https://www.sqlite.org/lang_expr.html and lang_comment.html: what is not closed goes to the
# end of the text. For SQLite every character beyond ASCII is a letter, a wide space too.
_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\n\f\r]+ | --[^\n]* | /\*.*?(?:\*/|\Z))
    | (?P<text>'(?:[^']|'')*(?:'|\Z))
    | (?P<name>"(?:[^"]|"")*(?:"|\Z) | `(?:[^`]|``)*(?:`|\Z) | \[[^\]]*(?:\]|\Z))
    | (?P<word>[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)
    | (?P<number>[0-9][\w.]*)
    | (?P<parameter>[?:@$][\w\x80-\U0010ffff]+ | \?)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_TRIGGER = re.compile(r"(?:EXPLAIN (?:QUERY PLAN )?)?CREATE (?:TEMP |TEMPORARY )?TRIGGER")
_OPENING_WORDS = 6


class Token(NamedTuple):
    """A piece of SQL: `kind` is space, text, name, word, number, parameter or sign."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def says(self, word: str) -> bool:
        """Whether it is this keyword, in any case."""
        return self.kind == "word" and self.text.upper() == word


class Piece(NamedTuple):
    """One statement of a script, and where it begins, in characters."""

    sql: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.sql)


def tokens(sql: str, start: int = 0) -> Iterator[Token]:
    """All of `sql` from a place on, spaces and comments too."""
    for found in _TOKEN.finditer(sql, start):
        yield Token(found.lastgroup or "", found[0], found.start())


def pieces(script: str, start: int = 0) -> Iterator[Piece]:
    """The statements of a script, each with the semicolon that ends it where there is one."""
    opening: list[str] = []
    for token in tokens(script, start):
        if token.kind == "space":
            continue
        if token.text == ";":
            if opening and _is_complete(script[start : token.end], opening):
                yield Piece(script[start : token.end], start)
                opening = []
        elif len(opening) < _OPENING_WORDS:
            if not opening:
                start = token.start
            opening.append(token.text.upper())
    if opening:
        yield Piece(script[start:], start)


def next_statement(script: str, start: int = 0) -> Piece | None:
    """The first statement at or behind a place; from a BEGIN to its COMMIT or ROLLBACK is one."""
    found = pieces(script, start)
    first = next(found, None)
    if first is None or transaction_word(first.sql) != "BEGIN":
        return first
    for piece in found:
        if transaction_word(piece.sql):
            return Piece(script[first.start : piece.end], first.start)
    return Piece(script[first.start :], first.start)


def split_script(script: str) -> list[str]:
    """The statements of a script; from a BEGIN to its COMMIT or ROLLBACK is one."""
    found = []
    piece = next_statement(script)
    while piece is not None:
        found.append(piece.sql)
        piece = next_statement(script, piece.end)
    return found


def is_complete(script: str) -> bool:
    """Whether every statement is ended, and every BEGIN of the user's; nothing is complete too."""
    found = list(pieces(script))
    return not found or (_ends(found[-1].sql) and not _is_in_transaction(found))


def transaction_word(sql: str) -> str:
    """BEGIN, COMMIT or ROLLBACK where a statement is one of these, else ""."""
    words = opening_words(sql)
    if words[:1] == ["END"]:
        return "COMMIT"
    if words[:1] == ["ROLLBACK"] and "TO" in words:
        return ""
    return words[0] if words and words[0] in {"BEGIN", "COMMIT", "ROLLBACK"} else ""


def opening_words(sql: str) -> list[str]:
    """The first words of a statement in capitals, as far as there is nothing else among them."""
    significant = (token for token in tokens(sql) if token.kind != "space")
    words = takewhile(lambda token: token.kind == "word", significant)
    return [token.text.upper() for token in islice(words, _OPENING_WORDS)]


def has_where(sql: str) -> bool:
    """Whether an UPDATE or DELETE says which rows, by a WHERE of its own."""
    depth = 0
    for token in tokens(sql):
        if token.text == "(":
            depth += 1
        elif token.text == ")":
            depth -= 1
        elif depth == 0 and token.says("WHERE"):
            return True
    return False


def _is_in_transaction(found: list[Piece]) -> bool:
    is_open = False
    for piece in found:
        if word := transaction_word(piece.sql):
            is_open = word == "BEGIN"
    return is_open


def _ends(sql: str) -> bool:
    from apsw import complete

    return bool(complete(sql))


def _is_complete(sql: str, opening: list[str]) -> bool:
    """A trigger has semicolons within."""
    return not _TRIGGER.match(" ".join(opening)) or _ends(sql)
