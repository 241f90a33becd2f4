"""Rates and the arithmetic of cost: whole numbers throughout, rounded once at the end."""

from __future__ import annotations

from typing import NamedTuple

FOREVER = 2**63 - 1
# Picodollars per million of something, times that something, in microdollars.
_MICRODOLLAR = 10**12


class Rates(NamedTuple):
    """Prices of a million of each in picodollars (10**-12 dollars), of which all are whole."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    web_search: int
    request: int


class Band(NamedTuple):
    """The rates of a whole request whose prompt, cache included, is longer than `over`."""

    over: int
    rates: Rates


class Period(NamedTuple):
    """The prices from one moment until before another, in epoch milliseconds.

    `bands` stand with the longest prompt first and end with one that always holds; there
    are none where nobody knows the model.
    """

    from_at: int
    until_at: int
    bands: tuple[Band, ...]


class Counts(NamedTuple):
    """What one response used, as its row in `usage` says it."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    web_searches: int


def cost(bands: tuple[Band, ...], used: Counts) -> int:
    """Microdollars, rounded half to even."""
    fresh, read, write_5m, write_1h, output, reasoning, searches = used
    rates = _rates(bands, fresh + read + write_5m + write_1h)
    reasoning = min(reasoning, output)
    exact = (
        fresh * rates.input
        + read * rates.cache_read
        + write_5m * rates.cache_write_5m
        + write_1h * rates.cache_write_1h
        + (output - reasoning) * rates.output
        + reasoning * rates.reasoning
        + searches * rates.web_search
        + rates.request
    )
    return _half_even(exact, _MICRODOLLAR)


def _rates(bands: tuple[Band, ...], prompt: int) -> Rates:
    for over, rates in bands:
        if prompt > over:
            return rates
    return bands[-1].rates


def _half_even(number: int, unit: int) -> int:
    whole, rest = divmod(number, unit)
    twice = rest * 2
    return whole + (twice > unit or (twice == unit and whole & 1))
