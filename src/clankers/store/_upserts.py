"""Writing rows by the one upsert rule.

An absent or null field never changes what is stored; a present, non-empty one replaces
it. "Untitled Session" counts as empty, token counts and costs of 0 count as absent.
`created_at` keeps the smallest value, the other times the greatest. A session's
placeholder takes the first row that names it as if it were new.
"""

from __future__ import annotations

from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import apsw

from clankers.store._prefix import after_all_with
from clankers.store._schema import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clankers.models import Session

UNTITLED = "Untitled Session"
_SMALLEST = frozenset({"created_at"})
_GREATEST = frozenset({"updated_at", "ended_at", "completed_at"})
_ZERO_IS_ABSENT = frozenset(
    {"prompt_tokens", "completion_tokens", "cost", "tokens_before", "tokens_after"}
)
# Set when the row is made; between devices it goes by stamp, never by a local write.
_KEPT = frozenset({"origin_device"})


def write_rows(connection: apsw.Connection, table: str, records: Sequence[Any], device: str) -> int:
    """Upserts records into one of the five tables; how often that changed a row.

    New rows go in by DO NOTHING, which is a third cheaper than DO UPDATE; only when some
    were there already is the same batch written again by the full rule. That they were is
    seen by the count of changes, which holds as long as no insert trigger writes rows.
    """
    if not records:
        return 0
    rows = list(map(attrgetter(*COLUMNS[table]), records))
    before = connection.total_changes()
    write_each(connection, _insert_sql(table, device), rows)
    inserted = connection.total_changes() - before
    if inserted == len(rows):
        return inserted
    # Here triggers write for the search index, which total_changes() would count as well.
    return inserted + write_each(connection, f"{_upsert_sql(table, device)} RETURNING 1", rows)


def write_each(connection: apsw.Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Runs a statement that may run twice for each row; how many rows it returned.

    JSON can escape half of a UTF-16 pair, which is no text; U+FFFD stands for it.
    """
    try:
        return sum(1 for _row in connection.executemany(sql, rows))
    except UnicodeEncodeError:
        whole = [tuple(map(_whole, row)) for row in rows]
        return sum(1 for _row in connection.executemany(sql, whole))


def add_placeholders(
    connection: apsw.Connection, sessions: Iterable[tuple[str, str | None]], device: str
) -> None:
    """Makes a session of id and source only for each id that has none: events may come first."""
    write_each(
        connection,
        "INSERT INTO sessions(id, source, origin_device, placeholder) VALUES (?, ?, ?, 1)"
        " ON CONFLICT(id) DO NOTHING",
        [(session_id, source, device) for session_id, source in sessions],
    )


def mention(connection: apsw.Connection, sessions: Sequence[Session], device: str) -> None:
    """Notes what is said of sessions that something else only points at."""
    write_each(
        connection,
        "INSERT INTO sessions(id, source, parent_id, relationship, origin_device, placeholder)"
        " VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT(id) DO UPDATE SET"
        " parent_id = excluded.parent_id,"
        " relationship = coalesce(excluded.relationship, relationship)"
        " WHERE parent_id IS NULL AND excluded.parent_id <> ''",
        [(one.id, one.source, one.parent_id, one.relationship, device) for one in sessions],
    )


def remove_beginning_with(connection: apsw.Connection, prefix: str) -> None:
    """Deletes the rows of sessions, not these themselves, whose id begins so."""
    above = after_all_with(prefix)
    for table in COLUMNS:
        if table != "sessions":
            connection.execute(f"DELETE FROM {table} WHERE id >= ? AND id < ?", (prefix, above))


@cache
def _insert_sql(table: str, device: str) -> str:
    columns = COLUMNS[table]
    marks = [
        f"coalesce(nullif(?, ''), {apsw.format_sql_value(device)})" if name in _KEPT else "?"
        for name in columns
    ]
    return (
        f"INSERT INTO {table}({', '.join(columns)}) VALUES ({', '.join(marks)})"
        " ON CONFLICT(id) DO NOTHING"
    )


@cache
def _upsert_sql(table: str, device: str) -> str:
    merged = {name: _merged(table, name) for name in COLUMNS[table] if name != "id"}
    changes = " OR ".join(f"{value} IS NOT {table}.{name}" for name, value in merged.items())
    updates = ", ".join(f"{name} = {value}" for name, value in merged.items())
    if table == "sessions":
        updates += ", placeholder = 0"
        changes += " OR placeholder"
    insert = _insert_sql(table, device).removesuffix("NOTHING")
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
        said = f"nullif({new}, 0)"
    elif column == "title":
        said = f"nullif(nullif({new}, ''), '{UNTITLED}')"
    else:
        said = f"nullif({new}, '')"
    # Empty values are defaults, which only a new row takes.
    default = f", iif({table}.placeholder, {new}, NULL)" if table == "sessions" else ""
    return f"coalesce({said}, {old}{default})"


def _whole(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
