"""Records as a tenant's database has them, loaded so that a batch can meet them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
from attrs import define, field

from clankers import wire
from clankers.server._schema import STAMP_COLUMNS
from clankers.server.backends import Rows, Statement
from clankers.store.search._index import INDEXED, indexed_text
from clankers.wire import Stamp, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from clankers.server._batches import Batch

Key = tuple[str, str]
# Where the row of a record is; one that is nowhere is unknown or deleted.
SHOWN, COVERED, NOWHERE = "shown", "covered", ""
COLUMNS: Mapping[str, tuple[str, ...]] = {table: tuple(wire.FIELDS[table]) for table in wire.TABLES}


@define
class Held:
    """A record: as it is stored, and as it will be.

    Attributes:
        version: as it will be stored.
        revision: of its last change; 0 for a record that is new.
        n: of its row, where the search index has it.
        was: the version that is stored now, and `was_in` where its row is.
        has_row: of a session: there is a row for others to refer to, be it a placeholder.
    """

    version: Version = field(factory=Version)
    revision: int = 0
    n: int | None = None
    was: Version = field(factory=Version)
    was_in: str = NOWHERE
    has_row: bool = False
    is_changed: bool = False


@define
class Head:
    """What a tenant's database says of itself."""

    store: str
    revision: int
    has_index: bool
    # Rows of either index whose words are not collected yet, and all of them.
    uncollected: int = 0
    indexed: int = 0
    # The nonce of the last revision that has one, and of those that were asked for.
    marks: dict[int, str] = field(factory=dict)
    last_mark: tuple[int, str] = (0, "")
    answers: dict[str, tuple[str, str]] = field(factory=dict)
    # Sessions that have usage besides the estimate of their own totals.
    with_usage: set[str] = field(factory=set)

    def knows(self, mark: tuple[int, str]) -> bool:
        revision, nonce = mark
        return revision == 0 or self.marks.get(revision) == nonce


@define
class Wanted:
    """The ids that batches speak of, by table; for sessions also those that rows refer to."""

    ids: dict[str, set[str]]
    # Rows whose session the batch does not name.
    deltas: dict[str, set[str]]
    marks: set[int]
    batch_ids: set[str]
    estimated: set[str]


def wanted_by(batches: Iterable[Batch]) -> Wanted:
    wanted = Wanted(
        {table: set() for table in wire.TABLES},
        {table: set() for table in wire.CHILDREN},
        set(),
        set(),
        set(),
    )
    for batch in batches:
        wanted.marks.update(revision for revision, _nonce in batch.marks)
        if batch.batch_id is not None:
            wanted.batch_ids.add(batch.batch_id)
        for change in batch.changes:
            _want(wanted, change)
        for delete in batch.deletes:
            wanted.ids[delete.table].add(delete.id)
    return wanted


def _want(wanted: Wanted, change: wire.Change) -> None:
    wanted.ids[change.table].add(change.id)
    session_id = change.version.fields.get("session_id")
    if change.table != "sessions" and session_id:
        wanted.ids["sessions"].add(session_id)
    if change.base is not None and change.table in wanted.deltas:
        wanted.deltas[change.table].add(change.id)
    if not change.is_stamped and change.table in ("sessions", "messages"):
        session_id = session_id if change.table == "messages" else change.id
        wanted.ids["usage"].add(f"rpc:{change.id}")
        if session_id:
            wanted.ids["usage"].add(f"rpc:{session_id}")
            wanted.estimated.add(session_id)


Reader = tuple[Statement, "Callable[[Rows], None]"]


class Loaded:
    """What was read for some batches, and what more must be read."""

    def __init__(self) -> None:
        self.head = Head("", 0, has_index=False)
        self.records: dict[Key, Held] = {}

    def first(self, wanted: Wanted) -> list[Reader]:
        """The statements of the first read, each with what takes its rows."""
        readers: list[Reader] = [(Statement(_HEAD), self._take_head)]
        if wanted.marks:
            readers.append((Statement(_MARKS, (_json(wanted.marks),)), self._take_marks))
        if wanted.batch_ids:
            readers.append((Statement(_ANSWERS, (_json(wanted.batch_ids),)), self._take_answers))
        for table in wire.TABLES:
            readers += self.of_ids(table, wanted.ids[table])
        for table, ids in wanted.deltas.items():
            if ids:
                readers += self._of_owners(table, ids)
        if wanted.estimated:
            readers.append((Statement(_WITH_USAGE, (_json(wanted.estimated),)), self._take_usage))
        return readers

    def children_of(self, session_ids: Iterable[str]) -> list[Reader]:
        """All that belongs to sessions whose tombstone comes or goes."""
        ids = (_json(session_ids),)
        readers: list[Reader] = []
        for table in wire.CHILDREN:
            among = "t.session_id IN (SELECT value FROM json_each(?))"
            readers.append((Statement(_rows_sql(table, among), ids), self._take_rows(table)))
            for place in (f"{table} WHERE", f"covered WHERE tbl = '{table}' AND"):
                ours = f"{place} session_id IN (SELECT value FROM json_each(?))"
                dead = _tombstones_sql(table, f"IN (SELECT id FROM {ours})")
                readers.append((Statement(dead, ids), self._take_tombstones))
        covered = f"{_COVERED} WHERE session_id IN (SELECT value FROM json_each(?))"
        readers.append((Statement(covered, ids), self._take_covered))
        return readers

    def estimates(self, batches: Iterable[Batch]) -> list[Reader]:
        """The estimates of sessions whose messages a script changes without naming them."""
        sessions = {
            str(held.version.fields["session_id"])
            for batch in batches
            for change in batch.changes
            if change.table == "messages" and not change.is_stamped
            if (held := self.records.get(("messages", change.id))) and held.version.is_alive
        }
        if not sessions:
            return []
        own = {f"rpc:{one}" for one in sessions} - {
            record_id for table, record_id in self.records if table == "usage"
        }
        with_usage = Statement(_WITH_USAGE, (_json(sessions),))
        return [*self.of_ids("usage", own), (with_usage, self._take_usage)]

    def sessions_named(self) -> list[Reader]:
        """The sessions that stored rows belong to, where they are not known yet."""
        named = {
            str(held.version.fields["session_id"])
            for (table, _id), held in self.records.items()
            if table in wire.CHILDREN and held.version.fields.get("session_id")
        }
        missing = {one for one in named if ("sessions", one) not in self.records}
        return self.of_ids("sessions", missing)

    def of_ids(self, table: str, ids: Iterable[str]) -> list[Reader]:
        """The records with these ids, wherever they are."""
        values = (_json(ids),)
        if values == ("[]",):
            return []
        among = "t.id IN (SELECT value FROM json_each(?))"
        readers: list[Reader] = [
            (Statement(_rows_sql(table, among), values), self._take_rows(table)),
            (
                Statement(_tombstones_sql(table, "IN (SELECT value FROM json_each(?))"), values),
                self._take_tombstones,
            ),
        ]
        if table in wire.CHILDREN:
            covered = f"{_COVERED} WHERE tbl = ? AND id IN (SELECT value FROM json_each(?))"
            readers.append((Statement(covered, (table, *values)), self._take_covered))
        return readers

    def _of_owners(self, table: str, ids: Iterable[str]) -> list[Reader]:
        owners = f"IN (SELECT session_id FROM {table} WHERE id IN (SELECT value FROM json_each(?)))"
        values = (_json(ids),)
        return [
            (
                Statement(_rows_sql("sessions", f"t.id {owners}"), values),
                self._take_rows("sessions"),
            ),
            (Statement(_tombstones_sql("sessions", owners), values), self._take_tombstones),
        ]

    # What takes the rows

    def _take_head(self, rows: Rows) -> None:
        ((store, revision, has_index, uncollected, indexed, mark, nonce),) = rows
        head = self.head
        head.store, head.revision = str(store), _int(revision)
        head.has_index = bool(has_index)
        head.uncollected, head.indexed = _int(uncollected), _int(indexed)
        if mark:
            head.last_mark = _int(mark), str(nonce)
            head.marks[_int(mark)] = str(nonce)

    def _take_marks(self, rows: Rows) -> None:
        self.head.marks.update((_int(revision), str(nonce)) for revision, nonce in rows)

    def _take_answers(self, rows: Rows) -> None:
        for batch_id, body_hash, answer in rows:
            self.head.answers[str(batch_id)] = str(body_hash), str(answer)

    def _take_usage(self, rows: Rows) -> None:
        self.head.with_usage.update(str(session_id) for (session_id,) in rows)

    def _take_rows(self, table: str) -> Callable[[Rows], None]:
        columns = COLUMNS[table]

        def take(rows: Rows) -> None:
            for n, record_id, is_placeholder, *values in rows:
                held = self._held(table, str(record_id))
                if held.was_in or held.has_row:
                    continue
                held.n, held.has_row = _int(n), True
                if is_placeholder:
                    continue
                revision, changed_at, device_id, edition, at, extra, *fields = values
                stamp = Stamp(_int(changed_at), str(device_id), _int(edition))
                held.revision = _int(revision)
                held.was_in = SHOWN
                self._set(held, *version_of(columns, fields, stamp, at, extra))

        return take

    def _take_covered(self, rows: Rows) -> None:
        for table, record_id, revision, changed_at, device_id, edition, at, fields in rows:
            held = self._held(str(table), str(record_id))
            held.revision, held.was_in = _int(revision), COVERED
            stamp = Stamp(_int(changed_at), str(device_id), _int(edition))
            self._set(held, msgspec.json.decode(str(fields)), stamp, stamps_from(at))

    def _take_tombstones(self, rows: Rows) -> None:
        for table, record_id, revision, changed_at, device_id, edition, purge in rows:
            held = self._held(str(table), str(record_id))
            held.revision = max(held.revision, _int(revision))
            stamp = Stamp(_int(changed_at), str(device_id), _int(edition))
            held.version.deleted_at, held.version.purge = stamp, bool(purge)
            held.was.deleted_at, held.was.purge = stamp, bool(purge)

    def _held(self, table: str, record_id: str) -> Held:
        held = self.records.get((table, record_id))
        if held is None:
            held = self.records[table, record_id] = Held()
        return held

    def _set(self, held: Held, fields: dict[str, Any], stamp: Stamp, at: dict[str, Stamp]) -> None:
        """A version is never changed in place, so that both may be the same one."""
        old = held.version
        held.version = held.was = Version(fields, stamp, at, old.deleted_at, old.purge)


def version_of(
    columns: Sequence[str], values: Sequence[Any], stamp: Stamp, at: Any, extra: Any
) -> tuple[dict[str, Any], Stamp, dict[str, Stamp]]:
    """Fields and stamps of a stored row; an empty column was never said unless `at` has it."""
    stamps = stamps_from(at)
    fields = {
        name: value
        for name, value in zip(columns, values, strict=True)
        if value is not None or name in stamps
    }
    if extra is not None:
        fields.update(msgspec.json.decode(extra))
    return fields, stamp, stamps


def stamps_from(at: Any) -> dict[str, Stamp]:
    return (
        {} if at is None else {name: Stamp(*one) for name, one in msgspec.json.decode(at).items()}
    )


def row_of(table: str, record_id: str, held: Held) -> list[Any]:
    """A record as its row: id, stamp, and the columns of its fields."""
    version, columns = held.version, COLUMNS[table]
    fields = version.fields
    newest = version.newest
    at = (
        {
            name: stamp
            for name in fields
            if (stamp := version.at.get(name, version.stamp)) != newest or fields[name] is None
        }
        if version.at or None in fields.values()
        else None
    )
    extra = None
    if not fields.keys() <= wire.FIELDS[table].keys():
        extra = {name: value for name, value in fields.items() if name not in wire.FIELDS[table]}
    return [
        record_id,
        held.revision,
        *newest,
        _text_or_none(at),
        _text_or_none(extra),
        *map(fields.get, columns),
    ]


def stored_size(table: str, version: wire.Version) -> int:
    """About how many bytes the largest parameter for a record has, when it goes alone."""
    texts = [value for value in version.fields.values() if isinstance(value, str)]
    size = len(msgspec.json.encode(version.fields)) + 1_000
    for indexed in INDEXED:
        if indexed.table == table and not all(text.isascii() for text in texts):
            prepared = [
                indexed_text(indexed, text)
                for text in (version.fields.get(name) for name in indexed.columns)
            ]
            size = max(size, len(msgspec.json.encode(prepared)) + 100)
    return size


def _text_or_none(value: Any) -> str | None:
    return msgspec.json.encode(value).decode() if value else None


def _rows_sql(table: str, condition: str) -> str:
    is_placeholder = "t.placeholder" if table == "sessions" else "0"
    columns = ", ".join(f"t.{name}" for name in (*STAMP_COLUMNS, *COLUMNS[table]))
    return f"SELECT t.n, t.id, {is_placeholder}, {columns} FROM {table} t WHERE {condition}"


def _tombstones_sql(table: str, condition: str) -> str:
    return (
        "SELECT tbl, id, revision, changed_at, device_id, edition, purge FROM tombstones"
        f" WHERE tbl = '{table}' AND id {condition}"
    )


_HEAD = """
SELECT s.store, s.revision, s.has_index,
  (SELECT sum(n - terms_n) FROM search_mark), (SELECT sum(n) FROM search_mark), m.revision, m.nonce
FROM service s LEFT JOIN marks m ON m.revision = (SELECT max(revision) FROM marks)
"""
_MARKS = "SELECT revision, nonce FROM marks WHERE revision IN (SELECT value FROM json_each(?))"
_ANSWERS = (
    "SELECT batch_id, hash, answer FROM batches WHERE batch_id IN (SELECT value FROM json_each(?))"
)
_COVERED = "SELECT tbl, id, revision, changed_at, device_id, edition, at, fields FROM covered"
_WITH_USAGE = """
SELECT DISTINCT session_id FROM usage
WHERE session_id IN (SELECT value FROM json_each(?)) AND id <> 'rpc:' || session_id
"""


def _json(values: Iterable[Any]) -> str:
    return json.dumps(sorted(values))


def _int(value: Any) -> int:
    return int(value or 0)
