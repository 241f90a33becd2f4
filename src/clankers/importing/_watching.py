"""Watching: what the agents write goes into the store soon after they wrote it.

File events say what changed, and only that is looked at. They get lost, so that now and
then all files are looked at as an import does; where no events come, every few seconds.
"""

from __future__ import annotations

import math
import os
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from time import monotonic
from typing import TYPE_CHECKING

from clankers.errors import StoreError
from clankers.importing._bulk import bulk
from clankers.importing._discover import Listing
from clankers.importing._edges import chosen
from clankers.importing._events import FileEvents, Stop, has_file_events
from clankers.importing._pace import Pace, delay
from clankers.importing._report import Failure, ImportReport, Progress
from clankers.importing._run import Run
from clankers.importing._standing import Standing
from clankers.store._connection import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import apsw

    from clankers.importing._discover import Found
    from clankers.importing._standing import Root
    from clankers.store import Store

# How often is looked whether a root came, went or was replaced.
_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_BETWEEN_POLLS = 1.0
# How often file events are asked for again that ended by an error.
_SECONDS_BETWEEN_FAILURES = 60.0
_LONGEST_BETWEEN_SCANS = 600.0
# What a scan takes is to be a small part of the time: 0.5 % where events come, else 1 %.
_SCAN_REST = 200
_POLL_REST = 100
# New files come in bursts; listing them may take a twentieth of the time.
_LIST_REST = 20
_SHORTEST_LIST_REST = 0.1
# Prices change seldom; looking for stale ones reads all usage.
_PRICE_REST = 200
_SHORTEST_PRICE_REST = 60.0
_BUSY_PAUSE = 0.02
_TOLD_AT_MOST = 5_000


def watch_sessions(
    store: Store,
    agents: Iterable[str] | None = None,
    *,
    on_import: Callable[[ImportReport], object] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    changed: Queue[str] | None = None,
    scan_every: float = 30.0,
) -> None:
    """Imports what is new in the agents' own places, and goes on until it is stopped.

    What an agent writes is in the store a fraction of a second later, where file events
    come (the extra `watch`), and a few seconds later elsewhere. A file that is written all
    the time is read about three times a second. Between two imports the database is free
    for others.

    Blocks, so that it has a thread of its own in most programs; open the store there::

        def watch(stop: threading.Event) -> None:
            with Store.open() as store:
                watch_sessions(store, stop=stop.is_set)

    What goes wrong after the first import does not end it: a busy database, a full disk, a
    file that cannot be read is told once, and tried again after a while that grows up to
    ten minutes.

    Args:
        store: where the sessions go; nobody else may use it meanwhile but `on_import`.
        agents: the agents to watch; all by default.
        on_import: called after the first import, and after each that wrote something or
            met a failure that was not told before. What it raises ends the watching.
        on_progress: called after each file of the first import.
        stop: asked some twenty times a second; soon after it says True the watching ends.
            What is being read then is read again the next time.
        changed: paths that others say have changed, as an agent's hook does. They are looked
            at as if a file event had told of them; those that are in no agent's place are
            ignored.
        scan_every: seconds after which all files are looked at, for events that were lost;
            more where that takes long.

    Raises:
        UnknownAgentError: no importer has one of the names.
        StoreError: the first import could not be stored, or the database file was removed
            or replaced meanwhile.
    """
    asked = Stop(stop or (lambda: False))
    said: Queue[str] = changed or Queue()
    has_something = Stop(lambda: asked.is_set() or not said.empty())
    report = ImportReport()
    standing = Standing(chosen(agents, report))
    with _impatient(store.connection, asked), FileEvents(has_something) as events:
        watch = _Watch(
            store,
            standing,
            events,
            said,
            asked,
            on_import=on_import,
            on_progress=on_progress,
            scan_every=scan_every,
        )
        try:
            watch.run(report)
        except _StoppedError:
            return


class _StoppedError(Exception):
    """Ends an import in the middle of a file."""


class _Watch:
    def __init__(
        self,
        store: Store,
        standing: Standing,
        events: FileEvents,
        said: Queue[str],
        stop: Stop,
        *,
        on_import: Callable[[ImportReport], object] | None,
        on_progress: Callable[[Progress], None] | None,
        scan_every: float,
    ) -> None:
        self._store = store
        self._standing = standing
        self._events = events
        self._said = said
        self._stop = stop
        self._on_import = on_import
        self._on_progress = on_progress
        self._scan_every = scan_every
        self._pace = Pace()
        self._told = _Told()
        self._look_at = 0.0
        self._watch_at = 0.0
        self._store_identity = _identity(store.path)
        self._store_failures = 0
        self._store_free_at = 0.0
        self._price_at = 0.0
        self._is_unpriced = False

    def run(self, report: ImportReport) -> None:
        """Imports everything, then what changes; `report` is that of the first import."""
        self._look_around(report)
        self._import(report, is_first=True)
        while True:
            self._check_stop()
            for path in self._changed(self._next_at() - monotonic()):
                for place in self._standing.concern(path):
                    self._pace.want(place, monotonic())
            self._check_stop()
            report = ImportReport()
            self._look_around(report)
            self._import(report)

    def _changed(self, seconds: float) -> set[str]:
        """The paths that file events or others tell of; none when none did for so long."""
        paths = self._events.wait(seconds)
        with suppress(Empty):
            while True:
                paths.add(self._said.get_nowait())
        return paths

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise _StoppedError

    def _check_store(self) -> None:
        if _identity(self._store.path) != self._store_identity:
            raise StoreError(
                f"{self._store.path} was removed or replaced while it was being written to",
                hint="start the watching again, and it goes on with the file that is there now",
            )

    def _next_at(self) -> float:
        """When there is something to do although nothing happens."""
        next_at = self._pace.next_due()
        for root in self._standing:
            next_at = min(next_at, root.scan_at)
            if root.has_strangers:
                next_at = min(next_at, root.list_at)
        return min(self._look_at, max(next_at, self._store_free_at))

    def _look_around(self, report: ImportReport) -> None:
        """Watches the roots that are there now; those that are new are scanned next."""
        now = monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _SECONDS_BETWEEN_LOOKS
        self._check_store()
        is_due = self._standing.look(report)
        if self._events.has_failed:
            self._poll_all()
            is_due |= now >= self._watch_at
            if is_due:
                self._watch_at = now + _SECONDS_BETWEEN_FAILURES
        if is_due:
            self._watch_roots(report)

    def _poll_all(self) -> None:
        """Without events what happens has to be looked for, and what has happened since."""
        for root in self._standing:
            if root.is_watched:
                root.is_watched = False
                root.scan_at = 0.0

    def _watch_roots(self, report: ImportReport) -> None:
        folders = [root.path for root in self._standing if os.path.isdir(root.path)]
        refused = self._events.watch(list(dict.fromkeys(folders)))
        for root in self._standing:
            root.is_watched = root.path in folders and root.path not in refused
        if has_file_events():
            report.failures += [
                Failure(
                    Path(folder),
                    f"has no file events ({why}); it is looked at now and then instead",
                )
                for folder, why in refused.items()
            ]

    def _import(self, report: ImportReport, *, is_first: bool = False) -> None:
        now = monotonic()
        if now < self._store_free_at:
            return self._announce(report, must_tell=False)
        job = _Job(report)
        self._scan(job, now)
        self._list_anew(job, now)
        self._collect(job, now)
        if job.listing.found:
            try:
                self._store_found(job, is_first=is_first)
            except StoreError as problem:
                self._check_stop()
                if is_first:
                    raise
                self._try_again(job, problem)
            else:
                self._store_failures = 0
                self._told.forget(str(self._store.path))
        self._rest(job)
        return self._announce(report, must_tell=is_first)

    def _scan(self, job: _Job, now: float) -> None:
        for root in self._standing:
            if root.scan_at <= now:
                started = monotonic()
                counts = root.scan(job.listing, job.report)
                job.scanned[id(counts)] = root
                job.seconds[root.importer.agent, root.path] = monotonic() - started

    def _list_anew(self, job: _Job, now: float) -> None:
        for root in self._standing:
            if root.has_strangers and root.list_at <= now:
                started = monotonic()
                for place in root.relist(job.report):
                    self._pace.want(place, now)
                done = monotonic()
                root.list_at = done + max(_SHORTEST_LIST_REST, _LIST_REST * (done - started))

    def _collect(self, job: _Job, now: float) -> None:
        """Looks at the files that have changed, and at no others."""
        job.due = self._pace.take_due(now)
        for root in self._standing:
            names = [root.files[place] for place in job.due if place in root.files]
            there = [name for name in names if os.path.lexists(name)]
            if there:
                job.listing.add(root.importer, Path(root.path), there)

    def _store_found(self, job: _Job, *, is_first: bool) -> None:
        store, report = self._store, job.report
        on_progress = self._on_progress if is_first else None
        started = monotonic()
        with ExitStack() as stack:
            stack.enter_context(translated(store.path))
            if job.scanned:
                stack.enter_context(bulk(store.connection))
            run = stack.enter_context(Run(store, report, check=self._check_stop))
            job.waiting = self._free(run.changed(job.listing.found))
            progress = Progress(len(job.waiting), sum(one.identity.size for one in job.waiting))
            for one in job.waiting:
                self._check_stop()
                job.took[one.place] = _timed(run.take, one)
                progress = progress.after(one.path, one.identity.size)
                if on_progress is not None:
                    on_progress(progress)
        self._settle(job, monotonic() - started)
        self._is_unpriced |= any(not one.is_folder for one in job.waiting)
        self._price()

    def _free(self, found: Iterable[Found]) -> list[Found]:
        """Those that may be read now; the others are when their time comes."""
        now = monotonic()
        free = []
        for one in found:
            if self._pace.is_free(one.place, now):
                free.append(one)
            else:
                self._pace.want(one.place, now)
        return free

    def _settle(self, job: _Job, seconds: float) -> None:
        """Notes of each file how it went; storing takes its share of the time, too."""
        now = monotonic()
        share = seconds / (sum(job.took.values()) or 1.0)
        failed = {str(failure.path) for failure in job.report.failures}
        for one in job.waiting:
            if one.name not in failed:
                took = job.took[one.place] * share
                self._pace.read(one.place, took, now, look_again=not one.is_folder)
                self._told.forget(one.name)
            elif os.path.lexists(one.name):
                self._pace.fail(one.place, now)
            else:
                self._pace.drop(one.place)

    def _price(self) -> None:
        """As an import does: what was stored before may have been priced by an older list."""
        now = monotonic()
        if not self._is_unpriced or now < self._price_at:
            return
        from clankers.usage import price_usage

        price_usage(self._store)
        done = monotonic()
        self._price_at = done + max(_SHORTEST_PRICE_REST, _PRICE_REST * (done - now))
        self._is_unpriced = False

    def _try_again(self, job: _Job, problem: StoreError) -> None:
        """Leaves the database alone for a while; all that was to be stored is read again."""
        self._store_free_at = monotonic() + delay(self._store_failures)
        self._store_failures += 1
        for place in (*job.due, *(one.place for one in job.waiting)):
            self._pace.want_at(place, self._store_free_at)
        for root in job.scanned.values():
            root.scan_at = self._store_free_at
        job.scanned.clear()
        job.report.failures.append(Failure(str(self._store.path), str(problem)))

    def _rest(self, job: _Job) -> None:
        """Says when the roots that were scanned are scanned again."""
        for one in job.waiting:
            root = job.scanned.get(id(one.report))
            if root is not None and one.is_folder:
                # It was looked through although perhaps nothing in it has changed.
                job.seconds[root.importer.agent, root.path] += job.took.get(one.place, 0.0)
        now = monotonic()
        for root in job.scanned.values():
            seconds = job.seconds[root.importer.agent, root.path]
            pause = max(_SECONDS_BETWEEN_POLLS, _POLL_REST * seconds)
            if root.is_watched:
                pause = max(self._scan_every, _SCAN_REST * seconds)
            root.scan_at = now + min(pause, _LONGEST_BETWEEN_SCANS)

    def _announce(self, report: ImportReport, *, must_tell: bool) -> None:
        report.failures = self._told.news(report.failures)
        report.sum_up()
        if self._on_import is not None and (must_tell or report.rows_written or report.failures):
            self._on_import(report)


class _Job:
    """One import while it goes on: what was found, by which scan, and how long it took."""

    def __init__(self, report: ImportReport) -> None:
        self.report = report
        self.listing = Listing(report)
        self.scanned: dict[int, Root] = {}
        self.seconds: dict[tuple[str, str], float] = {}
        self.due: list[str] = []
        self.waiting: list[Found] = []
        self.took: dict[str, float] = {}


class _Told:
    """Failures that were told; each is told once, until the file could be read."""

    def __init__(self) -> None:
        self._messages: dict[str, str] = {}

    def news(self, failures: Iterable[Failure]) -> list[Failure]:
        """Those that say something new, of what is still there."""
        news = []
        for one in failures:
            key = str(one.path)
            has_vanished = isinstance(one.path, Path) and not os.path.lexists(one.path)
            if not has_vanished and self._messages.get(key) != one.message:
                self._messages[key] = one.message
                news.append(one)
        while len(self._messages) > _TOLD_AT_MOST:
            del self._messages[next(iter(self._messages))]
        return news

    def forget(self, name: str) -> None:
        self._messages.pop(name, None)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _timed(take: Callable[[Found], None], found: Found) -> float:
    started = monotonic()
    take(found)
    return monotonic() - started


@contextmanager
def _impatient(connection: apsw.Connection, stop: Stop) -> Iterator[None]:
    """Waits for other writers as before, but no longer than until it is time to stop."""
    timeout_ms = connection.pragma("busy_timeout")
    rounds = math.ceil(timeout_ms / 1000 / _BUSY_PAUSE)
    connection.set_busy_handler(lambda round_: round_ < rounds and not stop.wait(_BUSY_PAUSE))
    try:
        yield
    finally:
        connection.set_busy_timeout(timeout_ms)
