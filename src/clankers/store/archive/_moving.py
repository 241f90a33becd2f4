"""Moving sessions between the main database and its archive, so that a crash loses nothing.

Rows are copied and committed first, and deleted where they were afterwards; a crash between
leaves them in both files. Then the main row is the truth. All of it happens while the main
database is locked for writing, so that of two processes one comes after the other.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from clankers.store._removal import REFERENCE, referred, unreferred
from clankers.store._schema import COLUMNS
from clankers.store.archive._archive import CHILDREN, OWNER, ROW_COLUMNS, note_inserted
from clankers.store.capture._deleted import NOT_OLDER, clock, has_any_deleted
from clankers.store.capture._layout import NUMBER
from clankers.store.capture._marks import note_returned
from clankers.store.capture._received import revive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import apsw

    from clankers.store._opened import Opened
    from clankers.store.archive._archive import Archive, Row

_AMONG = "(SELECT value FROM json_each(?))"
_DROP_ATTACHMENTS = f"DELETE FROM attachments WHERE sha256 IN {_AMONG}"
_REFERRING = {"messages": "content", "tools": "tool_output"}
# n, id, and what no row can be without.
_STAND_IN = {
    "sessions": ("n", "id", "project_path", "placeholder"),
    "messages": ("n", "id", "session_id"),
    "tools": ("n", "id", "session_id", "created_at", "tool_name"),
    "session_errors": ("n", "id", "session_id", "created_at"),
    "compaction_events": ("n", "id", "session_id", "created_at"),
}
_IS_PLACEHOLDER = ROW_COLUMNS["sessions"].index("placeholder")
_ARCHIVED_AT = ROW_COLUMNS["sessions"].index("archived_at")


def copy_out(main: Opened, archive: Archive, ids: Sequence[str]) -> tuple[dict[str, int], set[str]]:
    """Copies sessions into the archive; rows by table, and the attachments they refer to.

    The caller holds the write lock of the main database.
    """
    counts, digests = {}, set[str]()
    with archive.transaction():
        archive.note_moving(ids)
        for table in COLUMNS:
            rows = _noting(table, _rows_of(main.connection, table, ids), digests)
            if table == "sessions":
                at = clock(main.connection)
                rows = (_dated(row, at) for row in rows)
            counts[table] = archive.put(table, rows)
        _copy_attachments(main.connection, archive.connection, digests)
    return counts, digests


def leave(main: Opened, ids: Sequence[str]) -> None:
    """Deletes sessions that were copied; the caller has a quiet transaction open."""
    main.connection.execute(f"DELETE FROM sessions WHERE id IN {_AMONG}", (json.dumps(list(ids)),))


def copy_back(main: Opened, archive: Archive, ids: Sequence[str]) -> set[str]:
    """Copies what is alive of sessions into the main database; the attachments referred to.

    Sessions come before what belongs to them. What stands there already stays as it is,
    but for placeholders. The caller has a quiet transaction open, and notes first that the
    sessions are on their way.
    """
    digests = set[str]()
    for table in COLUMNS:
        _copy_table_back(main, archive, table, ids, digests)
    _copy_attachments(archive.connection, main.connection, digests)
    return digests


def stand_in(main: Opened, archive: Archive, ids: Sequence[str]) -> None:
    """Puts rows without any content into the main database for those of archived sessions.

    Deleting them tells sync of it as of all others. The caller has a quiet transaction open.
    """
    known = ids
    for table, columns in _STAND_IN.items():
        owner = OWNER[table]
        rows = archive.connection.execute(
            f"SELECT {', '.join(columns)} FROM {table} WHERE {owner} IN {_AMONG}",
            (json.dumps(list(known)),),
        ).fetchall()
        insert = f"INSERT INTO {table}({{}}) VALUES ({{}}) ON CONFLICT DO NOTHING"
        marks = ["?" for _ in columns]
        main.connection.executemany(insert.format(", ".join(columns), ", ".join(marks)), rows)
        # Where another row has the number, by a number of its own.
        main.connection.executemany(
            insert.format(", ".join(columns[1:]), ", ".join(marks[1:])), [row[1:] for row in rows]
        )
        if table == "sessions":
            query = f"SELECT id FROM sessions WHERE id IN {_AMONG}"
            known = [str(one) for (one,) in main.connection.execute(query, (json.dumps(ids),))]


def alive(main: Opened, archive: Archive, ids: Iterable[str]) -> list[str]:
    """Those of the sessions that are in the archive, and were deleted nowhere since."""
    pairs = _pairs(archive, "sessions", list(ids))
    dead = _dead(main, "sessions", pairs)
    gone = set(_removed(main, archive.moving()))
    return [one for n, one in pairs if n not in dead and one not in gone]


def covered(main: Opened, archive: Archive, ids: Iterable[str]) -> list[str]:
    """Those of the sessions that were once deleted and have archived rows which were not."""
    if not has_any_deleted(main.connection):
        return []
    query = (
        "SELECT d.id FROM json_each(?) j"
        " CROSS JOIN sync_deleted d ON d.tbl = 0 AND d.id = j.value"
        " CROSS JOIN sessions s ON s.id = d.id AND NOT s.placeholder"
    )
    found = [str(one) for (one,) in main.connection.execute(query, (json.dumps(list(ids)),))]
    return [one for one in found if any(_living(main, archive, table, one) for table in CHILDREN)]


def _living(main: Opened, archive: Archive, table: str, session_id: str) -> bool:
    pairs = _pairs(archive, table, [session_id])
    return len(pairs) > len(_dead(main, table, pairs))


def settle(main: Opened, archive: Archive, ids: Iterable[str], digests: set[str]) -> None:
    """Ends the moves of these sessions: what stands in both files goes from the archive.

    So does what was to be deleted, if it was. Attachments stay where something refers to
    them. The caller has a quiet transaction open.
    """
    noted = archive.moving()
    moved = {one: noted[one] for one in ids if one in noted}
    with archive.transaction():
        for table in COLUMNS:
            _drop_doubles(main, archive, table, list(moved))
        _remove(archive, _removed(main, moved))
        _settle_attachments(main, archive, digests)
        archive.forget_moving(moved)


def drop_attachments(main: Opened, archive: Archive, digests: set[str]) -> None:
    """Deletes from the main database what the archive has, and nothing here refers to.

    The caller has a quiet transaction open, and commits it before the moves are ended.
    """
    both = digests & in_both(main, archive) if digests else digests
    if both:
        unneeded = sorted(both - referred(main.connection))
        main.connection.execute(_DROP_ATTACHMENTS, (json.dumps(unneeded),))


def in_both(main: Opened, archive: Archive) -> set[str]:
    """The attachments that both files have."""
    query = "SELECT sha256 FROM attachments"
    theirs = {str(one) for (one,) in archive.connection.execute(query)}
    return {str(one) for (one,) in main.connection.execute(query) if one in theirs}


def _rows_of(connection: apsw.Connection, table: str, ids: Sequence[str]) -> Iterator[Row]:
    query = (
        f"SELECT {', '.join(ROW_COLUMNS[table])} FROM {table} WHERE {OWNER[table]} IN {_AMONG}"
        " ORDER BY n"
    )
    yield from connection.execute(query, (json.dumps(list(ids)),))


def _noting(table: str, rows: Iterable[Row], digests: set[str]) -> Iterator[Row]:
    """The rows, while what they refer to is added to `digests`."""
    if table not in _REFERRING:
        yield from rows
        return
    place = ROW_COLUMNS[table].index(_REFERRING[table])
    for row in rows:
        if (written := row[place]) and '"attachment"' in written:
            digests.update(REFERENCE.findall(written))
        yield row


def _copy_table_back(
    main: Opened, archive: Archive, table: str, ids: Sequence[str], digests: set[str]
) -> None:
    pairs = _pairs(archive, table, ids)
    staying = _dead(main, table, pairs)
    standing, taken = _standing(main, table, pairs)
    columns = ROW_COLUMNS[table]
    insert = f"INSERT INTO {table}({', '.join(columns)}) VALUES ({', '.join('?' for _ in columns)})"
    came: list[int] = []
    came_ids: list[str] = []

    def coming() -> Iterator[Row]:
        for row in _noting(table, _rows_of(archive.connection, table, ids), digests):
            n = row[0]
            if n in staying:
                continue
            if n in standing:
                if table == "sessions" and not row[_IS_PLACEHOLDER]:
                    _fill_placeholder(main.connection, row, keeps_n=n in taken)
                continue
            came_ids.append(row[1])
            if n in taken or n < 0:
                # After an older copy was restored another row may have, or had, its number.
                n = None
            else:
                came.append(n)
            whole = (n, *row[1:])
            yield _dated(whole, None) if table == "sessions" else whole

    main.connection.executemany(insert, coming())
    note_inserted(main.connection, table, came)
    note_returned(main.connection, table, came_ids)
    revive(main.connection, table, came)


def _dated(row: Row, archived_at: int | None) -> Row:
    """A session's row with another time of archiving."""
    return (*row[:_ARCHIVED_AT], archived_at, *row[_ARCHIVED_AT + 1 :])


def _fill_placeholder(connection: apsw.Connection, row: Row, *, keeps_n: bool) -> None:
    """Makes a placeholder what it stood for; a real session stays as it is."""
    columns = ROW_COLUMNS["sessions"]
    given: dict[str, Any] = {**dict(zip(columns, row, strict=True)), "archived_at": None}
    del given["id"]
    query = "SELECT n FROM sessions WHERE id = ? AND placeholder"
    if (before := connection.execute(query, (row[1],)).get) is None:
        return
    if keeps_n:
        del given["n"]
    else:
        connection.execute("DELETE FROM sync_sessions WHERE n = ?", (before,))
        connection.execute("DELETE FROM sync_sessions_fields WHERE n = ?", (before,))
    updates = ", ".join(f"{name} = ?" for name in given)
    connection.execute(f"UPDATE sessions SET {updates} WHERE id = ?", (*given.values(), row[1]))


def _pairs(archive: Archive, table: str, ids: Sequence[str]) -> list[tuple[int, str]]:
    """(n, id) of the archived rows of sessions."""
    query = f"SELECT n, id FROM {table} WHERE {OWNER[table]} IN {_AMONG} ORDER BY n"
    return [
        (int(n), str(row_id))
        for n, row_id in archive.connection.execute(query, (json.dumps(list(ids)),))
    ]


def _standing(
    main: Opened, table: str, pairs: Sequence[tuple[int, str]]
) -> tuple[set[int], set[int]]:
    """The n of those whose id the main database has, and of those whose n another row has."""
    found: list[Any] = main.connection.execute(
        f"SELECT j.value ->> 0, a.id NOTNULL, b.id NOTNULL AND b.id <> (j.value ->> 1)"
        f" FROM json_each(?) j LEFT JOIN {table} a ON a.id = (j.value ->> 1)"
        f" LEFT JOIN {table} b ON b.n = (j.value ->> 0) WHERE a.id NOTNULL OR b.id NOTNULL",
        (json.dumps(pairs),),
    ).fetchall()
    return {n for n, is_there, _taken in found if is_there}, {
        n for n, _is_there, is_taken in found if is_taken
    }


def _dead(main: Opened, table: str, pairs: Sequence[tuple[int, str]]) -> set[int]:
    """The n of archived rows that a deletion covers which is not older than they are.

    A row of which sync knows nothing was alive when it was archived.
    """
    if not pairs or not has_any_deleted(main.connection):
        return set()
    query = (
        f"SELECT s.n FROM json_each(?) j"
        f" CROSS JOIN sync_deleted d ON d.tbl = {NUMBER[table]} AND d.id = (j.value ->> 1)"
        f" CROSS JOIN sync_{table} s ON s.n = (j.value ->> 0) WHERE {NOT_OLDER}"
    )
    return {int(n) for (n,) in main.connection.execute(query, (json.dumps(pairs),))}


def _drop_doubles(main: Opened, archive: Archive, table: str, ids: Sequence[str]) -> None:
    """Deletes from the archive what the main database has too, or has deleted meanwhile."""
    pairs = _pairs(archive, table, ids)
    standing, _taken = _standing(main, table, pairs)
    if table == "sessions":
        standing -= _placeholders_of(main, archive, standing)
    else:
        standing |= _deleted_since(main, archive, table, standing, pairs)
    archive.remove(table, standing)


def _deleted_since(
    main: Opened, archive: Archive, table: str, standing: set[int], pairs: list[tuple[int, str]]
) -> set[int]:
    """Rows of sessions that never left, and that were deleted between a crash and now."""
    rest = [(n, one) for n, one in pairs if n not in standing]
    if not rest or not has_any_deleted(main.connection):
        return set()
    query = (
        f"SELECT j.value ->> 0 FROM json_each(?) j"
        f" CROSS JOIN sync_deleted d ON d.tbl = {NUMBER[table]} AND d.id = (j.value ->> 1)"
        f" WHERE NOT EXISTS (SELECT 1 FROM sync_{table} s WHERE s.n = (j.value ->> 0))"
    )
    ns = json.dumps([n for (n,) in main.connection.execute(query, (json.dumps(rest),))])
    owners: list[Any] = archive.connection.execute(
        f"SELECT n, session_id FROM {table} WHERE n IN {_AMONG}", (ns,)
    ).fetchall()
    exists = "SELECT 1 FROM sessions WHERE id = ? AND NOT placeholder"
    return {n for n, one in owners if main.connection.execute(exists, (one,)).get}


def _remove(archive: Archive, ids: Sequence[str]) -> None:
    unneeded = json.dumps(unreferred(archive.connection, json.dumps(ids)))
    archive.remove_sessions(ids)
    archive.connection.execute(_DROP_ATTACHMENTS, (unneeded,))


def _placeholders_of(main: Opened, archive: Archive, ns: set[int]) -> set[int]:
    """Real sessions for which nothing but a placeholder stands in the main database."""
    real = {row[1]: n for n, row in archive.rows_by_n("sessions", ns).items() if not row[-1]}
    query = f"SELECT id FROM sessions WHERE placeholder AND id IN {_AMONG}"
    return {real[one] for (one,) in main.connection.execute(query, (json.dumps([*real]),))}


def _removed(main: Opened, moved: dict[str, int | None]) -> list[str]:
    """Those that were to be deleted, and were."""
    wanted = [(one, at) for one, at in moved.items() if at is not None]
    query = (
        "SELECT d.id FROM json_each(?) j"
        " CROSS JOIN sync_deleted d ON d.tbl = 0 AND d.id = (j.value ->> 0)"
        " WHERE d.at >= (j.value ->> 1)"
    )
    return [str(one) for (one,) in main.connection.execute(query, (json.dumps(wanted),))]


def _copy_attachments(
    source: apsw.Connection, target: apsw.Connection, digests: Iterable[str]
) -> None:
    rows = source.execute(
        f"SELECT sha256, media_type, data FROM attachments WHERE sha256 IN {_AMONG}",
        (json.dumps(sorted(digests)),),
    )
    target.executemany(
        "INSERT INTO attachments(sha256, media_type, data) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        rows,
    )


def _settle_attachments(main: Opened, archive: Archive, digests: set[str]) -> None:
    """Deletes from the archive what the main database has, and nothing there refers to."""
    both = digests & in_both(main, archive) if digests else digests
    if both:
        unneeded = sorted(both - referred(archive.connection))
        archive.connection.execute(_DROP_ATTACHMENTS, (json.dumps(unneeded),))
