"""Agent transcripts: what Cursor writes down of a conversation, one message on each line.

They have no ids, times, models or tokens. A line that a later version writes in the place of
another replaces it.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from clankers.importers._blocks import TEXT, THINKING, Block
from clankers.importers._lines import read_lines
from clankers.importers._rows import Memory, Rows, flat, member, objects, remembered
from clankers.importers._values import is_uuid, milliseconds, text
from clankers.importers.cursor._bubbles import name_model
from clankers.importers.cursor._elsewhere import LINE, is_in_better_store, told_beside
from clankers.importers.cursor._files import TRANSCRIPTS
from clankers.importers.cursor._prompts import unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clankers.importers import Resume
    from clankers.importers._batch import Batch
    from clankers.importers._lines import Outcome

AGENT = "cursor"
_SUBAGENTS = "subagents"
_CALLS = ("tool_use", "tool_call", "tool-call")
_RESULTS = ("tool_result", "tool-result")
_NOWHERE = "empty-window"
_REDACTED = "[REDACTED]"
_PENDING, _DATED = "pending", "dated"
_MOST_PENDING = 64


def read_transcript(path: Path, resume: Resume) -> Iterator[Batch]:
    """The batches of a `.jsonl` transcript; see `Importer.read`."""
    rows = Rows(AGENT, remembered(resume.state))
    identify(rows, path)
    if is_in_better_store(path, rows.session.id):
        return read_lines(path, resume, _Silent())
    return read_lines(path, resume, _Transcript(rows, date_by_file(rows, path)))


def date_by_file(rows: Rows, path: Path) -> int:
    """Takes what the command line says of the session; the time of what has none itself."""
    beside = told_beside(path, rows.session.id)
    rows.place(text(beside.get("cwd")))
    rows.name(text(beside.get("title")))
    changed_at = milliseconds(beside.get("updatedAtMs"))
    at = round(path.stat().st_mtime * 1000) if changed_at is None else changed_at
    created_at = milliseconds(beside.get("createdAtMs"))
    session = rows.session
    if created_at is not None:
        session.created_at = min(session.created_at or created_at, created_at)
    session.updated_at = max(session.updated_at or 0, at)
    return at


def identify(rows: Rows, path: Path) -> None:
    """Sets id, project and parent by the file's place: its lines say nothing of them."""
    parent = _parent(path)
    stem = path.stem
    if is_uuid(stem):
        rows.identify(stem)
    elif parent:
        rows.identify(f"{parent}:agent-{stem}")
    else:
        rows.identify(str(uuid.uuid5(uuid.NAMESPACE_URL, f"{AGENT}:{path.absolute()}")))
    rows.belongs_to(parent, "subagent")
    rows.session.project_name = _project(path)


def _parent(path: Path) -> str | None:
    """The session in whose folder a subagent's transcript stands."""
    if path.parent.name != _SUBAGENTS:
        return None
    folder = path.parent.parent
    if is_uuid(folder.name):
        return folder.name
    beside = sorted(folder.glob("*.jsonl"))
    if len(beside) != 1:
        return None
    if is_uuid(beside[0].stem):
        return beside[0].stem
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{AGENT}:{beside[0].absolute()}"))


def _project(path: Path) -> str | None:
    """The folder's name as Cursor spells it: each character but letters and digits is a dash."""
    for folder in path.parents:
        if folder.name == TRANSCRIPTS:
            name = folder.parent.name
            # A window without a folder has a number instead.
            return None if name == _NOWHERE or name.isdecimal() else name or None
    return None


class _Silent:
    """Counts lines whose session a better store tells."""

    def __init__(self) -> None:
        self.rows = Rows(AGENT, Memory())

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        del record, number
        return "noise"


class _Transcript:
    """Reads lines; calls wait for their results, since most have no ids.

    Until a prompt says when it was typed, everything has the time of the file.
    """

    def __init__(self, rows: Rows, written_at: int) -> None:
        self.rows = rows
        self._written_at = written_at

    @property
    def _at(self) -> int | None:
        return None if self.rows.memory.notes.get(_DATED) else self._written_at

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        role, kind = record.get("role"), record.get("type")
        if role in ("user", "assistant", "system"):
            name_model(self.rows, record.get("model"))
            return self._message(record, str(role), f"{LINE}{number}")
        if kind == "error":
            return self._failure(record, number, "error")
        if kind == "turn_ended":
            status = text(record.get("status"))
            if status in (None, "success", "completed"):
                return "noise"
            return self._failure(record, number, f"turn_{status}")
        return "unknown"

    def _failure(self, record: dict[str, Any], number: int, kind: str) -> Outcome:
        words = record.get("error") or record.get("message")
        self.rows.fail(f"{LINE}{number}", self._at, kind, flat(words) or None)
        return "imported"

    def _message(self, record: dict[str, Any], role: str, native_id: str) -> Outcome:
        message = record.get("message")
        content = message.get("content") if isinstance(message, dict) else message
        content = record.get("content") if content is None else content
        parts = [{"type": TEXT, "text": content}] if isinstance(content, str) else objects(content)
        results = [part for part in parts if part.get("type") in _RESULTS]
        for index, part in enumerate(results):
            self._result(part, record, f"{native_id}.result-{index}")
        rest = [part for part in parts if part.get("type") not in _RESULTS]
        has_said = self._say(native_id, role, rest)
        return "imported" if has_said or results else "noise"

    def _say(self, native_id: str, role: str, parts: list[dict[str, Any]]) -> bool:
        if role == "user":
            return self._prompt(native_id, parts)
        blocks = [
            block
            for number, part in enumerate(parts)
            for block in self._blocks(native_id, number, part)
        ]
        if blocks:
            self.rows.say(native_id, role, blocks, self._at)
        return bool(blocks)

    def _prompt(self, native_id: str, parts: list[dict[str, Any]]) -> bool:
        words = [text(part.get("text")) for part in parts if part.get("type") == TEXT]
        prompt = unwrapped("\n".join(filter(None, words)))
        others = [part for part in parts if part.get("type") != TEXT]
        blocks = prompt.blocks + [
            block for part in others for block in self._blocks(native_id, 0, part)
        ]
        if blocks:
            if prompt.at is not None:
                self.rows.memory.notes[_DATED] = True
            at = self._at if prompt.at is None else prompt.at
            self.rows.say(native_id, prompt.role, blocks, at)
        return bool(blocks)

    def _blocks(self, native_id: str, number: int, part: dict[str, Any]) -> list[Block]:
        kind = text(part.get("type"))
        words = text(part.get("text"))
        if kind == TEXT:
            if words == _REDACTED:
                return [Block("redacted_thinking")]
            return [Block(TEXT, words)] if words else []
        if kind in ("thinking", "reasoning"):
            words = text(part.get("thinking")) or words
            return [Block(THINKING, words)] if words else []
        if kind in _CALLS:
            return [self._call(native_id, number, part)]
        if kind == "image":
            return [Block("image", reference=self._image(part))]
        return [Block(kind or "unknown", words or "")]

    def _image(self, part: dict[str, Any]) -> dict[str, Any]:
        source = member(part, "source") or part
        kind = text(source.get("media_type")) or text(source.get("mimeType"))
        if written := text(source.get("data")):
            return self.rows.attachments.encoded(written, kind)
        return self.rows.attachments.address(text(source.get("url")))

    def _call(self, native_id: str, number: int, part: dict[str, Any]) -> Block:
        own = text(part.get("id")) or text(part.get("toolCallId"))
        call_id = own or f"{native_id}.{number}"
        name = text(part.get("name")) or text(part.get("toolName"))
        given = part.get("input", part.get("args"))
        self._pending().append([call_id, name or ""])
        return self.rows.call(call_id, name, given, self._at, message=native_id)

    def _result(self, part: dict[str, Any], record: dict[str, Any], unasked: str) -> None:
        call_id = self._awaited(part) or unasked
        output = flat(part.get("content", part.get("result"))) or None
        status = part.get("status") or member(record, "metadata").get("toolResultStatus")
        has_failed = part.get("is_error") is True or status in ("error", "failed")
        self.rows.answer(call_id, output, self._at, success=not has_failed)

    def _awaited(self, part: dict[str, Any]) -> str | None:
        """The call that a result is of: by id, else by name, else the one that waits longest."""
        pending = self._pending()
        own = text(part.get("tool_use_id")) or text(part.get("toolCallId"))
        name = text(part.get("name")) or text(part.get("toolName"))
        for wanted, at in ((own, 0), (name, 1)):
            for index, call in enumerate(pending):
                if wanted and call[at] == wanted:
                    return str(pending.pop(index)[0])
        return str(pending.pop(0)[0]) if pending else own

    def _pending(self) -> list[list[str]]:
        notes = self.rows.memory.notes
        found: list[list[str]] = notes.setdefault(_PENDING, [])
        # A call of which no result is written is never taken off.
        del found[:-_MOST_PENDING]
        return found
