"""What is read from a tenant's database for people: sessions, conversations, totals.

Tokens, cost and counts of a session are sums over its rows each time it is shown, so that
they are right whatever arrived in which order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers import wire
from clankers.server import _answers
from clankers.server._merging import iso
from clankers.server._problems import Problem
from clankers.server.backends import Statement
from clankers.store._rows import BUILDERS
from clankers.store._schema import COLUMNS
from clankers.store._usage_rows import COUNTED
from clankers.store.search._terms import like

if TYPE_CHECKING:
    from clankers.models import Session
    from clankers.server.backends import Backend, Database, Rows

_DERIVED = {
    "message_count": "(SELECT count(*) FROM messages m WHERE m.session_id = s.id)",
    "tool_call_count": "(SELECT count(*) FROM tools t WHERE t.session_id = s.id)",
    "prompt_tokens": (
        "(SELECT CAST(total(u.input_tokens) + total(u.cache_read_tokens)"
        " + total(u.cache_write_5m_tokens) + total(u.cache_write_1h_tokens) AS INTEGER)"
        f" FROM usage u WHERE u.session_id = s.id AND {COUNTED})"
    ),
    "completion_tokens": (
        "(SELECT CAST(total(u.output_tokens) AS INTEGER)"
        f" FROM usage u WHERE u.session_id = s.id AND {COUNTED})"
    ),
    "cost": (
        "(SELECT iif(count(u.cost), total(u.cost) / 1e6, NULL)"
        f" FROM usage u WHERE u.session_id = s.id AND {COUNTED})"
    ),
}
_SESSION = ", ".join(_DERIVED.get(name, f"s.{name}") for name in COLUMNS["sessions"])
_NEWEST = "s.created_at IS NULL, s.created_at DESC, s.id"
_DAY_MS = 86_400_000
_MOST_GROUPS = 1_000


async def sync_status(backend: Backend, database: Database, tenant: str) -> _answers.SyncStatus:
    """Counts of what lives; placeholders and what a tombstone covers are not among them."""
    counted = [
        f"SELECT count(*) FROM {table}" + (" WHERE NOT placeholder" if table == "sessions" else "")
        for table in wire.TABLES
    ]
    found = await backend.read(
        database,
        [Statement("SELECT store, last_sync FROM service"), *map(Statement, counted)],
    )
    ((store, last_sync),) = found[0]
    counts = {table: _int(rows[0][0]) for table, rows in zip(wire.TABLES, found[1:], strict=True)}
    return _answers.SyncStatus(
        last_sync=None if last_sync is None else iso(_int(last_sync)),
        total_sessions=counts["sessions"],
        total_messages=counts["messages"],
        counts=counts,
        store=str(store),
        tenant=tenant,
    )


async def sessions(
    backend: Backend,
    database: Database,
    *,
    limit: int,
    offset: int,
    search: str | None = None,
    since: int | None = None,
    until: int | None = None,
    source: str | None = None,
    project: str | None = None,
    model: str | None = None,
) -> _answers.SessionPage:
    """Sessions by when they began, the newest first, then by id."""
    conditions: list[tuple[str, Any]] = [
        ("s.created_at >= ?", since),
        ("s.created_at < ?", until),
        (_CONTAINS, None if not search else f"%{like(search)}%"),
        ("s.source = ?", source),
        ("? IN (s.project_name, s.project_path)", project),
        ("s.model = ?", model),
    ]
    given = [(sql, value) for sql, value in conditions if value is not None]
    where = " AND ".join(["NOT s.placeholder", *(sql for sql, _value in given)])
    values = tuple(value for sql, value in given for _mark in range(sql.count("?")))
    page = f"SELECT {_SESSION} FROM sessions s WHERE {where} ORDER BY {_NEWEST} LIMIT ? OFFSET ?"
    rows, total = await backend.read(
        database,
        [
            Statement(page, (*values, limit, offset)),
            Statement(f"SELECT count(*) FROM sessions s WHERE {where}", values),
        ],
    )
    return _answers.SessionPage(
        sessions=[BUILDERS["sessions"](*row) for row in rows],
        total=_int(total[0][0]),
        limit=limit,
        offset=offset,
    )


async def session_detail(
    backend: Backend, database: Database, session_id: str
) -> _answers.SessionDetail:
    """A session and its messages in their order."""
    found, messages = await backend.read(
        database, [_session(session_id), _children("messages", session_id)]
    )
    session = _found(found)
    return _answers.SessionDetail(
        session=session,
        messages=[BUILDERS["messages"](*row) for row in messages],
        stats=_stats(session),
    )


async def conversation(
    backend: Backend, database: Database, session_id: str
) -> _answers.Conversation:
    """All that is known of a session."""
    subagents = (
        f"SELECT {_SESSION} FROM sessions s WHERE s.parent_id = ? AND NOT s.placeholder"
        f" ORDER BY {_NEWEST}"
    )
    found, *children, started = await backend.read(
        database,
        [
            _session(session_id),
            *(_children(table, session_id) for table in wire.CHILDREN),
            Statement(subagents, (session_id,)),
        ],
    )
    session = _found(found)
    messages, tools, failures, compactions = (
        [BUILDERS[table](*row) for row in rows]
        for table, rows in zip(wire.CHILDREN, children, strict=True)
    )
    return _answers.Conversation(
        session=session,
        messages=messages,
        tools=tools,
        errors=failures,
        compactions=compactions,
        subagents=[BUILDERS["sessions"](*row) for row in started],
        stats=_stats(session),
    )


async def stats(
    backend: Backend, database: Database, *, since: int | None, until: int | None
) -> _answers.Stats:
    """Sums over usage in all, and by day, model, project and agent."""
    dimensions = {
        "total": "NULL",
        "by_day": f"strftime('%Y-%m-%d', u.occurred_at / {_DAY_MS} * 86400, 'unixepoch')",
        "by_model": "u.model",
        "by_project": "u.project_path",
        "by_source": "u.source",
    }
    values = (since, until)
    found = await backend.read(
        database, [Statement(_totals(key), values) for key in dimensions.values()]
    )
    # A sum counts and adds integers and one float, in the order of the record's fields.
    built: list[list[_answers.Total]] = [
        [_answers.Total(*row) for row in rows]  # type: ignore[arg-type]
        for rows in found
    ]
    return _answers.Stats(built[0][0], *built[1:])


def _totals(key: str) -> str:
    order = "1 DESC" if key.startswith("strftime") else "input + written + read + output DESC"
    group = "" if key == "NULL" else f" GROUP BY 1 ORDER BY {order} LIMIT {_MOST_GROUPS}"
    return (
        f"SELECT {key}, count(DISTINCT u.session_id), count(*),"
        " CAST(total(u.input_tokens) AS INTEGER) AS input,"
        " CAST(total(u.cache_read_tokens) AS INTEGER) AS read,"
        " CAST(total(u.cache_write_5m_tokens) + total(u.cache_write_1h_tokens) AS INTEGER)"
        " AS written, CAST(total(u.output_tokens) AS INTEGER) AS output,"
        " iif(count(u.cost), total(u.cost) / 1e6, NULL), count(*) - count(u.cost)"
        f" FROM usage u WHERE {COUNTED} AND (?1 IS NULL OR u.occurred_at >= ?1)"
        f" AND (?2 IS NULL OR u.occurred_at < ?2){group}"
    )


def _session(session_id: str) -> Statement:
    return Statement(
        f"SELECT {_SESSION} FROM sessions s WHERE s.id = ? AND NOT s.placeholder", (session_id,)
    )


def _children(table: str, session_id: str) -> Statement:
    columns = ", ".join(COLUMNS[table])
    order = "coalesce(seq, created_at), n" if table in ("messages", "tools") else "created_at, n"
    return Statement(
        f"SELECT {columns} FROM {table} WHERE session_id = ? ORDER BY {order}", (session_id,)
    )


def _found(rows: Rows) -> Session:
    if not rows:
        raise Problem.not_found("there is no such session")
    found: Session = BUILDERS["sessions"](*rows[0])
    return found


def _stats(session: Session) -> _answers.SessionStats:
    return _answers.SessionStats(
        message_count=session.message_count or 0,
        total_tokens=(session.prompt_tokens or 0) + (session.completion_tokens or 0),
        total_cost=session.cost,
    )


_CONTAINS = (
    "(s.title LIKE ? ESCAPE '\\' OR s.project_name LIKE ? ESCAPE '\\'"
    " OR s.project_path LIKE ? ESCAPE '\\')"
)


def _int(value: Any) -> int:
    return int(value or 0)
