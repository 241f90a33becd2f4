"""One run of an import: which files must be read, from where, and when to store what they said."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Self

from clankers.errors import ImporterError, StoreError
from clankers.importers import Resume
from clankers.importing import _watermarks as watermarks
from clankers.importing._edges import batches
from clankers.importing._report import Failure
from clankers.store._sources import identities, source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from clankers.importers import Batch
    from clankers.importing._discover import Found
    from clankers.importing._reading import Reading
    from clankers.importing._report import ImportReport
    from clankers.importing._writer import Writer
    from clankers.store import Store
    from clankers.store._sources import Identity

# A commit costs as much as parsing, and a lock held for longer than this is felt by others.
_BYTES_TOGETHER = 16 * 1024 * 1024
_ROWS_TOGETHER = 20_000
_FILES_TOGETHER = 100


class Run:
    """Takes files one by one; what they said is stored when there is enough of it.

    Use it as a context manager: what waits is stored at the end, and dropped with its
    watermarks when an exception ends the run.
    """

    def __init__(self, store: Store, report: ImportReport, *, full: bool, dry_run: bool) -> None:
        self._store = store
        self._report = report
        self._full = full
        self._dry_run = dry_run
        self._known: dict[str, dict[str, Identity]] = {}
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
        if problem is None:
            self._store_waiting()
        if self._opened_writer is None:
            return
        if problem is None:
            self._opened_writer.wait()
        else:
            # What ends the run says more than what a commit failed with.
            with suppress(StoreError):
                self._opened_writer.wait()

    def changed(self, found: Sequence[Found]) -> list[Found]:
        """Those of the files that must be read; counts the others as unchanged."""
        agents = {one.importer.agent for one in found}
        self._known = {agent: identities(self._store.connection, agent) for agent in agents}
        waiting = []
        for one in found:
            before = self._known[one.importer.agent].get(one.place)
            if watermarks.is_unchanged(before, one) and not self._full:
                one.report.unchanged += 1
                continue
            if before is None:
                one.report.new += 1
            else:
                one.report.updated += 1
            waiting.append(one)
        return waiting

    def take(self, found: Found) -> None:
        """Reads one file from its watermark; a file that cannot be read is reported."""
        reading = self._begin(found)
        row, failure = reading.row, None
        resume = Resume(row.watermark, row.line, row.state)
        try:
            for batch in batches(found.importer, found.path, resume):
                if self._is_enough():
                    reading.pause()
                    self._store_waiting(reading, in_background=True)
                    if reading.failure is not None:
                        return
                self._add(reading, batch)
        except ImporterError as problem:
            failure = str(problem)
        self._end(reading, failure)

    def _begin(self, found: Found) -> Reading:
        from clankers.importing._reading import Reading

        version = found.identity.importer_version
        before = self._known[found.importer.agent].get(found.place)
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

    def _end(self, reading: Reading, failure: str | None) -> None:
        reading.end(failure)
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
