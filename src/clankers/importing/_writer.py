"""Storing what was read: one transaction for some files, committed while others are read."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from clankers.errors import ImporterError
from clankers.store._connection import REFUSED_ROWS
from clankers.store._sources import write_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clankers.importers import Batch
    from clankers.importing._reading import Reading
    from clankers.models import Usage
    from clankers.store import Store
    from clankers.usage import Pricer


# What a row is refused with that an importer made wrong; other errors are the database's.
_BAD_ROW = (
    *REFUSED_ROWS,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


class Writer:
    """Stores batches together with the watermarks that go with them.

    A commit waits for the disk and needs no Python, so that it may go on in a thread
    while the next files are read. Nobody may touch the store's connection before
    `wait()`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._commit: _Commit | None = None
        self._pricer: Pricer | None = None

    def wait(self) -> None:
        """Lets a commit that is going on end; raises what it failed with."""
        if self._commit is not None:
            commit = self._commit
            commit.join()
            self._commit = None
            commit.check()

    def store(self, readings: Sequence[Reading], *, in_background: bool = False) -> None:
        """Stores what these readings collected; of each all or nothing."""
        self.wait()
        news = [one for one in readings if one.is_news]
        if not news:
            return
        try:
            self._store_all(news, in_background=in_background)
        except ImporterError:
            # Some file has rows that cannot be stored; the others have a right to theirs.
            self._pricer = None
            self._store_each(news)

    def _store_all(self, readings: Sequence[Reading], *, in_background: bool) -> None:
        with ExitStack() as transaction:
            transaction.enter_context(self._store.atomic())
            touched: set[str] = set()
            for one in readings:
                touched |= self._write(one)
            if in_background:
                self._commit = _Commit(self._store, touched, transaction.pop_all())
                self._commit.start()
            else:
                self._store.refresh(touched)

    def _store_each(self, readings: Sequence[Reading]) -> None:
        with self._store.atomic():
            touched: set[str] = set()
            for one in readings:
                try:
                    with self._store.atomic():
                        touched |= self._write(one)
                except ImporterError as problem:
                    one.refuse(str(problem))
                    write_source(self._store.connection, one.row)
            self._store.refresh(touched)

    def _write(self, reading: Reading) -> set[str]:
        """Writes one file's batches; the sessions whose derived columns that may change."""
        touched: set[str] = set()
        agent = reading.found.importer.agent
        before = self._store.connection.total_changes()
        for batch in reading.batches:
            try:
                touched |= self._write_batch(batch, agent, improved=reading.improved)
            except _BAD_ROW as problem:
                raise ImporterError(
                    f"the {agent} importer made rows that cannot be stored: {problem}"
                ) from problem
        reading.counts.rows_written = self._store.connection.total_changes() - before
        write_source(self._store.connection, reading.row)
        return touched

    def _write_batch(self, batch: Batch, agent: str, *, improved: bool) -> set[str]:
        store = self._store
        children = (batch.messages, batch.tools, batch.errors, batch.compactions)
        spoken_of = {one.session_id for group in children for one in group}
        named = {one.id for one in batch.sessions}
        store.write("sessions", batch.sessions)
        store.mention(batch.mentions)
        store.add_placeholders(spoken_of - named, source=agent)
        store.write("messages", batch.messages)
        store.write("tools", batch.tools)
        store.write("session_errors", batch.errors)
        store.write("compaction_events", batch.compactions)
        store.write_attachments(batch.attachments)
        self._price(batch.usage)
        return spoken_of | named | store.write_usage(batch.usage, improved=improved)

    def _price(self, records: Sequence[Usage]) -> None:
        if not records:
            return
        if self._pricer is None:
            # An import that finds nothing new needs no prices.
            from clankers.usage import Pricer

            self._pricer = Pricer(self._store.connection)
        self._pricer.price(records)


class _Commit(threading.Thread):
    """Ends a transaction in the background."""

    def __init__(self, store: Store, touched: set[str], transaction: ExitStack) -> None:
        super().__init__(name="clankers-commit")
        self._store = store
        self._touched = touched
        self._transaction = transaction
        self._problem: BaseException | None = None

    def run(self) -> None:
        try:
            with self._transaction:
                self._store.refresh(self._touched)
        except BaseException as problem:  # noqa: BLE001 - raised again in the thread that waits
            self._problem = problem

    def check(self) -> None:
        if self._problem is not None:
            raise self._problem
