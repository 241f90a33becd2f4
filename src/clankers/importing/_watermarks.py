"""How far a file was read, and whether reading can go on from there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from clankers.store._sources import Identity, ImportSource, with_lines

if TYPE_CHECKING:
    from clankers.importers import Batch
    from clankers.importing._discover import Found

_COMPARED_BYTES = 1024
_NEVER_EQUAL = -1


def is_unchanged(before: Identity | None, found: Found) -> bool:
    """True when the file is as it was, and nobody older than this importer read it."""
    now = found.identity
    return (
        before is not None
        and not found.is_folder
        and before[1:] == now[1:]
        and before.importer_version >= now.importer_version
    )


def can_go_on(row: ImportSource, found: Found) -> bool:
    """True when the file is the one that was read before, with something added at most.

    Told by what cannot be otherwise then: the same file, no shorter than what was read,
    with the same beginning, and the same end of what was read.
    """
    now = found.identity
    if row.importer_version != now.importer_version or row.inode != now.inode:
        return False
    # Where a compressed file grew cannot be told from its size.
    if found.name.endswith(".zst"):
        return False
    # Of a document or a database nothing is behind a watermark.
    if row.watermark == 0:
        return False
    if now.size < row.watermark or now.size == row.size:
        return False
    return bool(row.head) and fingerprint(found, row.watermark) == row.head


def unread(found: Found, *, read_by: int) -> ImportSource:
    """The row of a file before its first byte is read."""
    identity = Identity(read_by, _NEVER_EQUAL, 0, found.identity.inode)
    return ImportSource(found.place, found.importer.agent, *identity, entry=found.entry)


def without_tail(row: ImportSource) -> ImportSource:
    """The row before its last line without newline, which is read and counted again."""
    if row.tail is None:
        return row
    counted = {row.tail: getattr(row, row.tail) - 1}
    return row._replace(lines=row.lines - 1, tail=None, **counted)


def without_state(row: ImportSource) -> ImportSource:
    """The row of a file that is read from its start when it grows."""
    return row._replace(watermark=0, line=0, head=b"", state=None)


def advanced(row: ImportSource, batch: Batch) -> ImportSource:
    """The row after one more batch; until `finished` it is equal to no state of the file."""
    return row._replace(
        size=_NEVER_EQUAL,
        watermark=batch.resume.offset,
        line=batch.resume.line,
        state=batch.resume.state,
        lines=row.lines + batch.lines,
        imported=row.imported + batch.imported,
        noise=row.noise + batch.noise,
        unknown=row.unknown + batch.unknown,
        malformed=row.malformed + len(batch.malformed),
        malformed_lines=with_lines(row.malformed_lines, batch.malformed),
        tail=batch.tail,
    )


def paused(row: ImportSource, found: Found, *, failure: str | None = None) -> ImportSource:
    """The row as it is stored when more of the file is still to be read, now or next time."""
    return row._replace(
        size=_NEVER_EQUAL,
        head=fingerprint(found, row.watermark),
        last_error=failure,
        imported_at=_now(),
    )


def finished(row: ImportSource, found: Found) -> ImportSource:
    """The row as it is stored when the file was read to its end."""
    return row._replace(
        **found.identity._asdict(),
        head=fingerprint(found, row.watermark),
        last_error=None,
        imported_at=_now(),
    )


def fingerprint(found: Found, watermark: int) -> bytes:
    """A hash of the first and the last KB of what was read; a file that only grew keeps it.

    Empty, which is equal to nothing, where no line ends: then the file was written over since
    it was read.
    """
    if watermark == 0:
        return b""
    from hashlib import blake2b

    size = min(watermark, _COMPARED_BYTES)
    try:
        with open(found.name, "rb", buffering=0) as file:
            compared = file.read(size)
            file.seek(watermark - size)
            compared += file.read(size)
    except OSError:
        return b""
    if not compared.endswith(b"\n"):
        return b""
    return blake2b(compared, digest_size=16).digest()


def _now() -> int:
    return int(time.time() * 1000)
