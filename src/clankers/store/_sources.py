"""How far the import of each file got: reading and writing `import_sources`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

LONGEST_RANGE_LIST = 100


class ImportSource(NamedTuple):
    """One row of `import_sources`; a tuple, so that checking thousands needs no records.

    `watermark` is the byte after the last complete line and `line` the number of lines
    up to there. `head` is a hash of the file's beginning. `tail` names the counter that
    already includes a last line without newline. `entry` is the key of a session in a
    database or folder that holds many; its `path` is that of the whole, with `#` and the key.
    """

    path: str
    agent: str
    importer_version: int
    size: int
    mtime_ns: int
    inode: int
    watermark: int = 0
    line: int = 0
    head: bytes = b""
    state: bytes | None = None
    lines: int = 0
    imported: int = 0
    noise: int = 0
    unknown: int = 0
    malformed: int = 0
    malformed_lines: str | None = None
    tail: str | None = None
    last_error: str | None = None
    imported_at: int = 0
    entry: str | None = None


class Identity(NamedTuple):
    """What must be unchanged for a file to need no reading."""

    importer_version: int
    size: int
    mtime_ns: int
    inode: int


_WRITE = "INSERT OR REPLACE INTO import_sources({}) VALUES ({})".format(
    ", ".join(ImportSource._fields), ", ".join("?" * len(ImportSource._fields))
)

_IDENTITIES = "SELECT path, importer_version, size, mtime_ns, inode FROM import_sources"


def identities(connection: apsw.Connection, agent: str) -> dict[str, Identity]:
    """Path -> identity of every file of an agent that was read before."""
    rows = connection.execute(f"{_IDENTITIES} WHERE agent = ? AND entry IS NULL", (agent,))
    return {row[0]: Identity(*row[1:]) for row in rows}


def identities_of(
    connection: apsw.Connection, files: Iterable[tuple[str, str]]
) -> dict[str, Identity]:
    """Path -> identity of those of some files, by path and agent, that were read before."""
    found = {}
    query = f"{_IDENTITIES} WHERE path = ? AND agent = ? AND entry IS NULL"
    for file in files:
        for row in connection.execute(query, file):
            found[row[0]] = Identity(*row[1:])
    return found


def entry_identities(connection: apsw.Connection, agent: str, whole: str) -> dict[str, Identity]:
    """Path -> identity of every session in a database or folder that was read before."""
    rows = connection.execute(
        f"{_IDENTITIES} WHERE path > ? AND path < ? AND agent = ? AND entry NOT NULL",
        (f"{whole}#", f"{whole}$", agent),  # $ comes after #
    )
    return {row[0]: Identity(*row[1:]) for row in rows}


def source(connection: apsw.Connection, path: str) -> ImportSource | None:
    row = connection.execute(
        f"SELECT {', '.join(ImportSource._fields)} FROM import_sources WHERE path = ?", (path,)
    ).fetchone()
    return ImportSource(*row) if row else None


def write_source(connection: apsw.Connection, row: ImportSource) -> None:
    connection.execute(_WRITE, row)


def with_lines(ranges: str | None, numbers: list[int]) -> str | None:
    """Adds line numbers to a JSON list of [first, last] ranges, of which 100 are kept."""
    if not numbers:
        return ranges
    found: list[list[int]] = json.loads(ranges) if ranges else []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        elif len(found) < LONGEST_RANGE_LIST:
            found.append([number, number])
    return json.dumps(found, separators=(",", ":"))
