"""Events of agents, and the requests they become."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clankers.hooks import requests_of

SESSION = "11111111-2222-4333-8444-555555555555"


def event(name: str, **fields: Any) -> dict[str, Any]:
    """As Claude Code sends it."""
    common = {"session_id": SESSION, "transcript_path": "/t.jsonl", "cwd": "/home/ada/tidewatch",
              "permission_mode": "default", "hook_event_name": name}  # fmt: skip
    return {**common, **fields}


def payload(agent: str, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    *_, request = (one for one in requests_of(agent, given) if "id" in one)
    key = {"upsertSession": "session", "upsertTool": "tool"}[request["method"]]
    found = dict(request["params"][key])
    for name in ("createdAt", "endedAt"):
        if name in found:
            assert found.pop(name) > 1_700_000_000_000
    return request["method"], found


CALL = {"tool_name": "Edit", "tool_use_id": "toolu_1", "tool_input": {"file_path": "/x", "a": "é"}}
SAID = {
    "id": f"{SESSION}-toolu_1",
    "sessionId": SESSION,
    "toolName": "Edit",
    "toolInput": '{"file_path":"/x","a":"é"}',
    "filePath": "/x",
}
BEGAN = {
    "id": SESSION,
    "source": "claude-code",
    "projectPath": "/home/ada/tidewatch",
    "projectName": "tidewatch",
    "permissionMode": "default",
}


@pytest.mark.parametrize(
    ("given", "method", "expected"),
    [
        (event("SessionStart", source="startup"), "upsertSession", BEGAN),
        (event("SessionEnd", reason="exit"), "upsertSession", BEGAN),
        (event("PreToolUse", **CALL), "upsertTool", SAID),
        (
            event("PostToolUse", **CALL, tool_response={"ok": [1]}),
            "upsertTool",
            {**SAID, "success": True, "toolOutput": '{"ok":[1]}'},
        ),
        (
            event("PostToolUseFailure", **CALL, error="no such file"),
            "upsertTool",
            {**SAID, "success": False, "errorMessage": "no such file"},
        ),
    ],
)
def test_what_is_reported(given: dict[str, Any], method: str, expected: dict[str, Any]) -> None:
    """Beginnings, ends and tool calls, under the ids that transcripts have."""
    assert payload("claude-code", given) == (method, expected)


@pytest.mark.parametrize(
    "given",
    [
        event("UserPromptSubmit", prompt="hello"),
        event("Stop"),
        event("SubagentStop"),
        event("PreCompact", trigger="auto"),
        event("PreToolUse", tool_name="Edit"),
        event("SomethingNew"),
        {"transcript_path": "/t.jsonl"},
        {"session_id": 7, "hook_event_name": "SessionStart"},
        {"session_id": "../x", "hook_event_name": "SessionStart"},
    ],
)
def test_what_is_not(given: dict[str, Any]) -> None:
    """What the transcript tells better, and what is no event."""
    assert [one for one in requests_of("claude-code", given) if "id" in one] == []


def test_where_the_rest_is_told() -> None:
    """A daemon hears which transcripts have grown; it is not asked for an answer."""
    given = event("SubagentStop", agent_transcript_path="/a.jsonl")
    found = requests_of("claude-code", given)
    assert [(one["method"], one["params"]["path"]) for one in found] == [
        ("transcriptChanged", "/t.jsonl"),
        ("transcriptChanged", "/a.jsonl"),
    ]
    assert not any("id" in one for one in found)
    *_, told = requests_of("claude-code", event("PreToolUse", **CALL))
    assert told["params"]["path"] == "/t.jsonl"


def test_a_long_output() -> None:
    """Its beginning is kept, as JSON, and its true length."""
    given = event("PostToolUse", **CALL, tool_response="é" * 20_000)
    _, found = payload("claude-code", given)
    text = json.loads(found["toolOutput"])
    assert text.startswith('"éé')
    assert len(text.encode()) == 10_240 - 1  # not within a character
    assert found["outputBytes"] == 40_002


def test_the_session_of_a_call() -> None:
    """Is told with it: the hooks may not have seen it begin."""
    first, second, _ = requests_of("claude-code", event("PreToolUse", **CALL))
    assert (first["method"], second["method"]) == ("upsertSession", "upsertTool")
    told = first["params"]["session"]
    assert told.pop("createdAt") == second["params"]["tool"]["createdAt"]
    assert told == BEGAN


def test_a_subagents_call() -> None:
    """It belongs to the session that the subagent's transcript is imported as."""
    given = event("PreToolUse", **CALL, agent_id="a1b2")
    assert len([one for one in requests_of("claude-code", given) if "id" in one]) == 1
    _, found = payload("claude-code", given)
    child = f"{SESSION}:agent-a1b2"
    assert found == {**SAID, "sessionId": child, "id": f"{child}-toolu_1"}


def test_cursor() -> None:
    """Sessions, under other names."""
    given = {
        "conversation_id": "c1",
        "workspace_roots": ["/x/y", "/z"],
        "hook_event_name": "sessionStart",
    }
    _, found = payload("cursor", given)
    assert found == {"id": "c1", "source": "cursor", "projectPath": "/x/y", "projectName": "y"}


def test_gemini() -> None:
    """Sessions, by the same names."""
    _, found = payload(
        "gemini", {"session_id": "g1", "cwd": "/x/y", "hook_event_name": "SessionStart"}
    )
    assert found == {"id": "g1", "source": "gemini", "projectPath": "/x/y", "projectName": "y"}
