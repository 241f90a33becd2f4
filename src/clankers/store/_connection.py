"""Opening SQLite: one short function per policy, and the one translation of its errors.

Imports no records, so that a query can start without them.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager

import apsw

from clankers import errors
from clankers.store import _files

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BUSY_TIMEOUT_MS = 5_000
# Larger pages make a bulk import a quarter faster; files that exist keep what they have.
NEW_DATABASE_PAGE_SIZE = 16_384
WAL_SIZE_LIMIT = 64 * 1024 * 1024
_PAUSE = 0.005
# What SQLite says of a full disk, and of a quota or a size limit, which it tells apart.
_FAILED_GROWTH = frozenset({apsw.SQLITE_FULL, apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_IOERR_SHMSIZE})
_UNTOUCHED = "name another file with --db; this one was left as it is"
# What each of SQLite's errors means here: our error, what to say after the path, and a hint.
_MEANINGS: tuple[tuple[tuple[type[apsw.Error], ...], type[errors.StoreError], str, str], ...] = (
    (
        (apsw.CorruptError,),
        errors.NotADatabaseError,
        "is damaged: {problem}",
        "see whether 'backups' beside it holds a whole copy; this file was left as it is",
    ),
    ((apsw.NotADBError,), errors.NotADatabaseError, "is not a database: {problem}", _UNTOUCHED),
    (
        (apsw.BusyError, apsw.LockedError),
        errors.DatabaseBusyError,
        "is busy: another process is writing to it",
        "try again in a moment; nothing was changed",
    ),
    (
        (apsw.ReadOnlyError, apsw.PermissionsError, apsw.CantOpenError),
        errors.ReadOnlyError,
        "cannot be written or opened: {problem}",
        "check the rights of the file and of its folder",
    ),
    ((apsw.IOError,), errors.StoreError, "could not be read or written: {problem}", ""),
    ((apsw.ConnectionClosedError,), errors.StoreError, "was closed before", ""),
)
# What SQLite says to a row that breaks the schema; every other error is about the database.
REFUSED_ROWS = (apsw.ConstraintError, apsw.MismatchError, apsw.TooBigError)


def open_writer(
    path: Path,
    *,
    busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    check: Callable[[apsw.Connection], object] | None = None,
    page_size: int = NEW_DATABASE_PAGE_SIZE,
    is_durable: bool = False,
    may_create: bool = True,
) -> apsw.Connection:
    """The one writing connection of a process; creates the file, private to its owner.

    Args:
        path: the file.
        busy_timeout_ms: how long to wait for another process that writes.
        check: may look at the database and refuse it by an exception: until it returns,
            nothing has been changed, the journal mode included.
        page_size: of a new file.
        is_durable: what was committed also survives a power cut.
        may_create: makes a file that is not there.
    """
    if may_create:
        _files.create_private(path)
    _files.refuse_other_kinds(path)
    # Closing the last connection writes the log of another program into its database.
    keeps_log = _has_content(_files.log_of(path))
    with translated(path):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(busy_timeout_ms)
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(keeps_log))
            _be_strict(connection)
            if check is not None:
                check(connection)
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
            _refuse_protected(connection, path)
            # Has no effect on a database that has a page already.
            connection.pragma("page_size", page_size)
            _write_ahead(connection, busy_timeout_ms / 1000)
            if is_durable:
                connection.pragma("synchronous", "full")
            _keep_integrity(connection)
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
    _files.refuse_other_kinds(path)
    log = _files.log_of(path)
    immutable = not os.access(log.parent, os.W_OK) and not log.exists()
    uri = f"{_files.address(path)}?mode=ro" + ("&immutable=1" if immutable else "")
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
    if getattr(problem, "extendedresult", None) in _FAILED_GROWTH:
        return errors.DiskFullError(
            f"{path} has no room to grow: {problem}",
            hint="free some space or raise the quota; what was committed before is safe",
        )
    for kinds, meaning, said, hint in _MEANINGS:
        if isinstance(problem, kinds):
            return meaning(f"{path} {said.format(problem=problem)}", hint=hint)
    return errors.StoreError(f"{path}: {problem}")


def _has_content(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False


def _refuse_protected(connection: apsw.Connection, path: Path) -> None:
    """SQLite opens a protected file for reading without a word."""
    if connection.readonly("main"):
        raise errors.ReadOnlyError(
            f"{path} cannot be written: the file is protected",
            hint="check the rights of the file and of its folder",
        )


def _write_ahead(connection: apsw.Connection, patience: float) -> None:
    """WAL: readers and the writer do not wait for each other.

    The change to WAL does not wait where two processes make it at once; then the loser
    tries again until its patience, in seconds, ends.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.pragma("journal_mode", "wal")
            break
        except apsw.BusyError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE)
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
