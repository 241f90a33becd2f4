"""What becomes of a tenant's records when batches meet them.

Several batches that wait are merged one after the other into the same records, which are then
written once: each has its answer and its mark, and all share one commit. Nothing here waits
or touches a database.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from attrs import define, field

from clankers import wire
from clankers.server import _unstamped
from clankers.server._held import COVERED, NOWHERE, SHOWN, Held, stored_size
from clankers.server._problems import Problem
from clankers.wire import ZERO, Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clankers.server._batches import Batch
    from clankers.server._held import Head, Key, Loaded

_NONCE_BYTES = 8


@define
class Applied:
    """A batch that was merged: what its sender is told, once it is stored."""

    batch: Batch
    answer: bytes


class Merging:
    """Merges batches into loaded records, in the order in which they came.

    Attributes:
        head: of the database, as it will be.
        records: every record that the batches touch.
        applied: the batches that must be stored.
        marks: those that were made, by their revision.
        largest: bytes of a record that the database takes.
    """

    def __init__(self, tenant: str, loaded: Loaded, *, largest: int) -> None:
        self.tenant = tenant
        self.largest = largest
        self.head: Head = loaded.head
        self.records: dict[Key, Held] = loaded.records
        self.applied: list[Applied] = []
        self.marks: dict[int, str] = {}
        self.expected = loaded.head.revision

    def apply(self, batch: Batch, now: int) -> bytes:
        """The answer to a batch as JSON; a stored one where the batch is repeated.

        Raises:
            Problem: the batch must not be applied; nothing of it was.
        """
        self._check_history(batch)
        if (stored := self._stored_answer(batch)) is not None:
            return stored.encode()
        if batch.newest > now + wire.FARTHEST_AHEAD_MS:
            raise Problem.conflict(
                "a stamp is more than a day ahead of the server's clock",
                reason="clock_ahead",
                server_time=now,
            )
        return _OneBatch(self, batch, now).apply()

    def make_mark(self) -> None:
        revision, nonce = self.head.revision, secrets.token_hex(_NONCE_BYTES)
        self.marks[revision] = self.head.marks[revision] = nonce
        self.head.last_mark = revision, nonce

    def held(self, table: str, record_id: str) -> Held:
        found = self.records.get((table, record_id))
        if found is None:
            found = self.records[table, record_id] = Held()
        return found

    def place(self, table: str, held: Held) -> str:
        """Where the row of a record belongs: a session's tombstone covers what is not newer."""
        version = held.version
        if not version.is_alive:
            return NOWHERE
        if table in wire.CHILDREN:
            session = self.records.get(("sessions", str(version.fields.get("session_id"))))
            if session is not None and covers(session.version, version):
                return COVERED
        return SHOWN

    def _check_history(self, batch: Batch) -> None:
        if batch.store is None:
            return
        head = self.head
        if batch.store != head.store or not all(map(head.knows, batch.marks)):
            raise Problem.conflict(
                "this is not the store that the batch was made for",
                reason="store_changed",
                store=head.store,
            )

    def _stored_answer(self, batch: Batch) -> str | None:
        found = None if batch.batch_id is None else self.head.answers.get(batch.batch_id)
        if found is None:
            return None
        body_hash, answer = found
        if body_hash != batch.body_hash:
            raise Problem.conflict("the batch_id was used for another batch", reason="batch_reused")
        return answer


def covers(session: Version, child: Version) -> bool:
    """True when the session is deleted and the child was not said later."""
    return session.deleted_at > ZERO and not session.is_alive and child.newest <= session.deleted_at


@define
class _OneBatch:
    """One batch on its way into the records."""

    merging: Merging
    batch: Batch
    now: int
    clock: int = 0
    stored: dict[str, int] = field(factory=lambda: dict.fromkeys((*wire.TABLES, "deletes"), 0))
    rejected: list[wire.Rejection] = field(factory=list)

    def apply(self) -> bytes:
        before = self.merging.head.revision
        self.rejected += self.batch.rejections
        for change in self.batch.changes:
            self._change(change)
        for delete in self.batch.deletes:
            self._delete(delete)
        if self.merging.head.revision > before:
            self.merging.make_mark()
        answer = msgspec.json.encode(self._answer())
        self.merging.applied.append(Applied(self.batch, answer))
        if self.batch.batch_id is not None:
            # It may come a second time before the first is stored.
            known = self.batch.body_hash, answer.decode()
            self.merging.head.answers[self.batch.batch_id] = known
        return answer

    def _change(self, change: wire.Change) -> None:
        held = self.merging.held(change.table, change.id)
        if change.base is not None and not _is_base(change, held.version):
            self._reject(change, "base_mismatch", "the record is not the one that was changed")
            return
        said = change.version
        if not change.is_stamped:
            said = _unstamped.stamped(change, held.version, self.now, self.batch.device_id)
        merged = self._purged(change.table, wire.merge(change.table, held.version, said))
        says_nothing = not merged.fields and merged.deleted_at == ZERO
        if (merged.fields or says_nothing) and (missing := _missing(change.table, merged)):
            self._reject(change, "missing_field", f"{change.table} records need {missing}")
            return
        if self._is_too_large(change.table, merged):
            self._reject(change, "too_large", "the record is too large for this server's database")
            return
        self.stored[change.table] += 1
        self.clock = max(self.clock, said.newest.changed_at, merged.newest.changed_at)
        self._set(change.table, change.id, held, merged)
        if not change.is_stamped and held.version.is_alive:
            self._estimate(change, held.version)

    def _purged(self, table: str, merged: Version) -> Version:
        """What comes late into a session that was purged is erased as what was there before."""
        session_id = merged.fields.get("session_id")
        session = self.merging.records.get(("sessions", str(session_id)))
        if table not in wire.CHILDREN or session is None or not session.version.purge:
            return merged
        purge = Version(deleted_at=session.version.deleted_at, purge=True)
        return merged if merged.newest > purge.deleted_at else wire.merge(table, merged, purge)

    def _is_too_large(self, table: str, merged: Version) -> bool:
        # Spaced characters take three bytes more, escaped ones five.
        if self.batch.size * 6 < self.merging.largest:
            return False
        return stored_size(table, merged) > self.merging.largest

    def _set(self, table: str, record_id: str, held: Held, merged: Version) -> None:
        old = held.version
        if merged == old or (not merged.fields and merged.deleted_at == ZERO):
            return
        held.version = merged
        self._touch(held)
        if table == "sessions" and old.deleted_at > ZERO and merged.is_alive and not old.is_alive:
            for _key, child in self._children(record_id):
                if child.version.is_alive:
                    self._touch(child)

    def _delete(self, delete: wire.Delete) -> None:
        held = self.merging.held(delete.table, delete.id)
        stamp = delete.stamp or _unstamped.stamp_after(held.version, self.now, self.batch.device_id)
        tombstone = Version(deleted_at=stamp, purge=delete.purge)
        self._set(delete.table, delete.id, held, wire.merge(delete.table, held.version, tombstone))
        self.clock = max(self.clock, stamp.changed_at)
        self.stored["deletes"] += 1
        if delete.table == "sessions" and delete.purge:
            self._erase_children(delete.id, tombstone)

    def _erase_children(self, session_id: str, tombstone: Version) -> None:
        """A purge erases what it covers, also what the deleting device did not know of."""
        for (table, record_id), child in self._children(session_id):
            if child.version.is_alive and child.version.newest <= tombstone.deleted_at:
                self._set(table, record_id, child, wire.merge(table, child.version, tombstone))

    def _children(self, session_id: str) -> Iterator[tuple[Key, Held]]:
        for key, held in list(self.merging.records.items()):
            if key[0] in wire.CHILDREN and held.version.fields.get("session_id") == session_id:
                yield key, held

    def _touch(self, held: Held) -> None:
        head = self.merging.head
        head.revision += 1
        held.revision = head.revision
        held.is_changed = True

    def _estimate(self, change: wire.Change, version: Version) -> None:
        if change.table == "messages":
            self._estimate_message(change.id, version.fields)
        elif change.table == "sessions":
            self._estimate_session(change.id, version.fields, change.totals)

    def _estimate_message(self, message_id: str, message: dict[str, Any]) -> None:
        session_id = message["session_id"]
        session = self.merging.held("sessions", session_id).version.fields
        said = _unstamped.message_estimate(message_id, message, session)
        if said is None:
            return
        if self.merging.held("usage", f"rpc:{message_id}").version.fields.get("estimated") == 0:
            return
        self._say("usage", f"rpc:{message_id}", said)
        self.merging.head.with_usage.add(session_id)
        # Never both: the messages know it better than their session.
        own = self.merging.held("usage", f"rpc:{session_id}")
        if own.version.is_alive:
            stamp = _unstamped.stamp_after(own.version, self.now, self.batch.device_id)
            gone = wire.merge("usage", own.version, Version(deleted_at=stamp))
            self._set("usage", f"rpc:{session_id}", own, gone)

    def _estimate_session(
        self, session_id: str, session: dict[str, Any], totals: dict[str, Any]
    ) -> None:
        own = self.merging.held("usage", f"rpc:{session_id}")
        said = _unstamped.session_estimate(session_id, session, totals, own.version.fields)
        if said is not None and session_id not in self.merging.head.with_usage:
            self._say("usage", f"rpc:{session_id}", said)

    def _say(self, table: str, record_id: str, fields: dict[str, Any]) -> None:
        """An estimate follows what was said last, as it does on a device; it is no reading."""
        held = self.merging.held(table, record_id)
        known = {name: value for name, value in fields.items() if value is not None}
        if held.version.is_alive and known == held.version.fields:
            return
        stamp = _unstamped.stamp_after(held.version, self.now, self.batch.device_id)
        old = held.version
        said = Version(known, stamp, deleted_at=old.deleted_at, purge=old.purge)
        self._set(table, record_id, held, said)

    def _reject(self, change: wire.Change, code: str, message: str) -> None:
        self.rejected.append(wire.Rejection(change.table, change.id, code, message))

    def _answer(self) -> dict[str, Any]:
        head = self.merging.head
        return {
            **{f"{table}_synced": count for table, count in self.stored.items()},
            "sync_timestamp": iso(self.now),
            "tenant": self.merging.tenant,
            "store": head.store,
            "mark": list(head.last_mark),
            "clock": self.clock,
            "server_time": self.now,
            "rejected": [
                {"table": one.table, "id": one.id, "code": one.code, "message": one.message}
                for one in self.rejected
            ],
        }


def _is_base(change: wire.Change, stored: Version) -> bool:
    return stored.is_alive and change.base == wire.record_hash(
        change.table, change.id, stored.fields
    )


def _missing(table: str, version: Version) -> str | None:
    """A field without which the record cannot be stored; "" counts where the tables take it."""
    for name in wire.REQUIRED[table]:
        if version.fields.get(name) is None:
            return name
    return None


def iso(at: int) -> str:
    """Epoch ms as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
