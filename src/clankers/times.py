"""Times as people write and read them; inside, a time is integer epoch milliseconds."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, tzinfo

from clankers.errors import ConfigError, UsageError

__all__ = ["parse_when", "short_time", "zone"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_AGO = re.compile(r"([0-9]{1,7})(min|[hdwm])", re.IGNORECASE | re.ASCII)
# Of those that are as long on every day; the longer ones are the calendar's.
_MILLISECONDS = {"min": 60_000, "h": 3_600_000}
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?",
    re.IGNORECASE,
)


def parse_when(text: str, *, zone: tzinfo, now: int | None = None) -> int:
    """The moment that `text` names, in epoch milliseconds.

    It is an ISO date (its first moment) or time, in `zone` unless it says its own, or a
    number of minutes, hours, days, weeks or months before `now`: ``30min``, ``36h``, ``7d``,
    ``2w``, ``3m``.
    Days are the calendar's: ``1d`` is yesterday at this time of day, also when the clocks
    changed; ``1m`` before 31 March is the last of February. A time that the clocks skip
    is as much later as they were put forward; one that comes twice is the first.
    """
    word = text.strip()
    try:
        if match := _AGO.fullmatch(word):
            return _ago(int(match[1]), match[2].lower(), zone, now)
        if _ISO.fullmatch(word):
            return _milliseconds(datetime.fromisoformat(word.upper()), zone)
    except (OSError, OverflowError, ValueError):
        pass  # no such day, or out of the calendar: as wrong as any other word
    raise UsageError(
        f"{text!r} is not a time",
        hint="use a date (2026-01-31), a time (2026-01-31T10:00, with Z or an offset if not"
        " in your zone), or how long ago: 30min, 36h, 7d, 2w, 3m (months)",
    )


def short_time(milliseconds: int, zone: tzinfo | None) -> str:
    """``2026-11-23 10:04``; the bare number where it lies outside the calendar.

    Without a zone it is the system's time by the C library, which needs none to be loaded.
    """
    try:
        moment = (_EPOCH + timedelta(milliseconds=milliseconds)).astimezone(zone)
    except (OSError, OverflowError, ValueError):
        return str(milliseconds)
    return moment.replace(tzinfo=None).isoformat(" ", "minutes")


def zone(name: str | None = None) -> tzinfo:
    """The zone of that IANA name, such as ``Europe/Berlin``; by default the system's."""
    if name is None:
        from clankers._system_zone import system_zone

        return system_zone()
    if name.upper() == "UTC":  # also where there is no time zone database
        return UTC
    if found := _named_zone(name):
        return found
    raise ConfigError(f"there is no time zone {name!r}", hint=_zone_hint(name))


def _ago(count: int, unit: str, zone: tzinfo, now: int | None) -> int:
    if now is None:
        now = time.time_ns() // 1_000_000
    if unit in _MILLISECONDS or not count:
        return now - count * _MILLISECONDS.get(unit, 0)
    moment = _EPOCH + timedelta(milliseconds=now)
    local = moment.astimezone(zone)
    if unit == "m":
        local = _months_before(local, count)
    else:
        local -= timedelta(days=count * (7 if unit == "w" else 1))
    return _milliseconds(local, zone)


def _months_before(moment: datetime, count: int) -> datetime:
    from calendar import monthrange  # takes 3 ms to load

    months = moment.year * 12 + moment.month - 1 - count
    year, month = months // 12, months % 12 + 1
    if year < 1:
        raise OverflowError
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


def _milliseconds(moment: datetime, zone: tzinfo) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return (moment - _EPOCH) // _MILLISECOND


def _named_zone(name: str) -> tzinfo | None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # only who asks for a name pays

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _zone_hint(name: str) -> str:
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    names = available_timezones()
    if not names:
        return "this system has no time zone database: pip install tzdata"
    matches = get_close_matches(name, names, n=1)
    return f"did you mean {matches[0]!r}?" if matches else "use a name like 'Europe/Berlin'"
