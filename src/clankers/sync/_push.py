"""Sending what waits: several batches at once, and what their answers mean here."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from attrs import define

from clankers import errors
from clankers.store.capture import _queue as queue
from clankers.store.capture._layout import NUMBER, TABLES
from clankers.sync import _agreeing
from clankers.sync._outgoing import MOST_ROWS
from clankers.sync._transport import BatchRefusedError, ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clankers import wire
    from clankers.sync._local import Database
    from clankers.sync._outgoing import Batch, Outgoing, Sent
    from clankers.sync._transport import Reply, Transport

MOST_IN_FLIGHT = 4
# How often a server may fail over the same batch while it says that it is well.
_FAILURES = 3
_MISMATCH = "base_mismatch"


@define
class Progress:
    """How far a push is: rows that were acknowledged, refused, and that still wait."""

    sent: int = 0
    refused: int = 0
    waiting: int = 0
    batches: int = 0
    bytes: int = 0


class Push:
    """Sends batches until nothing is ready, or until something is in the way.

    Args:
        database: what is sent.
        outgoing: makes its batches.
        transport: takes them.
        on_progress: called after each answer.
        stop: asked before each batch; what is in flight is waited for.
        progress: is counted on, where this is not the first attempt.
    """

    def __init__(
        self,
        database: Database,
        outgoing: Outgoing,
        transport: Transport,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        stop: Callable[[], bool] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._database = database
        self._outgoing = outgoing
        self._transport = transport
        self._on_progress = on_progress
        self._stop = stop or (lambda: False)
        self._flying: dict[Future[Reply], Batch] = {}
        self._limit = MOST_ROWS
        self._failures = 0
        self._problem: errors.ClankersError | None = None
        self.progress = progress or Progress()

    def run(self) -> Progress:
        """Sends all that is ready.

        Raises:
            SyncError: not all could be sent; what was acknowledged before is not sent again.
        """
        with ThreadPoolExecutor(MOST_IN_FLIGHT, thread_name_prefix="clankers-push") as pool:
            while True:
                self._fill(pool)
                if not self._flying:
                    break
                self._take_answers()
        if self._problem is not None:
            raise self._problem
        return self.progress

    def _fill(self, pool: ThreadPoolExecutor) -> None:
        most = MOST_IN_FLIGHT if self._database.state.store is not None else 1
        # Halved batches go one by one, or the guilty row is looked for in several at once.
        most = most if self._limit >= MOST_ROWS else 1
        while len(self._flying) < most and self._problem is None and not self._stop():
            busy = [one.waiting for batch in self._flying.values() for one in batch.sent]
            batch = self._outgoing.batch(busy, most=self._limit, is_alone=self._limit == 1)
            if batch is None:
                return
            self._flying[pool.submit(self._transport.push, batch.body)] = batch

    def _take_answers(self) -> None:
        done, _rest = wait(self._flying, return_when=FIRST_COMPLETED)
        for future in done:
            batch = self._flying.pop(future)
            try:
                self._answered(batch, future.result())
            except errors.UnreachableError as problem:
                self._problem = problem
            except BatchRefusedError as problem:
                self._refused(batch, problem)
            except ConflictError as problem:
                self._conflict(problem)
            except errors.ClankersError as problem:
                self._problem = problem
        if self._on_progress is not None and done:
            self._on_progress(self.progress)

    # What an answer means

    def _answered(self, batch: Batch, reply: Reply) -> None:
        rejected = {(one.table, one.id): one for one in reply.rejected}
        database = self._database
        acknowledged = [one for one in batch.sent if (one.table, one.id) not in rejected]
        with database.store.atomic():
            is_same = _agreeing.take_mark(
                database, reply.store, reply.mark, reply.clock, batch.marks
            )
            if is_same:
                self._acknowledge(acknowledged)
                for one in batch.sent:
                    if (found := rejected.get((one.table, one.id))) is not None:
                        self._reject(one, found)
        if not is_same:
            self._forget_flying()
            return
        self._failures = 0
        self._limit = min(MOST_ROWS, self._limit * 2)
        self.progress.sent += len(acknowledged)
        self.progress.refused += len(batch.sent) - len(acknowledged)
        self.progress.batches += 1
        self.progress.bytes += len(batch.body)

    def _acknowledge(self, sent: list[Sent]) -> None:
        connection = self._database.connection
        for table in TABLES:
            rows = [
                queue.Acknowledged(int(one.waiting.key), one.seq, one.hash, one.acked, one.edition)
                for one in sent
                if one.table == table and one.hash is not None
            ]
            if rows:
                queue.acknowledge(connection, table, rows)
        dead = [(NUMBER[one.table], one.id, one.seq) for one in sent if one.hash is None]
        if dead:
            queue.acknowledge_deletes(connection, dead)

    def _reject(self, one: Sent, said: wire.Rejection) -> None:
        if said.code == _MISMATCH and not one.waiting.is_delete:
            queue.forget_acknowledged(self._database.connection, one.table, [int(one.waiting.key)])
        else:
            self._set_aside(one, said.code, said.message)

    def _set_aside(self, one: Sent, code: str, message: str) -> None:
        now = time.time_ns() // 1_000_000
        refused = queue.Refused(one.table, one.id, code, message, 1, now)
        queue.set_aside(self._database.connection, one.waiting, one.seq, refused)

    def _refused(self, batch: Batch, problem: BatchRefusedError) -> None:
        """Halves what the server does not take as a whole, until the guilty row stands alone."""
        if problem.status >= _SERVER_ERROR:
            self._failures += 1
            if self._failures < _FAILURES or self._transport.version() is None:
                self._problem = errors.UnreachableError(str(problem))
                return
        if len(batch.sent) > 1:
            self._limit = max(1, min(len(batch.sent), self._limit) // 2)
            return
        with self._database.store.atomic():
            self._set_aside(batch.sent[0], problem.code or "invalid_request", str(problem))
        self._limit = MOST_ROWS
        self._failures = 0
        self.progress.refused += 1

    def _conflict(self, problem: ConflictError) -> None:
        match problem.reason:
            case "store_changed" if problem.store:
                self._forget_flying()
                with self._database.store.atomic():
                    _agreeing.begin_anew(self._database, problem.store)
            case "clock_ahead":
                self._forget_flying()
                with self._database.store.atomic():
                    _agreeing.correct_clock(self._database, problem.server_time)
            case "batch_reused":
                pass  # Built anew, it has another id.
            case _:
                self._problem = problem

    def _forget_flying(self) -> None:
        """What is on its way was built on what is no longer so; its answers mean nothing."""
        for future in list(self._flying):
            future.cancel()
        if self._flying:
            wait(self._flying)
        self._flying.clear()


_SERVER_ERROR = 500
