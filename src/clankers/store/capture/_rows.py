"""Rows together with what is noted of them."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import define

from clankers.store.capture._layout import AUTHOR_BITS, DEAD, NUMBER, SYNCED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import apsw

# What a column cannot be without; a record that does not say it has never said it.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "tools": {"tool_name": "", "created_at": 0},
    "session_errors": {"created_at": 0},
    "compaction_events": {"created_at": 0},
    "usage": dict.fromkeys(
        (
            "input_tokens",
            "cache_read_tokens",
            "cache_write_5m_tokens",
            "cache_write_1h_tokens",
            "output_tokens",
            "reasoning_tokens",
            "web_searches",
            "is_sidechain",
            "estimated",
        ),
        0,
    ),
}
UNTITLED = "Untitled Session"


@define
class Local:
    """One record as it stands here.

    Stamps are packed, see `Authors`; a row that is not noted yet has 0 in their place.

    Attributes:
        n: its number, in the main database and in the archive.
        values: its columns in the order of `SYNCED`.
        at: its newest stamp.
        base: the stamp of each field that has none of its own.
        own: the stamps of single fields; 0 for one that was never said.
        hash: what the server has, as it was sent; None where that is not known.
        acked: the newest stamp that the server has.
        is_placeholder: a session that nothing was ever said of.
        is_archived: it stands in the archive.
    """

    table: str
    n: int
    id: str
    values: tuple[Any, ...]
    at: int
    base: int
    own: dict[str, int]
    seq: int | None
    first: int | None
    state: int | None
    hash: bytes | None
    acked: int | None
    edition: int | None
    is_placeholder: bool = False
    is_archived: bool = False

    def stamps(self) -> dict[str, int]:
        """The stamp of each field that was said: those that have a value, or were emptied."""
        own, base = self.own, self.base
        if base == 0 and not own:
            return {}
        found = {}
        for name, value in zip(SYNCED[self.table], self.values, strict=True):
            stamp = own.get(name, base if value is not None else 0)
            # That nobody knows a title or a beginning says nothing against who does.
            says_nothing = (name == "title" and value == UNTITLED) or (
                name == "created_at" and value is None
            )
            if stamp and not says_nothing:
                found[name] = stamp
        return found

    def fields(self) -> dict[str, Any]:
        """All columns by name."""
        return dict(zip(SYNCED[self.table], self.values, strict=True))


_SIDE = ("at", "by", "seq", "first", "state", "hash", "acked", "edition")
_PLACE = 2 + len(_SIDE)


@cache
def _columns(table: str) -> str:
    side = ", ".join(f"s.{name}" for name in _SIDE)
    mark = "t.placeholder" if table == "sessions" else "0"
    return f"t.n, t.id, {side}, {mark}, {', '.join(f't.{name}' for name in SYNCED[table])}"


def of_numbers(connection: apsw.Connection, table: str, ns: Sequence[int]) -> Iterator[Local | int]:
    """The noted rows with these numbers, in their order; the number of one that is not in the table.

    Is read as it is asked for: reading a part costs a part.
    """
    own = own_stamps(connection, table, ns)
    query = (
        f"SELECT j.value, {_columns(table)} FROM json_each(?) j"
        f" LEFT JOIN {table} t ON t.n = j.value LEFT JOIN sync_{table} s ON s.n = j.value"
    )
    for n, *row in connection.execute(query, (json.dumps(list(ns)),)):
        yield n if row[1] is None else _local(table, row, own)


def of_ids(connection: apsw.Connection, table: str, ids: Iterable[str]) -> dict[str, Local]:
    """The rows with these ids that are in the main table."""
    query = (
        f"SELECT {_columns(table)} FROM json_each(?) j CROSS JOIN {table} t ON t.id = j.value"
        f" LEFT JOIN sync_{table} s ON s.n = t.n"
    )
    rows: list[Any] = connection.execute(query, (json.dumps(list(ids)),)).fetchall()
    own = own_stamps(connection, table, [row[0] for row in rows])
    return {row[1]: _local(table, row, own) for row in rows}


def archived(
    connection: apsw.Connection,
    table: str,
    found: Mapping[int, tuple[str, Sequence[Any]]],
) -> list[Local]:
    """Rows of the archive, by number: their id and the columns of `SYNCED`; with what is noted here.

    Of a row whose number another one has in the main table nothing is noted: it is left from
    a move that did not come to its end.
    """
    ns = json.dumps(list(found))
    taken = {
        n
        for (n,) in connection.execute(
            f"SELECT n FROM {table} WHERE n IN (SELECT value FROM json_each(?))", (ns,)
        )
    }
    side = {
        row[0]: row[1:]
        for row in connection.execute(
            f"SELECT n, {', '.join(_SIDE)} FROM sync_{table}"
            " WHERE n IN (SELECT value FROM json_each(?))",
            (ns,),
        )
        if row[0] not in taken
    }
    own = own_stamps(connection, table, [n for n in found if n not in taken])
    nothing = (None,) * len(_SIDE)
    rows = []
    for n, (record_id, values) in found.items():
        local = _local(table, (n, record_id, *side.get(n, nothing), 0, *values), own)
        local.is_archived = True
        rows.append(local)
    return rows


def _local(table: str, row: Sequence[Any], own: Mapping[int, tuple[int, dict[str, int]]]) -> Local:
    n, record_id, at, by, seq, first, state, hashed, acked, edition = row[:_PLACE]
    newest = ((at << AUTHOR_BITS) | by) if at else 0
    base, fields = own.get(n, (newest, {}))
    return Local(
        table,
        n,
        record_id,
        tuple(row[_PLACE + 1 :]),
        newest,
        base if base >> AUTHOR_BITS else 0,
        fields,
        seq,
        first,
        state,
        hashed,
        acked,
        edition,
        bool(row[_PLACE]),
    )


def own_stamps(
    connection: apsw.Connection, table: str, ns: Sequence[int]
) -> dict[int, tuple[int, dict[str, int]]]:
    """By number: the stamp of most fields, and those of fields that have another; few rows have any."""
    names = SYNCED[table]
    found = {}
    for n, base, *stamps in connection.execute(
        f"SELECT * FROM sync_{table}_fields WHERE n IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ns)),),
    ):
        own = {name: one for name, one in zip(names, stamps, strict=True) if one is not None}
        found[n] = (base, own)
    return found


def write_stamps(
    connection: apsw.Connection, table: str, n: int, base: int, own: Mapping[str, int]
) -> None:
    """Notes the stamps of a row; that of fields in `own` is another than `base`."""
    newest = max((base, *own.values()), key=lambda one: one >> AUTHOR_BITS)
    connection.execute(
        f"INSERT INTO sync_{table}(n, at, by) VALUES (?1, ?2, ?3)"
        " ON CONFLICT(n) DO UPDATE SET at = ?2, by = ?3",
        (n, newest >> AUTHOR_BITS, newest & ((1 << AUTHOR_BITS) - 1)),
    )
    if not own:
        connection.execute(f"DELETE FROM sync_{table}_fields WHERE n = ?", (n,))
        return
    names = SYNCED[table]
    connection.execute(
        f"INSERT INTO sync_{table}_fields VALUES (?, ?{', ?' * len(names)})"
        " ON CONFLICT(n) DO UPDATE SET base = excluded.base, "
        + ", ".join(f"s_{name} = excluded.s_{name}" for name in names),
        (n, base, *(own.get(name) for name in names)),
    )


@define
class Tombstone:
    """What is noted of a deletion; `at` is packed."""

    id: str
    at: int
    purge: bool
    seq: int | None
    project: str | None


def tombstones(connection: apsw.Connection, table: str, ids: Iterable[str]) -> dict[str, Tombstone]:
    """The tombstones of records of a table."""
    query = (
        f"SELECT d.id, (d.at << {AUTHOR_BITS}) | d.by, d.purge, d.seq, d.project"
        " FROM json_each(?) j CROSS JOIN sync_deleted d ON d.tbl = ? AND d.id = j.value"
    )
    rows = connection.execute(query, (json.dumps(list(ids)), NUMBER[table]))
    return {
        record_id: Tombstone(record_id, at, bool(purge), seq, project)
        for record_id, at, purge, seq, project in rows
    }


def write_tombstone(
    connection: apsw.Connection, table: str, record_id: str, at: int, *, purge: bool
) -> None:
    """Notes what was deleted elsewhere; what waits here goes on waiting."""
    connection.execute(
        "INSERT INTO sync_deleted(tbl, id, at, by, purge) VALUES (?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT DO UPDATE SET at = ?3, by = ?4, purge = ?5, importable = 0",
        (
            NUMBER[table],
            record_id,
            at >> AUTHOR_BITS,
            at & ((1 << AUTHOR_BITS) - 1),
            int(purge),
        ),
    )


def insert_row(
    connection: apsw.Connection, table: str, record_id: str, values: Mapping[str, Any]
) -> int:
    """Makes a row; its number."""
    names = ("id", *SYNCED[table])
    given = {**DEFAULTS.get(table, {}), **{k: v for k, v in values.items() if v is not None}}
    connection.execute(
        f"INSERT INTO {table}({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        (record_id, *(given.get(name) for name in SYNCED[table])),
    )
    return connection.last_insert_rowid()


def update_row(connection: apsw.Connection, table: str, n: int, values: Mapping[str, Any]) -> None:
    """Changes columns of a row; a session is no placeholder from then on."""
    defaults = DEFAULTS.get(table, {})
    changes = {
        name: defaults.get(name) if value is None else value for name, value in values.items()
    }
    if table == "sessions":
        changes["placeholder"] = 0
    if changes:
        connection.execute(
            f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in changes)} WHERE n = ?",
            (*changes.values(), n),
        )


def each_noted(connection: apsw.Connection, table: str, after: int, most: int) -> list[int]:
    """Numbers of noted rows that were not deleted elsewhere, by number."""
    rows = connection.execute(
        f"SELECT n FROM sync_{table} WHERE n > ? AND at > 0 AND state IS NOT {DEAD}"
        " ORDER BY n LIMIT ?",
        (after, most),
    )
    return [n for (n,) in rows]
