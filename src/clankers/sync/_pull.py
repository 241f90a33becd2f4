"""Taking in what other devices said: versions meet field by field, and nothing is destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define

from clankers import errors, wire
from clankers.store.capture import _queue as queue
from clankers.store.capture import _received as received
from clankers.store.capture._layout import CHILDREN, DEAD
from clankers.store.capture._rows import insert_row, update_row, write_stamps, write_tombstone
from clankers.store.capture._state import change_state
from clankers.sync import _adding, _agreeing
from clankers.sync._exchange import MOST_DISAGREEMENTS
from clankers.sync._hashing import hash_of
from clankers.sync._policy import Policy
from clankers.sync._transport import ConflictError
from clankers.sync.redaction._recognition import is_redaction_of
from clankers.wire import ZERO, Stamp, Version

if TYPE_CHECKING:
    from collections.abc import Callable

    from clankers.store.capture._rows import Local
    from clankers.store.capture._state import Mark
    from clankers.sync._local import Database
    from clankers.sync._transport import Page, Transport

PAGE = 500


@define
class Pulled:
    """What a pull did: changes that were looked at, records that are new, changed or went, pages."""

    changes: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    pages: int = 0


class Pull:
    """Applies pages of changes, each in one transaction together with the watermark."""

    def __init__(
        self,
        database: Database,
        transport: Transport,
        *,
        page: int = PAGE,
        on_progress: Callable[[Pulled], object] | None = None,
        stop: Callable[[], bool] | None = None,
        pulled: Pulled | None = None,
        policy: Policy | None = None,
    ) -> None:
        self._database = database
        self._transport = transport
        self._page = page
        self._on_progress = on_progress
        self._stop = stop or (lambda: False)
        self._disagreements = 0
        self._policy = policy or Policy()
        self.pulled = pulled or Pulled()

    def run(self) -> Pulled:
        """Pulls until nothing is new.

        Raises:
            SyncError: not all could be had; what was applied is not asked for again.
        """
        has_more = True
        while has_more and not self._stop():
            after, store, marks = self.asks()
            try:
                page = self._transport.changes(after, self._page, store=store, marks=marks)
            except ConflictError as problem:
                self.disagreed(problem)
                continue
            has_more = self.take(page, marks)
            if self._on_progress is not None:
                self._on_progress(self.pulled)
        erase_what_was_purged(self._database)
        return self.pulled

    def _count_disagreement(self, said: str) -> None:
        self._disagreements += 1
        if self._disagreements > MOST_DISAGREEMENTS:
            raise errors.UnreachableError(f"the server does not come to an agreement: {said}")

    def asks(self) -> tuple[int, str | None, list[Mark]]:
        """What the next request says: after which revision, in which store, with which marks."""
        state = self._database.state
        marks = [one for one in [state.mark, *state.unproved] if one is not None]
        return state.watermark, state.store, marks

    def disagreed(self, problem: ConflictError) -> None:
        """The server's history is another one: everything is asked for anew.

        Raises:
            ConflictError: it is something else.
        """
        if problem.reason != "store_changed" or not problem.store:
            raise problem
        self._count_disagreement(str(problem))
        with self._database.store.atomic():
            _agreeing.begin_anew(self._database, problem.store)

    def take(self, page: Page, marks: list[Mark]) -> bool:
        """Applies a page; whether there is more to ask for."""
        database = self._database
        if page.more and page.next <= database.state.watermark:
            raise errors.SyncError(
                f"the server says that more follows, and gives nothing behind {page.next}",
                hint="nothing is lost; 'clankers-cli sync status' shows both sides",
            )
        with database.moving():
            is_same = _agreeing.take_mark(database, page.store, page.mark, page.clock, marks)
            if is_same:
                applying = _Applying(database, self.pulled, self._policy)
                applying.apply_all(page.changes)
                applying.finish()
                change_state(database.connection, watermark=page.next)
        if not is_same:
            self._count_disagreement("a page of changes comes from another store")
            return True
        self._disagreements = 0
        self.pulled.pages += 1
        self.pulled.changes += len(page.changes)
        return page.more


@define
class _Met:
    """A record as it is here, as it is said, and what comes of it."""

    table: str
    id: str
    local: Local | None
    stored: Version
    said: Version
    merged: Version


class _Applying:
    """One page, in the transaction that is open."""

    def __init__(self, database: Database, pulled: Pulled, policy: Policy) -> None:
        self._database = database
        self._connection = database.connection
        self._pulled = pulled
        self._policy = policy
        self._purged: set[str] = set()
        self._edition = database.edition
        self._pruned = received.pruned(database.connection)
        self._touched: set[str] = set()

    def apply_all(self, changes: list[dict[str, Any]]) -> None:
        """All of a page: what is new here at once, the rest one by one, sessions first."""
        # Nobody's clock is further ahead than a server lets it be.
        latest = _agreeing.wall_clock(self._connection) + 4 * wire.FARTHEST_AHEAD_MS
        changes = [one for one in changes if _adding.is_whole(one, latest)]
        new = _adding.plain(self._database, changes, self._pruned)
        added = {(table, one["id"]) for table, some in new.items() for one in some}
        for table in wire.TABLES:
            if table in new:
                self._touched |= _adding.add(self._database, table, new[table])
            for change in changes:
                if change["table"] == table and (table, change["id"]) not in added:
                    self.apply(change)
        self._pulled.added += len(added)

    def apply(self, change: dict[str, Any]) -> None:
        """One record as the server has it."""
        table, record_id = change["table"], change["id"]
        said = _version(table, change)
        if self._is_pruned(table, record_id, said):
            return
        local = self._database.identified(table, [record_id]).get(record_id)
        tombstone = self._database.tombstones(table, [record_id]).get(record_id)
        stored = self._stored(local)
        if tombstone is not None:
            stored.deleted_at = Stamp(*self._database.authors.unpack(tombstone.at))
            stored.purge = tombstone.purge
        here = _as_here(said, stored, self._policy)
        merged = wire.merge(table, stored, here, trusts_said=True)
        if (merged.deleted_at, merged.purge) > (stored.deleted_at, stored.purge):
            packed = self._database.authors.pack(merged.deleted_at)
            write_tombstone(self._connection, table, record_id, packed, purge=merged.purge)
        if merged.is_alive:
            self._live(_Met(table, record_id, local, stored, said, merged), change["fields"])
        elif local is not None and said.deleted_at > ZERO and not said.is_alive:
            self._die(local, merged)

    def finish(self) -> None:
        """Derives what follows from the rows."""
        if self._purged:
            waiting = {*self._database.state.to_erase, *self._purged}
            change_state(self._connection, to_erase=sorted(waiting))
        self._database.store.refresh_totals(self._touched)
        self._database.store.update_index()

    # Reading

    def _stored(self, local: Local | None) -> Version:
        if local is None or local.is_placeholder:
            return Version()
        unpack = self._database.authors.unpack
        stamps = {name: Stamp(*unpack(one)) for name, one in local.stamps().items()}
        values = local.fields()
        return Version({name: values[name] for name in stamps}, ZERO, stamps)

    def _is_pruned(self, table: str, record_id: str, said: Version) -> bool:
        """Whether it was removed here, and nothing happened in it since."""
        if not self._pruned or table == "usage" or not said.fields:
            return False
        session_id = record_id if table == "sessions" else said.fields.get("session_id")
        at = self._pruned.get(session_id or "")
        return at is not None and said.newest.changed_at <= at

    # What lives

    def _live(self, met: _Met, fields: dict[str, Any]) -> None:
        table, merged, local = met.table, met.merged, met.local
        is_covered = table in CHILDREN and self._is_covered(merged)
        n = self._write(met, is_covered=is_covered)
        pack = self._database.authors.pack
        stamps = {name: pack(one) for name, one in merged.stamps().items()}
        self._stamp(table, n, merged, stamps)
        if _says_more(merged, met.said, self._policy.allows(table)):
            queue.forget_acknowledged(self._connection, table, [n])
            if not is_covered:
                queue.enqueue(self._connection, table, n)
        else:
            received.write_status(
                self._connection,
                table,
                n,
                hashed=hash_of(table, met.id, fields),
                acked=pack(met.said.newest),
                edition=self._edition,
            )
        if is_covered:
            received.bury(self._connection, table, [n])
        else:
            received.revive(self._connection, table, [n])
        if table == "sessions":
            self._database.release_held_of([met.id])
            if merged.deleted_at > ZERO:
                self._bring_back_children(met.id)
        session_id = met.id if table == "sessions" else merged.fields.get("session_id")
        if session_id:
            self._touched.add(session_id)
        if local is None or local.is_placeholder:
            self._pulled.added += 1
        elif merged.fields != met.stored.fields:
            self._pulled.changed += 1

    def _stamp(self, table: str, n: int, merged: Version, stamps: dict[str, int]) -> None:
        base = self._database.authors.pack(merged.newest)
        own = {name: one for name, one in stamps.items() if one != base}
        names = wire.FIELDS[table]
        # An emptied field is known as such only by a stamp of its own, a default by having none.
        own |= {name: stamps[name] for name, value in merged.fields.items() if value is None}
        own |= {
            name: 0 for name in received.defaulted(table) if name in names and name not in stamps
        }
        write_stamps(self._connection, table, n, base, own)

    def _write(self, met: _Met, *, is_covered: bool) -> int:
        """Puts the row where it belongs; its number."""
        table, record_id, local, merged = met.table, met.id, met.local, met.merged
        values = merged.fields
        if local is not None and local.is_archived and not local.at:
            self._database.give_number(local)
        if local is not None and local.is_archived and (is_covered or local.state != DEAD):
            self._database.put_archived(local, values)
            return local.n
        if table in CHILDREN:
            self._make_session(str(values.get("session_id")))
        if local is not None and local.is_archived:
            self._database.return_archived(table, [local.n])
            local.is_archived = False
        if local is None:
            n = insert_row(self._connection, table, record_id, values)
        else:
            n = local.n
            before = local.fields()
            # What a placeholder says of itself is a guess.
            said = dict.fromkeys(before) | values if local.is_placeholder else values
            changes = {name: one for name, one in said.items() if before[name] != one}
            update_row(self._connection, table, n, changes)
        if is_covered or (table in CHILDREN and self._is_session_archived(values)):
            self._database.move_to_archive(table, [n])
            received.drop_placeholder(self._connection, str(values.get("session_id")))
        return n

    def _make_session(self, session_id: str) -> None:
        if received.has_session(self._connection, session_id):
            return
        self._database.store.add_placeholders([session_id])

    def _is_session_archived(self, values: dict[str, Any]) -> bool:
        """Whether the session of a child is in the archive because it is old."""
        found = self._session(str(values.get("session_id")))
        return found is not None and found.is_archived and found.state != DEAD

    def _session(self, session_id: str) -> Local | None:
        found = self._database.identified("sessions", [session_id]).get(session_id)
        return None if found is None or found.is_placeholder else found

    def _is_covered(self, merged: Version) -> bool:
        """Whether the child of a deleted session is not newer than the deletion."""
        session_id = str(merged.fields.get("session_id"))
        tombstone = self._database.tombstones("sessions", [session_id]).get(session_id)
        if tombstone is None:
            return False
        unpack = self._database.authors.unpack
        deleted_at = Stamp(*unpack(tombstone.at))
        session = self._session(session_id)
        lives = session is not None and self._stored(session).newest > deleted_at
        return not lives and merged.newest <= deleted_at

    def _bring_back_children(self, session_id: str) -> None:
        """A session that lives again has its messages, tool calls, errors and compactions again.

        What was not sent when they were covered is sent now.
        """
        for table in CHILDREN:
            coming = [
                one
                for one in self._database.archived_of(table, session_id)
                if one.state == DEAD and not self._is_dead(one)
            ]
            if not coming:
                continue
            ns = [one.n for one in coming]
            self._database.return_archived(table, ns)
            received.revive(self._connection, table, ns)

    def _is_dead(self, local: Local) -> bool:
        tombstone = self._database.tombstones(local.table, [local.id]).get(local.id)
        if tombstone is None:
            return False
        return self._stored(local).newest <= Stamp(*self._database.authors.unpack(tombstone.at))

    # What dies

    def _die(self, local: Local, merged: Version) -> None:
        if local.is_placeholder:
            self._cover(local.id, merged)
            return
        if local.table == "sessions":
            # Its children first: those that are newer stay, and need something to belong to.
            self._cover(local.id, merged)
        self._bury(local, purge=merged.purge)
        if not merged.purge:
            queue.forget_acknowledged(self._connection, local.table, [local.n])
        self._pulled.removed += 1
        if local.table != "sessions":
            self._touched.add(str(local.fields().get("session_id")))

    def _bury(self, local: Local, *, purge: bool) -> None:
        """Takes a row out of sight: into the archive, or away for ever."""
        table = local.table
        if purge:
            self._purged.add(local.id)
            self._database.erase(local)
            return
        if not local.is_archived:
            self._database.move_to_archive(table, [local.n])
        elif not local.at:
            self._database.give_number(local)
        received.bury(self._connection, table, [local.n])

    def _cover(self, session_id: str, merged: Version) -> None:
        """A tombstone covers what is not newer; what is stays, under a placeholder."""
        for table in CHILDREN:
            for one in self._database.children(table, session_id):
                if self._stored(one).newest <= merged.deleted_at:
                    self._bury(one, purge=merged.purge)
        received.drop_placeholder(self._connection, session_id)


def _version(table: str, change: dict[str, Any]) -> Version:
    known = wire.FIELDS[table]
    fields = {name: value for name, value in change["fields"].items() if name in known}
    at = {name: Stamp(*change["at"][name]) for name in fields}
    dead = change.get("deleted_at")
    return Version(fields, ZERO, at, Stamp(*dead) if dead else ZERO, bool(change.get("purge")))


def _as_here(said: Version, stored: Version, policy: Policy) -> Version:
    """A text that is the one here without its secrets is the one here."""
    fields = dict(said.fields)
    for name, value in said.fields.items():
        here = stored.fields.get(name)
        if type(value) is not str or type(here) is not str or value == here:
            continue
        if policy.clean([here])[0] == value or is_redaction_of(value, here):
            fields[name] = here
    return Version(fields, said.stamp, said.at, said.deleted_at, said.purge)


def _says_more(merged: Version, said: Version, allowed: frozenset[str]) -> bool:
    """Whether this side has something that the server does not, and may have."""
    if not said.fields:
        return True
    theirs = said.stamps()
    if any(
        one > theirs.get(name, ZERO) for name, one in merged.stamps().items() if name in allowed
    ):
        return True
    return merged.fields.get("created_at") != said.fields.get("created_at")


def erase_what_was_purged(database: Database) -> None:
    """Leaves no byte of what was purged elsewhere; what cannot be done now is done the next time."""
    waiting = database.state.to_erase
    if waiting and database.store.erase_traces(waiting):
        database.change(to_erase=[])
