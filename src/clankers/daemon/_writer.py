"""Writing what plugins report: many upserts in one commit, each answered when it is on disk."""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from clankers.errors import ClankersError, DatabaseBusyError, StoreError
from clankers.hooks import take_in
from clankers.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from clankers._rpc.upserts import Live

# As many as wait are written together; more only make the first of them wait longer.
_MOST_TOGETHER = 500
# How long is tried while another process holds the database.
_PATIENCE = 30.0
_INDEX_AFTER = 5.0
_SECONDS_BETWEEN_LOOKS = 1.0


class Writer:
    """A thread with a store of its own.

    What is put while it writes waits for its next transaction. An upsert that cannot be
    stored fails alone.

    Args:
        on_failure: called in the thread when that ends by a mistake; what is put then fails.
    """

    def __init__(self, path: Path, *, on_failure: Callable[[BaseException], object]) -> None:
        self._path = path
        self._on_failure = on_failure
        self._taken_at = 0.0
        self._waiting: deque[tuple[Live, Future[None]]] = deque()
        self._wake = threading.Condition()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="clankers-writer")
        self._opened: Future[None] = Future()

    def start(self) -> None:
        """Opens the database, which brings its schema up to date.

        Raises:
            StoreError: it cannot be opened or written.
        """
        self._thread.start()
        self._opened.result()

    def put(self, record: Live) -> Future[None]:
        """Writes a record; the future is done when it is committed."""
        done: Future[None] = Future()
        with self._wake:
            if self._is_ending:
                raise StoreError("the daemon is ending", hint="try again in a moment")
            self._waiting.append((record, done))
            self._wake.notify()
        return done

    def stop(self) -> None:
        """Writes what waits, and closes the database."""
        with self._wake:
            self._is_ending = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._store = self._open()
        except BaseException as problem:  # noqa: BLE001 - raised again by start()
            self._opened.set_exception(problem)
            return
        self._opened.set_result(None)
        try:
            self._take_in()
            while (batch := self._next()) is not None:
                self._write(batch)
        except BaseException as problem:  # noqa: BLE001 - the edge of the thread
            self._fail(problem)
        with suppress(ClankersError):
            self._store.update_index()
        self._store.close()

    def _open(self) -> Store:
        store = Store.open(self._path)
        self._identity = _identity(self._path)
        return store

    def _fail(self, problem: BaseException) -> None:
        """Nobody may wait for a thread that is gone."""
        with self._wake:
            self._is_ending = True
            waiting, self._waiting = self._waiting, deque()
        for _record, done in waiting:
            done.set_exception(problem)
        self._on_failure(problem)

    def _next(self) -> list[tuple[Live, Future[None]]] | None:
        """What waits, at most so much; None at the end. While nothing does, the rest is done."""
        is_indexed = False
        idle_since = monotonic()
        while True:
            with self._wake:
                is_late = monotonic() - self._taken_at > _SECONDS_BETWEEN_LOOKS
                if not self._waiting and not self._is_ending:
                    self._wake.wait(_SECONDS_BETWEEN_LOOKS)
                if self._waiting and not is_late:
                    count = min(len(self._waiting), _MOST_TOGETHER)
                    return [self._waiting.popleft() for _one in range(count)]
                if self._is_ending and not self._waiting:
                    return None
            self._take_in()
            if not is_indexed and monotonic() - idle_since > _INDEX_AFTER:
                is_indexed = True
                with suppress(ClankersError):  # The next search does it.
                    self._store.update_index()

    def _take_in(self) -> None:
        """What hooks could not wait to see stored."""
        self._taken_at = monotonic()
        with suppress(ClankersError, OSError):  # It stays in the spool.
            self._look()
            take_in(self._store, of_daemon=True)

    def _look(self) -> None:
        """Goes on with the file that is there now; what is written into another is lost."""
        if _identity(self._path) != self._identity:
            # Opened first: where that fails there is still a store to try with.
            before, self._store = self._store, self._open()
            before.close()

    def _write(self, batch: list[tuple[Live, Future[None]]]) -> None:
        try:
            self._look()
            _patiently(self._store, [record for record, _done in batch])
        except Exception as problem:  # noqa: BLE001 - told to whoever asked
            if len(batch) == 1 or isinstance(problem, StoreError):
                for _record, done in batch:
                    done.set_exception(problem)
                return
            # One of them cannot be stored; the others have a right to be.
            for one in batch:
                self._write([one])
            return
        for _record, done in batch:
            done.set_result(None)


def _patiently(store: Store, records: Sequence[Live]) -> None:
    until = monotonic() + _PATIENCE
    while True:
        try:
            return store.upsert_live(records)
        except DatabaseBusyError:
            if monotonic() > until:
                raise


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
