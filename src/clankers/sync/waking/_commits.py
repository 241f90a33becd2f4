"""Waits for commits of others to a database, by file events or by looking again and again."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, Protocol, Self

import apsw

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_POLL = 0.5
# Events can be missing without an error: on network folders, or on a disk of another machine.
_SAFETY_POLL = 1.0
# A transaction is in the log before other connections see it: the index of the log follows, without
# an event, and with synchronous=FULL only after the disk has it. So a look that sees nothing is
# repeated, after waits that grow.
_SETTLING = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
# Nothing happened for as long as the steps before this one: what comes then is no burst any more.
_QUIET_STEP = 5
# The least time between two looks while events keep coming; it doubles up to the longest.
_SHORTEST_REST, _LONGEST_REST = 0.001, 0.02
# Somebody is about to recover the log, or has the database for himself.
_NOT_NOW = (apsw.BusyError, apsw.LockedError, apsw.ProtocolError)


class _Events(Protocol):
    is_armed: bool

    def wait(self, seconds: float) -> bool: ...
    def wake(self) -> None: ...
    def close(self) -> None: ...


class Commits:
    """Waits for commits to a database by anybody but its own connection; a context manager.

    The database is in WAL mode. A checkpoint of another connection may count as a commit. While
    `connection` is in a transaction it sees no commit of others, and waiting finds none.

    Only one thread may wait, and no other use `connection` meanwhile. Closing leaves it open.
    """

    def __init__(
        self, connection: apsw.Connection, path: Path, *, uses_events: bool = True
    ) -> None:
        self._connection = connection
        self._lock = threading.RLock()
        self._woken = threading.Event()
        # SQLite follows links before it names the log.
        self._events = _opened(f"{os.path.realpath(path)}-wal") if uses_events else None
        self._step = 0
        self._rest = _SHORTEST_REST
        self._looked_at = 0.0
        # None while it cannot be told: then the first look that can tell is a commit.
        self._seen = self._version()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def has_events(self) -> bool:
        """File events are in use now; without them it looks twice a second."""
        return self._events is not None and self._events.is_armed

    def wait(self, seconds: float) -> bool:
        """True when another connection has committed since this last said so, or since the start.

        False after so many seconds or after `wake`, even one that came before.
        """
        end = monotonic() + seconds
        while not self._has_commit():
            rest = end - monotonic()
            if self._woken.is_set() or rest <= 0:
                self._woken.clear()
                return False
            self._sleep(rest)
        return True

    def wake(self) -> None:
        """Ends a wait at once, or the next one; from any thread."""
        with self._lock:
            self._woken.set()
            if self._events is not None:
                self._events.wake()

    def close(self) -> None:
        """Ends watching; nobody may be waiting. Waiting still works, without file events."""
        with self._lock:
            events, self._events = self._events, None
            if events is not None:
                events.close()

    def _has_commit(self) -> bool:
        version = self._version()
        self._looked_at = monotonic()
        if version is None or version == self._seen:
            return False
        self._seen = version
        self._rest = _SHORTEST_REST
        return True

    def _version(self) -> int | None:
        try:
            return int(self._connection.pragma("data_version"))
        except _NOT_NOW:
            return None

    def _sleep(self, longest: float) -> None:
        """Until it is time to look again."""
        if self._events is None:
            self._woken.wait(min(longest, _POLL))
        elif self._events.wait(min(longest, self._pause())):
            self._step = 0
            self._let_more_come()
        else:
            self._step += 1
            if self._step >= _QUIET_STEP:
                self._rest = _SHORTEST_REST

    def _pause(self) -> float:
        if self._step < len(_SETTLING):
            return _SETTLING[self._step]
        return _SAFETY_POLL if self.has_events else _POLL

    def _let_more_come(self) -> None:
        """A bulk write makes thousands of events: they share a look."""
        soon = self._looked_at + self._rest - monotonic()
        if soon > 0:
            sleep(soon)
            self._rest = min(self._rest * 2, _LONGEST_REST)


def _opened(log: str) -> _Events | None:
    # Some builds of Python have no ctypes.
    with suppress(OSError, ImportError):
        if sys.platform == "linux":
            from clankers.sync.waking._inotify import Inotify as Events
        elif sys.platform == "darwin":
            from clankers.sync.waking._kqueue import Kqueue as Events
        else:
            return None
        return Events(log)
    return None
