"""JSON, by the documented coding."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clankers.formats import write_report_json
from formats._values import CLIPBOARD, TITLE, TURNED, VALUES, obeyed, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clankers.formats import Value


def json_text(columns: Sequence[str], rows: Iterable[Sequence[Value]], **options: Any) -> str:
    return written("json", columns, rows, **options)


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
        """A blob says that it is one; infinity is a number too large for anything else."""
        rows: list[Sequence[Value]] = [(b"\x00\xff", float("inf")), (b"", float("-inf"))]
        assert json_text(["a", "b"], rows) == (
            '[\n{"a":{"$blob":"AP8="},"b":9e999},\n{"a":{"$blob":""},"b":-9e999}\n]\n'
        )
        pretty = json_text(["a", "b"], rows[:1], pretty=True)
        assert json.loads(pretty) == [{"a": {"$blob": "AP8="}, "b": float("inf")}]
        assert pretty.splitlines()[-3:] == ['    "b": 9e999', "  }", "]"]

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


@given(st.lists(st.tuples(VALUES, VALUES), max_size=5))
def test_ndjson(rows: list[tuple[Value, Value]]) -> None:
    """One object on each line, read back the same; no line end but those between objects."""
    text = written("ndjson", ["a", "a"], rows)
    assert obeyed(text) <= {"\n"}
    assert [json.loads(line) for line in text.splitlines()] == [
        {"a": as_json(a), "a_2": as_json(b)} for a, b in rows
    ]


def as_json(value: Value) -> Any:
    if isinstance(value, bytes):
        return {"$blob": base64.b64encode(value).decode()}
    return value


class TestLongJson:
    """Beyond some thousand rows another encoder takes over."""

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
        infinite = float("inf")
        assert last == [{"a": {"$blob": "/w=="}, "b": infinite, "c": None, "d": 1, "e": "x"}] * 2


class TestReports:
    def test_as_json(self) -> None:
        """One object, indented, exact and harmless."""
        file = io.StringIO()
        write_report_json(file, {"files": 3, "sources": [TURNED, "é"], "cost": None})
        assert file.getvalue() == (
            '{\n  "files": 3,\n  "sources": [\n    "invoice\\u202etxt.exe",\n    "é"\n  ],\n'
            '  "cost": null\n}\n'
        )
