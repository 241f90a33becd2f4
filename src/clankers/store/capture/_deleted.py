"""Tombstones: what was deleted on purpose, here or elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clankers.store.capture._layout import EVENT_TIMES, NUMBER, WALL

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

# SQL: the deletion d is not older than the stamp s, by time, device and edition.
NOT_OLDER = (
    "(d.at > s.at OR d.at = s.at AND ("
    "SELECT (a.device, a.edition) >= (b.device, b.edition) FROM sync_author a, sync_author b"
    " WHERE a.k = d.by AND b.k = s.by))"
)


def let_import(connection: apsw.Connection, table: str, record_id: str) -> None:
    """Lets imports bring a record back, as one that only goes on under another id."""
    connection.execute(
        "UPDATE sync_deleted SET importable = 1 WHERE tbl = ? AND id = ?",
        (NUMBER[table], record_id),
    )


def let_import_session(connection: apsw.Connection, session_id: str) -> None:
    """The same for a session and for what belongs to it, whose ids begin with its own."""
    connection.execute(
        "UPDATE sync_deleted SET importable = 1"
        " WHERE (tbl = 0 AND id = ?1) OR (tbl > 0 AND id > ?1 || ':' AND id < ?1 || ';')",
        (session_id,),
    )


def note_purged(connection: apsw.Connection, after: int) -> None:
    """Tombstones made after a number of `sequence` erase wherever they arrive."""
    connection.execute("UPDATE sync_deleted SET purge = 1 WHERE seq > ?", (after,))


def clock(connection: apsw.Connection) -> int:
    """The time, in epoch ms, that a deletion made now is stamped with at least."""
    query = f"SELECT max(clock_floor, {WALL} + clock_offset) FROM sync_core"
    return int(connection.execute(query).get)


def sequence(connection: apsw.Connection) -> int:
    """The number of the newest change."""
    return int(connection.execute("SELECT seq FROM sync_core").get)


def has_deleted(connection: apsw.Connection) -> bool:
    """Whether anything but sessions was ever deleted."""
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM sync_deleted WHERE tbl > 0)").get)


def has_any_deleted(connection: apsw.Connection) -> bool:
    """Whether anything was ever deleted, sessions included."""
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM sync_deleted)").get)


def deleted_sessions(connection: apsw.Connection) -> dict[str, int]:
    """Session id -> when it was deleted, in epoch ms."""
    return dict(
        connection.execute("SELECT id, at FROM sync_deleted WHERE tbl = 0 AND NOT importable")
    )


def deleted(connection: apsw.Connection, table: str, ids: Iterable[str]) -> dict[str, int]:
    """Those of the records that were deleted, and when."""
    query = (
        "SELECT d.id, d.at FROM json_each(?) j"
        " CROSS JOIN sync_deleted d ON d.tbl = ? AND d.id = j.value WHERE NOT d.importable"
    )
    return dict(connection.execute(query, (json.dumps(list(ids)), NUMBER[table])))


def event_time_of(table: str, record: object) -> int:
    """When what a record tells of was over, as imports are stamped; 0 where it does not say."""
    told = (getattr(record, name) for name in EVENT_TIMES[table])
    return next((int(at) for at in told if at is not None), 0)
