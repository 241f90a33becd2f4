"""Tokens of a tenant, for its admin."""

from __future__ import annotations

import time
from typing import Annotated, Any

from attrs import define, field
from litestar import Controller, Request, Response, delete, get, post, route
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import Parameter
from msgspec import Meta

from clankers.server._answers import NewToken, TokenInfo, TokenList
from clankers.server._callers import Caller, address_of, let_in
from clankers.server._problems import Problem
from clankers.server._registry import DEFAULT_SCOPES, SCOPES
from clankers.server._service import Service
from clankers.server.routes._requests import SECURED, failing, read_json, take, with_body

_DAY_MS = 86_400_000
_LONGEST_DAYS = 3_650
_LONGEST_GRACE = 30 * 86_400
# What a tenant's admin may give away; the operator's scope is given on the command line alone.
_GIVEN = frozenset(SCOPES) - {"operator"}
TokenId = Annotated[str, Parameter(max_length=64)]


@define
class WantedToken:
    """A token that is asked for; without days it lasts until it is revoked."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: list[str] = field(factory=lambda: list(DEFAULT_SCOPES))
    expires_days: Annotated[int, Meta(ge=1, le=_LONGEST_DAYS)] | None = None


@define
class Rotation:
    """How long the old token is good beside the new one."""

    grace_seconds: Annotated[int, Meta(ge=0, le=_LONGEST_GRACE)] = 0


_TOKEN_BODY = Schema(
    type=OpenAPIType.OBJECT,
    required=["name"],
    properties={
        "name": Schema(type=OpenAPIType.STRING, min_length=1, max_length=100),
        "scopes": Schema(
            type=OpenAPIType.ARRAY,
            items=Schema(type=OpenAPIType.STRING, enum=sorted(_GIVEN)),
            min_items=1,
            description="by default read and write",
        ),
        "expires_days": Schema(
            one_of=[
                Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=_LONGEST_DAYS),
                Schema(type=OpenAPIType.NULL),
            ]
        ),
    },
)
_ROTATION_BODY = Schema(
    type=OpenAPIType.OBJECT,
    properties={
        "grace_seconds": Schema(type=OpenAPIType.INTEGER, minimum=0, maximum=_LONGEST_GRACE)
    },
)


class Tokens(Controller):
    """The tokens of a tenant at one address."""

    path = "/api/tokens"

    @route(http_method="OPTIONS", status_code=204, include_in_schema=False)
    async def allowed(self) -> Response[None]:
        """Named by hand: the framework knows only the first method of an address."""
        return Response(None, status_code=204, headers={"allow": "GET, OPTIONS, POST"})

    @get(
        tags=["tokens"],
        operation_id="list_tokens",
        **SECURED,
    )
    async def list_tokens(self, request: Request[Any, Any, Any], service: Service) -> TokenList:
        """The tokens of the tenant, revoked ones too; never the tokens themselves."""
        caller = await _admin(request, service)
        take(request, service.api, caller.tenant)
        return TokenList(await service.tenants.registry.tokens(caller.tenant))

    @post(
        tags=["tokens"],
        operation_id="create_token",
        operation_class=with_body(_TOKEN_BODY),
        responses=failing(413, 415),
        security=[{"token": []}],
    )
    async def create_token(self, request: Request[Any, Any, Any], service: Service) -> NewToken:
        """A further token of the tenant; it is shown in this answer and never again."""
        caller = await _admin(request, service)
        take(request, service.auth, address_of(request))
        data = await read_json(request, WantedToken)
        if not data.scopes or not _GIVEN.issuperset(data.scopes):
            raise Problem.invalid(f"scopes must be some of {', '.join(sorted(_GIVEN))}")
        days = data.expires_days
        token, info = await service.tenants.registry.add_token(
            name=data.name,
            tenant=caller.tenant,
            scopes=data.scopes,
            expires_at=None if days is None else time.time_ns() // 1_000_000 + days * _DAY_MS,
        )
        return NewToken(token, info)


@post(
    "/api/tokens/{token_id:str}/rotate",
    tags=["tokens"],
    operation_id="rotate_token",
    operation_class=with_body(_ROTATION_BODY),
    responses=failing(413, 415),
    security=[{"token": []}],
)
async def rotate_token(
    request: Request[Any, Any, Any],
    service: Service,
    token_id: TokenId,
) -> NewToken:
    """A new token in the place of an old one, which ends after the grace."""
    caller = await _admin(request, service)
    take(request, service.auth, address_of(request))
    wanted = await read_json(request, Rotation)
    found = await service.tenants.registry.rotate_token(
        token_id, tenant=caller.tenant, grace_ms=wanted.grace_seconds * 1_000
    )
    if found is None:
        raise Problem.not_found("there is no such token")
    return NewToken(*found)


@delete(
    "/api/tokens/{token_id:str}",
    status_code=200,
    tags=["tokens"],
    operation_id="revoke_token",
    **SECURED,
)
async def revoke_token(
    request: Request[Any, Any, Any], service: Service, token_id: TokenId
) -> TokenInfo:
    """Ends a token at once; other processes of the service may take it for five seconds more."""
    caller = await _admin(request, service)
    take(request, service.api, caller.tenant)
    found = await service.tenants.registry.revoke_token(token_id, tenant=caller.tenant)
    if found is None:
        raise Problem.not_found("there is no such token")
    return found


async def _admin(request: Request[Any, Any, Any], service: Service) -> Caller:
    if service.settings.auth == "none":
        raise Problem.forbidden("this server knows no tokens: it runs with auth none")
    return await let_in(request, service, "admin")
