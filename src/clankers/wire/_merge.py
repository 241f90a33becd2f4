"""How two versions of a record become one.

Fields merge singly: the greater stamp wins, whatever the order of arrival. A response's usage
is measured as a whole, so it merges as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers.wire._canonical import canonical
from clankers.wire._versions import ZERO, Stamp, Version, compact

if TYPE_CHECKING:
    from clankers.wire._fields import Value

_LAST_MOMENT = 2**63 - 1
# Where a response belongs is decided apart from what it measured: its earliest session has it.
_BELONGING = frozenset({"session_id", "session_at", "message_id"})


def merge(table: str, stored: Version, said: Version, *, trusts_said: bool = False) -> Version:
    """The version after `said` has met `stored`; neither is changed.

    A record lives when it was said later than it was deleted; what is then older than its
    tombstone counts as said with it. One that does not live has no fields.

    Args:
        table: one of `TABLES`.
        stored: what this side has.
        said: what the other side says, whole or in part.
        trusts_said: on equal stamps its value stands, as a server's does on a device. Else the
            greater value stands, by its canonical form.
    """
    deleted_at = max(stored.deleted_at, said.deleted_at)
    purge = any(one.purge for one in (stored, said) if one.deleted_at == deleted_at > ZERO)
    if not stored.fields and deleted_at == ZERO:
        return said
    if table == "usage":
        fields, stamps = _merged_usage(stored, said, trusts_said=trusts_said)
    else:
        fields, stamps = _merged_fields(stored, said, deleted_at, trusts_said=trusts_said)
    newest = max(stamps.values(), default=ZERO)
    if newest <= deleted_at:
        return Version(deleted_at=deleted_at, purge=purge)
    if deleted_at > ZERO:
        stamps = {name: max(stamp, deleted_at) for name, stamp in stamps.items()}
    stamp, at = compact(stamps)
    return Version(fields, stamp, at, deleted_at, purge)


_Merged = tuple[dict[str, "Value"], dict[str, Stamp]]


def _merged_fields(
    stored: Version, said: Version, deleted_at: Stamp, *, trusts_said: bool
) -> _Merged:
    fields = dict(stored.fields)
    stamps = stored.stamps()
    for name, value in said.fields.items():
        stamp, old = said.stamp_of(name), stamps.get(name)
        if name == "created_at" and old is not None:
            # To say that a beginning is unknown says nothing against who knows it.
            if fields[name] is None or _is_earlier(
                value, stamp, fields[name], old, deleted_at, trusts_said=trusts_said
            ):
                fields[name] = value
            stamps[name] = max(old, stamp)
        elif (
            old is None
            or stamp > old
            or (stamp == old and (trusts_said or canonical(value) > canonical(fields[name])))
        ):
            fields[name], stamps[name] = value, stamp
    return fields, stamps


def _is_earlier(
    value: Value,
    stamp: Stamp,
    old: Value,
    old_stamp: Stamp,
    deleted_at: Stamp,
    *,
    trusts_said: bool,
) -> bool:
    """Of the beginnings that were said after the tombstone the smallest stands."""
    if value is None:
        return False
    was_after, is_after = old_stamp > deleted_at, stamp > deleted_at
    if is_after != was_after:
        return is_after
    return bool(value < old) or (trusts_said and not was_after and deleted_at > ZERO)


def _merged_usage(stored: Version, said: Version, *, trusts_said: bool) -> _Merged:
    better, other = stored, said
    if not said.fields:
        better, other = stored, stored
    elif not stored.fields:
        better, other = said, said
    else:
        old, new = _measured(stored), _measured(said)
        if new > old or (new == old and trusts_said):
            better, other = said, stored
    fields = dict(better.fields)
    stamps = better.stamps()
    if _place(other) < _place(better):
        for name in _BELONGING:
            if name in other.fields:
                fields[name], stamps[name] = other.fields[name], other.stamp_of(name)
            else:
                fields.pop(name, None)
                stamps.pop(name, None)
    return fields, stamps


def _measured(version: Version) -> tuple[bool, int, Stamp]:
    """What is greater is the better reading."""
    fields = version.fields
    said = [name for name in fields if name not in _BELONGING]
    newest = version.newest_of(said)
    return not fields.get("estimated"), fields.get("output_tokens") or 0, newest


def _place(version: Version) -> tuple[int, str, bool, str]:
    """What orders the sessions that have a response; one whose beginning is unknown is last."""
    fields = version.fields
    at, message = fields.get("session_at"), fields.get("message_id")
    return (
        _LAST_MOMENT if at is None else at,
        fields.get("session_id") or "",
        message is None,
        message or "",
    )
