"""Cost is exact until it is rounded once."""

from __future__ import annotations

import pytest

from clankers.usage._rates import Band, Rates, cost

# Dollars per million: 3 in, 0.30 read, 3.75 and 6 written, 15 out, 20 reasoning; a cent a search.
DOLLAR = 10**12
SONNET = Rates(
    3 * DOLLAR,
    3 * DOLLAR // 10,
    375 * DOLLAR // 100,
    6 * DOLLAR,
    15 * DOLLAR,
    20 * DOLLAR,
    10_000 * DOLLAR,
    0,
)


def test_each_count_has_its_own_rate() -> None:
    """A one-hour write costs more than a five-minute one, and reasoning is not priced twice."""
    bands = (Band(-1, SONNET),)
    used = (1_000, 2_000, 4_000, 8_000, 500, 100, 3)
    by_hand = 3_000 + 600 + 15_000 + 48_000 + 400 * 15 + 100 * 20 + 3 * 10_000
    assert cost(bands, used) == by_hand == 104_600


@pytest.mark.parametrize(
    ("tokens", "microdollars"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 2), (6, 3), (7, 4)]
)
def test_halves_go_to_the_even_neighbour(tokens: int, microdollars: int) -> None:
    """At half a microdollar a token: 0.5 is 0, 1.5 and 2.5 are 2, 3.5 is 4."""
    half = Rates(DOLLAR // 2, 0, 0, 0, 0, 0, 0, 0)
    assert cost((Band(-1, half),), (tokens, 0, 0, 0, 0, 0, 0)) == microdollars


def test_the_whole_request_has_the_rates_of_its_band() -> None:
    """Cache reads count towards the length; exactly 200,000 is not longer than 200,000."""
    double = Rates(*(2 * rate for rate in SONNET))
    bands = (Band(200_000, double), Band(-1, SONNET))
    assert cost(bands, (100_000, 100_000, 0, 0, 0, 0, 0)) == 330_000
    assert cost(bands, (100_001, 100_000, 0, 0, 0, 0, 0)) == 660_006


def test_reasoning_beyond_the_output_adds_nothing() -> None:
    """A record that contradicts itself is billed for its output."""
    assert cost((Band(-1, SONNET),), (0, 0, 0, 0, 10, 500, 0)) == 200
