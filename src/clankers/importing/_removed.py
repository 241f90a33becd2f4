"""Sessions that were removed on purpose: what a file still says of them is not stored again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from clankers.store._pruned import remember, removals
from clankers.store.capture._deleted import deleted, event_time_of, has_deleted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import apsw

    from clankers.importers import Batch
    from clankers.models import (
        Compaction,
        Message,
        Session,
        SessionError,
        ToolCall,
        Usage,
    )

    _Child = Message | ToolCall | SessionError | Compaction | Usage

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Removed:
    """What one transaction knows of the sessions that were pruned or deleted.

    What happened in one of them after it was removed is stored: the session goes on.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._removed_at = removals(connection)
        # Single rows are seldom deleted; asking for each batch costs as much as a file.
        self._has_deleted = has_deleted(connection)

    def rest_of(self, batch: Batch) -> Batch:
        """The batch without what is not newer than the removal of its session.

        Usage stays, for it outlives its session, but not the JSON its agent wrote.
        """
        if self._has_deleted:
            batch = self._without_deleted(batch)
        if not self._removed_at:
            return batch
        self._follow(batch)
        children: tuple[Sequence[_Child], ...] = (
            batch.messages,
            batch.tools,
            batch.errors,
            batch.compactions,
            batch.usage,
        )
        about = {one.session_id for group in children for one in group}
        about |= {one.id for one in (*batch.sessions, *batch.mentions)}
        if not any(self._time_of(one) is not None for one in about):
            return batch
        return self._filtered(batch)

    def took_all(self, batches: Sequence[Batch], rests: Sequence[Batch]) -> bool:
        """True when nothing but usage is left of what was read, and something else was in it."""
        return any(
            rest is not batch for batch, rest in zip(batches, rests, strict=True)
        ) and not any(
            (rest.sessions, rest.messages, rest.tools, rest.errors, rest.compactions)
            != ([], [], [], [], [])
            for rest in rests
        )

    def _filtered(self, batch: Batch) -> Batch:
        from attrs import evolve

        messages, tools = self._newer(batch.messages), self._newer(batch.tools)
        return evolve(
            batch,
            sessions=[one for given in batch.sessions for one in self._going_on(given)],
            mentions=[one for one in batch.mentions if self._time_of(one.id) is None],
            messages=messages,
            tools=tools,
            errors=self._newer(batch.errors),
            compactions=self._newer(batch.compactions),
            usage=[
                one if self._time_of(one.session_id) is None else evolve(one, raw=None)
                for one in batch.usage
            ],
            attachments=referred(batch, messages, tools),
        )

    def _without_deleted(self, batch: Batch) -> Batch:
        """The batch without rows that were deleted after what they tell of."""
        groups: tuple[tuple[str, str, Sequence[Any]], ...] = (
            ("messages", "messages", batch.messages),
            ("tools", "tools", batch.tools),
            ("errors", "session_errors", batch.errors),
            ("compactions", "compaction_events", batch.compactions),
            ("usage", "usage", batch.usage),
        )
        changed: dict[str, Any] = {}
        for name, table, records in groups:
            at = deleted(self._connection, table, (one.id for one in records)) if records else {}
            if at:
                changed[name] = [
                    one for one in records if event_time_of(table, one) > at.get(one.id, -1)
                ]
        if not changed:
            return batch
        from attrs import evolve

        return evolve(batch, **changed)

    def _follow(self, batch: Batch) -> None:
        """Takes a subagent that turns up later for removed with its session."""
        found = {
            one.id: at
            for one in (*batch.mentions, *batch.sessions)
            if self._time_of(one.id) is None
            and one.parent_id is not None
            and one.relationship in (None, "subagent")
            and (at := self._time_of(one.parent_id)) is not None
        }
        self._removed_at |= found
        remember(self._connection, found)

    def _time_of(self, session_id: str) -> int | None:
        """When a session was removed, or the one that its id says it is a subagent of."""
        found = self._removed_at.get(session_id)
        while found is None and ":" in session_id:
            session_id = session_id.rpartition(":")[0]
            found = self._removed_at.get(session_id)
        return found

    def _going_on(self, session: Session) -> Iterable[Session]:
        """The session, unless it ended before it was removed; its title is older than that."""
        removed_at = self._time_of(session.id)
        if removed_at is None:
            return [session]
        last_at = max(session.updated_at or 0, session.ended_at or 0, session.created_at or 0)
        if last_at <= removed_at:
            return []
        if session.created_at is not None and session.created_at > removed_at:
            return [session]
        from attrs import evolve

        return [evolve(session, title=None)]

    def _newer(self, records: list[Any]) -> list[Any]:
        return [
            one
            for one in records
            if (at := self._time_of(one.session_id)) is None or (one.created_at or 0) > at
        ]


def referred(batch: Batch, messages: list[Message], tools: list[ToolCall]) -> list[Any]:
    """The images and documents of the batch that what is left of it refers to."""
    if not batch.attachments:
        return []
    written = (*(one.content for one in messages), *(one.tool_output for one in tools))
    digests = {found for text in written if text for found in _DIGEST.findall(text)}
    return [one for one in batch.attachments if one.sha256 in digests]
