"""Replacing the context by a summary, or parts of it by nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers.importers._values import count
from clankers.models import Compaction

if TYPE_CHECKING:
    from clankers.importers.claude_code._lines import Line
    from clankers.importers.claude_code._state import State


def compaction(line: Line, state: State, key: str, at: int | None) -> Compaction:
    """What a boundary says was dropped."""
    noted = line.compact_metadata if isinstance(line.compact_metadata, dict) else {}
    before = count(noted.get("preTokens"))
    after = count(noted.get("postTokens"))
    # A running total over the session; one compaction's share is what it grew by.
    dropped = count(noted.get("cumulativeDroppedTokens"))
    if not after and state.dropped_tokens < dropped < before + state.dropped_tokens:
        after = before - (dropped - state.dropped_tokens)
    state.dropped_tokens = max(state.dropped_tokens, dropped)
    return _record(state, key, at, before, after)


def microcompaction(line: Line, state: State, key: str, at: int | None) -> Compaction:
    """What was saved by dropping old tool results."""
    noted = line.microcompact_metadata if isinstance(line.microcompact_metadata, dict) else {}
    before, saved = count(noted.get("preTokens")), count(noted.get("tokensSaved"))
    return _record(state, key, at, before, before - saved if 0 < saved < before else 0)


def _record(state: State, key: str, at: int | None, before: int, after: int) -> Compaction:
    session_id = state.session_id
    return Compaction(f"{session_id}:{key}", session_id, at or 0, before or None, after or None)
