"""Hand-written transcripts, and what a store makes of what is read from them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from clankers.importers import Batch, Resume
from clankers.importers.claude_code import IMPORTER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clankers.models import (
        Attachment,
        Compaction,
        Message,
        Session,
        SessionError,
        ToolCall,
        Usage,
    )

Record = dict[str, Any]

SESSION = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
PROJECT = "-home-ada-engine"
MODEL = "claude-sonnet-4-5-20250929"
_SMALLEST = {"created_at"}
_GREATEST = {"updated_at", "ended_at", "completed_at"}
_ZERO_IS_ABSENT = {"prompt_tokens", "completion_tokens", "cost"}


def at(second: float) -> str:
    """A timestamp of 2025-11-01, `second` seconds after noon."""
    whole = int(second)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"2025-11-01T{12 + hours:02}:{minutes:02}:{seconds:02}.{round(second % 1 * 1000):03}Z"


def moment(second: float) -> int:
    return 1_761_998_400_000 + round(second * 1000)


def line(kind: str, second: float = 0, **more: Any) -> Record:
    """A line with the fields that all lines of a conversation have."""
    return {
        "parentUuid": None,
        "isSidechain": False,
        "userType": "external",
        "cwd": "/home/ada/engine",
        "sessionId": SESSION,
        "version": "2.0.76",
        "gitBranch": "main",
        "type": kind,
        "uuid": f"{kind}-{second}",
        "timestamp": at(second),
        **more,
    }


def user(content: Any, second: float = 0, **more: Any) -> Record:
    return line("user", second, message={"role": "user", "content": content}, **more)


def result(call: str, content: Any, second: float = 0, *, error: Any = None, **more: Any) -> Record:
    block = {"type": "tool_result", "tool_use_id": call, "content": content}
    if error is not None:
        block["is_error"] = error
    return user([block], second, **more)


def usage(
    given: Any = 10, output: Any = 5, *, read: Any = 0, write: Any = 0, **more: Any
) -> Record:
    return {
        "input_tokens": given,
        "cache_creation_input_tokens": write,
        "cache_read_input_tokens": read,
        "output_tokens": output,
        "service_tier": "standard",
        **more,
    }


def answer(
    content: Any,
    second: float = 1,
    *,
    message: str = "msg_1",
    request: str | None = "req_1",
    used: Any = None,
    model: str = MODEL,
    **more: Any,
) -> Record:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    said = {
        "id": message,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": None,
        "usage": usage() if used is None else used,
    }
    more.setdefault("uuid", f"{message}-{second}")
    return line("assistant", second, message=said, requestId=request, **more)


def call(identity: str, name: str = "Bash", **given: Any) -> Record:
    return {"type": "tool_use", "id": identity, "name": name, "input": given}


def queued(operation: str, content: Any = None, second: float = 0) -> Record:
    record = {
        "type": "queue-operation",
        "operation": operation,
        "timestamp": at(second),
        "sessionId": SESSION,
    }
    return record if content is None else {**record, "content": content}


def attachment(kind: str, second: float = 0, **more: Any) -> Record:
    return line("attachment", second, attachment={"type": kind, **more})


def encoded(records: Sequence[Record | str | bytes]) -> bytes:
    """One line each; a text or bytes stand for themselves."""
    lines = [
        one
        if isinstance(one, bytes)
        else (one if isinstance(one, str) else json.dumps(one, separators=(",", ":"))).encode()
        for one in records
    ]
    return b"".join(one + b"\n" for one in lines)


def transcript(folder: Path, *records: Record | str | bytes, name: str = SESSION) -> Path:
    """Writes a transcript where Claude Code would, below `folder` as its configuration."""
    path = folder / "projects" / PROJECT / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(records))
    return path


@attrs.define
class Archive:
    """The rows a store holds after the batches, by the rule of every column."""

    sessions: dict[str, Session]
    mentions: dict[str, Session]
    messages: dict[str, Message]
    tools: dict[str, ToolCall]
    errors: dict[str, SessionError]
    compactions: dict[str, Compaction]
    usage: dict[str, Usage]
    attachments: dict[str, Attachment]

    @property
    def session(self) -> Session:
        (only,) = self.sessions.values()
        return only

    @property
    def message(self) -> Message:
        (only,) = self.messages.values()
        return only

    @property
    def tool(self) -> ToolCall:
        (only,) = self.tools.values()
        return only

    @property
    def response(self) -> Usage:
        (only,) = self.usage.values()
        return only

    @property
    def ordered(self) -> list[Message]:
        return sorted(self.messages.values(), key=lambda one: one.seq or 0)

    @property
    def spoken(self) -> list[tuple[str | None, str | None]]:
        """(role, text) in the order of the conversation."""
        return [(one.role, one.text_content) for one in self.ordered]

    @property
    def used(self) -> list[tuple[str, int, int]]:
        """(id, uncached input, output) of each response."""
        return [(one.id, one.input_tokens, one.output_tokens) for one in self.usage.values()]


def archived(batches: Sequence[Batch]) -> Archive:
    archive = Archive({}, {}, {}, {}, {}, {}, {}, {})
    for batch in batches:
        for name in ("sessions", "mentions", "messages", "tools", "errors", "compactions"):
            table = getattr(archive, name)
            for record in getattr(batch, name):
                table[record.id] = _upserted(table.get(record.id), record)
        for used in batch.usage:
            archive.usage[used.id] = _merged(archive.usage.get(used.id), used)
        for one in batch.attachments:
            archive.attachments[one.sha256] = one
    return archive


def _upserted(stored: Any, record: Any) -> Any:
    if stored is None:
        return attrs.evolve(record)
    changes = {}
    for field in attrs.fields(type(record)):
        old, new = getattr(stored, field.name), getattr(record, field.name)
        if new is None or new == "" or (new == 0 and field.name in _ZERO_IS_ABSENT):
            continue
        if field.name in _SMALLEST and old is not None:
            new = min(old, new)
        if field.name in _GREATEST and old is not None:
            new = max(old, new)
        changes[field.name] = new
    return attrs.evolve(stored, **changes)


def _merged(stored: Usage | None, record: Usage) -> Usage:
    """The reading with the greater output, belonging to the earlier session."""
    if stored is None:
        return attrs.evolve(record)
    better = record if record.output_tokens > stored.output_tokens else stored
    owner = min(stored, record, key=lambda one: (one.session_at or 0, one.session_id))
    return attrs.evolve(
        better,
        session_id=owner.session_id,
        session_at=owner.session_at,
        message_id=owner.message_id,
    )


def batches_of(path: Path, resume: Resume | None = None) -> list[Batch]:
    return list(IMPORTER.read(path, resume or Resume()))


def imported(path: Path) -> Archive:
    return archived(batches_of(path))


def counted(batches: Sequence[Batch]) -> tuple[int, int, int, list[int]]:
    """(imported, noise, unknown, numbers of malformed lines)."""
    return (
        sum(one.imported for one in batches),
        sum(one.noise for one in batches),
        sum(one.unknown for one in batches),
        [number for one in batches for number in one.malformed],
    )


def outcome_of(folder: Path, record: Record) -> str:
    """The counter that a single line goes to."""
    (batch,) = batches_of(transcript(folder, record))
    (name,) = [name for name in ("imported", "noise", "unknown") if getattr(batch, name)]
    return name
