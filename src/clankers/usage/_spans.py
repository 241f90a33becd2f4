"""Stretches of time, and the sums of usage in each that has any.

Where a stretch begins is for the calendar to say; summing it is one walk along the index
of times. So days are right in every zone, and empty years cost nothing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from clankers.store._usage_rows import COUNTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo

    import apsw

# total() does not overflow, whatever a transcript claims, and is exact up to 9 * 10**15.
ALL_TOKENS = (
    "CAST(total(u.input_tokens + u.cache_read_tokens + u.cache_write_5m_tokens"
    " + u.cache_write_1h_tokens + u.output_tokens) AS INTEGER)"
)
MICRODOLLARS = "iif(count(u.cost), total(u.cost), NULL)"
# Times beyond these are errors of whoever wrote them: no calendar has a name for them.
FIRST_MOMENT = -62_000_000_000_000
LAST_MOMENT = 253_000_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Span(NamedTuple):
    """From `start` until before `end`, in epoch milliseconds."""

    key: str
    start: int
    end: int


class Selection(NamedTuple):
    """Which rows of `usage u` count, as a condition and its values.

    `since` and `until` are in the condition already, and here for those who walk by time.
    """

    sql: str
    values: tuple[Any, ...]
    since: int | None
    until: int | None


def selection(
    *,
    source: str | None = None,
    project: str | None = None,
    since: int | None = None,
    until: int | None = None,
) -> Selection:
    """The rows of an agent, of a project by its path or its last folder, and of a time."""
    conditions: list[tuple[str, tuple[Any, ...]]] = []
    if source is not None:
        conditions.append(("u.source = ?", (source,)))
    if project is not None:
        ends = (-len(project) - 1, f"/{project}", f"\\{project}")
        by_name = "u.project_path = ? OR substr(u.project_path, ?) IN (?, ?)"
        conditions.append((f"({by_name})", (project, *ends)))
    if since is not None:
        conditions.append(("u.occurred_at >= ?", (since,)))
    if until is not None:
        conditions.append(("u.occurred_at < ?", (until,)))
    return Selection(
        " AND ".join([COUNTED, *(sql for sql, _values in conditions)]),
        tuple(value for _sql, values in conditions for value in values),
        since,
        until,
    )


def sums_by_span(
    connection: apsw.Connection,
    span_at: Callable[[int], Span],
    columns: str,
    selected: Selection,
) -> Iterator[tuple[Span, tuple[Any, ...]]]:
    """Each span with responses in it, in order, and what `columns` sum up to there."""
    within = f"FROM usage u WHERE u.occurred_at >= ? AND u.occurred_at < ? AND {selected.sql}"
    low = max(FIRST_MOMENT, FIRST_MOMENT if selected.since is None else selected.since)
    high = min(LAST_MOMENT, LAST_MOMENT if selected.until is None else selected.until)
    while True:
        (at,) = connection.execute(
            f"SELECT min(u.occurred_at) {within}", (low, high, *selected.values)
        ).fetchone() or (None,)
        if at is None:
            return
        span = span_at(at)
        low = min(span.end, high)
        row = connection.execute(
            f"SELECT {columns} {within}", (at, low, *selected.values)
        ).fetchone()
        yield span, row or ()


def calendar_span(by: str, zone: tzinfo) -> Callable[[int], Span]:
    """Finds the "day", ISO "week" or "month" of a moment, as clocks in `zone` have it."""
    named = SPANS[by]

    def span_at(at: int) -> Span:
        key, first, after = named((_EPOCH + at * _MILLISECOND).astimezone(zone).date())
        span = Span(key, _midnight(first, zone), _midnight(after, zone))
        # Clocks put back across midnight make an hour of the old day come after the new
        # one began; a day is whole, so that hour is the new day's.
        return span if at < span.end else span_at(span.end)

    return span_at


def _day(day: date) -> tuple[str, date, date]:
    return day.isoformat(), day, day + timedelta(days=1)


def _week(day: date) -> tuple[str, date, date]:
    year, week, weekday = day.isocalendar()
    monday = day - timedelta(days=weekday - 1)
    return f"{year:04}-W{week:02}", monday, monday + timedelta(days=7)


def _month(day: date) -> tuple[str, date, date]:
    first = day.replace(day=1)
    return day.isoformat()[:7], first, (first + timedelta(days=31)).replace(day=1)


SPANS = {"day": _day, "week": _week, "month": _month}


def _midnight(day: date, zone: tzinfo) -> int:
    """The first moment of a day; where clocks skip midnight, the moment they do."""
    return (datetime.combine(day, time(), zone) - _EPOCH) // _MILLISECOND
