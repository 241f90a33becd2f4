"""Times as people write and read them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clankers.errors import ConfigError, UsageError
from clankers.times import parse_when, short_time, zone

# 2026-11-23T10:04:05.678Z
NOW = 1_795_428_245_678
HOUR = 3_600_000
DAY = 24 * HOUR


class TestParseWhen:
    @pytest.mark.parametrize(
        ("text", "milliseconds"),
        [
            ("1970-01-01", 0),
            ("2026-01-31", 1_769_817_600_000),
            (" 2026-01-31 ", 1_769_817_600_000),
            ("2026-01-31T10:00", 1_769_853_600_000),
            ("2026-01-31 10:00", 1_769_853_600_000),
            ("2026-01-31T10:00:01", 1_769_853_601_000),
            ("2026-01-31T10:00:01.5", 1_769_853_601_500),
            ("2026-01-31T10:00:01.999999", 1_769_853_601_999),
            ("2026-01-31t10:00z", 1_769_853_600_000),
            ("2026-01-31T10:00+02:00", 1_769_846_400_000),
            ("2026-01-31T10:00-0930", 1_769_887_800_000),
            ("1969-12-31T23:59:59.999Z", -1),
        ],
    )
    def test_iso_dates_and_times(self, text: str, milliseconds: int) -> None:
        """A date is its first moment; a time may say its own offset."""
        assert parse_when(text, zone=UTC) == milliseconds

    @pytest.mark.parametrize(
        ("name", "text", "utc"),
        [
            ("Europe/Berlin", "2026-01-31", "2026-01-30T23:00Z"),
            ("Europe/Berlin", "2026-07-31", "2026-07-30T22:00Z"),
            ("Europe/Berlin", "2026-01-31T10:00Z", "2026-01-31T10:00Z"),
            ("Asia/Kathmandu", "2026-01-31T00:00", "2026-01-30T18:15Z"),
            # The clocks are put forward: at midnight, so that there is none, and at two.
            ("America/Santiago", "2026-09-06", "2026-09-06T04:00Z"),
            ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00Z"),
            ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:30Z"),
            # They are put back: midnight comes twice, half past two comes twice.
            ("America/Havana", "2026-11-01", "2026-11-01T04:00Z"),
            ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30Z"),
            # The island that left out a whole day.
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00Z"),
        ],
    )
    def test_dates_are_in_the_zone(self, name: str, text: str, utc: str) -> None:
        """Also on the days on which the clocks change."""
        expected = datetime.fromisoformat(utc).timestamp() * 1000
        assert parse_when(text, zone=ZoneInfo(name)) == expected

    @pytest.mark.parametrize(
        ("text", "utc"),
        [
            ("0d", "2026-11-23T10:04:05.678Z"),
            ("30min", "2026-11-23T09:34:05.678Z"),
            ("30MIN", "2026-11-23T09:34:05.678Z"),
            ("36h", "2026-11-21T22:04:05.678Z"),
            ("7d", "2026-11-16T10:04:05.678Z"),
            ("2W", "2026-11-09T10:04:05.678Z"),
            ("1m", "2026-10-23T10:04:05.678Z"),
            ("11m", "2025-12-23T10:04:05.678Z"),
            ("12m", "2025-11-23T10:04:05.678Z"),
            ("24m", "2024-11-23T10:04:05.678Z"),
        ],
    )
    def test_ago(self, text: str, utc: str) -> None:
        """Minutes, hours, days, weeks and calendar months before now, to the millisecond."""
        assert short_ms(parse_when(text, zone=UTC, now=NOW)) == utc

    @pytest.mark.parametrize(
        ("now", "text", "utc"),
        [
            ("2026-03-31T12:00+02:00", "1m", "2026-02-28T11:00Z"),
            ("2024-03-31T12:00+02:00", "1m", "2024-02-29T11:00Z"),
            ("2026-03-29T12:00+02:00", "1d", "2026-03-28T11:00Z"),
            ("2026-03-29T12:00+02:00", "24h", "2026-03-28T10:00Z"),
            ("2026-10-25T12:00+01:00", "1d", "2026-10-24T10:00Z"),
            ("2026-10-25T02:30+01:00", "0d", "2026-10-25T01:30Z"),
            ("2026-03-30T02:30+02:00", "1d", "2026-03-29T01:30Z"),
        ],
    )
    def test_a_day_is_a_day_of_the_calendar(self, now: str, text: str, utc: str) -> None:
        """The same time of day in the zone, also over a change of the clocks; hours are hours."""
        then = parse_when(text, zone=ZoneInfo("Europe/Berlin"), now=parse_when(now, zone=UTC))
        assert then == datetime.fromisoformat(utc).timestamp() * 1000

    def test_ago_is_before_the_clock(self) -> None:
        """Without `now` it is the machine's."""
        before = time.time_ns() // 1_000_000
        found = parse_when("1h", zone=UTC)
        assert before - HOUR <= found <= time.time_ns() // 1_000_000 - HOUR

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "yesterday",
            "7",
            "d",
            "-7d",
            "1.5d",
            "7 d",
            "7y",
            "\u0667d",
            "2026",
            "2026-01",
            "30m\u0131n",
            "2026-1-31",
            "2026-02-30",
            "2026-13-01",
            "20260131",
            "1769853600",
            "1769853600000",
            "2026-01-31T",
            "2026-01-31T10",
            "2026-01-31T25:00",
            "2026-01-31T10:00+24:00",
            "2026-01-31Z",
            "2026-01-31\n2026-02-01",
            "9999999d",
            "9999999m",
            "9999999w",
            "99999999999999999999d",
        ],
    )
    def test_anything_else_is_an_error(self, text: str) -> None:
        """It names what was given and lists the forms."""
        with pytest.raises(UsageError) as raised:
            parse_when(text, zone=ZoneInfo("Europe/Berlin"), now=NOW)
        assert str(raised.value) == f"{text!r} is not a time"
        assert raised.value.hint == (
            "use a date (2026-01-31), a time (2026-01-31T10:00, with Z or an offset if not"
            " in your zone), or how long ago: 30min, 36h, 7d, 2w, 3m (months)"
        )


def short_ms(milliseconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


zones = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ]
).map(zone)
moments = st.integers(0, 4_000_000_000_000)


class TestRoundTrips:
    @given(moments, zones)
    def test_a_written_time_is_read_back(self, milliseconds: int, where: tzinfo) -> None:
        """An ISO time with its offset is the same millisecond in every zone."""
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
        text = moment.astimezone(where).isoformat(timespec="milliseconds")
        assert parse_when(text, zone=UTC) == milliseconds

    @given(moments, zones)
    def test_a_short_time_is_read_back(self, milliseconds: int, where: tzinfo) -> None:
        """What a list shows can be given to --since: the same minute, unless it comes twice."""
        moment = (
            datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
        ).astimezone(where)
        assume(moment.utcoffset() == moment.replace(fold=1 - moment.fold).utcoffset())
        assert (
            parse_when(short_time(milliseconds, where), zone=where)
            == milliseconds // 60_000 * 60_000
        )

    @given(moments, zones, st.integers(0, 1000), st.sampled_from("hdwm"))
    def test_ago_is_never_later_than_now(
        self, now: int, where: tzinfo, count: int, unit: str
    ) -> None:
        """More is earlier, whatever the calendar does."""
        nearer = parse_when(f"{count}{unit}", zone=where, now=now)
        farther = parse_when(f"{count + 2}{unit}", zone=where, now=now)
        assert farther < nearer <= now


class TestShortTime:
    @pytest.mark.parametrize(
        ("milliseconds", "name", "text"),
        [
            (NOW, "UTC", "2026-11-23 10:04"),
            (NOW, "Europe/Berlin", "2026-11-23 11:04"),
            (NOW, "Asia/Kathmandu", "2026-11-23 15:49"),
            (-1, "UTC", "1969-12-31 23:59"),
            (-62_135_596_800_000, "UTC", "0001-01-01 00:00"),
            (10**18, "Europe/Berlin", "1000000000000000000"),
            (-(10**18), "UTC", "-1000000000000000000"),
            (10**400, "UTC", "1" + "0" * 400),
        ],
    )
    def test_to_the_minute_in_the_zone(self, milliseconds: int, name: str, text: str) -> None:
        """A time that a transcript made up is shown as the number it is, never an error."""
        assert short_time(milliseconds, zone(name)) == text


class TestZone:
    def test_by_name(self) -> None:
        """IANA names; UTC needs no time zone database."""
        assert zone("Europe/Berlin") == ZoneInfo("Europe/Berlin")
        assert zone("utc") is UTC

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
            ("qqqq", "use a name like 'Europe/Berlin'"),
            ("", "use a name like 'Europe/Berlin'"),
            ("../../../etc/passwd", "use a name like 'Europe/Berlin'"),
        ],
    )
    def test_an_unknown_name_is_an_error(self, name: str, hint: str) -> None:
        """With the nearest name; a name never leads out of the database."""
        with pytest.raises(ConfigError) as raised:
            zone(name)
        assert (str(raised.value), raised.value.hint) == (f"there is no time zone {name!r}", hint)

    @pytest.mark.parametrize("name", ["Europe", "Europe/Berlin\0", "/etc/localtime", "tzdata.zi"])
    def test_names_of_other_files(self, name: str) -> None:
        """A folder or a file of another kind is no zone."""
        with pytest.raises(ConfigError, match="there is no time zone"):
            zone(name)

    @pytest.mark.parametrize(
        ("variable", "name"),
        [("America/New_York", "America/New_York"), (":Asia/Tokyo", "Asia/Tokyo")],
    )
    def test_the_systems_by_name(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, name: str
    ) -> None:
        """Without a name it is the one that TZ gives every program."""
        monkeypatch.setenv("TZ", variable)
        assert zone() == ZoneInfo(name)

    @pytest.mark.skipif(not hasattr(time, "tzset"), reason="needs tzset")
    def test_the_systems_without_a_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A rule in TZ has no name; the C library knows it, with its clock changes."""
        monkeypatch.setenv("TZ", "XST-1XDT,M3.5.0,M10.5.0/3")
        time.tzset()
        try:
            here = zone()
            berlin = ZoneInfo("Europe/Berlin")
            for text in (
                "2026-01-31",
                "2026-07-31T12:00",
                "2026-03-29T02:30",
                "2026-10-25T02:30",
                "2026-10-25T03:00",
            ):
                assert parse_when(text, zone=here) == parse_when(text, zone=berlin)
            # 02:30 comes twice that night; both are shown so, and apart by an hour inside.
            for moment in (1_792_888_200_000, 1_792_891_800_000):
                assert short_time(moment, here) == "2026-10-25 02:30"
            assert datetime(2026, 7, 1, tzinfo=here).tzname() == "XDT"
        finally:
            monkeypatch.undo()
            time.tzset()

    def test_the_systems_link(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without TZ the system's own zone is meant: what `date` shows."""
        monkeypatch.delenv("TZ", raising=False)
        expected = datetime.fromtimestamp(NOW / 1000).isoformat(" ", "minutes")  # noqa: DTZ006
        assert short_time(NOW, zone()) == expected
