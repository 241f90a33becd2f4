"""Values of other programs' JSON, taken as what they should be or not at all."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

LARGEST_INTEGER = 2**63 - 1
TITLE_CHARACTERS = 120
_MICRODOLLARS = 1_000_000
# What is more than these is no count of tokens and no cost.
_MOST_TOKENS = 10**12
_MOST_DOLLARS = 10**6
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MILLISECONDS_FROM = 10**11
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_HALF = _MILLISECOND / 2
_LONGEST_DATE = len("20251101")
_DEEPEST = 32
# The last moment of the year 9999, after which no date can be written.
_LATEST = 253_402_300_799_999


def text(value: Any) -> str | None:
    """A non-empty string, else None."""
    return value if type(value) is str and value else None


def count(value: Any) -> int:
    """A count of at least 0; numbers written as strings are understood, all else is 0."""
    if type(value) is int:
        if 0 <= value <= LARGEST_INTEGER:
            return value
        return LARGEST_INTEGER if value > 0 else 0
    if type(value) is float or type(value) is str:
        try:
            return count(int(value))
        except (ValueError, OverflowError):
            return 0
    return 0


def tokens(value: Any) -> int:
    """A count of tokens; what cannot be one, or would overflow the sums, is 0."""
    if type(value) is int and 0 <= value <= _MOST_TOKENS:
        return value
    found = count(value)
    return found if found <= _MOST_TOKENS else 0


def microdollars(dollars: Any) -> int | None:
    """A reported cost above 0; 0 means that the agent does not know."""
    if type(dollars) is str:
        try:
            dollars = float(dollars)
        except ValueError:
            return None
    if type(dollars) is not float and type(dollars) is not int:
        return None
    return round(dollars * _MICRODOLLARS) if 0 < dollars < _MOST_DOLLARS else None


def milliseconds(value: Any) -> int | None:
    """Epoch milliseconds from ISO 8601 (UTC where it names no zone) or an epoch number.

    Numbers may be written as text; those below 10^11 are taken as seconds. What cannot be
    a time, or is after the year 9999, is None; what is before 1970 is 0.
    """
    if type(value) is str:
        try:
            if value.isdecimal() and len(value) > _LONGEST_DATE:
                return _from_epoch(int(value))
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            # By whole numbers: a float loses microseconds in far centuries.
            return max(0, (moment - _EPOCH + _HALF) // _MILLISECOND)
        except (ValueError, OverflowError):
            return None
    if type(value) is int or type(value) is float:
        return _from_epoch(value)
    return None


def _from_epoch(value: float) -> int | None:
    if not 0 < value <= _LATEST:
        return None
    return round(value if value >= _MILLISECONDS_FROM else value * 1000)


def json_text(value: Any) -> str:
    """`value` as compact JSON; text keeps its own letters instead of escapes.

    Of what is nested too deeply to be written, what lies below 32 levels is left out.
    """
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        return msgspec.json.encode(_cut(value, _DEEPEST)).decode()


def _cut(value: Any, levels: int) -> Any:
    if isinstance(value, dict):
        return {name: _cut(one, levels - 1) for name, one in value.items()} if levels else "…"
    if isinstance(value, list | tuple):
        return [_cut(one, levels - 1) for one in value] if levels else "…"
    return value


def first_line(value: str) -> str:
    """A title from a text: its first line that says something, at most 120 characters."""
    for line in value.splitlines():
        if words := " ".join(line.split()):
            return words if len(words) <= TITLE_CHARACTERS else words[: TITLE_CHARACTERS - 1] + "…"
    return ""


def path_name(path: str) -> str:
    """The last part of a POSIX or Windows path."""
    return path.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or path


def provider_and_model(value: Any) -> tuple[str | None, str | None]:
    """Both of `openrouter/anthropic/claude-sonnet-4-6`; what has no slash is a model."""
    provider, slash, model = (text(value) or "").partition("/")
    return (provider or None, model or None) if slash else (None, provider or None)


def is_uuid(value: str) -> bool:
    return _UUID.fullmatch(value) is not None


def row_id(value: str) -> str:
    """An id without the one character that row ids never hold."""
    return value.replace("/", "_")


def next_seq(last: int, created_at: int | None) -> int:
    """The place of the next row in its session: after all before it, and by time between files."""
    return created_at if created_at is not None and created_at > last else last + 1
