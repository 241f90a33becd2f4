"""The shapes of Claude Code's lines, and which record types it is known to write.

Every field is `Any`: a field of the wrong type must not cost the line. Fields that
nothing is made of are not named, so that decoding skips them.
"""

from __future__ import annotations

from typing import Any

import msgspec

EMPTY = msgspec.Raw(b"null")


class Said(msgspec.Struct):
    """What the model's API answered, or what was sent to it."""

    id: Any = None
    model: Any = None
    content: Any = None
    usage: msgspec.Raw = EMPTY


class Line(msgspec.Struct):
    """One line of a transcript; `toolUseResult` repeats whole files, so it stays undecoded."""

    type: Any = None
    uuid: Any = None
    parentUuid: Any = None
    logicalParentUuid: Any = None
    sessionId: Any = None
    timestamp: Any = None
    cwd: Any = None
    gitBranch: Any = None
    version: Any = None
    isSidechain: Any = None
    isMeta: Any = None
    isCompactSummary: Any = None
    isApiErrorMessage: Any = None
    apiErrorStatus: Any = None
    requestId: Any = None
    costUSD: Any = None
    # Said, or whatever else stands there: a message of the wrong type must not cost the line.
    message: Said | str | int | float | bool | list[Any] | None = None
    toolUseResult: msgspec.Raw = EMPTY
    attachment: Any = None
    data: msgspec.Raw = EMPTY
    parentToolUseID: Any = None
    subtype: Any = None
    content: Any = None
    error: Any = None
    compactMetadata: Any = None
    summary: Any = None
    leafUuid: Any = None
    aiTitle: Any = None
    customTitle: Any = None
    continuedInSessionId: Any = None
    permissionMode: Any = None
    operation: Any = None


class Stated(msgspec.Struct):
    """The `usage` of an answer."""

    input_tokens: Any = 0
    output_tokens: Any = 0
    cache_creation_input_tokens: Any = None
    cache_read_input_tokens: Any = 0
    cache_creation: Any = None
    server_tool_use: Any = None
    service_tier: Any = None
    speed: Any = None


class ToolUseResult(msgspec.Struct):
    """What the program noted beside a tool's result, for the few fields that matter here."""

    agentId: Any = None
    durationMs: Any = None
    totalDurationMs: Any = None
    durationSeconds: Any = None


class Progress(msgspec.Struct):
    type: Any = None
    agentId: Any = None


class SidechainMeta(msgspec.Struct):
    """`agent-<id>.meta.json` beside a subagent's transcript."""

    agentType: Any = None
    description: Any = None


line_decoder = msgspec.json.Decoder(Line)
stated_decoder = msgspec.json.Decoder(Stated)
tool_result_decoder = msgspec.json.Decoder(ToolUseResult)
progress_decoder = msgspec.json.Decoder(Progress)
meta_decoder = msgspec.json.Decoder(SidechainMeta)

# Known records that hold nothing of the conversation: bookkeeping of the program.
NOISE_TYPES = frozenset(
    {
        "agent-name",
        "agent-setting",
        "atis-latch",
        "attribution-snapshot",
        "bridge-session",
        "content-replacement",
        "cost-state",
        "file-history-delta",
        "file-history-snapshot",
        "frame-link",
        "last-prompt",
        "mode",
        "pr-link",
        "relocated",
        "result",
        "started",
        "tag",
        "worktree-state",
    }
)
NOISE_SUBTYPES = frozenset(
    {
        "away_summary",
        "bridge_status",
        "file_snapshot",
        "informational",
        "memory_saved",
        "microcompact_boundary",
        "permission_retry",
        "scheduled_task_fire",
        "session_start",
        "stop_hook_summary",
        "turn_duration",
    }
)
ERROR_SUBTYPES = frozenset({"api_error", "api_refusal", "error", "model_refusal_fallback"})
