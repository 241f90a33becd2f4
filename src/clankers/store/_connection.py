"""Opening SQLite: one short function per policy, and the one translation of its errors.

Imports no records, so that a query can start without them.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import apsw

from clankers import errors

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY_TIMEOUT_MS = 5_000
# Larger pages make a bulk import a quarter faster; files that exist keep what they have.
NEW_DATABASE_PAGE_SIZE = 16_384
WAL_SIZE_LIMIT = 64 * 1024 * 1024


def open_writer(path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> apsw.Connection:
    """The one writing connection of a process; creates the file, private to its owner."""
    is_new = _create_private(path)
    with translated(path):
        connection = apsw.Connection(
            str(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        )
        try:
            connection.set_busy_timeout(busy_timeout_ms)
            if is_new:
                connection.pragma("page_size", NEW_DATABASE_PAGE_SIZE)
            _write_ahead(connection)
            _keep_integrity(connection)
            _be_strict(connection)
            connection.pragma("temp_store", 2)
        except BaseException:
            connection.close()
            raise
    return connection


def open_reader(path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> apsw.Connection:
    """A connection that cannot write, whatever it is asked.

    A WAL database needs its -shm file; in a folder that cannot be written there may be
    none. With no -wal either, nobody is writing, and the file is read as immutable.
    """
    if not path.exists():
        raise errors.StoreError(
            f"there is no database at {path}",
            hint="run 'clankers-cli import' to make one, or name another with --db",
        )
    wal = Path(f"{path}-wal")
    immutable = not os.access(path.parent, os.W_OK) and not wal.exists()
    uri = f"file:{quote(str(path.absolute()))}?mode=ro" + ("&immutable=1" if immutable else "")
    with translated(path):
        connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            connection.set_busy_timeout(busy_timeout_ms)
            connection.pragma("query_only", True)
            _be_strict(connection)
            # The first read is what tells a database from any other file.
            connection.pragma("schema_version")
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns apsw's errors into ours, naming the database they are about."""
    try:
        yield
    except apsw.Error as problem:
        raise translate(problem, path) from problem


def translate(problem: apsw.Error, path: Path) -> errors.StoreError:
    match problem:
        case apsw.NotADBError() | apsw.CorruptError():
            what = "is damaged" if isinstance(problem, apsw.CorruptError) else "is not a database"
            return errors.NotADatabaseError(
                f"{path} {what}: {problem}",
                hint="name another file with --db; this one was left as it is",
            )
        case apsw.BusyError() | apsw.LockedError():
            return errors.DatabaseBusyError(
                f"{path} is busy: another process is writing to it",
                hint="try again in a moment; nothing was changed",
            )
        case apsw.FullError():
            return errors.DiskFullError(
                f"no space left to write {path}",
                hint="free some space and run it again; what was committed before is safe",
            )
        case apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.CantOpenError():
            return errors.ReadOnlyError(
                f"{path} cannot be written or opened: {problem}",
                hint="check the rights of the file and of its folder",
            )
        case apsw.IOError():
            return errors.StoreError(f"reading or writing {path} failed: {problem}")
        case _:
            return errors.StoreError(f"{path}: {problem}")


def _create_private(path: Path) -> bool:
    """Makes an empty file with mode 0600 where there is none; True when it is new or empty.

    SQLite gives -wal and -shm the mode of the database, so that they need no care of
    their own.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return path.stat().st_size == 0
    except OSError as problem:
        raise errors.ReadOnlyError(
            f"{path} cannot be made: {problem.strerror}",
            hint="check the rights of its folder, or name another file with --db",
        ) from problem
    return True


def _write_ahead(connection: apsw.Connection) -> None:
    """WAL: readers and the writer do not wait for each other."""
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "normal")
    connection.pragma("journal_size_limit", WAL_SIZE_LIMIT)


def _keep_integrity(connection: apsw.Connection) -> None:
    connection.pragma("foreign_keys", True)
    connection.pragma("recursive_triggers", True)


def _be_strict(connection: apsw.Connection) -> None:
    """Nothing in the file itself may act: no functions in its schema, no odd quoting."""
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
