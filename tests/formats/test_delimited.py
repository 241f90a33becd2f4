"""CSV and TSV, by RFC 4180 and the documented mapping."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from formats._values import VALUES, written

if TYPE_CHECKING:
    from clankers.formats import Value


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        ("", '""'),
        ("plain text", "plain text"),
        ("a,b", '"a,b"'),
        ('say "yes"', '"say ""yes"""'),
        ("two\nlines", '"two\nlines"'),
        ("cr\rlf", '"cr\rlf"'),
        (" padded", '" padded"'),
        ("tab\there", "tab\there"),
        ("NULL", "NULL"),
        ("日本", "日本"),
        (b"\x00\xff", "00ff"),
        (b"", '""'),
        (-(2**63), "-9223372036854775808"),
        (0.1, "0.1"),
        (1e300, "1e300"),
        (1.5e-5, "0.000015"),
        (-2e-7, "-2e-7"),
        (float("inf"), "Inf"),
        (float("-inf"), "-Inf"),
    ],
)
def test_csv_cells(value: Value, cell: str) -> None:
    """NULL is empty and an empty text quoted; only what must be is quoted."""
    assert written("csv", ["a", "a"], [(value, 1)]) == f"a,a\r\n{cell},1\r\n"


def test_tsv_cells() -> None:
    """Tabs between cells; one within a cell is quoted, a comma is not."""
    rows = [("a,b", "tab\there"), ("", None)]
    assert written("tsv", ["x y", "z"], rows) == 'x y\tz\na,b\t"tab\there"\n""\t\n'


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1"])
def test_formulas(text: str) -> None:
    """On request no spreadsheet runs a text; numbers stay numbers, and by default all stays."""
    guarded = written("csv", [text, "n"], [(text, -1)], escape_formulas=True)
    assert list(csv.reader(io.StringIO(guarded, newline="")))[:2] == [
        [f"'{text}", "n"],
        [f"'{text}", "-1"],
    ]
    plain = written("csv", [text, "n"], [(text, -1)])
    assert list(csv.reader(io.StringIO(plain, newline="")))[1] == [text, "-1"]


@pytest.mark.parametrize(("name", "between"), [("csv", ","), ("tsv", "\t")])
class TestRoundTrip:
    @given(rows=st.lists(st.tuples(VALUES, VALUES), max_size=6))
    @example(rows=[("\r", '"'), ("\n\r\n", ",\t")])
    def test_equal_as_text(self, name: str, between: str, rows: list[tuple[Value, Value]]) -> None:
        """What Python's own reader makes of it is the text of each value."""
        text = written(name, ["a", "b"], rows)
        read = list(csv.reader(io.StringIO(text, newline=""), delimiter=between, strict=True))
        assert read[0] == ["a", "b"]
        for cells, row in zip(read[1:], rows, strict=True):
            for cell, value in zip(cells, map(as_text, row), strict=True):
                assert (float(cell) if isinstance(value, float) else cell) == value

    @given(rows=st.lists(st.tuples(st.none() | st.just(""), st.integers()), max_size=4))
    def test_null_is_told_from_empty(
        self, name: str, between: str, rows: list[tuple[Value, Value]]
    ) -> None:
        """By its quotes, which DuckDB and PostgreSQL look at."""
        lines = written(name, ["a", "b"], rows).splitlines()[1:]
        assert [line.startswith('""') for line in lines] == [a == "" for a, _ in rows]


def as_text(value: Value) -> str | float:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and abs(value) == float("inf"):
        return "Inf" if value > 0 else "-Inf"
    return value if isinstance(value, float) else str(value)
