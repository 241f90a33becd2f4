"""Sessions in the archive: what says nothing new leaves them there, what does brings them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importing._removed import referred
from clankers.store._connection import REFUSED_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clankers.importers import Batch
    from clankers.store import Store

# Their places in a batch, and their tables.
_CHILDREN = {
    "messages": "messages",
    "tools": "tools",
    "errors": "session_errors",
    "compactions": "compaction_events",
}
_BAD_ROW = (*REFUSED_ROWS, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Resting:
    """The archived sessions of which what is read in one transaction says nothing new.

    All others that are archived come back while this is made; the caller has a transaction
    open.
    """

    def __init__(self, store: Store, batches: Sequence[Batch]) -> None:
        self._ids: set[str] = set()
        if not store.has_archive:
            return
        archived = store.archived_among(_spoken_of(batches))
        if archived:
            waking = _waking(store, batches, archived)
            store.return_touched(waking)
            self._ids = store.archived_among(archived - waking)

    def rest_of(self, batch: Batch) -> Batch:
        """The batch without what the archive has; usage, which is never archived, stays."""
        if not self._ids or self._ids.isdisjoint(_spoken_of([batch])):
            return batch
        from attrs import evolve

        messages, tools = self._others(batch.messages), self._others(batch.tools)
        return evolve(
            batch,
            sessions=[one for one in batch.sessions if one.id not in self._ids],
            mentions=[one for one in batch.mentions if one.id not in self._ids],
            messages=messages,
            tools=tools,
            errors=self._others(batch.errors),
            compactions=self._others(batch.compactions),
            attachments=referred(batch, messages, tools),
        )

    def _others(self, records: list[Any]) -> list[Any]:
        return [one for one in records if one.session_id not in self._ids]


def _spoken_of(batches: Iterable[Batch]) -> set[str]:
    """All sessions that anything is said of, or that are above one that is named."""
    found: set[str] = set()
    for batch in batches:
        for session in (*batch.sessions, *batch.mentions):
            found.add(session.id)
            if session.parent_id:
                found.add(session.parent_id)
        for name in _CHILDREN:
            found.update(one.session_id for one in getattr(batch, name))
    return found


def _waking(store: Store, batches: Sequence[Batch], archived: set[str]) -> set[str]:
    """Those of the archived sessions that something new is said of."""
    waking = _with_new_subagents(store, batches, archived)
    waking |= store.archived_owners(prefix for batch in batches for prefix in batch.replaces)
    try:
        return waking | store.would_change(_grouped(batches, archived))
    except _BAD_ROW:
        # Rows that cannot be stored are told of when they are.
        return archived


def _with_new_subagents(store: Store, batches: Sequence[Batch], archived: set[str]) -> set[str]:
    children = {
        one.id: one.parent_id
        for batch in batches
        for one in batch.sessions
        if one.parent_id in archived
        and one.id not in archived
        and one.relationship in (None, "subagent")
    }
    known = store.known_among(children)
    return {parent for one, parent in children.items() if parent and one not in known}


def _grouped(batches: Sequence[Batch], archived: set[str]) -> dict[str, dict[str, list[Any]]]:
    """What is said of each archived session, by table, in the order in which it is written."""
    groups: dict[str, dict[str, list[Any]]] = {}

    def add(session_id: str, table: str, record: Any) -> None:
        if session_id in archived:
            groups.setdefault(session_id, {}).setdefault(table, []).append(record)

    for batch in batches:
        for session in batch.sessions:
            add(session.id, "sessions", session)
        for session in batch.mentions:
            add(session.id, "mentions", session)
        for name, table in _CHILDREN.items():
            for one in getattr(batch, name):
                add(one.session_id, table, one)
    return groups
