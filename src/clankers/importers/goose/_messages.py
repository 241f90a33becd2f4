"""Messages of Goose, in the database and in the files of before: their parts, their totals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers import Block, flat, member, objects, text, tokens
from clankers.importers._anthropic import image, output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clankers.importers import Rows

AGENT = "goose"
_CALLS = ("toolRequest", "frontendToolRequest")
# Questions whether a call may be made, and marks of versions before the database.
_SILENT = (
    "toolConfirmationRequest",
    "actionRequired",
    "redactedThinking",
    "conversationCompacted",
    "contextLengthExceeded",
    "summarizationRequested",
)


def parts_of(rows: Rows, content: Any, native: str, at: int | None) -> list[Block]:
    """The blocks of a message; calls and their results go to the rows."""
    said: list[Block] = []
    for number, part in enumerate(objects(content)):
        kind = text(part.get("type"))
        call = text(part.get("id")) or f"{native}-{number}"
        if kind == "text":
            said.append(Block("text", text(part.get("text")) or ""))
        elif kind in ("thinking", "reasoning"):
            said.append(Block("thinking", text(part.get("thinking")) or _words(part)))
        elif kind == "image":
            said.append(image(rows, part))
        elif kind in _CALLS:
            said.append(_called(rows, part, call, native, at))
        elif kind == "toolResponse":
            _answered(rows, part, call, at)
        elif kind == "systemNotification":
            _notified(rows, part, f"{native}-{number}", at)
        elif kind not in _SILENT and kind is not None:
            said.append(Block(kind, _words(part)))
    return said


def role_of(role: str, metadata: Mapping[str, Any]) -> str:
    """The role of a message; what the user never saw was not said by the user."""
    return "system" if metadata.get("userVisible") is False else role


def usage_of(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The tokens of a row in the shape of `Usage`; all 0 when it has none.

    Input holds what was read from and written to the cache, except where that is more than
    the input. What the total has above input and output is reasoning, told nowhere else.
    """
    names = ("input", "output", "total", "cache_read", "cache_write")
    counts = {name: tokens(given.get(f"{prefix}{name}_tokens")) for name in names}
    fresh, output_, cached = counts["input"], counts["output"], counts["cache_read"]
    written = counts["cache_write"]
    told = fresh + output_
    if fresh >= cached + written:
        fresh -= cached + written
    else:
        told += cached + written
    unsaid = max(0, counts["total"] - told)
    if not told:
        fresh, unsaid = unsaid, 0
    return {
        "input_tokens": fresh,
        "output_tokens": output_ + unsaid,
        "reasoning_tokens": unsaid,
        "cache_read_tokens": cached,
        "cache_write_5m_tokens": written,
    }


def _called(rows: Rows, part: dict[str, Any], call: str, message: str, at: int | None) -> Block:
    made = member(part, "toolCall")
    asked = member(made, "value") or made
    block = rows.call(call, text(asked.get("name")), asked.get("arguments"), at, message=message)
    if made.get("status") == "error":
        rows.answer(call, None, at, success=False, error=flat(made.get("error")))
    return block


def _answered(rows: Rows, part: dict[str, Any], call: str, at: int | None) -> None:
    result = member(part, "toolResult")
    if result.get("status") == "error":
        rows.answer(call, None, at, success=False, error=flat(result.get("error")))
        return
    value = result.get("value")
    content = value.get("content", value) if isinstance(value, dict) else value
    failed = isinstance(value, dict) and value.get("isError") is True
    rows.answer(call, output(rows, content), at, success=not failed)


def _notified(rows: Rows, part: dict[str, Any], native: str, at: int | None) -> None:
    """What the program told the user in passing; of it only what stopped the session is kept."""
    if part.get("notificationType") == "creditsExhausted":
        rows.fail(native, at, "credits_exhausted", text(part.get("msg")))


def _words(part: dict[str, Any]) -> str:
    return next(
        (words for name in ("text", "message", "msg") if (words := text(part.get(name)))), ""
    )
