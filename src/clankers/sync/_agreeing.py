"""What two sides must agree on: which history, which clock, which rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers import wire
from clankers.store.capture import _marks as marks
from clankers.store.capture import _queue as queue
from clankers.store.capture._layout import AUTHOR_BITS, AUTHOR_MASK, NUMBER, SYNCED, TABLES, WALL
from clankers.store.capture._rows import each_noted, write_stamps
from clankers.store.capture._state import change_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from clankers.store.capture._rows import Local
    from clankers.store.capture._state import Mark
    from clankers.sync._local import Database
    from clankers.sync._outgoing import Outgoing
    from clankers.sync._policy import Policy

_LOOKED_AT = 200


def take_mark(
    database: Database, store: str, mark: Mark, clock: int, carried: Sequence[Mark]
) -> bool:
    """Notes what an answer proves; False when it comes from another history than the one known.

    A mark is proved by the next request that carries it and succeeds. The caller has a
    transaction open.
    """
    state = database.state
    if state.store not in (None, store):
        begin_anew(database, store)
        return False
    proved = set(carried)
    unproved = [one for one in state.unproved if one not in proved]
    if mark not in proved and mark[0] > 0 and mark not in unproved:
        unproved.append(mark)
    greatest = mark if state.mark is None or mark[0] > state.mark[0] else state.mark
    change_state(
        database.connection,
        store=store,
        mark=greatest,
        unproved=unproved,
        clock_floor=max(state.clock_floor, clock + 1 if clock else 0),
    )
    return True


def begin_anew(database: Database, store: str) -> None:
    """The server's history is another one: everything is sent, and pulled, once more."""
    change_state(database.connection, store=store, mark=None, unproved=[], watermark=0)
    queue.queue_everything(database.connection)


def reset(database: Database) -> None:
    """Everything goes and comes once more, in the same history; what was never noted too."""
    marks.note_missing(database.connection)
    change_state(database.connection, unproved=[], watermark=0)
    queue.queue_everything(database.connection)


def correct_clock(database: Database, server_time: int) -> None:
    """Stamps of a clock that was far ahead become stamps of now, and it is set right."""
    connection = database.connection
    bound = server_time + wire.FARTHEST_AHEAD_MS
    for table in TABLES:
        # What was acknowledged under the wrong time would look newer than what is said now.
        connection.execute(
            f"UPDATE sync_{table} SET at = CASE WHEN at > ?2 THEN ?1 ELSE at END, hash = NULL, acked = NULL, edition = NULL"
            f" WHERE at > ?2 OR acked >> {AUTHOR_BITS} > ?2",
            (server_time, bound),
        )
        fields = ["base", *(f"s_{name}" for name in SYNCED[table])]
        lowered = ", ".join(
            f"{name} = iif({name} >> {AUTHOR_BITS} > ?2,"
            f" (?1 << {AUTHOR_BITS}) | ({name} & {AUTHOR_MASK}), {name})"
            for name in fields
        )
        connection.execute(f"UPDATE sync_{table}_fields SET {lowered}", (server_time, bound))
    connection.execute("UPDATE sync_deleted SET at = ? WHERE at > ?", (server_time, bound))
    state = database.state
    change_state(
        connection,
        clock_floor=min(state.clock_floor, server_time)
        if state.clock_floor > bound
        else state.clock_floor,
        clock_offset=server_time - wall_clock(connection),
    )


def wall_clock(connection: apsw.Connection) -> int:
    """The clock of this machine as changes are stamped with it, in epoch ms, not corrected."""
    return int(connection.execute(f"SELECT {WALL}").get)


def adopt_policy(database: Database, policy: Policy, outgoing: Outgoing) -> bool:
    """Takes rules into effect, and queues what they send in another form; True when they are new.

    Goes on where it was when it was interrupted.
    """
    state = database.state
    wanted = policy.fingerprint
    is_new = state.policy != wanted
    if is_new:
        with database.store.atomic():
            _begin_edition(database, wanted, is_first=state.policy is None)
    while (place := database.state.examined) is not None:
        _examine(database, outgoing, *place)
    return is_new


def _begin_edition(database: Database, policy: str, *, is_first: bool) -> None:
    connection = database.connection
    if is_first:
        change_state(connection, policy=policy)
        return
    edition = database.edition + 1
    change_state(connection, policy=policy, edition=edition, examined=[TABLES[0], 0])
    number = database.authors.number(database.store.device_id, edition)
    connection.execute("UPDATE sync_core SET author = ?", (number,))
    queue.release_held(connection)


def _examine(database: Database, outgoing: Outgoing, table: str, after: int) -> None:
    """Looks at some rows: those whose form is no longer what the server has go whole.

    Others may write meanwhile; what they change is queued by that.
    """
    with database.store.at_one_moment():
        ns = each_noted(database.connection, table, after, _LOOKED_AT)
        changed = [row for n in ns for row in outgoing.changed(table, n)]
    with database.store.atomic():
        if not ns:
            following = NUMBER[table] + 1
            place = [TABLES[following], 0] if following < len(TABLES) else None
            change_state(database.connection, examined=place)
            return
        for one in changed:
            if queue.sequence_of(database.connection, table, one.n) == one.seq:
                _restamp(database, one)
        change_state(database.connection, examined=[table, ns[-1]])


def _restamp(database: Database, row: Local) -> None:
    """What this device said, it says again under the new rules."""
    device, edition = database.store.device_id, database.edition

    def under_new_rules(packed: int) -> int:
        at, author, _old = database.authors.unpack(packed)
        return database.authors.pack((at, author, edition)) if author == device else packed

    own = {name: under_new_rules(one) if one else 0 for name, one in row.own.items()}
    write_stamps(database.connection, row.table, row.n, under_new_rules(row.base), own)
    queue.enqueue(database.connection, row.table, row.n)


def become_another_device(database: Database, device: str) -> None:
    """Takes another id; what was said before stays said by the device it was said on."""
    connection = database.connection
    connection.execute("UPDATE device SET id = ?", (device,))
    number = database.authors.number(device, database.edition)
    connection.execute("UPDATE sync_core SET author = ?", (number,))
