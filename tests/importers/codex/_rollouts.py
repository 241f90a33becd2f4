"""Hand-written rollouts, and what a store makes of what is read from them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from clankers.importers import Batch, Resume
from clankers.importers.codex import IMPORTER

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

THREAD = "01990000-0000-7000-8000-000000000001"
CHILD = "01990000-ffff-7000-8000-000000000002"
BEGAN = 0x01990000_0000  # the time in THREAD
MINUTE = 60_000
_SMALLEST = {"created_at"}
_GREATEST = {"updated_at", "ended_at", "completed_at"}
_ZERO_IS_ABSENT = {"prompt_tokens", "completion_tokens"}


def at(second: float) -> str:
    """A timestamp of 2025-11-01, `second` seconds after noon."""
    whole = int(second)
    return f"2025-11-01T12:{whole // 60:02}:{whole % 60:02}.{round(second % 1 * 1000):03}Z"


def moment(second: float) -> int:
    return 1_761_998_400_000 + round(second * 1000)


def line(kind: str, payload: Any, second: float = 0) -> Record:
    return {"timestamp": at(second), "type": kind, "payload": payload}


def header(thread: str = THREAD, second: float = 0, **more: Any) -> Record:
    payload = {
        "id": thread,
        "timestamp": at(second),
        "cwd": "/home/ada/engine",
        "originator": "codex_cli_rs",
        "cli_version": "0.66.0",
        "model_provider": "openai",
        "git": {"branch": "main", "commit_hash": "abc"},
    }
    return line("session_meta", {**payload, **more}, second)


def turn(second: float = 1, **more: Any) -> Record:
    payload = {
        "cwd": "/home/ada/engine",
        "approval_policy": "on-request",
        "sandbox_policy": {"type": "workspace-write"},
        "model": "gpt-5-codex",
    }
    return line("turn_context", {**payload, **more}, second)


def item(kind: str, second: float = 2, **more: Any) -> Record:
    return line("response_item", {"type": kind, **more}, second)


def event(kind: str, second: float = 2, **more: Any) -> Record:
    return line("event_msg", {"type": kind, **more}, second)


def message(role: str, words: str, second: float = 2, **more: Any) -> Record:
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": words}]
    return item("message", second, role=role, content=content, **more)


def counters(given: int, cached: int, output: int, reasoning: int = 0, **more: Any) -> Record:
    return {
        "input_tokens": given,
        "cached_input_tokens": cached,
        "output_tokens": output,
        "reasoning_output_tokens": reasoning,
        "total_tokens": given + output,
        **more,
    }


def tokens(total: Record | None, last: Record | None, second: float = 3, **more: Any) -> Record:
    info: Record = {"model_context_window": 258_400}
    if total is not None:
        info["total_token_usage"] = total
    if last is not None:
        info["last_token_usage"] = last
    return event("token_count", second, info=info, **more)


def encoded(records: Sequence[Record | str | bytes]) -> bytes:
    """One line each; a text or bytes stand for themselves."""
    lines = [
        one
        if isinstance(one, bytes)
        else (one if isinstance(one, str) else json.dumps(one, separators=(",", ":"))).encode()
        for one in records
    ]
    return b"".join(one + b"\n" for one in lines)


def rollout(folder: Path, *records: Record | str | bytes, thread: str = THREAD) -> Path:
    """Writes a rollout where Codex would, below `folder` as the agent's root."""
    path = folder / "sessions/2025/11/01" / f"rollout-2025-11-01T12-00-00-{thread}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(records))
    return path


@attrs.define
class Archive:
    """The rows a store holds after the batches, by the rule of every column."""

    sessions: dict[str, Session]
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
    def spoken(self) -> list[tuple[str | None, str | None]]:
        """(role, text) in the order of the conversation."""
        ordered = sorted(self.messages.values(), key=lambda one: one.seq or 0)
        return [(one.role, one.text_content) for one in ordered]

    @property
    def used(self) -> list[tuple[int, int, int]]:
        """(uncached input, cache reads, output) of each response."""
        return [
            (one.input_tokens, one.cache_read_tokens, one.output_tokens)
            for one in self.usage.values()
        ]


def archived(batches: list[Batch]) -> Archive:
    archive = Archive({}, {}, {}, {}, {}, {}, {})
    for batch in batches:
        for name in ("sessions", "messages", "tools", "errors", "compactions", "usage"):
            table = getattr(archive, name)
            for record in getattr(batch, name):
                table[record.id] = _upserted(table.get(record.id), record)
        for attachment in batch.attachments:
            archive.attachments[attachment.sha256] = attachment
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


def batches_of(path: Path, resume: Resume | None = None) -> list[Batch]:
    return list(IMPORTER.read(path, resume or Resume()))


def imported(path: Path) -> Archive:
    return archived(batches_of(path))


def counted(batches: list[Batch]) -> tuple[int, int, int, list[int]]:
    """(imported, noise, unknown, numbers of malformed lines)."""
    return (
        sum(one.imported for one in batches),
        sum(one.noise for one in batches),
        sum(one.unknown for one in batches),
        [number for one in batches for number in one.malformed],
    )
