"""Writing usage: one row per model response, however many files tell of it.

Two readings of one response merge whole: measured over estimated, then the greater
output; equal outputs only by a newer importer. Apart from that, the response belongs to
the earliest session that carries it.
"""

from __future__ import annotations

import json
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING

from clankers.store._schema import USAGE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from clankers.models import Usage

_LAST_MOMENT = 2**63 - 1
# These say where the response belongs and go with the earliest session.
_BELONGING = ("session_id", "session_at", "message_id")
_IDENTITY = ("id", "origin_device")

# An estimate stays stored, but counts nowhere once its session has a measured row.
COUNTED = """(NOT u.estimated OR NOT EXISTS (
  SELECT 1 FROM usage m WHERE m.session_id = u.session_id AND NOT m.estimated))"""


def write_usage(
    connection: apsw.Connection, records: Sequence[Usage], *, improved: bool = False
) -> set[str]:
    """Merges usage records into the table; the sessions whose totals that may change.

    `improved` says that a newer importer read them, so that equal outputs replace too.
    """
    if not records:
        return set()
    _join_sidechains(connection, records)
    rows = list(map(attrgetter(*USAGE_COLUMNS), records))
    sessions = {record.session_id for record in records}
    before = connection.total_changes()
    connection.executemany(_insert_sql(), rows)
    if connection.total_changes() - before < len(rows):
        sessions |= _owners(connection, records)
        connection.executemany(_merge_sql(improved=improved), rows)
    return sessions


def _owners(connection: apsw.Connection, records: Sequence[Usage]) -> set[str]:
    """The sessions that carry these responses now, and may lose them to an earlier one."""
    ids = json.dumps([record.id for record in records])
    query = "SELECT DISTINCT session_id FROM usage WHERE id IN (SELECT value FROM json_each(?))"
    return {str(owner) for (owner,) in connection.execute(query, (ids,))}


def _join_sidechains(connection: apsw.Connection, records: Sequence[Usage]) -> None:
    """Gives a Claude Code response the id it is stored under from another file.

    The same message id under another request id is the same response where either of
    the two stands on a sidechain.
    """
    by_message: dict[str, list[Usage]] = {}
    for record in records:
        if record.source == "claude-code" and not record.estimated:
            by_message.setdefault(record.id.rpartition(":")[0], []).append(record)
    if not by_message:
        return
    stored = connection.execute(
        "SELECT j.value, u.id, u.is_sidechain FROM json_each(?) j"
        " CROSS JOIN usage u ON u.id > j.value || ':' AND u.id < j.value || ';' ORDER BY u.id",
        (json.dumps(list(by_message)),),
    ).fetchall()
    for message, stored_id, on_sidechain in stored:
        for record in by_message[str(message)]:
            if record.is_sidechain or on_sidechain:
                record.id = str(stored_id)


@cache
def _insert_sql() -> str:
    names, marks = ", ".join(USAGE_COLUMNS), ", ".join("?" * len(USAGE_COLUMNS))
    return f"INSERT INTO usage({names}) VALUES ({marks}) ON CONFLICT(id) DO NOTHING"


@cache
def _merge_sql(*, improved: bool) -> str:
    outputs = "excluded.output_tokens {} usage.output_tokens".format(">=" if improved else ">")
    better = (
        "(excluded.estimated < usage.estimated"
        f" OR (excluded.estimated = usage.estimated AND {outputs}))"
    )
    at = f"coalesce({{0}}.session_at, {_LAST_MOMENT}), {{0}}.session_id"
    earlier = f"(({at.format('excluded')}) < ({at.format('usage')}))"
    measured = [c for c in USAGE_COLUMNS if c not in _BELONGING and c not in _IDENTITY]
    updates = [f"{c} = iif({better}, excluded.{c}, usage.{c})" for c in measured]
    updates += [f"{c} = iif({earlier}, excluded.{c}, usage.{c})" for c in _BELONGING]
    changed = " OR ".join(f"excluded.{c} IS NOT usage.{c}" for c in measured)
    insert = _insert_sql().removesuffix("NOTHING")
    return f"{insert}UPDATE SET {', '.join(updates)} WHERE ({better} AND ({changed})) OR {earlier}"
