"""Sessions in a database, which its owner may be writing to.

The tables are `session`, `message` and `part`; what a message or part says is JSON in
`data`. Columns were added over time, and products leave some out, so each is asked for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from clankers.errors import ImporterError
from clankers.importers import Entry, columns, count, decode_value, snapshot
from clankers.importers.opencode._conversation import Conversation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import apsw

    from clankers.importers import Batch

_NEEDED = {
    "session": {"id"},
    "message": {"id", "session_id", "data"},
    "part": {"id", "message_id", "session_id", "data"},
}
# OpenCode writes to the parts of messages it works on, and then to the message. Only of
# sessions that were used shortly before the latest one is each part asked for its time:
# it stands in the row, and the rows of all parts are most of the database.
_RECENT_MS = 7 * 24 * 60 * 60 * 1000


def has_sessions(path: Path) -> bool:
    """True when a database has the tables of OpenCode; False also for one that is damaged."""
    try:
        with snapshot(path) as connection:
            return all(needed <= columns(connection, table) for table, needed in _NEEDED.items())
    except ImporterError:
        return False


def list_database(path: Path) -> Iterator[Entry]:
    """The sessions, each with its latest change and the number of its messages and parts."""
    with snapshot(path) as connection:
        moved = _times(connection, "session", "id")
        messages = _times(connection, "message", "session_id")
        for key, at in messages.items():
            if key in moved:
                moved[key] = max(moved[key], at)
        latest = max(moved.values(), default=0)
        recent = [key for key, at in moved.items() if at >= latest - _RECENT_MS]
        parts = _times(connection, "part", "session_id", recent)
        rows = [_counts(connection, table) for table in ("message", "part")]
    for key in sorted(moved):
        rows_of = sum(counts.get(key, 0) for counts in rows)
        yield Entry(key, max(moved[key], parts.get(key, 0)), rows_of)


def read_from_database(path: Path, key: str, agent: str) -> Iterator[Batch]:
    """All of one session; nothing when it was deleted meanwhile."""
    with snapshot(path) as connection:
        info = _info(connection, key)
        if info is None:
            return
        session = Conversation(agent, key)
        session.begin(info)
        for message_id, record in _messages(connection, key):
            session.hear(message_id, record, _parts(connection, message_id))
            if session.is_full:
                yield session.batch()
        yield session.batch()


def _times(
    connection: apsw.Connection, table: str, key: str, keys: Iterable[str] | None = None
) -> dict[str, int]:
    """By session, the latest time of its rows in a table; of some sessions or of all."""
    names = columns(connection, table)
    times = [name for name in ("time_updated", "time_created") if name in names]
    at = f"CAST(max({times[0]}) AS INTEGER)" if times else "0"
    some = "" if keys is None else f"WHERE {key} IN (SELECT value FROM json_each(?))"
    return _by_session(
        connection,
        f"SELECT CAST({key} AS BLOB), {at} FROM {table} {some} GROUP BY {key}",
        *(() if keys is None else (json.dumps(list(keys)),)),
    )


def _counts(connection: apsw.Connection, table: str) -> dict[str, int]:
    """By session, how many rows a table has; answered by the index on `session_id` alone."""
    return _by_session(
        connection,
        f"SELECT CAST(session_id AS BLOB), count(*) FROM {table} GROUP BY session_id",
    )


def _by_session(connection: apsw.Connection, query: str, *values: str) -> dict[str, int]:
    found = connection.execute(query, values)
    return {named: count(number) for key, number in found if (named := _words(key))}


def _info(connection: apsw.Connection, key: str) -> dict[str, Any] | None:
    """A session's row, in the words of the older storage."""
    names = columns(connection, "session")
    wanted = {
        "directory": "CAST(session.directory AS BLOB)",
        "parent_id": "CAST(session.parent_id AS BLOB)",
        "time_created": "CAST(session.time_created AS INTEGER)",
        "time_updated": "CAST(session.time_updated AS INTEGER)",
        "title": "CAST(session.title AS BLOB)",
        "version": "CAST(session.version AS BLOB)",
    }
    taken = {name: term for name, term in wanted.items() if name in names}
    join = ""
    if "project_id" in names and {"id", "worktree"} <= columns(connection, "project"):
        taken["worktree"] = "CAST(project.worktree AS BLOB)"
        join = "LEFT JOIN project ON project.id = session.project_id"
    terms = ", ".join(["1", *taken.values()])
    row = connection.execute(
        f"SELECT {terms} FROM session {join} WHERE session.id = ?", (key,)
    ).fetchone()
    if row is None:
        return None
    found = {
        name: _words(value) if isinstance(value, bytes) else value
        for name, value in zip(taken, row[1:], strict=True)
    }
    return {
        **found,
        "parentID": found.get("parent_id"),
        "time": {"created": found.get("time_created"), "updated": found.get("time_updated")},
    }


def _messages(connection: apsw.Connection, key: str) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """The messages of a session in order; only their ids are kept meanwhile."""
    names = columns(connection, "message")
    at = "CAST(time_created AS INTEGER)" if "time_created" in names else "NULL"
    found = connection.execute(
        f"SELECT CAST(id AS BLOB), {at} AS at FROM message WHERE session_id = ? ORDER BY at, id",
        (key,),
    ).fetchall()
    for message_id, created in found:
        named = _words(message_id)
        data = connection.execute(
            "SELECT CAST(data AS BLOB) FROM message WHERE id = ?", (named,)
        ).fetchone()
        if named is None or data is None:
            continue
        record = _decoded(data[0])
        if record is not None:
            record.setdefault("time", {"created": created})
        yield named, record


def _parts(connection: apsw.Connection, message_id: str) -> Iterator[tuple[str, Any]]:
    found = connection.execute(
        "SELECT CAST(id AS BLOB), CAST(data AS BLOB) FROM part WHERE message_id = ? ORDER BY id",
        (message_id,),
    )
    for number, (part_id, data) in enumerate(found):
        yield _words(part_id) or f"{message_id}-{number}", _decoded(data)


def _words(value: Any) -> str | None:
    """Text that was asked for as bytes: as text, what is not UTF-8 could not be had at all."""
    return value.decode("utf-8", "replace") or None if isinstance(value, bytes) else None


def _decoded(data: Any) -> dict[str, Any] | None:
    found = decode_value(data) if isinstance(data, bytes) else None
    return found if isinstance(found, dict) else None
