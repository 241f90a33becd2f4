"""Who says what a response cost, and when that is asked again."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from clankers import _paths
from clankers.models import Session
from clankers.usage import Pricer, PriceReport, price_usage, set_price
from clankers.usage._price_list import package_version
from usage.conftest import ms, used

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.models import Usage
    from clankers.store import Store

VERSION = f"genai-prices {package_version()}"
# 1,000 in at $3, 100 out at $15 a million.
SONNET = {"input_tokens": 1_000, "output_tokens": 100}
SONNET_COST = 4_500


def priced(store: Store, *records: Usage) -> dict[str, tuple[int | None, str | None]]:
    """Cost and its source of every response, after storing these and pricing."""
    store.upsert_many(records)
    price_usage(store)
    rows = store.connection.execute("SELECT id, cost, cost_source FROM usage ORDER BY id")
    return {str(name): (cost, source) for name, cost, source in rows}


class TestPrecedence:
    def test_genai_prices(self, store: Store) -> None:
        """Without any other word, the price list decides; the version says which."""
        assert priced(store, used("a", **SONNET)) == {"a": (SONNET_COST, "genai-prices")}
        assert store.connection.execute("SELECT price_version FROM usage").get == VERSION

    def test_what_the_agent_reported_wins(self, store: Store) -> None:
        """Above the list; a reported 0 says nothing, for subscriptions report it."""
        found = priced(
            store,
            used("a", cost_reported=77, **SONNET),
            used("b", cost_reported=0, **SONNET),
        )
        assert found == {"a": (77, "reported"), "b": (SONNET_COST, "genai-prices")}

    def test_the_users_price_wins(self, store: Store) -> None:
        """Above all; what the agent reported is kept beside it."""
        set_price(store, "claude-sonnet-4-5", input="1", output="2")
        assert priced(store, used("a", cost_reported=77, **SONNET)) == {"a": (1_200, "user")}
        assert store.connection.execute("SELECT cost_reported FROM usage").get == 77

    @pytest.mark.parametrize("model", ["my-own-model", "<synthetic>", None, ""])
    def test_an_unknown_model_costs_nothing_known(self, store: Store, model: str | None) -> None:
        """NULL, never 0; and it is not looked at again with the same prices."""
        assert priced(store, used("a", model=model, **SONNET)) == {"a": (None, None)}
        assert price_usage(store) == PriceReport(rows=0, changed=0, unpriced=0)

    def test_an_estimate_has_no_price(self, store: Store) -> None:
        """Nobody measured it; only what the agent said it cost is taken."""
        found = priced(
            store,
            used("a", estimated=True, **SONNET),
            used("b", estimated=True, cost_reported=5, **SONNET),
        )
        assert found == {"a": (None, None), "b": (5, "reported")}


class TestTime:
    def test_the_price_of_its_day(self, store: Store) -> None:
        """The same tokens cost what they cost then; without a time, what they cost last."""
        fields = {"provider": "openai", "model": "o3", "input_tokens": 1_000}
        found = priced(
            store,
            used("a", occurred_at=ms("2025-06-09T23:59"), **fields),
            used("b", occurred_at=ms("2025-06-10T00:00"), **fields),
            used("c", occurred_at=None, **fields),
            used("d", occurred_at=-(2**60), **fields),
            used("e", occurred_at=2**60, **fields),
        )
        assert [cost for cost, _source in found.values()] == [10_000, 2_000, 2_000, 10_000, 2_000]


class TestAgain:
    def test_priced_once(self, store: Store) -> None:
        """What has its price is not looked at."""
        priced(store, used("a", **SONNET), used("b", model="my-own-model"))
        assert price_usage(store) == (0, 0, 0)

    def test_other_prices_make_rows_stale(self, store: Store) -> None:
        """A row of another package version is priced again, whatever stands in it."""
        priced(store, used("a", **SONNET), used("b", **SONNET))
        store.connection.execute(
            "UPDATE usage SET cost = 1, price_version = 'genai-prices 0.0.1' WHERE id = 'a'"
        )
        assert price_usage(store) == PriceReport(rows=1, changed=1, unpriced=0)
        assert priced(store)["a"] == (SONNET_COST, "genai-prices")

    def test_an_equal_cost_is_only_stamped(self, store: Store) -> None:
        """A new list that says the same changes no cost."""
        priced(store, used("a", **SONNET))
        store.connection.execute("UPDATE usage SET price_version = 'genai-prices 0.0.1'")
        assert price_usage(store) == PriceReport(rows=1, changed=0, unpriced=0)
        assert store.connection.execute("SELECT price_version FROM usage").get == VERSION

    def test_a_better_reading_is_priced_anew(self, store: Store) -> None:
        """A response that grew is billed for what it became."""
        priced(store, used("a", **SONNET))
        assert priced(store, used("a", input_tokens=1_000, output_tokens=200)) == {
            "a": (6_000, "genai-prices")
        }

    def test_a_price_written_in_sql_is_noticed(self, store: Store) -> None:
        """The user's prices are a table, and SQL may write it."""
        priced(store, used("a", **SONNET), used("b", model="gpt-5.5", provider="openai"))
        store.connection.execute(
            "INSERT INTO prices VALUES ('', 'claude-sonnet-4-5-20250929', 0, 1000000, 0, 0, 0, 0)"
        )
        assert price_usage(store) == PriceReport(rows=1, changed=1, unpriced=0)
        assert priced(store)["a"] == (1_000, "user")

    def test_everything(self, store: Store) -> None:
        """All rows are looked at, each once, stale or not."""
        priced(store, used("a", **SONNET), used("b", **SONNET))
        store.connection.execute("UPDATE usage SET cost = 1")
        store.connection.execute("UPDATE usage SET price_version = 'old' WHERE id = 'b'")
        assert price_usage(store, everything=True) == PriceReport(rows=2, changed=2, unpriced=0)
        assert [cost for cost, _source in priced(store).values()] == [SONNET_COST, SONNET_COST]

    def test_rows_far_apart(self, store: Store) -> None:
        """An archive is priced stretch by stretch, and none is left out."""
        store.upsert_many([used(name, **SONNET) for name in "abcd"])
        store.connection.execute("UPDATE usage SET n = n * 19_999 - 19_998")
        assert price_usage(store) == PriceReport(rows=4, changed=4, unpriced=0)
        assert price_usage(store, everything=True) == PriceReport(rows=4, changed=0, unpriced=0)

    def test_sessions_follow(self, store: Store) -> None:
        """A session's cost is the sum of its responses, in dollars."""
        store.upsert(Session("s1", source="claude-code"))
        priced(store, used("a", **SONNET), used("b", **SONNET))
        assert store.session("s1").cost == 0.009
        set_price(store, "claude-sonnet-4-5", input=1, output=0)
        assert store.session("s1").cost == 0.002


class TestPricer:
    def test_before_they_are_stored(self, store: Store) -> None:
        """Records priced on their way in need no second writing."""
        records = [used("a", **SONNET), used("b", model="my-own-model")]
        with store.atomic():
            pricer = Pricer(store.connection)
            pricer.price(records)
            pricer.keep()
            store.write_usage(records)
        assert [(one.cost, one.cost_source) for one in records] == [
            (SONNET_COST, "genai-prices"),
            (None, None),
        ]
        assert price_usage(store) == (0, 0, 0)

    def test_what_was_asked_before_is_in_the_database(self, store: Store) -> None:
        """A second process prices known models, and unknown ones, without genai-prices."""
        priced(store, used("a", **SONNET), used("b", model="my-own-model"))
        store.upsert_many([used("c", **SONNET), used("d", model="my-own-model")])
        script = (
            "import sys; from clankers import Store; from clankers.usage import price_usage\n"
            "with Store.open(sys.argv[1]) as store: print(*price_usage(store))\n"
            "assert not {'genai_prices', 'importlib.metadata', 'requests'} & set(sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, store.path], capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == ("2 1 1\n", "")
        assert priced(store)["c"] == (SONNET_COST, "genai-prices")

    def test_rates_of_another_list_are_not_used(self, store: Store) -> None:
        """What an older package said of a model does not outlive it."""
        priced(store, used("a", **SONNET))
        store.connection.execute("UPDATE rates SET input_rate = 1, price_version = 'older'")
        store.connection.execute("UPDATE usage SET price_version = 'older'")
        assert priced(store)["a"] == (SONNET_COST, "genai-prices")

    def test_bands_are_remembered(self, store: Store) -> None:
        """A long prompt has its own rates also when they come from the database."""
        counts = {"a": 200_000, "b": 200_001}
        records = [used(name, input_tokens=count) for name, count in counts.items()]
        expected = {"a": (600_000, "genai-prices"), "b": (1_200_006, "genai-prices")}
        assert priced(store, *records) == expected
        store.connection.execute("UPDATE usage SET price_version = NULL, cost = NULL")
        assert priced(store) == expected

    def test_daily_changes_of_a_price(self, store: Store) -> None:
        """deepseek-chat was cheaper at night; each remembered period holds for its hours only."""
        fields = {"provider": "deepseek", "model": "deepseek-chat", "input_tokens": 1_000_000}
        day, night = ms("2025-03-01T12:00"), ms("2025-03-01T20:00")
        again = [used(f"{i}", occurred_at=at, **fields) for i, at in enumerate((day, night))]
        expected = {"0": (270_000, "genai-prices"), "1": (135_000, "genai-prices")}
        assert priced(store, *again) == expected
        store.connection.execute("UPDATE usage SET price_version = NULL, cost = NULL")
        assert priced(store) == expected


class TestPriceList:
    def test_the_version_is_found_without_the_metadata(self) -> None:
        """The name of the dist-info folder says what importlib.metadata says."""
        from importlib.metadata import version

        assert package_version() == version("genai-prices")

    def test_a_fetched_list_is_in_force(self, store: Store) -> None:
        """It makes rows stale, its prices count, and it ends when it is taken away."""
        priced(store, used("a", **SONNET))
        fetched = _paths.data_dir() / f"prices-{package_version()}.json"
        write_list(fetched)
        assert price_usage(store) == PriceReport(rows=1, changed=1, unpriced=0)
        assert priced(store)["a"] == (7_000, "genai-prices")
        version = str(store.connection.execute("SELECT price_version FROM usage").get)
        assert version.startswith(f"{VERSION} fetched ")
        fetched.unlink()
        assert priced(store)["a"] == (SONNET_COST, "genai-prices")

    def test_a_list_fetched_later_takes_over(self, store: Store) -> None:
        """A file of the same name with other prices makes rows stale again."""
        fetched = _paths.data_dir() / f"prices-{package_version()}.json"
        write_list(fetched)
        priced(store, used("a", **SONNET))
        fetched.write_text(fetched.read_text().replace("10", "20"))
        assert priced(store)["a"] == (8_000, "genai-prices")

    def test_a_list_fetched_by_an_older_package_is_not(self, store: Store) -> None:
        """A newer package has newer prices than what its forerunner fetched."""
        write_list(_paths.data_dir() / "prices-0.0.1.json")
        assert priced(store, used("a", **SONNET)) == {"a": (SONNET_COST, "genai-prices")}

    @pytest.mark.parametrize("length", [0, 1, 120])
    def test_a_damaged_list_is_not(self, store: Store, length: int) -> None:
        """A truncated file stops no pricing: the package's list is in force, and named."""
        fetched = _paths.data_dir() / f"prices-{package_version()}.json"
        write_list(fetched)
        fetched.write_bytes(fetched.read_bytes()[:length])
        assert priced(store, used("a", **SONNET)) == {"a": (SONNET_COST, "genai-prices")}
        assert store.connection.execute("SELECT price_version FROM usage").get == VERSION

    def test_a_list_that_says_something_else(self, store: Store) -> None:
        """Whole JSON that is no price list does not stop pricing either."""
        fetched = _paths.data_dir() / f"prices-{package_version()}.json"
        fetched.parent.mkdir(parents=True)
        fetched.write_text('[{"id": 3}]')
        assert priced(store, used("a", **SONNET)) == {"a": (SONNET_COST, "genai-prices")}

    def test_an_estimate_is_not_unpriced(self, store: Store) -> None:
        """Nobody can give it a price, so that nobody is told that one is missing."""
        store.upsert_many([used("a", estimated=True, **SONNET), used("b", model="mine")])
        assert price_usage(store) == PriceReport(rows=2, changed=0, unpriced=1)


def write_list(path: Path) -> None:
    """A price list in which Anthropic takes $6 in and $10 out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        '[{"id": "anthropic", "name": "A", "api_pattern": "a", "models": [{"id": "claude",'
        ' "match": {"contains": "claude"}, "prices": {"input_mtok": 6, "output_mtok": 10}}]}]'
    )
