"""The shapes of Claude Code's lines.

A line that fits them is decoded in one go. In one that does not, each field that does not
fit counts as absent: it must not cost the line. Fields that nothing is made of are not
named, so that decoding skips them.
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import msgspec

from clankers.importers._jsonl import decode_value

S = TypeVar("S", bound=msgspec.Struct)

# Left out, which is told from a written null by identity.
ABSENT = msgspec.Raw(b"null")


class Block(msgspec.Struct, gc=False):
    """One content block of any type; `whole_blocks` has what else it may hold."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    title: str | None = None
    input: msgspec.Raw = ABSENT
    tool_use_id: str | None = None
    is_error: bool | None = None
    content: msgspec.Raw = ABSENT
    source: Any = None


Content: TypeAlias = str | list[Block] | None


class Said(msgspec.Struct, gc=False):
    """What the model's API answered, or what was sent to it."""

    id: str | None = None
    model: str | None = None
    content: Content = None
    usage: msgspec.Raw = ABSENT


class ToolUseResult(msgspec.Struct, gc=False, rename="camel"):
    """What the program noted beside a tool's result, which often repeats whole files."""

    agent_id: str | None = None
    duration_ms: float | None = None
    total_duration_ms: float | None = None
    duration_seconds: float | None = None


class Progress(msgspec.Struct, rename="camel"):
    type: str | None = None
    agent_id: str | None = None


class Attached(msgspec.Struct, gc=False, rename="camel"):
    """What the program put beside a message: reminders, files, prompts typed meanwhile."""

    type: str | None = None
    prompt: Content = None
    command_mode: str | None = None
    origin: Any = None


class Line(msgspec.Struct, gc=False, rename="camel"):
    """One line of a transcript."""

    type: str | None = None
    uuid: str | None = None
    parent_uuid: str | None = None
    logical_parent_uuid: str | None = None
    session_id: str | None = None
    timestamp: str | float | None = None
    cwd: str | None = None
    git_branch: str | None = None
    version: str | None = None
    is_sidechain: bool | None = None
    is_meta: bool | None = None
    is_compact_summary: bool | None = None
    is_api_error_message: bool | None = None
    request_id: str | None = None
    cost_usd: Any = msgspec.field(default=None, name="costUSD")
    message: Said | None = None
    # Errors are logged as text, and what MCP servers answer as a list.
    tool_use_result: ToolUseResult | str | list[Any] | None = None
    source_tool_use_id: str | None = msgspec.field(default=None, name="sourceToolUseID")
    origin: Any = None
    prompt_source: str | None = None
    forked_from: Any = None
    permission_mode: str | None = None
    attachment: Attached | None = None
    data: Progress | None = None
    parent_tool_use_id: str | None = msgspec.field(default=None, name="parentToolUseID")
    subtype: str | None = None
    content: Content = None
    error: Any = None
    cause: Any = None
    api_error_status: Any = None
    api_refusal_explanation: str | None = None
    quota_limits: Any = None
    compact_metadata: Any = None
    microcompact_metadata: Any = None
    summary: str | None = None
    leaf_uuid: str | None = None
    ai_title: str | None = None
    custom_title: str | None = None
    continued_in_session_id: str | None = None
    operation: str | None = None


class Stated(msgspec.Struct, gc=False):
    """The `usage` of an answer; counts may be written as text."""

    input_tokens: Any = None
    output_tokens: Any = None
    cache_creation_input_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_creation: Any = None
    output_tokens_details: Any = None
    server_tool_use: Any = None
    service_tier: str | None = None
    speed: str | None = None


class Paths(msgspec.Struct):
    """Which file a tool was to work on."""

    file_path: str | None = None
    notebook_path: str | None = None


class SidechainMeta(msgspec.Struct, rename="camel"):
    """`agent-<id>.meta.json` beside a subagent's transcript."""

    agent_type: str | None = None
    description: str | None = None


_DECODERS: dict[type[Any], Any] = {
    kind: msgspec.json.Decoder(kind) for kind in (Line, Stated, Paths, SidechainMeta)
}
_decode_line = _DECODERS[Line].decode
_INNER: dict[str, type[msgspec.Struct]] = {
    "attachment": Attached,
    "data": Progress,
    "tool_use_result": ToolUseResult,
}


def decoded_line(raw: bytes) -> Line | None:
    """A line, or None when it is not a JSON object."""
    try:
        line: Line = _decode_line(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _fitted(Line, decode_value(raw))
    return line


def decoded(kind: type[S], raw: bytes | msgspec.Raw) -> S | None:
    """A JSON object as a struct, or None when it is none."""
    try:
        found: S = _DECODERS[kind].decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _fitted(kind, decode_value(raw))
    return found


def blocks_of(content: Content) -> list[Block]:
    """Content as blocks, whichever way it was written."""
    if isinstance(content, str):
        return [Block("text", content)]
    return content or []


def flat(content: Content) -> str:
    """The text of content, its blocks a blank line apart."""
    if isinstance(content, str):
        return content
    return "\n\n".join(one.text for one in content or () if one.text)


def whole_blocks(raw: bytes) -> list[dict[str, Any]]:
    """The blocks of a line with all their fields, in the order of `blocks_of`."""
    line = decode_value(raw)
    for holder in (line.get("message"), line.get("attachment"), line):
        content = holder
        if isinstance(holder, dict):
            content = holder["content"] if "content" in holder else holder.get("prompt")
        if content is not None:
            return [one if isinstance(one, dict) else {} for one in _items(content)]
    return []


def _fitted(kind: type[S], found: Any) -> S | None:
    if not isinstance(found, dict):
        return None
    values = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name in found:
            value = _fitted_value(field, found[field.encode_name])
            if value is not None:
                values[field.name] = value
    return kind(**values)


def _fitted_value(field: msgspec.structs.FieldInfo, value: Any) -> Any:
    if field.type is msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode(value))
    if field.name == "message":
        return _fitted(Said, value if isinstance(value, dict) else {"content": value})
    if field.name in _INNER and isinstance(value, dict):
        return _fitted(_INNER[field.name], value)
    if field.name in ("content", "prompt"):
        return value if isinstance(value, str) else _fitted_blocks(value)
    try:
        return msgspec.convert(value, field.type)
    except msgspec.ValidationError:
        return None


def _fitted_blocks(content: Any) -> list[Block] | None:
    blocks = [
        Block("text", one) if isinstance(one, str) else _fitted(Block, one)
        for one in _items(content)
    ]
    return [one for one in blocks if one is not None] or None


def _items(content: Any) -> list[Any]:
    """What may be a block: a text or an object, alone or in a list."""
    items = content if isinstance(content, list) else [content]
    return [one for one in items if isinstance(one, str | dict)]
