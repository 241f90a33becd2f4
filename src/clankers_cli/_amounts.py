"""Amounts as people read them."""

from __future__ import annotations

_STEP = 1_000


def size(byte_count: int) -> str:
    """``813 bytes``, ``12.3 KB``, ``4.0 GB``."""
    if byte_count < _STEP:
        return counted(byte_count, "byte")
    amount = float(byte_count)
    for unit in ("KB", "MB", "GB"):
        amount /= _STEP
        if round(amount, 1) < _STEP:
            return f"{amount:.1f} {unit}"
    return f"{amount / _STEP:,.1f} TB"


def counted(number: int, one: str) -> str:
    """``1 session``, ``2,000 sessions``."""
    return f"{number:,} {one}" + ("" if number == 1 else "s")
