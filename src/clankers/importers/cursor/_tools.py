"""Tool calls of the editor: call and result stand in one record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers._rows import flat, member, path_in, unfolded
from clankers.importers._values import row_id, text

if TYPE_CHECKING:
    from clankers.importers._blocks import Block
    from clankers.importers._rows import Rows

_DONE = ("completed", "success")
_FAILED = ("error", "failed", "cancelled", "canceled", "rejected", "aborted")
_PATHS = ("relativeWorkspacePath", "targetFile", "effectiveUri")
_ERRORS = ("clientVisibleErrorMessage", "modelVisibleErrorMessage", "message", "error")


def take_tool(
    rows: Rows, former: dict[str, Any], native_id: str, message: str, at: int | None
) -> Block:
    """Takes a call with what is known of its result; the block that stands for it."""
    given = unfolded(former.get("params") or former.get("rawArgs"))
    block = rows.call(native_id, text(former.get("name")), given, at, message=message)
    tool = rows.tool(native_id, at)
    tool.file_path = tool.file_path or _path(given) or path_in(unfolded(former.get("rawArgs")))
    result = unfolded(former.get("result"))
    success = _success(former, result)
    if success is not None or result not in (None, ""):
        rows.answer(native_id, result, at, success=success, error=_error(former, result))
    if child := child_of(former, result):
        tool.child_session_id = row_id(child)
    return block


def child_of(former: dict[str, Any], result: Any) -> str | None:
    """The conversation of the subagent that the call started."""
    extra = member(former, "additionalData")
    found = result.get("agentId") if isinstance(result, dict) else None
    return text(extra.get("subagentComposerId")) or text(found)


def _path(given: Any) -> str | None:
    if not isinstance(given, dict):
        return None
    return next((path for name in _PATHS if (path := text(given.get(name)))), None)


def _success(former: dict[str, Any], result: Any) -> bool | None:
    status = (text(former.get("status")) or "").lower()
    if status in _FAILED or former.get("userDecision") == "rejected" or _has_error(former):
        return False
    if isinstance(result, dict):
        code = result.get("exitCodeV2", result.get("exitCode"))
        if result.get("rejected") is True or (type(code) is int and code != 0):
            return False
    return True if status in _DONE else None


def _has_error(former: dict[str, Any]) -> bool:
    return former.get("error") not in (None, "", {}, [])


def _error(former: dict[str, Any], result: Any) -> str | None:
    found = unfolded(former.get("error"))
    if isinstance(found, dict):
        found = next((words for name in _ERRORS if (words := text(found.get(name)))), found)
    if found not in (None, ""):
        return flat(found)
    return text(result.get("output")) if isinstance(result, dict) else None
