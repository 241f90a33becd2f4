"""The canonical form of JSON, by the examples of RFC 8785 and by hand."""

from __future__ import annotations

import math

import pytest

from clankers import wire


# RFC 8785, appendix B, and where ECMAScript changes to exponents.
@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (-5e-324, "-5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992.0, "9007199254740992"),
        (295147905179352830000.0, "295147905179352830000"),
        (9.999999999999997e22, "9.999999999999997e+22"),
        (1e23, "1e+23"),
        (1.0000000000000001e23, "1.0000000000000001e+23"),
        (999999999999999700000.0, "999999999999999700000"),
        (999999999999999900000.0, "999999999999999900000"),
        (1e21, "1e+21"),
        (9.999999999999997e-7, "9.999999999999997e-7"),
        (0.000001, "0.000001"),
        (333333333.3333332, "333333333.3333332"),
        (333333333.33333325, "333333333.33333325"),
        (0.0000033333333333333333, "0.0000033333333333333333"),
        (-1.5, "-1.5"),
        (100.0, "100"),
        (4.5, "4.5"),
    ],
)
def test_numbers(number: float, text: str) -> None:
    """As ECMAScript writes them."""
    assert wire.canonical(number) == text


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_what_is_no_number(number: float) -> None:
    """JSON has no infinity."""
    with pytest.raises(ValueError, match="not a number of JSON"):
        wire.canonical({"a": [number]})


def test_keys_are_sorted_by_utf_16() -> None:
    """A character beyond U+FFFF is two units, the first of which is smaller than U+FB33."""
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert wire.canonical(value) == (
        '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}'
    )


def test_texts() -> None:
    """Only what must be is escaped, in the shortest way."""
    assert (
        wire.canonical('\u20ac$\x0f\nA\'B"\\\\"/\x7f')
        == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f"'
    )


def test_no_space_and_nested() -> None:
    """Nothing stands between the parts; true is no number."""
    value = {"b": [1, True, None, {"z": "", "a": {}}], "a": 2**63 - 1}
    assert wire.canonical(value) == '{"a":9223372036854775807,"b":[1,true,null,{"a":{},"z":""}]}'


def test_hash_of_a_record() -> None:
    """SHA-256 of the table, the id and the fields that are not null; made with sha256sum."""
    fields = {"title": "Gr\u00fc\u00dfe", "status": None, "created_at": 1}
    # printf '["sessions","s",{"created_at":1,"title":"Grüße"}]' | sha256sum
    assert wire.record_hash("sessions", "s", fields) == (
        "6ca2978b2fb8ddb995d27c4fd71d080458dcb5c6ddff5a5c16265bab6f04537d"
    )
