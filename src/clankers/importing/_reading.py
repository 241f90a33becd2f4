"""One file while it is read: what it said so far that is not stored yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers.importing import _watermarks as watermarks
from clankers.importing._report import Counts

if TYPE_CHECKING:
    from clankers.importers import Batch
    from clankers.importing._discover import Found
    from clankers.store._sources import ImportSource


class Reading:
    """Batches that wait to be stored, and the row of `import_sources` that goes with them.

    Attributes:
        row: the row after the batches.
        stored: the row before them, which is what the store has.
        improved: the importer is newer than the one that read the file before.
        failure: why reading ended before the end of the file.
    """

    def __init__(
        self,
        found: Found,
        row: ImportSource,
        *,
        stored: ImportSource | None = None,
        improved: bool = False,
    ) -> None:
        self.found = found
        self.row = row
        self.stored = stored or row
        self.improved = improved
        self.batches: list[Batch] = []
        self.counts = Counts()
        self.sessions: set[str] = set()
        self.left_out: set[str] = set()
        self.failure: str | None = None

    def add(self, batch: Batch) -> None:
        self.batches.append(batch)
        counts = self.counts
        counts.imported += batch.imported
        counts.noise += batch.noise
        counts.unknown += batch.unknown
        counts.malformed += len(batch.malformed)
        counts.messages += len(batch.messages)
        self.sessions.update(one.id for one in batch.sessions)
        counts.bytes_read += batch.resume.offset - self.row.watermark
        self.row = watermarks.advanced(self.row, batch)

    def pause(self) -> None:
        """Makes the row fit to be stored, with more of the file to come."""
        self.row = watermarks.paused(self.row, self.found)

    def end(self, failure: str | None = None) -> None:
        """Makes the row fit to be stored, at the end of the file or of its readable part."""
        self.failure = failure
        if failure is None:
            if self.found.entry is None:
                self.counts.read = 1
                if self.row.watermark == 0 and self.counts.lines:
                    self.counts.bytes_read = self.found.identity.size
            self.row = watermarks.finished(self.row, self.found)
        else:
            self.row = watermarks.paused(self.row, self.found, failure=failure)

    def refuse(self, failure: str) -> None:
        """Drops batches that the store would not take."""
        self.batches = []
        self.counts = Counts()
        self.sessions = set()
        self.left_out = set()
        self.failure = failure
        self.row = watermarks.paused(self.stored, self.found, failure=failure)

    def settle(self) -> None:
        """Everything was stored, or need not be; only now it counts as read."""
        self.found.report.add(self.counts)
        self.found.report.sessions |= self.sessions
        self.found.report.left_out |= self.left_out
        self.counts = Counts()
        self.batches = []
        self.stored = self.row

    @property
    def is_news(self) -> bool:
        """False when storing it would change nothing but the time of the import."""
        return (
            bool(self.batches) or self.stored._replace(imported_at=self.row.imported_at) != self.row
        )
