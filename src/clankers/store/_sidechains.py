"""Claude Code's sidechains: one response may stand in several files under several requests.

The same message id under another request id is the same response where any of its readings
stands on a sidechain. Such readings share one id, the smallest of theirs, whichever came
first.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from clankers.store._schema import USAGE_COLUMNS
from clankers.store.capture._deleted import let_import

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

    Row = tuple[Any, ...]

_AGENT = "claude-code:"
_IS_SIDECHAIN = USAGE_COLUMNS.index("is_sidechain")


def joined(connection: apsw.Connection, rows: list[Row]) -> list[Row]:
    """Gives rows that are readings of one response one id.

    Rows that are stored under another id are taken out of the table and returned, to be
    written again.
    """
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if row[0].startswith(_AGENT):
            places.setdefault(_message(row[0]), []).append(place)
    stored = _stored(connection, places)
    taken_back: list[Row] = []
    for message, group in places.items():
        found = stored.get(message, [])
        ids = {rows[place][0] for place in group}.union(one for one, _flag in found)
        if len(ids) == 1:
            continue
        if any(flag for _one, flag in found) or any(rows[place][_IS_SIDECHAIN] for place in group):
            shared = min(ids)
            for place in group:
                rows[place] = (shared, *rows[place][1:])
            taken_back += _take_back(connection, shared, (one for one, _flag in found))
    return taken_back


def _message(usage_id: str) -> str:
    """An id up to its request."""
    return usage_id.rpartition(":")[0]


def _stored(
    connection: apsw.Connection, messages: Iterable[str]
) -> dict[str, list[tuple[str, bool]]]:
    """By message: the ids under which it is stored, and whether on a sidechain."""
    wanted = list(messages)
    found: dict[str, list[tuple[str, bool]]] = {}
    if not wanted:
        return found
    for message, usage_id, on_sidechain in connection.execute(
        "SELECT j.value, u.id, u.is_sidechain FROM json_each(?) j"
        " CROSS JOIN usage u ON u.id > j.value || ':' AND u.id < j.value || ';'",
        (json.dumps(wanted),),
    ):
        # Another message's id may begin with this one and a colon.
        if _message(usage_id) == message:
            found.setdefault(message, []).append((usage_id, bool(on_sidechain)))
    return found


def _take_back(connection: apsw.Connection, shared: str, ids: Iterable[str]) -> list[Row]:
    """Removes the rows that are not stored under `shared`; gives them with that id."""
    taken = []
    for usage_id in ids:
        if usage_id != shared:
            row = connection.execute(
                f"DELETE FROM usage WHERE id = ? RETURNING {', '.join(USAGE_COLUMNS)}", (usage_id,)
            ).fetchone()
            if row:
                taken.append((shared, *row[1:]))
                let_import(connection, "usage", usage_id)
    return taken
