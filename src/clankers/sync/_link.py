"""The way to one server: what both sides agree on first, and what goes over it."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import frozen

from clankers import errors
from clankers._settings import origin
from clankers.store._connection import translated
from clankers.store.capture import _marks as marks
from clankers.store.capture import _queue as queue
from clankers.store.capture._state import change_state
from clankers.sync import _agreeing
from clankers.sync._exchange import Exchange, Progress
from clankers.sync._local import Database
from clankers.sync._machine import machine_hash
from clankers.sync._outgoing import Outgoing
from clankers.sync._pull import Pull, Pulled, erase_what_was_purged
from clankers.sync._push import Push
from clankers.sync._transport import ConflictError, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests.auth import AuthBase

    from clankers.store import Store
    from clankers.store.capture._state import State
    from clankers.sync._policy import Policy
    from clankers.sync._transport import ServerStatus


@frozen
class _Terms:
    """What was agreed on: as long as it stands, batches may go without a question."""

    machine_hash: str | None
    origin: str | None
    tenant: str | None
    policy: str | None
    is_examined: bool

    @classmethod
    def of(cls, state: State) -> _Terms:
        return cls(
            state.machine_hash, state.origin, state.tenant, state.policy, state.examined is None
        )


class Link:
    """One database's way to one server. Whoever uses it syncs alone, see `alone`.

    Attributes:
        database: what is synced.
        transport: carries it.
        policy: what may leave.
    """

    def __init__(self, store: Store, auth: AuthBase, endpoint: str, policy: Policy) -> None:
        self.database = Database(store)
        self.transport = Transport(endpoint, auth)
        self.policy = policy
        self._store = store
        self._endpoint = endpoint
        self._terms: _Terms | None = None
        self._exchange: Exchange | None = None

    def close(self) -> None:
        self.transport.close()

    # Before anything is sent

    @property
    def is_agreed(self) -> bool:
        """Nothing has changed since both sides agreed, not by another process either."""
        return self._terms is not None and self._terms == _Terms.of(self.database.state)

    def agree(self) -> None:
        """Asks the server who it is, and holds that this may be sent there.

        Raises:
            UnreachableError, UnauthorizedError: it does not say.
            PinnedError: the database belongs to another server or tenant.
        """
        self._terms = None
        # A transaction that gave out numbers may have been rolled back since.
        self.database.authors.forget()
        with translated(self._store.path):
            self.begin()
            self._pin(self.transport.status())
            self._show_marks()
            _agreeing.adopt_policy(self.database, self.policy, self.outgoing())
            self._release()
            self._terms = _Terms.of(self.database.state)

    def look(self) -> None:
        """Takes in what is new, and new rules; asks nobody."""
        with translated(self._store.path):
            self.begin()
            _agreeing.adopt_policy(self.database, self.policy, self.outgoing())
            self.outgoing().hold_back()

    def doubt(self) -> None:
        """The next push is to agree first."""
        self._terms = None

    def begin(self) -> None:
        """Notes what is new; the first time all that is there, a part at a time."""
        if self._store.is_archive:
            raise errors.SyncError(
                f"{self._store.path} is the archive of another database, which syncs it",
                hint="name the database itself",
            )
        self._store.settle_archive()
        erase_what_was_purged(self.database)
        self._be_a_device()
        connection = self._store.connection
        if not marks.is_capturing(connection):
            # Before anything says that all is noted: a crash begins it once more.
            self.database.note_archived()
            with self._store.atomic():
                marks.begin(connection)
                marks.note_chunk(connection)
            self._note_rest()
        self.note()

    def note(self) -> None:
        """Notes what others have inserted."""
        with self._store.atomic():
            pass

    def outgoing(self) -> Outgoing:
        return Outgoing(self.database, self.policy)

    def _note_rest(self) -> None:
        is_done = False
        while not is_done:
            with self._store.atomic():
                is_done = marks.note_chunk(self._store.connection)

    def _be_a_device(self) -> None:
        """A copied database is another device, or the two could not be told apart."""
        here = machine_hash(self._store.path)
        known = self.database.state.machine_hash
        if known != here:
            with self._store.atomic():
                change_state(self._store.connection, machine_hash=here)
                if known is not None:
                    _agreeing.become_another_device(self.database, str(uuid.uuid4()))
        self._store.forget_device()

    def _pin(self, server: ServerStatus) -> None:
        """Holds that this is the server and tenant the database belongs to."""
        state, here = self.database.state, origin(self._endpoint)
        if (state.origin or here, state.tenant or server.tenant) != (here, server.tenant):
            raise errors.PinnedError(
                f"{self._store.path} syncs to {state.tenant!r} on {state.origin},"
                f" and this is {server.tenant!r} on {here}; nothing was sent",
                hint="use another profile with a db of its own, or move this database there"
                " with 'clankers-cli sync reset --move'",
            )
        with self._store.atomic():
            change_state(self._store.connection, origin=here, tenant=server.tenant)
            if state.store != server.store:
                if state.store is None:
                    change_state(self._store.connection, store=server.store)
                else:
                    _agreeing.begin_anew(self.database, server.store)

    def _show_marks(self) -> None:
        """Finds out whether the server still has the history that is known here.

        A batch would show it; without any, a server that was restored would seem complete.
        """
        state = self.database.state
        if state.mark is None:
            return
        marks = [state.mark, *state.unproved]
        try:
            self.transport.changes(state.mark[0], 1, store=state.store, marks=marks)
        except ConflictError as problem:
            if problem.reason != "store_changed" or problem.store is None:
                raise
            with self._store.atomic():
                _agreeing.begin_anew(self.database, problem.store)

    def _release(self) -> None:
        """Tries refused rows again, after a day or when the server is another one."""
        version = self.transport.version()
        state = self.database.state
        with self._store.atomic():
            connection = self._store.connection
            is_other = version is not None and version != state.server_version
            if not self.policy.exclude and queue.has_held(connection):
                # What was held for want of its archive.
                queue.release_held(connection)
            queue.retry_aside(connection, now(), everything=is_other)
            if is_other:
                change_state(connection, server_version=version)

    # Both ways

    def push(
        self,
        progress: Progress,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        stop: Callable[[], bool] | None = None,
        is_round: bool = False,
    ) -> None:
        """Sends what is ready, see `Push`."""
        with translated(self._store.path):
            if self._exchange is None:
                self._exchange = Exchange(
                    self.database,
                    self.outgoing(),
                    is_well=lambda: self.transport.version() is not None,
                )
            self._exchange.begin(progress)
            Push(
                self.database,
                self._exchange,
                self.transport,
                on_progress=on_progress,
                stop=stop,
                is_round=is_round,
            ).run()

    def pull(
        self,
        pulled: Pulled,
        *,
        on_progress: Callable[[Pulled], object] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        """Takes in what is new there, see `Pull`."""
        with translated(self._store.path):
            Pull(
                self.database,
                self.transport,
                on_progress=on_progress,
                stop=stop,
                pulled=pulled,
                policy=self.policy,
            ).run()

    # How it went, for those who ask for the status

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Writes down how it ended."""
        try:
            yield
        except errors.ClankersError as problem:
            self.failed(problem)
            raise
        self.succeeded()

    def succeeded(self, **times: int) -> None:
        """Nothing is in the way; also writes `last_sync` or `last_pull`."""
        values: dict[str, int | None] = dict(times)
        if self.database.state.problem is not None:
            values |= dict.fromkeys(("failing_since", "next_try", "problem", "last_error"))
        if values:
            self.database.change(**values)

    def failed(self, problem: errors.ClankersError, *, next_try: int | None = None) -> None:
        """What happened, and when it is tried again; None where only others will."""
        self.database.authors.forget()
        state = self.database.state
        self.database.change(
            problem=_kind(problem),
            last_error=str(problem),
            failing_since=state.failing_since or now(),
            next_try=state.next_try if next_try is None else next_try,
        )


def _kind(problem: errors.ClankersError) -> str:
    match problem:
        case errors.UnreachableError():
            return "unreachable"
        case errors.UnauthorizedError() | errors.AuthError():
            return "unauthorized"
        case errors.PinnedError():
            return "pinned"
    return "error"


def now() -> int:
    return time.time_ns() // 1_000_000
