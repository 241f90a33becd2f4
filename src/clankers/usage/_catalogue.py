"""The one place that loads genai-prices, which takes 0.2 s, and asks it for rates.

Rates are found by asking the package to price amounts chosen so that each reveals one
rate. Its own rules, such as what counts as what when a price is missing, thus stay its own.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from genai_prices import Usage
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import StartDateConstraint, TieredPrices, TimeOfDateConstraint

from clankers.usage._names import lookups
from clankers.usage._rates import FOREVER, LARGEST_INTEGER, Band, Period, Rates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from decimal import Decimal
    from pathlib import Path

    from genai_prices.types import ModelInfo, ModelPrice, Provider

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MILLION = 1_000_000
_PICODOLLARS = 10**12
_SEARCHES = 1_000
UNKNOWN = Period(0, FOREVER, ())


class Catalogue:
    """One price list: the one inside the package, unless a fetched one can be read.

    Nothing is set in the package itself: a program that embeds us may use it too.
    """

    def __init__(self, fetched: Path | None = None) -> None:
        self._list = DataSnapshot(_providers(fetched), from_auto_update=False)

    def period(self, provider: str, model: str, tier: str, speed: str, at: int) -> Period:
        """The prices of a model at a moment, and for how long they hold."""
        found = self._find(provider, model)
        if found is None:
            return UNKNOWN
        owner, info = found
        moment = _EPOCH + at * _MILLISECOND
        from_at, until_at = _validity(info, moment, at)
        try:
            bands = _bands(owner, info, moment, _context(tier, speed))
        except ValueError:  # a list that contradicts itself has no price to give
            bands = ()
        return Period(from_at, until_at, bands)

    def _find(self, provider: str, model: str) -> tuple[Provider, ModelInfo] | None:
        for name, provider_id in lookups(provider, model):
            try:
                return self._list.find_provider_model(name, None, provider_id, None)
            except LookupError:
                continue
        return None


def parse_list(content: bytes) -> list[Provider]:
    """The providers in a fetched list.

    Raises:
        ValueError: it is not a price list that the installed package understands.
    """
    # The package reads a list only right after fetching it, never from a file; this is
    # the function it does that with.
    from genai_prices.types import _providers_from_raw

    raw = json.loads(content)
    if not isinstance(raw, list) or not raw:
        raise ValueError("it is not a list of providers")
    return _providers_from_raw(raw)


def _providers(fetched: Path | None) -> list[Provider]:
    if fetched is not None:
        with suppress(OSError, ValueError):
            return parse_list(fetched.read_bytes())
    from genai_prices.data import providers

    return providers


def _context(tier: str, speed: str) -> dict[str, str]:
    if tier == "batch":  # Anthropic's word, which the list keeps under another key
        return {"processing": "batch"}
    return {key: value for key, value in (("service_tier", tier), ("speed", speed)) if value}


def _validity(info: ModelInfo, moment: datetime, at: int) -> tuple[int, int]:
    changes = list(_changes(info, moment.date()))
    return (
        max((change for change in changes if change <= at), default=0),
        min((change for change in changes if change > at), default=FOREVER),
    )


def _changes(info: ModelInfo, day: date) -> Iterator[int]:
    """When prices change, in epoch milliseconds; of daily changes the nearest."""
    conditional = [] if not isinstance(info.prices, list) else info.prices
    for price in [*conditional, *(info.price_variants or ())]:
        match price.constraint:
            case StartDateConstraint(start_date=first):
                yield _milliseconds(first, time())
            case TimeOfDateConstraint(start_time=start, end_time=end):
                for days in (-1, 0, 1):
                    yield _milliseconds(day + timedelta(days), start)
                    yield _milliseconds(day + timedelta(days), end)


def _milliseconds(day: date, clock: time) -> int:
    clock = clock if clock.tzinfo else clock.replace(tzinfo=UTC)
    return (datetime.combine(day, clock) - _EPOCH) // _MILLISECOND


def _bands(
    owner: Provider, info: ModelInfo, moment: datetime, context: dict[str, str]
) -> tuple[Band, ...]:
    if info.prices == []:
        return ()

    def price(**used: int) -> Decimal:
        asked = info.calc_price(
            Usage(**used), owner, genai_request_timestamp=moment, price_context=context
        )
        return asked.total_price

    prices = info.calc_price(
        Usage(), owner, genai_request_timestamp=moment, price_context=context
    ).model_price
    if prices.input_mtok is None and prices.output_mtok is None:
        return ()
    return tuple(Band(over, _reveal(price, over)) for over in _thresholds(prices))


def _thresholds(prices: ModelPrice) -> list[int]:
    """Prompt lengths above which other prices hold, the longest first; the last is -1."""
    tiered = [value for value in vars(prices).values() if isinstance(value, TieredPrices)]
    starts = {tier.start for value in tiered for tier in value.tiers}
    return [*sorted(starts, reverse=True), -1]


def _reveal(price: Callable[..., Decimal], over: int) -> Rates:
    """The rates for prompts just longer than `over`."""
    prompt = max(over, 0) + 1
    request = price()
    uncached = price(input_tokens=prompt)

    def of_prompt(**used: int) -> int:
        return _rate(price(input_tokens=prompt, **used) - request, prompt)

    def beside(count: int, **used: int) -> int:
        return _rate(price(input_tokens=prompt, **used) - uncached, count)

    return Rates(
        input=of_prompt(),
        cache_read=of_prompt(cache_read_tokens=prompt),
        cache_write_5m=of_prompt(cache_write_tokens=prompt, cache_write_5m_tokens=prompt),
        cache_write_1h=of_prompt(cache_write_tokens=prompt, cache_write_1h_tokens=prompt),
        output=beside(_MILLION, output_tokens=_MILLION),
        reasoning=beside(_MILLION, output_tokens=_MILLION, output_reasoning_tokens=_MILLION),
        web_search=beside(_SEARCHES, web_searches=_SEARCHES),
        request=_rate(request, 1),
    )


def _rate(dollars: Decimal, count: int) -> int:
    """Picodollars per million, when `count` cost so many dollars."""
    rate = int((dollars * _MILLION * _PICODOLLARS / count).to_integral_value())
    if rate > LARGEST_INTEGER:
        raise ValueError(f"{dollars} dollars for {count} is no price")
    return rate
