"""Hand-written events, and where Copilot keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from importers._stored import Found, Record, stored, write_lines

if TYPE_CHECKING:
    from pathlib import Path

SESSION = "7d0c1a2b-0000-4000-8000-000000000001"
NOON = 1_764_590_400_000  # 2025-12-01T12:00:00Z


def at(second: int, *, day: str = "2025-12-01") -> str:
    return f"{day}T12:{second // 60:02}:{second % 60:02}.000Z"


def event(kind: str, second: int = 0, name: str | None = None, /, **data: Any) -> Record:
    return {
        "type": kind,
        "id": name or f"e{second}",
        "timestamp": at(second),
        "parentId": None,
        "data": data,
    }


def start(session: str = SESSION, **more: Any) -> Record:
    context = {"cwd": "/home/ada/engine", "gitRoot": "/home/ada/engine", "branch": "main"}
    said = {"copilotVersion": "1.0.34", "producer": "copilot-agent", "context": context, **more}
    return event("session.start", 0, sessionId=session, startTime=at(0), **said)


def answer(second: int, words: str, output: int = 0, /, **more: Any) -> Record:
    said = {"messageId": f"m{second}", "content": words, "toolRequests": [], **more}
    return event("assistant.message", second, outputTokens=output, **said)


def shutdown(second: int, models: Record, /, **more: Any) -> Record:
    return event("session.shutdown", second, shutdownType="routine", modelMetrics=models, **more)


def metric(
    given: int, output: int, read: int = 0, written: int = 0, reasoning: int = 0, **more: Any
) -> Record:
    usage = {
        "inputTokens": given,
        "outputTokens": output,
        "cacheReadTokens": read,
        "cacheWriteTokens": written,
        "reasoningTokens": reasoning,
    }
    return {"requests": {"count": 1, "cost": 1}, "usage": usage, **more}


def place(folder: Path, session: str = SESSION) -> Path:
    return folder / "session-state" / session / "events.jsonl"


def imported(folder: Path, *records: Record | bytes) -> Found:
    path = write_lines(place(folder), records)
    return stored("copilot", path, folder / "clankers.db")
