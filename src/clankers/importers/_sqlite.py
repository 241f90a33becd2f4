"""Reading databases of other programs, while they may be writing to them."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import apsw

from clankers.errors import ImporterError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BUSY_TIMEOUT_MS = 2_000
# Two changes within one tick of a file system's clock have the same time.
_TICK_NS = 20_000_000
_DIGEST_BYTES = 7
_VERSIONS_AT, _WITH_A_LOG = 18, 2


@contextmanager
def snapshot(path: Path) -> Iterator[apsw.Connection]:
    """One state of a database: all that is read inside is of the same moment.

    Keep it short: while it is open, the owner's log cannot be cut. The database is not
    written to, and its folder is left as it was. For that one that keeps a log and has none
    now, since nobody has it open, is read without locks; should its owner come and write
    into it before the end, leaving the block raises, and what was read may be of two
    moments: an importer passes that on, and the session is read again. Only where a log
    lies without its index, as beside a copy, SQLite makes that index.

    Read what another program wrote as text with `CAST(x AS BLOB)`: a value that is not
    UTF-8 ends the reading otherwise.

    Raises:
        ImporterError: the file is no database, is damaged, stays locked, holds text that
            is not UTF-8, or was written to while it was read without locks.
    """
    try:
        connection, unlocked = _opened(path)
    except (apsw.Error, OSError) as problem:
        raise _unreadable(problem) from problem
    try:
        yield connection
    except (apsw.Error, UnicodeDecodeError) as problem:
        if _was_written(path, since=unlocked):
            raise _changed() from None
        raise _unreadable(problem) from problem
    finally:
        connection.close()
    if _was_written(path, since=unlocked):
        raise _changed()


def columns(connection: apsw.Connection, table: str) -> frozenset[str]:
    """The names of a table's columns; none when there is no such table."""
    found = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return frozenset(str(name) for (name,) in found)


def digest(*facts: object) -> int:
    """One number for all that tells whether something changed, such as `Entry.rows`."""
    written = repr(facts).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(written, digest_size=_DIGEST_BYTES).digest(), "big")


def is_damaged(problem: ImporterError) -> bool:
    """True for a database that no later reading will find any better."""
    return isinstance(problem.__cause__, apsw.CorruptError | apsw.NotADBError)


class _State(NamedTuple):
    """What tells that a database was written to, whoever did it."""

    inode: int
    size: int
    changed_at: int


def _opened(path: Path) -> tuple[apsw.Connection, _State | None]:
    """A connection, and the state that must not have changed if it holds no locks."""
    state = _state(path)
    if not _would_get_files(path):
        return _begun(path, "mode=ro"), None
    age = time.time_ns() - state.changed_at
    if 0 <= age < _TICK_NS:
        time.sleep(_TICK_NS / 1e9)
    # In this order: there was no log after the state, so that the database is whole in it.
    if _has_log(path):
        return _begun(path, "mode=ro"), None
    with suppress(apsw.Error):
        connection = _begun(path, "mode=ro&immutable=1")
        if not _was_written(path, since=state):
            return connection, state
        connection.close()
    return _begun(path, "mode=ro"), None


def _would_get_files(path: Path) -> bool:
    """True when opening the database in the usual way would leave a log or its index there."""
    if not _keeps_a_log(path):
        return False
    return not (_log(path).exists() and path.with_name(f"{path.name}-shm").exists())


def _keeps_a_log(path: Path) -> bool:
    """True for a database whose changes go to a log first; what is none says no."""
    # Closing it by any other way would end all locks that this process has on the file.
    file = apsw.VFSFile("", str(path), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0])
    try:
        return _WITH_A_LOG in file.xRead(2, _VERSIONS_AT)
    finally:
        file.xClose()


def _has_log(path: Path) -> bool:
    with suppress(FileNotFoundError):
        return _log(path).stat().st_size > 0
    return False


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _state(path: Path) -> _State:
    found = path.stat()
    return _State(found.st_ino, found.st_size, found.st_mtime_ns)


def _was_written(path: Path, *, since: _State | None) -> bool:
    """True when a database without locks is not what it was, or is gone."""
    try:
        return since is not None and _state(path) != since
    except OSError:
        return True


def _begun(path: Path, how: str) -> apsw.Connection:
    uri = f"file:{quote(str(path.absolute()))}?{how}"
    connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
        connection.pragma("query_only", True)
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _unreadable(problem: Exception) -> ImporterError:
    return ImporterError(f"the database cannot be read: {problem}")


def _changed() -> ImporterError:
    return ImporterError("the database was written to while it was read; it is read again")
