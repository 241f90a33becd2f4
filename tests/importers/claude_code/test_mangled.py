"""Any line may be damaged: that costs the line at most, and never its neighbours."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clankers.importing import import_sessions
from clankers.store import Store

from ._transcripts import (
    SESSION,
    Archive,
    Record,
    answer,
    archived,
    attachment,
    batches_of,
    call,
    counted,
    encoded,
    line,
    queued,
    result,
    usage,
    user,
)

if TYPE_CHECKING:
    from clankers.importers import Batch

PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
SAVED = f"<persisted-output>\nFull output saved to: /x/{SESSION}/tool-results/a.txt\n\nPreview"
TASK = (
    "<task-notification><task-id>a1</task-id><tool-use-id>tm</tool-use-id>"
    '<summary>Agent "x" done</summary></task-notification>'
)
# One of every kind, with everything that something is made of.
POOL: list[Record] = [
    user("Hello", 10, uuid="m1", promptSource="typed", origin={"kind": "human"}),
    user([{"type": "text", "text": "<ide_opened_file>a</ide_opened_file>"}, PICTURE], 11),
    user("<command-name>/rename</command-name><command-args>A</command-args>", 12),
    user("Summed up", 13, isCompactSummary=True, forkedFrom={"sessionId": "x"}),
    answer(
        [
            {"type": "thinking", "thinking": "Hm", "signature": "x"},
            {"type": "text", "text": "Hi"},
            call("tm", "Edit", file_path="/a.py"),
            {"type": "fallback", "from": {"model": "a"}},
            {"type": "web_search_tool_result", "tool_use_id": "tm", "content": {"type": "x_error"}},
        ],
        14,
        message="msg_m",
        used=usage(
            1,
            2,
            read=3,
            write=4,
            cache_creation={"ephemeral_1h_input_tokens": 4},
            server_tool_use={"web_search_requests": 1},
            output_tokens_details={"thinking_tokens": 1},
            speed="fast",
        ),
        costUSD=0.5,
    ),
    answer(
        "API Error",
        15,
        message="msg_e",
        isApiErrorMessage=True,
        apiErrorStatus=429,
        quotaLimits={"resetsAt": 1},
    ),
    result("tm", SAVED, 16, error=True, toolUseResult={"agentId": "a1", "durationMs": 5}),
    result("tm", [{"type": "text", "text": SAVED}, PICTURE], 17, sourceToolUseID="tm"),
    line(
        "system",
        18,
        subtype="compact_boundary",
        compactMetadata={"preTokens": 9, "cumulativeDroppedTokens": 3},
    ),
    line(
        "system",
        19,
        subtype="microcompact_boundary",
        microcompactMetadata={"preTokens": 9, "tokensSaved": 3},
    ),
    line("system", 20, subtype="api_error", error={"status": 529}, cause={"code": "x"}),
    line("system", 21, subtype="local_command", content="<command-name>/clear</command-name>"),
    line("system", 22, subtype="brand_new", content="Something"),
    line("progress", 23, data={"type": "agent_progress", "agentId": "a1"}, parentToolUseID="tm"),
    attachment(
        "queued_command",
        24,
        prompt=[{"type": "text", "text": "Mid"}, PICTURE],
        commandMode="prompt",
    ),
    queued("enqueue", "Waiting", 25),
    queued("enqueue", TASK, 26),
    queued("enqueue", json.dumps({"task_id": "a1", "tool_use_id": "tm"}), 27),
    queued("remove", "Waiting", 28),
    {"type": "summary", "summary": "S", "leafUuid": "m1"},
    {"type": "custom-title", "customTitle": "C", "sessionId": SESSION},
    {"type": "ai-title", "aiTitle": "T"},
    {"type": "permission-mode", "permissionMode": "plan"},
    {"type": "continued-in", "continuedInSessionId": "next"},
]
BEFORE = [
    user("Before", 1, uuid="u1"),
    answer([{"type": "thinking", "thinking": "Hm"}], 2),
    answer("So", 3),
    answer([call("t1", command="ls")], 4),
]
AFTER = [
    result("t1", "a", 50, toolUseResult={"durationMs": 5}),
    answer("Done", 51, message="msg_2", request="req_2"),
    user("After", 52, uuid="u2"),
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["", "/", "..", "\0", "\ud800", "9" * 5_000, "2025-11-01", SAVED]),
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


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A line of a known shape in which any value was replaced, left out or given twice."""
    record: Any = copy.deepcopy(draw(st.sampled_from(POOL)))
    *way, last = draw(st.sampled_from([path for path in paths_in(record) if path]))
    holder = record
    for key in way:
        holder = holder[key]
    if draw(st.booleans()):
        holder[last] = draw(JSON)
    else:
        del holder[last]
    text = json.dumps(record, ensure_ascii=draw(st.booleans()))
    return text.encode("utf-8", "surrogatepass")


@st.composite
def torn(draw: st.DrawFn) -> bytes:
    """A line with some bytes cut out or put in."""
    whole = encoded([draw(st.sampled_from(POOL))]).removesuffix(b"\n")
    start = draw(st.integers(0, len(whole)))
    end = draw(st.integers(start, min(len(whole), start + 40)))
    put_in = draw(st.binary(max_size=6))
    return whole[:start] + put_in.replace(b"\n", b" ") + whole[end:]


LINES = (damaged() | torn() | st.binary(max_size=40)).filter(lambda raw: b"\n" not in raw)
DEEP = b"[" * 10_000 + b"]" * 10_000


def read(lines: list[Any]) -> list[Batch]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{SESSION}.jsonl")
        path.write_bytes(encoded(lines))
        return batches_of(path)


def neighbours(archive: Archive) -> list[tuple[object, ...]]:
    """What the lines around the damaged one made, but for their places in the order."""
    names = ("u1", "u2", "msg_1", "msg_2")
    said = [archive.messages[f"{SESSION}:{name}"] for name in names]
    tool = archive.tools[f"{SESSION}:t1"]
    return [
        *[
            (one.role, one.text_content, one.thinking, one.content, one.created_at, one.model)
            for one in said
        ],
        (tool.tool_name, tool.tool_input, tool.tool_output, tool.success, tool.duration_ms),
        *[
            (one.id, one.input_tokens, one.output_tokens)
            for name, one in archive.usage.items()
            if name in ("claude-code:msg_1:req_1", "claude-code:msg_2:req_2")
        ],
    ]


@settings(deadline=None, max_examples=300)
@given(raw=LINES)
@example(raw=b'{"type":"user","message":' + DEEP + b"}")
@example(raw=b'{"type":"user","toolUseResult":' + DEEP + b',"message":{"content":"Hi"}}')
@example(raw=b'{"a":' * 10_000 + b"1" + b"}" * 10_000)
@example(raw=b'{"type":"user","timestamp":1e308,"message":{"content":"\xff\xfe"}}')
@example(raw=b'{"type":"user","timestamp":-1e308,"x":' + b"9" * 6_000 + b"}")
@example(raw=b"\0" * 100)
def test_a_damaged_line_costs_itself_at_most(raw: bytes) -> None:
    """Nothing raises; it counts once or, when it is blank, not at all; its neighbours stay."""
    batches = read([*BEFORE, raw, *AFTER])
    expected = len(BEFORE) + len(AFTER) + (0 if not raw or raw.isspace() else 1)
    assert sum(one.lines for one in batches) == expected
    assert set(counted(batches)[3]) <= {len(BEFORE) + 1}
    assert neighbours(archived(batches)) == neighbours(archived(read([*BEFORE, *AFTER])))


@settings(deadline=None, max_examples=60)
@given(lines=st.lists(LINES, min_size=1, max_size=5))
def test_a_store_takes_whatever_came_of_damaged_lines(lines: list[bytes]) -> None:
    """Numbers that are too large and letters that are none would make it refuse the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{SESSION}.jsonl")
        path.write_bytes(encoded([*BEFORE, *lines]))
        with Store.open(Path(folder, "clankers.db")) as store:
            report = import_sessions(store, ["claude-code"], path=path)
            assert report.failures == []
            assert report.lines == len(BEFORE) + sum(1 for one in lines if one.strip())
            (total,) = store.connection.execute("SELECT sum(output_tokens) FROM usage")
            assert total[0] >= 5


@settings(deadline=None)
@given(lines=st.lists(LINES, max_size=6), data=st.data())
def test_damaged_lines_in_pieces(lines: list[bytes], data: st.DataObject) -> None:
    """Going on after any of them neither raises nor counts a line twice."""
    content = encoded([*BEFORE, *lines, *AFTER])
    cut = data.draw(st.integers(0, len(content)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{SESSION}.jsonl")
        path.write_bytes(content[:cut])
        first = [one for one in batches_of(path) if one.tail is None]
        path.write_bytes(content)
        rest = batches_of(path, first[-1].resume)
        present = sum(1 for one in content.split(b"\n") if one.strip())
        assert sum(one.lines for one in [*first, *rest]) == present


MANY = 50_000


@pytest.mark.parametrize(
    "record",
    [
        answer([{"type": "text", "text": str(n)} for n in range(MANY)]),
        answer([{"type": "strange", "n": n} for n in range(MANY)]),
        answer([call(f"t{n}") for n in range(MANY)]),
        user([{"type": "strange", "n": n} for n in range(MANY)]),
        user([{"type": "tool_result", "tool_use_id": str(n), "content": "a"} for n in range(MANY)]),
        user("<system-reminder>a</system-reminder>" * MANY),
        user("<command-name>" + " " * 10 * MANY),
        user("<bash-stdout>" * MANY),
    ],
)
def test_a_line_of_many_parts_takes_no_hours(record: Record) -> None:
    """Nothing in it is compared with everything else in it."""
    (batch,) = read([record])
    assert batch.imported == 1


def test_many_lines_of_one_answer_take_no_hours() -> None:
    """Nor are its lines."""
    lines = [answer(str(n), n % 60, request=f"req_{n}") for n in range(5_000)]
    (batch,) = read(lines)
    assert len({one.id for one in batch.usage}) == 5_000
    (message,) = batch.messages
    assert len((message.text_content or "").split()) == 5_000


@pytest.mark.parametrize("name", ["agent-a1", "copy", SESSION])
def test_a_file_of_garbage(tmp_path: Path, name: str) -> None:
    """All of it is malformed, and there is no session."""
    path = tmp_path / f"{name}.jsonl"
    path.write_bytes(b"\xff\n{\n\0\n" * 100)
    (batch,) = batches_of(path)
    assert (len(batch.malformed), batch.lines, batch.sessions) == (300, 300, [])
