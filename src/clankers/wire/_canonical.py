"""The canonical form of JSON (RFC 8785), which both sides hash."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clankers.wire._fields import Value

# From here on JavaScript, and so the RFC, writes numbers with an exponent.
_EXPONENT_FROM = 1e21
_EXPONENT_BELOW = 1e-6


def canonical(value: Value) -> str:
    """The one text of a JSON value: sorted keys, no spaces, numbers as ECMAScript writes them.

    Integers keep all their digits, also beyond 2^53, which the RFC leaves to the writer.

    Raises:
        ValueError: it holds infinity or what is not a number.
    """
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        # The RFC sorts by UTF-16 units, where characters beyond U+FFFF come before U+E000.
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_text(key)}:{canonical(value[key])}" for key in keys) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(canonical, value)) + "]"
    return _text(value)


def record_hash(table: str, record_id: str, fields: Mapping[str, Value]) -> str:
    """Hex SHA-256 of ``[table, id, fields]``; fields that are null count as absent."""
    said = {name: value for name, value in fields.items() if value is not None}
    return hashlib.sha256(canonical([table, record_id, said]).encode()).hexdigest()


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number of JSON")
    if value == 0:
        return "0"
    sign, size = ("-" if value < 0 else ""), abs(value)
    digits, exponent = _digits(size)
    if _EXPONENT_BELOW <= size < _EXPONENT_FROM:
        return sign + _plain(digits, exponent)
    point = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{point}e{exponent - 1:+d}"


def _digits(size: float) -> tuple[str, int]:
    """The shortest digits that mean the number, and where its point stands before them."""
    mantissa, _, exponent = f"{size!r}".partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part).lstrip("0")
    leading = len(whole + part) - len(digits)
    return digits.rstrip("0") or "0", len(whole) - leading + int(exponent or 0)


def _plain(digits: str, exponent: int) -> str:
    if exponent <= 0:
        return "0." + "0" * -exponent + digits
    if exponent >= len(digits):
        return digits + "0" * (exponent - len(digits))
    return f"{digits[:exponent]}.{digits[exponent:]}"
