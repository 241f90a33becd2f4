"""Writing usage: one row per model response, however many files tell of it.

Two readings of one response merge whole: measured over estimated, then the greater
output; equal outputs only by a newer importer. Apart from that, the response belongs to
the earliest session that carries it. So the order of readings makes no difference, as
long as readings with equal output say the same.
"""

from __future__ import annotations

import json
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import apsw

from clankers.store._schema import USAGE_COLUMNS
from clankers.store._sidechains import joined
from clankers.store._upserts import write_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clankers.models import Usage

_LAST_MOMENT = 2**63 - 1
# These say where the response belongs and go with the earliest session.
_BELONGING = ("session_id", "session_at", "message_id")
_IDENTITY = ("id", "origin_device")
# True once any reading was: it decides which other readings are of the same response.
_EVER = ("is_sidechain",)
_MEASURED = tuple(name for name in USAGE_COLUMNS if name not in (*_BELONGING, *_IDENTITY, *_EVER))

# An estimate stays stored, but counts nowhere once its session has a measured row.
COUNTED = """(NOT u.estimated OR NOT EXISTS (
  SELECT 1 FROM usage m WHERE m.session_id = u.session_id AND m.estimated = 0))"""


def write_usage(
    connection: apsw.Connection,
    records: Sequence[Usage],
    device: str,
    *,
    improved: bool = False,
) -> set[str]:
    """Merges usage records into the table; the sessions whose totals that may change.

    `improved` says that a newer importer read them, so that equal outputs replace too.
    """
    if not records:
        return set()
    sessions = {record.session_id for record in records}
    rows = list(map(attrgetter(*USAGE_COLUMNS), records))
    _date(connection, rows, sessions)
    owners: set[str] = set()
    if taken_back := joined(connection, rows):
        owners = _owners(connection, rows).union(str(row[_SESSION]) for row in taken_back)
        write_each(connection, _merge_sql(device, improved=False), taken_back)
    before = connection.total_changes()
    write_each(connection, _insert_sql(device), rows)
    if connection.total_changes() - before < len(rows):
        owners |= _owners(connection, rows)
        write_each(connection, _merge_sql(device, improved=improved), rows)
    if owners:
        _empty(connection, owners)
    return sessions | owners


_SESSION = USAGE_COLUMNS.index("session_id")
_SESSION_AT = USAGE_COLUMNS.index("session_at")


def _date(connection: apsw.Connection, rows: list[tuple[Any, ...]], session_ids: set[str]) -> None:
    """Gives rows the time their session began, where that is known better than they say."""
    began = dict(
        connection.execute(
            "SELECT s.id, s.created_at FROM json_each(?) j CROSS JOIN sessions s ON s.id = j.value"
            " WHERE s.created_at NOT NULL",
            (json.dumps(list(session_ids)),),
        )
    )
    for place, row in enumerate(rows):
        at = began.get(row[_SESSION])
        if at is not None and at != row[_SESSION_AT]:
            rows[place] = (*row[:_SESSION_AT], at, *row[_SESSION_AT + 1 :])


def _owners(connection: apsw.Connection, rows: list[tuple[Any, ...]]) -> set[str]:
    """The sessions that carry these responses now, and may lose them to an earlier one."""
    ids = json.dumps([row[0] for row in rows])
    query = "SELECT DISTINCT session_id FROM usage WHERE id IN (SELECT value FROM json_each(?))"
    return {str(owner) for (owner,) in connection.execute(query, (ids,))}


def _empty(connection: apsw.Connection, owners: set[str]) -> None:
    """Sets totals to nothing where the last response went to an earlier session.

    What a session says without any usage would otherwise be taken for its agent's word.
    """
    connection.execute(
        "UPDATE sessions SET prompt_tokens = 0, completion_tokens = 0, cost = NULL"
        " WHERE id IN (SELECT value FROM json_each(?))"
        " AND NOT EXISTS (SELECT 1 FROM usage WHERE session_id = sessions.id)",
        (json.dumps(sorted(owners)),),
    )


@cache
def _insert_sql(device: str) -> str:
    marks = [
        f"coalesce(nullif(?, ''), {apsw.format_sql_value(device)})"
        if name == "origin_device"
        else "?"
        for name in USAGE_COLUMNS
    ]
    return (
        f"INSERT INTO usage({', '.join(USAGE_COLUMNS)}) VALUES ({', '.join(marks)})"
        " ON CONFLICT(id) DO NOTHING"
    )


@cache
def _merge_sql(device: str, *, improved: bool) -> str:
    outputs = "excluded.output_tokens {} usage.output_tokens".format(">=" if improved else ">")
    better = (
        "(excluded.estimated < usage.estimated"
        f" OR (excluded.estimated = usage.estimated AND {outputs}))"
    )
    earlier = f"(({_place('excluded')}) < ({_place('usage')}))"
    on_sidechain = "excluded.is_sidechain > usage.is_sidechain"
    updates = [f"{name} = iif({better}, excluded.{name}, usage.{name})" for name in _MEASURED]
    updates += [f"{name} = iif({earlier}, excluded.{name}, usage.{name})" for name in _BELONGING]
    updates += [f"{name} = max(excluded.{name}, usage.{name})" for name in _EVER]
    differs = " OR ".join(f"excluded.{name} IS NOT usage.{name}" for name in _MEASURED)
    insert = _insert_sql(device).removesuffix("NOTHING")
    return (
        f"{insert}UPDATE SET {', '.join(updates)}"
        f" WHERE ({better} AND ({differs})) OR {earlier} OR {on_sidechain}"
    )


def _place(table: str) -> str:
    """What orders the sessions that carry a response; one whose beginning is unknown comes last."""
    return (
        f"coalesce({table}.session_at, {_LAST_MOMENT}), {table}.session_id,"
        f" {table}.message_id IS NULL, coalesce({table}.message_id, '')"
    )
