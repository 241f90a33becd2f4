"""Rates and the arithmetic of cost: whole numbers throughout, rounded once at the end."""

from __future__ import annotations

from typing import NamedTuple

# Of what a column of SQLite holds.
LARGEST_INTEGER = 2**63 - 1
FOREVER = LARGEST_INTEGER
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


def cost(bands: tuple[Band, ...], used: tuple[int, ...]) -> int:
    """What a response cost in microdollars, rounded half to even.

    `used` is uncached input, cache reads, five-minute and one-hour cache writes, output,
    reasoning (a part of the output) and web searches.
    """
    fresh, read, write_5m, write_1h, output, reasoning, searches = used
    rates = _rates(bands, fresh + read + write_5m + write_1h)
    fresh_rate, read_rate, write_5m_rate, write_1h_rate, *others = rates
    output_rate, reasoning_rate, search_rate, request_rate = others
    reasoning = min(reasoning, output)
    exact = (
        fresh * fresh_rate
        + read * read_rate
        + write_5m * write_5m_rate
        + write_1h * write_1h_rate
        + (output - reasoning) * output_rate
        + reasoning * reasoning_rate
        + searches * search_rate
        + request_rate
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
