"""What a terminal would obey is shown instead, and how wide text is there."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from formats._values import ANY_TEXT, CLIPBOARD, OBEYED, TITLE, TURNED, obeyed
from hypothesis import example, given
from hypothesis import strategies as st

from clankers._visible import display_width, shorten, shorten_middle, split_unsafe, visible


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
        [
            ("", 0),
            ("abc", 3),
            ("é", 1),
            ("e\u0301", 1),
            ("日本", 4),
            ("👍", 2),
            ("ﬁ", 1),
            ("👨‍👩‍👧", 2),
            ("🇩🇪", 2),
            ("❤️", 2),
            ("👍🏽", 2),
            ("🏳️‍🌈", 2),
            ("می‌خواهم", 7),
        ],
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

    @pytest.mark.parametrize(
        ("text", "width", "short"),
        [
            ("abcdef", 6, "abcdef"),
            ("abcdefgh", 7, "abcd…gh"),
            ("one two three four five", 16, "one two … five"),
            ("日本語日本語", 9, "日本語…語"),
            ("e\u0301" * 9, 7, "e\u0301" * 4 + "…" + "e\u0301" * 2),
        ],
    )
    def test_shorten_middle(self, text: str, width: int, short: str) -> None:
        """The beginning and the end stay, a third of what is shown for the end."""
        assert shorten_middle(text, width) == short

    @given(ANY_TEXT, st.integers(4, 30))
    def test_shortened_fits(self, text: str, width: int) -> None:
        """However it is cut, what is shown takes no more columns than it may."""
        shown = shorten_middle(visible(text), width)
        assert display_width(shown) <= width


class TestUnsafe:
    def test_pieces(self) -> None:
        """Runs of what would be obeyed, and what stands between them."""
        assert split_unsafe("a\x1b\x07b\nc\u202e") == [
            ("a", False),
            ("\x1b\x07", True),
            ("b\nc", False),
            ("\u202e", True),
        ]
        assert split_unsafe("") == [("", False)]
        assert split_unsafe("\x00") == [("", False), ("\x00", True)]

    @given(ANY_TEXT)
    def test_none_is_lost(self, text: str) -> None:
        """The pieces make up the text."""
        assert "".join(piece for piece, _ in split_unsafe(text)) == text
