"""Sending what waits, several batches at once."""

from __future__ import annotations

from queue import SimpleQueue
from threading import Thread
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
# Sent from this thread: nobody else has anything to do meanwhile.
_SMALL = 65_536


class Push:
    """Sends batches until nothing is ready, or until something is in the way.

    Args:
        database: what is sent.
        exchange: makes the batches, and takes the answers.
        transport: carries them.
        on_progress: called after each answer.
        stop: asked before each batch; what is on its way is waited for.
        is_round: only what is ready now is sent; what comes meanwhile waits.
    """

    def __init__(
        self,
        database: Database,
        exchange: Exchange,
        transport: Transport,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        stop: Callable[[], bool] | None = None,
        is_round: bool = False,
    ) -> None:
        self._database = database
        self._exchange = exchange
        self._transport = transport
        self._on_progress = on_progress
        self._stop = stop or (lambda: False)
        self._is_round = is_round
        self._in_flight = 0
        self._answers: SimpleQueue[tuple[Batch, Reply | BaseException]] = SimpleQueue()
        self._problem: BaseException | None = None
        self._is_over = False

    def run(self) -> None:
        """Sends all that is ready.

        Raises:
            SyncError: not all could be sent; what was acknowledged before is not sent again.
        """
        while True:
            self._fill()
            if not self._in_flight:
                break
            self._take_answer()
        if self._problem is not None:
            raise self._problem

    def _fill(self) -> None:
        while self._in_flight < self._most() and not self._is_at_end():
            batch = self._exchange.next_batch()
            if batch is None:
                return
            self._is_over = self._is_round and self._is_rest(batch)
            self._send(batch)

    def _is_at_end(self) -> bool:
        return self._is_over or self._problem is not None or self._stop()

    def _is_rest(self, batch: Batch) -> bool:
        """Nothing else was ready when this was made."""
        return batch.looked_at < self._exchange.limit and len(batch.body) < _SMALL

    def _most(self) -> int:
        """Halved batches go one by one, or the guilty row is looked for in several at once."""
        is_free = self._database.state.store is not None and self._exchange.limit >= MOST_ROWS
        return MOST_IN_FLIGHT if is_free else 1

    def _send(self, batch: Batch) -> None:
        self._in_flight += 1
        if self._in_flight == 1 and len(batch.body) < _SMALL:
            self._carry(batch)
        else:
            # A server that does not answer must not keep the process from ending.
            Thread(target=self._carry, args=(batch,), name="clankers-push", daemon=True).start()

    def _carry(self, batch: Batch) -> None:
        answer: Reply | BaseException
        try:
            answer = self._transport.push(batch.body)
        except BaseException as problem:  # noqa: BLE001 - raised by who takes the answers
            answer = problem
        self._answers.put((batch, answer))

    def _take_answer(self) -> None:
        batch, answer = self._answers.get()
        self._in_flight -= 1
        try:
            self._take(batch, answer)
        except errors.ClankersError as problem:
            self._exchange.lost(batch)
            self._problem = self._problem or problem
        if self._on_progress is not None:
            self._on_progress(self._exchange.progress)

    def _take(self, batch: Batch, answer: Reply | BaseException) -> None:
        match answer:
            case BatchRefusedError():
                self._is_over = False
                self._exchange.refused(batch, answer)
            case ConflictError():
                self._is_over = False
                self._exchange.disagreed(batch, answer)
            case BaseException():
                raise answer
            case _:
                self._is_over = self._is_over and not answer.rejected
                self._exchange.answered(batch, answer)
