"""Batches: what waits, in the form in which it is sent."""

from __future__ import annotations

import math
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from attrs import define

from clankers.store.capture import _queue as queue
from clankers.store.capture._layout import NUMBER, SYNCED, TABLES
from clankers.store.capture._rows import UNTITLED
from clankers.sync._hashing import hash_of
from clankers.sync._policy import cleaned_fields
from clankers.sync._projects import Projects
from clankers.sync._titles import clean_ends

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clankers.store.capture._queue import Waiting
    from clankers.store.capture._rows import Local
    from clankers.store.capture._state import Mark
    from clankers.sync._local import Database
    from clankers.sync._policy import Policy

MOST_ROWS = 1_000
MOST_BYTES = 1_000_000
_ENVELOPE_BYTES = 200
_PLAIN = msgspec.json.Encoder()


class Sent(NamedTuple):
    """One row of a batch; of a tombstone `hash` is None, of a delta only what changed was sent."""

    waiting: Waiting
    table: str
    id: str
    seq: int | None
    hash: bytes | None = None
    acked: int = 0
    edition: int = 0
    is_delta: bool = False


@define
class Batch:
    """What goes in one request.

    Attributes:
        body: the JSON, not packed.
        sent: its rows, and its tombstones.
        marks: the marks it carries.
        looked_at: how many of the rows that wait it was chosen from.
    """

    body: bytes
    sent: list[Sent]
    marks: list[Mark]
    looked_at: int = 0


class Record:
    """A row on its way out.

    Attributes:
        fields: what is sent of it, clean; all of it, also where only a part will go.
        own: the stamps of fields that have another than `base`; most rows have none.
        newest: the greatest stamp of what is sent.
    """

    __slots__ = ("base", "changes", "fields", "hash", "local", "newest", "own", "waiting")

    def __init__(self, local: Local, waiting: Waiting, fields: dict[str, Any]) -> None:
        self.local = local
        self.waiting = waiting
        self.fields = fields
        self.base = self.newest = local.base
        self.own: dict[str, int] = {}
        self.hash = b""
        self.changes: dict[str, Any] | None = None

    def stamp_of(self, name: str) -> int:
        return self.own.get(name, self.base)


class Outgoing:
    """Makes batches of what waits in a database, under the rules of a policy."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy
        self._projects = Projects(database)
        self._edition = database.edition
        # By table: rows that must not leave, and rows that are nowhere.
        self._held: dict[str, list[int]] = {}
        self._lost: dict[str, set[int]] = {}
        # What no record can be made of: table, number, and the number of its change.
        self._unfit: list[tuple[str, int, int | None]] = []

    def batch(
        self,
        busy: Sequence[Waiting],
        *,
        most: int = MOST_ROWS,
        is_alone: bool = False,
    ) -> Batch | None:
        """The next batch; None when nothing is ready that is not `busy`.

        Rows that need not be sent, or must not, are found on the way: the first go from the
        queue, the others are held.
        """
        self._edition = self._database.edition
        while True:
            self._held, self._lost, self._unfit = {}, {}, []
            self._projects.forget()
            with self._database.store.at_one_moment():
                picked = queue.pick(self._database.connection, most, busy)
                records = self._read(picked, busy, is_alone=is_alone)
                self._finish(records)
                fresh = [one for one in records if not self._is_known(one)]
                deletes = [one for one in picked if one.is_delete]
                batch = self._packed(fresh, deletes) if fresh or deletes else None
            self._sort_out(records)
            if batch is not None:
                batch.looked_at = len(picked)
            if batch is not None or not picked:
                return batch

    def preview(self, most: int) -> list[tuple[str, dict[str, Any]]]:
        """Table and record of what would leave next, exactly as it would."""
        with self._database.store.at_one_moment():
            picked = queue.pick(self._database.connection, most, ())
            records = self._read(picked, (), is_alone=False)
        self._finish(records)
        shown = [
            (one.local.table, self._written(one)) for one in records if not self._is_known(one)
        ]
        return shown + [
            ("deletes", one) for one in self._tombstones([p for p in picked if p.is_delete])[0]
        ]

    def hold_back(self) -> None:
        """Holds all that waits and must not leave; a batch does that only when its turn comes."""
        if not self._policy.exclude:
            return
        connection = self._database.connection
        for table in TABLES:
            after = 0
            while ns := queue.ready_after(connection, table, after, MOST_ROWS):
                after = ns[-1]
                held = [one.n for one in self._readable(table, ns) if self._is_held(one)]
                with self._database.store.atomic():
                    queue.hold(connection, table, held)

    def changed(self, table: str, n: int) -> list[Local]:
        """The row, where it would now be sent in another form than the server has."""
        found = []
        for local in self._readable(table, [n]):
            record = self._record(local, _nobody(local))
            if is_fit(local) and not local.is_placeholder:
                self._finish([record])
                if record.hash != local.hash:
                    found.append(local)
        return found

    # Reading

    def _read(
        self,
        picked: Sequence[Waiting],
        busy: Sequence[Waiting],
        *,
        is_alone: bool,
    ) -> list[Record]:
        """The rows that were picked, as far as they fit a batch, sessions first."""
        by_table: dict[str, list[Waiting]] = {}
        for one in picked:
            if not one.is_delete:
                by_table.setdefault(TABLES[one.table], []).append(one)
        if not is_alone:
            self._add_sessions(by_table, busy)
        records: list[Record] = []
        room = MOST_BYTES
        for table in sorted(by_table, key=NUMBER.__getitem__):
            found, room = self._read_table(table, by_table[table], room, is_first=not records)
            records += found
        return records

    def _add_sessions(self, by_table: dict[str, list[Waiting]], busy: Sequence[Waiting]) -> None:
        """A row does not go before its session, as long as that waits itself."""
        sessions = by_table.get("sessions", [])
        there = {one.key for one in sessions}
        there.update(one.key for one in busy if one.table == NUMBER["sessions"])
        for table, waiting in list(by_table.items()):
            if table != "sessions":
                ns = [int(one.key) for one in waiting]
                for one in queue.pending_sessions(self._database.connection, table, ns):
                    if one.key not in there:
                        there.add(one.key)
                        sessions.append(one)
        if sessions:
            by_table["sessions"] = sessions

    def _read_table(
        self,
        table: str,
        waiting: Sequence[Waiting],
        room: int,
        *,
        is_first: bool,
    ) -> tuple[list[Record], int]:
        by_n = {int(one.key): one for one in waiting}
        records: list[Record] = []
        held: list[int] = []
        lost = set(by_n)
        for local in self._readable(table, list(by_n)):
            lost.discard(local.n)
            if not is_fit(local):
                self._unfit.append((table, local.n, local.seq))
                continue
            if self._is_held(local):
                held.append(local.n)
                continue
            size = _ENVELOPE_BYTES + sum([len(x) for x in local.values if type(x) is str])
            if size > room and not (is_first and not records):
                lost.clear()
                break
            room -= size
            records.append(self._record(local, by_n[local.n]))
        self._held[table], self._lost[table] = held, lost
        return records, room

    def _readable(self, table: str, ns: list[int]) -> Iterator[Local]:
        """Rows by number, but for those with bytes that are no text: they are told apart one by one."""
        told = 0
        try:
            for local in self._database.numbered(table, ns):
                yield local
                told = ns.index(local.n, told) + 1
        except UnicodeDecodeError:
            for n in ns[told:]:
                yield from self._readable_alone(table, n)

    def _readable_alone(self, table: str, n: int) -> list[Local]:
        try:
            return list(self._database.numbered(table, [n]))
        except UnicodeDecodeError:
            seq = queue.sequence_of(self._database.connection, table, n)
            self._unfit.append((table, n, seq))
            return []

    def _is_held(self, local: Local) -> bool:
        return bool(self._policy.exclude) and self._projects.are_kept_back(local, self._policy)

    def _record(self, local: Local, waiting: Waiting) -> Record:
        allowed = self._policy.allows(local.table)
        if not local.own:
            names = SYNCED[local.table]
            fields = {
                name: value
                for name, value in zip(names, local.values, strict=True)
                if value is not None and name in allowed
            }
            if fields.get("title") == UNTITLED:
                del fields["title"]
            return Record(local, waiting, fields if local.base else {})
        stamps = {name: one for name, one in local.stamps().items() if name in allowed}
        values = local.fields()
        record = Record(local, waiting, {name: values[name] for name in stamps})
        record.own = {name: one for name, one in stamps.items() if one != record.base}
        record.newest = max(
            set(stamps.values()), key=self._database.authors.unpack, default=record.base
        )
        return record

    def _finish(self, records: Sequence[Record]) -> None:
        """Takes secrets out of all records at once, and hashes what is left."""
        places: list[tuple[dict[str, Any], str]] = []
        texts: list[str] = []
        for one in records:
            fields = one.fields
            for name in cleaned_fields(one.local.table) & fields.keys():
                if type(text := fields[name]) is str:
                    places.append((fields, name))
                    texts.append(text)
        for (fields, name), text, clean in zip(
            places, texts, self._policy.clean(texts), strict=True
        ):
            if clean is not text:
                fields[name] = clean
        if self._policy.redaction:
            clean_ends(self._database, records, self._policy.clean)
        for one in records:
            one.hash = hash_of(one.local.table, one.local.id, one.fields)
            one.changes = self._changes(one)

    # What is sent of a record

    def _is_known(self, record: Record) -> bool:
        """Whether the server has all of it, in the same words and with the same stamps."""
        local = record.local
        return (
            not record.fields
            or (
                local.hash == record.hash
                and local.edition == self._edition
                and record.newest == local.acked
            )
            or local.is_placeholder
        )

    def _changes(self, record: Record) -> dict[str, Any] | None:
        """The fields that changed since the server acknowledged the record; None for all of it."""
        local = record.local
        if (
            local.hash is None
            or local.acked is None
            or local.edition != self._edition
            or local.table == "usage"
        ):
            return None
        unpack = self._database.authors.unpack
        acked = unpack(local.acked)
        return {
            name: value
            for name, value in record.fields.items()
            if name == "created_at" or unpack(record.stamp_of(name)) > acked
        }

    def _written(self, record: Record) -> dict[str, Any]:
        """The record as the wire has it."""
        said = record.fields if record.changes is None else record.changes
        unpack = self._database.authors.unpack
        newest = record.newest
        other: dict[str, Any] = {}
        if record.own:
            stamps = {name: record.stamp_of(name) for name in said}
            newest = max(set(stamps.values()), key=unpack, default=newest)
            other = {name: unpack(one) for name, one in stamps.items() if one != newest}
        at, device, edition = unpack(newest)
        written: dict[str, Any] = {"id": record.local.id}
        if record.changes is None:
            written.update(said)
        else:
            written.update(base=(record.local.hash or b"").hex(), changes=said)
        written.update(changed_at=at, device_id=device, edition=edition)
        if other:
            written["at"] = other
        return written

    # Packing

    def _packed(self, records: Sequence[Record], deletes: Sequence[Waiting]) -> Batch:
        state = self._database.state
        marks = [one for one in [state.mark, *state.unproved] if one is not None]
        body: dict[str, Any] = {
            "batch_id": uuid.uuid4().hex,
            "device_id": self._database.store.device_id,
            "store": state.store,
            "marks": marks,
        }
        sent = []
        for one in records:
            local = one.local
            body.setdefault(local.table, []).append(self._written(one))
            sent.append(
                Sent(
                    one.waiting,
                    local.table,
                    local.id,
                    local.seq,
                    one.hash,
                    one.newest,
                    self._edition,
                    one.changes is not None,
                )
            )
        tombstones, dead = self._tombstones(deletes)
        if tombstones:
            body["deletes"] = tombstones
        return Batch(_PLAIN.encode(body), sent + dead, marks)

    def _tombstones(self, deletes: Sequence[Waiting]) -> tuple[list[dict[str, Any]], list[Sent]]:
        written, sent = [], []
        for one in deletes:
            table, record_id = TABLES[-1 - one.table], str(one.key)
            found = self._database.tombstones(table, [record_id]).get(record_id)
            if found is None:
                continue
            at, device, edition = self._database.authors.unpack(found.at)
            written.append(
                {
                    "table": table,
                    "id": record_id,
                    "changed_at": at,
                    "device_id": device,
                    "edition": edition,
                    "purge": found.purge,
                }
            )
            sent.append(Sent(one, table, record_id, found.seq))
        return written, sent

    def _sort_out(self, records: Sequence[Record]) -> None:
        """Takes from the queue what need not be sent, and what must not.

        What was changed since it was read goes on waiting.
        """
        known = [one.local for one in records if self._is_known(one)]
        sessions = [one.local.id for one in records if one.local.table == "sessions"]
        looks = bool(sessions) and bool(self._policy.exclude)
        if not (
            known or looks or self._unfit or any(self._held.values()) or any(self._lost.values())
        ):
            return
        connection = self._database.connection
        with self._database.store.atomic():
            for one in known:
                queue.drop(connection, one.table, one.n, one.seq)
            for table, lost in self._lost.items():
                if self._database.has_archive:
                    queue.drop_lost(connection, table, lost)
                else:
                    # Archived, perhaps, in a file that is away for now.
                    queue.hold(connection, table, lost)
            for table, ns in self._held.items():
                queue.hold(connection, table, ns)
            for table, n, seq in self._unfit:
                queue.set_unfit_aside(connection, table, n, seq)
            if looks:
                # Of a session that changed, more may be known than before.
                self._database.release_held_of(sessions)


def is_fit(local: Local) -> bool:
    """Whether JSON can say the row: another program may have put bytes or infinity into it."""
    return _SAYABLE.issuperset(map(type, local.values)) and not any(
        type(value) is float and not math.isfinite(value) for value in local.values
    )


_SAYABLE = frozenset({str, int, float, type(None)})


def _nobody(local: Local) -> Waiting:
    return queue.Waiting(local.first or 0, NUMBER[local.table], local.n)
