"""One run of an import: reads files and commits their rows with their watermarks."""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from clankers.importers import Resume
from clankers.importing._report import Failure
from clankers.store._sources import (
    Identity,
    ImportSource,
    identities,
    source,
    with_lines,
    write_source,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from clankers.importers import Batch
    from clankers.importing._discover import Found
    from clankers.importing._report import ImportReport, SourceReport
    from clankers.store import Store

# A commit costs as much as parsing, and a lock held for longer than this is felt by others.
_FILES_TOGETHER = 40
_BYTES_TOGETHER = 16 * 1024 * 1024
_HEAD_BYTES = 1024
# Until a file is read to its end, its row says nothing that a file could be equal to.
_UNFINISHED = Identity(0, -1, 0, 0)


class Run:
    """Takes files one by one; their rows are committed when there are enough of them.

    Use it as a context manager: what waits is committed at the end, and rolled back with
    its watermarks when an exception ends the run.
    """

    def __init__(self, store: Store, report: ImportReport, *, full: bool, dry_run: bool) -> None:
        self._store = store
        self._report = report
        self._full = full
        self._dry_run = dry_run
        self._transaction = ExitStack()
        self._is_open = False
        self._files = self._bytes = 0
        self._touched: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if problem is None:
            self._commit()
        else:
            self._transaction.__exit__(kind, problem, trace)

    def changed(self, found: Sequence[Found]) -> list[Found]:
        """Those of the files that must be read; counts the others as unchanged."""
        agents = {one.importer.agent for one in found}
        known = {agent: identities(self._store.connection, agent) for agent in agents}
        waiting = []
        for one in found:
            before = known[one.importer.agent].get(str(one.path))
            if before == one.identity and not self._full:
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
        before = source(self._store.connection, str(found.path))
        again = before is None or self._full or _starts_over(before, found)
        row = _unread(found) if before is None or again else _without_tail(before)
        improved = before is not None and before.importer_version < found.importer.version
        found.report.read += 1
        failure = None
        try:
            for batch in found.importer.read(
                found.path, Resume(row.watermark, row.line, row.state)
            ):
                self._count(found.report, batch, batch.resume.offset - row.watermark)
                row = _advanced(row, batch)
                self._write(found.report, batch, improved=improved)
                self._commit_when_large(row)
        except OSError as problem:
            failure = problem.strerror or str(problem)
        except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as problem:
            # A surprise in one file, of an importer that may be another package's, must not
            # cost the other files. Errors of the store are none of these.
            failure = f"the {found.importer.agent} importer failed: {problem!r}"
        if failure is not None:
            self._report.failures.append(Failure(found.path, failure))
        self._save(_finished(row, found, failure))
        self._files += 1
        if self._files >= _FILES_TOGETHER:
            self._commit()

    def _count(self, counts: SourceReport, batch: Batch, length: int) -> None:
        counts.imported += batch.imported
        counts.noise += batch.noise
        counts.unknown += batch.unknown
        counts.malformed += len(batch.malformed)
        counts.bytes_read += length
        self._bytes += length

    def _write(self, counts: SourceReport, batch: Batch, *, improved: bool) -> None:
        if self._dry_run:
            return
        self._begin()
        store, before = self._store, self._store.connection.total_changes()
        store.write("sessions", batch.sessions)
        store.mention(batch.mentions)
        _adopt_orphans(store, batch)
        store.write("messages", batch.messages)
        store.write("tools", batch.tools)
        store.write("session_errors", batch.errors)
        store.write("compaction_events", batch.compactions)
        store.write_attachments(batch.attachments)
        self._touched |= store.write_usage(batch.usage, improved=improved)
        self._touched.update(one.id for one in batch.sessions)
        counts.rows_written += store.connection.total_changes() - before

    def _save(self, row: ImportSource) -> None:
        if not self._dry_run:
            self._begin()
            write_source(self._store.connection, row)

    def _begin(self) -> None:
        if not self._is_open:
            self._transaction.enter_context(self._store.atomic())
            self._is_open = True

    def _commit_when_large(self, row: ImportSource) -> None:
        if self._bytes >= _BYTES_TOGETHER:
            self._save(row._replace(**_UNFINISHED._asdict()))
            self._commit()

    def _commit(self) -> None:
        if self._is_open:
            self._store.refresh(self._touched)
            self._transaction.close()
            self._is_open = False
        self._touched = set()
        self._files = self._bytes = 0


def _adopt_orphans(store: Store, batch: Batch) -> None:
    """Placeholders for sessions that the batch speaks of without naming them."""
    children = (batch.messages, batch.tools, batch.errors, batch.compactions)
    spoken_of = {one.session_id for group in children for one in group}
    store.add_placeholders(spoken_of.difference(one.id for one in batch.sessions))


def _starts_over(before: ImportSource, found: Found) -> bool:
    """True when the file is not the one that was read before with something added to it."""
    if before.importer_version != found.importer.version or found.path.suffix == ".zst":
        return True
    return found.identity.size < before.watermark or _head(found.path, before) != before.head


def _head(path: Path, row: ImportSource) -> bytes:
    """A hash of the beginning of what was read, which tells a replaced file from a grown one."""
    try:
        with path.open("rb") as file:
            start = file.read(min(row.watermark, _HEAD_BYTES))
    except OSError:
        return row.head
    return hashlib.blake2b(start, digest_size=16).digest()


def _unread(found: Found) -> ImportSource:
    return ImportSource(str(found.path), found.importer.agent, *_UNFINISHED)


def _without_tail(row: ImportSource) -> ImportSource:
    """The row before its last line without newline, which is read and counted again."""
    if row.tail is None:
        return row
    counted = {row.tail: getattr(row, row.tail) - 1}
    return row._replace(lines=row.lines - 1, tail=None, **counted)


def _advanced(row: ImportSource, batch: Batch) -> ImportSource:
    return row._replace(
        watermark=batch.resume.offset,
        line=batch.resume.line,
        state=batch.resume.state,
        lines=row.lines + batch.lines,
        imported=row.imported + batch.imported,
        noise=row.noise + batch.noise,
        unknown=row.unknown + batch.unknown,
        malformed=row.malformed + len(batch.malformed),
        malformed_lines=with_lines(row.malformed_lines, batch.malformed),
        tail=batch.tail,
    )


def _finished(row: ImportSource, found: Found, failure: str | None) -> ImportSource:
    """The row once the file was read; after a failure it is read again next time."""
    identity = found.identity if failure is None else _UNFINISHED
    return row._replace(
        **identity._asdict(),
        head=_head(found.path, row),
        last_error=failure,
        imported_at=int(time.time() * 1000),
    )
