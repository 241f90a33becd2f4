"""File events of macOS for the write-ahead log of a database."""

from __future__ import annotations

import os
import select
import sys

from clankers.sync.waking._alarm import Alarm

if sys.platform == "darwin":
    _NOTES = (
        select.KQ_NOTE_WRITE | select.KQ_NOTE_EXTEND | select.KQ_NOTE_DELETE | select.KQ_NOTE_RENAME
    )

    class Kqueue:
        """Tells when a file is made or written to; it need not exist yet.

        It is opened and closed, which ends every lock that this process has on it: SQLite has
        none on a write-ahead log.

        Attributes:
            is_armed: the next change will be told; otherwise each wait tries to watch again.

        Raises:
            OSError: the process has no more files.
        """

        def __init__(self, file: str) -> None:
            self._folder, self._file = os.path.dirname(file), file
            self._watched: dict[str, int] = {}
            self._alarm = Alarm()
            try:
                self._queue = select.kqueue()
            except OSError:
                self._alarm.close()
                raise
            self._add(select.kevent(self._alarm, select.KQ_FILTER_READ, select.KQ_EV_ADD))
            self.is_armed = self._arm()

        def wait(self, seconds: float) -> bool:
            """Whether something happened to the file; ends early when it did, and by `wake`."""
            ready = {one.ident for one in self._queue.control(None, 4, max(0.0, seconds))}
            if self._alarm.fileno() in ready:
                self._alarm.stop()
            came = bool(ready - {self._alarm.fileno()})
            if came or not self.is_armed:
                self.is_armed = self._arm()
            return came

        def wake(self) -> None:
            self._alarm.ring()

        def close(self) -> None:
            self._queue.close()
            self._alarm.close()
            for fd in self._watched.values():
                os.close(fd)

        def _arm(self) -> bool:
            try:
                self._watch(self._folder)
            except OSError:
                return False
            try:
                self._watch(self._file)
            except OSError as problem:
                # The folder tells when a file is made.
                return isinstance(problem, FileNotFoundError)
            return True

        def _watch(self, path: str) -> None:
            """Opens what is not open yet, or is another file by now."""
            now = os.stat(path)
            if path in self._watched:
                if os.path.samestat(now, os.fstat(self._watched[path])):
                    return
                os.close(self._watched.pop(path))
            fd = self._watched[path] = os.open(path, os.O_EVTONLY)
            flags = select.KQ_EV_ADD | select.KQ_EV_CLEAR
            self._add(select.kevent(fd, select.KQ_FILTER_VNODE, flags, _NOTES))

        def _add(self, event: select.kevent) -> None:
            self._queue.control([event], 0)
