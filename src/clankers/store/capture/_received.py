"""Rows that come from elsewhere: what is noted of them. The caller writes quietly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from clankers.store._schema import COLUMNS
from clankers.store.capture._layout import AUTHOR_BITS, AUTHOR_MASK, CHILDREN, DEAD, SYNCED
from clankers.store.capture._rows import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import apsw


# What a placeholder has.
_KEPT = frozenset({"id", "source", "origin_device"})


def pruned(connection: apsw.Connection) -> dict[str, int]:
    """Session id -> when it was removed from this database, and from no other.

    Of what was deleted the tombstone says whether it lives again.
    """
    return dict(
        connection.execute(
            "SELECT session_id, pruned_at FROM pruned WHERE NOT EXISTS"
            " (SELECT 1 FROM sync_deleted WHERE tbl = 0 AND id = session_id)"
        )
    )


def defaulted(table: str) -> Collection[str]:
    """The columns that cannot be empty, and have a value nobody said."""
    return DEFAULTS.get(table, {})


def write_status(
    connection: apsw.Connection, table: str, n: int, *, hashed: bytes, acked: int, edition: int
) -> None:
    """What the server has of a row."""
    connection.execute(
        f"UPDATE sync_{table} SET hash = ?, acked = ?, edition = ? WHERE n = ?",
        (hashed, acked, edition, n),
    )


def bury(connection: apsw.Connection, table: str, ns: Sequence[int]) -> None:
    """Rows that were deleted elsewhere wait for nothing, until they live again."""
    connection.execute(
        f"UPDATE sync_{table} SET seq = NULL, first = NULL, state = {DEAD}"
        " WHERE n IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ns)),),
    )


def revive(connection: apsw.Connection, table: str, ns: Sequence[int]) -> None:
    """They live again, and what the server does not have of them waits to be sent."""
    chosen = json.dumps(list(ns))
    dead = f"state = {DEAD} AND n IN (SELECT value FROM json_each(?))"
    if not connection.execute(
        f"SELECT EXISTS (SELECT 1 FROM sync_{table} WHERE {dead})", (chosen,)
    ).get:
        return
    unsent = f"(hash IS NULL OR acked IS NOT ((at << {AUTHOR_BITS}) | by))"
    connection.execute("UPDATE sync_core SET seq = seq + 1")
    connection.execute(
        f"UPDATE sync_{table} SET seq = (SELECT seq FROM sync_core),"
        f" first = (SELECT seq FROM sync_core), state = NULL WHERE {dead} AND {unsent} AND at > 0",
        (chosen,),
    )
    connection.execute(f"UPDATE sync_{table} SET state = NULL WHERE {dead}", (chosen,))


def has_session(connection: apsw.Connection, session_id: str) -> bool:
    """Whether a row may point to the session, be it a placeholder."""
    query = "SELECT 1 FROM sessions WHERE id = ?"
    return connection.execute(query, (session_id,)).get is not None


_HAS_CHILDREN = " OR ".join(
    f"EXISTS (SELECT 1 FROM {table} t WHERE t.session_id = sessions.id)" for table in CHILDREN
)


def drop_placeholder(connection: apsw.Connection, session_id: str) -> None:
    """Takes away a session that nothing was ever said of, and that nothing belongs to."""
    which = f"id = ? AND placeholder AND NOT ({_HAS_CHILDREN})"
    connection.execute(
        f"DELETE FROM sync_sessions WHERE n IN (SELECT n FROM sessions WHERE {which})",
        (session_id,),
    )
    connection.execute(f"DELETE FROM sessions WHERE {which}", (session_id,))


def take_sessions(connection: apsw.Connection, ns: Sequence[int]) -> None:
    """Takes sessions out; what still belongs to one stays, under a placeholder of another number."""
    empty = ", ".join(f"{name} = NULL" for name in COLUMNS["sessions"] if name not in _KEPT)
    for n in ns:
        connection.execute(
            f"UPDATE sessions SET n = ?, placeholder = 1, {empty}"
            f" WHERE n = ? AND ({_HAS_CHILDREN})",
            (new_number(connection, "sessions"), n),
        )
        connection.execute("DELETE FROM sessions WHERE n = ?", (n,))


def numbers_of(connection: apsw.Connection, table: str, session_id: str) -> list[int]:
    """The rows of a session, by number."""
    rows = connection.execute(f"SELECT n FROM {table} WHERE session_id = ?", (session_id,))
    return [n for (n,) in rows]


def delete_rows(connection: apsw.Connection, table: str, ns: Sequence[int]) -> None:
    """Takes rows out of a table; what is noted of them stays."""
    connection.execute(
        f"DELETE FROM {table} WHERE n IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ns)),),
    )


def forget_rows(connection: apsw.Connection, table: str, ns: Sequence[int]) -> None:
    """What is noted of rows that are gone for ever."""
    for side in (f"sync_{table}", f"sync_{table}_fields"):
        connection.execute(
            f"DELETE FROM {side} WHERE n IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ns)),),
        )


def put_back(
    connection: apsw.Connection, table: str, columns: Sequence[str], row: Sequence[object]
) -> None:
    """Inserts a whole row; a session takes the place of its placeholder, whose children it has."""
    if table == "sessions":
        record_id = row[columns.index("id")]
        connection.execute(
            "DELETE FROM sync_sessions WHERE n IN"
            " (SELECT n FROM sessions WHERE id = ? AND placeholder)",
            (record_id,),
        )
        connection.execute(
            f"UPDATE sessions SET ({', '.join(columns)}) = ({', '.join('?' * len(columns))})"
            " WHERE id = ? AND placeholder",
            (*row, record_id),
        )
        if connection.changes():
            return
    connection.execute(
        f"INSERT INTO {table}({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", row
    )


def next_number(connection: apsw.Connection, table: str) -> int:
    """A number that no row of a table has or had; the next ones are free as well."""
    query = (
        f"SELECT max(coalesce((SELECT max(n) FROM {table}), 0),"
        " coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), 0)) + 1"
    )
    return int(connection.execute(query, (table,)).get)


def new_number(connection: apsw.Connection, table: str) -> int:
    """The same, and no row will get it: it is for one that stands in the archive."""
    n = next_number(connection, table)
    connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (n, table))
    if not connection.changes():
        connection.execute("INSERT INTO sqlite_sequence(name, seq) VALUES (?, ?)", (table, n))
    return n


def add_rows(
    connection: apsw.Connection, table: str, rows: Iterable[tuple[int, str, Mapping[str, Any]]]
) -> None:
    """Inserts rows under numbers that are free."""
    names = SYNCED[table]
    defaults = DEFAULTS.get(table, {})
    values = (
        (n, record_id, *[_or_default(fields.get(name), name, defaults) for name in names])
        for n, record_id, fields in rows
    )
    connection.executemany(
        f"INSERT INTO {table}(n, id, {', '.join(names)}) VALUES (?, ?{', ?' * len(names)})",
        values,
    )


def _or_default(value: Any, name: str, defaults: Mapping[str, Any]) -> Any:
    return defaults.get(name) if value is None else value


def add_sides(
    connection: apsw.Connection,
    table: str,
    sides: Iterable[tuple[int, int, bytes, int]],
    own: Iterable[tuple[int, int, Mapping[str, int]]],
) -> None:
    """Notes of new rows their stamp, what the server has of them, and stamps of single fields."""
    connection.executemany(
        f"INSERT INTO sync_{table}(n, at, by, hash, acked, edition)"
        f" VALUES (?1, ?2 >> {AUTHOR_BITS}, ?2 & {AUTHOR_MASK}, ?3, ?2, ?4)",
        sides,
    )
    names = SYNCED[table]
    connection.executemany(
        f"INSERT INTO sync_{table}_fields VALUES (?, ?{', ?' * len(names)})",
        ((n, base, *(fields.get(name) for name in names)) for n, base, fields in own),
    )
