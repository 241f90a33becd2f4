"""Files that hold one JSON document, and are read whole whenever they change."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from clankers.errors import ImporterError
from clankers.importers import Resume
from clankers.importers._batch import Batch
from clankers.importers._files import opened
from clankers.importers._jsonl import decode_value

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.importers._rows import Rows

LARGEST_DOCUMENT = 1024 * 1024 * 1024
# A batch of a document says that nothing of it need not be read again.
WHOLE = Resume()
ROWS_TOGETHER = 4_000


def load_document(path: Path) -> dict[str, Any] | list[Any] | None:
    """The object or list in a file; None when it is damaged or only half written.

    Raises:
        ImporterError: the file is too large to be read at once.
    """
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > LARGEST_DOCUMENT:
            raise ImporterError(f"{path.name} has {size:,} bytes, more than a document may have")
        written = file.read()
    try:
        found = msgspec.json.decode(written)
    except (msgspec.DecodeError, ValueError, RecursionError):
        found = decode_value(written)
    return found if isinstance(found, dict | list) else None


def damaged() -> Batch:
    """The batch of a document that does not parse: one malformed line."""
    return Batch(WHOLE, malformed=[1])


def give(rows: Rows, *, imported: int, noise: int = 0, unknown: int = 0) -> Batch:
    """The batch of what was read so far; a document's lines are its records."""
    batch = rows.batch(WHOLE)
    batch.imported, batch.noise, batch.unknown = imported, noise, unknown
    return batch
