"""What routes take from a request and say of themselves: bodies, times, limits, errors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from litestar import MediaType, Response
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema

from clankers.server._answers import ErrorAnswer
from clankers.server._callers import let_in, tenant_of
from clankers.server._edge import passage
from clankers.server._problems import Problem

if TYPE_CHECKING:
    from litestar import Request

    from clankers.server._limits import Limiter
    from clankers.server._service import Service
    from clankers.server._tenants import Ready

_Wanted = TypeVar("_Wanted")
_MEANINGS = {
    400: "something in the request is wrong; the message says what",
    401: "there is no good token",
    403: "the token, or the origin, may not do this",
    404: "there is no such thing",
    405: "not with this method",
    409: "the store, the batch_id or the clock does not fit; details.reason says which",
    413: "the body is too large",
    415: "not application/json, or packed in an unknown way",
    421: "the server does not answer to that host",
    429: "too many requests; Retry-After says when to try again",
    500: "an error of the server",
    503: "the database does not answer now; Retry-After says when to try again",
}
_DAY = (
    r"((19|20|21)[0-9]{2}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
    r"|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
    r"|((19|20|21)(0[48]|[2468][048]|[13579][26])|2000)-02-29)"
)
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{3}([0-9]{3})?)?)?"
_ZONE = r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
# Epoch milliseconds of our time, or a day with or without a time and a zone; no 30th of February.
MOMENT = rf"^([1-9][0-9]{{11,13}}|{_DAY}(T{_TIME}{_ZONE}?)?)$"


def failing(*statuses: int) -> dict[int, ResponseSpec]:
    """The errors of a route, and those that any route may answer."""
    return {
        status: ResponseSpec(ErrorAnswer, description=_MEANINGS[status], generate_examples=False)
        for status in sorted({400, 401, 403, 404, 405, 421, 429, 500, 503, *statuses})
    }


# How most routes are described: they need a token where tokens are used.
SECURED: dict[str, Any] = {"responses": failing(), "security": [{"token": []}]}


def with_body(schema: Schema) -> type[Operation]:
    """Documents a body that the route reads itself, after it knows who asks."""

    @dataclass
    class WithBody(Operation):
        def __post_init__(self) -> None:
            content = {"application/json": OpenAPIMediaType(schema=schema)}
            self.request_body = RequestBody(content=content, required=True)

    return WithBody


async def read_json(request: Request[Any, Any, Any], wanted: type[_Wanted]) -> _Wanted:
    """A small JSON body as a record; unknown members are ignored.

    Raises:
        Problem: it is no JSON, or not what is wanted.
    """
    refuse_other_types(request.headers)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem.invalid("small bodies are not packed", status=415)
    body = await request.body()
    try:
        found = msgspec.json.decode(body, type=dict[str, Any])
        return msgspec.convert({name: _as_integer(value) for name, value in found.items()}, wanted)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        raise Problem.invalid(f"the body cannot be read: {problem}") from None


def refuse_other_types(headers: Any) -> None:
    """Refuses what a form of a web page could send: what is written is JSON and says so."""
    kinds = headers.getall("content-type", [])
    if len(kinds) != 1 or kinds[0].partition(";")[0].strip().lower() != "application/json":
        raise Problem.invalid("what is written must be application/json", status=415)


async def in_json(found: _Wanted) -> Response[_Wanted]:
    """An answer that may be large, encoded beside the event loop."""
    body = await asyncio.to_thread(msgspec.json.encode, found)
    return Response(body, media_type=MediaType.JSON)  # type: ignore[arg-type]


def _as_integer(value: Any) -> Any:
    """12.0 is the integer 12 of JSON, as some languages write it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


async def reader(request: Request[Any, Any, Any], service: Service, limiter: Limiter) -> Ready:
    """The caller's database, for a route that reads."""
    caller = await let_in(request, service, "read")
    take(request, limiter, caller.tenant)
    return await tenant_of(caller, service)


def take(request: Request[Any, Any, Any], limiter: Limiter, key: str, amount: int = 1) -> None:
    """Takes from a limit, and has the answer say what is left."""
    passage(request.scope).allowance = limiter.take(key, amount)


def moment(name: str, text: str | None) -> int | None:
    """A time of a query, ISO 8601 or epoch milliseconds; without a zone it is UTC."""
    if not text:
        return None
    if text.isdecimal():
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as problem:
        raise Problem.invalid(f"{name} is no time: {problem}") from None
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)
