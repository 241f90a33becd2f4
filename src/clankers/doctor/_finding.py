"""What a look at one thing found."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["ok", "note", "warning", "error"]
_GIGABYTE = 1_000_000_000


class Finding(NamedTuple):
    """One thing that was looked at; `hint` says what to do, or is ""."""

    level: Level
    subject: str
    message: str
    hint: str = ""


def amount(byte_count: int) -> str:
    if byte_count >= _GIGABYTE:
        return f"{byte_count / _GIGABYTE:,.1f} GB"
    return f"{byte_count / 1_000_000:.1f} MB"
