"""Any line may be damaged, and a file may be read in any pieces."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ._rollouts import (
    CHILD,
    THREAD,
    archived,
    batches_of,
    counters,
    encoded,
    event,
    header,
    item,
    line,
    message,
    rollout,
    tokens,
    turn,
)

if TYPE_CHECKING:
    from ._rollouts import Record

DURATION = {"secs": 1, "nanos": 5}
USED = counters(100, 40, 10, 4)
COMMAND = {"type": "CommandExecution", "id": "x1", "command": ["ls"], "exit_code": 0}
POOL: list[Record] = [
    header(CHILD, forked_from_id=THREAD, source={"subagent": {"thread_spawn": {}}}),
    header(THREAD, 1),
    turn(2, turn_id="01990000-ffff-7000-8000-0000000000bb"),
    event("task_started", 3, turn_id="t1"),
    message("user", "<environment_context>x</environment_context>", 3),
    message("user", "Hello", 4),
    event("user_message", 4, message="Hello", images=["data:image/png;base64,AAAA"]),
    item("message", 4, role="user", content=[{"type": "input_image", "image_url": "data:,x"}]),
    event("agent_reasoning", 5, text="Think"),
    item("reasoning", 5, id="rs", summary=[{"type": "summary_text", "text": "Think"}]),
    message("assistant", "Hi", 6, id="m1"),
    event("agent_message", 6, message="Hi"),
    item("function_call", 7, name="shell", arguments='{"command":["ls"]}', call_id="c1", id="f1"),
    event("exec_command_end", 7, call_id="c1", exit_code=1, stderr="no", duration=DURATION),
    item("function_call_output", 8, call_id="c1", output="Exit code: 1\nOutput:\nno"),
    item("custom_tool_call", 8, name="apply_patch", input="*** Add File: a", call_id="c2"),
    event("patch_apply_end", 8, call_id="c2", success=True, changes={"a": {}}),
    item("custom_tool_call_output", 9, call_id="c2", output=[{"type": "input_text", "text": "ok"}]),
    item("web_search_call", 9, status="completed", action={"type": "search", "query": "q"}),
    event("web_search_end", 9, call_id="ws", action={"type": "search", "query": "q"}),
    event(
        "mcp_tool_call_end",
        9,
        call_id="m",
        invocation={"server": "s", "tool": "t"},
        result={"Ok": {}},
    ),
    item("tool_search_call", 9, call_id="s", arguments={}),
    item("image_generation_call", 9, id="ig", status="completed", result="AAAA"),
    event("item_completed", 10, item=COMMAND, started_at_ms=1, completed_at_ms=2),
    event(
        "item_completed",
        10,
        item={"type": "UserMessage", "id": "u", "content": [{"text": "Hello"}]},
    ),
    event("collab_agent_spawn_end", 10, call_id="c3", new_thread_id="kid", prompt="Go"),
    event("dynamic_tool_call_request", 10, callId="d", tool="fly", arguments={}),
    tokens(USED, USED, 11),
    tokens(counters(300, 90, 30), counters(200, 50, 20), 12, service_tier="flex"),
    tokens(counters(50, 0, 5), None, 13),
    line("token_usage_record", {"thread_id": CHILD, "usage": USED}, 13),
    line("compacted", {"message": "Sum", "replacement_history": []}, 14),
    event("context_compacted", 14),
    event("error", 15, message="Bad", codex_error_info={"other": 1}),
    event("task_complete", 16, error={"message": "Bad"}),
    event("turn_aborted", 16, reason="interrupted"),
    event("thread_name_updated", 17, thread_name="Named"),
    event("thread_settings_applied", 17, thread_id=CHILD, thread_settings={"model": "m"}),
    event("thread_goal_updated", 17, goal={"objective": "Win"}),
    event("exited_review_mode", 17, review_output={"findings": [{"title": "a", "body": "b"}]}),
    line("inter_agent_communication", {"author": "a", "content": "b"}, 18),
    line("realtime_item", {"type": "transcript_segment", "role": "user", "text": "c"}, 18),
    line("world_state", {"full": True}, 18),
    {"type": "turn.completed", "usage": USED},
    {"type": "item.completed", "item": {"id": "i", "type": "agent_message", "text": "Bye"}},
    {"type": "thread.started", "thread_id": CHILD},
    {"id": "0", "msg": {"type": "agent_message", "message": "Old"}},
    {"id": CHILD, "timestamp": "2025-06-01T00:00:00Z", "instructions": None},
]
PARENT = [
    header(),
    event("task_started", 3, turn_id="t1"),
    message("user", "Hello"),
    tokens(USED, USED),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def paths_in(value: Any) -> list[tuple[Any, ...]]:
    """The way to every value inside `value`, itself included."""
    inner = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    return [(), *((key, *rest) for key, one in inner for rest in paths_in(one))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real line in which any value, or the line itself, is any other JSON value."""
    record = draw(st.sampled_from(POOL))
    if draw(st.booleans()):
        record = replaced(record, draw(st.sampled_from(paths_in(record))), draw(JSON))
    return json.dumps(record).encode()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real line cut off or overwritten, or any bytes."""
    whole = bytearray(draw(mutated()))
    kind = draw(st.sampled_from(["cut", "overwritten", "bytes"]))
    if kind == "bytes" or not whole:
        return draw(st.binary(max_size=30)).replace(b"\n", b"")
    place = draw(st.integers(0, len(whole) - 1))
    if kind == "cut":
        return bytes(whole[:place])
    whole[place : place + 3] = draw(st.binary(min_size=1, max_size=4)).replace(b"\n", b"?")
    return bytes(whole)


ANY_LINE = st.one_of(
    st.sampled_from([encoded([one]).strip() for one in POOL]), mutated(), damaged()
)


@given(st.lists(ANY_LINE, max_size=12), st.sampled_from([CHILD, "unnamed"]))
@settings(max_examples=200, deadline=None)
def test_no_line_raises_and_every_line_is_counted(lines: list[bytes], thread: str) -> None:
    """Each line that is not blank is in exactly one counter, whatever its bytes are."""
    with tempfile.TemporaryDirectory() as folder:
        rollout(Path(folder), *PARENT)
        path = rollout(Path(folder), *lines, thread=thread)
        batches = batches_of(path)
    assert sum(one.lines for one in batches) == sum(1 for one in lines if one.strip())


@given(
    st.lists(ANY_LINE, max_size=14),
    st.sets(st.integers(0, 14)),
    st.sampled_from([CHILD, "unnamed"]),
)
@settings(max_examples=200, deadline=None)
def test_a_file_read_in_pieces_gives_the_same_rows(
    lines: list[bytes], cuts: set[int], thread: str
) -> None:
    """At any line a reading may stop; the next one goes on as if there had been one."""
    with tempfile.TemporaryDirectory() as folder:
        rollout(Path(folder), *PARENT)
        path = rollout(Path(folder), thread=thread)
        batches = batches_of(path)
        for number, one in enumerate(lines):
            with path.open("ab") as file:
                file.write(one + b"\n")
            if number in cuts:
                batches += batches_of(path, batches[-1].resume)
        batches += batches_of(path, batches[-1].resume)
        whole = batches_of(path)
    assert archived(batches) == archived(whole)
    assert sum(one.lines for one in batches) == sum(one.lines for one in whole)
    assert batches[-1].resume == whole[-1].resume


@given(st.lists(st.tuples(st.integers(0, len(POOL)), st.binary(max_size=20)), max_size=5))
@settings(max_examples=100, deadline=None)
def test_malformed_lines_cost_only_themselves(garbage: list[tuple[int, bytes]]) -> None:
    """The rows of the other lines are the same as if blank lines stood there."""
    wrecks = {place: b"{!" + bytes_.replace(b"\n", b"") for place, bytes_ in garbage}
    slots = [wrecks.get(place, b"") for place in range(len(POOL) + 1)]
    with tempfile.TemporaryDirectory() as folder:
        clean = [one for record in POOL for one in (b"", encoded([record]).strip())]
        dirty = [
            one
            for slot, record in zip(slots, POOL, strict=False)
            for one in (slot, encoded([record]).strip())
        ]
        path = rollout(Path(folder), *clean, thread=CHILD)
        expected = archived(batches_of(path))
        path.write_bytes(encoded(dirty))
        batches = batches_of(path)
    assert archived(batches) == expected
    numbers = [number for one in batches for number in one.malformed]
    assert numbers == [2 * place + 1 for place in sorted(wrecks) if place < len(POOL)]
