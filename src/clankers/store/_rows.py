"""Rows into records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers import models

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE_OF: dict[type[Any], str] = {
    models.Session: "sessions",
    models.Message: "messages",
    models.ToolCall: "tools",
    models.SessionError: "session_errors",
    models.Compaction: "compaction_events",
}


def message(*row: Any) -> models.Message:
    found = models.Message(*row)
    found.is_sidechain = None if found.is_sidechain is None else bool(found.is_sidechain)
    return found


def tool_call(*row: Any) -> models.ToolCall:
    found = models.ToolCall(*row)
    found.success = None if found.success is None else bool(found.success)
    return found


def usage(*row: Any) -> models.Usage:
    found = models.Usage(*row)
    found.is_sidechain = bool(found.is_sidechain)
    found.estimated = bool(found.estimated)
    return found


BUILDERS: dict[str, Callable[..., Any]] = {
    "sessions": models.Session,
    "messages": message,
    "tools": tool_call,
    "session_errors": models.SessionError,
    "compaction_events": models.Compaction,
    "usage": usage,
    "attachments": models.Attachment,
}
