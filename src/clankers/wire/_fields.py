"""The tables that sync and the fields of their records, taken from the records themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from clankers import models

if TYPE_CHECKING:
    from collections.abc import Mapping

# What JSON can hold; known fields are texts, numbers or null.
Value = Any


class Field(NamedTuple):
    """What a field may hold: `text`, `integer`, `number` or `flag` (0 or 1 on the wire)."""

    kind: str
    is_nullable: bool


_RECORDS: dict[str, type[attrs.AttrsInstance]] = {
    "sessions": models.Session,
    "messages": models.Message,
    "tools": models.ToolCall,
    "session_errors": models.SessionError,
    "compaction_events": models.Compaction,
    "usage": models.Usage,
}
# In the order in which a batch is stored: sessions before what belongs to them.
TABLES = tuple(_RECORDS)
# What a session's tombstone covers; usage stays, whatever becomes of its session.
CHILDREN = ("messages", "tools", "session_errors", "compaction_events")
# Computed where they are shown, from usage and from the rows; never sent between devices.
DERIVED: Mapping[str, frozenset[str]] = {
    "sessions": frozenset(
        {"prompt_tokens", "completion_tokens", "cost", "message_count", "tool_call_count"}
    )
}
TIMES = frozenset(
    {"created_at", "updated_at", "ended_at", "completed_at", "occurred_at", "session_at"}
)
_KINDS = {"str": "text", "int": "integer", "float": "number", "bool": "flag"}
# None in a record, but the tables cannot do without them.
_NEVER_NULL = {"messages": frozenset({"session_id"})}


def _field(table: str, attribute: attrs.Attribute[Any]) -> Field:
    written = str(attribute.type)
    nullable = "None" in written and attribute.name not in _NEVER_NULL.get(table, ())
    return Field(_KINDS[written.split(" ", maxsplit=1)[0]], nullable)


def _fields(table: str) -> dict[str, Field]:
    return {
        attribute.name: _field(table, attribute)
        for attribute in attrs.fields(_RECORDS[table])
        if attribute.name != "id" and attribute.name not in DERIVED.get(table, ())
    }


# Every field that is sent, but for the id.
FIELDS: Mapping[str, Mapping[str, Field]] = {table: _fields(table) for table in TABLES}
# What a record cannot be stored without.
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "sessions": (),
    "messages": ("session_id",),
    "tools": ("session_id", "created_at", "tool_name"),
    "session_errors": ("session_id", "created_at"),
    "compaction_events": ("session_id", "created_at"),
    "usage": ("session_id",),
}
