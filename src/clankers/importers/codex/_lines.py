"""The layouts a line of Codex has had, brought to one, and which records are known.

- rollouts since September 2025: ``{timestamp, ordinal?, type, payload}``
- rollouts before: a header ``{id, timestamp, instructions, git}``, then bare response items
- ``codex exec --json``: ``{type: "item.completed", item: {...}}``; at first ``{id, msg: {...}}``
"""

from __future__ import annotations

from typing import Any

import msgspec

from clankers.importers._values import text

line_decoder = msgspec.json.Decoder(dict[str, Any])

RESPONSE_ITEM = "response_item"
EVENT = "event_msg"
SESSION_META = "session_meta"
TURN_CONTEXT = "turn_context"
USAGE_RECORD = "token_usage_record"

RESPONSE_TYPES = frozenset(
    {
        "agent_message",
        "custom_tool_call",
        "custom_tool_call_output",
        "function_call",
        "function_call_output",
        "image_generation_call",
        "local_shell_call",
        "local_shell_call_output",
        "message",
        "reasoning",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
    }
)

# Known records without anything of the conversation that other records do not say.
NOISE_RECORDS = frozenset(
    {
        "inter_agent_communication_metadata",
        "retained_context",
        "state",
        "turn.started",
        "item.started",
        "item.updated",
        "world_state",
    }
)
NOISE_RESPONSES = frozenset(
    {
        "additional_tools",
        "compaction_trigger",
        "configuration_update",
        "ghost_snapshot",
        "other",
    }
)
NOISE_EVENTS = frozenset(
    {
        "account/rateLimits/updated",
        "agent_message_content_delta",
        "agent_message_delta",
        "agent_reasoning_delta",
        "agent_reasoning_raw_content_delta",
        "agent_reasoning_section_break",
        "apply_patch_approval_request",
        "apply_patch_approval_response",
        "background_event",
        "collab_agent_interaction_begin",
        "collab_agent_spawn_begin",
        "collab_close_begin",
        "collab_resume_begin",
        "collab_waiting_begin",
        "deprecation_notice",
        "elicitation_request",
        "exec_approval_request",
        "exec_approval_response",
        "exec_command_begin",
        "exec_command_output_delta",
        "get_history_entry_response",
        "guardian_assessment",
        "guardian_warning",
        "hook_completed",
        "hook_started",
        "image_generation_begin",
        "injected_message",
        "item_started",
        "list_custom_prompts_response",
        "list_skills_response",
        "mcp_list_tools_response",
        "mcp_startup_complete",
        "mcp_startup_update",
        "mcp_tool_call_begin",
        "model_verification",
        "patch_apply_begin",
        "patch_apply_updated",
        "plan_delta",
        "plan_update",
        "raw_response_item",
        "reasoning_content_delta",
        "reasoning_raw_content_delta",
        "request_permissions",
        "request_user_input",
        "safety_buffering",
        "shutdown_complete",
        "skills_update_available",
        "sub_agent_activity",
        "task_started",
        "terminal_interaction",
        "thread_goal_cleared",
        "thread_rolled_back",
        "turn_diff",
        "turn_moderation_metadata",
        "turn_started",
        "undo_completed",
        "undo_started",
        "user_input_answer",
        "warning",
        "web_search_begin",
    }
)
NOISE_ITEMS = frozenset({"sleep", "sub_agent_activity", "todo_list"})


class Line(msgspec.Struct):
    """One line: its record type, what it holds, and what stands around that."""

    kind: str
    payload: dict[str, Any]
    timestamp: Any = None
    ordinal: Any = None

    @property
    def type(self) -> str:
        """The type within the record, such as ``token_count`` of an event."""
        return text(self.payload.get("type")) or ""

    @property
    def turn_id(self) -> str | None:
        payload = self.payload
        return (
            text(payload.get("turn_id"))
            or text(payload.get("turnId"))
            or text(member(payload, "internal_chat_message_metadata_passthrough").get("turn_id"))
            or text(member(payload, "metadata").get("turn_id"))
        )

    @property
    def thread_id(self) -> str | None:
        """The thread that an event or a usage record names as its own."""
        if self.kind not in (EVENT, USAGE_RECORD):
            return None
        return text(self.payload.get("thread_id")) or text(self.payload.get("threadId"))

    @property
    def session_id(self) -> str | None:
        """The session a line says it begins, or None when it is not such a line."""
        if self.kind == SESSION_META:
            return text(self.payload.get("id")) or text(self.payload.get("session_id"))
        if self.kind == "thread.started":
            return text(self.payload.get("thread_id"))
        if self.kind == EVENT and self.type == "session_configured":
            return text(self.payload.get("session_id"))
        return None


def opened(record: dict[str, Any]) -> Line:
    """A decoded line in the one layout; kind "" when it has none of them."""
    kind, payload = text(record.get("type")) or "", record.get("payload")
    timestamp, ordinal = record.get("timestamp"), record.get("ordinal")
    if isinstance(payload, dict):
        return Line(kind, payload, timestamp, ordinal)
    if isinstance(record.get("msg"), dict):
        return Line(EVENT, record["msg"], timestamp, ordinal)
    if kind in RESPONSE_TYPES:
        return Line(RESPONSE_ITEM, record, timestamp, ordinal)
    if kind.startswith(("thread.", "turn.", "item.")) or kind == "error":
        return Line(kind, record, timestamp, ordinal)
    return Line(*_untyped(kind, record), timestamp, ordinal)


def _untyped(kind: str, record: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if kind:
        return kind, {}
    if text(record.get("record_type")) == "state":
        return "state", record
    if text(record.get("id")) and "timestamp" in record:
        return SESSION_META, record
    if prompt := text(record.get("prompt")):
        return EVENT, {"type": "user_message", "message": prompt}
    return "", {}


def member(value: Any, *names: str) -> dict[str, Any]:
    """The object under these names, or an empty one where anything on the way is not one."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def elements(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; whatever else it holds is not a block."""
    return [one for one in elements(value) if isinstance(one, dict)]
