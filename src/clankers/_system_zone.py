"""The zone that this machine shows its times in."""

from __future__ import annotations

import os.path
from datetime import UTC, datetime, timedelta, tzinfo

from clankers._paths import environment

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LINK = "/etc/localtime"


def system_zone() -> tzinfo:
    """By name where `TZ` or the system's link gives one, else whatever the C library says."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    given = environment().get("TZ")
    name = _linked_name() if given is None else given.removeprefix(":")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return _LibraryZone()


def _linked_name() -> str:
    return os.path.realpath(_LINK).rpartition("/zoneinfo/")[2]


class _LibraryZone(tzinfo):
    """For Windows, a `TZ` such as ``CET-1CEST,M3.5.0,M10.5.0/3`` and a copied /etc/localtime."""

    def utcoffset(self, moment: datetime | None, /) -> timedelta | None:
        return None if moment is None else _local(moment).utcoffset()

    def tzname(self, moment: datetime | None, /) -> str | None:
        return None if moment is None else _local(moment).tzname()

    def dst(self, moment: datetime | None, /) -> timedelta | None:  # noqa: ARG002  # nobody knows
        return None

    def fromutc(self, moment: datetime, /) -> datetime:
        seconds = (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
        local = datetime.fromtimestamp(seconds)  # noqa: DTZ006  # local time is the point
        return local.replace(microsecond=moment.microsecond, tzinfo=self)


def _local(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None).astimezone()
