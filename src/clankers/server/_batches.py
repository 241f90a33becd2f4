"""The body of a POST to /sync/batch, read so that a bad record never spoils its neighbours."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import msgspec
from attrs import define, field

from clankers import wire
from clankers.server._problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_RECORDS = 5_000
LARGEST_RECORD = 16 * 1024 * 1024
_LONGEST_BATCH_ID = 128
_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_ANY = msgspec.json.Decoder()


@define
class Batch:
    """What one request wants to have stored.

    Attributes:
        batch_id: names the batch, so that its repetition is known; None from a script.
        body_hash: of everything but the marks.
        store: the store that the sender knows, with `marks`; None when it knows none.
        changes: in the order in which they are stored, sessions first.
        rejections: what could not even be read.
        received: records and tombstones, the unreadable ones included.
        size: of the body in bytes.
    """

    batch_id: str | None
    body_hash: str
    device_id: str
    store: str | None
    marks: list[tuple[int, str]]
    changes: list[wire.Change] = field(factory=list)
    deletes: list[wire.Delete] = field(factory=list)
    rejections: list[wire.Rejection] = field(factory=list)
    received: int = 0
    size: int = 0

    @property
    def newest(self) -> int:
        """The greatest time of any stamp."""
        return max(
            max((one.version.newest.changed_at for one in self.changes), default=0),
            max((one.stamp.changed_at for one in self.deletes if one.stamp), default=0),
        )


def read_batch(body: bytes) -> Batch:
    """The batch that a body holds.

    Raises:
        Problem: it is no JSON object, a member of it is of the wrong type, or there are too
            many records.
    """
    members = _members(body)
    batch = Batch(
        batch_id=_text(members, "batch_id", longest=_LONGEST_BATCH_ID),
        body_hash=_hash(members),
        device_id=_text(members, "device_id", longest=_LONGEST_BATCH_ID) or "",
        store=_text(members, "store", longest=_LONGEST_BATCH_ID),
        marks=_marks(members),
        size=len(body),
    )
    lists = {name: _list(members, name) for name in (*wire.TABLES, "deletes")}
    batch.received = sum(map(len, lists.values()))
    if batch.received > MOST_RECORDS:
        raise Problem.too_large(
            f"a batch has at most {MOST_RECORDS:,} records, not {batch.received:,}"
        )
    for table in wire.TABLES:
        for payload in lists[table]:
            _add_change(batch, table, payload)
    for payload in lists["deletes"]:
        _add_delete(batch, payload)
    return batch


def _add_change(batch: Batch, table: str, payload: Any) -> None:
    if isinstance(payload, wire.Rejection):
        batch.rejections.append(payload)
        return
    found = wire.read_change(table, payload)
    if isinstance(found, wire.Rejection):
        batch.rejections.append(found)
    else:
        batch.changes.append(found)


def _add_delete(batch: Batch, payload: Any) -> None:
    if isinstance(payload, wire.Rejection):
        batch.rejections.append(payload)
        return
    found = wire.read_delete(payload)
    if isinstance(found, wire.Rejection):
        batch.rejections.append(found)
    else:
        batch.deletes.append(found)


# Whatever is wrong with JSON: its form, its depth, its encoding.
_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def _members(body: bytes) -> Mapping[str, bytes]:
    """The members of the body, each still JSON."""
    try:
        return {name: bytes(raw) for name, raw in _DECODER.decode(body).items()}
    except _UNREADABLE:
        pass
    return {name: json.dumps(value).encode() for name, value in _repaired(body).items()}


def _repaired(body: bytes) -> dict[str, Any]:
    """JSON may escape half of a UTF-16 pair, which is no text: U+FFFD stands for it."""
    try:
        found = json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise Problem.invalid("the body is nested too deeply") from None
    except ValueError as problem:
        raise Problem.invalid(f"the body is no JSON: {problem}") from None
    if not isinstance(found, dict):
        raise Problem.invalid("the body must be a JSON object")
    whole: dict[str, Any] = _without_halves(found)
    return whole


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_halves(name): _without_halves(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_halves(one) for one in value]
    return value


def _hash(members: Mapping[str, bytes]) -> str:
    """The marks are left out: they say what the sender has learnt since."""
    digest = hashlib.sha256()
    for name in sorted(members):
        if name != "marks":
            digest.update(json.dumps(name).encode() + b":" + members[name] + b"\n")
    return digest.hexdigest()


def _decoded(members: Mapping[str, bytes], name: str) -> Any:
    raw = members.get(name)
    if raw is None:
        return None
    try:
        return _ANY.decode(raw)
    except _UNREADABLE as problem:
        raise Problem.invalid(f"{name} cannot be read: {problem}") from None


def _text(members: Mapping[str, bytes], name: str, *, longest: int) -> str | None:
    value = _decoded(members, name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise Problem.invalid(f"{name} must be a text of 1 to {longest} characters")
    return value


def _marks(members: Mapping[str, bytes]) -> list[tuple[int, str]]:
    value = _decoded(members, "marks")
    if value is None:
        return []
    if not isinstance(value, list):
        raise Problem.invalid("marks must be a list")
    try:
        return [wire.read_mark(one) for one in value]
    except ValueError as problem:
        raise Problem.invalid(f"marks: {problem}") from None


def _list(members: Mapping[str, bytes], name: str) -> Sequence[Any]:
    """The members of a list; of one that cannot be read as a whole, each by itself."""
    raw = members.get(name)
    if raw is None:
        return []
    try:
        value = _ANY.decode(raw) if len(raw) <= LARGEST_RECORD else _singly(name, raw)
    except _UNREADABLE:
        value = _singly(name, raw)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Problem.invalid(f"{name} must be a list")
    return value


def _singly(name: str, raw: bytes) -> list[Any]:
    """A list in which one that is too large, or no JSON, becomes its own rejection."""
    try:
        parts = [bytes(one) for one in _LIST.decode(raw)]
    except _UNREADABLE:
        raise Problem.invalid(f"{name} must be a list of records") from None
    return [_read_alone(name, one) for one in parts]


def _read_alone(table: str, raw: bytes) -> Any:
    try:
        found = _ANY.decode(raw)
    except _UNREADABLE as problem:
        table = "" if table == "deletes" else table
        return wire.Rejection(table, "", "invalid_record", f"it cannot be read: {problem}")
    if len(raw) <= LARGEST_RECORD:
        return found
    named = found.get("id") if isinstance(found, dict) else None
    return wire.Rejection(
        table,
        named if isinstance(named, str) else "",
        "too_large",
        f"a record has at most {LARGEST_RECORD:,} bytes",
    )
