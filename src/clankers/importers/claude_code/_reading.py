"""What Claude Code's lines mean: goes over them in order and collects the rows they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from clankers.importers import Resume
from clankers.importers._batch import Batch
from clankers.importers._jsonl import decode_value
from clankers.importers._values import milliseconds, row_id, text
from clankers.importers.claude_code import _queued
from clankers.importers.claude_code._attachments import MEDIA
from clankers.importers.claude_code._compactions import compaction, microcompaction
from clankers.importers.claude_code._errors import answered_error, logged_error
from clankers.importers.claude_code._known import (
    ERROR_SUBTYPES,
    NOISE_ATTACHMENTS,
    NOISE_SUBTYPES,
    NOISE_TYPES,
    TOLD_SUBTYPES,
)
from clankers.importers.claude_code._lines import (
    blocks_of,
    decoded_line,
    flat,
)
from clankers.importers.claude_code._messages import Messages, Written
from clankers.importers.claude_code._spoken import AGENT
from clankers.importers.claude_code._state import NAMED, RENAMED
from clankers.models import Session, SessionError

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.importers.claude_code._envelopes import Role
    from clankers.importers.claude_code._lines import Attached, Line
    from clankers.importers.claude_code._memory import Memory
    from clankers.importers.claude_code._state import State

Outcome: TypeAlias = Literal["imported", "noise", "unknown"]

# Whose words a line of the user's holds, where it says so and it is not the user.
_OTHERS = frozenset({"task-notification", "peer", "scheduled-task", "scheduled_task"})


class Reading:
    """Takes lines one by one; `batch` gives away what they made."""

    def __init__(self, state: State, folders: list[Path], memory: Memory) -> None:
        self.state = state
        self._memory = memory
        self.forget(folders)

    def forget(self, folders: list[Path]) -> None:
        """Begins a new batch without what the lines so far made; `folders` as at the beginning."""
        self._folders = folders
        self._batch = Batch(Resume())
        self._messages = Messages(self.state, folders, self._memory)

    def take(self, number: int, raw: bytes) -> Outcome | None:
        """Takes one line; the counter it went to, or None when it is malformed."""
        line = decoded_line(raw)
        if line is None:
            self._batch.malformed.append(number)
            return None
        outcome = self._take(line, raw, number)
        if outcome == "imported":
            self._batch.imported += 1
        elif outcome == "noise":
            self._batch.noise += 1
        else:
            self._batch.unknown += 1
        return outcome

    def batch(self) -> Batch:
        """All rows since the last call; from where to go on is left to the caller."""
        state, batch, said = self.state, self._batch, self._messages
        batch.usage = said.measured.records()
        batch.messages = [one.message(state.session_id) for one in said.spoken.values()]
        batch.tools = list(said.tools.calls.values())
        batch.attachments = said.attachments.all()
        has_rows = batch.messages or batch.tools or batch.errors or batch.compactions
        state.is_real = state.is_real or bool(has_rows)
        if state.is_real and (has_rows or batch.imported):
            batch.sessions.append(state.session())
        self.forget(self._folders)
        return batch

    def _take(self, line: Line, raw: bytes, number: int) -> Outcome:
        kind = line.type
        if kind == "assistant":
            outcome = self._take_answer(line, raw, number)
        elif kind == "user":
            outcome = self._take_user(line, raw, number)
        elif kind == "system":
            outcome = self._take_system(self._written(line, raw, number))
        elif kind == "attachment":
            outcome = self._take_attachment(line, raw, number)
        elif kind == "progress":
            outcome = self._take_progress(line)
        elif kind == "queue-operation":
            outcome = self._take_queue(line, raw, number)
        else:
            outcome = self._take_note(line)
        return outcome

    def _written(self, line: Line, raw: bytes, number: int) -> Written:
        self.state.identify(line)
        return self._placed(line, raw, number)

    def _placed(self, line: Line, raw: bytes, number: int) -> Written:
        stamp = milliseconds(line.timestamp)
        at = self.state.time_of(stamp)
        return Written(line, raw, at, line.uuid or f"L{number}", stamp is not None)

    def _take_answer(self, line: Line, raw: bytes, number: int) -> Outcome:
        if line.message is None:
            return "unknown"
        written = self._written(line, raw, number)
        if line.is_api_error_message is True:
            self._add_error(written, *answered_error(line))
        else:
            self._messages.answer(written, line.message)
        return "imported"

    def _take_user(self, line: Line, raw: bytes, number: int) -> Outcome:
        if line.message is None:
            return "unknown"
        written, blocks = self._written(line, raw, number), blocks_of(line.message.content)
        results = [block for block in blocks if block.type == "tool_result"]
        if results:
            self._messages.results(written, results)
            if len(results) == len(blocks):
                return "imported"
        is_summary, is_meta = line.is_compact_summary is True, line.is_meta is True
        said_blocks = [one for one in enumerate(blocks) if one[1].type != "tool_result"]
        if is_meta and not is_summary:
            # What the program tells the model; but a page that it shows, the user saw too.
            said_blocks = [one for one in said_blocks if one[1].type in MEDIA]
        speaker: Role | None = "system" if is_summary or is_meta or _is_others(line) else None
        was_said = self._messages.say(written, said_blocks, speaker)
        return "imported" if results or was_said else "noise"

    def _take_attachment(self, line: Line, raw: bytes, number: int) -> Outcome:
        attached = line.attachment
        if attached is None:
            return "unknown"
        if attached.type != "queued_command":
            return "noise" if attached.type in NOISE_ATTACHMENTS else "unknown"
        is_others = attached.command_mode == "task-notification" or _is_others(attached)
        blocks = list(enumerate(blocks_of(attached.prompt)))
        written = self._written(line, raw, number)
        was_said = self._messages.say(written, blocks, "system" if is_others else None)
        return "imported" if was_said else "noise"

    def _take_queue(self, line: Line, raw: bytes, number: int) -> Outcome:
        state, words = self.state, flat(line.content)
        if line.operation == "enqueue":
            if self._links_task(words):
                return "imported"
            written = self._placed(line, raw, number)
            return "imported" if self._messages.queue(written, line.content) else "noise"
        if line.operation in ("remove", "popAll"):
            _queued.leave(state, words, state.time_of(milliseconds(line.timestamp)))
            return "noise"
        return "noise" if line.operation == "dequeue" else "unknown"

    def _links_task(self, words: str) -> bool:
        """True for a subagent's task; older versions wrote those as JSON, newer ones as XML."""
        tools, at = self._messages.tools, self.state.last_at
        if not words.startswith("{"):
            return tools.link_task(words, at)
        task = decode_value(words.encode("utf-8", "replace"))
        if not isinstance(task, dict) or "bash" in str(task.get("task_type")):
            return False
        call_id, agent_id = text(task.get("tool_use_id")), text(task.get("task_id"))
        if call_id and agent_id:
            tools.link(call_id, agent_id, at)
        return bool(call_id and agent_id)

    def _take_progress(self, line: Line) -> Outcome:
        progress, call_id = line.data, line.parent_tool_use_id
        if progress and progress.type == "agent_progress" and progress.agent_id and call_id:
            at = self.state.time_of(milliseconds(line.timestamp))
            self._messages.tools.link(call_id, progress.agent_id, at)
            return "imported"
        return "noise"

    def _take_system(self, written: Written) -> Outcome:
        line, state, key = written.line, self.state, row_id(written.native_id)
        subtype = line.subtype
        if subtype == "compact_boundary":
            self._batch.compactions.append(compaction(line, state, key, written.at))
        elif subtype == "microcompact_boundary":
            self._batch.compactions.append(microcompaction(line, state, key, written.at))
        elif subtype in NOISE_SUBTYPES:
            return "noise"
        elif subtype in ERROR_SUBTYPES:
            self._add_error(written, str(subtype), logged_error(line))
        else:
            speaker: Role | None = None if subtype == "local_command" else "system"
            was_said = self._messages.say(
                written, list(enumerate(blocks_of(line.content))), speaker
            )
            if subtype not in TOLD_SUBTYPES:
                return "unknown"
            return "imported" if was_said else "noise"
        return "imported"

    def _add_error(self, written: Written, kind: str, message: str) -> None:
        session_id, key = self.state.session_id, row_id(written.native_id)
        self._batch.errors.append(
            SessionError(f"{session_id}:{key}", session_id, written.at or 0, kind, message or None)
        )

    def _take_note(self, line: Line) -> Outcome:
        """Records without a place in the conversation: titles, modes, pointers."""
        state, kind = self.state, line.type
        if kind == "summary" and line.summary:
            state.summarise(line.summary, line.leaf_uuid)
        elif kind == "ai-title" and line.ai_title:
            state.suggest_title(line.ai_title, NAMED)
        elif kind == "custom-title" and line.custom_title:
            state.suggest_title(line.custom_title, RENAMED)
        elif kind == "permission-mode" and line.permission_mode:
            state.permission_mode = line.permission_mode
        elif kind == "continued-in" and line.continued_in_session_id:
            following = Session(row_id(line.continued_in_session_id), source=AGENT)
            following.parent_id, following.relationship = state.session_id, "continuation"
            self._batch.mentions.append(following)
        else:
            return "noise" if kind in NOISE_TYPES else "unknown"
        return "imported"


def _is_others(record: Line | Attached) -> bool:
    """True when a prompt says itself that no person wrote it."""
    origin = record.origin
    if isinstance(origin, dict) and text(origin.get("kind")) in _OTHERS:
        return True
    return getattr(record, "prompt_source", None) == "system"
