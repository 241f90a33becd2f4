"""Batches on their way, and what their answers mean here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from clankers import errors
from clankers.store.capture import _queue as queue
from clankers.store.capture._layout import NUMBER, TABLES
from clankers.sync import _agreeing
from clankers.sync._outgoing import MOST_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from clankers import wire
    from clankers.sync._local import Database
    from clankers.sync._outgoing import Batch, Outgoing, Sent
    from clankers.sync._transport import BatchRefusedError, ConflictError, Reply

# How often a server may fail over the same batch while it says that it is well.
_FAILURES = 3
_SERVER_ERROR = 500
# Two servers behind one address, say, would go on about it for ever.
MOST_DISAGREEMENTS = 3
_MISMATCH = "base_mismatch"


@define
class Progress:
    """How far a push is.

    Attributes:
        sent: rows that were acknowledged.
        refused: rows that were not taken.
        waiting: rows that were ready when it began and still are; only for who asks.
        batches: that were answered.
        bytes: of their JSON, not packed.
    """

    sent: int = 0
    refused: int = 0
    waiting: int = 0
    batches: int = 0
    bytes: int = 0


class Exchange:
    """Sends nothing itself: it makes batches, and is told what became of each.

    What is on its way is only remembered here; after a crash it is made and sent once more.

    Args:
        database: what is sent.
        outgoing: makes the batches.
        is_well: asks the server whether it is.
        progress: is counted on.
    """

    def __init__(
        self,
        database: Database,
        outgoing: Outgoing,
        *,
        is_well: Callable[[], bool],
        progress: Progress | None = None,
    ) -> None:
        self._database = database
        self._outgoing = outgoing
        self._is_well = is_well
        self._failures = self._disagreements = 0
        self.limit = MOST_ROWS
        self.flying: list[Batch] = []
        self.progress = progress or Progress()

    def begin(self, progress: Progress) -> None:
        """Nothing is on its way; what was learned of the size of batches is kept."""
        self.flying.clear()
        self.progress = progress

    def next_batch(self, most: int = MOST_ROWS) -> Batch | None:
        """A batch of rows that are in no other; None when nothing is ready."""
        busy = [one.waiting for batch in self.flying for one in batch.sent]
        limit = min(self.limit, most)
        batch = self._outgoing.batch(busy, most=limit, is_alone=self.limit == 1)
        if batch is not None:
            self.flying.append(batch)
        return batch

    def lost(self, batch: Batch) -> None:
        """Nobody knows what became of it; all of it goes on waiting."""
        if batch in self.flying:
            self.flying.remove(batch)

    def answered(self, batch: Batch, reply: Reply) -> None:
        """Its records are stored there, but for those that the reply rejects."""
        if batch not in self.flying:
            return
        self.flying.remove(batch)
        rejected = {(one.table, one.id): one for one in reply.rejected}
        acknowledged = [one for one in batch.sent if (one.table, one.id) not in rejected]
        database = self._database
        with database.store.atomic():
            if not _agreeing.take_mark(database, reply.store, reply.mark, reply.clock, batch.marks):
                self.flying.clear()
                return
            self._acknowledge(acknowledged)
            refused = sum(
                self._reject(one, rejected[one.table, one.id])
                for one in batch.sent
                if (one.table, one.id) in rejected
            )
        self.limit = min(MOST_ROWS, self.limit * 2)
        if self.limit >= MOST_ROWS:
            # Before, the guilty row is still looked for.
            self._failures = 0
        self.progress.sent += len(acknowledged)
        self.progress.refused += refused
        self.progress.batches += 1
        self.progress.bytes += len(batch.body)

    def refused(self, batch: Batch, problem: BatchRefusedError) -> None:
        """Halves what is not taken as a whole, until the guilty row stands alone and aside.

        Raises:
            UnreachableError: it may be the server's own trouble.
        """
        if batch not in self.flying:
            return
        self.flying.remove(batch)
        if problem.status >= _SERVER_ERROR:
            self._failures += 1
            if self._failures < _FAILURES or not self._is_well():
                raise errors.UnreachableError(str(problem))
        if len(batch.sent) > 1:
            self.limit = max(1, min(len(batch.sent), self.limit) // 2)
            return
        with self._database.store.atomic():
            self._set_aside(batch.sent[0], problem.code or "invalid_request", str(problem))
        self.limit = MOST_ROWS
        self._failures = 0
        self.progress.refused += 1

    def disagreed(self, batch: Batch, problem: ConflictError) -> None:
        """The two sides agree anew; what else is on its way was built on what is no longer so.

        Raises:
            ConflictError: nobody here knows this reason.
            UnreachableError: the server never agrees.
        """
        if batch not in self.flying:
            return
        self.flying.remove(batch)
        self._disagreements += 1
        if self._disagreements > MOST_DISAGREEMENTS:
            self._disagreements = 0
            raise errors.UnreachableError(f"the server does not come to an agreement: {problem}")
        match problem.reason:
            case "store_changed" if problem.store:
                self.flying.clear()
                with self._database.store.atomic():
                    _agreeing.begin_anew(self._database, problem.store)
            case "clock_ahead":
                self.flying.clear()
                with self._database.store.atomic():
                    _agreeing.correct_clock(self._database, problem.server_time)
            case "batch_reused":
                pass  # Built anew, it has another id.
            case _:
                raise problem

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
        queue.forget_refused(connection, [(NUMBER[one.table], one.id) for one in sent])

    def _reject(self, one: Sent, said: wire.Rejection) -> bool:
        """Sets a row aside; False for one that only has to go whole."""
        if said.code == _MISMATCH and one.is_delta:
            queue.forget_acknowledged(self._database.connection, one.table, [int(one.waiting.key)])
            return False
        self._set_aside(one, said.code, said.message)
        return True

    def _set_aside(self, one: Sent, code: str, message: str) -> None:
        now = _agreeing.wall_clock(self._database.connection)
        refused = queue.Refused(one.table, one.id, code, message, 1, now)
        queue.set_aside(self._database.connection, one.waiting, one.seq, refused)
