"""What the dashboard asks for."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import Parameter

from clankers.server import _queries, _searching
from clankers.server._answers import Conversation, Found, SessionPage, Stats
from clankers.server._service import Service
from clankers.server.routes._query import Limit, Moment, Offset, Text
from clankers.server.routes._requests import SECURED, in_json, moment, reader

MOST_HITS = 100


@get(
    "/api/sessions",
    tags=["api"],
    operation_id="api_sessions",
    **SECURED,
)
async def api_sessions(
    request: Request[Any, Any, Any],
    service: Service,
    limit: Limit = 50,
    offset: Offset = 0,
    search: Text = None,
    source: Text = None,
    project: Text = None,
    model: Text = None,
    from_date: Moment = None,
    to_date: Moment = None,
) -> SessionPage:
    """Sessions by when they began, the newest first, of one agent, project or model."""
    ready = await reader(request, service, service.api)
    return await _queries.sessions(
        service.backend,
        ready.database,
        limit=limit,
        offset=offset,
        search=search,
        since=moment("from_date", from_date),
        until=moment("to_date", to_date),
        source=source or None,
        project=project or None,
        model=model or None,
    )


@get(
    "/api/sessions/{session_id:str}",
    tags=["api"],
    operation_id="api_session",
    **SECURED,
)
async def api_session(
    request: Request[Any, Any, Any], service: Service, session_id: str
) -> Response[Conversation]:
    """All that is known of a session: messages, tool calls, errors, compactions, subagents."""
    ready = await reader(request, service, service.api)
    found = await _queries.conversation(service.backend, ready.database, session_id)
    return await in_json(found)


@get(
    "/api/search",
    tags=["api"],
    operation_id="api_search",
    **SECURED,
)
async def api_search(
    request: Request[Any, Any, Any],
    service: Service,
    q: Annotated[str, Parameter(min_length=1, max_length=2_000)],
    limit: Annotated[int, Parameter(ge=1, le=MOST_HITS)] = 20,
    everything: bool = False,  # noqa: FBT001, FBT002 - a parameter of the query
) -> Found:
    """Finds words, parts of words and exact texts in titles, messages and tool calls.

    The language is that of `clankers-cli search`; `everything` takes as long as it takes.
    """
    ready = await reader(request, service, service.api)
    return await _searching.find(
        service.backend, ready.database, q, limit=limit, everything=everything
    )


@get(
    "/api/stats",
    tags=["api"],
    operation_id="api_stats",
    **SECURED,
)
async def api_stats(
    request: Request[Any, Any, Any],
    service: Service,
    from_date: Moment = None,
    to_date: Moment = None,
) -> Stats:
    """Tokens and cost in all, and by day, model, project and agent."""
    ready = await reader(request, service, service.api)
    return await _queries.stats(
        service.backend,
        ready.database,
        since=moment("from_date", from_date),
        until=moment("to_date", to_date),
    )
