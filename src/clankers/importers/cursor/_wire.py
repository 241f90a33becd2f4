"""Protobuf messages field by field, without knowing what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Field: TypeAlias = "tuple[int, int | bytes]"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_BITS = 63
_CONTINUES = 0x80


def fields(message: bytes) -> Iterator[Field]:
    """Number and value of each field; ends where the message is damaged.

    Values of fixed length are left out: nothing that is read has any.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if at < 0 or not number:
            return
        if kind == _VARINT:
            value, at = _varint(message, at)
            if at < 0:
                return
            yield number, value
        elif kind == _BYTES:
            length, at = _varint(message, at)
            if at < 0 or at + length > len(message):
                return
            yield number, message[at : at + length]
            at += length
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            return


def first_bytes(message: bytes, number: int) -> bytes:
    """The first value of a field of bytes; empty when there is none."""
    found = (value for one, value in fields(message) if one == number)
    return next((value for value in found if isinstance(value, bytes)), b"")


def first_number(message: bytes, number: int) -> int | None:
    found = (value for one, value in fields(message) if one == number)
    return next((value for value in found if isinstance(value, int)), None)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number and the place behind it; the place is -1 where there is no number."""
    value = shift = 0
    while at < len(message) and shift <= _MOST_BITS:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < _CONTINUES:
            return value, at
        shift += 7
    return 0, -1
