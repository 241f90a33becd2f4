"""What the writers write, and that nothing they write is obeyed by a terminal."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clankers import formats
from clankers.formats import (
    FORMATS,
    cell_text,
    display_width,
    report_table,
    shorten,
    unique_names,
    visible,
    write_json,
    write_report_json,
    write_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from clankers.formats import Value

OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))
TEXT = st.text(alphabet=st.characters(codec="utf-8"))
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    TEXT,
    st.binary(),
)
CLIPBOARD = "\x1b]52;c;aGVsbG8=\x07"
TITLE = "\x1b]0;owned\x1b\\"
TURNED = "invoice\u202etxt.exe"


def table(columns: Sequence[str], rows: Iterable[Sequence[Value]], **options: Any) -> str:
    file = io.StringIO()
    write_table(file, columns, rows, **options)
    return file.getvalue()


def json_text(columns: Sequence[str], rows: Iterable[Sequence[Value]], **options: Any) -> str:
    file = io.StringIO()
    write_json(file, columns, rows, **options)
    return file.getvalue()


def obeyed(text: str) -> set[str]:
    """The characters of `text` that a terminal may do something about, but for joiners."""
    joined = re.sub("(?<=.)[\u200c\u200d](?=.)", "", text)
    return {character for character in joined if unicodedata.category(character) in OBEYED}


class TestVisible:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "plain text, 1 + 1 = 2",
            r"a\b",
            "Grüße, naïve, Ελληνικά, Привет, עברית, العربية",
            "日本語 中文 한국어　。",
            "👍🏽 ❤️ 🇩🇪 👨‍👩‍👧 🏳️‍🌈",
            "می‌خواهم",
            "क्‍ष",
            "non-breaking\u00a0space",
        ],
    )
    def test_leaves_writing_alone(self, text: str) -> None:
        """What people write in any script, and emoji with their joiners, stays as it is."""
        assert visible(text) == text
        assert visible(text, keep_newlines=True) == text

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            (CLIPBOARD, r"\x1b]52;c;aGVsbG8=\x07"),
            (TITLE, "\\x1b]0;owned\\x1b\\"),
            (TURNED, r"invoice\u202etxt.exe"),
            ("\x9b31mred", r"\x9b31mred"),
            ("over\rwritten", r"over\rwritten"),
            ("\x00\x08\x7f\x85", r"\x00\x08\x7f\x85"),
            ("\u2066\u2069\u200e\u200f\u061c", r"\u2066\u2069\u200e\u200f\u061c"),
            ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
            ("soft\xadhyphen", r"soft\xadhyphen"),
            ("tag\U000e0041", r"tag\U000e0041"),
            ("half\ud800", r"half\ud800"),
            ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
            ("stray\u200djoiner", r"stray\u200djoiner"),
            ("\u200dat the edges\u200c", r"\u200dat the edges\u200c"),
            ("filler\u3164", r"filler\u3164"),
        ],
    )
    def test_shows_what_would_be_obeyed(self, text: str, shown: str) -> None:
        """Escape sequences, marks of direction and letters without width become escapes."""
        assert visible(text) == shown
        assert visible(text, keep_newlines=True) == shown

    def test_lines(self) -> None:
        """A cell is one line; a message keeps its own."""
        text = "one\n\ttwo\r\nthree\r"
        assert visible(text) == r"one↵→two↵three\r"
        assert visible(text, keep_newlines=True) == "one\n\ttwo\nthree\\r"

    def test_of_every_character(self) -> None:
        """No control, format, separator or surrogate of all Unicode gets through by itself."""
        through = [
            hex(code)
            for code in range(sys.maxunicode + 1)
            if unicodedata.category(chr(code)) in OBEYED and visible(f"a{chr(code)}b") != chr(code)
            if chr(code) in visible(f"a{chr(code)}b")
        ]
        assert through == []

    @given(ANY_TEXT)
    @example("\u061c\u200d\u0628")
    @example("👨\u200d\u202e")
    def test_leaves_nothing_to_obey(self, text: str) -> None:
        """Whatever the text, what is shown is harmless, and showing it again changes nothing."""
        shown = visible(text)
        assert obeyed(shown) == set()
        assert visible(shown) == shown
        lines = visible(text, keep_newlines=True)
        assert obeyed(lines) <= {"\n", "\t"}


class TestWidth:
    @pytest.mark.parametrize(
        ("text", "columns"),
        [("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("日本", 4), ("👍", 2), ("ﬁ", 1)],
    )
    def test_counts_columns(self, text: str, columns: int) -> None:
        """Wide characters and emoji take two columns, accents none."""
        assert display_width(text) == columns

    @pytest.mark.parametrize(
        ("text", "width", "short"),
        [
            ("abcdef", 6, "abcdef"),
            ("abcdef", 5, "abcd…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("abcdé", 4, "abc…"),
        ],
    )
    def test_shorten(self, text: str, width: int, short: str) -> None:
        """A shortened text takes no more columns than it may."""
        assert shorten(text, width) == short


class TestNames:
    @pytest.mark.parametrize(
        ("columns", "names"),
        [
            ([], []),
            (["a", "b"], ["a", "b"]),
            (["id", "id", "id"], ["id", "id_2", "id_3"]),
            (["id", "id", "id_2"], ["id", "id_3", "id_2"]),
            (["", ""], ["", "_2"]),
        ],
    )
    def test_are_told_apart(self, columns: list[str], names: list[str]) -> None:
        """A repeated name gets a number that no other column has."""
        assert unique_names(columns) == names

    @given(st.lists(st.sampled_from(["a", "a_2", "a_3", "a_2_2", "b"])))
    def test_none_is_lost(self, columns: list[str]) -> None:
        """As many names as columns, and the first of each keeps its own."""
        names = unique_names(columns)
        assert len(set(names)) == len(columns)
        for column in set(columns):
            assert names[columns.index(column)] == column


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
        assert line == f"{'x' * 119}…  1"

    def test_fits_a_width(self) -> None:
        """The widest columns of text give way first; numbers are never cut."""
        rows = [("abcdef", "x" * 50, "y" * 40, 1234567890123)]
        lines = table(["id", "a", "b", "n"], rows, width=60).splitlines()
        assert lines == [
            "id      a                  b                              n",
            "------  -----------------  -----------------  -------------",
            "abcdef  xxxxxxxxxxxxxxxx…  yyyyyyyyyyyyyyyy…  1234567890123",
        ]

    def test_uses_a_wide_terminal(self) -> None:
        """Where there is room, more than 120 columns are shown."""
        assert table(["a"], [("x" * 300,)], width=200).splitlines()[2] == f"{'x' * 199}…"

    def test_a_width_that_is_too_small(self) -> None:
        """Eight columns of each text stay, whatever the width."""
        assert table(["a", "b"], [("x" * 20, "y" * 20)], width=3).splitlines()[2] == (
            "xxxxxxx…  yyyyyyy…"
        )

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


class TestJson:
    def test_is_an_array_of_objects(self) -> None:
        """One object on a line; integers are exact, repeated names are told apart."""
        rows: list[Sequence[Value]] = [(2**63 - 1, 'a\n"é日"', None), (-1, "", 0.1)]
        assert json_text(["n", "t", "t"], rows) == (
            '[\n{"n":9223372036854775807,"t":"a\\n\\"é日\\"","t_2":null},\n'
            '{"n":-1,"t":"","t_2":0.1}\n]\n'
        )

    def test_pretty(self) -> None:
        """For reading, with every object over several lines."""
        text = json_text(["a", "b"], [(1, "x"), (2, None)], pretty=True)
        assert text == json.dumps([{"a": 1, "b": "x"}, {"a": 2, "b": None}], indent=2) + "\n"

    def test_without_rows_or_columns(self) -> None:
        """Still an array."""
        assert json_text(["a"], []) == "[]\n"
        assert json_text(["a"], [], pretty=True) == "[]\n"
        assert json.loads(json_text([], [(), ()])) == [{}, {}]

    def test_values_that_json_lacks(self) -> None:
        """A blob says that it is one; infinity is null."""
        rows: list[Sequence[Value]] = [(b"\x00\xff", float("inf")), (b"", float("-inf"))]
        assert json.loads(json_text(["a", "b"], rows)) == [
            {"a": {"$blob": base64.b64encode(b"\x00\xff").decode()}, "b": None},
            {"a": {"$blob": ""}, "b": None},
        ]

    def test_is_harmless_and_exact(self) -> None:
        """A terminal obeys nothing of it, a program reads the very same text."""
        text = json_text(["a\u202e"], [(CLIPBOARD + TITLE + TURNED + "\x7f\x9b\u2028\U000e0041",)])
        assert text.isascii()
        assert json.loads(text) == [
            {"a\u202e": CLIPBOARD + TITLE + TURNED + "\x7f\x9b\u2028\U000e0041"}
        ]

    @given(st.lists(st.tuples(VALUES, VALUES), max_size=5), st.booleans())
    @example([("👨\u200d\u202e", 1e300)], False)
    def test_says_what_the_rows_say(self, rows: list[tuple[Value, Value]], pretty: bool) -> None:  # noqa: FBT001  # hypothesis passes by place
        """Read back, every value is the same; printed, nothing is obeyed."""
        text = json_text(["a", "b"], rows, pretty=pretty)
        assert obeyed(text) <= {"\n"}
        assert json.loads(text) == [{"a": as_json(a), "b": as_json(b)} for a, b in rows]


def as_json(value: Value) -> Any:
    if isinstance(value, bytes):
        return {"$blob": base64.b64encode(value).decode()}
    return None if value in (float("inf"), float("-inf")) else value


class TestLongJson:
    """Beyond ten thousand rows another encoder takes over."""

    ROWS: tuple[tuple[Value, ...], ...] = tuple(
        (number, f'é"\\\n\x1b\u202e {number}', None, number / 8, -(2**63))
        for number in range(10_500)
    )

    @pytest.mark.parametrize("names", ["abcde", ["a b", "", "é", "\u202e", "a.b"], 'a"b\n\\'])
    def test_is_the_same(self, names: Sequence[str]) -> None:
        """Nobody can tell where, whatever the names of the columns."""
        names = list(names)
        text = json_text(names, self.ROWS)
        assert json.loads(text) == [dict(zip(names, row, strict=True)) for row in self.ROWS]
        assert obeyed(text) <= {"\n"}
        assert text.count("\n") == len(self.ROWS) + 2

    def test_has_blobs_and_infinity(self) -> None:
        """Values that JSON lacks are written in one way."""
        rows = [*self.ROWS, *[(b"\xff", float("inf"), None, 1, "x")] * 2]
        last = json.loads(json_text("abcde", rows))[-2:]
        assert last == [{"a": {"$blob": "/w=="}, "b": None, "c": None, "d": 1, "e": "x"}] * 2


class Paper(io.StringIO):
    """Counts the lines written."""

    lines = 0

    def write(self, text: str, /) -> int:
        self.lines += text.count("\n")
        return len(text)


@pytest.mark.parametrize(("name", "ahead"), [("table", 501), ("json", 130)])
def test_writers_stream(name: str, ahead: int) -> None:
    """A writer holds only so many rows, however many there are."""
    paper = Paper()
    held: list[int] = []

    def rows() -> Iterator[tuple[Value, ...]]:
        for number in range(20_000):
            held.append(number - paper.lines)
            yield (number, "x")

    FORMATS[name](paper, ["n", "t"], rows())
    assert max(held) <= ahead


class TestReports:
    def test_as_json(self) -> None:
        """One object, indented, exact and harmless."""
        file = io.StringIO()
        write_report_json(file, {"files": 3, "sources": [TURNED, "é"], "cost": None})
        assert file.getvalue() == (
            '{\n  "files": 3,\n  "sources": [\n    "invoice\\u202etxt.exe",\n    "é"\n  ],\n'
            '  "cost": null\n}\n'
        )

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


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "NULL"), (b"", "<blob 0 bytes>"), (1, "1"), (1e16, "1e+16"), ("\x1b", "\x1b")],
)
def test_cell_text(value: Value, text: str) -> None:
    """How one value is read by people, before it is made safe."""
    assert cell_text(value) == text


def test_imports_nothing_slow() -> None:
    """Writers are on the road of every query."""
    program = (
        "import sys, clankers.formats\n"
        "print(*({'attr', 'json', 'msgspec', 'tabulate', 'typing'} & sys.modules.keys()))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert ran.stdout == "\n"


def test_names_of_the_formats() -> None:
    """What --format takes; one row a writer."""
    assert set(FORMATS) == {"table", "json"}
    assert FORMATS["table"] is formats.write_table
