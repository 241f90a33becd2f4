"""Giving back the room that removed rows left, and the statistics that plans are made by."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple

from clankers import _paths, errors
from clankers.store._connection import translated
from clankers.store._files import log_of
from clankers.store._size import log_size

if TYPE_CHECKING:
    from pathlib import Path

    import apsw

# Where SQLite makes its own temporary files; what cannot be written is passed over.
_TEMPORARY_VARIABLES = ("SQLITE_TMPDIR", "TMPDIR")
_TEMPORARY_FOLDERS = ("/var/tmp", "/usr/tmp", "/tmp")  # noqa: S108 - SQLite's own list
# Looks at all tables, not only at those that this connection has asked.
_OPTIMIZE_ALL = 0x10002
# Rows of an index that are looked at. Without a limit, values of columns would be kept too.
_ANALYSIS_LIMIT = 1_000
_IN_FILES, _IN_MEMORY = 1, 2


class Vacuumed(NamedTuple):
    """The bytes of a database and its log before and after.

    `is_complete` is False while another process still reads an older state: then the log
    keeps what it has, and the file its size, until a later checkpoint.
    """

    before: int
    after: int
    is_complete: bool


def vacuum(connection: apsw.Connection, path: Path) -> Vacuumed:
    """Writes the database anew without what is free in it.

    Raises:
        DiskFullError: there is no room for the copy that this takes; nothing was done.
        DatabaseBusyError: another process writes, and did so for the whole timeout.
    """
    if connection.in_transaction:
        raise errors.StoreError(
            f"{path} cannot be vacuumed inside a transaction", hint="end atomic() first"
        )
    before = _on_disk(path)
    with translated(path):
        truncate_log(connection)
        check_room(connection, path)
        # In memory, where other temporary tables are, a large database would not fit.
        connection.pragma("temp_store", _IN_FILES)
        try:
            connection.execute("VACUUM")
        finally:
            connection.pragma("temp_store", _IN_MEMORY)
        connection.pragma("analysis_limit", _ANALYSIS_LIMIT)
        connection.pragma("optimize", _OPTIMIZE_ALL)
        is_complete = truncate_log(connection)
    return Vacuumed(before, _on_disk(path), is_complete)


def truncate_log(connection: apsw.Connection) -> bool:
    """Brings the log into the database and empties it; False when a reader is in the way."""
    busy, _pages, _moved = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
    return not busy


def check_room(connection: apsw.Connection, path: Path) -> None:
    """Refuses to begin what would fill the disk.

    The copy is made among the temporary files first, and comes back through the log.
    """
    pages = connection.pragma("page_count") - connection.pragma("freelist_count")
    size = pages * connection.pragma("page_size")
    home, temporary = str(log_of(path).parent), _temporary_folder()
    needed = {home: size, temporary: size}
    if os.stat(home).st_dev == os.stat(temporary).st_dev:
        needed = {home: 2 * size}
    for folder, bytes_ in needed.items():
        free = shutil.disk_usage(folder).free
        if free < bytes_:
            raise errors.DiskFullError(
                f"{folder} has {free / 1e6:,.1f} MB free, and the work takes {bytes_ / 1e6:,.1f} MB",
                hint="free some space, or let SQLITE_TMPDIR name a folder on another disk;"
                " nothing was changed",
            )


def _temporary_folder() -> str:
    environment = _paths.environment()
    if sys.platform == "win32":
        return environment.get("TEMP") or environment.get("TMP") or os.curdir
    named = [environment.get(name, "") for name in _TEMPORARY_VARIABLES]
    for folder in (*named, *_TEMPORARY_FOLDERS):
        if folder and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return os.curdir


def _on_disk(path: Path) -> int:
    return path.stat().st_size + log_size(path)
