"""A page of what changed in a tenant's database, for devices that pull."""

from __future__ import annotations

import asyncio
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from clankers import wire
from clankers.server import _held
from clankers.server._problems import Problem
from clankers.server.backends import Statement
from clankers.wire import ZERO, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clankers.server.backends import Backend, Database, Rows

DEFAULT_LIMIT = 500
MOST_CHANGES = 5_000
# A page ends before it grows beyond this, unless its first change is larger.
_LARGEST_PAGE = 8 * 1024 * 1024
_MOST_TRIES = 3
_TEXTS = {
    table: [name for name, one in wire.FIELDS[table].items() if one.kind == "text"]
    for table in wire.TABLES
}


def _places() -> str:
    """Where each changed record is, by revision, and about how large it is."""
    told = "NOT placeholder AND "
    parts = [
        f"SELECT * FROM (SELECT revision, '{table}' AS tbl, id, 0 AS kind, {_size(table)} AS size"
        f" FROM {table} WHERE {told if table == 'sessions' else ''}revision > ?1"
        " ORDER BY revision LIMIT ?2)"
        for table in wire.TABLES
    ]
    parts.append(
        "SELECT * FROM (SELECT revision, tbl, id, 1, octet_length(fields) FROM covered"
        " WHERE revision > ?1 ORDER BY revision LIMIT ?2)"
    )
    parts.append(
        "SELECT * FROM (SELECT revision, tbl, id, 2, 100 FROM tombstones"
        " WHERE revision > ?1 ORDER BY revision LIMIT ?2)"
    )
    return " UNION ALL ".join(parts) + " ORDER BY 1, 4 LIMIT ?2"


def _size(table: str) -> str:
    return " + ".join(f"coalesce(octet_length({name}), 0)" for name in _TEXTS[table]) + " + 200"


_PLACES = _places()
_HEAD = """
SELECT s.store, s.revision, m.revision, m.nonce
FROM service s LEFT JOIN marks m ON m.revision = (SELECT max(revision) FROM marks)
"""
_MARKS = "SELECT revision, nonce FROM marks WHERE revision IN (SELECT value FROM json_each(?))"


async def changes(
    backend: Backend,
    database: Database,
    *,
    after: int,
    limit: int,
    store: str | None,
    marks: Sequence[tuple[int, str]],
) -> bytes:
    """The page as JSON: at most `limit` changes after a revision, the oldest first.

    Raises:
        Problem: the store or a mark is not known, so that the watermark means nothing here.
    """
    wanted = msgspec.json.encode([revision for revision, _nonce in marks]).decode()
    head, known, places = await backend.read(
        database,
        [
            Statement(_HEAD),
            Statement(_MARKS, (wanted,)),
            # A record that was deleted and lives again stands in two places.
            Statement(_PLACES, (after, 2 * limit + 1)),
        ],
    )
    ((here, _revision, mark, nonce),) = head
    _check(store, marks, str(here), {int(str(one)): str(two) for one, two in known})
    page, has_more = _page(places, limit)
    found = await _records(backend, database, page)
    answer = {
        "next": max(page.values(), default=after),
        "more": has_more,
        "store": here,
        "mark": [mark or 0, nonce or ""],
    }
    # A page may be megabytes.
    return await asyncio.to_thread(_encoded, answer, page, found)


def _encoded(answer: dict[str, Any], page: _Page, found: dict[tuple[str, str], Version]) -> bytes:
    shown = [_change(revision, *key, found[key]) for key, revision in page.items() if key in found]
    clock = max(map(_clock, found.values()), default=0)
    return msgspec.json.encode({"changes": shown, **answer, "clock": clock})


def _check(
    store: str | None, marks: Sequence[tuple[int, str]], here: str, known: dict[int, str]
) -> None:
    if store is None:
        return
    if store != here or any(one and known.get(one) != nonce for one, nonce in marks):
        raise Problem.conflict(
            "this is not the store that was pulled from before", reason="store_changed", store=here
        )


_Page = dict[tuple[str, str], int]


def _page(places: Rows, limit: int) -> tuple[_Page, bool]:
    """The records of the page with their revisions, and whether more follow.

    A record that was deleted and lives again has two revisions, of which the later counts: by
    the earlier one it would be passed over where the page goes on beyond the later.
    """
    newest: dict[tuple[str, str], tuple[int, int]] = {}
    for revision, table, record_id, _kind, length in places:
        newest[str(table), str(record_id)] = int(revision or 0), int(length or 0)
    page: _Page = {}
    size = 0
    for key, (revision, length) in sorted(newest.items(), key=itemgetter(1)):
        size += length
        if page and (len(page) >= limit or size > _LARGEST_PAGE):
            return page, True
        page[key] = revision
    return page, False


async def _records(
    backend: Backend, database: Database, page: _Page
) -> dict[tuple[str, str], Version]:
    """The records of a page as they are by now; one that changed since comes with its next page."""
    loaded = _held.Loaded()
    wanted: dict[str, set[str]] = {}
    for table, record_id in page:
        wanted.setdefault(table, set()).add(record_id)
    readers = [one for table, ids in wanted.items() for one in loaded.of_ids(table, ids)]
    if not readers:
        return {}
    rows = await backend.read(database, [statement for statement, _take in readers])
    for (_statement, take), found in zip(readers, rows, strict=True):
        take(found)
    return {
        key: held.version for key, held in loaded.records.items() if page.get(key) == held.revision
    }


def _change(revision: int, table: str, record_id: str, version: Version) -> dict[str, Any]:
    return {
        "table": table,
        "id": record_id,
        "revision": revision,
        "fields": version.fields,
        "at": version.stamps(),
        "deleted_at": version.deleted_at if version.deleted_at > ZERO else None,
        "purge": version.purge,
    }


def _clock(version: Version) -> int:
    return max(version.newest, version.deleted_at).changed_at
