"""Rates are those of genai-prices: its own calc_price is the judge."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import genai_prices
import pytest
from genai_prices.data import providers
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clankers.usage._catalogue import Catalogue
from clankers.usage._rates import FOREVER, cost
from usage.conftest import ms

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

MODELS = [(provider.id, model.id) for provider in providers for model in provider.models]
COUNTS = st.one_of(st.integers(0, 50), st.integers(0, 400_000), st.just(200_000))
MOMENTS = st.integers(ms("2024-01-01"), ms("2026-12-31"))


@cache
def catalogue() -> Catalogue:
    return Catalogue()


def judged(
    provider: str, model: str, at: int, used: tuple[int, ...], context: dict[str, str]
) -> Decimal:
    fresh, read, write_5m, write_1h, output, reasoning, searches = used
    usage = genai_prices.Usage(
        input_tokens=fresh + read + write_5m + write_1h,
        cache_read_tokens=read,
        cache_write_tokens=write_5m + write_1h,
        cache_write_1h_tokens=write_1h,
        output_tokens=output,
        output_reasoning_tokens=reasoning,
        web_searches=searches,
    )
    price = genai_prices.calc_price(
        usage,
        model,
        provider_id=provider,
        genai_request_timestamp=datetime.fromtimestamp(at / 1000, UTC),
        price_context=context,
    )
    return price.total_price * 1_000_000


@settings(max_examples=300, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    at=MOMENTS,
    used=st.tuples(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.integers(0, 20)),
    tier=st.sampled_from(["", "default", "standard", "priority", "flex", "fast"]),
    speed=st.sampled_from(["", "fast", "standard"]),
)
def test_any_response_costs_what_genai_prices_says(
    model: tuple[str, str], at: int, used: tuple[int, ...], tier: str, speed: str
) -> None:
    """To less than a microdollar, for every model, moment, band, tier and speed."""
    output, reasoning = max(used[4:6]), min(used[4:6])
    used = (*used[:4], output, reasoning, used[6])
    context = {k: v for k, v in (("service_tier", tier), ("speed", speed)) if v}
    try:
        expected = judged(*model, at, used, context)
    except LookupError:
        assume(False)
    period = catalogue().period(*model, tier, speed, at)
    assert period.from_at <= at < period.until_at
    if period.bands:
        assert abs(cost(period.bands, used) - expected) < 1
    else:
        assert expected == 0  # the list names the model and no price


@settings(max_examples=150, deadline=None)
@given(
    model=st.sampled_from(
        [("openai", "o3"), ("deepseek", "deepseek-chat"), ("anthropic", "claude-sonnet-4-6")]
    ),
    at=MOMENTS,
    later=st.integers(0, 3 * 86_400_000),
)
def test_a_period_holds_until_it_ends(model: tuple[str, str], at: int, later: int) -> None:
    """Rates found at one moment are right at every other moment of their period."""
    period = catalogue().period(*model, "", "", at)
    other = min(at + later, period.until_at - 1)
    used = (100, 2_000, 0, 0, 3_000, 0, 0)
    assert abs(cost(period.bands, used) - judged(*model, other, used, {})) < 1


@pytest.mark.parametrize(
    ("day", "dollars"), [("2025-06-09T23:59:59.999", 10), ("2025-06-10T00:00", 2)]
)
def test_prices_are_those_of_the_day(day: str, dollars: int) -> None:
    """o3 became cheaper on 10 June 2025, UTC."""
    bands = catalogue().period("openai", "o3", "", "", ms(day)).bands
    assert cost(bands, (1_000_000, 0, 0, 0, 0, 0, 0)) == dollars * 1_000_000


@pytest.mark.parametrize(("prompt", "microdollars"), [(200_000, 615_000), (200_001, 1_222_506)])
def test_long_prompts_cost_more_as_a_whole(prompt: int, microdollars: int) -> None:
    """Sonnet 4.5: one token above 200,000 puts the output into the higher band, too."""
    bands = catalogue().period("anthropic", "claude-sonnet-4-5", "", "", ms("2026-01-01")).bands
    assert cost(bands, (prompt, 0, 0, 0, 1_000, 0, 0)) == microdollars


@pytest.mark.parametrize(
    ("tier", "speed", "microdollars"),
    [
        ("", "", 30_000),
        ("standard", "standard", 30_000),
        ("", "fast", 60_000),
        ("batch", "", 15_000),
    ],
)
def test_speed_and_batches(tier: str, speed: str, microdollars: int) -> None:
    """Opus 4.8: fast costs twice, a batch half."""
    at = ms("2026-11-01")
    bands = catalogue().period("anthropic", "claude-opus-4-8", tier, speed, at).bands
    assert cost(bands, (1_000, 0, 0, 0, 1_000, 0, 0)) == microdollars


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "claude-sonnet-4-5-20250929[1m]"),
        ("anthropic", "claude-opus-4.5-thinking"),
        ("opencode", "claude-sonnet-4.6"),
        ("github-copilot", "claude-sonnet-4.5"),
        ("amazon-bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("google-vertex", "claude-sonnet-4-5@20250929"),
        ("openrouter", "anthropic/claude-sonnet-4.5"),
        ("zai-coding-plan", "glm-4.6"),
        ("openai", "gpt-5-codex"),
    ],
)
def test_spellings_of_agents_are_understood(provider: str, model: str) -> None:
    """These are names as agents write them, and all have a price."""
    assert catalogue().period(provider, model, "", "", ms("2026-11-01")).bands


def test_a_price_that_no_column_holds_is_none(tmp_path: Path) -> None:
    """A list with a slip of the pen leaves a model unpriced, and stops no import."""
    fetched = tmp_path / "prices.json"
    fetched.write_text(
        '[{"id": "acme", "name": "Acme", "api_pattern": "acme", "models": [{"id": "rocket",'
        ' "match": {"equals": "rocket"}, "prices": {"input_mtok": 1e9, "output_mtok": 1}}]}]'
    )
    assert Catalogue(fetched).period("acme", "rocket", "", "", 0).bands == ()


@pytest.mark.parametrize("model", ["codex-auto-review", "<synthetic>", "my-own-model", ""])
def test_an_unknown_model_has_no_rates(model: str) -> None:
    """None at all, at any time: a price is never guessed, and 0 is a price."""
    assert catalogue().period("openai", model, "", "", 0) == (0, FOREVER, ())


def test_a_fetched_list_is_read_from_its_file(tmp_path: Path) -> None:
    """Its prices are used, and nothing is set in the package for others who use it."""
    fetched = tmp_path / "prices.json"
    fetched.write_text(
        '[{"id": "acme", "name": "Acme", "api_pattern": "acme", "models": [{"id": "rocket",'
        ' "match": {"equals": "rocket"}, "prices": {"input_mtok": 4, "output_mtok": 8.5}},'
        ' {"id": "sled", "match": {"equals": "sled"}, "prices": {"cache_read_mtok": null}}]}]'
    )
    listed = Catalogue(fetched)
    assert listed.period("acme", "sled", "", "", 0).bands == ()  # named without a price
    bands = listed.period("acme", "rocket", "", "", 0).bands
    assert cost(bands, (1_000, 0, 0, 0, 1_000, 0, 0)) == 12_500
    with pytest.raises(LookupError):
        genai_prices.calc_price(genai_prices.Usage(input_tokens=1), "rocket", provider_id="acme")
