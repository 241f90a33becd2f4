"""Tool calls joined with their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers._jsonl import decode_value
from clankers.importers._values import count, json_text, row_id
from clankers.importers.claude_code._attachments import MEDIA
from clankers.importers.claude_code._envelopes import agent_task
from clankers.importers.claude_code._lines import ABSENT, Paths, ToolUseResult, decoded
from clankers.importers.claude_code._spoken import SEPARATOR, Piece
from clankers.importers.claude_code._tool_results import PREFACE_CHARACTERS, SAVED_TO, saved_output
from clankers.models import ToolCall

if TYPE_CHECKING:
    from pathlib import Path

    import msgspec

    from clankers.importers.claude_code._attachments import Attachments
    from clankers.importers.claude_code._lines import Block, Line
    from clankers.importers.claude_code._spoken import Spoken
    from clankers.importers.claude_code._state import State

ERROR_CHARACTERS = 2_000
_LONGEST_SECONDS = 10**9
_ESCAPE = "\\u"
# Outputs in which something has to be replaced.
_REPLACED = (SAVED_TO, *(f'"{kind}"' for kind in sorted(MEDIA)))


class ToolCalls:
    """Collects what the lines of a batch say of calls; a call and its result may come apart."""

    def __init__(self, state: State, folders: list[Path], attachments: Attachments) -> None:
        self._state = state
        self._folders = folders
        self._attachments = attachments
        self.calls: dict[str, ToolCall] = {}

    def call(self, spoken: Spoken, block: Block, index: int, at: int | None) -> None:
        """Takes a call that is part of an answer."""
        native_id = block.id or f"{spoken.native_id}#{index}"
        tool = self._tool(native_id, at)
        if spoken.add(Piece("tool", "", {"id": tool.id})) and tool.seq is None:
            tool.seq = self._state.next_seq(at)
        tool.tool_name = block.name or tool.tool_name
        tool.message_id = f"{self._state.session_id}:{spoken.key}"
        if block.input is not ABSENT:
            written = _as_text(block.input)
            tool.tool_input = written
            if '_path"' in written:
                tool.file_path = _path_in(block.input) or tool.file_path

    def result(self, block: Block, native_id: str, at: int | None, line: Line | None) -> None:
        """Takes a result; `line` is the one that holds this result and no other."""
        tool = self._tool(native_id, at)
        output = None if block.content is ABSENT else self._output(block.content)
        tool.tool_output = output or tool.tool_output
        tool.success = block.is_error is not True and not _names_an_error(output)
        if not tool.success and output:
            tool.error_message = _flat(decode_value(output.encode()))[:ERROR_CHARACTERS]
        if line is not None and isinstance(line.tool_use_result, ToolUseResult):
            self._note(tool, line.tool_use_result)

    def link(self, native_id: str, agent_id: str, at: int | None) -> None:
        """A subagent works for a call."""
        self._tool(native_id, at).child_session_id = self._subagent(agent_id)

    def link_task(self, notification: str, at: int | None) -> bool:
        """Takes a notification about a task; False when it is about no subagent."""
        task = agent_task(notification)
        if task is not None:
            self.link(*task, at)
        return task is not None

    def _tool(self, native_id: str, at: int | None) -> ToolCall:
        key = row_id(native_id)
        tool = self.calls.get(key)
        when = at or self._state.last_at or 0
        if tool is None:
            session_id = self._state.session_id
            tool = self.calls[key] = ToolCall(f"{session_id}:{key}", session_id, when)
            tool.native_id = native_id
        elif when < tool.created_at:
            tool.created_at = when
        return tool

    def _note(self, tool: ToolCall, notes: ToolUseResult) -> None:
        """Duration and subagent of a call, which only the program's own notes hold."""
        duration = count(notes.total_duration_ms) or count(notes.duration_ms)
        seconds = notes.duration_seconds
        if not duration and seconds is not None and 0 < seconds < _LONGEST_SECONDS:
            duration = round(seconds * 1000)
        if 0 < duration < _LONGEST_SECONDS * 1000:
            tool.duration_ms = duration
        if notes.agent_id:
            tool.child_session_id = self._subagent(notes.agent_id)

    def _subagent(self, agent_id: str) -> str:
        state = self._state
        root = state.parent_id if state.relationship == "subagent" else None
        return f"{root or state.session_id}:agent-{row_id(agent_id)}"

    def _output(self, content: msgspec.Raw) -> str | None:
        """A tool's output as JSON: what was saved elsewhere in full, images as references."""
        written = _as_text(content)
        first = written[0]
        if first == '"':
            # Nothing is saved that does not say so at its beginning, escaped or not.
            if written.find(SAVED_TO, 0, 2 * PREFACE_CHARACTERS) < 0:
                return written
            saved = saved_output(str(decode_value(content)), self._folders)
            return written if saved is None else json_text(saved)
        if first == "[" and any(mark in written for mark in _REPLACED):
            found = decode_value(content)
            if isinstance(found, list):
                return json_text([self._whole(part) for part in found])
        return None if written == "null" else written

    def _whole(self, part: Any) -> Any:
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            saved = saved_output(part["text"], self._folders)
            return part if saved is None else {**part, "text": saved}
        return self._attachments.without_bytes(part)


def _as_text(raw: msgspec.Raw) -> str:
    """JSON as it was written, but with letters for their escapes."""
    written = str(raw, "utf-8", "replace")
    return json_text(decode_value(raw)) if _ESCAPE in written else written


def _path_in(given: msgspec.Raw) -> str | None:
    found = decoded(Paths, given)
    return (found.file_path or found.notebook_path or None) if found else None


def _names_an_error(output: str | None) -> bool:
    """True for the results of tools that ran at the API and failed there."""
    if output is None or not output.startswith("{"):
        return False
    found = decode_value(output.encode())
    kind = found.get("type") if isinstance(found, dict) else None
    return isinstance(kind, str) and kind.endswith("_error")


def _flat(content: Any) -> str:
    """The text of a string or of a list of blocks; of anything else its JSON."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [one.get("text") for one in content if isinstance(one, dict)]
        return SEPARATOR.join(part for part in parts if isinstance(part, str))
    return "" if content is None else json_text(content)
