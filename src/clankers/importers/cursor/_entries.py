"""The conversations in an editor's database, and how each one's changes are noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers.importers import Entry
from clankers.importers._sqlite import columns, digest, snapshot
from clankers.importers.cursor._composers import read_composer
from clankers.importers.cursor._items import read_item
from clankers.importers.cursor._shape import has_values, items
from clankers.importers.cursor._values import COMPOSER, bubble_range, is_told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import apsw

    from clankers.importers._batch import Batch

_ITEM = "ItemTable:"
# Up to here the length of every bubble is asked for, which touches a page for each.
_LENGTHS_UP_TO = 1024 * 1024 * 1024


def list_entries(path: Path) -> Iterator[Entry]:
    """Every conversation that says something, then what the settings hold of older ones.

    The table replaces a row that is written again by a new one with a higher row number, so
    that the index of keys alone tells of a bubble that has changed: its range has then
    another greatest row number. In databases below a gigabyte the bubbles' lengths are
    asked for too, which notices what another program changed in place.
    """
    with snapshot(path) as connection:
        if has_values(connection):
            yield from _composers(connection)
        for key, row, length in items(connection):
            yield Entry(_ITEM + key, row, length)


def read_entry(path: Path, key: str) -> Iterator[Batch]:
    if key.startswith(_ITEM):
        return read_item(path, key.removeprefix(_ITEM))
    return read_composer(path, key.removeprefix(COMPOSER))


def _composers(connection: apsw.Connection) -> Iterator[Entry]:
    heads = _heads(connection)
    with_lengths = _size(connection) <= _LENGTHS_UP_TO
    found = connection.execute(
        "SELECT CAST(key AS BLOB), rowid, octet_length(value) FROM cursorDiskKV"
        " WHERE key >= 'composerData:' AND key < 'composerData;' AND value NOT NULL"
    )
    for written, row, length in found:
        composer = written.decode("utf-8", "replace").removeprefix(COMPOSER)
        count, newest, octets = _bubbles(connection, composer, with_lengths=with_lengths)
        if composer and is_told(connection, composer):
            facts = (row, length, count, newest, octets, heads.get(composer))
            yield Entry(COMPOSER + composer, max(row, newest), digest(*facts))


def _bubbles(
    connection: apsw.Connection, composer: str, *, with_lengths: bool
) -> tuple[int, int, int]:
    """How many bubbles a conversation has, the newest row of them, and all their bytes."""
    # Without lengths the index of keys answers it, and no bubble is touched.
    octets = "coalesce(sum(octet_length(value)), 0)" if with_lengths else "0"
    found = connection.execute(
        f"SELECT count(*), coalesce(max(rowid), 0), {octets}"
        " FROM cursorDiskKV WHERE key >= ? AND key < ?",
        bubble_range(composer),
    ).fetchone()
    return found or (0, 0, 0)


def _heads(connection: apsw.Connection) -> dict[str, int]:
    """What the newer table of conversations says of each: title, folder, last change."""
    if not {"composerId", "value"} <= columns(connection, "composerHeaders"):
        return {}
    found = connection.execute(
        "SELECT CAST(composerId AS BLOB), CAST(value AS BLOB) FROM composerHeaders"
        " WHERE composerId NOT NULL"
    )
    return {key.decode("utf-8", "replace"): digest(value) for key, value in found}


def _size(connection: apsw.Connection) -> int:
    return int(connection.pragma("page_count")) * int(connection.pragma("page_size"))
