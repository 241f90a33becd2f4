"""The user's own prices."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from clankers.errors import UsageError
from clankers.usage import UserPrice, list_prices, price_usage, set_price, unset_price
from usage.conftest import ms, used

if TYPE_CHECKING:
    from clankers.store import Store

MILLION = 1_000_000


def costs(store: Store) -> list[int | None]:
    rows = store.connection.execute("SELECT cost FROM usage ORDER BY id")
    return [cost for (cost,) in rows]


class TestSet:
    def test_what_is_given_is_kept_exactly(self, store: Store) -> None:
        """Decimals, floats and text are taken at their written value."""
        set_price(
            store,
            "mine",
            input=Decimal("0.1"),
            output=0.3,
            cache_read="0.000001",
            cache_write_5m="$2.50",
            cache_write_1h=4,
        )
        assert list_prices(store) == [UserPrice("", "mine", 0, 0.1, 0.000001, 2.5, 4.0, 0.3)]

    def test_cache_prices_follow_the_input(self, store: Store) -> None:
        """A tenth for reads, 1.25 times for five minutes, twice for an hour."""
        set_price(store, "mine", input=4, output=10)
        assert list_prices(store) == [UserPrice("", "mine", 0, 4.0, 0.4, 5.0, 8.0, 10.0)]

    def test_every_kind_of_token_counts(self, store: Store) -> None:
        """At 4, 0.40, 5, 8 and 10 dollars a million; reasoning is inside the output."""
        counts: dict[str, Any] = {
            "input_tokens": MILLION,
            "cache_read_tokens": MILLION,
            "cache_write_5m_tokens": MILLION,
            "cache_write_1h_tokens": MILLION,
            "output_tokens": MILLION,
            "reasoning_tokens": 400_000,
        }
        store.upsert(used("a", model="mine", **counts))
        set_price(store, "mine", input=4, output=10)
        assert costs(store) == [27_400_000]

    def test_a_price_of_nothing_is_a_price(self, store: Store) -> None:
        """A model of one's own may well be free."""
        store.upsert(used("a", model="mine", input_tokens=5))
        set_price(store, "mine", input=0, output=0)
        assert costs(store) == [0]

    def test_setting_it_again_replaces_it(self, store: Store) -> None:
        """There is one price for a model, provider and time."""
        set_price(store, "mine", input=4, output=10)
        set_price(store, "mine", input=5, output=10)
        assert [price.input for price in list_prices(store)] == [5.0]

    def test_only_that_model_is_priced_anew(self, store: Store) -> None:
        """Of three responses one is looked at."""
        store.upsert_many([used("a", model="mine"), used("b"), used("c", model="other")])
        price_usage(store)
        assert set_price(store, "mine", input=4, output=10).rows == 1

    @pytest.mark.parametrize(
        "price", ["-1", "nan", "inf", "", "three", "1e9", "0.0000001", float("nan"), -0.5]
    )
    def test_what_is_no_price(self, store: Store, price: str | float) -> None:
        """The error names the value; nothing is stored."""
        with pytest.raises(UsageError, match=f"{price}" if price else "''"):
            set_price(store, "mine", input=3, output=price)
        assert list_prices(store) == []

    def test_a_nameless_model(self, store: Store) -> None:
        """It would cover nothing."""
        with pytest.raises(UsageError, match="name of a model"):
            set_price(store, " ", input=3, output=3)


class TestWhichHolds:
    @pytest.mark.parametrize(
        "model", ["Mine-1", "mine-1-20260101", "mine-1[1m]", "mine-1-thinking", "MINE-1"]
    )
    def test_names_it_covers(self, store: Store, model: str) -> None:
        """Case, date, -thinking and context mark make no other model."""
        store.upsert(used("a", model=model, input_tokens=MILLION))
        set_price(store, "mine-1", input=3, output=3)
        assert costs(store) == [3 * MILLION]

    @pytest.mark.parametrize("model", ["mine-10", "mine", "xmine-1"])
    def test_names_it_does_not(self, store: Store, model: str) -> None:
        """A similar name is another model."""
        store.upsert(used("a", model=model, input_tokens=MILLION))
        set_price(store, "mine-1", input=3, output=3)
        assert costs(store) == [None]

    def test_the_exact_name_wins(self, store: Store) -> None:
        """A price for one dated release stands above that for the model."""
        store.upsert(used("a", model="mine-20260101", input_tokens=MILLION))
        set_price(store, "mine-20260101", input=1, output=1)
        set_price(store, "mine", input=2, output=2)
        assert costs(store) == [MILLION]

    def test_the_exact_name_wins_over_the_provider(self, store: Store) -> None:
        """First it is the right model, then the right provider."""
        store.upsert(used("a", model="mine-20260101", input_tokens=MILLION))
        set_price(store, "mine", input=2, output=2, provider="anthropic")
        set_price(store, "mine-20260101", input=1, output=1)
        assert costs(store) == [MILLION]

    def test_the_provider_wins(self, store: Store) -> None:
        """A price for its provider above one for any, even if that is newer."""
        at = ms("2026-01-01")
        set_price(store, "mine", input=1, output=1, provider="acme")
        set_price(store, "mine", input=2, output=2, since=at)
        store.upsert_many(
            used(provider, model="mine", provider=provider, input_tokens=MILLION, occurred_at=at)
            for provider in ("acme", "other")
        )
        price_usage(store)
        assert costs(store) == [1 * MILLION, 2 * MILLION]

    def test_the_newest_of_its_time(self, store: Store) -> None:
        """Each price holds from its moment on; before the first there is none of one's own."""
        for day, price in (("2026-01-01", 1), ("2026-02-01", 2)):
            set_price(store, "mine", input=price, output=price, since=ms(day))
        times = ("2025-12-31T23:59:59.999", "2026-01-01", "2026-01-31T23:59", "2026-02-01", None)
        store.upsert_many(
            used(str(i), model="mine", input_tokens=MILLION, occurred_at=at and ms(at))
            for i, at in enumerate(times)
        )
        price_usage(store)
        assert costs(store) == [None, MILLION, MILLION, 2 * MILLION, 2 * MILLION]


class TestUnset:
    def test_what_others_say_counts_again(self, store: Store) -> None:
        """As if it had never been set."""
        store.upsert(used("a", input_tokens=1_000))
        set_price(store, "claude-sonnet-4-5-20250929", input=1, output=1)
        assert unset_price(store, "Claude-Sonnet-4-5-20250929").changed == 1
        assert costs(store) == [3_000]
        assert list_prices(store) == []

    def test_only_what_was_named(self, store: Store) -> None:
        """A provider or a time restricts it; without either all of the model go."""
        set_price(store, "mine", input=1, output=1)
        set_price(store, "mine", input=1, output=1, provider="acme")
        set_price(store, "mine", input=1, output=1, provider="acme", since=5)
        unset_price(store, "mine", provider="acme", since=5)
        assert [(one.provider, one.from_at) for one in list_prices(store)] == [("", 0), ("acme", 0)]
        unset_price(store, "mine")
        assert list_prices(store) == []

    def test_what_is_not_there(self, store: Store) -> None:
        """The error names the model and where to look."""
        with pytest.raises(UsageError, match="'mine'") as caught:
            unset_price(store, "mine")
        assert "prices list" in caught.value.hint
