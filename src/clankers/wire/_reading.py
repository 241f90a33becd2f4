"""What comes over the wire, checked record by record: a bad one says why, its neighbours pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from clankers.wire._fields import DERIVED, FIELDS, REQUIRED, TABLES, TIMES, Value
from clankers.wire._versions import ZERO, Stamp, Version

if TYPE_CHECKING:
    from collections.abc import Mapping

FARTHEST_AHEAD_MS = 24 * 3_600_000
LONGEST_ID = 1_024
_LONGEST_NAME = 128
_DEEPEST = 64
_LARGEST = 2**63 - 1
# Up to here every reader of JSON keeps a number exactly.
_EXACT = 2**53
# Smaller times are seconds, greater ones micro- or nanoseconds.
_FIRST_MS = 10**11
_LAST_MS = 253_402_300_799_999
# The members of a record that are no fields of it, and the columns that are never sent.
_ENVELOPE = frozenset({"id", "changed_at", "device_id", "edition", "at", "base", "changes"})
_LOCAL = frozenset({"n", "placeholder", "archived_at"})
_NEVER_NEGATIVE = frozenset({"web_searches", "output_bytes"})


@define
class Rejection:
    """One record or tombstone that cannot be stored, and why; `code` is for programs."""

    table: str
    id: str
    code: str
    message: str


@define
class Change:
    """One record of a batch.

    Attributes:
        version: what is said, with its stamps.
        base: of a delta, the hash of the record that it changes; None for a whole record.
        is_stamped: False for a record of a script, whose stamp the server makes.
        totals: what a script says of a session's or message's tokens and cost.
    """

    table: str
    id: str
    version: Version
    base: str | None = None
    is_stamped: bool = True
    totals: dict[str, Value] = field(factory=dict)


@define
class Delete:
    """One tombstone of a batch; `stamp` is None where a script left it to the server."""

    table: str
    id: str
    stamp: Stamp | None
    purge: bool


class _RefusedError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_change(table: str, payload: Any) -> Change | Rejection:
    """One member of a table's list.

    Its codes are ``invalid_record``, ``missing_field`` and ``invalid_field``.
    """
    if not isinstance(payload, dict):
        return Rejection(
            table, "", "invalid_record", f"a record is an object, not {_kind(payload)}"
        )
    try:
        record_id = _id(payload)
        return _change(table, record_id, payload)
    except _RefusedError as problem:
        return Rejection(table, _named(payload), problem.code, str(problem))


def read_delete(payload: Any) -> Delete | Rejection:
    """One member of ``deletes``; the codes are those of a record and ``unknown_table``."""
    if not isinstance(payload, dict):
        return Rejection("", "", "invalid_record", f"a delete is an object, not {_kind(payload)}")
    table = payload.get("table")
    named = table if isinstance(table, str) else ""
    if table not in TABLES:
        return Rejection(
            named,
            _named(payload),
            "unknown_table",
            f"there is no such table: {_kind(table)}",
        )
    try:
        record_id = _id(payload)
        stamp = _stamp(payload) if payload.get("changed_at") is not None else None
        return Delete(named, record_id, stamp, _purge(payload))
    except _RefusedError as problem:
        return Rejection(named, _named(payload), problem.code, str(problem))


def _named(payload: Mapping[str, Any]) -> str:
    """The id that a refused record has, as far as one may be long."""
    found = payload.get("id")
    return found[:LONGEST_ID] if isinstance(found, str) else ""


def read_mark(value: Any) -> tuple[int, str]:
    """A mark ``[revision, nonce]``; a ValueError says what it must be instead."""
    match value:
        case (int() | float() as revision, str(nonce)) if (
            not isinstance(revision, bool)
            and 0 <= revision < _EXACT
            and revision == int(revision)
            and len(nonce) <= _LONGEST_NAME
        ):
            return int(revision), nonce
    raise ValueError(f"a mark is [revision, text], not {_kind(value)}")


def _change(table: str, record_id: str, payload: Mapping[str, Any]) -> Change:
    is_stamped = payload.get("changed_at") is not None
    base = payload.get("base")
    if base is not None or "changes" in payload:
        said = _delta(payload, is_stamped=is_stamped)
    else:
        said = payload
    fields, totals = _fields(table, said)
    if not is_stamped:
        return Change(table, record_id, Version(fields), is_stamped=False, totals=totals)
    if base is None:
        for name in REQUIRED[table]:
            if fields.get(name) is None:
                raise _RefusedError("missing_field", f"{table} records need {name}")
        if not fields:
            # Some record that says nothing still is one.
            fields["created_at"] = None
    stamp, at = _stamp(payload), _at(payload, fields)
    return Change(table, record_id, Version(fields, stamp, at), base)


def _delta(payload: Mapping[str, Any], *, is_stamped: bool) -> Mapping[str, Any]:
    base, changes = payload.get("base"), payload.get("changes")
    if not isinstance(base, str):
        raise _RefusedError("invalid_field", f"base must be a hash, not {_kind(base)}")
    if not isinstance(changes, dict):
        raise _RefusedError("invalid_field", f"changes must be an object, not {_kind(changes)}")
    if not is_stamped:
        raise _RefusedError("missing_field", "a delta needs changed_at")
    return changes


def _purge(payload: Mapping[str, Any]) -> bool:
    value = payload.get("purge") or False
    if not isinstance(value, bool):
        raise _RefusedError("invalid_field", f"purge must be true or false, not {_kind(value)}")
    return value


def _id(payload: Mapping[str, Any]) -> str:
    value = payload.get("id")
    if value is None or value == "":
        raise _RefusedError("missing_field", "a record needs an id")
    if not isinstance(value, str) or len(value) > LONGEST_ID or "\0" in value:
        raise _RefusedError(
            "invalid_field",
            f"id must be a text of up to {LONGEST_ID} characters, not {_kind(value)}",
        )
    return value


def _fields(table: str, payload: Mapping[str, Any]) -> tuple[dict[str, Value], dict[str, Value]]:
    """The fields that are said, and those of them that are only totals."""
    known = FIELDS[table]
    derived = DERIVED.get(table, frozenset())
    fields: dict[str, Value] = {}
    totals: dict[str, Value] = {}
    for name, value in payload.items():
        wanted = known.get(name)
        if wanted is None:
            if name in derived:
                totals[name] = _total(name, value)
            elif name not in _ENVELOPE and name not in _LOCAL:
                fields[name] = _unknown(name, value)
        elif value is None:
            if not wanted.is_nullable:
                raise _RefusedError("invalid_field", f"{name} must not be null")
            fields[name] = None
        elif wanted.kind == "text":
            if type(value) is not str:
                raise _RefusedError("invalid_field", f"{name} must be a text, not {_kind(value)}")
            if name == "session_id":
                _refuse_odd_id(value)
            fields[name] = value
        else:
            fields[name] = _integer(name, value, is_flag=wanted.kind == "flag")
    return fields, totals


def _refuse_odd_id(session_id: str) -> None:
    if not session_id:
        raise _RefusedError("missing_field", "session_id must not be empty")
    if len(session_id) > LONGEST_ID or "\0" in session_id:
        raise _RefusedError("invalid_field", "session_id must be the id of a session")


def _integer(name: str, value: Any, *, is_flag: bool) -> int:
    if is_flag and value not in (0, 1):
        raise _RefusedError("invalid_field", f"{name} must be 0 or 1, not {_kind(value)}")
    if type(value) is not int:
        value = _whole(name, value, is_flag=is_flag)
    if name in TIMES:
        if value and not _FIRST_MS <= value <= _LAST_MS:
            raise _RefusedError("invalid_field", f"{name} must be epoch milliseconds")
    elif value < 0 and (name.endswith("_tokens") or name in _NEVER_NEGATIVE):
        raise _RefusedError("invalid_field", f"{name} must not be negative")
    elif abs(value) > _LARGEST:
        raise _RefusedError("invalid_field", f"{name} must fit 64 bits")
    if value > _LARGEST:
        raise _RefusedError("invalid_field", f"{name} must fit 64 bits")
    return int(value)


def _whole(name: str, value: Any, *, is_flag: bool) -> int:
    """12.0 is 12, as some languages write either; true is 1 where a flag is wanted."""
    if isinstance(value, bool) and is_flag:
        return int(value)
    if isinstance(value, float) and abs(value) <= 2**53 and value.is_integer():
        return int(value)
    raise _RefusedError("invalid_field", f"{name} must be an integer, not {_kind(value)}")


def _total(name: str, value: Any) -> Value:
    if value is None:
        return None
    if name != "cost":
        return _integer(name, value, is_flag=False)
    if type(value) not in (int, float) or not 0 <= value <= 10**9:
        raise _RefusedError("invalid_field", f"cost must be dollars, not {_kind(value)}")
    return float(value)


def _unknown(name: str, value: Any) -> Value:
    """A field of a newer program is kept as it is, within reason."""
    if not name or len(name) > _LONGEST_NAME:
        raise _RefusedError("invalid_field", f"a field cannot be called {_kind(name)}")
    if isinstance(value, dict | list):
        _refuse_deep(name, value)
    return value


def _refuse_deep(name: str, value: Any) -> None:
    layer = [value]
    # The body, its list and the record are three levels.
    for _depth in range(_DEEPEST - 3):
        layer = [
            inner
            for one in layer
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not layer:
            return
    raise _RefusedError("invalid_field", f"{name} is nested deeper than {_DEEPEST} levels")


def _stamp(payload: Mapping[str, Any]) -> Stamp:
    values = (payload["changed_at"], payload.get("device_id", ""), payload.get("edition", 0))
    if not _is_stamp(values):
        raise _RefusedError(
            "invalid_field",
            "changed_at must be epoch ms, device_id a text, edition a number, not " + _kind(values),
        )
    return Stamp(*values)


def _at(payload: Mapping[str, Any], fields: Mapping[str, Value]) -> dict[str, Stamp]:
    said = payload.get("at")
    if not said:
        return {}
    if not isinstance(said, dict):
        raise _RefusedError("invalid_field", f"at must be an object, not {_kind(said)}")
    found = {}
    for name, values in said.items():
        if not isinstance(values, list) or not _is_stamp(tuple(values)):
            raise _RefusedError("invalid_field", f"at.{name} is no stamp: {_kind(values)}")
        if name in fields:
            found[name] = Stamp(*values)
    return found


def _is_stamp(values: tuple[Any, ...]) -> bool:
    match values:
        case (int(at), str(device), int(edition)):
            return (
                type(at) is int
                and type(edition) is int
                and 0 <= at <= 2**53
                and 0 <= edition <= 2**53
                and len(device) <= _LONGEST_NAME
                and (at, device, edition) >= ZERO
            )
    return False


def _kind(value: Any) -> str:
    """What was sent, but not its value: that may be a secret, and answers end up in logs."""
    names = {
        type(None): "null",
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), type(value).__name__)
