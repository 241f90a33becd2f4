"""What Claude Code's lines mean: one reading of one transcript, from a watermark on."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from clankers.importers import Resume
from clankers.importers._batch import Batch
from clankers.importers._jsonl import decode_line, is_blank, read_chunks
from clankers.importers._values import count, json_text, milliseconds, next_seq, row_id, text
from clankers.importers.claude_code._answers import SEPARATOR, Block, Spoken
from clankers.importers.claude_code._envelopes import is_command, opened
from clankers.importers.claude_code._lines import (
    ERROR_SUBTYPES,
    NOISE_SUBTYPES,
    NOISE_TYPES,
    Said,
    line_decoder,
    progress_decoder,
    tool_result_decoder,
)
from clankers.importers.claude_code._state import (
    AGENT,
    GUESSED,
    NAMED,
    PROMPTED,
    RENAMED,
    first_state,
    session_folder,
    state_decoder,
)
from clankers.importers.claude_code._tool_results import saved_output
from clankers.importers.claude_code._usage import Responses, measured, response_of, stated_usage
from clankers.models import Attachment, Compaction, Session, SessionError, ToolCall, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clankers.importers._jsonl import Chunk
    from clankers.importers.claude_code._lines import Line, Stated
    from clankers.importers.claude_code._state import State
    from clankers.importers.claude_code._usage import Response

Outcome = Literal["imported", "noise", "unknown"]

SYNTHETIC = "<synthetic>"
LARGEST_ATTACHMENT = 5 * 1024 * 1024
ERROR_CHARACTERS = 2_000
OPEN_ANSWERS = 2


def read_transcript(path: Path, resume: Resume) -> Iterator[Batch]:
    """The batches of one transcript, see `Importer.read`."""
    state = state_decoder.decode(resume.state) if resume.state else first_state(path)
    folder = session_folder(path, state)
    with path.open("rb") as stream:
        stream.seek(resume.offset)
        for chunk in read_chunks(stream, resume):
            reading = Reading(state, folder)
            for number, line in enumerate(chunk.lines, chunk.first):
                if not is_blank(line):
                    reading.take(number, line)
            yield reading.batch(chunk.resume, is_last=chunk.is_last)
            if not is_blank(chunk.torn):
                yield from _read_tail(state, folder, chunk)


def _read_tail(state: State, folder: Path, chunk: Chunk) -> Iterator[Batch]:
    """The batch of a last line that has no newline yet; none while it does not parse."""
    before = msgspec.json.encode(state)
    reading = Reading(state, folder)
    outcome = reading.take(chunk.resume.line + 1, chunk.torn)
    if outcome is not None:
        batch = reading.batch(chunk.resume, is_last=True)
        batch.resume = Resume(chunk.resume.offset, chunk.resume.line, before)
        batch.tail = outcome
        yield batch


class Measurement(NamedTuple):
    """The line that says the most of what a response used."""

    line: Line
    said: Said
    stated: Stated
    output: int
    spoken: Spoken


class Reading:
    """Collects what the lines of one chunk say; `batch()` gives it away."""

    def __init__(self, state: State, session_folder: Path) -> None:
        self._state = state
        self._folder = session_folder
        self._id = state.session_id
        self._batch = Batch(Resume())
        self._answers = {one.native_id: one for one in state.answers}
        self._spoken: dict[str, Spoken] = {}
        self._tools: dict[str, ToolCall] = {}
        self._attachments: dict[str, Attachment] = {}
        self._responses = Responses(state.responses)
        self._readings: dict[Response, Measurement] = {}

    def take(self, number: int, line: bytes) -> Outcome | None:
        """Takes one line; the counter it went to, or None when it is malformed."""
        record = decode_line(line_decoder, line)
        if record is None:
            self._batch.malformed.append(number)
            return None
        outcome = self._take_record(record, number)
        if outcome == "imported":
            self._batch.imported += 1
        elif outcome == "noise":
            self._batch.noise += 1
        else:
            self._batch.unknown += 1
        return outcome

    def batch(self, resume: Resume, *, is_last: bool) -> Batch:
        """All records since the start; `is_last` at the end of the file as it is now."""
        state, batch = self._state, self._batch
        if is_last:
            self._add_undelivered()
        batch.messages = [one.message(self._id) for one in self._spoken.values()]
        batch.tools = list(self._tools.values())
        batch.attachments = list(self._attachments.values())
        batch.usage = [self._usage_of(*pair) for pair in self._readings.items()]
        if any((batch.messages, batch.tools, batch.usage, batch.errors, batch.compactions)):
            batch.sessions.insert(0, state.session())
        state.answers = list(self._answers.values())[-OPEN_ANSWERS:]
        state.responses = self._responses.recent()
        batch.resume = Resume(resume.offset, resume.line, msgspec.json.encode(state))
        return batch

    def _take_record(self, line: Line, number: int) -> Outcome:
        kind = line.type
        if kind == "assistant" or kind == "user":
            if not isinstance(line.message, Said):
                return "unknown"
            self._state.identify(line)
            if kind == "assistant":
                return self._take_assistant(line, line.message, number)
            return self._take_user(line, line.message, number)
        if kind == "system":
            self._state.identify(line)
            return self._take_system(line, number)
        if kind == "attachment":
            return self._take_attachment(line, number)
        if kind == "progress":
            return self._take_progress(line)
        if kind == "queue-operation":
            return self._take_queue(line)
        return self._take_note(line, kind)

    # Answers

    def _take_assistant(self, line: Line, said: Said, number: int) -> Outcome:
        if line.isApiErrorMessage is True:
            self._add_error(line, number, _flat(said.content), _error_type(line))
            return "imported"
        native_id = text(said.id) or text(line.uuid) or f"L{number}"
        spoken = self._spoken_as(native_id, "assistant", line)
        model = text(said.model)
        if model and model != SYNTHETIC:
            spoken.model = self._state.model = model
            self._add_usage(line, said, native_id, spoken)
        content = said.content
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        for index, block in enumerate(content if isinstance(content, list) else ()):
            if isinstance(block, dict):
                self._add_block(spoken, block, index)
        return "imported"

    def _spoken_as(self, native_id: str, role: str, line: Line) -> Spoken:
        """The message under that id, begun now if no line before was part of it."""
        created_at = self._state.time_of(line)
        spoken = self._spoken.get(native_id) or self._answers.get(native_id)
        if spoken is None:
            spoken = Spoken(
                row_id(native_id),
                role,
                created_at,
                None,
                self._state.next_seq(created_at),
                text(line.parentUuid) or text(line.logicalParentUuid),
                line.isSidechain is True,
            )
        if role == "assistant":
            spoken.completed_at = created_at
            self._answers[native_id] = spoken
        self._spoken[native_id] = spoken
        return spoken

    def _add_usage(self, line: Line, said: Said, native_id: str, spoken: Spoken) -> None:
        stated = stated_usage(said)
        if stated is None:
            return
        is_sidechain = line.isSidechain is True
        found = response_of(native_id, text(line.requestId), stated, is_sidechain=is_sidechain)
        response = self._responses.join(found)
        output = count(stated.output_tokens)
        known = self._readings.get(response)
        if known is None or output > known.output:
            self._readings[response] = Measurement(line, said, stated, output, spoken)
            spoken.prompt_tokens = sum(response.prompt)
            spoken.completion_tokens = max(output, spoken.completion_tokens or 0)

    def _usage_of(self, response: Response, best: Measurement) -> Usage:
        """The record of a response, from the line that says the most."""
        state, spoken = self._state, best.spoken
        usage = measured(best.line, best.said, best.stated)
        usage.id = response.usage_id
        usage.session_id = self._id
        usage.session_at = state.created_at
        usage.message_id = f"{self._id}:{spoken.native_id}"
        usage.project_path = text(best.line.cwd) or state.project_path
        usage.git_branch = text(best.line.gitBranch) or state.git_branch
        usage.occurred_at = spoken.created_at
        return usage

    def _add_block(self, spoken: Spoken, block: dict[str, Any], index: int) -> None:
        kind = text(block.get("type")) or "unknown"
        if kind == "text":
            spoken.add(Block("text", text(block.get("text")) or ""))
        elif kind == "thinking":
            spoken.add(Block("thinking", text(block.get("thinking")) or ""))
        elif kind.endswith("tool_use"):
            self._add_call(spoken, block, index)
        elif kind.endswith("tool_result"):
            self._add_result(block, spoken.completed_at or spoken.created_at, None)
        elif kind in ("image", "document"):
            spoken.add(Block(kind, "", self._attached(block)))
        else:
            spoken.add(Block(kind, "", block))

    # Tool calls

    def _add_call(self, spoken: Spoken, block: dict[str, Any], index: int) -> None:
        call_id = row_id(text(block.get("id")) or f"{spoken.native_id}#{index}")
        tool = self._tool(call_id, spoken.completed_at or spoken.created_at)
        spoken.add(Block("tool", "", {"id": tool.id}))
        if tool.seq is None:
            tool.seq = self._state.next_seq(spoken.completed_at)
        given = block.get("input")
        tool.tool_name = text(block.get("name")) or tool.tool_name
        tool.message_id = f"{self._id}:{spoken.native_id}"
        tool.tool_input = None if given is None else json_text(given)
        if isinstance(given, dict):
            tool.file_path = text(given.get("file_path")) or text(given.get("notebook_path"))

    def _tool(self, call_id: str, created_at: int | None) -> ToolCall:
        tool = self._tools.get(call_id)
        if tool is None:
            when = created_at or self._state.last_at or 0
            tool = ToolCall(f"{self._id}:{call_id}", self._id, when, native_id=call_id)
            self._tools[call_id] = tool
        return tool

    def _add_result(self, block: dict[str, Any], created_at: int | None, line: Line | None) -> None:
        call_id = text(block.get("tool_use_id"))
        if call_id is None:
            return
        tool = self._tool(row_id(call_id), created_at)
        content = block.get("content")
        if isinstance(content, str):
            saved = saved_output(content, self._folder)
            content = content if saved is None else saved
        elif isinstance(content, list):
            content = [self._without_bytes(part) for part in content]
        tool.tool_output = None if content is None else json_text(content)
        tool.success = block.get("is_error") is not True
        if not tool.success:
            tool.error_message = _flat(content)[:ERROR_CHARACTERS]
        if line is not None:
            self._add_notes(tool, bytes(line.toolUseResult))

    def _add_notes(self, tool: ToolCall, noted: bytes) -> None:
        """Duration and subagent of a call, which only the program's own notes hold."""
        if b'"agentId"' not in noted and b"uration" not in noted:
            return
        notes = decode_line(tool_result_decoder, noted)
        if notes is None:
            return
        duration = count(notes.totalDurationMs) or count(notes.durationMs)
        if not duration and type(notes.durationSeconds) in (int, float):
            duration = count(round(notes.durationSeconds * 1000))
        tool.duration_ms = duration or tool.duration_ms
        if agent_id := text(notes.agentId):
            tool.child_session_id = self._subagent(agent_id)

    def _subagent(self, agent_id: str) -> str:
        root = self._state.parent_id or self._id
        return f"{root}:agent-{row_id(agent_id)}"

    def _without_bytes(self, part: Any) -> Any:
        if isinstance(part, dict) and part.get("type") in ("image", "document"):
            return {"type": part["type"], **self._attached(part)}
        return part

    def _attached(self, block: dict[str, Any]) -> dict[str, Any]:
        """Stores what the block carries; the reference that stands for it."""
        source = block.get("source")
        if not isinstance(source, dict) or not isinstance(source.get("data"), str):
            return {"source": source}
        media_type = text(source.get("media_type"))
        written = source["data"]
        try:
            carried = (
                written.encode()
                if source.get("type") == "text"
                else base64.b64decode(written, validate=True)
            )
        except (binascii.Error, ValueError):
            return {"media_type": media_type, "unreadable": len(written)}
        if len(carried) > LARGEST_ATTACHMENT:
            return {"media_type": media_type, "bytes": len(carried)}
        key = hashlib.sha256(carried).hexdigest()
        self._attachments[key] = Attachment(key, media_type, carried)
        return {"attachment": key, "media_type": media_type}

    # What people and the program say

    def _take_user(self, line: Line, said: Said, number: int) -> Outcome:
        content = said.content
        created_at = self._state.time_of(line)
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        blocks = (
            [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []
        )
        results = [one for one in blocks if one.get("type") == "tool_result"]
        for result in results:
            self._add_result(result, created_at, line)
        rest = [one for one in blocks if one.get("type") != "tool_result"]
        if not rest or (line.isMeta is True and not line.isCompactSummary):
            return "imported" if results else "noise"
        return self._say(line, rest, text(line.uuid) or f"L{number}")

    def _say(self, line: Line, blocks: list[dict[str, Any]], native_id: str) -> Outcome:
        """A message of the user or of the program in the user's name."""
        turns = [_turn(block) for block in blocks]
        written = SEPARATOR.join(said for _role, said in turns if said)
        if delivered := self._delivered(written):
            native_id = delivered
        is_users = any(role == "user" for role, _said in turns) and not line.isCompactSummary
        spoken = self._spoken_as(native_id, "user" if is_users else "system", line)
        for block, (_role, said) in zip(blocks, turns, strict=True):
            if block.get("type") == "text":
                spoken.add(Block("text", said))
            else:
                self._add_block(spoken, block, 0)
        if is_users:
            self._suggest_title(line, blocks, turns)
        return "imported"

    def _suggest_title(
        self, line: Line, blocks: list[dict[str, Any]], turns: list[tuple[str, str]]
    ) -> None:
        if line.isSidechain is True and self._state.relationship != "subagent":
            return
        for block, (role, said) in zip(blocks, turns, strict=True):
            if role == "user" and said:
                rank = GUESSED if is_command(text(block.get("text")) or "") else PROMPTED
                self._state.suggest_title(said, rank, keep_first=True)
                return

    def _take_attachment(self, line: Line, number: int) -> Outcome:
        attachment = line.attachment
        if not isinstance(attachment, dict):
            return "unknown"
        if attachment.get("type") != "queued_command":
            return "noise"
        prompt = attachment.get("prompt")
        if isinstance(prompt, str):
            prompt = [{"type": "text", "text": prompt}]
        blocks = prompt if isinstance(prompt, list) else []
        blocks = [one for one in blocks if isinstance(one, dict)]
        if not blocks:
            return "noise"
        self._state.identify(line)
        return self._say(line, blocks, text(line.uuid) or f"L{number}")

    # Prompts typed while the agent was busy

    def _take_queue(self, line: Line) -> Outcome:
        written = _flat(line.content).strip()
        queued = self._state.queued
        if line.operation == "enqueue" and written and opened(written)[0] == "user":
            queued[written] = f"queued-{milliseconds(line.timestamp) or 0}"
            return "imported"
        if line.operation in ("remove", "popAll"):
            for pending in [one for one in queued if not written or one == written]:
                del queued[pending]
        return "noise"

    def _delivered(self, written: str) -> str | None:
        """The id a queued prompt got when it was typed, once it reaches the agent."""
        queued = self._state.queued
        if not queued:
            return None
        found = queued.get(written.strip())
        for pending in [one for one in queued if one in written]:
            del queued[pending]
        return found

    def _add_undelivered(self) -> None:
        """Prompts that still wait when the file ends: someone wrote them, so they are kept."""
        for written, native_id in self._state.queued.items():
            created_at = int(native_id.removeprefix("queued-")) or self._state.last_at
            seq = next_seq(0, created_at)
            spoken = Spoken(native_id, "user", created_at, None, seq, None, False)
            spoken.add(Block("text", written))
            self._spoken.setdefault(native_id, spoken)

    # Everything else

    def _take_system(self, line: Line, number: int) -> Outcome:
        subtype = line.subtype
        if subtype == "compact_boundary":
            self._add_compaction(line, number)
        elif subtype in ERROR_SUBTYPES:
            self._add_error(line, number, _system_error(line), subtype)
        elif subtype == "local_command" and isinstance(line.content, str):
            blocks = [{"type": "text", "text": line.content}]
            return self._say(line, blocks, text(line.uuid) or f"L{number}")
        else:
            return "noise" if subtype in NOISE_SUBTYPES else "unknown"
        return "imported"

    def _add_error(self, line: Line, number: int, message: str, kind: str) -> None:
        self._batch.errors.append(
            SessionError(
                self._line_id(line, number),
                self._id,
                self._state.time_of(line) or 0,
                kind,
                message[:ERROR_CHARACTERS] or None,
            )
        )

    def _add_compaction(self, line: Line, number: int) -> None:
        noted = line.compactMetadata if isinstance(line.compactMetadata, dict) else {}
        self._batch.compactions.append(
            Compaction(
                self._line_id(line, number),
                self._id,
                self._state.time_of(line) or 0,
                count(noted.get("preTokens")) or None,
                count(noted.get("postTokens")) or None,
            )
        )

    def _line_id(self, line: Line, number: int) -> str:
        return f"{self._id}:{row_id(text(line.uuid) or f'L{number}')}"

    def _take_progress(self, line: Line) -> Outcome:
        call_id = text(line.parentToolUseID)
        if call_id and b'"agent_progress"' in bytes(line.data):
            progress = decode_line(progress_decoder, bytes(line.data))
            if progress and progress.type == "agent_progress" and text(progress.agentId):
                tool = self._tool(row_id(call_id), milliseconds(line.timestamp))
                tool.child_session_id = self._subagent(progress.agentId)
                return "imported"
        return "noise"

    def _take_note(self, line: Line, kind: Any) -> Outcome:
        """Records without a place in the conversation: titles, modes, pointers."""
        state = self._state
        if kind == "summary" and text(line.summary):
            state.summarise(line.summary, text(line.leafUuid))
        elif kind == "ai-title" and text(line.aiTitle):
            state.suggest_title(line.aiTitle, NAMED)
        elif kind == "custom-title" and text(line.customTitle):
            state.suggest_title(line.customTitle, RENAMED)
        elif kind == "permission-mode" and text(line.permissionMode):
            state.permission_mode = line.permissionMode
        elif kind == "continued-in" and text(line.continuedInSessionId):
            following = Session(row_id(line.continuedInSessionId), source=AGENT)
            following.parent_id, following.relationship = self._id, "continuation"
            self._batch.mentions.append(following)
        else:
            return "noise" if type(kind) is str and kind in NOISE_TYPES else "unknown"
        return "imported"


def _turn(block: dict[str, Any]) -> tuple[str, str]:
    """(role, text) of one block; an image or a document is the user's and has no text."""
    if block.get("type") != "text":
        return "user", ""
    return opened(text(block.get("text")) or "")


def _flat(content: Any) -> str:
    """The text of a string or of a list of blocks."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [one.get("text") for one in content if isinstance(one, dict)]
    return SEPARATOR.join(part for part in parts if isinstance(part, str))


def _error_type(line: Line) -> str:
    status = count(line.apiErrorStatus)
    return text(line.error) or (f"api_error_{status}" if status else "api_error")


def _system_error(line: Line) -> str:
    if written := text(line.content) or text(line.error):
        return written
    return json_text(line.error) if line.error else ""
