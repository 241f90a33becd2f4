"""The protocol between those who sync, as both sides understand it.

What a record looks like on the wire, how its versions are stamped, how two of them merge,
and the canonical form that is hashed: one implementation for the client and the server, so
that they cannot come to different ends. Nothing here knows HTTP or a database.
"""

from __future__ import annotations

from clankers.wire._canonical import canonical, record_hash
from clankers.wire._fields import (
    CHILDREN,
    DERIVED,
    FIELDS,
    REQUIRED,
    TABLES,
    TIMES,
    Field,
    Value,
)
from clankers.wire._merge import merge
from clankers.wire._reading import (
    FARTHEST_AHEAD_MS,
    LONGEST_ID,
    Change,
    Delete,
    Rejection,
    read_change,
    read_delete,
    read_mark,
)
from clankers.wire._versions import ZERO, Stamp, Version

__all__ = [
    "CHILDREN",
    "DERIVED",
    "FARTHEST_AHEAD_MS",
    "FIELDS",
    "LONGEST_ID",
    "REQUIRED",
    "TABLES",
    "TIMES",
    "ZERO",
    "Change",
    "Delete",
    "Field",
    "Rejection",
    "Stamp",
    "Value",
    "Version",
    "canonical",
    "merge",
    "read_change",
    "read_delete",
    "read_mark",
    "record_hash",
]
