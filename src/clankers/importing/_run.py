"""One run of an import: which files must be read, from where, and when to store what they said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from clankers.errors import ImporterError
from clankers.importers import Resume
from clankers.importing import _watermarks as watermarks
from clankers.importing._edges import batches, entries
from clankers.importing._report import Failure, shown
from clankers.store._sources import (
    Identity,
    entry_identities,
    identities,
    identities_of,
    source,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from clankers.importers import Batch, Entry
    from clankers.importing._discover import Found
    from clankers.importing._reading import Reading
    from clankers.importing._report import ImportReport
    from clankers.importing._writer import Writer
    from clankers.store import Store

# A commit costs as much as parsing, and a lock held for longer than this is felt by others.
_BYTES_TOGETHER = 16 * 1024 * 1024
_ROWS_TOGETHER = 20_000
_FILES_TOGETHER = 100
# Of more files it costs less to ask for all that an agent has.
_FILES_ASKED_FOR = 200


class Run:
    """Takes files one by one; what they said is stored when there is enough of it.

    Use it as a context manager: what waits is stored at the end, and dropped with its
    watermarks when an exception ends the run. `check` is called again and again while a
    file is read, and may raise one.
    """

    def __init__(
        self,
        store: Store,
        report: ImportReport,
        *,
        full: bool = False,
        dry_run: bool = False,
        check: Callable[[], None] | None = None,
    ) -> None:
        self._store = store
        self._report = report
        self._full = full
        self._dry_run = dry_run
        self._check = check
        self._known: dict[str, Identity] = {}
        self._waiting: list[Reading] = []
        self._bytes = self._rows = 0
        self._opened_writer: Writer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if problem is None:
                self._store_waiting()
                if self._opened_writer is not None:
                    self._opened_writer.finish()
        finally:
            # Whatever ends the run, Ctrl-C at any moment included, the connection is free then.
            if self._opened_writer is not None:
                self._opened_writer.settle()

    def changed(self, found: Sequence[Found]) -> list[Found]:
        """Those of the files that must be read; counts the others as unchanged."""
        connection = self._store.connection
        if len(found) <= _FILES_ASKED_FOR:
            files = ((one.place, one.importer.agent) for one in found)
            self._known.update(identities_of(connection, files))
        else:
            for agent in {one.importer.agent for one in found}:
                self._known.update(identities(connection, agent))
        waiting = []
        for one in found:
            before = self._known.get(one.place)
            if watermarks.is_unchanged(before, one) and not self._full:
                one.report.unchanged += 1
                continue
            if one.is_folder:
                pass  # Whether something in it is new is seen when it is looked through.
            elif before is None:
                one.report.new += 1
            else:
                one.report.updated += 1
            waiting.append(one)
        return waiting

    def take(self, found: Found) -> None:
        """Reads what is new in one file or folder; what cannot be read is reported."""
        try:
            listed = entries(found.importer, found.path)
        except ImporterError as problem:
            self._end(self._begin(found), str(problem))
            return
        if listed is None:
            self._take(found)
        else:
            self._take_entries(found, listed)

    def _take_entries(self, found: Found, listed: Iterable[Entry]) -> None:
        """Reads the sessions that changed; then the whole is as read as they are."""
        self._writer.wait()
        known = entry_identities(self._store.connection, found.importer.agent, found.place)
        self._known.update(known)
        changed = [
            one
            for one in (_entry(found, entry) for entry in listed)
            if self._full or not watermarks.is_unchanged(known.get(one.place), one)
        ]
        failures = [self._take(one) for one in changed]
        if found.is_folder:
            _count_folder(found, is_known=bool(known), has_changed=bool(changed))
            return
        failed = next((one for one in failures if one is not None), None)
        self._end(self._begin(found), failed, is_told=True)

    def _take(self, found: Found) -> str | None:
        """Reads one file, or one session of many, from its watermark; what it failed with."""
        reading = self._begin(found)
        row, failure = reading.row, None
        resume = Resume(row.watermark, row.line, row.state)
        try:
            for batch in batches(found.importer, found.path, resume, found.entry):
                if self._is_enough():
                    reading.pause()
                    self._store_waiting(reading, in_background=True)
                    if reading.failure is not None:
                        return reading.failure
                self._add(reading, batch)
                if self._check is not None:
                    self._check()
        except ImporterError as problem:
            failure = str(problem)
        self._end(reading, failure)
        return failure

    def _begin(self, found: Found) -> Reading:
        from clankers.importing._reading import Reading

        version = found.identity.importer_version
        before = self._known.get(found.place)
        if before is not None and before.importer_version == version and not self._full:
            self._writer.wait()
            row = source(self._store.connection, found.place)
            if row is not None and watermarks.can_go_on(row, found):
                return Reading(found, watermarks.without_tail(row), stored=row)
        improved = before is not None and before.importer_version < version
        # A better reading that is interrupted begins anew, and is still the better one.
        read_by = before.importer_version if before is not None and improved else version
        return Reading(found, watermarks.unread(found, read_by=read_by), improved=improved)

    def _add(self, reading: Reading, batch: Batch) -> None:
        self._bytes += batch.resume.offset - reading.row.watermark
        reading.add(batch)
        if self._dry_run:
            reading.batches.clear()
        self._rows += len(batch.messages) + len(batch.tools) + len(batch.usage)

    def _end(self, reading: Reading, failure: str | None, *, is_told: bool = False) -> None:
        """Ends a reading; a failure that was reported before, of an entry, is only noted."""
        reading.end(failure)
        if is_told:
            reading.failure = None
        self._waiting.append(reading)
        if self._is_enough():
            self._store_waiting(in_background=True)

    def _is_enough(self) -> bool:
        return (
            self._bytes >= _BYTES_TOGETHER
            or self._rows >= _ROWS_TOGETHER
            or len(self._waiting) >= _FILES_TOGETHER
        )

    def _store_waiting(self, *unfinished: Reading, in_background: bool = False) -> None:
        readings = [*self._waiting, *unfinished]
        self._waiting = []
        self._bytes = self._rows = 0
        if readings and not self._dry_run:
            self._writer.store(readings, in_background=in_background)
        for one in readings:
            one.settle()
            if one.failure is not None:
                self._report.failures.append(Failure(one.found.path, one.failure))

    @property
    def _writer(self) -> Writer:
        if self._opened_writer is None:
            from clankers.importing._writer import Writer

            self._opened_writer = Writer(self._store)
        return self._opened_writer


def _entry(found: Found, entry: Entry) -> Found:
    """One of the many sessions in what was found; its entry takes the place of a file's state."""
    identity = Identity(found.identity.importer_version, entry.rows, entry.updated_at, 0)
    place = shown(f"{found.place}#{entry.key}")
    return found._replace(place=place, identity=identity, entry=entry.key, is_folder=False)


def _count_folder(found: Found, *, is_known: bool, has_changed: bool) -> None:
    report = found.report
    report.read += has_changed
    report.unchanged += not has_changed
    report.new += has_changed and not is_known
    report.updated += has_changed and is_known
