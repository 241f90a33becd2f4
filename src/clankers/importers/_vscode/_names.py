"""The files of a task."""

from __future__ import annotations

UI_MESSAGES = "ui_messages.json"
CONVERSATION = "api_conversation_history.json"
TASK_METADATA = "task_metadata.json"
HISTORY_ITEM = "history_item.json"
