"""Storing what was read: one transaction for some files, committed while others are read."""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from clankers.errors import ImporterError
from clankers.importing._archived import Resting
from clankers.importing._removed import Removed
from clankers.importing._watermarks import without_state
from clankers.store._connection import REFUSED_ROWS
from clankers.store._sources import write_source
from clankers.store.search import has_unspaced, update_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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


class _Left(NamedTuple):
    """What is left of some readings: without what was removed, and what the archive has.

    `rests` are the batches of each reading, by its identity, without what was removed.
    """

    removed: Removed
    rests: dict[int, list[Batch]]
    resting: Resting


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
        self._has_stored = False

    def wait(self) -> None:
        """Lets a commit that is going on end; raises what it failed with."""
        if self._commit is not None:
            commit = self._commit
            commit.end()
            self._commit = None
            commit.check()

    def settle(self) -> None:
        """Lets a commit that is going on end, and says nothing of how."""
        while self._commit is not None:
            try:
                self._commit.end()
                self._commit = None
            # Another Ctrl-C; leaving now would leave the connection in use.
            except KeyboardInterrupt:
                continue

    def finish(self) -> None:
        """Brings the search index up to date, once nothing more is to be stored."""
        self.wait()
        if self._has_stored:
            with self._store.atomic():
                update_index(self._store.connection, uncollected=0)

    def store(self, readings: Sequence[Reading], *, in_background: bool = False) -> None:
        """Stores what these readings collected; of each all or nothing."""
        news = [one for one in readings if one.is_news]
        if not news:
            return
        self._has_stored = True
        unspaced = self._prepared(news)
        self.wait()
        try:
            self._store_all(news, unspaced, in_background=in_background)
        except ImporterError:
            # Some file has rows that cannot be stored; the others have a right to theirs.
            self._store_each(news, unspaced)

    def _prepared(self, readings: Sequence[Reading]) -> set[str]:
        """Does what needs no database, while a commit goes on: prices, and `unspaced` rows.

        Returns:
            the ids of the latter, see `update_index`.
        """
        unspaced: set[str] = set()
        for one in readings:
            try:
                for batch in one.batches:
                    self._price(batch.usage)
                    unspaced.update(_unspaced(batch))
            except _BAD_ROW as problem:
                one.refuse(_unstorable(one, problem))
        return unspaced

    def _store_all(
        self, readings: Sequence[Reading], unspaced: set[str], *, in_background: bool
    ) -> None:
        with ExitStack() as transaction:
            transaction.enter_context(self._begun())
            left = self._left(readings)
            touched: set[str] = set()
            for one in readings:
                touched |= self._write(one, left)
            if in_background:
                finish = partial(_derive, self._store, touched, unspaced)
                self._commit = _Commit(finish, transaction.pop_all())
                self._commit.begin()
            else:
                _derive(self._store, touched, unspaced)

    def _store_each(self, readings: Sequence[Reading], unspaced: set[str]) -> None:
        with self._begun(again=True):
            left = self._left(readings)
            touched: set[str] = set()
            for one in readings:
                try:
                    with self._store.atomic():
                        touched |= self._write(one, left)
                except ImporterError as problem:
                    one.refuse(str(problem))
                    write_source(self._store.connection, one.row)
            _derive(self._store, touched, unspaced)

    @contextmanager
    def _begun(self, *, again: bool = False) -> Iterator[None]:
        """A transaction at whose beginning the index has every row there is."""
        with self._store.atomic(), self._store.by_event():
            update_index(self._store.connection, uncollected=sys.maxsize)
            if self._pricer is not None:
                self._pricer.keep(again=again)
            yield

    def _left(self, readings: Sequence[Reading]) -> _Left:
        """What of these readings is to be stored; what is archived and goes on comes back."""
        removed = Removed(self._store.connection)
        rests = {id(one): [removed.rest_of(batch) for batch in one.batches] for one in readings}
        resting = Resting(self._store, [batch for some in rests.values() for batch in some])
        return _Left(removed, rests, resting)

    def _write(self, reading: Reading, left: _Left) -> set[str]:
        """Writes one file's batches; the sessions whose derived columns that may change."""
        touched: set[str] = set()
        agent = reading.found.importer.agent
        before = self._store.connection.total_changes()
        rests = left.rests[id(reading)]
        for batch, rest in zip(reading.batches, rests, strict=True):
            if rest is not batch:
                reading.left_out |= _ids(batch) - _ids(rest)
            try:
                new = left.resting.rest_of(rest)
                touched |= self._write_batch(new, agent, improved=reading.improved)
            except _BAD_ROW as problem:
                raise ImporterError(_unstorable(reading, problem)) from problem
        reading.counts.rows_written = self._store.connection.total_changes() - before
        row = reading.row
        if left.removed.took_all(reading.batches, rests):
            # The state may quote what was removed.
            row = without_state(row)
        write_source(self._store.connection, row)
        return touched

    def _write_batch(self, batch: Batch, agent: str, *, improved: bool) -> set[str]:
        store = self._store
        children = (batch.messages, batch.tools, batch.errors, batch.compactions)
        spoken_of = {one.session_id for group in children for one in group}
        named = {one.id for one in batch.sessions}
        for prefix in batch.replaces:
            store.remove_beginning_with(prefix)
        store.write("sessions", batch.sessions)
        store.mention(batch.mentions)
        store.add_placeholders(spoken_of - named, source=agent)
        store.write("messages", batch.messages)
        store.write("tools", batch.tools)
        store.write("session_errors", batch.errors)
        store.write("compaction_events", batch.compactions)
        store.write_attachments(batch.attachments)
        return spoken_of | named | store.write_usage(batch.usage, improved=improved)

    def _price(self, records: Sequence[Usage]) -> None:
        if not records:
            return
        if self._pricer is None:
            # An import that finds nothing new needs no prices.
            from clankers.usage import Pricer

            self.wait()
            self._pricer = Pricer(self._store.connection)
        self._pricer.price(records)


def _unstorable(reading: Reading, problem: Exception) -> str:
    agent = reading.found.importer.agent
    return f"the {agent} importer made rows that cannot be stored: {problem}"


def _ids(batch: Batch) -> set[str]:
    return {one.id for one in batch.sessions}


def _unspaced(batch: Batch) -> Iterator[str]:
    for message in batch.messages:
        if has_unspaced(message.text_content) or has_unspaced(message.thinking):
            yield message.id
    for tool in batch.tools:
        if has_unspaced(tool.tool_input) or has_unspaced(tool.tool_output):
            yield tool.id


def _derive(store: Store, touched: set[str], unspaced: set[str]) -> None:
    """What follows from the rows of a transaction: totals, and their place in the index.

    The words of the index are collected once, at the end of the import.
    """
    store.refresh(touched | store.meet(touched))
    update_index(store.connection, uncollected=sys.maxsize, unspaced=unspaced)


class _Commit:
    """Ends a transaction in a thread of its own, after what is left to do in it."""

    def __init__(self, finish: Callable[[], None], transaction: ExitStack) -> None:
        self._finish = finish
        self._transaction = transaction
        self._thread = threading.Thread(target=self._run, name="clankers-commit")
        self._has_run = False
        self._problem: BaseException | None = None

    def begin(self) -> None:
        # Without a thread to be had it is done when somebody waits for it.
        with suppress(RuntimeError):
            self._thread.start()

    def end(self) -> None:
        """Waits until it is done."""
        if self._thread.ident is not None:
            self._thread.join()
        elif not self._has_run:
            self._run()

    def check(self) -> None:
        if self._problem is not None:
            raise self._problem

    def _run(self) -> None:
        self._has_run = True
        try:
            with self._transaction:
                self._finish()
        except BaseException as problem:  # noqa: BLE001 - raised again in the thread that waits
            self._problem = problem
