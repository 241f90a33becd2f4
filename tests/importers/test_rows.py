"""The rows of one session while they are collected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.importers import WHOLE, Memory, Resume, Rows, flat, json_text, read_lines, remembered

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.importers import Outcome
    from clankers.models import ToolCall


def begun(memory: Memory | None = None) -> Rows:
    rows = Rows("parrot", memory or Memory())
    rows.identify("s")
    return rows


def shape(tools: list[ToolCall]) -> list[tuple[str, str | None, str | None, str | None]]:
    return [(one.id, one.message_id, one.tool_input, one.tool_output) for one in tools]


def test_calls_that_are_counted_anew_in_each_message() -> None:
    """Each message has its own; what comes back belongs to the latest."""
    rows = begun()
    for number in (1, 2, 3):
        block = rows.call("call_0", "ls", [number], 5, message=f"m{number}")
        rows.answer("call_0", f"out {number}", 6, success=True)
    assert block.reference == {"id": "s:call_0#3"}
    tools = rows.batch(WHOLE).tools
    assert shape(tools) == [
        ("s:call_0", "s:m1", "[1]", '"out 1"'),
        ("s:call_0#2", "s:m2", "[2]", '"out 2"'),
        ("s:call_0#3", "s:m3", "[3]", '"out 3"'),
    ]
    assert {one.native_id for one in tools} == {"call_0"}


def test_a_call_told_again_for_its_message_stays_one() -> None:
    """A message may be said again with what it gained, and a call be told of without one."""
    rows = begun()
    rows.call("call_0", "ls", None, 5, message="m1")
    rows.call("call_0", "ls", {"path": "/a"}, 5, message="m1")
    rows.call("call_0", None, None, 6)
    rows.answer("call_0", "a", 7, success=True)
    assert shape(rows.batch(WHOLE).tools) == [("s:call_0", "s:m1", '{"path":"/a"}', '"a"')]


def test_a_result_before_its_call_is_of_that_call() -> None:
    """No message is known of it yet."""
    rows = begun()
    rows.answer("call_0", "a", 5, success=True)
    rows.call("call_0", "ls", [1], 6, message="m1")
    assert shape(rows.batch(WHOLE).tools) == [("s:call_0", "s:m1", "[1]", '"a"')]


def test_a_place_that_is_named() -> None:
    """A call that keeps its place takes no new one."""
    rows = begun()
    rows.call("a", "ls", None, 5, message="m", seq=3)
    rows.call("b", "ls", None, 5, message="m")
    assert [one.seq for one in rows.batch(WHOLE).tools] == [3, 5]


@given(
    told=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(("m1", "m2", "m3", None)))),
    cut=st.integers(0, 20),
)
@settings(max_examples=60, deadline=None)
def test_calls_are_numbered_alike_in_pieces(told: list[tuple[str, str | None]], cut: int) -> None:
    """What an earlier reading met is remembered."""
    whole = begun()
    expected = [whole.numbered(call, message) for call, message in told]
    first = begun()
    found = [first.numbered(call, message) for call, message in told[:cut]]
    second = begun(remembered(first.memory.encoded()))
    found += [second.numbered(call, message) for call, message in told[cut:]]
    assert found == expected


def test_what_is_remembered_of_calls_is_bounded() -> None:
    """The state is written with every batch: a session of many calls keeps the latest."""
    rows = begun()
    for number in range(2_000):
        rows.numbered(f"call_{number}", "m1")
    assert len(rows.memory.calls) == 256
    assert rows.numbered("call_1999", "m2") == "call_1999#2"
    assert len(rows.memory.encoded()) < 20_000


def nested(levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = [value]
    return value


def test_text_in_lists_in_lists() -> None:
    """The text is found as deep as anybody would put it; below stands JSON."""
    assert flat(["a", ["b", {"text": "c"}]]) == "a\n\nb\n\nc"
    assert flat(nested(33)) == "deep"
    assert flat(nested(35)) == '[["deep"]]'
    assert flat(nested(900)).startswith("[[")


def test_json_of_what_is_nested_too_deeply() -> None:
    """Its upper levels are kept."""
    value = nested(5_000)
    assert json_text({"a": value, "b": 1}) == '{"a":' + "[" * 31 + '"…"' + "]" * 31 + ',"b":1}'
    assert json_text(nested(50)) == "[" * 50 + '"deep"' + "]" * 50


class _Deep:
    """A reader that is beaten by the depth of some of its records."""

    def __init__(self) -> None:
        self.rows = begun()

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        if "deep" in record:
            raise RecursionError
        self.rows.say(f"L{number}", "user", [], number)
        return "imported"


def test_a_line_nested_too_deeply_costs_only_itself(tmp_path: Path) -> None:
    """It is unknown, also as the torn last one; the lines around it are read."""
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in ({}, {"deep": 1}, {}, {"deep": 1})))
    batches = list(read_lines(path, Resume(), _Deep()))
    counts = [(one.imported, one.unknown, one.tail) for one in batches]
    assert counts == [(2, 1, None), (0, 1, "unknown")]
    assert [one.id for one in batches[0].messages] == ["s:L1", "s:L3"]
