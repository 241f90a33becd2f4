"""Messages as the model saw them, which is how the agent itself remembers a conversation.

They are those of the AI SDK: parts of text, reasoning, calls, and results under a role of
their own. Who said what is learned from the stores that other open-source tools describe: a
prompt names the request that it made, what the program says in the user's name does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers._blocks import TEXT, THINKING, Block
from clankers.importers._rows import flat, member, objects, unfolded
from clankers.importers._values import count, row_id, text
from clankers.importers.cursor._bubbles import name_model
from clankers.importers.cursor._prompts import unwrapped
from clankers.importers.cursor._state import State, described, leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clankers.importers._batch import Batch
    from clankers.importers._rows import Rows
    from clankers.importers._tally import Outcome, Tally
    from clankers.importers.cursor._state import Fetch

_CALLS = ("tool-call", "tool_call", "tool_use")
_RESULTS = ("tool-result", "tool_result")
_REASONING = ("reasoning", "thinking")
_FAILURES = ("error", "failure", "rejected", "timeout", "permissionDenied", "aborted")


def take_state(
    root: bytes, fetch: Fetch, rows: Rows, tally: Tally, *, named: str = ""
) -> Iterator[Batch]:
    """Takes all messages below a root; their native ids begin with `named`."""
    state = described(root, fetch)
    rows.session.git_branch = rows.session.git_branch or state.branch or None
    for leaf in leaves(root, fetch):
        if leaf.message is None:
            tally.add("malformed")
            continue
        tally.add(take_message(rows, named + leaf.native_id, leaf.message, state))
        if tally.is_enough(rows):
            yield tally.batch(rows)


def take_message(
    rows: Rows, native_id: str, message: dict[str, Any], state: State | None = None
) -> Outcome:
    """Takes one message of any role."""
    role = message.get("role")
    if role == "assistant":
        return _take_answer(rows, native_id, message)
    if role == "tool":
        return _take_results(rows, message)
    if role == "system":
        blocks = [Block(TEXT, words)] if (words := _words(message)) else []
        return _say(rows, native_id, "system", blocks, None)
    if role == "user":
        return _take_prompt(rows, native_id, message, state)
    return "unknown"


def _take_prompt(
    rows: Rows, native_id: str, message: dict[str, Any], state: State | None
) -> Outcome:
    options = cursor_options(message)
    prompt = unwrapped(_words(message))
    request = text(options.get("requestId"))
    at = state.prompted_at.get(request) if state and request else None
    at = prompt.at if at is None else at
    images = [_image(rows, part) for part in objects(message.get("content"))]
    blocks = [*prompt.blocks, *(one for one in images if one)]
    if options.get("isSummary") is True:
        rows.compact(native_id, at)
        return _say(rows, native_id, "system", [Block(TEXT, _words(message))], at)
    return _say(rows, native_id, prompt.role, blocks, at)


def _take_answer(rows: Rows, native_id: str, message: dict[str, Any]) -> Outcome:
    name_model(rows, cursor_options(message).get("modelName"))
    content = message.get("content")
    parts = objects(content) if isinstance(content, list) else [{"type": TEXT, "text": content}]
    blocks = []
    for number, part in enumerate(parts):
        name_model(rows, cursor_options(part).get("modelName"))
        blocks += _part(rows, part, native_id, number)
    for number, call in enumerate(objects(message.get("tool_calls"))):
        function = member(call, "function")
        call_id = text(call.get("id")) or f"{native_id}:call-{number}"
        name, given = text(function.get("name")), function.get("arguments")
        blocks.append(rows.call(call_id, name, given, None, message=native_id))
    return _say(rows, native_id, "assistant", blocks, None)


def _part(rows: Rows, part: dict[str, Any], native_id: str, number: int) -> list[Block]:
    kind = part.get("type")
    if kind == TEXT:
        return [Block(TEXT, words)] if (words := text(part.get("text"))) else []
    if kind in _REASONING:
        words = text(part.get("text")) or text(part.get("thinking"))
        return [Block(THINKING, words)] if words else []
    if kind in _CALLS:
        call_id = text(part.get("toolCallId")) or text(part.get("id"))
        name = text(part.get("toolName")) or text(part.get("name"))
        given = next((part[one] for one in ("args", "input", "arguments") if one in part), None)
        return [rows.call(call_id or f"{native_id}:{number}", name, given, None, message=native_id)]
    if image := _image(rows, part):
        return [image]
    return [Block(text(kind) or "unknown", text(part.get("text")) or "")]


def _take_results(rows: Rows, message: dict[str, Any]) -> Outcome:
    outcome = member(cursor_options(message), "highLevelToolCallResult")
    parts = [one for one in objects(message.get("content")) if one.get("type") in _RESULTS]
    if not parts and text(message.get("tool_call_id")):
        parts = [
            {**message, "toolCallId": message["tool_call_id"], "result": message.get("content")}
        ]
    has_any = False
    for part in parts:
        call_id = (
            text(part.get("toolCallId"))
            or text(part.get("tool_call_id"))
            or text(message.get("id"))
        )
        if call_id is not None:
            has_any = True
            _take_result(rows, call_id, part, outcome)
    return "imported" if has_any else "noise"


def _take_result(rows: Rows, call_id: str, part: dict[str, Any], outcome: dict[str, Any]) -> None:
    output = member(outcome, "output")
    told = next((part[one] for one in ("result", "output", "content") if part.get(one)), None)
    if told is None:
        told = flat(part.get("experimental_content")) or None
    problem = part.get("error") or outcome.get("rawErrorMessages")
    flags = (part.get("isError"), outcome.get("isError"), output.get("isError"))
    has_failed = True in flags or bool(problem) or any(output.get(name) for name in _FAILURES)
    success = member(output, "success")
    tool = rows.answer(
        call_id,
        unfolded(told),
        None,
        success=not has_failed,
        error=flat(problem) if problem else None,
        duration_ms=count(success.get("executionTime") or success.get("durationMs")) or None,
    )
    tool.tool_name = tool.tool_name or text(part.get("toolName")) or text(part.get("name")) or ""
    if child := text(success.get("agentId")):
        tool.child_session_id = row_id(child)


def cursor_options(record: dict[str, Any]) -> dict[str, Any]:
    """What Cursor itself notes beside a message or a part of one."""
    return member(member(record, "providerOptions"), "cursor")


def _words(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, (text(part.get("text")) for part in objects(content))))


def _image(rows: Rows, part: dict[str, Any]) -> Block | None:
    if part.get("type") not in ("image", "file"):
        return None
    kind = text(part.get("mimeType")) or text(part.get("mediaType"))
    written = text(part.get("image")) or text(part.get("data")) or text(part.get("url"))
    if written is None:
        return Block("image", reference={"media_type": kind} if kind else {})
    if written.startswith("data:") or "://" in written[:16]:
        return Block("image", reference=rows.attachments.address(written))
    return Block("image", reference=rows.attachments.encoded(written, kind))


def _say(rows: Rows, native_id: str, role: str, blocks: list[Block], at: int | None) -> Outcome:
    if not blocks:
        return "noise"
    rows.say(native_id, role, blocks, at)
    return "imported"
