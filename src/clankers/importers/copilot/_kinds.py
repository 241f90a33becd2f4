"""Events that tell nothing of the conversation."""

from __future__ import annotations

from typing import Final

_KINDS: Final = frozenset(
    {
        "assistant.idle",
        "assistant.intent",
        "assistant.message_delta",
        "assistant.message_start",
        "assistant.reasoning_delta",
        "assistant.server_tool_progress",
        "assistant.streaming_delta",
        "assistant.tool_call_delta",
        "assistant.turn_end",
        "assistant.usage",
        "pending_messages.modified",
        "session.autopilot_objective_changed",
        "session.background_tasks_changed",
        "session.compaction_start",
        "session.context_cleared",
        "session.custom_agents_updated",
        "session.custom_notification",
        "session.extensions_loaded",
        "session.handoff",
        "session.idle",
        "session.import_legacy",
        "session.info",
        "session.mcp_server_status_changed",
        "session.mcp_servers_loaded",
        "session.mode_notice_delivered",
        "session.permissions_changed",
        "session.plan_changed",
        "session.remote_steerable_changed",
        "session.skills_loaded",
        "session.snapshot_rewind",
        "session.task_complete",
        "session.todos_changed",
        "session.tools_updated",
        "session.usage_checkpoint",
        "session.usage_info",
        "session.warning",
        "session.workspace_file_changed",
        "skill.invoked",
        "subagent.completed",
        "subagent.configured",
        "subagent.deselected",
        "subagent.selected",
        "subagent.started",
        "tool.execution_partial_result",
        "tool.execution_progress",
        "tool.user_requested",
    }
)
# Families of which new members keep coming.
_FAMILIES: Final = (
    "assistant.fusion_",
    "auto_mode_switch.",
    "capabilities.",
    "command.",
    "commands.",
    "elicitation.",
    "exit_plan_mode.",
    "external_tool.",
    "factory.",
    "hook.",
    "mcp.",
    "mcp_app.",
    "model.call_",
    "permission.",
    "sampling.",
    "session.canvas",
    "session.extensions",
    "session.fusion_",
    "session.managed_settings",
    "session.mcp_",
    "session.schedule_",
    "session.session_limits",
    "session_limits_exhausted.",
    "tool_search.",
    "user_input.",
)


def is_noise(kind: str) -> bool:
    return kind in _KINDS or kind.startswith(_FAMILIES)
