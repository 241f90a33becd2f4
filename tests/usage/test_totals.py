"""Totals are sums over usage, each response once, in the days of the asker's clock."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clankers.errors import NewerSchemaError, NotADatabaseError, UsageError
from clankers.store import Store
from clankers.store._migrations import MIGRATIONS
from clankers.store._schema import SCHEMA_VERSION
from clankers.usage import (
    UnpricedModel,
    UsageTotal,
    price_usage,
    total_usage,
    unpriced_models,
    usage_blocks,
    usage_report,
)
from usage.conftest import ms, used

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.models import Usage

NO_TOKENS = (0, 0, 0, 0, 0, 0)


def keys(store: Store | Path, **options: Any) -> list[str]:
    options.setdefault("zone", UTC)
    return [total.key for total in total_usage(store, **options)]


class TestRow:
    def test_every_column(self, store: Store) -> None:
        """Fields in the order that JSON has them; cost in dollars, a session counted once."""
        store.upsert_many(
            [
                used(
                    "a",
                    input_tokens=1,
                    cache_read_tokens=20,
                    cache_write_5m_tokens=300,
                    cache_write_1h_tokens=4_000,
                    output_tokens=50_000,
                    reasoning_tokens=600,
                    cost=1_250_000,
                ),
                used("b", input_tokens=2, cost=1),
                used("c", session_id="s2", input_tokens=4),
            ]
        )
        (total,) = total_usage(store, zone=UTC)
        assert total == ("2026-11-02", 2, 3, 7, 20, 300, 4_000, 50_000, 600, 1.250001, 1)
        assert list(usage_report(store, zone=UTC).total._asdict()) == [
            "key",
            "sessions",
            "responses",
            "input_tokens",
            "cache_read_tokens",
            "cache_write_5m_tokens",
            "cache_write_1h_tokens",
            "output_tokens",
            "reasoning_tokens",
            "cost",
            "unpriced_responses",
        ]

    def test_unpriced_is_not_free(self, store: Store) -> None:
        """Cost is None only where nothing has a price; a price of 0 is one."""
        store.upsert_many([used("a", model="x"), used("b", model="y", cost=0)])
        found = {
            one.key: (one.cost, one.unpriced_responses) for one in total_usage(store, by="model")
        }
        assert found == {"x": (None, 1), "y": (0.0, 0)}

    def test_nothing(self, store: Store) -> None:
        """An empty archive has no rows, and a total of nothing that costs None."""
        report = usage_report(store, zone=UTC)
        assert report == ([], UsageTotal("total", 0, 0, *NO_TOKENS, None, 0), [])

    def test_claims_beyond_all_measure(self, store: Store) -> None:
        """What a broken transcript says spoils its own numbers and no report."""
        most = 2**63 - 1
        names = ("input_tokens", "cache_read_tokens", "output_tokens")
        store.upsert_many(used(name, **dict.fromkeys(names, most)) for name in "ab")
        price_usage(store)
        report = usage_report(store, zone=UTC)
        assert report.total.input_tokens == 2**64
        assert report.total.cost is None
        assert [one.tokens for one in report.unpriced] == [most]
        assert [block.tokens for block in usage_blocks(store)] == [most]


class TestEstimates:
    def test_an_estimate_gives_way_to_a_measurement(self, store: Store) -> None:
        """It counts in no total once its session has a measured response, on whatever day."""
        store.upsert_many(
            [
                used("guess", estimated=True, input_tokens=1_000, occurred_at=ms("2026-01-01")),
                used("real", input_tokens=1),
                used("other", session_id="s2", estimated=True, input_tokens=10),
            ]
        )
        report = usage_report(store, by="session", zone=UTC)
        assert [(row.key, row.responses, row.input_tokens) for row in report.rows] == [
            ("s2", 1, 10),
            ("s1", 1, 1),
        ]
        assert (report.total.sessions, report.total.responses) == (2, 2)
        assert keys(store) == ["2026-11-02"]
        assert keys(store, since=ms("2026-01-01"), until=ms("2026-01-02")) == []


class TestDays:
    @pytest.mark.parametrize(
        ("zone", "day"),
        [
            (UTC, "2026-11-02"),
            (ZoneInfo("Europe/Berlin"), "2026-11-02"),
            (ZoneInfo("Asia/Kathmandu"), "2026-11-03"),  # +05:45
            (ZoneInfo("Asia/Kolkata"), "2026-11-02"),  # +05:30
            (ZoneInfo("Pacific/Kiritimati"), "2026-11-03"),  # +14:00
            (timezone(timedelta(hours=-20)), "2026-11-01"),
        ],
    )
    def test_the_day_is_that_of_the_zone(self, store: Store, zone: Any, day: str) -> None:
        """18:20 UTC is past midnight at +05:45 and not at +05:30."""
        store.upsert(used("a", occurred_at=ms("2026-11-02T18:20")))
        assert keys(store, zone=zone) == [day]

    def test_days_when_clocks_change(self, store: Store) -> None:
        """In Berlin 29 March 2026 has 23 hours and 25 October has 25."""
        times = [
            "2026-03-28T22:59:59.999",
            "2026-03-28T23:00",
            "2026-03-29T21:59:59.999",
            "2026-03-29T22:00",
            "2026-10-24T22:00",
            "2026-10-25T22:59:59.999",
            "2026-10-25T23:00",
        ]
        store.upsert_many(used(str(i), occurred_at=ms(at)) for i, at in enumerate(times))
        found = total_usage(store, zone=ZoneInfo("Europe/Berlin"))
        assert [(total.key, total.responses) for total in found] == [
            ("2026-03-28", 1),
            ("2026-03-29", 2),
            ("2026-03-30", 1),
            ("2026-10-25", 2),
            ("2026-10-26", 1),
        ]

    def test_a_day_whose_midnight_is_skipped(self, store: Store) -> None:
        """In Beirut 29 March 2026 begins at 01:00, which is 22:00 UTC."""
        store.upsert_many(
            [
                used("a", occurred_at=ms("2026-03-28T21:59:59.999")),
                used("b", occurred_at=ms("2026-03-28T22:00")),
            ]
        )
        assert keys(store, zone=ZoneInfo("Asia/Beirut")) == ["2026-03-28", "2026-03-29"]

    def test_an_hour_that_comes_back_after_midnight(self, store: Store) -> None:
        """In St John's 29 October 2006 began, and a minute later it was the 28th again."""
        zone = ZoneInfo("America/St_Johns")
        times = ["2006-10-29T02:29", "2006-10-29T02:45", "2006-10-29T03:30"]
        store.upsert_many(used(str(i), occurred_at=ms(at)) for i, at in enumerate(times))
        found = total_usage(store, zone=zone)
        assert [(total.key, total.responses) for total in found] == [
            ("2006-10-28", 1),
            ("2006-10-29", 2),
        ]

    def test_weeks_and_months(self, store: Store) -> None:
        """Weeks are ISO's, which begin on Monday and may belong to the year beside."""
        days = ["2026-12-27", "2026-12-28", "2027-01-03", "2027-01-04", "2027-01-31"]
        store.upsert_many(used(day, occurred_at=ms(day)) for day in days)
        weeks = total_usage(store, by="week", zone=UTC)
        assert [(week.key, week.responses) for week in weeks] == [
            ("2026-W52", 1),
            ("2026-W53", 2),
            ("2027-W01", 1),
            ("2027-W04", 1),
        ]
        assert keys(store, by="month") == ["2026-12", "2027-01"]

    def test_what_has_no_day(self, store: Store) -> None:
        """No time, or one beyond the calendar, is "unknown" and last; a range leaves it out."""
        times = [None, 2**62, -(2**62), ms("2026-11-02")]
        store.upsert_many(used(str(at), occurred_at=at) for at in times)
        found = [(total.key, total.responses) for total in total_usage(store, zone=UTC)]
        assert found == [("2026-11-02", 1), ("unknown", 3)]
        assert usage_report(store, by="month", zone=UTC).total.responses == 4
        assert keys(store, since=0, until=ms("2030-01-01")) == ["2026-11-02"]
        assert keys(store, since=0) == ["2026-11-02", "unknown"]

    def test_the_last_day(self, store: Store) -> None:
        """What is named by the calendar is not "unknown" too, nor the other way round."""
        last = 253_000_000_000_000
        store.upsert_many([used("a", occurred_at=last - 1), used("b", occurred_at=last)])
        found = [(total.key, total.responses) for total in total_usage(store, zone=UTC)]
        assert found == [("9987-04-02", 1), ("unknown", 1)]

    def test_since_is_inclusive_until_exclusive(self, store: Store) -> None:
        """Also in the middle of a day, whose row then has what is inside."""
        times = ["2026-11-02T10:00", "2026-11-02T12:00", "2026-11-02T14:00"]
        store.upsert_many(
            used(str(i), occurred_at=ms(at), input_tokens=10**i) for i, at in enumerate(times)
        )
        report = usage_report(store, since=ms(times[1]), until=ms(times[2]), zone=UTC)
        assert [total.input_tokens for total in report.rows] == [10]
        assert (report.total.input_tokens, report.total.sessions) == (10, 1)

    def test_the_system_zone_is_the_default(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As everywhere else, without a zone it is this machine's."""
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        store.upsert(used("a", occurred_at=ms("2026-11-02T15:00")))
        assert [total.key for total in total_usage(store)] == ["2026-11-03"]


ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    minutes=st.lists(st.integers(0, 500 * 24 * 4), max_size=40),
    name=st.sampled_from(ZONES),
    by=st.sampled_from([("day", "%Y-%m-%d"), ("week", "%G-W%V"), ("month", "%Y-%m")]),
)
def test_rows_fall_where_a_calendar_says(
    store: Store, minutes: list[int], name: str, by: tuple[Any, str]
) -> None:
    """Any quarter of an hour, in zones with odd offsets and odd changes of clocks."""
    zone = ZoneInfo(name)
    times = [ms("2025-12-01") + quarter * 900_000 for quarter in minutes]
    store.connection.execute("DELETE FROM usage")
    store.upsert_many(used(str(i), occurred_at=at) for i, at in enumerate(times))
    expected: dict[str, int] = {}
    for at in sorted(times):
        key = datetime.fromtimestamp(at / 1000, zone).strftime(by[1])
        expected[key] = expected.get(key, 0) + 1
    found = {total.key: total.responses for total in total_usage(store, by=by[0], zone=zone)}
    assert found == expected


class TestDimensions:
    @pytest.mark.parametrize(
        ("by", "expected"),
        [
            ("model", [("gpt-5.5", 2), ("claude", 1), ("unknown", 1)]),
            ("project", [("/home/me/b", 2), ("/home/me/a", 1), ("unknown", 1)]),
            ("source", [("codex", 2), ("claude-code", 1), ("unknown", 1)]),
            ("session", [("s2", 2), ("s1", 1), ("s3", 1)]),
            ("branch", [("main", 3), ("unknown", 1)]),
            ("device", [("d2", 2), ("d1", 1), ("d3", 1)]),
        ],
    )
    def test_by(self, store: Store, by: Any, expected: list[tuple[str, int]]) -> None:
        """The costliest first; what nobody said is "unknown"."""
        store.upsert_many(mixed())
        found = [(total.key, total.responses) for total in total_usage(store, by=by)]
        assert found == expected

    def test_equal_costs_go_by_tokens(self, store: Store) -> None:
        """Unpriced ones too, then by name."""
        store.upsert_many(
            [used("a", model="x"), used("b", model="y", output_tokens=5), used("c", model="w")]
        )
        assert keys(store, by="model") == ["y", "w", "x"]

    def test_there_is_no_such_dimension(self, store: Store) -> None:
        """The hint names those there are."""
        with pytest.raises(UsageError, match="'hour'") as caught:
            total_usage(store, by="hour")  # type: ignore[arg-type]
        assert "day, week, month, model, project" in caught.value.hint

    def test_the_total_is_that_of_the_rows(self, store: Store) -> None:
        """Whatever they are by; a session in two rows counts once."""
        store.upsert_many([*mixed(), used("e", session_id="s1", model="other", cost=1)])
        reports = [usage_report(store, by=by, zone=UTC).total for by in ("day", "model", "source")]
        assert reports == [("total", 3, 5, 3, 0, 0, 0, 0, 0, 7.000001, 1)] * 3


class TestFilters:
    @pytest.mark.parametrize(
        ("options", "responses"),
        [
            ({"source": "codex"}, 2),
            ({"source": "nobody"}, 0),
            ({"project": "/home/me/b"}, 2),
            ({"project": "b"}, 2),
            ({"project": "me/b"}, 2),
            ({"project": "home"}, 0),
            ({"project": "e/b"}, 0),
            ({"project": "b", "source": "claude-code"}, 0),
        ],
    )
    def test_filters(self, store: Store, options: dict[str, str], responses: int) -> None:
        """An agent by its name, a project by its path or the end of it."""
        store.upsert_many(mixed())
        for by in ("day", "model"):
            report = usage_report(store, by=by, zone=UTC, **options)  # type: ignore[arg-type]
            assert report.total.responses == responses
            assert sum(row.responses for row in report.rows) == responses


class TestUnpriced:
    def test_models_without_a_price(self, store: Store) -> None:
        """By tokens; the estimate that counts nowhere is missing nowhere."""
        store.upsert_many(
            [
                used("a", model="x", provider="acme", input_tokens=5, cache_read_tokens=6),
                used("b", model="x", provider="acme", output_tokens=7),
                used("c", model=None, provider=None, input_tokens=99),
                used("d", model="priced", cost=0),
                used("e", model="guess", estimated=True),
            ]
        )
        expected = [UnpricedModel("", "", 1, 99), UnpricedModel("acme", "x", 2, 18)]
        assert unpriced_models(store) == expected
        assert usage_report(store, zone=UTC).unpriced == expected

    def test_an_estimate_needs_no_price(self, store: Store) -> None:
        """It counts as a response without a cost, but a price for its model would not help."""
        store.upsert_many([used("a", model="x"), used("b", session_id="s2", estimated=True)])
        report = usage_report(store, zone=UTC)
        assert report.total.unpriced_responses == 2
        assert report.unpriced == unpriced_models(store) == [UnpricedModel("anthropic", "x", 1, 0)]


class TestPaths:
    def test_a_path_will_do(self, store: Store) -> None:
        """A report opens the database for itself, and sees what was committed."""
        store.upsert(used("a", model="x"))
        assert keys(store.path, by="model") == ["x"]
        assert unpriced_models(str(store.path)) == [UnpricedModel("anthropic", "x", 1, 0)]

    def test_a_database_that_is_not_ours(self, tmp_path: Path) -> None:
        """One without our tables is named for what it is, with what to do."""
        path = tmp_path / "music.db"
        apsw.Connection(str(path)).execute("CREATE TABLE songs(title)")
        with pytest.raises(NotADatabaseError, match="another program") as caught:
            total_usage(path)
        assert "--db" in caught.value.hint

    def test_a_newer_schema(self, tmp_path: Path) -> None:
        """A newer program may count otherwise: no total is made of what it wrote."""
        path = tmp_path / "newer.db"
        Store.open(path).close()
        newer = "INSERT INTO schema_migrations VALUES (1000, 0, '', '')"
        with closing(apsw.Connection(str(path))) as connection:
            connection.execute(newer)
        with pytest.raises(NewerSchemaError, match="has schema 1000"):
            total_usage(path)

    def test_the_schema_is_that_of_the_last_migration(self) -> None:
        """Reports compare with a constant, so as not to load the migrations."""
        assert MIGRATIONS[-1].version == SCHEMA_VERSION

    def test_inside_a_transaction(self, store: Store) -> None:
        """A store's own uncommitted rows are counted."""
        with store.atomic():
            store.upsert(used("a", model="x"))
            assert keys(store, by="model") == ["x"]


def mixed() -> list[Usage]:
    codex: dict[str, Any] = {
        "session_id": "s2",
        "source": "codex",
        "model": "gpt-5.5",
        "project_path": "/home/me/b",
        "git_branch": "main",
        "origin_device": "d2",
        "cost": 2_000_000,
    }
    return [
        used(
            "a",
            model="claude",
            input_tokens=1,
            project_path="/home/me/a",
            git_branch="main",
            origin_device="d1",
            cost=3_000_000,
        ),
        used("b", input_tokens=1, **codex),
        used("c", input_tokens=1, **codex),
        used("d", session_id="s3", source=None, model="", git_branch="", origin_device="d3"),
    ]
