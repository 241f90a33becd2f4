"""Removing sessions: which ones, what goes with them, and that imports leave them out.

What was used stays: `usage` rows outlive their session, so that no total changes.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from clankers import errors
from clankers.store._size import TEXT_BYTES
from clankers.store.capture._deleted import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import apsw

_TABLES = ("messages", "tools", "session_errors", "compaction_events")
# Live rows move no time of their session.
_LAST_AT = """max(coalesce(s.updated_at, 0), coalesce(s.ended_at, 0), coalesce(s.created_at, 0),
  (SELECT coalesce(max(created_at), 0) FROM messages WHERE session_id = s.id),
  (SELECT coalesce(max(created_at), 0) FROM tools WHERE session_id = s.id))"""
# A subagent goes with its session and by nothing else, as long as there is one.
_IS_ROOT = """NOT EXISTS (SELECT 1 FROM sessions p WHERE p.id = s.parent_id AND p.id <> s.id
  AND NOT p.placeholder AND (s.relationship IS NULL OR s.relationship = 'subagent')
  AND p.parent_id IS NOT s.id)"""
# A subagent is part of its session; a fork or a continuation is a conversation of its own.
# UNION ends at a session that, by a mistake in a file, is below itself.
_FAMILY = """family(id, root) AS (
  {roots}
  UNION
  SELECT s.id, f.root FROM family f JOIN sessions s ON s.parent_id = f.id
  WHERE s.relationship IS NULL OR s.relationship = 'subagent'
)"""
REFERENCE = re.compile(r'"attachment":\s*"([0-9a-f]{64})"')
_REFERRING = """
SELECT content FROM messages WHERE instr(content, '"attachment"') AND {which}
UNION ALL
SELECT tool_output FROM tools WHERE instr(tool_output, '"attachment"') AND {which}
"""
_CHOSEN = "(SELECT value FROM json_each(?))"


class RemovedSession(NamedTuple):
    """One session that goes; `bytes` are those of its text, `last_at` its last time in epoch ms."""

    id: str
    parent_id: str | None
    source: str | None
    project: str | None
    title: str | None
    last_at: int | None
    messages: int
    bytes: int


class Removal(NamedTuple):
    """What went, or would go.

    `rows` counts by table, images and documents that nothing else refers to included.
    `bytes` is their text and content. `is_erased` is only said of a purge: False when the
    rows are gone, but traces are left in the file because another process uses it or the
    disk is full. `unsent` counts the sessions that fit as well, and stay because rows of
    theirs wait to be synced.
    """

    sessions: list[RemovedSession]
    rows: dict[str, int]
    bytes: int
    is_erased: bool | None = None
    unsent: int = 0


def chosen(
    connection: apsw.Connection,
    *,
    source: str | None,
    project: str | None,
    model: str | None,
    before: int | None,
    empty: bool,
) -> list[str]:
    """The sessions that all of the filters fit, with their subagents.

    A session is as old as the newest of its subagents, and is empty when they are too.

    Raises:
        StoreError: no filter was given.
    """
    conditions: list[tuple[str, str | None]] = [
        ("s.source = ?", source),
        ("? IN (s.project_name, s.project_path)", project),
        ("substr(s.model, 1, length(?)) = ?", model),
    ]
    given = [(sql, value) for sql, value in conditions if value is not None]
    if not given and before is None and not empty:
        raise errors.StoreError(
            "no filter says which sessions are to go",
            hint="name an agent, a project, a model or a time, or ask for empty sessions",
        )
    where = " AND ".join(["NOT s.placeholder", _IS_ROOT, *(sql for sql, _value in given)])
    family = _FAMILY.format(roots=f"SELECT s.id, s.id FROM sessions s WHERE {where}")
    values = [value for sql, value in given for _mark in range(sql.count("?"))]
    query = f"""
WITH RECURSIVE {family},
fitting(root) AS (
  SELECT f.root FROM family f JOIN sessions s ON s.id = f.id GROUP BY f.root
  HAVING (? IS NULL OR nullif(max({_LAST_AT}), 0) < ?)
    AND (NOT ? OR NOT max(EXISTS (SELECT 1 FROM messages WHERE session_id = s.id)))
)
SELECT DISTINCT id FROM family WHERE root IN (SELECT root FROM fitting)
"""
    return [str(one) for (one,) in connection.execute(query, (*values, before, before, empty))]


def with_subagents(connection: apsw.Connection, session_ids: Iterable[str]) -> list[str]:
    """These sessions and everything below them."""
    family = _FAMILY.format(roots="SELECT value, value FROM json_each(?)")
    query = f"WITH RECURSIVE {family} SELECT DISTINCT id FROM family"
    return [str(one) for (one,) in connection.execute(query, (json.dumps(list(session_ids)),))]


def with_parents(connection: apsw.Connection, session_ids: Iterable[str]) -> list[str]:
    """These sessions and those that they are subagents of."""
    query = """
WITH RECURSIVE above(id) AS (
  SELECT value FROM json_each(?)
  UNION
  SELECT s.parent_id FROM above a JOIN sessions s ON s.id = a.id
  WHERE s.parent_id NOT NULL AND (s.relationship IS NULL OR s.relationship = 'subagent')
)
SELECT id FROM above"""
    return [str(one) for (one,) in connection.execute(query, (json.dumps(list(session_ids)),))]


def planned(connection: apsw.Connection, session_ids: Sequence[str]) -> Removal:
    """What would go with these sessions."""
    ids = json.dumps(list(session_ids))
    sessions = [RemovedSession(*row) for row in connection.execute(_DESCRIBE, (ids,))]
    rows = {"sessions": len(sessions)}
    for table in _TABLES:
        counted = f"SELECT count(*) FROM {table} WHERE session_id IN {_CHOSEN}"
        rows[table] = connection.execute(counted, (ids,)).get
    hashes = unreferred(connection, ids)
    rows["attachments"], attached = connection.execute(
        "SELECT count(*), coalesce(sum(octet_length(data)), 0)"
        f" FROM attachments WHERE sha256 IN {_CHOSEN}",
        (json.dumps(hashes),),
    ).get
    return Removal(sessions, rows, attached + sum(one.bytes for one in sessions))


_DESCRIBE = f"""
SELECT s.id, s.parent_id, s.source, coalesce(s.project_name, s.project_path), s.title,
  nullif({_LAST_AT}, 0),
  (SELECT count(*) FROM messages WHERE session_id = s.id), {TEXT_BYTES}
FROM json_each(?) j CROSS JOIN sessions s ON s.id = j.value
ORDER BY s.created_at, s.id
"""


def unsent(connection: apsw.Connection, session_ids: Sequence[str]) -> set[str]:
    """Those of the sessions of which something waits to be synced."""
    queued = " OR ".join(
        f"EXISTS (SELECT 1 FROM {table} t JOIN sync_{table} q ON q.n = t.n"
        f" WHERE t.{'id' if table == 'sessions' else 'session_id'} = j.value"
        " AND q.first IS NOT NULL)"
        for table in ("sessions", *_TABLES)
    )
    query = f"SELECT j.value FROM json_each(?) j WHERE {queued}"
    return {str(one) for (one,) in connection.execute(query, (json.dumps(list(session_ids)),))}


def forget_stamps(connection: apsw.Connection, session_ids: Sequence[str]) -> None:
    """Takes the side rows of sessions away that are removed without sync being told."""
    ids = json.dumps(list(session_ids))
    for table in ("sessions", *_TABLES):
        column = "id" if table == "sessions" else "session_id"
        theirs = f"n IN (SELECT n FROM {table} WHERE {column} IN {_CHOSEN})"
        for side in (f"sync_{table}", f"sync_{table}_fields"):
            connection.execute(f"DELETE FROM {side} WHERE {theirs}", (ids,))


def remove(connection: apsw.Connection, session_ids: Sequence[str]) -> None:
    """Removes sessions from tables and index, and remembers that; the caller has a transaction."""
    from clankers.store.search._index import update_index

    ids = json.dumps(list(session_ids))
    # Not later than the tombstones that follow.
    at = clock(connection)
    hashes = unreferred(connection, ids)
    connection.execute(f"DELETE FROM sessions WHERE id IN {_CHOSEN}", (ids,))
    connection.execute(f"DELETE FROM attachments WHERE sha256 IN {_CHOSEN}", (json.dumps(hashes),))
    connection.execute(
        "INSERT INTO pruned(session_id, pruned_at) SELECT value, ? FROM json_each(?) WHERE 1"
        " ON CONFLICT DO UPDATE SET pruned_at = excluded.pruned_at",
        (at, ids),
    )
    update_index(connection)


def blank_usage(connection: apsw.Connection, session_ids: Sequence[str]) -> None:
    """Takes out of usage what is not a number: the JSON that its agent wrote."""
    connection.execute(
        f"UPDATE usage SET raw = NULL WHERE raw NOT NULL AND session_id IN {_CHOSEN}",
        (json.dumps(list(session_ids)),),
    )


def unreferred(connection: apsw.Connection, ids: str) -> list[str]:
    """The images and documents that only these sessions, a JSON list, refer to."""
    theirs = _referred(connection, f"session_id IN {_CHOSEN}", ids)
    if not theirs:
        return []
    others = _referred(connection, f"(session_id IN {_CHOSEN}) IS NOT 1", ids)
    return sorted(theirs - others)


def referred(connection: apsw.Connection) -> set[str]:
    """The images and documents that any row refers to; reads the content of all."""
    rows = connection.execute(_REFERRING.format(which="1"))
    return {digest for (written,) in rows for digest in REFERENCE.findall(written)}


def is_untouched(connection: apsw.Connection, session_ids: Sequence[str], before: int) -> bool:
    """Whether nothing happened in any of these sessions at or after a time."""
    query = f"SELECT max({_LAST_AT}) FROM json_each(?) j CROSS JOIN sessions s ON s.id = j.value"
    last_at = connection.execute(query, (json.dumps(list(session_ids)),)).get
    return last_at is not None and last_at < before


def _referred(connection: apsw.Connection, which: str, ids: str) -> set[str]:
    rows = connection.execute(_REFERRING.format(which=which), (ids, ids))
    return {digest for (written,) in rows for digest in REFERENCE.findall(written)}
