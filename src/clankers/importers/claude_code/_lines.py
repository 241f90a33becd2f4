"""The shapes of Claude Code's lines.

Every field is `Any` or takes all that JSON has: a field of the wrong type must not cost
the line. Fields that nothing is made of are not named, so that decoding skips them.
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import msgspec

from clankers.importers._jsonl import decode_line

# Left out, which is told from a written null by identity.
ABSENT = msgspec.Raw(b"null")

# What may stand where an object is expected.
Other: TypeAlias = str | int | float | bool | list[Any] | None


class Block(msgspec.Struct, gc=False):
    """One content block of any type; `whole_blocks` has what else it may hold."""

    type: Any = None
    text: Any = None
    thinking: Any = None
    id: Any = None
    name: Any = None
    title: Any = None
    input: msgspec.Raw = ABSENT
    tool_use_id: Any = None
    is_error: Any = None
    content: msgspec.Raw = ABSENT
    source: Any = None


Content: TypeAlias = (
    Block
    | str
    | int
    | float
    | bool
    | list[Block | str | int | float | bool | list[Any] | None]
    | None
)


class Said(msgspec.Struct, gc=False):
    """What the model's API answered, or what was sent to it."""

    id: Any = None
    model: Any = None
    content: Content = None
    usage: msgspec.Raw = ABSENT


class ToolUseResult(msgspec.Struct, gc=False, rename="camel"):
    """What the program noted beside a tool's result, which often repeats whole files."""

    agent_id: Any = None
    duration_ms: Any = None
    total_duration_ms: Any = None
    duration_seconds: Any = None


class Progress(msgspec.Struct, rename="camel"):
    type: Any = None
    agent_id: Any = None


class Attached(msgspec.Struct, gc=False, rename="camel"):
    """What the program put beside a message: reminders, files, prompts typed meanwhile."""

    type: Any = None
    prompt: Content = None
    command_mode: Any = None
    origin: Any = None


class Line(msgspec.Struct, gc=False, rename="camel"):
    """One line of a transcript."""

    type: Any = None
    uuid: Any = None
    parent_uuid: Any = None
    logical_parent_uuid: Any = None
    session_id: Any = None
    timestamp: Any = None
    cwd: Any = None
    git_branch: Any = None
    version: Any = None
    is_sidechain: Any = None
    is_meta: Any = None
    is_compact_summary: Any = None
    is_api_error_message: Any = None
    request_id: Any = None
    cost_usd: Any = msgspec.field(default=None, name="costUSD")
    message: Said | Other = None
    tool_use_result: ToolUseResult | Other = None
    source_tool_use_id: Any = msgspec.field(default=None, name="sourceToolUseID")
    origin: Any = None
    prompt_source: Any = None
    forked_from: Any = None
    permission_mode: Any = None
    attachment: Attached | Other = None
    data: Progress | Other = None
    parent_tool_use_id: Any = msgspec.field(default=None, name="parentToolUseID")
    subtype: Any = None
    content: Content = None
    error: Any = None
    cause: Any = None
    api_error_status: Any = None
    api_refusal_explanation: Any = None
    quota_limits: Any = None
    compact_metadata: Any = None
    microcompact_metadata: Any = None
    summary: Any = None
    leaf_uuid: Any = None
    ai_title: Any = None
    custom_title: Any = None
    continued_in_session_id: Any = None
    operation: Any = None


class Stated(msgspec.Struct, gc=False):
    """The `usage` of an answer."""

    input_tokens: Any = None
    output_tokens: Any = None
    cache_creation_input_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_creation: Any = None
    output_tokens_details: Any = None
    server_tool_use: Any = None
    service_tier: Any = None
    speed: Any = None


class Paths(msgspec.Struct):
    """Which file a tool was to work on."""

    file_path: Any = None
    notebook_path: Any = None


class SidechainMeta(msgspec.Struct, rename="camel"):
    """`agent-<id>.meta.json` beside a subagent's transcript."""

    agent_type: Any = None
    description: Any = None


class _WholeHolder(msgspec.Struct):
    content: Any = None
    prompt: Any = None


class _WholeLine(msgspec.Struct):
    message: _WholeHolder | Other = None
    attachment: _WholeHolder | Other = None


line_decoder = msgspec.json.Decoder(Line)
stated_decoder = msgspec.json.Decoder(Stated)
paths_decoder = msgspec.json.Decoder(Paths)
meta_decoder = msgspec.json.Decoder(SidechainMeta)
_whole_decoder = msgspec.json.Decoder(_WholeLine)


def blocks_of(content: Content) -> list[Block]:
    """Content as blocks, whatever it was written as; what is no text and no block is left out."""
    if type(content) is not list:
        if isinstance(content, str):
            return [Block("text", content)]
        return [content] if isinstance(content, Block) else []
    if len(content) == 1 and type(content[0]) is Block:
        return cast("list[Block]", content)
    return [
        one if isinstance(one, Block) else Block("text", one)
        for one in content
        if isinstance(one, Block | str)
    ]


def whole_blocks(line: bytes) -> list[dict[str, Any]]:
    """The blocks of a line with all their fields, in the order of `blocks_of`."""
    found = decode_line(_whole_decoder, line)
    holders = (found.message, found.attachment) if found else ()
    for holder in holders:
        if isinstance(holder, _WholeHolder):
            content = holder.prompt if holder.content is None else holder.content
            blocks = content if isinstance(content, list) else [content]
            return [
                one if isinstance(one, dict) else {}
                for one in blocks
                if isinstance(one, dict | str)
            ]
    return []


def flat(content: Content) -> str:
    """The text of content, its blocks a blank line apart."""
    if isinstance(content, str):
        return content
    return "\n\n".join(
        one.text for one in blocks_of(content) if isinstance(one.text, str) and one.text
    )
