"""Erasing: after a purge, no byte of the file says what was removed."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clankers import errors
from clankers.store._vacuum import vacuum
from clankers.store.search._index import rebuild_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import apsw

    from clankers.store.archive._archive import Archive

# What an importer keeps to go on reading may quote the session: its title, a pending prompt.
# Without it a file is read from its start when it grows.
_RESET_SOURCES = """
UPDATE import_sources SET watermark = 0, line = 0, head = x'', state = NULL, last_error = NULL
WHERE EXISTS (SELECT 1 FROM json_each(?) j
  WHERE instr(state, CAST(j.value AS BLOB)) OR instr(path, j.value))
"""


@contextmanager
def overwriting(connection: apsw.Connection) -> Iterator[None]:
    """Whatever is deleted inside is overwritten with zeros in the file."""
    before = connection.pragma("secure_delete")
    connection.pragma("secure_delete", True)
    try:
        yield
    finally:
        connection.pragma("secure_delete", before)


def erase_words(connection: apsw.Connection, session_ids: Sequence[str]) -> None:
    """Takes what removed sessions said out of everything that was derived from them.

    The caller has a transaction open, in which the index was brought up to date.
    """
    connection.execute(_RESET_SOURCES, (json.dumps(list(session_ids)),))
    # A deletion only notes in the index that the words are gone, and merging may keep the note.
    rebuild_index(connection)
    _drop_samples(connection)


def erase_traces(connection: apsw.Connection, path: Path) -> bool:
    """Writes the file anew without pages that nothing uses; False when that cannot be now."""
    try:
        return vacuum(connection, path).is_complete
    except (errors.DatabaseBusyError, errors.DiskFullError):
        return False


def erase_archive(archive: Archive, session_ids: Sequence[str]) -> bool:
    """Does the same to the archive, from which the rows are gone; False when that cannot be now.

    What was there and came back may have left traces as well.
    """
    try:
        if not set(session_ids).isdisjoint(archive.moving()):
            return False
        with archive.transaction():
            rebuild_index(archive.connection)
            _drop_samples(archive.connection)
    except (errors.DatabaseBusyError, errors.DiskFullError):
        return False
    return erase_traces(archive.connection, archive.path)


def _drop_samples(connection: apsw.Connection) -> None:
    """A full ANALYZE, which we never run, keeps some values of indexed columns."""
    samples = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat4'"
    if connection.execute(samples).get is not None:
        connection.execute("DELETE FROM sqlite_stat4")
