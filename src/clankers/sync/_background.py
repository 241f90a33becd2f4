"""Sync that goes on by itself: what wakes it, and what it does when something is in the way."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from clankers import errors
from clankers._http import retrying
from clankers.store._connection import translated
from clankers.store.capture import _queue as queue
from clankers.sync._alone import alone
from clankers.sync._exchange import Progress
from clankers.sync._link import now
from clankers.sync._pull import Pulled
from clankers.sync.waking._commits import Commits

if TYPE_CHECKING:
    from collections.abc import Callable

    from clankers.sync._link import Link

Mode = Literal["polling", "triggers", "hybrid"]
FIRST_WAIT, LONGEST_WAIT = 15.0, 300.0
# While changes keep coming, or somebody else is at work.
_PAUSE = 1.0
# The server is asked this often whether it is still the one, and refused rows are looked at.
_AGREE_EVERY = 300.0
# How often it is asked whether to stop.
_LOOK = 0.1
# Whoever looks who syncs has the lock for a moment.
_GLANCE = 0.05
_BUSY = (errors.SyncBusyError, errors.DatabaseBusyError)


class _EndedError(Exception):
    """It was stopped while it waited."""


@frozen
class Heard:
    """Who is told of what; see `SyncManager.run`."""

    on_sync: Callable[[Progress], object] | None = None
    on_pull: Callable[[Pulled], object] | None = None
    on_failure: Callable[[errors.ClankersError, float], object] | None = None


class Background:
    """Pushes and pulls over a link whenever there is a reason; see `SyncManager.run`."""

    def __init__(
        self,
        link: Link,
        *,
        mode: Mode,
        interval: float,
        batch_size: int,
        pulls: bool,
        heard: Heard,
        stop: Callable[[], bool],
        clock: Callable[[], float],
        sleep: Callable[[float], object] | None,
    ) -> None:
        self._link = link
        self._store = link.database.store
        self._mode = mode
        self._interval = interval
        self._batch_size = batch_size
        self._pulls = pulls
        self._heard = heard
        self._stop = stop
        self._clock = clock
        self._sleep = sleep
        self._agreed_at = self._pushed_at = self._pulled_at = float("-inf")
        self._is_failing = False
        self._has_rest = False
        self._patiently = retrying(
            first=FIRST_WAIT, longest=LONGEST_WAIT, sleep=self._rest, before_sleep=self._failed
        )

    def run(self) -> None:
        """Until it is stopped."""
        link, store = self._link, self._store
        link.doubt()
        has_events = self._mode != "polling" and self._sleep is None
        with (
            translated(store.path),
            Commits(store.connection, store.path, uses_events=has_events) as self._commits,
            suppress(_EndedError),
        ):
            while not self._stop():
                self._sync()
                self._wait()

    # Syncing

    def _sync(self) -> None:
        """Until it succeeds."""
        while True:
            try:
                for attempt in self._patiently:
                    with attempt:
                        self._once()
            except _BUSY:
                self._rest(_PAUSE)
            except errors.ClankersError as problem:
                self._failed(problem, LONGEST_WAIT)
                self._rest(LONGEST_WAIT)
            else:
                return

    def _once(self) -> None:
        """Holds the lock no longer than this, so that others can sync by hand."""
        link, path = self._link, self._store.path
        done, pulled = Progress(), Pulled()
        try:
            with translated(path), alone(path, patience=_GLANCE):
                is_new = self._agree()
                self._pushed_at = self._clock()
                link.push(done, stop=self._stop, is_round=True)
                is_pulled = self._pulls and self._pull(pulled)
                self._has_rest = queue.is_anything_ready(self._store.connection)
                link.succeeded(**_times(is_pushed=is_new or done.batches > 0, is_pulled=is_pulled))
        except BaseException:
            link.doubt()
            raise
        self._tell(done, pulled)

    def _tell(self, done: Progress, pulled: Pulled) -> None:
        was_failing, self._is_failing = self._is_failing, False
        if self._heard.on_sync is not None and (done.sent or done.refused or was_failing):
            self._heard.on_sync(done)
        if self._heard.on_pull is not None and pulled.changes:
            self._heard.on_pull(pulled)

    def _agree(self) -> bool:
        """Whether the server had to be asked."""
        if self._link.is_agreed and self._clock() - self._agreed_at < _AGREE_EVERY:
            self._link.note()
            return False
        self._link.agree()
        self._agreed_at = self._clock()
        return True

    def _pull(self, pulled: Pulled) -> bool:
        """Whether it was time."""
        if self._clock() - self._pulled_at < self._interval:
            return False
        self._link.pull(pulled, stop=self._stop)
        self._pulled_at = self._clock()
        return True

    def _failed(self, problem: BaseException, seconds: float) -> None:
        if not isinstance(problem, errors.ClankersError):
            return
        self._is_failing = True
        # Where it is the database that fails, there is no place to note it.
        with suppress(errors.StoreError):
            self._link.failed(problem, next_try=now() + round(seconds * 1000))
        if self._heard.on_failure is not None:
            self._heard.on_failure(problem, seconds)

    # Waiting

    def _wait(self) -> None:
        """Until there is a reason to push."""
        end = self._pushed_at + self._longest()
        while (rest := end - self._clock()) > 0:
            if self._mode == "polling":
                self._rest(min(rest, _PAUSE))
                if self._commits.wait(0) and self._is_much():
                    return
            elif self._has_commit(min(rest, _PAUSE)):
                break
        soon = self._pushed_at + _PAUSE - self._clock()
        if self._mode == "hybrid" and soon > 0:
            # Changes that keep coming share a push.
            self._rest(soon)

    def _longest(self) -> float:
        """The longest time between two pushes, in seconds."""
        if self._mode == "polling":
            return self._interval
        if self._has_rest:
            return _PAUSE
        # By triggers alone no commit is missed, and there is nothing to look for.
        return self._interval if self._mode == "hybrid" or self._pulls else _AGREE_EVERY

    def _is_much(self) -> bool:
        return queue.is_waiting(self._store.connection, self._batch_size)

    def _has_commit(self, seconds: float) -> bool:
        if self._sleep is not None:
            self._rest(min(seconds, _LOOK))
            return self._commits.wait(0)
        self._end_if_stopped()
        return self._commits.wait(min(seconds, _LOOK))

    def _rest(self, seconds: float) -> None:
        """Whatever is committed meanwhile."""
        self._end_if_stopped()
        if self._sleep is not None:
            self._sleep(seconds)
            self._end_if_stopped()
            return
        end = self._clock() + seconds
        while (rest := end - self._clock()) > 0:
            time.sleep(min(rest, _LOOK))
            self._end_if_stopped()

    def _end_if_stopped(self) -> None:
        if self._stop():
            raise _EndedError


def _times(*, is_pushed: bool, is_pulled: bool) -> dict[str, int]:
    at = now()
    said = {"last_sync": is_pushed, "last_pull": is_pulled}
    return {name: at for name, is_so in said.items() if is_so}
