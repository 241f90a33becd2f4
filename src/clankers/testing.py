"""Ready-made records, for tests of what embeds the library.

Each function gives a plausible record whose number tells it from others of its kind; any
field can be given another value by its name. The same call gives the same record. All
belong to ``session-1`` unless told otherwise::

    with Store.open(tmp_path / "clankers.db") as store:
        store.upsert_many([make_session(), make_message(1), make_message(2, role="assistant")])
"""

from __future__ import annotations

import hashlib
from typing import Any

from clankers.models import (
    Attachment,
    Compaction,
    Message,
    Session,
    SessionError,
    ToolCall,
    Usage,
)

__all__ = [
    "make_attachment",
    "make_compaction",
    "make_error",
    "make_message",
    "make_session",
    "make_tool",
    "make_usage",
]

_SESSION = "session-1"
# 2026-01-05T09:00:00Z, when session 1 began; a record numbered n is n seconds later.
_BEGINNING = 1_767_603_600_000
_SECOND = 1_000
_HOUR = 3_600_000
_MODEL = "claude-sonnet-4-5"


def make_session(number: int = 1, **fields: Any) -> Session:
    """A session of Claude Code, an hour after the one numbered before it."""
    at = _BEGINNING + (number - 1) * _HOUR
    given: dict[str, Any] = {
        "id": f"session-{number}",
        "created_at": at,
        "updated_at": at + 60 * _SECOND,
        "source": "claude-code",
        "title": f"Session {number}",
        "project_path": "/home/dev/shop",
        "project_name": "shop",
        "model": _MODEL,
        "provider": "anthropic",
        "git_branch": "main",
    }
    return Session(**given | fields)


def make_message(number: int = 1, *, session_id: str = _SESSION, **fields: Any) -> Message:
    """A message of a session; `number` is its place in it."""
    given: dict[str, Any] = {
        "id": f"{session_id}:message-{number}",
        "session_id": session_id,
        "created_at": _BEGINNING + number * _SECOND,
        "seq": number,
        "role": "user",
        "source": "claude-code",
        "native_id": f"message-{number}",
        "text_content": f"Text of message {number}",
    }
    return Message(**given | fields)


def make_tool(number: int = 1, *, session_id: str = _SESSION, **fields: Any) -> ToolCall:
    """A tool call that read a file and succeeded."""
    given: dict[str, Any] = {
        "id": f"{session_id}:tool-{number}",
        "session_id": session_id,
        "created_at": _BEGINNING + number * _SECOND,
        "tool_name": "Read",
        "seq": number,
        "success": True,
        "duration_ms": 12,
        "file_path": "/home/dev/shop/cart.py",
        "native_id": f"tool-{number}",
        "tool_input": '{"file_path":"/home/dev/shop/cart.py"}',
        "tool_output": '"def total(): ..."',
    }
    return ToolCall(**given | fields)


def make_error(number: int = 1, *, session_id: str = _SESSION, **fields: Any) -> SessionError:
    """A rate limit that a session ran into."""
    given: dict[str, Any] = {
        "id": f"{session_id}:error-{number}",
        "session_id": session_id,
        "created_at": _BEGINNING + number * _SECOND,
        "error_type": "rate_limit",
        "error_message": "Too many requests",
    }
    return SessionError(**given | fields)


def make_compaction(number: int = 1, *, session_id: str = _SESSION, **fields: Any) -> Compaction:
    """A compaction of a context that was nearly full."""
    given: dict[str, Any] = {
        "id": f"{session_id}:compaction-{number}",
        "session_id": session_id,
        "created_at": _BEGINNING + number * _SECOND,
        "tokens_before": 180_000,
        "tokens_after": 9_000,
    }
    return Compaction(**given | fields)


def make_usage(number: int = 1, *, session_id: str = _SESSION, **fields: Any) -> Usage:
    """What a response used: 1,110 tokens of prompt, 100 of output, priced at 2,345 microdollars."""
    given: dict[str, Any] = {
        "id": f"claude-code:response-{number}:request-{number}",
        "session_id": session_id,
        "message_id": f"{session_id}:message-{number}",
        "source": "claude-code",
        "project_path": "/home/dev/shop",
        "git_branch": "main",
        "provider": "anthropic",
        "model": _MODEL,
        "occurred_at": _BEGINNING + number * _SECOND,
        "input_tokens": 10,
        "cache_read_tokens": 1_000,
        "cache_write_5m_tokens": 100,
        "output_tokens": 100,
        "cost": 2_345,
        "cost_source": "genai-prices",
    }
    return Usage(**given | fields)


def make_attachment(data: bytes = b"an image", *, media_type: str = "image/png") -> Attachment:
    """An attachment under the hash of its content."""
    return Attachment(hashlib.sha256(data).hexdigest(), media_type, data)
