"""Writing what plugins report: many upserts in one commit, each answered when it is on disk."""

from __future__ import annotations

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
    from collections.abc import Sequence
    from pathlib import Path

    from clankers.daemon._wire import Live

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
    """

    def __init__(self, path: Path) -> None:
        self._path = path
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
            store = Store.open(self._path)
        except BaseException as problem:  # noqa: BLE001 - raised again by start()
            self._opened.set_exception(problem)
            return
        self._opened.set_result(None)
        with store:
            self._take_in(store)
            while (batch := self._next(store)) is not None:
                self._write(store, batch)
            with suppress(ClankersError):
                store.update_index()

    def _next(self, store: Store) -> list[tuple[Live, Future[None]]] | None:
        """What waits, at most so much; None at the end. While nothing does, the rest is done."""
        is_indexed = False
        idle_since = monotonic()
        while True:
            with self._wake:
                if not self._waiting and not self._is_ending:
                    self._wake.wait(_SECONDS_BETWEEN_LOOKS)
                if self._waiting:
                    count = min(len(self._waiting), _MOST_TOGETHER)
                    return [self._waiting.popleft() for _one in range(count)]
                if self._is_ending:
                    return None
            self._take_in(store)
            if not is_indexed and monotonic() - idle_since > _INDEX_AFTER:
                is_indexed = True
                with suppress(ClankersError):  # The next search does it.
                    store.update_index()

    def _take_in(self, store: Store) -> None:
        """What hooks could not wait to see stored."""
        with suppress(ClankersError, OSError):  # It stays in the spool.
            take_in(store)

    def _write(self, store: Store, batch: list[tuple[Live, Future[None]]]) -> None:
        try:
            _patiently(store, [record for record, _done in batch])
        except Exception as problem:  # noqa: BLE001 - told to whoever asked
            if len(batch) == 1 or isinstance(problem, StoreError):
                for _record, done in batch:
                    done.set_exception(problem)
                return
            # One of them cannot be stored; the others have a right to be.
            for one in batch:
                self._write(store, [one])
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
