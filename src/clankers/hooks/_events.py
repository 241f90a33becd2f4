"""Events of agents, made into requests to the daemon.

Claude Code: https://code.claude.com/docs/en/hooks; Gemini CLI:
https://geminicli.com/docs/hooks/reference, and Codex,
https://developers.openai.com/codex/hooks, whose events of a session look the same. Cursor,
https://cursor.com/docs/agent/hooks, has other names.

Prompts, answers and compactions come from the transcript alone, which tells more of them. Of a
tool call the outcome is here first; it becomes one with the transcript's by its id.
"""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    Request = dict[str, Any]

# What is longer is cut; its true length is kept.
_LONGEST_OUTPUT = 10_240
_STARTS = frozenset({"SessionStart", "sessionStart"})
_ENDS = frozenset({"SessionEnd", "sessionEnd"})
_TOOLS = frozenset({"PreToolUse", "PostToolUse", "PostToolUseFailure"})


def requests_of(agent: str, event: Mapping[str, Any]) -> list[Request]:
    """The requests that say what an event says, and which transcript tells the rest.

    The latter has no id: it concerns nobody but a daemon that watches, and is not answered.
    """
    session = event.get("session_id") or event.get("conversation_id")
    if not isinstance(session, str) or not session or "/" in session:
        return []
    return [*_said(agent, session, event), *_named(event)]


def _said(agent: str, session: str, event: Mapping[str, Any]) -> list[Request]:
    now = time.time_ns() // 1_000_000
    name = event.get("hook_event_name")
    if name in _STARTS or name in _ENDS:
        return [_request("upsertSession", "session", _session(agent, session, event, name, now))]
    if name in _TOOLS and isinstance(event.get("tool_use_id"), str) and event["tool_use_id"]:
        worker = _worker(session, event)
        tool = _request("upsertTool", "tool", _tool(worker, event, str(name), now))
        if worker != session:
            return [tool]  # Whose subagent that is its transcript says.
        # Hooks that were installed in the middle of a session have not seen it begin.
        told = _session(agent, session, event, name, now)
        return [_request("upsertSession", "session", told), tool]
    return []


def _named(event: Mapping[str, Any]) -> Iterator[Request]:
    for key in ("transcript_path", "agent_transcript_path"):
        path = event.get(key)
        if isinstance(path, str) and path:
            request = _request("transcriptChanged", "path", os.path.expanduser(path))
            del request["id"]
            yield request


def _worker(session: str, event: Mapping[str, Any]) -> str:
    """The session that a call belongs to: a subagent's own, where the event names one."""
    agent = event.get("agent_id")
    return f"{session}:agent-{agent}" if isinstance(agent, str) and agent else session


def _session(
    agent: str, session: str, event: Mapping[str, Any], name: object, now: int
) -> dict[str, Any]:
    """What it was used for its transcript says."""
    roots = event.get("workspace_roots")
    folder = event.get("cwd") or (roots[0] if isinstance(roots, list) and roots else None)
    told: dict[str, Any] = {"id": session, "source": agent, "createdAt": now}
    if isinstance(folder, str) and folder:
        told["projectPath"] = folder
        told["projectName"] = os.path.basename(folder.rstrip("/"))
    if isinstance(event.get("permission_mode"), str):
        told["permissionMode"] = event["permission_mode"]
    if name in _ENDS:
        told["endedAt"] = now
    return told


def _tool(session: str, event: Mapping[str, Any], name: str, now: int) -> dict[str, Any]:
    given = event.get("tool_input")
    told: dict[str, Any] = {
        "id": f"{session}-{event['tool_use_id']}",
        "sessionId": session,
        "toolName": str(event.get("tool_name") or "unknown"),
        "createdAt": now,
    }
    if given is not None:
        told["toolInput"] = _json(given)
        path = given.get("file_path") if isinstance(given, dict) else None
        if isinstance(path, str):
            told["filePath"] = path
    if name == "PostToolUse":
        told["success"] = True
        if (output := event.get("tool_response")) is not None:
            told.update(_output(_json(output)))
    elif name == "PostToolUseFailure":
        told["success"] = False
        told["errorMessage"] = str(event.get("error") or "")
    return told


def _output(text: str) -> dict[str, Any]:
    """An output as JSON; of a long one the beginning, and how many bytes it has."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= _LONGEST_OUTPUT:
        return {"toolOutput": text}
    cut = encoded[:_LONGEST_OUTPUT].decode("utf-8", "ignore")
    return {"toolOutput": json.dumps(cut, ensure_ascii=False), "outputBytes": len(encoded)}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _request(method: str, key: str, payload: object) -> Request:
    params = {"schemaVersion": "v1", "client": {"name": "clankers-cli hook"}, key: payload}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
