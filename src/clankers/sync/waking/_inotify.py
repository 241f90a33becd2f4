"""File events of Linux for the write-ahead log of a database."""

from __future__ import annotations

import ctypes
import os
import select

from clankers.sync.waking._alarm import Alarm

_IN_MODIFY = 0x2
_IN_MOVED_TO = 0x80
_IN_CREATE = 0x100
_IN_DELETE_SELF = 0x400
_IN_MOVE_SELF = 0x800
# Not what changes inside the folder's files: a busy log beside the database is common.
_OF_FOLDER = _IN_MOVED_TO | _IN_CREATE | _IN_DELETE_SELF | _IN_MOVE_SELF
_IN_NONBLOCK, _IN_CLOEXEC = 0o4000, 0o2000000
_BUFFER = 65_536


class Inotify:
    """Tells when a file is made or written to; it need not exist yet.

    It is watched by its path, and never opened.

    Attributes:
        is_armed: the next change will be told; otherwise each wait tries to watch again.

    Raises:
        OSError: the process or the user has no more files or watchers.
    """

    def __init__(self, file: str) -> None:
        self._folder, self._file = os.fsencode(os.path.dirname(file)), os.fsencode(file)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._alarm = Alarm()
        self._events: int = self._libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        if self._events < 0:
            self._alarm.close()
            raise _error()
        self._poll = select.poll()
        self._poll.register(self._events, select.POLLIN)
        self._poll.register(self._alarm, select.POLLIN)
        self.is_armed = self._arm()

    def wait(self, seconds: float) -> bool:
        """Whether something happened to the file; ends early when it did, and by `wake`."""
        ready = {fd for fd, _mask in self._poll.poll(max(0.0, seconds) * 1000)}
        if self._alarm.fileno() in ready:
            self._alarm.stop()
        if came := self._events in ready:
            os.read(self._events, _BUFFER)
        # Whatever came: what is watched stays so, and a new file takes the old one's place.
        if came or not self.is_armed:
            self.is_armed = self._arm()
        return came

    def wake(self) -> None:
        self._alarm.ring()

    def close(self) -> None:
        os.close(self._events)
        self._alarm.close()

    def _arm(self) -> bool:
        try:
            self._watch(self._folder, _OF_FOLDER)
        except OSError:
            return False
        try:
            self._watch(self._file, _IN_MODIFY)
        except OSError as problem:
            # The folder tells when a file is made.
            return isinstance(problem, FileNotFoundError)
        return True

    def _watch(self, path: bytes, mask: int) -> None:
        if self._libc.inotify_add_watch(self._events, path, mask) < 0:
            raise _error()


def _error() -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code))
