"""Running the daemon: one per socket, until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from queue import Full, Queue
from typing import TYPE_CHECKING, Any

from attrs import frozen

from clankers import _paths
from clankers._lock import holder, locked
from clankers._version import __version__
from clankers.daemon._archiving import Archiving
from clankers.daemon._log import LEVELS, Log
from clankers.daemon._server import Server, check_place
from clankers.daemon._service import Service
from clankers.daemon._syncing import Syncing
from clankers.daemon._writer import Writer
from clankers.errors import ClankersError, DaemonError
from clankers.importing import watch_sessions
from clankers.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clankers.importing import ImportReport

_SECONDS_BETWEEN_LOOKS = 1.0
_SWITCH_SECONDS = 0.0005
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SECONDS_BETWEEN_TRIES = 30.0
_MOST_DOUBLINGS = 5
_HEARD_AT_MOST = 1_000
# Who only looks whether a daemon runs has its lock for a moment.
_LOCK_PATIENCE = 0.1


@frozen
class Options:
    """Where a daemon listens and what it writes.

    Attributes:
        socket: its socket.
        database: the database.
        logs: the folder of its log.
        log_level: ``debug``, ``info``, ``warn`` or ``error``.
        watch: whether it imports what agents write.
        config: the file with the settings of sync; None for the user's own.
        profile: the profile that counts; None for the active one.
    """

    socket: Path
    database: Path
    logs: Path
    log_level: str = "info"
    watch: bool = True
    config: Path | None = None
    profile: str | None = None


def options(
    *,
    socket: Path | None = None,
    database: Path | None = None,
    log_level: str | None = None,
    watch: bool = True,
    config: Path | None = None,
    profile: str | None = None,
) -> Options:
    """The options of the user's own daemon, where others are not given.

    `CLANKERS_SOCKET_PATH`, `CLANKERS_DB_PATH`, `CLANKERS_LOG_PATH` and `CLANKERS_LOG_LEVEL`
    count; a level that is not known is info.
    """
    level = log_level or _paths.environment().get("CLANKERS_LOG_LEVEL", "")
    return Options(
        (socket or _paths.socket_path()).absolute(),
        (database or _paths.database_path()).absolute(),
        _paths.logs_dir().absolute(),
        level if level in LEVELS else "info",
        watch,
        None if config is None else config.absolute(),
        profile,
    )


def run(options: Options) -> None:
    """Serves until SIGINT or SIGTERM, then finishes what is in flight.

    Must be called in the main thread.

    Raises:
        DaemonError: another daemon runs, or the socket cannot be made.
        StoreError: the database cannot be opened or written.
    """
    prepare(options.socket)
    # Requests are read in one thread and written in another; they should not wait for turns.
    sys.setswitchinterval(_SWITCH_SECONDS)
    log = Log(options.logs, level=options.log_level)
    with _alone(options.socket):
        log.open()
        try:
            asyncio.run(_Daemon(options, log).run())
        finally:
            log.close()


def prepare(socket: Path) -> None:
    """Makes the folder of a socket where it is not there, and holds that it may be used.

    Raises:
        DaemonError: a socket may not be made there.
    """
    if not socket.parent.exists():
        _paths.make_private_dir(socket.parent)
    check_place(socket)


def running(socket: Path) -> int | None:
    """The process of the daemon at a socket, by its lock; None where none runs, 0 where unknown."""
    return holder(lock_of(socket))


def lock_of(socket: Path) -> Path:
    """The file whose lock a daemon holds as long as it lives."""
    return socket.with_name(f"{socket.name}.lock")


@contextmanager
def _alone(socket: Path) -> Iterator[None]:
    """Lets no other daemon listen at a socket.

    Raises:
        DaemonError: another one does.
    """

    def refused(owner: str) -> DaemonError:
        return DaemonError(
            f"a daemon runs already, as process {owner}",
            hint="'clankers-cli daemon stop' ends it",
        )

    with locked(lock_of(socket), patience=_LOCK_PATIENCE, refused=refused):
        yield


class _Daemon:
    """Everything that runs between the beginning and the end."""

    def __init__(self, options: Options, log: Log) -> None:
        self._options = options
        self._log = log
        self._failure: BaseException | None = None
        self._began = time.monotonic()
        self._stop = threading.Event()
        # Watching looks at everything now and then; what is too much is found that way.
        self._changed: Queue[str] = Queue(_HEARD_AT_MOST)
        self._last_import: int | None = None
        self._agents: list[str] = []
        self._syncing = Syncing(
            options.database,
            log,
            stop=self._stop,
            config=options.config,
            profile=options.profile,
        )
        self._archiving = Archiving(
            options.database,
            log,
            stop=self._stop,
            config=options.config,
            profile=options.profile,
        )

    async def run(self) -> None:
        options = self._options
        is_new = not options.database.exists()
        ended = self._signalled()
        writer = Writer(options.database, on_failure=lambda problem: self._fail(problem, ended))
        writer.start()
        try:
            await self._run(writer, ended, is_new=is_new)
        finally:
            writer.stop()
            self._log.write("info", "ended")
        if self._failure is not None:
            raise DaemonError(f"the daemon ended by a mistake: {self._failure}")

    def _fail(self, problem: BaseException, ended: asyncio.Event) -> None:
        self._failure = problem
        said = f"writing: unexpected {type(problem).__name__}: {problem}"
        self._log.write("error", said, component="writer")
        self._loop.call_soon_threadsafe(ended.set)

    async def _run(self, writer: Writer, ended: asyncio.Event, *, is_new: bool) -> None:
        options = self._options
        service = Service(
            writer,
            self._log,
            changed=self._hear,
            health=self._health,
            database=(str(options.database), is_new),
        )
        self._server = Server(options.socket, service.answer)
        await self._server.open()
        watching = threading.Thread(target=self._watch, name="clankers-watch")
        if options.watch:
            watching.start()
        self._syncing.start()
        self._archiving.start()
        self._log.write("info", f"listens at {options.socket}, writes {options.database}")
        try:
            await self._serve(ended)
        finally:
            self._stop.set()
            await self._server.close()
            await asyncio.to_thread(self._syncing.join)
            await asyncio.to_thread(self._archiving.join)
            if options.watch:
                await asyncio.to_thread(watching.join)

    def _signalled(self) -> asyncio.Event:
        ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            self._loop.add_signal_handler(number, ended.set)
        return ended

    async def _serve(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _SECONDS_BETWEEN_LOOKS)
            if not ended.is_set():
                try:
                    await self._server.keep()
                except (DaemonError, OSError) as problem:
                    self._log.write("error", f"the socket cannot be made again: {problem}")

    def _health(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "uptimeSeconds": round(time.monotonic() - self._began, 1),
            "dbPath": str(self._options.database),
            "pid": os.getpid(),
            "connections": self._server.connections,
            "watching": self._agents,
            "lastImportAt": self._last_import,
            "pendingSync": self._syncing.pending,
            "syncProblem": self._syncing.problem,
        }

    def _hear(self, path: str) -> None:
        if self._options.watch:
            with suppress(Full):
                self._changed.put_nowait(path)

    def _watch(self) -> None:
        """Imports what agents write; what goes wrong is told, and tried again."""
        failures = 0
        while not self._stop.is_set():
            try:
                with Store.open(self._options.database) as store:
                    watch_sessions(
                        store,
                        on_import=self._imported,
                        stop=self._stop.is_set,
                        changed=self._changed,
                    )
            except ClankersError as problem:
                self._log.write("error", f"watching: {problem}", component="watch")
            except Exception as problem:  # noqa: BLE001 - the edge of the thread
                said = f"watching: unexpected {type(problem).__name__}: {problem}"
                self._log.write("error", said, component="watch")
            # A database that was replaced is there in a moment; what lasts is told seldom.
            self._stop.wait(min(_SECONDS_BETWEEN_LOOKS * 2**failures, _SECONDS_BETWEEN_TRIES))
            failures = min(failures + 1, _MOST_DOUBLINGS)

    def _imported(self, report: ImportReport) -> None:
        self._last_import = time.time_ns() // 1_000_000
        found = {one.agent for one in report.sources if one.files}
        self._agents = sorted({*self._agents, *found})
        if report.rows_written:
            self._log.write("info", f"imported {report.rows_written} rows", component="watch")
        for failure in report.failures:
            self._log.write("warn", f"{failure.path}: {failure.message}", component="watch")
