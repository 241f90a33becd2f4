"""Records that are new here, many at once: most of what a first pull brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers import wire
from clankers.store.capture import _received as received
from clankers.store.capture._layout import CHILDREN
from clankers.sync._hashing import hash_of

# Belong to no session, or need not.
_FREE = frozenset({"sessions"})
_LARGEST, _EXACT, _LONGEST_NAME = 2**63, 2**53, 128

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clankers.sync._local import Database

    Change = dict[str, Any]


def is_whole(change: Any, latest: int) -> bool:
    """Whether a change is what the protocol says, up to a time; what is not is left where it is.

    A server that is broken or lies must not keep what is good from being taken in.
    """
    match change:
        case {"table": str(table), "id": str(record_id), "fields": dict(fields), "at": dict(at)}:
            dead = change.get("deleted_at")
            return (
                table in wire.TABLES
                and 0 < len(record_id) <= wire.LONGEST_ID
                and (table in _FREE or not fields or bool(fields.get("session_id")))
                and all(_is_value(table, name, value) for name, value in fields.items())
                and all(_is_stamp(at.get(name), latest) for name in fields)
                and (dead is None or _is_stamp(dead, latest))
                and bool(fields or dead)
            )
    return False


def _is_value(table: str, name: str, value: Any) -> bool:
    field = wire.FIELDS[table].get(name)
    if field is None or value is None:
        return True  # Of a newer program, or nothing.
    if field.kind == "text":
        return type(value) is str
    return type(value) is int and abs(value) < _LARGEST


def _is_stamp(value: Any, latest: int) -> bool:
    match value:
        case (int(at), str(device), int(edition)):
            return 0 <= at <= latest and 0 <= edition < _EXACT and len(device) <= _LONGEST_NAME
    return False


def plain(
    database: Database, changes: Sequence[Change], pruned: dict[str, int]
) -> dict[str, list[Change]]:
    """By table, those of a page that meet nothing here: no row, no tombstone, no session that is away."""
    found: dict[str, list[Change]] = {}
    for table in wire.TABLES:
        new = [
            one
            for one in changes
            if one["table"] == table and one["fields"] and one.get("deleted_at") is None
        ]
        if not new:
            continue
        ids = [one["id"] for one in new]
        met = database.known(table, ids) | database.tombstones(table, ids).keys()
        new = [one for one in new if one["id"] not in met]
        if table in CHILDREN:
            owners = {str(one["fields"].get("session_id")) for one in new}
            away = database.tombstones("sessions", owners).keys() | database.archived_sessions(
                owners
            )
            away |= pruned.keys()
            new = [one for one in new if one["fields"].get("session_id") not in away]
        elif table == "sessions" and pruned:
            new = [one for one in new if one["id"] not in pruned]
        if new:
            found[table] = new
    return found


def add(database: Database, table: str, changes: Sequence[Change]) -> set[str]:
    """Writes records that are `plain`, with what is noted of them; the sessions they belong to."""
    connection = database.connection
    owners = _owners(table, changes)
    if table in CHILDREN:
        database.store.add_placeholders(sorted(owners))
    known = wire.FIELDS[table]
    n = received.next_number(connection, table)
    edition = database.edition
    rows, sides, own = [], [], []
    for number, one in enumerate(changes, n):
        fields = {name: value for name, value in one["fields"].items() if name in known}
        rows.append((number, one["id"], fields))
        base, others = _stamps(database, table, fields, one["at"])
        hashed = hash_of(table, one["id"], one["fields"])
        sides.append((number, base, hashed, edition))
        if others:
            own.append((number, base, others))
    received.add_rows(connection, table, rows)
    received.add_sides(connection, table, sides, own)
    return owners


def _owners(table: str, changes: Iterable[Change]) -> set[str]:
    if table == "sessions":
        return {one["id"] for one in changes}
    return {str(one["fields"]["session_id"]) for one in changes if one["fields"].get("session_id")}


def _stamps(
    database: Database, table: str, fields: dict[str, Any], at: dict[str, Any]
) -> tuple[int, dict[str, int]]:
    """The newest stamp, packed, and those of fields that have another or nobody would guess."""
    pack = database.authors.pack
    said = {name: tuple(at[name]) for name in fields}
    newest = max(said.values())
    base = pack(newest)
    own = {name: 0 for name in received.defaulted(table) if name not in fields}
    for name, stamp in said.items():
        if stamp != newest or fields[name] is None:
            own[name] = pack(stamp)
    return base, own
