"""Markdown and HTML show every value as the text that it is."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given

from formats._values import ANY_TEXT, obeyed, written


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a|b", r"a\|b"),
        ("two\nlines", "two<br>lines"),
        (r"back\slash", r"back\\slash"),
        ("<script>", r"\<script\>"),
        ("*bold* `code` [link](x)", r"\*bold\* \`code\` \[link\](x)"),
        ("&amp;", r"\&amp;"),
        ("snake_case _so_", r"snake_case \_so\_"),
        ("\x1b[31m", r"\\x1b\[31m"),
    ],
)
def test_markdown_cells(text: str, cell: str) -> None:
    """Nothing in a cell ends it, begins emphasis, a link or HTML, or acts on a terminal."""
    assert written("markdown", ["t"], [(text,)]).splitlines()[2] == f"| {cell} |"


def test_markdown_table() -> None:
    """Columns of numbers stand right; NULL and blobs are shown."""
    rows = [("x", 1, None), ("y", 2.5, b"\x00")]
    assert written("markdown", ["a|b", "n", "z"], rows) == (
        "| a\\|b | n | z |\n"
        "| --- | ---: | --- |\n"
        "| x | 1 | NULL |\n"
        "| y | 2.5 | \\<blob 1 byte\\> |\n"
    )


@given(ANY_TEXT)
def test_markdown_keeps_its_lines(text: str) -> None:
    """Any text makes one line, with as many cells as before."""
    lines = written("markdown", ["a", "b"], [(text, 1)]).split("\n")
    assert len(lines) == 4
    assert obeyed(lines[2]) == set()
    unescaped = lines[2].replace("\\\\", "").replace("\\|", "")
    assert unescaped.count("|") == 3


class Reader(HTMLParser):
    """Collects the tags and the texts of cells."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self._within = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag in {"td", "th"}:
            self.cells.append("")
            self._within = True

    def handle_endtag(self, tag: str) -> None:
        self._within = False

    def handle_data(self, data: str) -> None:
        if self._within:
            self.cells[-1] += data


@pytest.mark.parametrize(
    "text", ["<b>&amp;</b>", "日本 é 👨‍👩‍👧", "</td><script>alert(1)</script>", "a\nb\tc", "\"'"]
)
def test_html_cells(text: str) -> None:
    """A browser shows the very text; nothing of it is markup, and the file is plain ASCII."""
    page = written("html", ["n"], [(text,)])
    assert page.isascii()
    reader = Reader()
    reader.feed(page)
    assert reader.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert reader.cells[0] == "n"
    assert reader.cells[1] == text


@given(ANY_TEXT)
def test_html_is_harmless(text: str) -> None:
    """Whatever the text, there is one cell, and nothing to obey."""
    page = written("html", [text], [(text,)])
    assert obeyed(page) <= {"\n", "\t"}
    reader = Reader()
    reader.feed(page)
    assert reader.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert len(reader.cells) == 2


def test_html_kinds() -> None:
    """Numbers stand right, NULL and blobs are emphasised, a long text can be cut."""
    page = written("html", ["a"], [(1,), (2.5,), (None,), (b"ab",), ("x" * 9,)], longest=4)
    assert page == (
        "<table>\n<thead><tr><th>a</th></tr></thead>\n<tbody>\n"
        '<tr><td align="right">1</td></tr>\n'
        '<tr><td align="right">2.5</td></tr>\n'
        "<tr><td><em>NULL</em></td></tr>\n"
        "<tr><td><em>&lt;blob 2 bytes&gt;</em></td></tr>\n"
        '<tr><td style="text-align:left;white-space:pre-wrap">xxxx&#8230;</td></tr>\n'
        "</tbody>\n</table>\n"
    )
