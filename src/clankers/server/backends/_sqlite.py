"""Tenant databases as files: one WAL database each, of which a bounded number is open."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import apsw

from clankers import _paths, errors
from clankers.server.backends._port import Database, Rows, Statement, Work
from clankers.store._connection import open_reader, open_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

OPEN_DATABASES = 128
_THREADS = 8
# What hosting services take as an upload, so that a tenant can move there as it is.
_PAGE_SIZE = 4_096
_CACHE_KB = 1_024
_CONSTRAINTS = (apsw.ConstraintError, apsw.MismatchError, apsw.TooBigError)
# Nobody waits longer for an answer; how often a statement looks at the clock, in steps of SQLite.
_LONGEST_READ = 30
_STEPS = 200_000
_PASSING = (
    apsw.InterruptError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.FullError,
    apsw.IOError,
    apsw.NoMemError,
)


class SqliteBackend:
    """Files under a folder, two levels deep, so that ten thousand are no burden to list."""

    name = "sqlite"
    largest_value = 500_000_000

    def __init__(self, folder: Path, *, open_databases: int = OPEN_DATABASES) -> None:
        self._folder = folder
        self._most_open = open_databases
        self._open: OrderedDict[str, _Opened] = OrderedDict()
        self._lock = threading.Lock()
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Semaphore] = WeakValueDictionary()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="tenants")

    async def create(self, name: str) -> Database:
        await self._in_thread(self._create, name)
        return Database(name)

    async def drop(self, database: Database) -> None:
        await self._in_thread(self._drop, database.name)

    async def write(self, database: Database, statements: Sequence[Statement]) -> list[Rows]:
        async with self._turn("write", database.name):
            found: list[Rows] = await self._in_thread(self._write, database.name, statements)
        return found

    async def read(self, database: Database, statements: Sequence[Statement]) -> list[Rows]:
        async with self._turn("read", database.name):
            found: list[Rows] = await self._in_thread(self._read, database.name, statements)
        return found

    async def update(self, database: Database, work: Work) -> None:
        async with self._turn("write", database.name):
            await self._in_thread(self._update, database.name, work)

    async def ping(self) -> None:
        # Not in a thread: it must answer while all of them are busy.
        self._check_folder()

    async def close(self) -> None:
        await self._in_thread(self._close_all)
        self._threads.shutdown()

    @property
    def open_count(self) -> int:
        """How many databases are open now."""
        return len(self._open)

    def path(self, database: Database) -> Path:
        """The file of a database, which need not exist."""
        return self._path(database.name)

    def _turn(self, kind: str, name: str) -> asyncio.Semaphore:
        """One thread at a time for a tenant's reads, and one for its writes.

        Who waits for a turn takes no thread away from other tenants meanwhile.
        """
        return self._turns.setdefault((kind, name), asyncio.Semaphore())

    async def _in_thread(self, act: Callable[..., Any], *values: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, act, *values)

    def _path(self, name: str) -> Path:
        return self._folder / name[3:5] / f"{name}.db"

    def _make_folder(self, path: Path) -> None:
        _paths.make_private_dir(path)

    def _create(self, name: str) -> None:
        path = self._path(name)
        with _translated(name):
            self._make_folder(path.parent)
            open_writer(path, page_size=_PAGE_SIZE, is_durable=True).close()

    def _drop(self, name: str) -> None:
        with self._lock:
            opened = self._open.pop(name, None)
        if opened is not None:
            opened.close()
        path = self._path(name)
        with _translated(name):
            for end in ("", "-wal", "-shm"):
                path.with_name(path.name + end).unlink(missing_ok=True)

    def _write(self, name: str, statements: Sequence[Statement]) -> list[Rows]:
        with self._using(name) as opened, opened.writing, _translated(name):
            return _transaction(opened.writer(), "BEGIN IMMEDIATE", statements)

    def _read(self, name: str, statements: Sequence[Statement]) -> list[Rows]:
        with self._using(name) as opened, opened.reading, _translated(name):
            return _transaction(opened.reader(), "BEGIN", statements)

    def _update(self, name: str, work: Work) -> None:
        """All in one transaction that has the lock from its beginning: nobody comes in between."""
        with self._using(name) as opened, opened.writing, _translated(name):
            connection = opened.writer()
            with _begun(connection, "BEGIN IMMEDIATE"):
                _run(connection, _returned(work, lambda reads: _run(connection, reads)))

    def _check_folder(self) -> None:
        try:
            _paths.make_private_dir(self._folder)
            shutil.disk_usage(self._folder)
        except OSError as problem:
            raise errors.BackendUnavailableError(f"{self._folder}: {problem}") from problem

    @contextmanager
    def _using(self, name: str) -> Iterator[_Opened]:
        with self._lock:
            opened, stale = self._current(name)
            opened.users += 1
        if stale is not None:
            stale.close()
        try:
            yield opened
        finally:
            with self._lock:
                opened.users -= 1
                idle = self._surplus() if len(self._open) > self._most_open else []
            for one in idle:
                one.close()

    def _current(self, name: str) -> tuple[_Opened, _Opened | None]:
        """The open database, and one that is no longer that file.

        Another process may have dropped or restored it. The file is asked for and never opened,
        which would drop SQLite's locks on it.
        """
        path = self._path(name)
        try:
            found = path.stat()
        except FileNotFoundError:
            raise errors.NoSuchTenantError(f"there is no database {name}") from None
        opened, stale = self._open.pop(name, None), None
        if opened is not None and not os.path.samestat(opened.file, found):
            opened, stale = None, opened
        if opened is None:
            opened = _Opened(path, found)
        self._open[name] = opened
        return opened, stale

    def _surplus(self) -> list[_Opened]:
        """Takes the databases out that were not used for longest, while there are too many."""
        surplus = len(self._open) - self._most_open
        idle = [name for name, one in self._open.items() if not one.users]
        return [self._open.pop(name) for name in idle[: max(0, surplus)]]

    def _close_all(self) -> None:
        with self._lock:
            opened = list(self._open.values())
            self._open.clear()
        for one in opened:
            one.close()


class _Opened:
    """One open file: a connection that writes and one that reads, each made when first used."""

    def __init__(self, path: Path, file: os.stat_result) -> None:
        self.file = file
        self.users = 0
        self.writing = threading.Lock()
        self.reading = threading.Lock()
        self._path = path
        self._until = 0.0
        self._writer: apsw.Connection | None = None
        self._reader: apsw.Connection | None = None

    def writer(self) -> apsw.Connection:
        if self._writer is None:
            self._writer = open_writer(self._path, is_durable=True, may_create=False)
            self._writer.pragma("cache_size", -_CACHE_KB)
        return self._writer

    def reader(self) -> apsw.Connection:
        if self._reader is None:
            self._reader = open_reader(self._path)
            self._reader.pragma("cache_size", -_CACHE_KB)
            self._reader.set_progress_handler(self._took_too_long, _STEPS)
        self._until = time.monotonic() + _LONGEST_READ
        return self._reader

    def _took_too_long(self) -> bool:
        return time.monotonic() > self._until

    def close(self) -> None:
        # The writer last: it writes the log into the database.
        with self.reading, self.writing:
            for connection in (self._reader, self._writer):
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None


def _transaction(
    connection: apsw.Connection, begin: str, statements: Sequence[Statement]
) -> list[Rows]:
    with _begun(connection, begin):
        return _run(connection, statements)


@contextmanager
def _begun(connection: apsw.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk has rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _run(connection: apsw.Connection, statements: Sequence[Statement]) -> list[Rows]:
    found: list[Any] = [connection.execute(sql, values).fetchall() for sql, values in statements]
    return found


def _returned(work: Work, read: Callable[[Sequence[Statement]], list[Rows]]) -> Sequence[Statement]:
    """What the work returns when all its reads are answered."""
    try:
        reads = next(work)
        while True:
            reads = work.send(read(reads))
    except StopIteration as done:
        written: Sequence[Statement] = done.value
        return written


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except _CONSTRAINTS as problem:
        raise errors.ConstraintError(f"{name}: {problem}") from problem
    except _PASSING as problem:
        raise errors.BackendUnavailableError(f"{name}: {problem}") from problem
    except apsw.Error as problem:
        raise errors.BackendError(f"{name}: {problem}") from problem
    except (errors.DatabaseBusyError, errors.DiskFullError, errors.ReadOnlyError) as problem:
        raise errors.BackendUnavailableError(str(problem)) from problem
    except errors.StoreError as problem:
        raise errors.BackendError(str(problem)) from problem
    except OSError as problem:
        raise errors.BackendUnavailableError(f"{name}: {problem}") from problem
    except (OverflowError, UnicodeEncodeError) as problem:
        raise errors.BackendError(f"{name}: {problem}") from problem
