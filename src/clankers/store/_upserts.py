"""Writing rows by the one upsert rule.

An absent or null field never changes what is stored; a present, non-empty one replaces
it. "Untitled Session" counts as empty, token counts and costs of 0 count as absent.
`created_at` keeps the smallest value, the other times the greatest.
"""

from __future__ import annotations

from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from clankers.store._schema import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import apsw

    from clankers.models import Session

UNTITLED = "Untitled Session"
_TEXT_IDENTITY = "id"
_SMALLEST = frozenset({"created_at"})
_GREATEST = frozenset({"updated_at", "ended_at", "completed_at"})
_ZERO_IS_ABSENT = frozenset({"prompt_tokens", "completion_tokens", "cost"})
# Set when the row is made; between devices it goes by stamp, never by a local write.
_KEPT = frozenset({"origin_device"})


def write_rows(connection: apsw.Connection, table: str, records: Sequence[Any]) -> int:
    """Upserts records into one of the five tables; the number of rows that changed.

    New rows go in by DO NOTHING, which is a third cheaper than DO UPDATE; only when some
    were there already is the same batch written again by the full rule.
    """
    if not records:
        return 0
    rows = list(map(attrgetter(*COLUMNS[table]), records))
    before = connection.total_changes()
    connection.executemany(insert_sql(table), rows)
    if connection.total_changes() - before < len(rows):
        connection.executemany(upsert_sql(table), rows)
    return connection.total_changes() - before


def add_placeholders(
    connection: apsw.Connection, sessions: Iterable[tuple[str, str | None]], device: str
) -> None:
    """Makes a session of id and source only for each id that has none: events may come first."""
    connection.executemany(
        "INSERT INTO sessions(id, source, origin_device, placeholder) VALUES (?, ?, ?, 1)"
        " ON CONFLICT(id) DO NOTHING",
        [(session_id, source, device) for session_id, source in sessions],
    )


def mention(connection: apsw.Connection, sessions: Sequence[Session], device: str) -> None:
    """Notes what is said of sessions that something else only points at."""
    connection.executemany(
        "INSERT INTO sessions(id, source, parent_id, relationship, origin_device, placeholder)"
        " VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT(id) DO UPDATE SET"
        " parent_id = excluded.parent_id, relationship = excluded.relationship"
        " WHERE parent_id IS NULL AND excluded.parent_id NOT NULL",
        [(one.id, one.source, one.parent_id, one.relationship, device) for one in sessions],
    )


@cache
def insert_sql(table: str) -> str:
    columns = COLUMNS[table]
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    return f"INSERT INTO {table}({names}) VALUES ({marks}) ON CONFLICT(id) DO NOTHING"


@cache
def upsert_sql(table: str) -> str:
    columns = [name for name in COLUMNS[table] if name != _TEXT_IDENTITY]
    merged = {name: _merged(table, name) for name in columns}
    changes = " OR ".join(f"{value} IS NOT {table}.{name}" for name, value in merged.items())
    updates = ", ".join(f"{name} = {value}" for name, value in merged.items())
    if table == "sessions":
        updates += ", placeholder = 0"
        changes += " OR placeholder"
    insert = insert_sql(table).removesuffix("NOTHING")
    return f"{insert}UPDATE SET {updates} WHERE {changes}"


def _merged(table: str, column: str) -> str:
    """The value a column has after a row met the one that is stored."""
    old, new = f"{table}.{column}", f"excluded.{column}"
    if column in _SMALLEST:
        return f"coalesce(min({new}, {old}), {old}, {new})"
    if column in _GREATEST:
        return f"coalesce(max({new}, {old}), {old}, {new})"
    if column in _KEPT:
        return f"coalesce({old}, {new})"
    if column in _ZERO_IS_ABSENT:
        return f"coalesce(nullif({new}, 0), {old})"
    if column == "title":
        return f"coalesce(nullif(nullif({new}, ''), '{UNTITLED}'), {old})"
    return f"coalesce(nullif({new}, ''), {old})"
