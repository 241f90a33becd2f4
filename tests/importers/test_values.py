"""Values of other programs' JSON, taken as what they should be or not at all."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankers.importers._values import (
    LARGEST_INTEGER,
    count,
    first_line,
    is_uuid,
    json_text,
    milliseconds,
    next_seq,
    path_name,
    provider_and_model,
    row_id,
    text,
)

NOON = 1_761_998_400_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a", "a"), (" ", " "), ("", None), (None, None), (5, None), (True, None), (["a"], None)],
)
def test_text(value: object, expected: str | None) -> None:
    """A text that says something."""
    assert text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (5, 5),
        ("5", 5),
        (" 5 ", 5),
        (5.9, 5),
        (-5, 0),
        ("-5", 0),
        ("5.5", 0),
        ("five", 0),
        ("", 0),
        (None, 0),
        (True, 0),
        ([5], 0),
        (math.nan, 0),
        (math.inf, 0),
        (2**63 - 1, LARGEST_INTEGER),
        (2**63, LARGEST_INTEGER),
        ("9" * 30, LARGEST_INTEGER),
        ("9" * 5_000, 0),
        (1e300, LARGEST_INTEGER),
    ],
)
def test_count(value: object, expected: int) -> None:
    """At least 0 and no more than a database takes."""
    assert count(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2025-11-01T12:00:00.000Z", NOON),
        ("2025-11-01T12:00:00.123Z", NOON + 123),
        ("2025-11-01T12:00:59.999Z", NOON + 59_999),
        ("2025-11-01T12:00:00Z", NOON),
        ("2025-11-01T12:00:00", NOON),
        ("2025-11-01 12:00:00.5", NOON + 500),
        ("2025-11-01T14:00:00.123+02:00", NOON + 123),
        ("2025-11-01T12:00:00.123456789Z", NOON + 123),
        ("2025-11-01T12:00:00.1236Z", NOON + 124),
        ("20251101T120000Z", NOON),
        ("2025-11-01", NOON - 43_200_000),
        ("20251101", NOON - 43_200_000),
        ("1969-12-31T23:59:59.000Z", 0),
        ("0001-01-01T00:00:00.000Z", 0),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ("2025-02-30T12:00:00.000Z", None),
        ("2025-11-01T25:00:00.000Z", None),
        ("2025-11-01T12:00:60.000Z", None),
        ("2025-11-01T12:00:-1.000Z", None),
        ("2025-11-01T12:00:0a.000Z", None),
        ("xxxx-11-01T12:00:00.000Z", None),
        ("soon", None),
        ("", None),
        (NOON, NOON),
        (NOON / 1000, NOON),
        (NOON // 1000, NOON),
        (NOON + 0.4, NOON),
        (str(NOON), NOON),
        (str(NOON // 1000), NOON),
        (99_999_999_999, 99_999_999_999_000),
        (100_000_000_000, 100_000_000_000),
        (253_402_300_799_999, 253_402_300_799_999),
        (253_402_300_800_000, None),
        (1e308, None),
        (math.inf, None),
        (math.nan, None),
        (10**400, None),
        ("9" * 5_000, None),
        (0, None),
        (-5, None),
        (True, None),
        (None, None),
        (["2025-11-01"], None),
    ],
)
def test_milliseconds(value: object, expected: int | None) -> None:
    """Dates of every kind, and numbers as seconds or milliseconds by their size."""
    assert milliseconds(value) == expected


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)),  # noqa: DTZ001
    st.sampled_from(["milliseconds", "microseconds", "seconds"]),
    st.sampled_from(["Z", "", "+00:00"]),
)
def test_any_date_is_read_exactly(moment: datetime, precision: str, zone: str) -> None:
    """To the millisecond, however it is written."""
    written = moment.isoformat(timespec=precision) + zone
    since = datetime.fromisoformat(written).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    found = milliseconds(written)
    assert found is not None
    assert abs(timedelta(milliseconds=found) - since) <= timedelta(milliseconds=0.5)


@given(st.text() | st.integers() | st.floats() | st.binary())
def test_any_value_is_a_time_or_none(value: object) -> None:
    """Nothing raises, and a time is one that can be written."""
    found = milliseconds(value)
    assert found is None or 0 <= found <= 253_402_300_799_999
    assert 0 <= count(value) <= LARGEST_INTEGER


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Fix it", "Fix it"),
        ("\n \n  Fix   the\tbug \nnow", "Fix the bug"),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 119 + "…"),
        ("", ""),
        (" \n\t", ""),
    ],
)
def test_first_line(value: str, expected: str) -> None:
    """A title of at most 120 characters."""
    assert first_line(value) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/ada/engine", "engine"),
        ("/home/ada/engine/", "engine"),
        ("C:\\Users\\ada\\engine", "engine"),
        ("C:\\Users/ada\\engine\\", "engine"),
        ("engine", "engine"),
        ("/", "/"),
    ],
)
def test_path_name(path: str, expected: str) -> None:
    """The last part, of either system."""
    assert path_name(path) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("11111111-1111-4111-8111-111111111111", True),
        ("AAAAAAAA-1111-4111-8111-111111111111", True),
        ("11111111111141118111111111111111", False),
        ("{11111111-1111-4111-8111-111111111111}", False),
        ("1111-11111111-4111-8111-111111111111", False),
        ("agent-a1b2", False),
        ("", False),
    ],
)
def test_is_uuid(value: str, *, expected: bool) -> None:
    """As file names have it, with its hyphens."""
    assert is_uuid(value) is expected


def test_row_ids_hold_no_slash() -> None:
    """They are parts of addresses."""
    assert row_id("a/b/c") == "a_b_c"


@pytest.mark.parametrize(
    ("last", "at", "expected"), [(5, 9, 9), (5, 5, 6), (5, 3, 6), (5, None, 6), (0, None, 1)]
)
def test_next_seq(last: int, at: int | None, expected: int) -> None:
    """By time where that goes forward, else the next place."""
    assert next_seq(last, at) == expected


def test_json_text_keeps_letters() -> None:
    """Compact, and findable by a search."""
    assert json_text({"a": ["für", None]}) == '{"a":["für",null]}'


@pytest.mark.parametrize(
    ("written", "provider", "model"),
    [
        ("openrouter/anthropic/claude-sonnet-4-6", "openrouter", "anthropic/claude-sonnet-4-6"),
        ("kimi-k2", None, "kimi-k2"),
        ("openai/", "openai", None),
        ("/gpt-5", None, "gpt-5"),
        ("", None, None),
        (5, None, None),
    ],
)
def test_provider_and_model(written: object, provider: str | None, model: str | None) -> None:
    """The first part of a path is the provider."""
    assert provider_and_model(written) == (provider, model)
