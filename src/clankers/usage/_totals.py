"""Totals of usage by time, model, project and other dimensions."""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from clankers.errors import UsageError
from clankers.usage._reading import reading
from clankers.usage._spans import (
    ALL_TOKENS,
    FIRST_MOMENT,
    LAST_MOMENT,
    MICRODOLLARS,
    SPANS,
    calendar_span,
    selection,
    sums_by_span,
)

if TYPE_CHECKING:
    from datetime import tzinfo
    from os import PathLike

    import apsw

    from clankers.store import Store
    from clankers.usage._spans import Selection

Dimension = Literal[
    "day", "week", "month", "model", "project", "source", "session", "branch", "device"
]
UNKNOWN = "unknown"
_COLUMNS = {
    "model": "model",
    "project": "project_path",
    "source": "source",
    "session": "session_id",
    "branch": "git_branch",
    "device": "origin_device",
}
_SUMS = (
    "count(DISTINCT u.session_id), count(*), total(u.input_tokens), total(u.cache_read_tokens),"
    " total(u.cache_write_5m_tokens), total(u.cache_write_1h_tokens), total(u.output_tokens),"
    f" total(u.reasoning_tokens), {MICRODOLLARS}, count(*) - count(u.cost)"
)
_MICRODOLLARS = 1_000_000
# The places of the counts in a UsageTotal.
_SUMMED = slice(2, 9)
_NOTHING = (0,) * 7


class UsageTotal(NamedTuple):
    """What a day, a model, a project ... used.

    Attributes:
        key: ``2026-11-23``, ``2026-W48``, ``2026-11``, or a name, path or id; "unknown"
            where the responses do not say.
        sessions: in how many sessions; one may count under several keys.
        responses: of models, each counted once however many files tell of it.
        input_tokens: uncached input only.
        cache_read_tokens: input read from the cache.
        cache_write_5m_tokens: input written to the cache for five minutes.
        cache_write_1h_tokens: input written to the cache for an hour.
        output_tokens: reasoning included.
        reasoning_tokens: the part of the output that was reasoning, where agents say it.
        cost: US dollars; None when no response has a price, never 0 for that.
        unpriced_responses: how many responses `cost` leaves out.
    """

    key: str
    sessions: int
    responses: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: float | None
    unpriced_responses: int


class UnpricedModel(NamedTuple):
    """A model whose responses nobody has a price for; "" where the agent did not say which.

    Estimates are not among them: no price would give them a cost.

    Attributes:
        provider: as the agent calls it.
        model: as the agent calls it; `set_price` takes this name.
        responses: without a price.
        tokens: of all kinds in them, cache reads included.
    """

    provider: str
    model: str
    responses: int
    tokens: int


class UsageReport(NamedTuple):
    """Totals with what belongs under them.

    Attributes:
        rows: what `total_usage` gives.
        total: their sum, under the key "total". A session that counts in several rows
            counts once in it.
        unpriced: the models whose responses the costs leave out, by tokens.
    """

    rows: list[UsageTotal]
    total: UsageTotal
    unpriced: list[UnpricedModel]


def total_usage(
    store_or_path: Store | str | PathLike[str],
    *,
    by: Dimension = "day",
    since: int | None = None,
    until: int | None = None,
    zone: tzinfo | None = None,
    source: str | None = None,
    project: str | None = None,
) -> list[UsageTotal]:
    """Usage by one dimension: times in their order, others by cost, the highest first.

    An estimate counts only while its session has no measured response.

    Args:
        store_or_path: what to sum up.
        by: day, ISO week, month, model, project, source, session, branch or device.
        since: epoch ms; responses at or after it.
        until: epoch ms; responses before it.
        zone: whose days, weeks and months; the system's by default.
        source: only of this agent.
        project: only of the project with this path, or whose path ends in this name.

    Raises:
        UsageError: there is no such dimension.
    """
    rows = selection(source=source, project=project, since=since, until=until)
    with reading(store_or_path) as connection:
        return _totals(connection, by, zone, rows)


def usage_report(
    store_or_path: Store | str | PathLike[str],
    *,
    by: Dimension = "day",
    since: int | None = None,
    until: int | None = None,
    zone: tzinfo | None = None,
    source: str | None = None,
    project: str | None = None,
) -> UsageReport:
    """The rows of `total_usage` with their sum and the models it has no price for.

    The arguments are those of `total_usage`.
    """
    rows = selection(source=source, project=project, since=since, until=until)
    with reading(store_or_path) as connection:
        totals = _totals(connection, by, zone, rows)
        total = _grand_total(totals, _session_count(connection, rows))
        unpriced = _unpriced(connection, rows) if total.unpriced_responses else []
    return UsageReport(totals, total, unpriced)


def unpriced_models(store_or_path: Store | str | PathLike[str]) -> list[UnpricedModel]:
    """What costs leave out everywhere, by tokens, the most first."""
    with reading(store_or_path) as connection:
        return _unpriced(connection, selection())


def _totals(
    connection: apsw.Connection, by: Dimension, zone: tzinfo | None, rows: Selection
) -> list[UsageTotal]:
    if by in _COLUMNS:
        return _by_column(connection, _COLUMNS[by], rows)
    if by not in SPANS:
        raise UsageError(
            f"usage cannot be shown by {by!r}", hint=f"one of: {', '.join((*SPANS, *_COLUMNS))}"
        )
    spans = sums_by_span(connection, calendar_span(by, _zone(zone)), _SUMS, rows)
    return [*(_total(span.key, sums) for span, sums in spans), *_undated(connection, rows)]


def _zone(zone: tzinfo | None) -> tzinfo:
    if zone is not None:
        return zone
    from clankers.times import zone as system_zone

    return system_zone()


def _undated(connection: apsw.Connection, rows: Selection) -> list[UsageTotal]:
    """What no day can claim: without a time, or with one that no calendar has."""
    times = f"u.occurred_at < {FIRST_MOMENT} OR u.occurred_at >= {LAST_MOMENT}"
    sums = connection.execute(
        f"SELECT {_SUMS} FROM usage u WHERE (u.occurred_at IS NULL OR {times}) AND {rows.sql}",
        rows.values,
    ).fetchone()
    total = _total(UNKNOWN, sums)
    return [total] if total.responses else []


def _by_column(connection: apsw.Connection, column: str, rows: Selection) -> list[UsageTotal]:
    found = connection.execute(
        f"SELECT coalesce(nullif(u.{column}, ''), '{UNKNOWN}'), {_SUMS} FROM usage u"
        f" WHERE {rows.sql} GROUP BY 1",
        rows.values,
    )
    totals = [_total(key, sums) for key, *sums in found]
    return sorted(totals, key=lambda one: (-(one.cost or 0), -_tokens(one), one.key))


def _tokens(total: UsageTotal) -> int:
    return sum(total[3:8])


def _session_count(connection: apsw.Connection, rows: Selection) -> int:
    # A session with any row has one that counts, so that no estimate needs to be looked at.
    where = "" if rows == selection() else f" WHERE {rows.sql}"
    row = connection.execute(
        f"SELECT count(DISTINCT u.session_id) FROM usage u{where}", rows.values
    ).fetchone()
    return int(row[0]) if row else 0


def _grand_total(totals: list[UsageTotal], sessions: int) -> UsageTotal:
    costs = [one.cost for one in totals if one.cost is not None]
    counts = map(sum, zip(*(one[_SUMMED] for one in totals), strict=True))
    cost = round(fsum(costs), 6) if costs else None
    unpriced = sum(one.unpriced_responses for one in totals)
    return UsageTotal._make(("total", sessions, *(list(counts) or _NOTHING), cost, unpriced))


def _unpriced(connection: apsw.Connection, rows: Selection) -> list[UnpricedModel]:
    found = connection.execute(
        f"SELECT coalesce(u.provider, ''), coalesce(u.model, ''), count(*), {ALL_TOKENS}"
        f" FROM usage u WHERE u.cost IS NULL AND NOT u.estimated AND {rows.sql}"
        " GROUP BY 1, 2 ORDER BY 4 DESC, 1, 2",
        rows.values,
    )
    return [UnpricedModel(*row) for row in found]


def _total(key: str, sums: Any) -> UsageTotal:
    *counts, cost, unpriced = sums
    dollars = None if cost is None else cost / _MICRODOLLARS
    return UsageTotal._make((key, *map(int, counts), dollars, unpriced))
