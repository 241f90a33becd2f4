"""The hash of a record, quickly."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from clankers import wire

if TYPE_CHECKING:
    from collections.abc import Mapping

_SORTED = msgspec.json.Encoder(order="sorted")
_PLAIN = frozenset({str, int})


def hash_of(table: str, record_id: str, fields: Mapping[str, Any]) -> bytes:
    """What `wire.record_hash` gives, as bytes.

    Of texts and integers under ASCII names, which is all that known fields are, msgspec
    writes the canonical form.
    """
    said = {name: value for name, value in fields.items() if value is not None}
    if not _PLAIN.issuperset(map(type, said.values())):
        return bytes.fromhex(wire.record_hash(table, record_id, said))
    return hashlib.sha256(_SORTED.encode([table, record_id, said])).digest()
