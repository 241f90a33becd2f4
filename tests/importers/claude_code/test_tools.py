"""Tool calls joined with their results."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from ._transcripts import (
    SESSION,
    Record,
    answer,
    attachment,
    call,
    imported,
    line,
    moment,
    outcome_of,
    queued,
    result,
    transcript,
    user,
)

if TYPE_CHECKING:
    from pathlib import Path

PNG = base64.b64encode(b"pixels").decode()
PNG_HASH = hashlib.sha256(b"pixels").hexdigest()
NOTIFICATION = (
    "<task-notification>\n<task-id>a1b2</task-id>\n<tool-use-id>t1</tool-use-id>\n"
    '<summary>Agent "Look" completed</summary>\n<result>Found</result>\n</task-notification>'
)


def test_a_call_and_its_result(tmp_path: Path) -> None:
    """One row tells both, and points at the answer that made the call."""
    path = transcript(
        tmp_path,
        answer([call("t1", "Bash", command="ls")], 1),
        result("t1", "a.py", 2, toolUseResult={"stdout": "a.py", "durationMs": 250}),
    )
    tool = imported(path).tool
    assert tool.id == f"{SESSION}:t1"
    assert (tool.session_id, tool.message_id) == (SESSION, f"{SESSION}:msg_1")
    assert (tool.tool_name, tool.native_id, tool.created_at) == ("Bash", "t1", moment(1))
    assert (tool.tool_input, tool.tool_output) == ('{"command":"ls"}', '"a.py"')
    assert (tool.success, tool.error_message, tool.duration_ms) == (True, None, 250)
    assert (tool.output_bytes, tool.child_session_id) == (None, None)


@pytest.mark.parametrize("comes_first", ["call", "result"])
def test_the_result_may_stand_before_the_call(tmp_path: Path, comes_first: str) -> None:
    """Lines are not always written in order; the call's time counts."""
    lines = [answer([call("t1", "Bash")], 1), result("t1", "a", 2)]
    path = transcript(tmp_path, *(lines if comes_first == "call" else lines[::-1]))
    tool = imported(path).tool
    assert (tool.tool_name, tool.tool_output, tool.created_at) == ("Bash", '"a"', moment(1))


def test_a_call_without_a_result_is_open(tmp_path: Path) -> None:
    """Nobody knows whether it worked."""
    tool = imported(transcript(tmp_path, answer([call("t1")]))).tool
    assert (tool.success, tool.tool_output) == (None, None)


def test_a_result_without_a_call_is_kept(tmp_path: Path) -> None:
    """The call may stand in a file that is gone; the tool's name is unknown then."""
    tool = imported(transcript(tmp_path, result("t1", "a"))).tool
    assert (tool.tool_name, tool.tool_output, tool.message_id) == ("", '"a"', None)


@pytest.mark.parametrize(
    ("error", "success", "message"),
    [(None, True, None), (False, True, None), ("true", True, None), (True, False, "No\n\nway")],
)
def test_errors(tmp_path: Path, error: object, success: object, message: str | None) -> None:
    """Only what is marked as an error is one; its text becomes the message."""
    content = [{"type": "text", "text": "No"}, {"type": "text", "text": "way"}]
    tool = imported(transcript(tmp_path, result("t1", content, error=error))).tool
    assert (tool.success, tool.error_message) == (success, message)
    assert json.loads(tool.tool_output or "") == content


def test_a_long_error_is_cut_in_the_message_only(tmp_path: Path) -> None:
    """The output has it whole."""
    tool = imported(transcript(tmp_path, result("t1", "x" * 5_000, error=True))).tool
    assert tool.error_message == "x" * 2_000
    assert tool.tool_output == '"' + "x" * 5_000 + '"'


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ({"durationMs": 1200}, 1200),
        ({"totalDurationMs": 9000, "durationMs": 3}, 9000),
        ({"durationSeconds": 1.5}, 1500),
        ({"durationMs": 0}, None),
        ({"durationMs": -5}, None),
        ({"durationMs": "soon"}, None),
        ({"durationSeconds": 1e300}, None),
        ({"durationMs": 10**30}, None),
        ("Error: no", None),
        (["a"], None),
        (None, None),
    ],
)
def test_durations(tmp_path: Path, notes: object, expected: int | None) -> None:
    """Only the program's own notes have them, in several spellings."""
    path = transcript(tmp_path, result("t1", "a", toolUseResult=notes))
    assert imported(path).tool.duration_ms == expected


def test_notes_beside_several_results_are_of_none(tmp_path: Path) -> None:
    """They do not say which one they are about."""
    results = [{"type": "tool_result", "tool_use_id": name, "content": "a"} for name in "ab"]
    archive = imported(transcript(tmp_path, user(results, toolUseResult={"durationMs": 5})))
    assert [one.duration_ms for one in archive.tools.values()] == [None, None]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"file_path": "/a/b.py", "content": "x"}, "/a/b.py"),
        ({"notebook_path": "/a/b.ipynb"}, "/a/b.ipynb"),
        ({"path": "/a"}, None),
        ({"text": '"file_path"'}, None),
        ({"file_path": 5}, None),
        ({"file_path": ""}, None),
    ],
)
def test_file_paths(tmp_path: Path, given: dict[str, Any], expected: str | None) -> None:
    """Of tools that work on a file."""
    assert imported(transcript(tmp_path, answer([call("t1", **given)]))).tool.file_path == expected


def test_input_and_output_are_json_with_their_own_letters(tmp_path: Path) -> None:
    """Escapes that others write would hide words from a search."""
    path = transcript(
        tmp_path,
        answer([call("t1", text="für\n")]),
        result("t1", [{"type": "text", "text": "für"}]),
        b'{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t2",'
        b'"content":{"a":"\xc3\xbc","b":[1, 2.50]}}]}}',
    )
    tools = imported(path).tools
    assert tools[f"{SESSION}:t1"].tool_input == '{"text":"für\\n"}'
    assert tools[f"{SESSION}:t1"].tool_output == '[{"type":"text","text":"für"}]'
    assert tools[f"{SESSION}:t2"].tool_output == '{"a":"ü","b":[1, 2.50]}'


@pytest.mark.parametrize("content", [None, ...])
def test_a_result_without_content_has_no_output(tmp_path: Path, content: object) -> None:
    """But the call came to an end."""
    record = result("t1", content if content is None else "")
    if content is ...:
        del record["message"]["content"][0]["content"]
    tool = imported(transcript(tmp_path, record)).tool
    assert (tool.tool_output, tool.success) == (None, True)


def test_images_in_outputs_are_stored_beside_them(tmp_path: Path) -> None:
    """The output refers to them."""
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    content = [{"type": "text", "text": "Here"}, {"type": "image", "source": source}]
    archive = imported(transcript(tmp_path, result("t1", content)))
    assert json.loads(archive.tool.tool_output or "") == [
        {"type": "text", "text": "Here"},
        {"type": "image", "attachment": PNG_HASH, "media_type": "image/png"},
    ]
    assert archive.attachments[PNG_HASH].data == b"pixels"


def test_tools_that_ran_at_the_api(tmp_path: Path) -> None:
    """Call and result stand in one answer; a failure is told by its type."""
    path = transcript(
        tmp_path,
        answer(
            [
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"q": "a"}},
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "s1",
                    "content": [{"type": "web_search_result", "title": "A"}],
                },
                {"type": "mcp_tool_use", "id": "s2", "name": "fetch", "input": {}},
                {
                    "type": "mcp_tool_result",
                    "tool_use_id": "s2",
                    "content": {"type": "web_search_tool_result_error", "error_code": "no"},
                },
            ]
        ),
    )
    archive = imported(path)
    one, two = (archive.tools[f"{SESSION}:{name}"] for name in ("s1", "s2"))
    assert (one.tool_name, one.success) == ("web_search", True)
    assert one.tool_output == '[{"type":"web_search_result","title":"A"}]'
    assert (two.tool_name, two.success) == ("fetch", False)
    assert json.loads(archive.message.content or "") == [
        {"type": "tool", "id": f"{SESSION}:s1"},
        {"type": "tool", "id": f"{SESSION}:s2"},
    ]


def test_calls_and_results_without_an_id(tmp_path: Path) -> None:
    """A line may name the call beside the result; else nothing joins them, and nothing is lost."""
    bare = {"type": "tool_use", "name": "Bash", "input": {"a": 1}}
    answered = {"type": "tool_result", "content": "ok"}
    path = transcript(
        tmp_path,
        answer([{"type": "text", "text": "Go"}, bare], 1, message="m/1"),
        user([answered], 2, uuid="u1", sourceToolUseID="t9"),
        user([answered], 3, uuid="u2"),
    )
    tools = imported(path).tools
    assert tools[f"{SESSION}:m_1#1"].tool_input == '{"a":1}'
    assert tools[f"{SESSION}:t9"].tool_output == '"ok"'
    assert tools[f"{SESSION}:u2#0"].tool_output == '"ok"'


def test_words_after_a_result_are_a_message(tmp_path: Path) -> None:
    """What a person says while refusing stands in the same line."""
    results = result("t1", "no", 1)["message"]["content"]
    path = transcript(tmp_path, user([*results, {"type": "text", "text": "Use tabs"}], 1))
    archive = imported(path)
    assert archive.spoken == [("user", "Use tabs")]
    assert archive.tool.tool_output == '"no"'


def test_a_result_is_no_message(tmp_path: Path) -> None:
    """Though it is logged as one of the user."""
    assert imported(transcript(tmp_path, result("t1", "a"))).messages == {}


@pytest.mark.parametrize(
    "link",
    [
        result("t1", "done", 2, toolUseResult={"agentId": "a1b2", "totalDurationMs": 5}),
        line(
            "progress",
            2,
            data={"type": "agent_progress", "agentId": "a1b2", "message": {"type": "user"}},
            toolUseID="agent_msg_1",
            parentToolUseID="t1",
        ),
        queued("enqueue", NOTIFICATION, 2),
        queued("enqueue", json.dumps({"task_id": "a1b2", "tool_use_id": "t1"}), 2),
        user(NOTIFICATION, 2),
        attachment("queued_command", 2, prompt=NOTIFICATION, commandMode="task-notification"),
    ],
)
@pytest.mark.parametrize("name", [SESSION, "agent-parent"])
def test_a_call_names_the_subagent_that_worked_for_it(
    tmp_path: Path, link: Record, name: str
) -> None:
    """Versions tell it in six ways; a subagent's subagents stand beside it."""
    path = transcript(tmp_path, answer([call("t1", "Task")], 1), link, name=name)
    (tool,) = imported(path).tools.values()
    assert tool.child_session_id == f"{SESSION}:agent-a1b2"
    assert tool.created_at == moment(1)


@pytest.mark.parametrize(
    "record",
    [
        queued("enqueue", NOTIFICATION.replace('Agent "Look"', 'Background command "ls"')),
        queued(
            "enqueue",
            json.dumps({"task_id": "b1", "tool_use_id": "t1", "task_type": "local_bash"}),
        ),
        line("progress", data={"type": "bash_progress", "agentId": "a1"}, parentToolUseID="t1"),
        line("progress", data={"type": "agent_progress", "agentId": 5}, parentToolUseID="t1"),
        line("progress", data={"type": "agent_progress", "agentId": "a1"}),
        line("progress", data="text", parentToolUseID="t1"),
    ],
)
def test_other_tasks_are_no_subagents(tmp_path: Path, record: Record) -> None:
    """Shell commands in the background are told of in the same way."""
    assert imported(transcript(tmp_path, record)).tools == {}
    if record["type"] == "progress":
        assert outcome_of(tmp_path, record) == "noise"
