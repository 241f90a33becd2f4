"""The editor's messages, of which each is one bubble of its window: a prompt, or a piece of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers._blocks import TEXT, THINKING, Block
from clankers.importers._rows import flat, member, objects, unfolded
from clankers.importers._values import milliseconds, text, tokens
from clankers.importers.cursor._prompts import unwrapped
from clankers.importers.cursor._tools import take_tool

if TYPE_CHECKING:
    from clankers.importers._rows import Rows
    from clankers.importers._tally import Outcome

_ROLES = {1: "user", "user": "user", 2: "assistant", "ai": "assistant", "assistant": "assistant"}
_COMPACTION = 22
_TIMES = ("createdAt", "timestamp")
_TIMINGS = ("clientRpcSendTime", "clientSettleTime", "clientEndTime")
# Some of those are times since the window was opened.
_EPOCH_FROM = 1_000_000_000_000
_NO_MODELS = ("default", "auto")
_DEEPEST = 32


def take_bubble(
    rows: Rows, native_id: str, bubble: Any, kind: Any = None, *, undone: bool = False
) -> Outcome:
    """Takes one bubble; `kind` is its type as the conversation's list has it.

    One that was undone is no longer on the conversation's path; it was billed all the same.
    """
    if not isinstance(bubble, dict):
        return "malformed"
    role = _role(bubble, kind)
    if role is None:
        return "unknown"
    at = _time(bubble)
    name_model(rows, member(bubble, "modelInfo").get("modelName") or bubble.get("modelType"))
    has_said = _say(rows, native_id, role, bubble, at, undone=undone)
    has_failed = _fail(rows, native_id, bubble, at)
    has_used = _use(rows, native_id, bubble, at, is_said=has_said)
    if bubble.get("capabilityType") == _COMPACTION:
        rows.compact(native_id, at)
        return "imported"
    return "imported" if has_said or has_failed or has_used else "noise"


def _use(
    rows: Rows, native_id: str, bubble: dict[str, Any], at: int | None, *, is_said: bool
) -> bool:
    """Takes the numbers of a bubble, if they are any.

    What they count is not known, and most bubbles have zeros: they are an estimate.
    """
    counts = member(bubble, "tokenCount")
    given, made = tokens(counts.get("inputTokens")), tokens(counts.get("outputTokens"))
    if not given and not made:
        return False
    rows.use(
        f"{rows.session.id}:{native_id}",
        at,
        raw=counts,
        message=native_id if is_said else None,
        input_tokens=given,
        output_tokens=made,
        estimated=True,
    )
    return True


def name_model(rows: Rows, name: Any) -> None:
    """Notes the model of what follows; one that Cursor chose by itself is not known."""
    if found := text(name):
        rows.memory.model = None if found in _NO_MODELS else found


def _say(
    rows: Rows, native_id: str, role: str, bubble: dict[str, Any], at: int | None, *, undone: bool
) -> bool:
    blocks = _thinking(bubble)
    words = _words(bubble)
    if role == "user":
        prompt = unwrapped(words)
        blocks += prompt.blocks
        role = "system" if bubble.get("isSimulatedMsg") is True else prompt.role
    elif words:
        blocks.append(Block(TEXT, words))
    former = member(bubble, "toolFormerData")
    # Some versions write one with nothing in it.
    if any(former.get(name) for name in ("name", "toolCallId", "tool")):
        call_id = text(former.get("toolCallId")) or native_id
        blocks.append(take_tool(rows, former, call_id, native_id, at))
    blocks += _images(rows, bubble)
    if blocks:
        # Said of both, since one that was undone may be brought back.
        rows.say(native_id, role, blocks, at, is_sidechain=undone)
    return bool(blocks)


def _words(bubble: dict[str, Any]) -> str:
    found = text(bubble.get("text")) or text(bubble.get("rawText")) or text(bubble.get("content"))
    if found is None:
        found = _typed(unfolded(bubble.get("richText")), 0)
    return found if found.strip() else ""


def _typed(node: Any, depth: int) -> str:
    """The words in the input field's own format, a tree of paragraphs."""
    if not isinstance(node, dict) or depth > _DEEPEST:
        return ""
    if isinstance(node.get("text"), str):
        return str(node["text"])
    below = objects(node.get("children")) or objects(node.get("content"))
    below = below or [member(node, "root")]
    return "\n".join(filter(None, (_typed(one, depth + 1) for one in below if one)))


def _thinking(bubble: dict[str, Any]) -> list[Block]:
    thought = bubble.get("thinking")
    found = [text(thought.get("text")) if isinstance(thought, dict) else text(thought)]
    if found == [None]:
        found = [text(one.get("text")) for one in objects(bubble.get("allThinkingBlocks"))]
    return [Block(THINKING, words) for words in found if words and words.strip()]


def _images(rows: Rows, bubble: dict[str, Any]) -> list[Block]:
    return [Block("image", reference=_image(rows, one)) for one in objects(bubble.get("images"))]


def _image(rows: Rows, image: dict[str, Any]) -> dict[str, Any]:
    for name in ("data", "url", "base64"):
        written = text(image.get(name))
        if written and (written.startswith("data:") or "://" in written[:16]):
            return rows.attachments.address(written)
        if written:
            return rows.attachments.encoded(written, text(image.get("mimeType")))
    path = text(image.get("path")) or text(image.get("uuid"))
    return {"path": path} if path else {}


def _fail(rows: Rows, native_id: str, bubble: dict[str, Any], at: int | None) -> bool:
    details = member(bubble, "errorDetails")
    if not details:
        return False
    words = unfolded(details.get("message") or details.get("error") or details)
    if isinstance(words, dict):
        words = text(words.get("message")) or text(words.get("error")) or words
    kind = details.get("errorType") or details.get("code") or "error"
    rows.fail(f"{native_id}:error", at, flat(kind), flat(words))
    return True


def _role(bubble: dict[str, Any], kind: Any) -> str | None:
    for one in (bubble.get("type"), kind, bubble.get("role")):
        if isinstance(one, int | str) and one in _ROLES:
            return _ROLES[one]
    return None


def _time(bubble: dict[str, Any]) -> int | None:
    found = [milliseconds(bubble.get(name)) for name in _TIMES]
    timing = member(bubble, "timingInfo")
    found += [milliseconds(value) for name in _TIMINGS if _is_epoch(value := timing.get(name))]
    return next((at for at in found if at is not None), None)


def _is_epoch(value: Any) -> bool:
    return type(value) in (int, float) and value > _EPOCH_FROM
