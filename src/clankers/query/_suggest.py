"""What the user may have meant: the nearest real names, and the place in the SQL.

Read only after a statement failed, and only from what SQLite said, so that nothing here
decides what may run.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

import apsw

from clankers.formats import display_width, visible
from clankers.store._schema import SIDE_TABLES

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Advise = Callable[[apsw.Connection, str, str, int | None], str]

# Two names are near when this much of them is alike; 1 is the same name.
NEAR = 0.7
# Names further than this from the best one are noise beside it.
_NEARLY_AS_GOOD = 0.1
# What a likeness to one part of a name is worth beside one to the whole.
_PART = 0.85
_MOST_NAMES = 30
_EXCERPT = 60
_TABLES = """
SELECT name FROM pragma_table_list WHERE schema = 'main'
  AND type IN ('table', 'view', 'virtual') AND name NOT LIKE 'sqlite@_%' ESCAPE '@' ORDER BY name
"""
_COLUMNS = "SELECT name FROM pragma_table_xinfo(?)"
_FUNCTIONS = "SELECT DISTINCT name FROM pragma_function_list"
# Table-valued functions are not in the schema.
_MORE_TABLES = ("json_each", "json_tree")
# fmt: off
_KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP", "ORDER", "BY", "HAVING", "LIMIT", "OFFSET", "DISTINCT",
    "JOIN", "LEFT", "INNER", "CROSS", "USING", "UNION", "EXCEPT", "INTERSECT", "VALUES", "WITH",
    "RECURSIVE", "EXPLAIN", "PRAGMA", "BETWEEN", "LIKE", "CASE", "WHEN", "CAST", "EXISTS",
    "COLLATE", "PARTITION", "WINDOW",
)
# fmt: on
_WORD = re.compile(r"\w+")

Schema = dict[str, list[str]]


def character_offset(sql: str, byte_offset: int) -> int | None:
    """SQLite counts UTF-8 bytes and says -1 when no one place is wrong."""
    encoded = sql.encode()
    if not 0 <= byte_offset < len(encoded):
        return None
    return len(encoded[:byte_offset].decode(errors="ignore"))


def hint(connection: apsw.Connection, sql: str, message: str, offset: int | None) -> str:
    """The advice for SQLite's `message`, with a line that points into `sql` where it can."""
    advice = ""
    for pattern, advise in _ADVICE:
        if found := pattern.match(message):
            advice = advise(connection, sql, found.group(1), offset)
            break
    if offset is None or not advice:
        return advice or ("" if offset is None else _place(sql, offset))
    return f"{advice}{'' if advice.endswith('?') else ';'} {_place(sql, offset)}"


def nearest(wrong: str, names: Iterable[str]) -> list[str]:
    """Up to three names that are alike, best first; `txt` is near `text_content`."""
    scores = sorted(
        ((_likeness(wrong.lower(), name.lower()), name) for name in names), reverse=True
    )
    best = scores[0][0] if scores else 0.0
    least = max(NEAR, best - _NEARLY_AS_GOOD)
    return [name for score, name in scores if score >= least][:3]


def _likeness(wrong: str, name: str) -> float:
    whole = SequenceMatcher(None, wrong, name).ratio()
    parts = [SequenceMatcher(None, wrong, part).ratio() for part in name.split("_")]
    return max(whole, _PART * max(parts))


def _for_table(connection: apsw.Connection, _sql: str, wrong: str, _offset: int | None) -> str:
    tables = [name for name in _read_schema(connection) if name not in SIDE_TABLES]
    name = wrong.rpartition(".")[2]
    return _did_you_mean(nearest(name, [*tables, *_MORE_TABLES])) or _listing(
        "the tables are", tables
    )


def _for_column(connection: apsw.Connection, sql: str, wrong: str, _offset: int | None) -> str:
    schema = _read_schema(connection)
    qualifier, _, name = wrong.rpartition(".")
    meant = (nearest(qualifier, schema) or [qualifier])[0]
    named = _named_tables(schema, sql, meant)
    columns = list(dict.fromkeys(column for table in named for column in schema[table]))
    if close := nearest(name, columns):
        return _did_you_mean([f"{meant}.{column}".lstrip(".") for column in close])
    if homes := [table for table, held in schema.items() if name.lower() in map(str.lower, held)]:
        return f"{name} is a column of {' and of '.join(homes[:3])}"
    if len(named) == 1:
        return _listing(f"the columns of {named[0]} are", columns)
    return _did_you_mean(nearest(name, {column for held in schema.values() for column in held}))


def _for_quoted(connection: apsw.Connection, sql: str, wrong: str, offset: int | None) -> str:
    columns = [column for held in _read_schema(connection).values() for column in held]
    close = _for_column(connection, sql, wrong, offset) if nearest(wrong, columns) else ""
    quotes = f"text stands in single quotes: '{wrong}'; double quotes are for names"
    return " ".join(filter(None, [close, quotes]))


def _for_function(connection: apsw.Connection, _sql: str, wrong: str, _offset: int | None) -> str:
    return _did_you_mean([f"{name}()" for name in nearest(wrong, _names(connection, _FUNCTIONS))])


def _for_syntax(_connection: object, sql: str, wrong: str, offset: int | None) -> str:
    """The word SQLite stumbled over, or the one before it that it took for a name."""
    before = _WORD.findall(sql[: offset or 0])[-1:]
    for word in (wrong, *before):
        close = [] if word.upper() in apsw.keywords else nearest(word, _KEYWORDS)
        if close:
            return f"did you mean {close[0]} instead of {word}?"
    return ""


def _for_end(_connection: object, _sql: str, _wrong: str, _offset: object) -> str:
    return "the statement stops too early: a parenthesis or its last part is missing"


def _for_token(_connection: object, _sql: str, wrong: str, _offset: object) -> str:
    quote = wrong[:1]
    return f"its closing {quote} is missing" if quote and quote in "'\"`[" else ""


_ADVICE: tuple[tuple[re.Pattern[str], Advise], ...] = (
    (re.compile(r"no such table(?:-valued function)?: (.*)"), _for_table),
    (re.compile(r'no such column: "(.*)" - should this be a string'), _for_quoted),
    (re.compile(r"no such column: (.*)"), _for_column),
    (re.compile(r"no such function: (.*)"), _for_function),
    (re.compile(r'near "(.*)": syntax error', re.DOTALL), _for_syntax),
    (re.compile(r"(incomplete input)"), _for_end),
    (re.compile(r'unrecognized token: "(.*)"', re.DOTALL), _for_token),
)


def _read_schema(connection: apsw.Connection) -> Schema:
    return {table: _names(connection, _COLUMNS, table) for table in _names(connection, _TABLES)}


def _names(connection: apsw.Connection, sql: str, *params: str) -> list[str]:
    try:
        return [str(name) for (name,) in connection.execute(sql, params)]
    except (apsw.Error, UnicodeDecodeError):
        return []  # Such as a view whose table is gone.


def _named_tables(schema: Schema, sql: str, qualifier: str) -> list[str]:
    """The tables whose columns the user can have meant."""
    words = {word.lower() for word in _WORD.findall(sql)}
    by_name = {table.lower(): table for table in schema}
    if qualifier.lower() in by_name:
        return [by_name[qualifier.lower()]]
    return [table for table in schema if table.lower() in words]


def _did_you_mean(names: list[str]) -> str:
    return f"did you mean {' or '.join(names)}?" if names else ""


def _listing(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = ", ..." if len(names) > _MOST_NAMES else ""
    return f"{what} {', '.join(names[:_MOST_NAMES])}{more}"


def _place(sql: str, offset: int) -> str:
    """The line of `sql` that `offset` is in, with a caret under the place."""
    start = sql.rfind("\n", 0, offset) + 1
    before, after = sql[start:offset], sql[offset:].partition("\n")[0]
    number = sql.count("\n", 0, offset) + 1
    line = f"line {number}, " if "\n" in sql.strip() else ""
    left = visible(before[-_EXCERPT:])
    excerpt = left + visible(after[:_EXCERPT])
    return f"at {line}column {len(before) + 1}:\n  {excerpt}\n  {' ' * display_width(left)}^"
