"""Rows that plugins report while an agent works, and how they meet what transcripts say.

A plugin makes ids of its own. A row that the transcript tells as well becomes one with the
transcript's, which stays and takes over what it does not know itself. Token counts of plugins
are estimates: they count as long as nothing was measured in their session.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from clankers.store._schema import COLUMNS, LIVE
from clankers.store._upserts import UNTITLED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import apsw

    from clankers.models import Message, Session

    Row = tuple[Any, ...]

# A transcript writes when a message is done, a hook when it begins.
_NEAR = 120_000
_DISTINCT = "#"
_TABLES = {"Message": "messages", "ToolCall": "tools"}
_MESSAGE = "t.n, t.role, t.text_content, t.created_at, t.id"
# What the transcript's row keeps, whatever the other says.
_OWN = frozenset({"id", "session_id", "created_at", "seq", "native_id"})


def with_defaults(session: Session) -> Session:
    """A session as it is inserted over RPC; on an update these values count as absent."""
    session.title = session.title or UNTITLED
    session.prompt_tokens = session.prompt_tokens or 0
    session.completion_tokens = session.completion_tokens or 0
    session.cost = session.cost or 0.0
    return session


def leave_told(connection: apsw.Connection, sessions: Iterable[Session]) -> None:
    """Takes from sessions what their transcripts have told: those know it better.

    A hook's folder is where the agent is at that moment, a plugin's title a first guess.
    """
    for session in sessions:
        row = connection.execute(_TOLD, (session.id,)).get
        for name, stored in zip(_TOLD_BETTER, row or (), strict=False):
            if stored:
                setattr(session, name, None)


def tell_apart(connection: apsw.Connection, messages: Sequence[Message]) -> None:
    """Gives messages that share an id by accident ids of their own.

    Plugins number messages from the start with every process, so that ``<session>-<role>-<n>``
    can be several prompts. Each distinct text is a row: ``<id>#2`` is the second. A text that
    goes on where another ends is the same message grown.
    """
    given: dict[str, dict[str, tuple[str, int]]] = {}
    for message in messages:
        if not _is_numbered(message):
            continue
        base = message.id
        if base not in given:
            given[base] = _variants(connection, base)
        texts = given[base]
        text, at = message.text_content or "", message.created_at or 0
        same = [one for one, stored in texts.items() if _is_grown(stored, text, at)]
        if same:
            # The longer reading stays, in whichever order they come.
            message.id = same[-1]
            stored, stored_at = texts[message.id]
            message.text_content = max(stored, text, key=len) or None
            at = min(at, stored_at)
        elif texts:
            last = max(_number(one.removeprefix(base)) for one in texts)
            message.id = f"{base}{_DISTINCT}{last + 1}"
        texts[message.id] = message.text_content or "", at


def meet(connection: apsw.Connection, session_ids: Iterable[str]) -> set[str]:
    """Makes rows of plugins one with those of the transcripts of these sessions.

    Returns the sessions that such rows were reported of, which may be others: a plugin takes
    what a subagent does for its parent's work.
    """
    met = set()
    for session_id in _sessions_with_live_rows(connection, session_ids):
        met.add(session_id)
        tools = _live_rows(connection, "tools", "t.n, t.id", session_id)
        messages = _live_rows(connection, "messages", _MESSAGE, session_id)
        _merge_all(connection, "tools", _tool_pairs(connection, session_id, tools))
        _merge_all(connection, "messages", _message_pairs(connection, session_id, messages))
    return met


def meet_new(connection: apsw.Connection, records: Sequence[Any]) -> None:
    """The same for rows that were written just now, and for no others."""
    by_table: dict[tuple[str, str], list[str]] = {}
    for one in records:
        if (table := _TABLES.get(type(one).__name__)) is not None:
            by_table.setdefault((one.session_id, table), []).append(one.id)
    for (session_id, table), ids in by_table.items():
        columns = "t.n, t.id" if table == "tools" else _MESSAGE
        query = (
            f"SELECT {columns} FROM json_each(?) j CROSS JOIN {table} t ON t.id = j.value"
            f" WHERE {LIVE.format('t')}"
        )
        rows = connection.execute(query, (json.dumps(ids),)).fetchall()
        pairs = _tool_pairs if table == "tools" else _message_pairs
        _merge_all(connection, table, pairs(connection, session_id, rows))


def estimate(
    connection: apsw.Connection, sessions: Iterable[str], messages: Sequence[Message]
) -> None:
    """Derives estimated usage from what plugins said of sessions, and of messages.

    Each message that says tokens is a row; a session whose messages say none is one by its
    own totals, never both.
    """
    whole = sorted(set(sessions))
    written = json.dumps([one.id for one in messages])
    connection.execute(_ESTIMATE_MESSAGES.format(_BY_SESSION), (json.dumps(whole),))
    connection.execute(_ESTIMATE_MESSAGES.format(_BY_MESSAGE), (written,))
    ids = json.dumps(sorted({*whole, *(one.session_id for one in messages)}))
    connection.execute(_ESTIMATE_SESSIONS, (ids,))
    connection.execute(_DROP_SESSION_ESTIMATES, (ids,))


_WITH_PARENTS = """
SELECT value FROM json_each(?1)
UNION ALL SELECT s.parent_id FROM json_each(?1) j CROSS JOIN sessions s ON s.id = j.value
WHERE s.relationship = 'subagent' AND s.parent_id IS NOT NULL
"""
_SUBAGENTS = "SELECT id FROM sessions WHERE parent_id = ? AND relationship = 'subagent'"
_CALL = """
SELECT t.n FROM json_each(?1) j CROSS JOIN tools t ON t.id = j.value || ':' || ?2
ORDER BY j.key LIMIT 1
"""
_TOLD_BETTER = ("source", "title", "project_path", "project_name", "model", "provider")
# Imported rows of a session have ids that begin with its own.
_TOLD = f"""
SELECT {", ".join(_TOLD_BETTER)} FROM sessions s WHERE s.id = ?1 AND (
  EXISTS (SELECT 1 FROM messages t
    WHERE t.id > ?1 || ':' AND t.id < ?1 || ';' AND t.session_id = ?1)
  OR EXISTS (SELECT 1 FROM tools t
    WHERE t.id > ?1 || ':' AND t.id < ?1 || ';' AND t.session_id = ?1))
"""
_SAYS_TOKENS = "coalesce(m.prompt_tokens, 0) + coalesce(m.completion_tokens, 0) > 0"
_COLUMNS = (
    "id, session_id, session_at, message_id, source, project_path, git_branch, origin_device,"
    " provider, model, occurred_at, input_tokens, output_tokens, cost, cost_source, estimated,"
    " cost_reported"
)
_UPDATE = """
ON CONFLICT(id) DO UPDATE SET session_id = excluded.session_id, session_at = excluded.session_at, source = excluded.source,
  project_path = excluded.project_path, git_branch = excluded.git_branch,
  provider = excluded.provider, model = excluded.model, occurred_at = excluded.occurred_at,
  input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
  cost = excluded.cost, cost_source = excluded.cost_source, cost_reported = excluded.cost_reported
"""
_BY_SESSION = "json_each(?) j CROSS JOIN messages m ON m.session_id = j.value"
_BY_MESSAGE = "json_each(?) j CROSS JOIN messages m ON m.id = j.value"
_ESTIMATE_MESSAGES = f"""
INSERT INTO usage({_COLUMNS})
SELECT 'rpc:' || m.id, s.id, s.created_at, m.id, coalesce(s.source, m.source), s.project_path,
  s.git_branch, s.origin_device, s.provider, coalesce(m.model, s.model), m.created_at,
  coalesce(m.prompt_tokens, 0), coalesce(m.completion_tokens, 0), NULL, NULL, 1, NULL
FROM {{}}
JOIN sessions s ON s.id = m.session_id
WHERE {LIVE.format("m")} AND {_SAYS_TOKENS}
{_UPDATE}
"""
_ESTIMATE_SESSIONS = f"""
INSERT INTO usage({_COLUMNS})
SELECT 'rpc:' || s.id, s.id, s.created_at, NULL, s.source, s.project_path, s.git_branch,
  s.origin_device, s.provider, s.model, coalesce(s.updated_at, s.created_at), s.prompt_tokens,
  s.completion_tokens, nullif(CAST(round(s.cost * 1000000) AS INTEGER), 0),
  iif(s.cost > 0, 'reported', NULL), 1, nullif(CAST(round(s.cost * 1000000) AS INTEGER), 0)
FROM json_each(?) j CROSS JOIN sessions s ON s.id = j.value
WHERE coalesce(s.prompt_tokens, 0) + coalesce(s.completion_tokens, 0) + coalesce(s.cost, 0) > 0
  AND NOT EXISTS (
    SELECT 1 FROM usage u WHERE u.session_id = s.id AND u.id <> 'rpc:' || s.id)
{_UPDATE}
"""
_DROP_SESSION_ESTIMATES = """
DELETE FROM usage WHERE id IN (
  SELECT 'rpc:' || j.value FROM json_each(?) j
  WHERE EXISTS (SELECT 1 FROM usage u
    WHERE u.session_id = j.value AND u.estimated AND u.id <> 'rpc:' || j.value))
"""


def _is_numbered(message: Message) -> bool:
    role = re.escape(message.role) if message.role else "[a-z]+"
    pattern = rf"{re.escape(message.session_id)}-{role}-[0-9]+"
    return re.fullmatch(pattern, message.id) is not None


def _variants(connection: apsw.Connection, base: str) -> dict[str, tuple[str, int]]:
    """The rows that stand under an id that was given more than once: their texts and times."""
    rows = connection.execute(
        "SELECT id, coalesce(text_content, ''), coalesce(created_at, 0) FROM messages"
        " WHERE id = ?1 OR (id > ?1 || '#' AND id < ?1 || '$') ORDER BY n",
        (base,),
    )
    return {str(one): (str(text), int(at)) for one, text, at in rows}


def _number(suffix: str) -> int:
    """That of a row among those of one id: "#3" is the third."""
    number = suffix.removeprefix(_DISTINCT)
    return int(number) if number.isdecimal() else 1


def _is_grown(stored: tuple[str, int], text: str, at: int) -> bool:
    """Whether it is the same message; a shorter one is as long as it only comes late."""
    before, stored_at = stored
    is_late = before.startswith(text) and (not text or abs(at - stored_at) <= _NEAR)
    return text.startswith(before) or is_late


def _sessions_with_live_rows(
    connection: apsw.Connection, session_ids: Iterable[str]
) -> Iterator[str]:
    exists = " OR ".join(
        f"EXISTS (SELECT 1 FROM {table} t WHERE t.session_id = j.value AND {LIVE.format('t')})"
        for table in _TABLES.values()
    )
    query = f"SELECT DISTINCT j.value FROM ({_WITH_PARENTS}) j WHERE {exists}"
    found = connection.execute(query, (json.dumps(sorted(session_ids)),)).fetchall()
    return (str(one) for (one,) in found)


def _live_rows(connection: apsw.Connection, table: str, columns: str, session_id: str) -> list[Row]:
    query = f"SELECT {columns} FROM {table} t WHERE t.session_id = ? AND {LIVE.format('t')}"
    return connection.execute(query, (session_id,)).fetchall()


def _tool_pairs(
    connection: apsw.Connection, session_id: str, live: list[Row]
) -> Iterator[tuple[int, int]]:
    """A plugin's ``<session>-<call id>`` or ``<session>-<tool>-<call id>`` is ``<session>:<call id>``.

    It is the session's own call, or that of one of its subagents.
    """
    if not live:
        return
    subagents = connection.execute(_SUBAGENTS, (session_id,))
    owners = json.dumps([session_id, *(str(one) for (one,) in subagents)])
    for n, live_id in live:
        rest = str(live_id).removeprefix(f"{session_id}-")
        while rest:
            kept = connection.execute(_CALL, (owners, rest)).get
            if kept is not None:
                yield n, kept
                break
            rest = rest.partition("-")[2]


def _message_pairs(
    connection: apsw.Connection, session_id: str, live: list[Row]
) -> Iterator[tuple[int, int]]:
    """The message of that id, else of that role and text within two minutes, the nearest."""
    rest = []
    for row in live:
        same = "SELECT n FROM messages WHERE id = ?"
        kept = connection.execute(same, (f"{session_id}:{row[4]}",)).get
        if kept is None:
            rest.append(row)
        else:
            yield row[0], kept
    live = [row for row in rest if row[3] is not None and (row[2] or "").strip()]
    if not live:
        return
    times = [row[3] for row in live]
    query = (
        "SELECT t.n, t.role, t.text_content, t.created_at FROM messages t WHERE t.session_id = ?"
        f" AND t.created_at BETWEEN ? AND ? AND t.role IS NOT NULL AND NOT ({LIVE.format('t')})"
    )
    told: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for n, role, text, at in connection.execute(
        query, (session_id, min(times) - _NEAR, max(times) + _NEAR)
    ):
        told.setdefault((role, (text or "").strip()), []).append((at, n))
    for n, role, text, at, _id in live:
        near = [
            (abs(when - at), place, kept)
            for place, (when, kept) in enumerate(told.get((role, text.strip()), ()))
            if abs(when - at) <= _NEAR
        ]
        if near:
            _, place, kept = min(near)
            # Two prompts of one text are two, as long as the transcript tells of two.
            if len(told[role, text.strip()]) > 1:
                del told[role, text.strip()][place]
            yield n, kept


def _merge_all(connection: apsw.Connection, table: str, pairs: Iterable[tuple[int, int]]) -> None:
    # Found as a whole first: what is merged is no longer there to be found.
    for live, kept in list(pairs):
        _merge(connection, table, live, kept)


def _merge(connection: apsw.Connection, table: str, live: int, kept: int) -> None:
    """The transcript's row takes over what it does not say, and the other goes."""
    names = [name for name in COLUMNS[table] if name not in _OWN]
    updates = ", ".join(
        f"{name} = coalesce(nullif({table}.{name}, ''), l.{name})" for name in names
    )
    connection.execute(
        f"UPDATE {table} SET {updates} FROM {table} l WHERE l.n = ? AND {table}.n = ?",
        (live, kept),
    )
    if table == "messages":
        _point_to(connection, live, kept)
    connection.execute(f"DELETE FROM {table} WHERE n = ?", (live,))


def _point_to(connection: apsw.Connection, live: int, kept: int) -> None:
    """Tool calls and the estimate of a message that goes become those of the one that stays."""
    query = "SELECT id, session_id FROM messages WHERE n = ?"
    (before, session_id), (after, _) = (connection.execute(query, (n,)).get for n in (live, kept))
    connection.execute(
        "UPDATE tools SET message_id = ? WHERE session_id = ? AND message_id = ?",
        (after, session_id, before),
    )
    if connection.execute("SELECT 1 FROM usage WHERE id = ?", (f"rpc:{before}",)).get:
        connection.execute("DELETE FROM usage WHERE id = ?", (f"rpc:{after}",))
        connection.execute(
            "UPDATE usage SET id = 'rpc:' || ?1, message_id = ?1 WHERE id = 'rpc:' || ?2",
            (after, before),
        )
