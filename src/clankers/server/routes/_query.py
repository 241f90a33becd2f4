"""Sessions for programs, as the first versions of the protocol had them."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import Parameter

from clankers.server import _queries
from clankers.server._answers import SessionDetail, SessionPage
from clankers.server._service import Service
from clankers.server.routes._requests import MOMENT, SECURED, in_json, moment, reader

MOST_SESSIONS = 200
_FARTHEST = 10**9
Limit = Annotated[int, Parameter(ge=1, le=MOST_SESSIONS)]
Offset = Annotated[int, Parameter(ge=0, le=_FARTHEST)]
Text = Annotated[str | None, Parameter(max_length=256)]
Moment = Annotated[
    str | None,
    Parameter(pattern=MOMENT, description="ISO 8601 or epoch ms; without a zone it is UTC"),
]


@get(
    "/query/sessions",
    tags=["query"],
    operation_id="query_sessions",
    **SECURED,
)
async def query_sessions(
    request: Request[Any, Any, Any],
    service: Service,
    limit: Limit = 50,
    offset: Offset = 0,
    search: Text = None,
    from_date: Moment = None,
    to_date: Moment = None,
) -> SessionPage:
    """Sessions by when they began, the newest first; `from_date` inclusive, `to_date` exclusive.

    `search` is looked for in titles and projects, in either case.
    """
    ready = await reader(request, service, service.api)
    return await _queries.sessions(
        service.backend,
        ready.database,
        limit=limit,
        offset=offset,
        search=search,
        since=moment("from_date", from_date),
        until=moment("to_date", to_date),
    )


@get(
    "/query/sessions/{session_id:str}",
    tags=["query"],
    operation_id="query_session",
    **SECURED,
)
async def query_session(
    request: Request[Any, Any, Any], service: Service, session_id: str
) -> Response[SessionDetail]:
    """A session with its messages; total_tokens is prompt and completion, cost in dollars."""
    ready = await reader(request, service, service.api)
    found = await _queries.session_detail(service.backend, ready.database, session_id)
    return await in_json(found)
