"""SyncManager: what a program asks of sync."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from clankers import errors
from clankers._http import retrying
from clankers.store.capture import _queue as queue
from clankers.store.capture._state import change_state
from clankers.sync import _agreeing
from clankers.sync._alone import alone, who_syncs
from clankers.sync._exchange import Progress
from clankers.sync._link import Link, now
from clankers.sync._policy import Policy
from clankers.sync._pull import Pulled
from clankers.sync._status import SyncStatus, read_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from requests.auth import AuthBase

    from clankers._profile import Profile
    from clankers.store import Store
    from clankers.store.capture._queue import Counts, Refused
    from clankers.sync._background import Mode
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
        self._link = Link(store, auth, endpoint, self.policy)

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
        """Closes what the manager opened itself; the store stays open."""
        self._link.close()

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
        whole = 0

        def count(progress: Progress) -> None:
            # Counting a long queue takes as long as sending a batch: once must do.
            nonlocal whole
            ended = progress.sent + progress.refused
            whole = whole or self.pending().ready + ended
            progress.waiting = max(0, whole - ended)
            if on_progress is not None:
                on_progress(progress)

        link = self._link
        with self._alone(), link.noted():
            for attempt in self._patiently():
                with attempt:
                    link.agree()
                    link.push(done, on_progress=count if on_progress else None, stop=stop)
            link.database.change(last_sync=now())
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
        link = self._link
        with self._alone(), link.noted():
            pulled = Pulled()
            for attempt in self._patiently():
                with attempt:
                    link.agree()
                    link.pull(pulled, on_progress=on_progress, stop=stop)
            link.database.change(last_pull=now())
        return pulled

    def run(
        self,
        *,
        stop: Callable[[], bool] | None = None,
        mode: Mode = "hybrid",
        interval: float = 30,
        batch_size: int = 100,
        pulls: bool = False,
        on_sync: Callable[[Progress], object] | None = None,
        on_pull: Callable[[Pulled], object] | None = None,
        on_failure: Callable[[errors.ClankersError, float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        """Syncs again and again, until it is stopped; what fails is tried again, ever later.

        Between two pushes another process may sync. It blocks: give it a thread, and open the
        store in that thread::

            def work(stop: threading.Event) -> None:
                with Store.open() as store, SyncManager(store, auth, endpoint) as manager:
                    manager.run(stop=stop.is_set)

        Args:
            stop: asked several times a second, and before each batch; what is on its way is
                waited for.
            mode: what wakes a push. ``triggers``: commits of any process. ``hybrid``: the same,
                at most once a second while they keep coming, and a look every `interval`.
                ``polling``: the interval, or `batch_size` rows that wait.
            interval: seconds.
            batch_size: looked for about once a second.
            pulls: takes in what other devices sent, too, at the start and every `interval`.
            on_sync: called after a push that sent or refused something, and after the first
                success behind failures.
            on_pull: called after a pull in which something came.
            on_failure: called with each failure and the seconds until the next try.
            clock: seconds that only grow.
            sleep: waits; for tests, which have no time. Then commits are looked for, not heard.

        Raises:
            StoreError: the store was closed.
        """
        from clankers.sync._background import Background, Heard

        Background(
            self._link,
            mode=mode,
            interval=interval,
            batch_size=batch_size,
            pulls=pulls,
            heard=Heard(on_sync, on_pull, on_failure),
            stop=stop or (lambda: False),
            clock=clock,
            sleep=sleep,
        ).run()

    def pending(self, *, look: bool = False) -> Pending:
        """What waits to be sent, as it was last looked at; no server is asked.

        With `look` what is new and what other rules change is taken in first, as `sync_now`
        does, which writes to the database.
        """
        if look:
            with self._alone():
                self._link.look()
        connection = self.store.connection
        return Pending(queue.count_waiting(connection), queue.refused(connection))

    def preview(self, limit: int = _SHOWN) -> list[tuple[str, dict[str, Any]]]:
        """Table and record of what would leave next, exactly as it would; at most so many.

        Nothing is sent, and no server is asked. It takes in what is new and what the rules of
        `policy` change, as `sync_now` does first.
        """
        with self._alone():
            self._link.look()
            return self._link.outgoing().preview(limit)

    def status(self, *, ask_server: bool = True) -> SyncStatus:
        """Where sync stands: its state, what waits, and the counts of both sides."""
        server: ServerStatus | None = None
        problem: str | None = None
        if ask_server:
            try:
                server = self._link.transport.status()
            except errors.ClankersError as found:
                problem = str(found)
        return read_status(self._link.database, self.endpoint, server, problem)

    def reset(self, *, move: bool = False) -> None:
        """Makes the next sync send everything once more, and the next pull take everything in.

        Nothing is lost by it and nothing comes twice; it is for when a server lost something
        in a way that nobody can see. With `move` the database is no longer bound to its
        server and tenant: the next sync binds it to the one it meets.
        """
        with self._alone(), self.store.atomic():
            _agreeing.reset(self._link.database)
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

    # Around a sync

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with alone(self.store.path):
            yield

    def _patiently(self) -> Any:
        return retrying(first=_FIRST_WAIT, longest=_LONGEST_WAIT, sleep=time.sleep, tries=_TRIES)

    @property
    def syncing_process(self) -> int | None:
        """The process that syncs the database now; None where none does."""
        return who_syncs(self.store.path)
