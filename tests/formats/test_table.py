"""Tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from clankers.formats import report_table
from formats._values import CLIPBOARD, TURNED, VALUES, obeyed, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clankers.formats import Value


def table(columns: Sequence[str], rows: Iterable[Sequence[Value]], **options: Any) -> str:
    return written("table", columns, rows, **options)


class TestTable:
    def test_aligns(self) -> None:
        """Text stands left, numbers right, each kind of value is told from the others."""
        rows: list[Sequence[Value]] = [
            ("abc", 1, None, b"\x00\x01"),
            ("d", -20, 2.5, b"\x00"),
            ("日本", 3, 10.25, None),
        ]
        assert table(["name", "n", "cost", "picture"], rows) == (
            "name    n   cost  picture\n"
            "----  ---  -----  --------------\n"
            "abc     1   NULL  <blob 2 bytes>\n"
            "d     -20    2.5  <blob 1 byte>\n"
            "日本    3  10.25  NULL\n"
        )

    def test_keeps_a_row_on_one_line(self) -> None:
        """Newlines and escapes in text cannot break the table or act on the terminal."""
        assert table(["a\x1b"], [("one\ntwo",), (CLIPBOARD,), (TURNED,)]).splitlines() == [
            r"a\x1b",
            "-" * 22,
            "one↵two",
            r"\x1b]52;c;aGVsbG8=\x07",
            r"invoice\u202etxt.exe",
        ]

    def test_without_rows_or_columns(self) -> None:
        """No rows leaves the names; no columns leaves nothing."""
        assert table(["a", "bc"], []) == "a  bc\n-  --\n"
        assert table([], []) == ""

    def test_shortens_long_text(self) -> None:
        """A cell of megabytes becomes 120 columns."""
        line = table(["a", "b"], [("x" * 5_000_000, 1)]).splitlines()[2]
        assert line == f"{'x' * 80}…{'x' * 39}  1"

    def test_fits_a_width(self) -> None:
        """The widest columns of text give way first; numbers are never cut."""
        rows = [("abcdef", "x" * 50, "y" * 40, 1234567890123)]
        lines = table(["id", "a", "b", "n"], rows, width=60).splitlines()
        assert lines == [
            "id      a                  b                              n",
            "------  -----------------  -----------------  -------------",
            "abcdef  xxxxxxxxxxx…xxxxx  yyyyyyyyyyy…yyyyy  1234567890123",
        ]

    def test_uses_a_wide_terminal(self) -> None:
        """Where there is room, more than 120 columns are shown."""
        assert table(["a"], [("x" * 300,)], width=200).splitlines()[2] == (
            f"{'x' * 133}…{'x' * 66}"
        )

    def test_shortens_between_words(self) -> None:
        """The beginning and the end stay, and words stay whole where they are short."""
        path = "/home/ada/projects/tidewatch/src/tidewatch/store/migrations.py"
        assert table(["p"], [(path,)], width=30).splitlines()[2] == "/home/ada/projects/…ations.py"
        said = "the tests fail because the zone of the second machine is not set"
        assert table(["p"], [(said,)], width=30).splitlines()[2] == "the tests fail … not set"

    def test_in_full(self) -> None:
        """With `full` no text is cut, whatever the width."""
        lines = table(["a", "b"], [("x" * 300, "é" * 5000)], width=40, full=True).splitlines()
        assert lines[2] == f"{'x' * 300}  {'é' * 5000}"

    def test_the_end_of_a_long_text(self) -> None:
        """Also of a text that is too long to be looked at as a whole."""
        line = table(["a"], [("b" * 1_000_000 + "\x1b é",)]).splitlines()[2]
        assert line == f"{'b' * 80}…{'b' * 33}\\x1b é"

    def test_aligns_wide_characters(self) -> None:
        """Emoji of several parts, flags, accents and wide letters take what they are drawn in."""
        rows = [
            ("👨‍👩‍👧 a", 1),
            ("🇩🇪 b", 1),
            ("❤️ c", 1),
            ("👍🏽 d", 1),
            ("日本", 1),
            ("e\u0301", 1),
        ]
        assert table(["t", "n"], rows).splitlines()[2:] == [
            "👨‍👩‍👧 a  1",
            "🇩🇪 b  1",
            "❤️ c  1",
            "👍🏽 d  1",
            "日本  1",
            "e\u0301     1",
        ]

    def test_a_width_that_is_too_small(self) -> None:
        """Eight columns of each text stay, whatever the width."""
        assert table(["a", "b"], [("x" * 20, "y" * 20)], width=3).splitlines()[2] == (
            "xxxxx…xx  yyyyy…yy"
        )

    def test_more_columns_than_fit(self) -> None:
        """Then every row becomes a list, which fits."""
        columns = [f"column_{number}" for number in range(8)]
        rows: list[Sequence[Value]] = [
            ("x" * 50, 1, None, "b", b"c", "d", "e", "日本"),
            ("y",) * 8,
        ]
        lines = table(columns, rows, width=40).splitlines()
        assert lines[0] == "-- 1 -----------------------------------"
        assert lines[1] == f"column_0  {'x' * 20}…{'x' * 9}"
        assert lines[2:9] == [
            "column_1  1",
            "column_2  NULL",
            "column_3  b",
            "column_4  <blob 1 byte>",
            "column_5  d",
            "column_6  e",
            "column_7  日本",
        ]
        assert lines[9] == "-- 2 -----------------------------------"
        assert max(map(len, lines)) == 40
        assert table(columns, rows, width=400).splitlines()[0].split() == columns

    def test_rows_below_the_measured_ones(self) -> None:
        """Longer values further down are shown whole, a little out of line."""
        rows = [("a", 1)] * 500 + [("longer", 1234567)]
        lines = table(["t", "n"], rows).splitlines()
        assert lines[2] == "a  1"
        assert lines[-1] == "longer  1234567"

    @given(st.lists(st.tuples(VALUES, VALUES), max_size=5), st.none() | st.integers(1, 100))
    def test_is_harmless(self, rows: list[tuple[Value, Value]], width: int | None) -> None:
        """Any values make one line a row, with nothing in it to obey."""
        text = table(["a", "b"], rows, width=width)
        assert text.count("\n") == len(rows) + 2
        assert obeyed(text) <= {"\n"}


class TestReports:
    def test_as_a_table(self) -> None:
        """Numbers stand right, unknown is -, text that looks like a number stays as it is."""
        rows: list[Sequence[Value]] = [("007", 1, 0.5), ("1e5", 200, None), ("a\x1b", None, 2.0)]
        assert report_table(["id", "n", "cost"], rows) == (
            "id       n    cost\n"
            "-----  ---  ------\n"
            "007      1     0.5\n"
            "1e5    200       -\n"
            "a\\x1b    -     2.0"
        )

    def test_without_rows(self) -> None:
        """The names are shown anyway."""
        assert report_table(["id", "n"], []).splitlines()[0].split() == ["id", "n"]
