"""A session as it was: messages, tool calls, errors and compactions in one order."""

from __future__ import annotations

from heapq import merge
from typing import TYPE_CHECKING

from clankers.models import Compaction, Message, SessionError, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clankers.store import Store

__all__ = ["Turn", "conversation"]

Turn = Message | ToolCall | SessionError | Compaction


def conversation(store: Store, session_id: str) -> Iterator[Turn]:
    """Everything that happened in a session, in its order, without loading it whole.

    Messages and tool calls share one order (`seq`); errors and compactions have only
    times, which the same numbers are made of.
    """
    return merge(
        store.messages(session_id),
        store.tools(session_id),
        store.errors(session_id),
        store.compactions(session_id),
        key=_place,
    )


def _place(turn: Turn) -> int:
    if isinstance(turn, Message | ToolCall) and turn.seq is not None:
        return turn.seq
    return turn.created_at or 0
