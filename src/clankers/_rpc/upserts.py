"""What plugins send, made into records; the names of fields are those of the wire."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from clankers.errors import InvalidParamsError, MissingFieldError
from clankers.models import Compaction, Message, Session, SessionError, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Live = Session | Message | ToolCall | SessionError | Compaction
    Check = Callable[[str, Any], Any]

_LARGEST = 2**63 - 1
# Dollars; thousands of them can be summed up in millionths.
_LARGEST_COST = 1_000_000_000


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidParamsError(f"invalid params: {name} must be a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        # Half of a UTF-16 pair, which JavaScript leaves where it cuts a text, cannot be stored.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _integer(name: str, value: Any) -> int:
    """12.0 is 12, as JavaScript writes either."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or value != value or abs(value) > _LARGEST or int(value) != value:  # noqa: PLR0124
        raise InvalidParamsError(f"invalid params: {name} must be an integer")
    return int(value)


def _number(name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidParamsError(f"invalid params: {name} must be a number")
    # Also refuses infinity, which 1e400 is read as, and what is no number.
    if not abs(value) <= _LARGEST_COST:
        raise InvalidParamsError(f"invalid params: {name} must be at most {_LARGEST_COST:,}")
    return float(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidParamsError(f"invalid params: {name} must be a boolean")
    return value


# Name on the wire, field of the record, what it must be.
_Fields = tuple[tuple[str, str, "Check"], ...]
_SESSION: _Fields = (
    ("id", "id", _text),
    ("title", "title", _text),
    ("projectPath", "project_path", _text),
    ("projectName", "project_name", _text),
    ("model", "model", _text),
    ("provider", "provider", _text),
    ("source", "source", _text),
    ("status", "status", _text),
    ("promptTokens", "prompt_tokens", _integer),
    ("completionTokens", "completion_tokens", _integer),
    ("cost", "cost", _number),
    ("messageCount", "message_count", _integer),
    ("toolCallCount", "tool_call_count", _integer),
    ("permissionMode", "permission_mode", _text),
    ("createdAt", "created_at", _integer),
    ("updatedAt", "updated_at", _integer),
    ("endedAt", "ended_at", _integer),
)
_MESSAGE: _Fields = (
    ("id", "id", _text),
    ("sessionId", "session_id", _text),
    ("role", "role", _text),
    ("textContent", "text_content", _text),
    ("model", "model", _text),
    ("source", "source", _text),
    ("promptTokens", "prompt_tokens", _integer),
    ("completionTokens", "completion_tokens", _integer),
    ("durationMs", "duration_ms", _integer),
    ("createdAt", "created_at", _integer),
    ("completedAt", "completed_at", _integer),
)
_TOOL: _Fields = (
    ("id", "id", _text),
    ("sessionId", "session_id", _text),
    ("toolName", "tool_name", _text),
    ("messageId", "message_id", _text),
    ("toolInput", "tool_input", _text),
    ("toolOutput", "tool_output", _text),
    ("filePath", "file_path", _text),
    ("success", "success", _flag),
    ("errorMessage", "error_message", _text),
    ("durationMs", "duration_ms", _integer),
    # What only our own hook says: the length of an output that it cut.
    ("outputBytes", "output_bytes", _integer),
    ("createdAt", "created_at", _integer),
)
_ERROR: _Fields = (
    ("id", "id", _text),
    ("sessionId", "session_id", _text),
    ("errorType", "error_type", _text),
    ("errorMessage", "error_message", _text),
    ("createdAt", "created_at", _integer),
)
_COMPACTION: _Fields = (
    ("id", "id", _text),
    ("sessionId", "session_id", _text),
    ("tokensBefore", "tokens_before", _integer),
    ("tokensAfter", "tokens_after", _integer),
    ("messagesBefore", "messages_before", _integer),
    ("messagesAfter", "messages_after", _integer),
    ("createdAt", "created_at", _integer),
)
_NEEDED = {"id": "id", "session_id": "sessionId", "tool_name": "toolName"}


class Upsert:
    """One upsert of the wire: where its payload is, and what it becomes."""

    def __init__(self, key: str, payload: str, record: type[Live], fields: _Fields) -> None:
        self.key = key
        self.payload = payload
        self._record = record
        self._fields = fields
        self._needed = [field for _, field, _ in fields if field in _NEEDED]

    def read(self, params: Mapping[str, Any]) -> Live:
        """The record in `params`; null is absent, and so is an empty id.

        Raises:
            MissingFieldError: a field is missing that it needs.
            InvalidParamsError: one is not what it should be.
        """
        given = params.get(self.key)
        if given is None:
            raise MissingFieldError(self.payload, "id")
        if not isinstance(given, dict):
            raise InvalidParamsError(f"invalid params: {self.key} must be an object")
        values = {
            field: check(name, given[name])
            for name, field, check in self._fields
            if given.get(name) is not None
        }
        for field in self._needed:
            if not values.get(field):
                raise MissingFieldError(self.payload, _NEEDED[field])
        values.setdefault("created_at", time.time_ns() // 1_000_000)
        return self._record(**values)


UPSERTS = {
    "upsertSession": Upsert("session", "session", Session, _SESSION),
    "upsertMessage": Upsert("message", "message", Message, _MESSAGE),
    "upsertTool": Upsert("tool", "tool", ToolCall, _TOOL),
    "upsertSessionError": Upsert("sessionError", "session error", SessionError, _ERROR),
    "upsertCompactionEvent": Upsert("compactionEvent", "compaction event", Compaction, _COMPACTION),
}
