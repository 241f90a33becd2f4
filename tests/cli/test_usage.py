"""`clankers-cli usage` and `clankers-cli prices`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from clankers import _paths
from clankers.models import Usage
from clankers.store import Store
from clankers.usage import price_usage

if TYPE_CHECKING:
    from cli.conftest import Cli

DAY = 86_400_000
# 2026-11-02T10:30 UTC
MORNING = 1_793_615_400_000


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLANKERS_TIMEZONE", "UTC")


def archive(*records: Usage) -> None:
    """Stores and prices these in the database of this test's home."""
    with Store.open() as store:
        store.upsert_many(records)
        price_usage(store)


def used(name: str, **fields: Any) -> Usage:
    given: dict[str, Any] = {
        "session_id": "s1",
        "source": "claude-code",
        "provider": "anthropic",
        "model": "claude-sonnet-4-5",
        "occurred_at": MORNING,
        **fields,
    }
    return Usage(name, **given)


def three_days() -> None:
    """1,234,567 tokens read on the first day, an unknown model on the third."""
    archive(
        used("a", input_tokens=1_000, cache_read_tokens=1_234_567, output_tokens=20),
        used("b", occurred_at=MORNING + DAY, cache_write_5m_tokens=400, cache_write_1h_tokens=35),
        used("c", occurred_at=MORNING + 2 * DAY, session_id="s2", model="mine", input_tokens=7),
        used("d", occurred_at=MORNING + 2 * DAY, session_id="s2", input_tokens=1_000_000),
    )


class TestTable:
    def test_by_day(self, cli: Cli) -> None:
        """Numbers stand right with their thousands, unknown costs are told and not added."""
        three_days()
        found = cli("usage")
        assert (found.code, found.err) == (0, "")
        assert (
            found.out
            == """\
day         sessions  responses      input  cache read  cache write  output    cost
----------  --------  ---------  ---------  ----------  -----------  ------  -------
2026-11-02         1          1      1,000   1,234,567            0      20   $0.75
2026-11-03         1          1          0           0          435       0  <$0.01
2026-11-04         1          2  1,000,007           0            0       0   $6.00*
----------  --------  ---------  ---------  ----------  -----------  ------  -------
total              2          4  1,001,007   1,234,567          435      20   $6.75*

no price for 1 response of mine (anthropic)
set one with: clankers-cli prices set mine --input DOLLARS --output DOLLARS (per million tokens)
"""
        )

    def test_by_model(self, cli: Cli) -> None:
        """A model without a price has no cost, and never $0."""
        three_days()
        lines = cli("usage", "--by", "model").out.splitlines()
        assert [(line.split()[0], line.split()[-1]) for line in lines[2:4]] == [
            ("claude-sonnet-4-5", "$6.75"),
            ("mine", "unpriced"),
        ]

    def test_since_until_and_filters(self, cli: Cli) -> None:
        """Since is inclusive, until exclusive; both are dates of the configured zone."""
        three_days()
        argv = ["--since", "2026-11-03", "--until", "2026-11-04", "--json"]
        assert [row["key"] for row in json.loads(cli("usage", *argv).out)] == ["2026-11-03"]
        argv = ["--since", "2026-11-05"]
        assert cli("usage", *argv) == (0, "no usage matches\n", "")
        assert cli("usage", "--source", "codex") == (0, "no usage matches\n", "")

    def test_the_zone_is_the_configured_one(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """10:30 UTC is the next day in Kiritimati."""
        archive(used("a"))
        monkeypatch.setenv("CLANKERS_TIMEZONE", "Pacific/Kiritimati")
        (row,) = json.loads(cli("usage", "--json").out)
        assert row["key"] == "2026-11-03"

    def test_text_from_the_archive_is_not_obeyed(self, cli: Cli) -> None:
        """A clipboard escape, a title change and U+202E in names are shown, not sent."""
        evil = "x\x1b]52;c;aGk=\x07\x1b]0;t\x07\u202etxt"
        archive(used("a", model=evil, project_path=evil))
        for argv in (["usage", "--by", "model"], ["usage", "--by", "project"], ["prices", "list"]):
            out = cli(*argv).out
            assert "x" in out
            assert not {"\x1b", "\x07", "\u202e"} & set(out)

    def test_nothing_imported(self, cli: Cli) -> None:
        """An empty archive, and none at all, say what to run."""
        missing = cli("usage")
        assert missing.code == 1
        assert "clankers-cli import" in missing.err
        archive()
        found = cli("usage")
        assert (found.code, found.err) == (0, "")
        assert "clankers-cli import" in found.out


class TestJson:
    def test_rows(self, cli: Cli) -> None:
        """An array of rows with these keys; cost is dollars, and null where nothing is priced."""
        three_days()
        rows = json.loads(cli("usage", "--by", "model", "--json").out)
        assert rows[1] == {
            "key": "mine",
            "sessions": 1,
            "responses": 1,
            "input_tokens": 7,
            "cache_read_tokens": 0,
            "cache_write_5m_tokens": 0,
            "cache_write_1h_tokens": 0,
            "output_tokens": 0,
            "reasoning_tokens": 0,
            "cost": None,
            "unpriced_responses": 1,
        }
        # Both long prompts at the higher rates: 1,000 x 6 + 1,234,567 x 0.60 + 20 x 22.50
        # and 1,000,000 x 6; the short one 400 x 3.75 + 35 x 6 microdollars.
        assert rows[0]["cost"] == 0.747190 + 6 + 0.001710

    def test_an_empty_array(self, cli: Cli) -> None:
        """A script gets a list in any case."""
        archive()
        assert json.loads(cli("usage", "--json").out) == []
        assert json.loads(cli("usage", "blocks", "--json").out) == []


class TestBlocks:
    def test_table(self, cli: Cli) -> None:
        """Windows in local time with their models."""
        three_days()
        lines = cli("usage", "blocks", "--since", "2026-11-04").out.splitlines()
        assert lines[0].split() == ["start", "end", "responses", "tokens", "cost", "models"]
        assert lines[2].split() == [
            *("2026-11-04", "10:00", "2026-11-04", "15:00"),
            *("2", "1,000,007", "$6.00*", "claude-sonnet-4-5,", "mine"),
        ]

    def test_json(self, cli: Cli) -> None:
        """Times are epoch milliseconds, as everywhere in JSON."""
        archive(used("a", source="codex", input_tokens=1_000))
        assert json.loads(cli("usage", "blocks", "--json").out) == []
        (block,) = json.loads(cli("usage", "blocks", "--source", "all", "--json").out)
        assert block == {
            "start": MORNING - 30 * 60_000,
            "end": MORNING + 270 * 60_000,
            "is_active": False,
            "responses": 1,
            "tokens": 1_000,
            "cost": 0.003,
            "unpriced_responses": 0,
            "models": ["claude-sonnet-4-5"],
        }


class TestStart:
    def test_reports_load_little(self) -> None:
        """No records, no price list, no tabulate: a report answers at once."""
        three_days()
        script = (
            "import sys; from clankers_cli.__main__ import main; main(['usage'])\n"
            "slow = {'clankers.store._migrations', 'attr', 'attrs', 'cattrs', 'genai_prices', 'msgspec', 'requests', 'tabulate'}\n"
            "assert not slow & set(sys.modules), slow & set(sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


class TestPrices:
    def test_set_list_unset(self, cli: Cli) -> None:
        """A price counts at once, is listed with what it was derived to, and is taken back."""
        three_days()
        found = cli("prices", "set", "mine", "--input", "1000000", "--output", "4.5")
        assert found.out == "1 response looked at, the cost of 1 changed\n"
        (price,) = json.loads(cli("prices", "list", "--json").out)
        assert price == {
            "provider": "",
            "model": "mine",
            "from_at": 0,
            "input": 1_000_000.0,
            "cache_read": 100_000.0,
            "cache_write_5m": 1_250_000.0,
            "cache_write_1h": 2_000_000.0,
            "output": 4.5,
        }
        assert "$4.50" in cli("prices", "list").out
        rows = json.loads(cli("usage", "--by", "model", "--json").out)
        assert (rows[0]["key"], rows[0]["cost"]) == ("mine", 7.0)
        assert cli("prices", "unset", "mine").out.startswith("1 response looked at")
        assert json.loads(cli("prices", "list", "--json").out) == []
        assert "mine" in cli("prices", "list").out  # among those without a price

    def test_a_price_from_a_day_on(self, cli: Cli) -> None:
        """The day begins in the configured zone."""
        three_days()
        argv = ["--input", "1", "--output", "1", "--since", "2026-11-05", "--json"]
        assert json.loads(cli("prices", "set", "mine", *argv).out) == {
            "rows": 1,
            "changed": 0,
            "unpriced": 1,
        }
        assert "2026-11-05 00:00" in cli("prices", "list").out

    def test_a_model_nobody_used(self, cli: Cli) -> None:
        """It may be used tomorrow; a misspelt name is noticed."""
        three_days()
        argv = ["prices", "set", "nine", "--input", "1", "--output", "1"]
        assert cli(*argv).out.startswith("no response of nine yet")

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            (["set", "mine", "--input", "x", "--output", "1"], "'x' is not a price"),
            (["unset", "mine"], "you have set no such price for 'mine'"),
        ],
    )
    def test_mistakes(self, cli: Cli, argv: list[str], message: str) -> None:
        """One line and a hint, exit code 1."""
        archive()
        found = cli("prices", *argv)
        assert (found.code, found.out) == (1, "")
        assert message in found.err
        assert "hint: " in found.err

    def test_update_from_nowhere(self, cli: Cli) -> None:
        """Without a network everything stays as it is."""
        archive()
        found = cli("prices", "update", "--url", "http://127.0.0.1:9/prices.json")
        assert (found.code, found.out) == (1, "")
        assert "prices could not be fetched from http://127.0.0.1:9/prices.json" in found.err
        assert not list(_paths.data_dir().glob("prices-*"))


def test_options_before_blocks_hold(cli: Cli) -> None:
    """What stands before the word `blocks` counts as if it stood behind it."""
    cli("import", "--sample")
    before = cli("usage", "--source", "codex", "--until", "2027-01-01", "blocks")
    after = cli("usage", "blocks", "--source", "codex", "--until", "2027-01-01")

    assert before == after
    assert "gpt-5-codex" in before.out
    assert cli("usage", "--project", "x", "blocks").code == 1


@pytest.mark.parametrize("option", ["--since", "--until"])
def test_an_empty_time_is_no_time(cli: Cli, option: str) -> None:
    """An empty shell variable is a mistake, not the beginning of time."""
    done = cli("usage", option, "")

    assert done.code == 1
    assert "'' is not a time" in done.err
