"""What the records of Droid's transcripts, exec logs and settings files mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from clankers import importers
from clankers.importers import (
    Block,
    Memory,
    Rows,
    _anthropic,
    count,
    member,
    milliseconds,
    remembered,
    row_id,
    text,
    tokens,
)
from clankers.importers._values import is_uuid
from clankers.models import ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from clankers.importers import Batch, Outcome, Resume

AGENT = "droid"
SETTINGS = ".settings.json"
_ROLES = ("user", "assistant", "system")
# What the program puts before a prompt; a prompt may speak of the tag further down.
_REMINDERS = re.compile(r"(?:\s*<system-reminder>.*?</system-reminder>)+\s*", re.DOTALL)
# How a model of the user's own is spelled: custom:<name>-[<provider>]-<number>.
_CUSTOM = re.compile(r"-*\[[^\]]*\](-\d+)?$")
_GENERIC = "generic-chat-completion-api"
_KEPT_CHARACTERS = 2_000
_USED = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)


def read_transcript(path: Path, resume: Resume) -> Iterator[Batch]:
    """The batches of a transcript or an exec log, from `resume` on."""
    reader = _Transcript(path, remembered(resume.state))
    for batch in importers.read_lines(path, resume, reader):
        batch.tools += reader.calling()
        yield batch


def read_settings(path: Path) -> Batch:
    """What a settings file says: model, provider, and the tokens of the whole session."""
    found = importers.load_document(path)
    if not isinstance(found, dict):
        return importers.damaged()
    rows = Rows(AGENT, Memory())
    rows.identify(path.name.removesuffix(SETTINGS))
    session = rows.session
    session.model = rows.memory.model = _model(text(found.get("model")))
    lock = text(found.get("providerLock"))
    session.provider = lock if lock != _GENERIC else text(found.get("apiProviderLock"))
    session.permission_mode = text(found.get("autonomyMode")) or text(found.get("autonomyLevel"))
    at = milliseconds(found.get("providerLockTimestamp"))
    at = rows.date(at or path.stat().st_mtime_ns // 1_000_000)
    used = member(found, "tokenUsage")
    if not used and not member(found, "childInclusiveTokenUsageBySessionId"):
        used = member(found, "inclusiveTokenUsage")
    names = ("inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens")
    counts = [tokens(used.get(name)) for name in names]
    _use(rows, counts, tokens(used.get("thinkingTokens")), at, raw=used)
    return importers.give(rows, imported=1)


class _Transcript:
    """Reads the records of a transcript or of an exec log."""

    def __init__(self, path: Path, memory: Memory) -> None:
        self.rows = Rows(AGENT, memory)
        self._path = path
        self._takers: dict[str | None, Callable[[dict[str, Any], str], Outcome]] = {
            "session_start": self._start,
            "message": self._message,
            "compaction_state": self._compacted,
            "agent_turn_outcome": self._ended,
            "session_end": self._ended,
            "todo_state": lambda _record, _native: "noise",
            "system": self._system,
            "reasoning": self._reasoned,
            "tool_call": self._called,
            "tool_result": self._answered,
            "completion": self._completed,
            "error": self._failed,
        }

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        if not self.rows.session.id:
            self.rows.identify(_identity(self._path, record))
        taker = self._takers.get(text(record.get("type")))
        if taker is None:
            return "unknown"
        # Exec logs of old versions name nothing: a line stays where it is.
        return taker(record, text(record.get("id")) or f"line-{number}")

    def calling(self) -> list[ToolCall]:
        """The call in another session that started this one."""
        parent, session = self.rows.memory.notes.get("calling"), self.rows.session
        if not parent or session.created_at is None:
            return []
        # It was made before anything here happened; the time it has elsewhere stays.
        found = ToolCall(":".join(parent), parent[0], session.created_at)
        found.native_id, found.child_session_id = parent[1], session.id
        return [found]

    # The transcript

    def _start(self, record: dict[str, Any], _native: str) -> Outcome:
        rows = self.rows
        title, named = text(record.get("title")), text(record.get("sessionTitle"))
        rows.name(title)
        rows.name(named, 3 if record.get("isSessionTitleManuallySet") is True else 2)
        rows.place(text(record.get("cwd")))
        rows.session.agent_version = text(record.get("version")) or rows.session.agent_version
        rows.belongs_to(text(record.get("parent")), "fork")
        if caller := text(record.get("callingSessionId")):
            rows.belongs_to(caller, "subagent")
            if call := text(record.get("callingToolUseId")):
                both = [row_id(caller), row_id(call)]
                rows.memory.notes["calling"] = both
        rows.date(milliseconds(record.get("timestamp")))
        return "imported"

    def _message(self, record: dict[str, Any], native: str) -> Outcome:
        inner = member(record, "message") or record
        role = text(inner.get("role"))
        content = inner.get("content", inner.get("text"))
        if role not in _ROLES or content is None:
            return "unknown"
        at = milliseconds(record.get("timestamp"))
        seq = self.rows.next_seq(at) if role == "assistant" else None
        said, added = self._blocks(content, native, role, at)
        visibility = record.get("visibility", inner.get("visibility"))
        if visibility in ("llm_only", "user_only"):
            role = "system"
        if said and added:
            self.rows.say(f"{native}#context", "system", added, at)
        elif added:
            said, role = added, "system"
        if said:
            parent = text(record.get("parentId"))
            model = text(record.get("modelId")) if role == "assistant" else None
            model = _model(model)
            message = self.rows.say(
                native, role, said, at, seq=seq, parent_native_id=parent, model=model
            )
            self._remember(role, message.text_content, visibility)
        return "imported"

    def _remember(self, role: str, words: str | None, visibility: Any) -> None:
        """Keeps what a later record may repeat or explain."""
        notes = self.rows.memory.notes
        if role == "assistant":
            notes["answer"] = (words or "").strip()[:_KEPT_CHARACTERS]
        notes["notice"] = (words or "")[:_KEPT_CHARACTERS] if visibility == "user_only" else None

    def _blocks(
        self, content: Any, native: str, role: str, at: int | None
    ) -> tuple[list[Block], list[Block]]:
        """The blocks of a message, and apart from them what the program added to a prompt."""
        rows = self.rows
        said: list[Block] = []
        added: list[Block] = []
        for number, part in enumerate(_anthropic.parts(content)):
            kind, words = text(part.get("type")), text(part.get("text"))
            if kind == "text":
                reminders, typed = _parted(words or "") if role == "user" else ("", words or "")
                said += [Block("text", typed)] if typed else []
                added += [Block("text", reminders)] if reminders else []
            elif kind == "thinking":
                said.append(Block("thinking", text(part.get("thinking")) or ""))
            elif kind == "tool_use":
                call = text(part.get("id")) or f"{native}-{number}"
                name = text(part.get("name"))
                said.append(self._call(call, name, part.get("input"), at, native))
            elif kind == "tool_result":
                call = text(part.get("tool_use_id")) or f"{native}-{number}"
                found = part.get("content")
                success = _anthropic.succeeded(found, is_error=part.get("is_error"))
                rows.answer(call, _anthropic.output(rows, found), at, success=success)
            elif kind == "image":
                said.append(_anthropic.image(rows, part))
        return said, added

    def _call(
        self, native: str, name: str | None, given: Any, at: int | None, message: str
    ) -> Block:
        # A call that is told again stands where it was told last, in whichever reading.
        seq = self.rows.next_seq(at)
        return self.rows.call(native, name, given, at, message=message, seq=seq)

    def _compacted(self, record: dict[str, Any], native: str) -> Outcome:
        at = milliseconds(record.get("timestamp"))
        found = record.get("summaryText", record.get("summary"))
        if isinstance(found, dict):
            found = [found.get("title"), found.get("body")]
        self.rows.compact(native, at)
        if words := importers.flat(found):
            self.rows.say(native, "system", [Block("text", words)], at)
        return "imported"

    def _ended(self, record: dict[str, Any], native: str) -> Outcome:
        """The end of a turn or of the session, which tells what went wrong."""
        at = milliseconds(record.get("timestamp"))
        if record.get("type") == "session_end":
            self.rows.session.ended_at = self.rows.date(at)
            return "imported"
        reason = text(record.get("reason"))
        if reason in (None, "completed"):
            return "noise"
        turn = text(record.get("turnId")) or native
        self.rows.fail(f"{turn}#{reason}", at, reason, self.rows.memory.notes.get("notice"))
        return "imported"

    # The exec log

    def _system(self, record: dict[str, Any], _native: str) -> Outcome:
        rows = self.rows
        rows.place(text(record.get("cwd")))
        rows.memory.model = _model(text(record.get("model"))) or rows.memory.model
        rows.session.model = rows.memory.model or rows.session.model
        rows.date(milliseconds(record.get("timestamp")))
        return "imported"

    def _reasoned(self, record: dict[str, Any], native: str) -> Outcome:
        words = text(record.get("text")) or ""
        at = milliseconds(record.get("timestamp"))
        self.rows.say(native, "assistant", [Block("thinking", words)], at)
        return "imported"

    def _called(self, record: dict[str, Any], native: str) -> Outcome:
        call = text(record.get("toolCallId")) or native
        name = text(record.get("toolName")) or text(record.get("toolId"))
        at = milliseconds(record.get("timestamp"))
        message, seq = f"{call}#call", self.rows.next_seq(at)
        block = self._call(call, name, record.get("parameters"), at, message)
        self.rows.say(message, "assistant", [block], at, seq=seq)
        return "imported"

    def _answered(self, record: dict[str, Any], native: str) -> Outcome:
        call = text(record.get("toolCallId")) or native
        found = record.get("value", record.get("error"))
        success = _anthropic.succeeded(found, is_error=record.get("isError"))
        if isinstance(found, dict) and count(found.get("exitCode")):
            success = False
        at = milliseconds(record.get("timestamp"))
        self.rows.answer(call, _anthropic.output(self.rows, found), at, success=success)
        return "imported"

    def _completed(self, record: dict[str, Any], native: str) -> Outcome:
        """The end of a run: its last words, unless they were said, and what it used."""
        notes = self.rows.memory.notes
        at = milliseconds(record.get("timestamp"))
        words = (text(record.get("finalText")) or "").strip()
        if words and words[:_KEPT_CHARACTERS] != notes.get("answer"):
            self.rows.say(native, "assistant", [Block("text", words)], at)
        if isinstance(used := record.get("usage"), dict):
            before = notes.get("used") or [0] * len(_USED)
            # A session that was gone on with has several ends; they add up in its one row.
            notes["used"] = [
                have + tokens(used.get(name)) for have, name in zip(before, _USED, strict=True)
            ]
            _use(self.rows, notes["used"], 0, at, raw=used)
        return "imported"

    def _failed(self, record: dict[str, Any], native: str) -> Outcome:
        at = milliseconds(record.get("timestamp"))
        kind = text(record.get("source")) or "error"
        self.rows.fail(native, at, kind, text(record.get("message")))
        return "imported"


def _use(rows: Rows, counts: list[int], thinking: int, at: int | None, *, raw: Any) -> None:
    """The one row of a session's tokens, whichever file tells them.

    Not one row for each model: the total is of all the models that the session had.
    """
    given, output, written, cached = counts
    if given or output or written or cached or thinking:
        rows.use(
            rows.session.id,
            at,
            raw=raw,
            input_tokens=given,
            output_tokens=output + thinking,
            reasoning_tokens=thinking,
            cache_write_5m_tokens=written,
            cache_read_tokens=cached,
        )


def _identity(path: Path, record: dict[str, Any]) -> str:
    if is_uuid(path.stem):
        return path.stem
    names = ("session_id", "sessionId")
    found = next((one for name in names if (one := text(record.get(name)))), None)
    if record.get("type") == "session_start":
        found = text(record.get("id")) or found
    return found or str(uuid5(NAMESPACE_URL, f"{AGENT}:{path.absolute()}"))


def _parted(words: str) -> tuple[str, str]:
    """What the program put before a prompt, and the prompt."""
    found = _REMINDERS.match(words)
    return (words[: found.end()].strip(), words[found.end() :]) if found else ("", words)


def _model(name: str | None) -> str | None:
    """A model by its own name, also where the user has named it."""
    if name is None or not name.startswith("custom:"):
        return name
    return _CUSTOM.sub("", name.removeprefix("custom:")).strip().lower() or None
