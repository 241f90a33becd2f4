"""SyncManager: what a program asks of sync."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from clankers import errors
from clankers._http import retrying
from clankers._settings import origin
from clankers.store.capture import _marks as marks
from clankers.store.capture import _queue as queue
from clankers.store.capture._state import change_state
from clankers.sync import _agreeing
from clankers.sync._alone import alone, who_syncs
from clankers.sync._exchange import Exchange, Progress
from clankers.sync._local import Database
from clankers.sync._machine import machine_hash
from clankers.sync._outgoing import Outgoing
from clankers.sync._policy import Policy
from clankers.sync._pull import Pull, Pulled
from clankers.sync._push import Push
from clankers.sync._status import SyncStatus, read_status
from clankers.sync._transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from requests.auth import AuthBase

    from clankers._profile import Profile
    from clankers.store import Store
    from clankers.store.capture._queue import Counts, Refused
    from clankers.sync._transport import ServerStatus

_SHOWN = 100
# A hiccup of the net should not end a sync that somebody waits for.
_TRIES, _FIRST_WAIT, _LONGEST_WAIT = 4, 0.5, 10.0


@frozen
class Pending:
    """What waits to be sent.

    Attributes:
        counts: by table, and ``deletes``: rows that are ready, held back by the rules, and
            aside because the server refused them.
        refused: those that are aside, with what the server said.
    """

    counts: dict[str, Counts]
    refused: list[Refused]

    @property
    def ready(self) -> int:
        """How many rows would be sent now."""
        return sum(one.ready for one in self.counts.values())


class SyncManager:
    """Syncs one database with one server.

    What is local is authoritative, and nothing of it is destroyed: what was committed here
    arrives there, once in effect, whatever breaks on the way; a deletion made elsewhere moves
    rows to the archive::

        with Store.open() as store:
            manager = SyncManager(store, TokenAuth(token, endpoint), endpoint)
            print(manager.sync_now())

    A manager belongs to one thread, as its store does. Of all processes one syncs a database
    at a time.

    Args:
        store: the database.
        auth: shows the server who asks; `NoAuth` where it wants to know nothing.
        endpoint: the server's address.
        policy: what may leave; by default everything without its secrets.
    """

    def __init__(
        self, store: Store, auth: AuthBase, endpoint: str, *, policy: Policy | None = None
    ) -> None:
        self.store = store
        self.endpoint = endpoint
        self.policy = policy or Policy()
        self._transport = Transport(endpoint, auth)
        self._database = Database(store)

    @classmethod
    def of_profile(cls, store: Store, profile: Profile) -> Self:
        """One with the settings of a profile.

        Raises:
            ConfigError: the profile has no endpoint.
            AuthError: its token is for another server, or there is none.
        """
        from clankers.sync._profile import auth_of, policy_of

        if profile.endpoint is None:
            raise errors.ConfigError(
                f"the profile {profile.name!r} has no endpoint to sync with",
                hint="'clankers-cli config set endpoint https://...' names a server",
            )
        return cls(store, auth_of(profile), profile.endpoint, policy=policy_of(profile))

    def close(self) -> None:
        """Closes the connections to the server; the store stays open."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def sync_now(
        self,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Progress:
        """Sends all that waits; what was sent.

        The first time every row that is there is sent, however old. A failure of the net is
        tried again a few times.

        Args:
            on_progress: called after each answer of the server.
            stop: asked before each batch; what is on its way is waited for.

        Raises:
            SyncBusyError: another process syncs.
            UnreachableError: the server does not answer; what it has acknowledged is kept.
            UnauthorizedError: it does not let us in.
            PinnedError: the database belongs to another server or tenant.
        """
        done = Progress()

        def count(progress: Progress) -> None:
            progress.waiting = self.pending().ready
            if on_progress is not None:
                on_progress(progress)

        with self._alone(), self._noted():
            for attempt in self._patiently():
                with attempt:
                    self._prepare()
                    exchange = Exchange(
                        self._database,
                        Outgoing(self._database, self.policy),
                        is_well=lambda: self._transport.version() is not None,
                        progress=done,
                    )
                    Push(
                        self._database,
                        exchange,
                        self._transport,
                        on_progress=count if on_progress else None,
                        stop=stop,
                    ).run()
            self._database.change(last_sync=_now())
        return done

    def pull(
        self,
        *,
        on_progress: Callable[[Pulled], object] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Pulled:
        """Takes in what changed on the server since the last time; what came.

        Into an empty database everything comes; pull before the first import there. What is
        local and newer stays, and is sent by the next sync.

        Raises:
            SyncError: as `sync_now`.
        """
        with self._alone(), self._noted():
            pulled = Pulled()
            for attempt in self._patiently():
                with attempt:
                    self._prepare()
                    pull = Pull(
                        self._database,
                        self._transport,
                        on_progress=on_progress,
                        stop=stop,
                        pulled=pulled,
                    )
                    pull.run()
            self._database.change(last_pull=_now())
        return pulled

    def pending(self) -> Pending:
        """What waits to be sent, without asking the server."""
        connection = self.store.connection
        return Pending(queue.count_waiting(connection), queue.refused(connection))

    def preview(self, limit: int = _SHOWN) -> list[tuple[str, dict[str, Any]]]:
        """Table and record of what would leave next, exactly as it would; at most so many.

        Before the first sync everything waits, and only the first of it is looked at.
        """
        with self._alone():
            self._begin()
            return Outgoing(self._database, self.policy).preview(limit)

    def status(self, *, ask_server: bool = True) -> SyncStatus:
        """Where sync stands: its state, what waits, and the counts of both sides."""
        server: ServerStatus | None = None
        problem: str | None = None
        if ask_server:
            try:
                server = self._transport.status()
            except errors.ClankersError as found:
                problem = str(found)
        return read_status(self._database, self.endpoint, server, problem)

    def reset(self, *, move: bool = False) -> None:
        """Makes the next sync send everything once more, and the next pull take everything in.

        Nothing is lost by it and nothing comes twice; it is for when a server lost something
        in a way that nobody can see. With `move` the database is no longer bound to its
        server and tenant: the next sync binds it to the one it meets.
        """
        with self._alone(), self.store.atomic():
            _agreeing.reset(self._database)
            if move:
                change_state(
                    self.store.connection,
                    origin=None,
                    tenant=None,
                    store=None,
                    mark=None,
                    unproved=[],
                    watermark=0,
                )

    # Before anything is sent

    def _prepare(self) -> None:
        self._begin()
        status = self._transport.status()
        self._pin(status)
        outgoing = Outgoing(self._database, self.policy)
        _agreeing.adopt_policy(self._database, self.policy, outgoing)
        self._release()

    def _begin(self) -> None:
        """Notes what is new; the first time all that is there, a part at a time."""
        self._be_a_device()
        connection = self.store.connection
        if not marks.is_capturing(connection):
            with self.store.atomic():
                marks.begin(connection)
                marks.note_chunk(connection)
            self._note_rest()
            self._database.note_archived()
        with self.store.atomic():
            pass  # Notes what others have inserted.

    def _note_rest(self) -> None:
        is_done = False
        while not is_done:
            with self.store.atomic():
                is_done = marks.note_chunk(self.store.connection)

    def _be_a_device(self) -> None:
        """A copied database is another device, or the two could not be told apart."""
        here = machine_hash(self.store.path)
        known = self._database.state.machine_hash
        if known == here:
            return
        with self.store.atomic():
            change_state(self.store.connection, machine_hash=here)
            if known is not None:
                _agreeing.become_another_device(self._database, str(uuid.uuid4()))
        self.store.forget_device()

    def _pin(self, server: ServerStatus) -> None:
        """Holds that this is the server and tenant the database belongs to."""
        state, here = self._database.state, origin(self.endpoint)
        if (state.origin or here, state.tenant or server.tenant) != (here, server.tenant):
            raise errors.PinnedError(
                f"{self.store.path} syncs to {state.tenant!r} on {state.origin},"
                f" and this is {server.tenant!r} on {here}; nothing was sent",
                hint="use another profile with a db of its own, or move this database there"
                " with 'clankers-cli sync reset --move'",
            )
        with self.store.atomic():
            change_state(self.store.connection, origin=here, tenant=server.tenant)
            if state.store != server.store:
                if state.store is None:
                    change_state(self.store.connection, store=server.store)
                else:
                    _agreeing.begin_anew(self._database, server.store)

    def _release(self) -> None:
        """Looks once more at rows that were held, and at refused ones after a day or another server."""
        version = self._transport.version()
        state = self._database.state
        with self.store.atomic():
            connection = self.store.connection
            is_other = version is not None and version != state.server_version
            queue.retry_aside(connection, _now(), everything=is_other)
            if is_other:
                change_state(connection, server_version=version)
            queue.release_held(connection)

    # Around a sync

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with alone(self.store.path):
            yield

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Writes down how it ended, for those who ask for the status."""
        try:
            yield
        except errors.ClankersError as problem:
            self._note_failure(problem)
            raise
        self._database.change(failing_since=None, next_try=None, problem=None, last_error=None)

    def _note_failure(self, problem: errors.ClankersError) -> None:
        state = self._database.state
        self._database.change(
            problem=_kind(problem),
            last_error=str(problem),
            failing_since=state.failing_since or _now(),
        )

    def _patiently(self) -> Any:
        return retrying(first=_FIRST_WAIT, longest=_LONGEST_WAIT, sleep=time.sleep, tries=_TRIES)

    @property
    def syncing_process(self) -> int | None:
        """The process that syncs the database now; None where none does."""
        return who_syncs(self.store.path)


def _kind(problem: errors.ClankersError) -> str:
    match problem:
        case errors.UnreachableError():
            return "unreachable"
        case errors.UnauthorizedError() | errors.AuthError():
            return "unauthorized"
        case errors.PinnedError():
            return "pinned"
    return "error"


def _now() -> int:
    return time.time_ns() // 1_000_000
