"""The parts of one message: what was said, thought, attached and done in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from clankers.importers import (
    Block,
    flat,
    member,
    milliseconds,
    objects,
    row_id,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from clankers.importers import Outcome, Rows

SYNTHETIC = "synthetic"
_OUTCOMES = {"completed": True, "success": True, "error": False, "failed": False}
# A call of a tool that there is not, or with arguments that cannot be, is redirected to this one.
_REFUSED = "invalid"


class Parts:
    """Takes the parts of one message, in their order.

    Attributes:
        blocks: what the message consists of.
        steps: its `step-finish` parts, which have the tokens.
        compacts: the context was replaced by a summary here.
        answers: it has what only answers have.
    """

    def __init__(self, rows: Rows, message: str, at: int | None, calls: set[str]) -> None:
        self.blocks: list[Block] = []
        self.steps: list[dict[str, Any]] = []
        self.compacts = False
        self.answers = False
        self._rows = rows
        self._message = message
        self._at = at
        self._calls = calls

    def take(self, native_id: str, part: dict[str, Any]) -> Outcome:
        kind = part.get("type")
        taker = self._TAKERS.get(kind) if isinstance(kind, str) else None
        if taker is not None:
            taker(self, native_id, part)
            return "imported"
        return "noise" if kind in ("step-start", "snapshot") else "unknown"

    def _text(self, _id: str, part: dict[str, Any]) -> None:
        """Words; what OpenCode or a plugin put between them is not what somebody said."""
        is_typed = not (part.get("synthetic") is True or part.get("ignored") is True)
        self.blocks.append(Block("text" if is_typed else SYNTHETIC, text(part.get("text")) or ""))

    def _reasoning(self, _id: str, part: dict[str, Any]) -> None:
        self.answers = True
        self.blocks.append(Block("thinking", text(part.get("text")) or ""))

    def _step(self, _id: str, part: dict[str, Any]) -> None:
        self.answers = True
        self.steps.append(part)

    def _file(self, _id: str, part: dict[str, Any]) -> None:
        found = _attached(self._rows, part)
        self.blocks.append(Block(found.pop("type"), reference=found))

    def _patch(self, _id: str, part: dict[str, Any]) -> None:
        """Files that were changed; the hash names the state before in OpenCode's own repository."""
        files = part.get("files")
        listed = [one for one in files if text(one)] if isinstance(files, list) else []
        self.blocks.append(
            Block("patch", reference={"files": listed, "hash": text(part.get("hash"))})
        )

    def _agent(self, _id: str, part: dict[str, Any]) -> None:
        self.blocks.append(Block("agent", reference={"name": text(part.get("name"))}))

    def _subtask(self, _id: str, part: dict[str, Any]) -> None:
        named = {name: text(part.get(name)) for name in ("agent", "description", "command")}
        self.blocks.append(Block("subtask", text(part.get("prompt")) or "", reference=named))

    def _compaction(self, native_id: str, _part: dict[str, Any]) -> None:
        self.compacts = True
        self._rows.compact(native_id, self._at)
        self.blocks.append(Block("compaction"))

    def _retry(self, native_id: str, part: dict[str, Any]) -> None:
        at = milliseconds(member(part, "time").get("created")) or self._at
        fail(self._rows, native_id, at, part.get("error"))

    def _tool(self, native_id: str, part: dict[str, Any]) -> None:
        self.answers = True
        rows, state = self._rows, member(part, "state")
        time, details = member(state, "time"), member(state, "metadata")
        call, name = self._call_id(native_id, part), text(part.get("tool"))
        began, ended = milliseconds(time.get("start")), milliseconds(time.get("end"))
        given = state.get("input")
        began = self._at if began is None else began
        block = rows.call(
            call, name, state.get("raw") if given is None else given, began, message=self._message
        )
        self.blocks.append(block)
        success = _outcome(state, name)
        if success is not None:
            rows.answer(
                call,
                _output(rows, state),
                began if ended is None else ended,
                success=success,
                error=text(state.get("error")),
                duration_ms=None if began is None or ended is None else ended - began,
            )
        if child := text(details.get("sessionId")) or text(details.get("sessionID")):
            rows.tool(call, began).child_session_id = row_id(child)

    def _call_id(self, native_id: str, part: dict[str, Any]) -> str:
        """The call's id; that of the part where a provider numbers its calls in each response anew."""
        call = text(part.get("callID"))
        if call is None or call in self._calls:
            return native_id
        self._calls.add(call)
        return call

    _TAKERS: ClassVar[dict[str, Callable[[Parts, str, dict[str, Any]], None]]] = {
        "text": _text,
        "reasoning": _reasoning,
        "tool": _tool,
        "file": _file,
        "step-finish": _step,
        "patch": _patch,
        "agent": _agent,
        "subtask": _subtask,
        "compaction": _compaction,
        "retry": _retry,
    }


def fail(rows: Rows, native_id: str, at: int | None, error: Any) -> None:
    """Takes an error as OpenCode writes it: `name`, and `data.message`."""
    name = text(error.get("name")) if isinstance(error, dict) else None
    words = text(member(error, "data").get("message"))
    rows.fail(native_id, at, name or "error", words or (None if name else flat(error)))


def _outcome(state: dict[str, Any], tool: str | None) -> bool | None:
    """How a call went; None while it runs. A command that ran and failed is `completed` too."""
    status = state.get("status")
    success = _OUTCOMES.get(status) if isinstance(status, str) else None
    exited = member(state, "metadata").get("exit")
    # A command that was stopped has null here.
    if success and (tool == _REFUSED or (type(exited) is int and exited != 0)):
        return False
    return success


def _output(rows: Rows, state: dict[str, Any]) -> Any:
    """A result's words, and the images and documents that came with them."""
    words = state.get("output")
    if words is None:
        # What a command had written before it was interrupted.
        words = member(state, "metadata").get("output")
    attached = [_attached(rows, one) for one in objects(state.get("attachments"))]
    return [{"type": "text", "text": words}, *attached] if attached else words


def _attached(rows: Rows, part: dict[str, Any]) -> dict[str, Any]:
    """A file part as a block: its bytes where it carries them, else its address."""
    media_type = text(part.get("mime"))
    found = rows.attachments.address(text(part.get("url")))
    is_image = (media_type or "").startswith("image/")
    named = {"media_type": media_type, "filename": text(part.get("filename"))}
    return {"type": "image" if is_image else "file", **named, **found}
