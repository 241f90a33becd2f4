"""Side rows for new rows, and writes that nobody is to hear of."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import cache

from clankers.store.capture._layout import (
    AUTHOR_BITS,
    NUMBER,
    SYNCED,
    TABLES,
    UPDATE_TRIGGERS,
    WALL,
    event_time,
)

TYPE_CHECKING = False  # typing itself is slow to import, and every writer comes by here

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    import apsw

_CHUNK = 50_000
# What `capturing` says: that all is noted, or that what was there before sync is being noted.
_ON, _BEGINNING = 1, 2
_MARKS = ", ".join(f"m_{table}" for table in TABLES)
_TOPS = ", ".join(f"(SELECT max(n) FROM {table})" for table in TABLES)
_CLOCK = f"(SELECT max(clock_floor, {WALL} + clock_offset) FROM sync_core)"


def is_capturing(connection: apsw.Connection) -> bool:
    """Whether changes are noted, and all that was there before has its stamps."""
    return bool(connection.execute(f"SELECT capturing = {_ON} FROM sync_core").get)


def begin(connection: apsw.Connection) -> None:
    """From now on changes are noted, whether sync runs or not; the caller has a transaction.

    What is there waits for `note_chunk`, as does everything that is inserted before that
    is done; to begin once more in the midst of it does no harm.
    """
    if connection.execute("SELECT capturing FROM sync_core").get:
        return
    connection.execute(UPDATE_TRIGGERS)
    is_empty = connection.execute(f"SELECT coalesce({_TOPS}) IS NULL").get
    connection.execute("UPDATE sync_core SET capturing = ?", (_ON if is_empty else _BEGINNING,))


def note_new(
    connection: apsw.Connection, *, by_event: bool | None = None, most: int | None = None
) -> bool:
    """Stamps and queues the rows above the marks; False when more than `most` of a table are left.

    The caller has a transaction open. With `by_event` a row is as old as what it tells of,
    which is how imports are stamped; else it is said now. By default that depends on whether
    an import is writing. Without `most` nothing is noted while `note_chunk` has not seen all
    that was there before sync: those rows are not new.
    """
    row = connection.execute(f"SELECT capturing, import, {_MARKS}, {_TOPS} FROM sync_core").get
    if not row[0]:
        return True
    if row[0] == _BEGINNING and most is None:
        return False
    by_event = bool(row[1]) if by_event is None else by_event
    marks, tops = row[2 : len(TABLES) + 2], row[len(TABLES) + 2 :]
    new = {
        table: (mark, top)
        for table, mark, top in zip(TABLES, marks, tops, strict=True)
        if (top or 0) > mark
    }
    if not new:
        return True
    connection.execute("UPDATE sync_core SET seq = seq + 1")
    has_deleted = connection.execute("SELECT EXISTS (SELECT 1 FROM sync_deleted)").get
    is_done = True
    for table, (mark, top) in new.items():
        upto = top if most is None else min(top, mark + most)
        is_done &= upto == top
        connection.execute(
            _note_sql(table, by_event=by_event, revives=bool(has_deleted)), (mark, upto)
        )
        if has_deleted:
            connection.execute(_said_whole_sql(table), (mark, upto))
            connection.execute(_revived_sql(table), (mark, upto))
        connection.execute(f"UPDATE sync_core SET m_{table} = ?", (upto,))
    return is_done


def note_chunk(connection: apsw.Connection) -> bool:
    """The first noting of rows that were there before sync, by their own times; False when more are left."""
    if is_capturing(connection):
        return note_new(connection)
    is_done = note_new(connection, by_event=True, most=_CHUNK)
    if is_done:
        connection.execute(f"UPDATE sync_core SET capturing = {_ON} WHERE capturing = {_BEGINNING}")
    return is_done


def count_unnoted(connection: apsw.Connection) -> int:
    """Rows below the marks that nothing is noted of; there are none, unless something went wrong."""
    if not is_capturing(connection):
        return 0
    return sum(
        connection.execute(
            f"SELECT count(*) FROM {table} t WHERE n <= (SELECT m_{table} FROM sync_core)"
            f" AND NOT EXISTS (SELECT 1 FROM sync_{table} s WHERE s.n = t.n)"
        ).get
        for table in TABLES
    )


def note_missing(connection: apsw.Connection) -> None:
    """Stamps and queues the rows below the marks that nothing is noted of; the caller has a transaction."""
    if not is_capturing(connection):
        return
    connection.execute("UPDATE sync_core SET seq = seq + 1")
    for table in TABLES:
        mark = connection.execute(f"SELECT m_{table} FROM sync_core").get
        connection.execute(_note_sql(table, by_event=True, revives=True), (0, mark))


@contextmanager
def by_event(connection: apsw.Connection) -> Iterator[None]:
    """What is written inside is as old as what it tells of; the caller has a transaction.

    What is deleted inside is said again under other ids, and may come again.
    """
    # What others inserted before is theirs, and new.
    note_new(connection)
    connection.execute("UPDATE sync_core SET import = 1")
    yield
    note_new(connection, by_event=True)
    connection.execute("UPDATE sync_core SET import = 0")


@contextmanager
def quietly(connection: apsw.Connection) -> Iterator[None]:
    """What is written inside is no change that anybody made: it is neither stamped nor queued.

    The caller has a transaction open, and gives its new rows their side rows; those without
    have never been said.
    """
    while not note_new(connection):
        # The marks are about to move past what was there before sync.
        note_chunk(connection)
    connection.execute("UPDATE sync_core SET quiet = quiet + 1")
    yield
    if is_capturing(connection):
        for table in TABLES:
            connection.execute(
                f"INSERT INTO sync_{table}(n, at, by)"
                f" SELECT n, 0, 0 FROM {table} WHERE n > (SELECT m_{table} FROM sync_core)"
                " ON CONFLICT(n) DO NOTHING"
            )
            connection.execute(
                f"UPDATE sync_core SET m_{table} ="
                f" max(m_{table}, coalesce((SELECT max(n) FROM {table}), 0))"
            )
    connection.execute("UPDATE sync_core SET quiet = quiet - 1")


def note_put_away(connection: apsw.Connection, table: str, rows: Iterable[tuple[int, int]]) -> None:
    """Stamps and queues rows that are in the archive since before sync: `n`, and what time they tell of."""
    connection.execute("UPDATE sync_core SET seq = seq + 1")
    connection.executemany(
        f"INSERT INTO sync_{table}(n, at, by, seq, first)"
        f" SELECT ?, max(1, min(?, {_CLOCK})), author, seq, seq FROM sync_core WHERE 1"
        " ON CONFLICT(n) DO NOTHING",
        rows,
    )


def note_returned(connection: apsw.Connection, table: str, ids: list[str]) -> None:
    """Stamps and queues those of some rows that were put away before any stamp was made.

    They are as old as what they tell of, as all that was there before sync. The caller
    writes quietly.
    """
    if not ids or not is_capturing(connection):
        return
    unnoted: list[Any] = connection.execute(
        f"SELECT t.n FROM json_each(?) j CROSS JOIN {table} t ON t.id = j.value"
        f" WHERE NOT EXISTS (SELECT 1 FROM sync_{table} s WHERE s.n = t.n)",
        (json.dumps(ids),),
    ).fetchall()
    if unnoted:
        connection.execute("UPDATE sync_core SET seq = seq + 1")
        note = _note_sql(table, by_event=True, revives=True)
        connection.executemany(note, [(n - 1, n) for (n,) in unnoted])


@cache
def _note_sql(table: str, *, by_event: bool, revives: bool) -> str:
    when = event_time(table, "t.", _CLOCK) if by_event else _CLOCK
    queued = "(SELECT seq FROM sync_core)"
    if table == "sessions":
        when = f"iif(t.placeholder, 0, {when})"
        queued = f"iif(t.placeholder, NULL, {queued})"
    join = ""
    if revives:
        join = f" LEFT JOIN sync_deleted d ON d.tbl = {NUMBER[table]} AND d.id = t.id"
        living = f"max({when}, coalesce(d.at + 1, 0))"
        when = f"iif(t.placeholder, 0, {living})" if table == "sessions" else living
    return (
        f"INSERT INTO sync_{table}(n, at, by, seq, first)"
        f" SELECT t.n, {when}, (SELECT author FROM sync_core), {queued}, {queued}"
        f" FROM {table} t{join} WHERE t.n > ? AND t.n <= ? ON CONFLICT(n) DO NOTHING"
    )


@cache
def _said_whole_sql(table: str) -> str:
    """A record that comes back after its deletion says of every field what it is now, empty ones too."""
    stamp = f"(s.at << {AUTHOR_BITS}) | s.by"
    every = ", ".join(f"s_{name}" for name in SYNCED[table])
    stamps = ", ".join(stamp for _name in SYNCED[table])
    return (
        f"INSERT INTO sync_{table}_fields(n, base, {every})"
        f" SELECT s.n, {stamp}, {stamps} FROM sync_{table} s JOIN {table} t ON t.n = s.n"
        f" JOIN sync_deleted d ON d.tbl = {NUMBER[table]} AND d.id = t.id"
        " WHERE s.n > ? AND s.n <= ? AND s.at > 0 ON CONFLICT(n) DO NOTHING"
    )


@cache
def _revived_sql(table: str) -> str:
    """What lives again needs no tombstone, for all its fields are newer; what was purged does."""
    is_real = " AND NOT placeholder" if table == "sessions" else ""
    return (
        "UPDATE sync_deleted SET seq = NULL, first = NULL, state = NULL"
        f" WHERE tbl = {NUMBER[table]} AND NOT purge AND first IS NOT NULL"
        f" AND id IN (SELECT id FROM {table} WHERE n > ? AND n <= ?{is_real})"
    )
