"""Where sync stands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from clankers import wire
from clankers.store.capture import _queue as queue
from clankers.sync._alone import who_syncs

if TYPE_CHECKING:
    from clankers.store.capture._queue import Counts
    from clankers.sync._local import Database
    from clankers.sync._transport import ServerStatus

SyncState = Literal["disabled", "idle", "pending", "syncing", "waiting", "unauthorized", "error"]


@frozen
class SyncStatus:
    """What `sync status` shows; times are epoch ms.

    Attributes:
        state: ``idle`` when all is sent, ``pending`` when something waits for the next sync,
            ``syncing`` while a process does it, ``waiting`` until `next_try` after the server
            could not be reached, ``unauthorized``, ``error`` (see `last_error`), and
            ``disabled`` where the settings keep sync off.
        syncing_process: the process that syncs now, 0 where it is unknown; None where none does.
        endpoint: the server that is asked.
        origin: the server the database is bound to; None before its first sync.
        tenant: whose database there.
        last_sync: when all that waited was sent; `last_pull` when all there was came.
        next_try: when the next attempt after a failure is due.
        last_error: what the last failure said.
        waiting: by table, and ``deletes``: rows that are ready, held, and aside.
        local: rows here by table, archived ones included.
        server: rows there by table; None where it was not asked or did not answer.
        server_problem: why it did not.
    """

    state: SyncState
    syncing_process: int | None
    endpoint: str
    origin: str | None
    tenant: str | None
    last_sync: int | None
    last_pull: int | None
    next_try: int | None
    last_error: str | None
    waiting: dict[str, Counts]
    local: dict[str, int]
    server: dict[str, int] | None
    server_problem: str | None


def read_status(
    database: Database, endpoint: str, server: ServerStatus | None, problem: str | None
) -> SyncStatus:
    """The status; `server` is what the server said, `problem` why it said nothing."""
    state = database.state
    waiting = queue.count_waiting(database.connection)
    process = who_syncs(database.store.path)
    # A server that answers now is no longer out of reach, nor closed to us.
    is_past = server is not None and state.problem in {"unreachable", "unauthorized"}
    return SyncStatus(
        _state_of(None if is_past else state.problem, state.next_try, process, waiting),
        process,
        endpoint,
        state.origin,
        state.tenant,
        state.last_sync,
        state.last_pull,
        state.next_try,
        state.last_error,
        waiting,
        _counts(database),
        None if server is None else server.counts,
        problem,
    )


def _state_of(
    problem: str | None, next_try: int | None, process: int | None, waiting: dict[str, Counts]
) -> SyncState:
    if process is not None:
        return "syncing"
    if problem == "unreachable" and next_try is not None:
        return "waiting" if next_try > time.time_ns() // 1_000_000 - _LATE_MS else "pending"
    if problem == "unauthorized":
        return "unauthorized"
    if problem is not None:
        return "error"
    return "pending" if any(one.ready for one in waiting.values()) else "idle"


# A try that should have been this long ago is not coming: whoever was to make it has ended.
_LATE_MS = 60_000


def _counts(database: Database) -> dict[str, int]:
    """What is here in both files, without what is only kept after it was deleted elsewhere."""
    connection = database.connection
    archive = database.archive()
    found = {}
    for table in wire.TABLES:
        shown = " WHERE NOT placeholder" if table == "sessions" else ""
        found[table] = connection.execute(f"SELECT count(*) FROM {table}{shown}").get
        if archive is not None:
            found[table] += archive.connection.execute(f"SELECT count(*) FROM {table}{shown}").get
            found[table] -= queue.count_dead(connection, table)
    return found
