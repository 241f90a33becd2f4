"""What waits to be sent: picking it, and what becomes of it."""

from __future__ import annotations

import json
import time
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from clankers.store.capture._layout import ASIDE, DEAD, HELD, NUMBER, TABLES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import apsw

_DAY_MS = 86_400_000


class Waiting(NamedTuple):
    """A row that waits: `key` is its `n`, or the id of what was deleted.

    `table` is a number; of what was deleted it is -1 less that of its table.
    """

    first: int
    table: int
    key: int | str

    @property
    def is_delete(self) -> bool:
        return self.table < 0


class Counts(NamedTuple):
    """How much of a table waits, is held back by the rules, and was refused by the server."""

    ready: int
    held: int
    aside: int


class Refused(NamedTuple):
    """A row that the server does not take, and what it said."""

    table: str
    id: str
    code: str
    message: str
    tries: int
    tried_at: int


class Acknowledged(NamedTuple):
    """What a server has of a row now; `seq` is that of the change that was sent."""

    n: int
    seq: int | None
    hash: bytes
    acked: int
    edition: int


def pick(connection: apsw.Connection, most: int, busy: Collection[Waiting]) -> list[Waiting]:
    """The oldest rows that are ready and not `busy`, at most so many."""
    limit = most + len(busy)
    found = [
        [
            Waiting(first, number, n)
            for first, n in connection.execute(
                f"SELECT first, n FROM sync_{table}"
                " WHERE first IS NOT NULL AND state IS NULL ORDER BY first, n LIMIT ?",
                (limit,),
            )
        ]
        for number, table in enumerate(TABLES)
    ]
    found.append(
        [
            Waiting(first, -1 - table, record_id)
            for first, table, record_id in connection.execute(
                "SELECT first, tbl, id FROM sync_deleted"
                " WHERE first IS NOT NULL AND state IS NULL ORDER BY first LIMIT ?",
                (limit,),
            )
        ]
    )
    found[-1].sort(key=lambda one: one.first)
    taken = {(one.table, one.key) for one in busy}
    oldest = (
        one for one in merge(*found, key=lambda one: one.first) if (one.table, one.key) not in taken
    )
    return list(islice(oldest, most))


def ready_after(connection: apsw.Connection, table: str, after: int, most: int) -> list[int]:
    """Numbers of rows that are ready, by number."""
    rows = connection.execute(
        f"SELECT n FROM sync_{table} WHERE n > ? AND first IS NOT NULL AND state IS NULL"
        " ORDER BY n LIMIT ?",
        (after, most),
    )
    return [n for (n,) in rows]


def pending_sessions(connection: apsw.Connection, table: str, ns: Sequence[int]) -> list[Waiting]:
    """The sessions of rows that wait themselves."""
    query = (
        "SELECT DISTINCT q.first, q.n FROM json_each(?) j"
        f" CROSS JOIN {table} t ON t.n = j.value CROSS JOIN sessions s ON s.id = t.session_id"
        " CROSS JOIN sync_sessions q ON q.n = s.n"
        " WHERE q.first IS NOT NULL AND q.state IS NULL"
    )
    found = connection.execute(query, (json.dumps(list(ns)),))
    return [Waiting(first, NUMBER["sessions"], n) for first, n in found]


def is_anything_ready(connection: apsw.Connection) -> bool:
    """Whether a row could be sent now."""
    ready = " UNION ALL ".join(
        f"SELECT * FROM (SELECT 1 FROM sync_{table}"
        " WHERE first IS NOT NULL AND state IS NULL LIMIT 1)"
        for table in (*TABLES, "deleted")
    )
    return bool(connection.execute(f"SELECT EXISTS ({ready})").get)


def count_dead(connection: apsw.Connection, table: str) -> int:
    """Rows that were deleted elsewhere and are kept in the archive."""
    query = f"SELECT count(*) FROM sync_{table} WHERE state = {DEAD}"
    return int(connection.execute(query).get)


def is_waiting(connection: apsw.Connection, rows: int) -> bool:
    """Whether so many rows at least are ready, those above the marks included."""
    found = 0
    for table in (*TABLES, "deleted"):
        found += connection.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM sync_{table}"
            " WHERE first IS NOT NULL AND state IS NULL LIMIT ?)",
            (rows,),
        ).get
        if table != "deleted":
            found += connection.execute(
                f"SELECT count(*) FROM (SELECT 1 FROM {table}"
                f" WHERE n > (SELECT m_{table} FROM sync_core) LIMIT ?)",
                (rows,),
            ).get
        if found >= rows:
            return True
    return False


def count_waiting(connection: apsw.Connection) -> dict[str, Counts]:
    """By table, and under ``deletes``; rows above the marks are counted as ready."""
    found = {}
    for table in TABLES:
        ready, held, aside = _counted(connection, f"sync_{table}")
        placeholder = " AND NOT placeholder" if table == "sessions" else ""
        new = connection.execute(
            f"SELECT count(*) FROM {table} WHERE n > (SELECT m_{table} FROM sync_core){placeholder}"
        ).get
        found[table] = Counts(ready + new, held, aside)
    found["deletes"] = Counts(*_counted(connection, "sync_deleted"))
    return found


def _counted(connection: apsw.Connection, side: str) -> tuple[int, int, int]:
    row: tuple[int, int, int] = connection.execute(
        f"SELECT count(*) FILTER (WHERE state IS NULL), count(*) FILTER (WHERE state = {HELD}),"
        f" count(*) FILTER (WHERE state = {ASIDE}) FROM {side} WHERE first IS NOT NULL"
    ).get
    return row


def acknowledge(connection: apsw.Connection, table: str, rows: Iterable[Acknowledged]) -> None:
    """Notes what the server has; what changed since it was sent goes on waiting."""
    connection.executemany(
        f"UPDATE sync_{table} SET hash = ?3, acked = ?4, edition = ?5,"
        " first = iif(seq IS ?2, NULL, first), state = iif(seq IS ?2, NULL, state),"
        " seq = iif(seq IS ?2, NULL, seq) WHERE n = ?1",
        rows,
    )


def acknowledge_deletes(
    connection: apsw.Connection, rows: Iterable[tuple[int, str, int | None]]
) -> None:
    """The same for tombstones: table, id and the number of the change."""
    connection.executemany(
        "UPDATE sync_deleted SET seq = NULL, first = NULL, state = NULL"
        " WHERE tbl = ? AND id = ? AND seq IS ?",
        rows,
    )


def drop(connection: apsw.Connection, table: str, n: int, seq: int | None) -> None:
    """A row that need not be sent after all, unless it has changed since."""
    connection.execute(
        f"UPDATE sync_{table} SET seq = NULL, first = NULL, state = NULL WHERE n = ? AND seq IS ?",
        (n, seq),
    )


def drop_lost(connection: apsw.Connection, table: str, ns: Iterable[int]) -> None:
    """Rows that are in neither file: there is nothing to send."""
    connection.executemany(
        f"UPDATE sync_{table} SET seq = NULL, first = NULL, state = NULL"
        f" WHERE n = ?1 AND NOT EXISTS (SELECT 1 FROM {table} WHERE n = ?1)",
        [(n,) for n in ns],
    )


def enqueue(connection: apsw.Connection, table: str, n: int) -> None:
    """A row that is to go whole, although nobody changed it here."""
    connection.execute("UPDATE sync_core SET seq = seq + 1")
    connection.execute(
        f"UPDATE sync_{table} SET hash = NULL, acked = NULL, edition = NULL,"
        " seq = (SELECT seq FROM sync_core),"
        " first = coalesce(first, (SELECT seq FROM sync_core)), state = NULL WHERE n = ?",
        (n,),
    )


def forget_acknowledged(connection: apsw.Connection, table: str, ns: Iterable[int]) -> None:
    """Rows of which the server has something else: they go whole."""
    connection.executemany(
        f"UPDATE sync_{table} SET hash = NULL, acked = NULL, edition = NULL WHERE n = ?",
        [(n,) for n in ns],
    )


def hold(connection: apsw.Connection, table: str, ns: Iterable[int]) -> None:
    """Rows that the rules keep here for now."""
    connection.executemany(
        f"UPDATE sync_{table} SET state = {HELD} WHERE n = ? AND first IS NOT NULL",
        [(n,) for n in ns],
    )


def release_held(connection: apsw.Connection) -> None:
    """Looks at all that is held once more."""
    for table in (*TABLES, "deleted"):
        connection.execute(
            f"UPDATE sync_{table} SET state = NULL WHERE first IS NOT NULL AND state = {HELD}"
        )


def has_held(connection: apsw.Connection) -> bool:
    """Whether any row is held."""
    held = " UNION ALL ".join(
        f"SELECT * FROM (SELECT 1 FROM sync_{table}"
        f" WHERE first IS NOT NULL AND state = {HELD} LIMIT 1)"
        for table in TABLES
    )
    return bool(connection.execute(f"SELECT EXISTS ({held})").get)


def release(connection: apsw.Connection, table: str, ns: Iterable[int]) -> None:
    """Looks once more at those of the rows that are held."""
    connection.executemany(
        f"UPDATE sync_{table} SET state = NULL"
        f" WHERE n = ? AND first IS NOT NULL AND state = {HELD}",
        [(n,) for n in ns],
    )


def set_aside(
    connection: apsw.Connection,
    waiting: Waiting,
    seq: int | None,
    refused: Refused,
) -> None:
    """A row that the server refused waits for a change, a day, or another server."""
    if waiting.is_delete:
        connection.execute(
            f"UPDATE sync_deleted SET state = {ASIDE} WHERE tbl = ? AND id = ? AND seq IS ?",
            (-1 - waiting.table, waiting.key, seq),
        )
    else:
        connection.execute(
            f"UPDATE sync_{TABLES[waiting.table]} SET state = {ASIDE} WHERE n = ? AND seq IS ?",
            (waiting.key, seq),
        )
    connection.execute(
        "INSERT INTO sync_aside(tbl, id, code, message, tries, tried_at) VALUES (?, ?, ?, ?, 1, ?)"
        " ON CONFLICT DO UPDATE SET code = excluded.code, message = excluded.message,"
        " tries = tries + 1, tried_at = excluded.tried_at",
        (NUMBER[refused.table], refused.id, refused.code, refused.message, refused.tried_at),
    )


def sequence_of(connection: apsw.Connection, table: str, n: int) -> int | None:
    """The number of the newest change of a row."""
    found: int | None = connection.execute(f"SELECT seq FROM sync_{table} WHERE n = ?", (n,)).get
    return found


def set_unfit_aside(connection: apsw.Connection, table: str, n: int, seq: int | None) -> None:
    """A row that cannot be sent as it is waits until it changes; nobody is asked about it."""
    name: bytes | None = connection.execute(
        f"SELECT CAST(id AS BLOB) FROM {table} WHERE n = ?", (n,)
    ).get
    record_id = (name or b"").decode(errors="replace")
    said = "it holds bytes or numbers that JSON cannot say"
    set_aside(
        connection,
        Waiting(0, NUMBER[table], n),
        seq,
        Refused(table, record_id, "unfit", said, 1, int(time.time() * 1000)),
    )


def forget_refused(connection: apsw.Connection, ids: Iterable[tuple[int, str]]) -> None:
    """What was taken after all is no longer refused: table numbers and ids."""
    if connection.execute("SELECT EXISTS (SELECT 1 FROM sync_aside)").get:
        connection.executemany("DELETE FROM sync_aside WHERE tbl = ? AND id = ?", ids)


def refused(connection: apsw.Connection) -> list[Refused]:
    """All that a server refused, and that waits aside."""
    sides = " UNION ALL ".join(
        f"SELECT a.* FROM sync_aside a JOIN {table} t ON t.id = a.id"
        f" JOIN sync_{table} s ON s.n = t.n WHERE a.tbl = {NUMBER[table]} AND s.state = {ASIDE}"
        for table in TABLES
    )
    rows = connection.execute(
        f"{sides} UNION ALL SELECT a.* FROM sync_aside a"
        f" JOIN sync_deleted d ON d.tbl = a.tbl AND d.id = a.id WHERE d.state = {ASIDE}"
    )
    return [Refused(TABLES[table], *rest) for table, *rest in rows]


def retry_aside(connection: apsw.Connection, now: int, *, everything: bool) -> None:
    """Rows that were refused a day ago, or all of them, are tried again."""
    before = now + 1 if everything else now - _DAY_MS
    if connection.execute("SELECT min(tried_at) FROM sync_aside").get is None:
        return
    for table in TABLES:
        connection.execute(
            f"UPDATE sync_{table} SET state = NULL WHERE first IS NOT NULL AND state = {ASIDE}"
            f" AND (SELECT a.tried_at < ? FROM {table} t JOIN sync_aside a"
            f" ON a.tbl = {NUMBER[table]} AND a.id = t.id WHERE t.n = sync_{table}.n) IS NOT 0",
            (before,),
        )
    connection.execute(
        f"UPDATE sync_deleted SET state = NULL WHERE first IS NOT NULL AND state = {ASIDE}"
        " AND (SELECT a.tried_at < ? FROM sync_aside a WHERE a.tbl = sync_deleted.tbl"
        " AND a.id = sync_deleted.id) IS NOT 0",
        (before,),
    )


def queue_everything(connection: apsw.Connection) -> None:
    """Every row and tombstone waits again, whole and with the stamps it has; the caller has a transaction."""
    connection.execute("UPDATE sync_core SET seq = seq + 1")
    for table in TABLES:
        connection.execute(
            f"UPDATE sync_{table} SET hash = NULL, acked = NULL, edition = NULL,"
            " seq = (SELECT seq FROM sync_core),"
            " first = coalesce(first, (SELECT seq FROM sync_core)), state = NULL"
            f" WHERE at > 0 AND state IS NOT {DEAD}"
        )
        lives = (
            f"EXISTS (SELECT 1 FROM {table} t JOIN sync_{table} s ON s.n = t.n"
            " WHERE t.id = sync_deleted.id AND s.at > 0)"
        )
        connection.execute(
            "UPDATE sync_deleted SET seq = (SELECT seq FROM sync_core),"
            " first = coalesce(first, (SELECT seq FROM sync_core)), state = NULL"
            f" WHERE tbl = {NUMBER[table]} AND (purge OR NOT {lives})"
        )
