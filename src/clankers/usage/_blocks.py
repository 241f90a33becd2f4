"""Five-hour windows, by which Anthropic's subscriptions are limited."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from clankers.usage._reading import reading
from clankers.usage._spans import ALL_TOKENS, MICRODOLLARS, Span, selection, sums_by_span

if TYPE_CHECKING:
    from os import PathLike

    from clankers.store import Store

_HOUR = 3_600_000
_LENGTH = 5 * _HOUR
_MICRODOLLARS = 1_000_000
_COLUMNS = (
    f"count(*), {ALL_TOKENS}, {MICRODOLLARS}, count(*) - count(u.cost),"
    " json_group_array(DISTINCT u.model)"
)


class UsageBlock(NamedTuple):
    """What was used in one five-hour window.

    Attributes:
        start: epoch ms, the full hour (UTC) of the first response.
        end: epoch ms, five hours later.
        is_active: whether the window is still open.
        responses: of models.
        tokens: all kinds together, cache reads included.
        cost: US dollars; None when no response has a price.
        unpriced_responses: how many responses `cost` leaves out.
        models: in the order of their names.
    """

    start: int
    end: int
    is_active: bool
    responses: int
    tokens: int
    cost: float | None
    unpriced_responses: int
    models: list[str]


def usage_blocks(
    store_or_path: Store | str | PathLike[str],
    *,
    since: int | None = None,
    until: int | None = None,
    source: str | None = "claude-code",
    now: int | None = None,
) -> list[UsageBlock]:
    """The five-hour windows of an agent, the oldest first.

    A window opens with the first response after the one before has ended. The agents'
    files do not say when their provider opened it; the full hour is how it is observed.

    Args:
        store_or_path: what to look through.
        since: epoch ms; windows that were open at or after it.
        until: epoch ms; windows that opened before it.
        source: the agent; None for all together.
        now: epoch ms, which tells what is active; by default the clock.
    """
    moment = time.time_ns() // 1_000_000 if now is None else now
    with reading(store_or_path) as connection:
        # Where a window opens depends on those before, hence all of them are found.
        found = sums_by_span(connection, _window, _COLUMNS, selection(source=source))
        return [
            _block(span, moment, sums)
            for span, sums in found
            if (since is None or span.end > since) and (until is None or span.start < until)
        ]


def _window(at: int) -> Span:
    start = at - at % _HOUR
    return Span("", start, start + _LENGTH)


def _block(span: Span, now: int, sums: tuple[Any, ...]) -> UsageBlock:
    responses, tokens, cost, unpriced, models = sums
    return UsageBlock(
        start=span.start,
        end=span.end,
        is_active=span.start <= now < span.end,
        responses=responses,
        tokens=tokens,
        cost=None if cost is None else cost / _MICRODOLLARS,
        unpriced_responses=unpriced,
        models=sorted(model for model in json.loads(models) if model),
    )
