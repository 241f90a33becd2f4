"""What Claude Code logs when something failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers._values import count, json_text, text
from clankers.importers.claude_code._lines import flat

if TYPE_CHECKING:
    from clankers.importers.claude_code._lines import Line

ERROR_CHARACTERS = 2_000


def answered_error(line: Line) -> tuple[str, str]:
    """(type, message) of an error that is logged in place of an answer.

    A rate limit says in its message which one it was and when it ends (epoch seconds).
    """
    status = count(line.api_error_status)
    kind = text(line.error) or (f"api_error_{status}" if status else "api_error")
    parts = [flat(line.message.content) if line.message else ""]
    if line.quota_limits:
        parts.append(json_text(line.quota_limits))
    return kind, _together(parts)


def logged_error(line: Line) -> str:
    """The message of an error that is logged as a record of its own."""
    parts = [flat(line.content), line.api_refusal_explanation or ""]
    if not parts[0]:
        parts.insert(0, _worded(line.error) or _worded(line.cause))
    return _together(parts)


def _worded(error: Any) -> str:
    if isinstance(error, str):
        return error
    if isinstance(error, dict):
        # An unformatted error holds more in its other fields than in its message.
        return text(error.get("formatted")) or (json_text(error) if error else "")
    return ""


def _together(parts: list[str]) -> str:
    return "\n".join(part for part in parts if part)[:ERROR_CHARACTERS]
