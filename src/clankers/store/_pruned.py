"""What was removed on purpose, which imports leave out from then on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clankers import errors
from clankers.store._prefix import after_all_with
from clankers.store.capture._deleted import deleted_sessions, let_import_session

if TYPE_CHECKING:
    import apsw

_SHOWN_IDS = 5


def removals(connection: apsw.Connection) -> dict[str, int]:
    """Session id -> when it was removed, of all that imports leave out."""
    removed: dict[str, int] = dict(connection.execute("SELECT session_id, pruned_at FROM pruned"))
    for session_id, at in deleted_sessions(connection).items():
        removed[session_id] = max(at, removed.get(session_id, 0))
    return removed


def remember(connection: apsw.Connection, removed: dict[str, int]) -> None:
    """Adds sessions to those that imports leave out."""
    connection.executemany(
        "INSERT INTO pruned(session_id, pruned_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
        list(removed.items()),
    )


def forget(connection: apsw.Connection, session_id: str) -> list[str]:
    """Lets imports bring a session and its subagents back; their ids.

    Raises:
        UnknownSessionError: it was not removed, or the id begins several.
    """
    found = remembered(connection, session_id)
    connection.execute(
        "DELETE FROM pruned WHERE session_id IN (SELECT value FROM json_each(?))",
        (json.dumps(found),),
    )
    for one in found:
        let_import_session(connection, one)
    return found


def remembered(connection: apsw.Connection, prefix: str) -> list[str]:
    """The removed session that a prefix names, and those whose id says that they are its subagents.

    Raises:
        UnknownSessionError: there is none, or there are several.
    """
    above = after_all_with(prefix) if prefix else prefix
    below = "" if above is None else " AND session_id < ?"
    found = [
        str(one)
        for (one,) in connection.execute(
            "SELECT session_id FROM (SELECT session_id FROM pruned UNION"
            " SELECT id FROM sync_deleted WHERE tbl = 0 AND NOT importable)"
            f" WHERE session_id >= ?{below} ORDER BY session_id",
            (prefix, *(() if above is None else (above,))),
        )
    ]
    if not found:
        raise errors.UnknownSessionError(
            f"no session {prefix!r} was removed",
            hint='clankers-cli query "SELECT * FROM pruned" shows those that were',
        )
    first = found[0]
    family = [one for one in found if one == first or one.startswith(f"{first}:")]
    if first != prefix and len(family) < len(found):
        shown = ", ".join(found[:_SHOWN_IDS]) + (", ..." if len(found) > _SHOWN_IDS else "")
        raise errors.UnknownSessionError(
            f"{prefix!r} begins more than one id: {shown}", hint="give more of the id"
        )
    return family
