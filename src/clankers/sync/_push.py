"""Sending what waits, several batches at once."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from clankers import errors
from clankers.sync._outgoing import MOST_ROWS
from clankers.sync._transport import BatchRefusedError, ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clankers.sync._exchange import Exchange, Progress
    from clankers.sync._local import Database
    from clankers.sync._outgoing import Batch
    from clankers.sync._transport import Reply, Transport

MOST_IN_FLIGHT = 4


class Push:
    """Sends batches until nothing is ready, or until something is in the way.

    Args:
        database: what is sent.
        exchange: makes the batches, and takes the answers.
        transport: carries them.
        on_progress: called after each answer.
        stop: asked before each batch; what is on its way is waited for.
    """

    def __init__(
        self,
        database: Database,
        exchange: Exchange,
        transport: Transport,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        self._database = database
        self._exchange = exchange
        self._transport = transport
        self._on_progress = on_progress
        self._stop = stop or (lambda: False)
        self._sending: dict[Future[Reply], Batch] = {}
        self._problem: errors.ClankersError | None = None

    def run(self) -> None:
        """Sends all that is ready.

        Raises:
            SyncError: not all could be sent; what was acknowledged before is not sent again.
        """
        with ThreadPoolExecutor(MOST_IN_FLIGHT, thread_name_prefix="clankers-push") as pool:
            while True:
                self._fill(pool)
                if not self._sending:
                    break
                self._take_answers()
        if self._problem is not None:
            raise self._problem

    def _fill(self, pool: ThreadPoolExecutor) -> None:
        while len(self._sending) < self._most() and self._problem is None and not self._stop():
            batch = self._exchange.next_batch()
            if batch is None:
                return
            self._sending[pool.submit(self._transport.push, batch.body)] = batch

    def _most(self) -> int:
        """Halved batches go one by one, or the guilty row is looked for in several at once."""
        is_free = self._database.state.store is not None and self._exchange.limit >= MOST_ROWS
        return MOST_IN_FLIGHT if is_free else 1

    def _take_answers(self) -> None:
        done, _rest = wait(self._sending, return_when=FIRST_COMPLETED)
        for future in done:
            batch = self._sending.pop(future)
            try:
                self._take(batch, future)
            except errors.ClankersError as problem:
                self._exchange.lost(batch)
                self._problem = problem
        if self._on_progress is not None:
            self._on_progress(self._exchange.progress)

    def _take(self, batch: Batch, future: Future[Reply]) -> None:
        try:
            reply = future.result()
        except BatchRefusedError as problem:
            self._exchange.refused(batch, problem)
        except ConflictError as problem:
            self._exchange.disagreed(batch, problem)
        else:
            self._exchange.answered(batch, reply)
