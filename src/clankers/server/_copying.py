"""Copying a tenant from one place to another: to a file, from one, to another backend.

Rows, stamps, revisions, tombstones, marks and the store's name go along, so that devices go on
as if nothing had happened. The search index is built anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers import errors, wire
from clankers.server import _schema
from clankers.server._held import COLUMNS
from clankers.server._indexing import index_rows
from clankers.server._storing import COLLECT
from clankers.server.backends import Statement, in_parts
from clankers.store.search._index import INDEXED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clankers.server.backends import Backend, Database

_ROWS = 500
_STORED = {
    table: ("id", *_schema.STAMP_COLUMNS, *COLUMNS[table])
    + (("placeholder",) if table == "sessions" else ())
    for table in wire.TABLES
}
# What each other table is walked along by, and its columns.
_OTHERS = {
    "tombstones": (
        "revision",
        ("tbl", "id", "revision", "changed_at", "device_id", "edition", "purge"),
    ),
    "covered": (
        "revision",
        (
            "tbl",
            "id",
            "session_id",
            "revision",
            "changed_at",
            "device_id",
            "edition",
            "at",
            "fields",
        ),
    ),
    "marks": ("revision", ("revision", "nonce")),
    "batches": ("batch_id", ("batch_id", "hash", "answer", "stored_at")),
}
_HEAD = Statement("SELECT store, revision, last_sync FROM service")


async def check(source: Backend, taken: Database) -> None:
    """Raises ServerError for what is no database of a tenant."""
    try:
        await source.read(taken, [_HEAD])
    except errors.BackendError as problem:
        raise errors.ServerError(
            f"{taken.name} is no exported tenant: {problem}",
            hint="'clankers-cli tenants export' writes one",
        ) from problem


async def is_copy(source: Backend, one: Database, target: Backend, other: Database) -> bool:
    """True when both databases are of one store and have the same last revision."""
    ((store, revision, _at),) = (await source.read(one, [_HEAD]))[0]
    ((there, last, _at),) = (await target.read(other, [_HEAD]))[0]
    return (store, revision) == (there, last)


async def copy_tenant(
    source: Backend, taken: Database, target: Backend, name: str
) -> tuple[Database, dict[str, int]]:
    """Copies everything into a database called `name`; that, and how many rows of each table.

    What a copy that failed left under that name is thrown away; a database that is in use is
    not touched. A copy that is whole already is taken as it is, without counts.

    Raises:
        ServerError: another database is in use there, or somebody wrote to the source meanwhile.
    """
    ((store, revision, last_sync),) = (await source.read(taken, [_HEAD]))[0]
    given = await target.create(name)
    if await _is_in_use(target, given):
        if await is_copy(source, taken, target, given):
            return given, {}
        raise errors.ServerError(
            f"{name} has rows already", hint="copy into a new tenant, or drop that one first"
        )
    await target.drop(given)
    given = await target.create(name)
    await _schema.migrate_tenant(target, given, str(store))
    has_index = await _has_index(target, given)
    counts = {}
    walked = {table: ("n", columns) for table, columns in _STORED.items()} | _OTHERS
    for table, (key, columns) in walked.items():
        counts[table] = 0
        async for rows in _pages(source, taken, table, key, columns):
            await target.write(given, _inserts(table, columns, rows, target, has_index=has_index))
            counts[table] += len(rows)
    ((_store, now, _at),) = (await source.read(taken, [_HEAD]))[0]
    if now != revision:
        raise errors.ServerError(
            "the tenant was written to while it was copied", hint="stop the service and try again"
        )
    # Last: a copy without a revision is one that failed.
    await _finish(target, given, int(revision or 0), last_sync, has_index=has_index)
    return given, counts


async def _is_in_use(target: Backend, given: Database) -> bool:
    """True for a database that has a revision; a new one has no tables yet."""
    there = "SELECT count(*) FROM sqlite_master WHERE name = 'service'"
    ((is_made,),) = (await target.read(given, [Statement(there)]))[0]
    return bool(is_made) and bool((await target.read(given, [_HEAD]))[0][0][1])


async def _pages(
    source: Backend, taken: Database, table: str, key: str, columns: tuple[str, ...]
) -> AsyncIterator[list[Any]]:
    sql = (
        f"SELECT {key}, {', '.join(columns)} FROM {table}"
        f" WHERE {key} > ? ORDER BY {key} LIMIT {_ROWS}"
    )
    last: Any = "" if key == "batch_id" else 0
    while rows := (await source.read(taken, [Statement(sql, (last,))]))[0]:
        last = rows[-1][0]
        yield [row[1:] for row in rows]


def _inserts(
    table: str, columns: tuple[str, ...], rows: list[Any], target: Backend, *, has_index: bool
) -> list[Statement]:
    marks = ", ".join(f"value->>{place}" for place in range(len(columns)))
    sql = f"INSERT INTO {table}({', '.join(columns)}) SELECT {marks} FROM json_each(?) WHERE 1"
    made = in_parts(sql, rows, target.largest_value)
    for indexed in INDEXED if has_index else ():
        if indexed.table == table:
            made += index_rows(
                indexed, _texts(columns, indexed.columns, rows), target.largest_value
            )
    return made


def _texts(
    columns: tuple[str, ...], wanted: tuple[str, str], rows: Any
) -> list[tuple[str, Any, Any]]:
    first, second = (columns.index(name) for name in wanted)
    return [(row[0], row[first], row[second]) for row in rows]


async def _has_index(target: Backend, given: Database) -> bool:
    ((found,),) = (await target.read(given, [Statement("SELECT has_index FROM service")]))[0]
    return bool(found)


async def _finish(
    target: Backend, given: Database, revision: int, last_sync: Any, *, has_index: bool
) -> None:
    sql = "UPDATE service SET revision = ?1, expected = ?1, last_sync = ?2"
    made = [Statement(sql, (revision, last_sync))]
    if has_index:
        made += [Statement(one) for one in COLLECT]
    await target.write(given, made)
