"""What holds for all formats."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import UTC
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankers import formats
from clankers.formats import FORMATS, cell_text, unique_names
from formats._values import obeyed, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from clankers.formats import Value


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


class Paper(io.StringIO):
    """Counts the lines written."""

    lines = 0

    def write(self, text: str, /) -> int:
        self.lines += text.count("\n")
        return len(text)


@pytest.mark.parametrize(
    ("name", "ahead"), [(name, 501 if name == "table" else 131) for name in FORMATS]
)
def test_writers_stream(name: str, ahead: int) -> None:
    """A writer holds only so many rows, however many there are."""
    paper = Paper()
    held: list[int] = []

    def rows() -> Iterator[tuple[Value, ...]]:
        for number in range(20_000):
            held.append(number - paper.lines)
            yield (number, "x")

    formats.writer(name)(paper, ["n", "t"], rows())
    assert max(held) <= ahead


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "NULL"), (b"", "<blob 0 bytes>"), (1, "1"), (1e16, "1e16"), ("\x1b", "\x1b")],
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
    """What --format takes; one writer each."""
    assert FORMATS == ("table", "json", "ndjson", "csv", "tsv", "sql", "html", "markdown")
    assert formats.writer("markdown") is formats.write_markdown
    with pytest.raises(KeyError):
        formats.writer("xml")


@pytest.mark.parametrize("name", FORMATS)
def test_without_rows_or_columns(name: str) -> None:
    """No writer stumbles over nothing."""
    assert written(name, [], []) == {
        "json": "[]\n",
        "html": "<table>\n<thead><tr></tr></thead>\n<tbody>\n</tbody>\n</table>\n",
    }.get(name, "")
    assert written(name, ["a", "b"], []) == {
        "table": "a  b\n-  -\n",
        "json": "[]\n",
        "csv": "a,b\r\n",
        "tsv": "a\tb\n",
        "html": "<table>\n<thead><tr><th>a</th><th>b</th></tr></thead>\n<tbody>\n"
        "</tbody>\n</table>\n",
        "markdown": "| a | b |\n| --- | --- |\n",
    }.get(name, "")


@pytest.mark.parametrize("name", FORMATS)
def test_rows_before_a_problem(name: str) -> None:
    """A problem in the middle comes after the rows before it are written."""

    def rows() -> Iterator[tuple[Value, ...]]:
        for number in range(200):
            yield (f"row{number}",)
        raise ZeroDivisionError

    file = io.StringIO()
    with pytest.raises(ZeroDivisionError):
        formats.writer(name)(file, ["t"], rows())
    # A table is laid out by 500 rows, so that these never came to be written.
    assert ("row199" in file.getvalue()) == (name != "table")


# One row, and how each format writes it.
ROWS: list[tuple[tuple[Value, ...], dict[str, str]]] = [
    (
        (1, -2.5, "plain", None),
        {
            "ndjson": '{"a":1,"b":-2.5,"c":"plain","d":null}\n',
            "csv": "1,-2.5,plain,\r\n",
            "tsv": "1\t-2.5\tplain\t\n",
            "sql": "(1,-2.5,'plain',NULL);\n",
            "markdown": "| 1 | -2.5 | plain | NULL |\n",
        },
    ),
    (
        (2**63 - 1, 1e16, 'it\'s, "so"', "null"),
        {
            "csv": '9223372036854775807,1e16,"it\'s, ""so""",null\r\n',
            "tsv": '9223372036854775807\t1e16\t"it\'s, ""so"""\tnull\n',
            "sql": "(9223372036854775807,1e16,'it''s, \"so\"','null');\n",
        },
    ),
    (
        (None, 1.5e-5, "", "[null"),
        {
            "csv": ',0.000015,"",[null\r\n',
            "tsv": '\t0.000015\t""\t[null\n',
            "sql": "(NULL,0.000015,'','[null');\n",
        },
    ),
    (
        (1, 2e-7, "tab\tline\nend\x1b", "a,null"),
        {
            "csv": '1,2e-7,"tab\tline\nend\x1b","a,null"\r\n',
            "tsv": '1\t2e-7\t"tab\tline\nend\x1b"\ta,null\n',
            "sql": "(1,2e-7,'tab\tline\nend'||char(27),'a,null');\n",
        },
    ),
    (
        (1, float("inf"), b"\x00", " padded "),
        {
            "ndjson": '{"a":1,"b":9e999,"c":{"$blob":"AA=="},"d":" padded "}\n',
            "csv": '1,Inf,00," padded "\r\n',
            "tsv": '1\tInf\t00\t" padded "\n',
            "sql": "(1,9e999,X'00',' padded ');\n",
        },
    ),
]


@pytest.mark.parametrize(
    ("row", "name", "line"),
    [(row, name, line) for row, lines in ROWS for name, line in lines.items()],
)
def test_every_row_of_a_long_answer(row: tuple[Value, ...], name: str, line: str) -> None:
    """Beyond some thousand rows a faster way is taken, and nobody can tell."""
    if name == "sql":
        line = f'INSERT INTO "result"("a","b","c","d") VALUES{line}'
    assert written(name, list("abcd"), [row]).endswith(line)
    assert written(name, list("abcd"), [row] * 7_000).endswith(line * 7_000)


class TestWholeFile:
    def test_replaces_and_keeps_the_mode(self, tmp_path: Path) -> None:
        """The new content comes at once, through a link, under the rights that the file had."""
        target, link = tmp_path / "out.csv", tmp_path / "link.csv"
        target.write_text("old")
        target.chmod(0o640)
        link.symlink_to(target)
        with formats.whole_file(link) as file:
            file.write("new\r\n")
            assert target.read_text() == "old"
        assert target.read_bytes() == b"new\r\n"
        assert target.stat().st_mode & 0o777 == 0o640
        assert link.is_symlink()
        assert {path.name for path in tmp_path.iterdir()} == {"out.csv", "link.csv", "home"}

    def test_after_an_error(self, tmp_path: Path) -> None:
        """The file is what it was, or still not there, and nothing lies beside it."""
        old, new = tmp_path / "old", tmp_path / "new"
        old.write_text("old")
        for target in (old, new):
            with pytest.raises(ZeroDivisionError), formats.whole_file(target) as file:
                file.write(f"half{1 // 0}")
        assert old.read_text() == "old"
        assert {path.name for path in tmp_path.iterdir()} == {"old", "home"}

    def test_a_pipe(self, tmp_path: Path) -> None:
        """What is no plain file is written to as it is."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        with formats.whole_file(pipe) as file:
            file.write("x")
        assert os.read(reader, 10) == b"x"
        os.close(reader)


def test_human_times() -> None:
    """Milliseconds in columns of times become times; other numbers, text and NULL stay."""
    columns = ["created_at", "max(updated_at)", "n", "ENDED_AT"]
    rows: list[Sequence[Value]] = [
        (1_793_613_600_000, 1_793_613_600_000, 1_793_613_600_000, None),
        (12, "x", 1.5, 0),
    ]
    assert [tuple(row) for row in formats.human_times(columns, rows, UTC)] == [
        ("2026-11-02 10:00", "2026-11-02 10:00", 1_793_613_600_000, None),
        (12, "x", 1.5, 0),
    ]


def test_a_terminal_obeys_no_format() -> None:
    """What CSV keeps as it is, is shown where it would be obeyed."""
    file = io.StringIO()
    formats.write_csv(formats.terminal_file(file), ["a"], [("\x1b]0;x\x07",)])
    assert obeyed(file.getvalue().replace("\r\n", "\n")) <= {"\n"}
    assert r"\x1b]0;x\x07" in file.getvalue()
