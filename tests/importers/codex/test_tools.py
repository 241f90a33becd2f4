"""Tool calls: what was asked, what came back, how it went."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from ._rollouts import (
    THREAD,
    archived,
    batches_of,
    encoded,
    event,
    header,
    imported,
    item,
    message,
    moment,
    rollout,
)

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.models import ToolCall

    from ._rollouts import Record

PIXEL = b"\x89PNG not really"
PIXEL_BASE64 = base64.b64encode(PIXEL).decode()
PIXEL_HASH = hashlib.sha256(PIXEL).hexdigest()
PATCH = "*** Begin Patch\n*** Update File: src/a b.py\n@@\n-x\n+y\n*** End Patch"


def only_tool(folder: Path, *lines: Record) -> ToolCall:
    (tool,) = imported(rollout(folder, header(), *lines)).tools.values()
    return tool


def called(output: Any, name: str = "shell", second: float = 5) -> list[Record]:
    return [
        item("function_call", 3, name=name, arguments='{"command":["ls"]}', call_id="c1"),
        item("function_call_output", second, call_id="c1", output=output),
    ]


@pytest.mark.parametrize(
    ("output", "success", "duration", "error"),
    [
        ('{"output":"hi","metadata":{"exit_code":0,"duration_seconds":0.4}}', True, 400, None),
        ('{"output":"no\\n","metadata":{"exit_code":2,"duration_seconds":1}}', False, 1_000, "no"),
        ("Exit code: 0\nWall time: 0.1 seconds\nOutput:\nhi", True, 100, None),
        ("Exit code: 1\nWall time: 12 seconds\nOutput:\nbad\n", False, 12_000, "bad"),
        (
            (
                "Chunk ID: 1a2b\nWall time: 0.0510 seconds\nProcess exited with code 127\n"
                "Original token count: 9\nOutput:\nnot found"
            ),
            False,
            51,
            "not found",
        ),
        (
            "Wall time: 2.5 seconds\nProcess running with session ID 7\nOutput:\n",
            None,
            2_500,
            None,
        ),
        ("Plan updated", None, None, None),
        ("Exit code: 1 is what I saw\nOutput:\n", None, None, None),
        ("some text\nExit code: 1\nOutput:\n", None, None, None),
        ("Exit code: 1", None, None, None),
        ('{"output":"hi"}', None, None, None),
        ("aborted by user after 3.1s", False, None, "aborted by user after 3.1s"),
        ("unsupported call: fly", False, None, "unsupported call: fly"),
        ({"content": "denied", "success": False}, False, None, "denied"),
        ({"content": "ok", "success": True}, True, None, None),
        (
            [
                {"type": "input_text", "text": "Script failed\nWall time 0.3 seconds\nOutput:\n"},
                {"type": "input_text", "text": "Error: x"},
            ],
            False,
            300,
            "Error: x",
        ),
        (None, None, None, None),
    ],
)
def test_how_a_call_went_is_told_only_by_codexs_own_words(
    tmp_path: Path, output: Any, *, success: bool | None, duration: int | None, error: str | None
) -> None:
    """Exit codes, headers and flags count; the same words inside an output do not."""
    tool = only_tool(tmp_path, *called(output))
    assert (tool.success, tool.duration_ms, tool.error_message) == (success, duration, error)


def test_a_text_output_is_stored_as_a_json_string(tmp_path: Path) -> None:
    """tool_output is always JSON, and a text that looks like JSON stays a text."""
    tool = only_tool(tmp_path, *called('{"output":"hi"}'))
    assert tool.tool_output == '"{\\"output\\":\\"hi\\"}"'
    assert tool.tool_name == "shell"
    assert (tool.created_at, tool.native_id) == (moment(3), "c1")


@pytest.mark.parametrize(
    ("arguments", "stored"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ("[1]", "[1]"),
        ('{"a": ', '"{\\"a\\": "'),
        ("print(1)", '"print(1)"'),
        ({"a": [1]}, '{"a":[1]}'),
        ("", '""'),
        (None, None),
    ],
)
def test_arguments_that_are_json_stay_that_json(
    tmp_path: Path, arguments: Any, stored: str | None
) -> None:
    """Codex writes arguments as a text that holds JSON, mostly."""
    tool = only_tool(tmp_path, item("function_call", name="f", arguments=arguments, call_id="c"))
    assert tool.tool_input == stored


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"name": "shell"}, "shell"),
        ({"name": "shell", "namespace": "functions"}, "shell"),
        ({"name": "click", "namespace": "mcp__browser__"}, "mcp__browser__click"),
        ({"name": "run", "namespace": "web"}, "web.run"),
        ({"function": {"name": "old"}}, "old"),
    ],
)
def test_a_tool_is_named_with_its_namespace(tmp_path: Path, fields: Record, name: str) -> None:
    """Functions of the same name in different namespaces are different tools."""
    call = item("function_call", arguments="{}", call_id="c", **fields)
    assert only_tool(tmp_path, call).tool_name == name


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (item("custom_tool_call", name="apply_patch", input=PATCH, call_id="c"), "src/a b.py"),
        (
            item(
                "function_call",
                name="shell",
                arguments=json.dumps({"command": ["apply_patch", PATCH]}),
                call_id="c",
            ),
            "src/a b.py",
        ),
        (
            item("function_call", name="view_image", arguments='{"path":"/x.png"}', call_id="c"),
            "/x.png",
        ),
        (item("function_call", name="shell", arguments='{"path":"/x.png"}', call_id="c"), None),
    ],
)
def test_the_file_of_a_call(tmp_path: Path, call: Record, path: str | None) -> None:
    """The first file of a patch, or the one that a reading tool is given."""
    assert only_tool(tmp_path, call).file_path == path


def test_a_result_in_a_later_reading_joins_its_call(tmp_path: Path) -> None:
    """The later batch has a partial row, and nothing of the call is lost by it."""
    call, result = called("Exit code: 0\nWall time: 1 seconds\nOutput:\nhi")
    path = rollout(tmp_path, header(), call)
    (first,) = batches_of(path)
    with path.open("ab") as file:
        file.write(encoded([result]))
    (second,) = batches_of(path, first.resume)
    (partial,) = second.tools
    assert (partial.tool_name, partial.tool_input, partial.seq) == ("", None, None)
    assert archived([first, second]) == imported(path)


def test_an_event_adds_to_the_models_own_call(tmp_path: Path) -> None:
    """What the model was told is kept; the event brings time, outcome and file."""
    call, result = called("what the model saw")
    noted = event(
        "exec_command_end",
        4,
        call_id="c1",
        command=["ls"],
        aggregated_output="what was printed",
        exit_code=3,
        stderr="oh no",
        duration={"secs": 1, "nanos": 500_000_000},
    )
    tool = only_tool(tmp_path, call, noted, result)
    assert tool.tool_output == '"what the model saw"'
    assert tool.tool_input == '{"command":["ls"]}'
    assert (tool.success, tool.duration_ms, tool.error_message) == (False, 1_500, "oh no")


def test_an_event_alone_is_a_call_in_the_open_answer(tmp_path: Path) -> None:
    """Commands that a script of the model ran have no response item of their own."""
    script = item("custom_tool_call", 3, name="exec", input="await run()", call_id="c1")
    done = {"type": "CommandExecution", "id": "x1", "command": ["ls"], "exit_code": 0}
    ran = event("item_completed", 4, item=done, started_at_ms=1_000, completed_at_ms=1_250)
    archive = imported(rollout(tmp_path, header(), script, ran))
    (answer,) = archive.messages.values()
    tool = archive.tools[f"{THREAD}:x1"]
    assert (tool.tool_name, tool.success, tool.duration_ms) == ("shell", True, 250)
    assert tool.message_id == answer.id
    assert [one["id"] for one in json.loads(answer.content or "")] == [
        f"{THREAD}:c1",
        f"{THREAD}:x1",
    ]


def test_a_patch_tells_its_first_file_and_whether_it_worked(tmp_path: Path) -> None:
    """Failed patches keep what was complained about."""
    ended = event(
        "patch_apply_end",
        call_id="p1",
        success=False,
        stdout="",
        stderr="context mismatch",
        changes={"/a.py": {"type": "add"}, "/b.py": {"type": "add"}},
    )
    tool = only_tool(tmp_path, ended)
    assert (tool.tool_name, tool.file_path, tool.success) == ("apply_patch", "/a.py", False)
    assert tool.error_message == "context mismatch"


@pytest.mark.parametrize(
    ("result", "success", "error"),
    [
        ({"Ok": {"content": [{"type": "text", "text": "x"}], "isError": False}}, True, None),
        ({"Ok": {"content": [{"type": "text", "text": "bad"}], "isError": True}}, False, "bad"),
        ({"Err": "no such server"}, False, "no such server"),
    ],
)
def test_mcp_calls(tmp_path: Path, result: Record, *, success: bool, error: str | None) -> None:
    """Server and tool make the name; an error is one in either of its two shapes."""
    ended = event(
        "mcp_tool_call_end",
        call_id="m1",
        invocation={"server": "docs", "tool": "find", "arguments": {"q": 1}},
        duration={"secs": 0, "nanos": 4_000_000},
        result=result,
    )
    tool = only_tool(tmp_path, ended)
    assert (tool.tool_name, tool.tool_input) == ("mcp__docs__find", '{"q":1}')
    assert (tool.success, tool.error_message, tool.duration_ms) == (success, error, 4)


def test_images_in_outputs_are_stored_beside_them(tmp_path: Path) -> None:
    """Of three shapes of image the bytes go to attachments, in their place a reference."""
    shown = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL_BASE64}"}
    drawn = {"type": "image", "data": PIXEL_BASE64, "mimeType": "image/png"}
    mcp = event("mcp_tool_call_end", call_id="m", result={"Ok": {"content": [drawn]}})
    made = item("image_generation_call", id="ig", status="completed", result=PIXEL_BASE64)
    archive = imported(rollout(tmp_path, header(), *called([shown]), mcp, made))
    reference = {"type": "image", "attachment": PIXEL_HASH, "media_type": "image/png"}
    outputs = {one.native_id: json.loads(one.tool_output or "") for one in archive.tools.values()}
    assert outputs == {"c1": [reference], "m": {"content": [reference]}, "ig": reference}
    assert list(archive.attachments) == [PIXEL_HASH]
    assert archive.tools[f"{THREAD}:ig"].success is True


def test_a_search_is_one_with_and_without_an_id(tmp_path: Path) -> None:
    """Older items have no id, so that item and event are told apart by what was sought."""
    action = {"type": "search", "query": "weather"}
    named = [
        item("web_search_call", id="ws", status="completed", action=action),
        event("web_search_end", call_id="ws", action=action, results=[{"title": "Sun"}]),
    ]
    tool = only_tool(tmp_path / "named", *named)
    assert (tool.tool_name, tool.success) == ("web_search", True)
    assert tool.tool_input == '{"type":"search","query":"weather"}'
    assert tool.tool_output == '[{"title":"Sun"}]'
    nameless = item("web_search_call", status="completed", action=action)
    ended = event("web_search_end", call_id="ws", query="weather", action=action)
    assert only_tool(tmp_path / "first", nameless, ended).native_id == "L2"
    assert only_tool(tmp_path / "second", ended, nameless).native_id == "ws"


def test_other_calls_of_the_model(tmp_path: Path) -> None:
    """Local shell, tool search and dynamic tools are calls like others."""
    archive = imported(
        rollout(
            tmp_path,
            header(),
            item("local_shell_call", call_id="l", action={"type": "exec", "command": ["ls"]}),
            item("tool_search_call", call_id="s", arguments={"query": "x"}),
            item("tool_search_output", call_id="s", status="completed", tools=[{"name": "y"}]),
            event("dynamic_tool_call_request", callId="d", tool="fly", arguments={"to": "moon"}),
            event("dynamic_tool_call_response", call_id="d", success=False, error="No fuel"),
        )
    )
    told = [
        (one.tool_name, one.tool_input, one.tool_output, one.success, one.error_message)
        for one in archive.tools.values()
    ]
    assert told == [
        ("local_shell", '{"type":"exec","command":["ls"]}', None, None, None),
        ("tool_search", '{"query":"x"}', '[{"name":"y"}]', True, None),
        ("fly", '{"to":"moon"}', '"No fuel"', False, "No fuel"),
    ]


def test_a_call_that_starts_an_agent_names_its_session(tmp_path: Path) -> None:
    """From the event or from the completed item, whichever there is."""
    call = item("function_call", name="spawn_agent", arguments="{}", call_id="c1")
    spawned = event("collab_agent_spawn_end", call_id="c1", new_thread_id="child", prompt="Go")
    assert only_tool(tmp_path, call, spawned).child_session_id == "child"
    done = {
        "type": "CollabAgentToolCall",
        "id": "c1",
        "tool": "spawnAgent",
        "receiver_thread_ids": ["kid"],
    }
    tool = only_tool(tmp_path, event("item_completed", item=done))
    assert (tool.tool_name, tool.child_session_id) == ("spawn_agent", "kid")


def test_results_without_ids_join_the_call_before_them(tmp_path: Path) -> None:
    """Some writers name neither; a result with no call at all still is a row."""
    call = item("tool_call", 3, function={"name": "run"}, arguments={"x": 1})
    result = item("tool_result", 4, name="run", result={"stdout": "hi", "exitCode": 0})
    tool = only_tool(tmp_path, call, result)
    assert (tool.tool_name, tool.success) == ("run", True)
    assert tool.tool_output == '{"stdout":"hi","exitCode":0}'
    orphan = only_tool(tmp_path, result)
    assert (orphan.native_id, orphan.tool_name) == ("L2", "run")
    late = only_tool(tmp_path, item("function_call_output", 9, call_id="gone", output="x"))
    assert (late.native_id, late.tool_name, late.created_at) == ("gone", "", moment(9))


def test_an_output_ends_an_answer(tmp_path: Path) -> None:
    """What the model says after it was told a result is another response."""
    path = rollout(
        tmp_path, header(), message("assistant", "a"), *called("x"), message("assistant", "b")
    )
    assert imported(path).spoken == [("assistant", "a"), ("assistant", "b")]
