"""One tenant: batches that wait are stored together, one commit for all of them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from attrs import define, field

from clankers import errors, wire
from clankers.server import _storing
from clankers.server._held import Loaded, wanted_by
from clankers.server._merging import Merging
from clankers.server._problems import Problem

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from clankers.server._batches import Batch
    from clankers.server._held import Reader
    from clankers.server.backends import Backend, Database, Rows, Statement, Work

# So many records are stored by one commit; a larger batch goes alone.
MOST_TOGETHER = 5_000
# Who sends faster than a disk can take it is told to wait.
MOST_WAITING_BYTES = 256 * 1024 * 1024
_TRIES = 5
_PAUSE = 0.02


@define
class _Waiting:
    batch: Batch
    answered: asyncio.Future[bytes] = field(
        factory=lambda: asyncio.get_running_loop().create_future()
    )


class Writer:
    """Stores the batches of one tenant, in the order in which they came.

    Another process of the service may write to the same database: each commit is guarded by
    the revision that was read before it, and is made anew when that is no longer the last.
    """

    def __init__(self, backend: Backend, database: Database, tenant: str) -> None:
        self._backend = backend
        self._database = database
        self._tenant = tenant
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._storing: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        return self._storing is None and not self._waiting

    async def store(self, batch: Batch) -> bytes:
        """The answer as JSON, once the batch is stored for good.

        Raises:
            Problem: the batch must not be stored.
            BackendError: it could not be; it may be sent again.
        """
        one = _Waiting(batch)
        if self._waiting and self._waiting_bytes + batch.size > MOST_WAITING_BYTES:
            raise Problem.unavailable("too many batches are waiting", retry_after=1)
        self._waiting_bytes += batch.size
        self._waiting.append(one)
        if self._storing is None:
            self._storing = asyncio.create_task(self._store_all())
        # A client that hangs up does not take its neighbours along.
        return await asyncio.shield(one.answered)

    async def _store_all(self) -> None:
        try:
            while self._waiting:
                await self._store_together(self._take())
        finally:
            self._storing = None

    def _take(self) -> list[_Waiting]:
        count, records = 0, 0
        for one in self._waiting:
            records += one.batch.received
            if count and records > MOST_TOGETHER:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        self._waiting_bytes -= sum(one.batch.size for one in taken)
        return taken

    async def _store_together(self, taken: Sequence[_Waiting]) -> None:
        try:
            await self._attempt(taken)
        except Exception as problem:  # noqa: BLE001 - each waits for an answer, whatever it is
            # What one batch can be the cause of is found out singly; an outage meets all.
            if len(taken) > 1 and not isinstance(problem, errors.BackendUnavailableError):
                for one in taken:
                    await self._store_together([one])
                return
            for one in taken:
                _fail(one, problem)

    async def _attempt(self, taken: Sequence[_Waiting]) -> None:
        for attempt in range(_TRIES):
            outcomes: list[bytes | Exception] = []
            try:
                await self._backend.update(self._database, self._work(taken, outcomes))
                break
            except (errors.ConstraintError, errors.BackendUnavailableError) as problem:
                # The guard: somebody else wrote in between. Or nobody knows whether it was
                # stored: then the batch is known by now, or its rows change nothing more.
                is_final = isinstance(problem, errors.BackendUnavailableError) and (
                    not problem.is_unknown
                )
                if is_final or attempt == _TRIES - 1:
                    raise
                await asyncio.sleep(_PAUSE * attempt)
        for one, outcome in zip(taken, outcomes, strict=True):
            _settle(one, outcome)

    def _work(self, taken: Sequence[_Waiting], outcomes: list[bytes | Exception]) -> Work:
        """Reads what the batches meet, merges them, and says what must be written."""
        batches = [one.batch for one in taken]
        loaded = Loaded()
        yield from _read(loaded.first(wanted_by(batches)))
        if more := [
            *loaded.sessions_named(),
            *_children(loaded, batches),
            *loaded.estimates(batches),
        ]:
            yield from _read(more)
        now = time.time_ns() // 1_000_000
        merging = Merging(self._tenant, loaded, largest=self._backend.largest_value)
        outcomes += [_merged(merging, batch, now) for batch in batches]
        return _storing.statements(merging, now) if merging.applied else []


def _read(readers: Sequence[Reader]) -> Generator[list[Statement], list[Rows], None]:
    found = yield [statement for statement, _take in readers]
    for (_statement, take), rows in zip(readers, found, strict=True):
        take(rows)


def _children(loaded: Loaded, batches: Sequence[Batch]) -> list[Reader]:
    """What belongs to sessions that are deleted, or that may live again."""
    changed = {one.id for batch in batches for one in batch.changes if one.table == "sessions"}
    sessions = {one.id for batch in batches for one in batch.deletes if one.table == "sessions"}
    for one in changed:
        held = loaded.records.get(("sessions", one))
        if held and held.version.deleted_at > wire.ZERO and not held.version.is_alive:
            sessions.add(one)
    return loaded.children_of(sessions) if sessions else []


def _merged(merging: Merging, batch: Batch, now: int) -> bytes | Exception:
    """The answer as JSON, or what its sender alone is told."""
    try:
        return merging.apply(batch, now)
    except Problem as problem:
        return problem


def _settle(one: _Waiting, outcome: bytes | Exception) -> None:
    if isinstance(outcome, Exception):
        _fail(one, outcome)
    elif not one.answered.done():
        one.answered.set_result(outcome)


def _fail(one: _Waiting, problem: Exception) -> None:
    if not one.answered.done():
        one.answered.set_exception(problem)
