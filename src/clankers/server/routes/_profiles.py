"""Making tenants, each with the profile that a client needs to use it."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from attrs import define
from litestar import Request, delete, post
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import Parameter
from msgspec import Meta

from clankers import errors
from clankers.server._answers import NewProfile, OfferedProfile, Retired
from clankers.server._callers import address_of, let_in
from clankers.server._problems import Problem
from clankers.server._service import Service
from clankers.server.routes._requests import SECURED, failing, read_json, take, with_body

_TENANT_BYTES = 8
_REGISTERED = "open registration"
_NAME = r"^[A-Za-z0-9]([A-Za-z0-9 ._-]*[A-Za-z0-9._-])?$"


@define
class WantedProfile:
    """A profile that is asked for: what the client will call it."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=_NAME)]


_BODY = Schema(
    type=OpenAPIType.OBJECT,
    required=["name"],
    properties={
        "name": Schema(type=OpenAPIType.STRING, min_length=1, max_length=64, pattern=_NAME)
    },
)


@post(
    "/api/profiles",
    tags=["profiles"],
    operation_id="create_profile",
    operation_class=with_body(_BODY),
    responses=failing(413, 415),
    security=[{"token": []}],
)
async def create_profile(request: Request[Any, Any, Any], service: Service) -> NewProfile:
    """Makes a tenant, and answers the profile for it with its first token, shown only here.

    Needs the scope `operator`, or a service with open registration.
    """
    settings = service.settings
    if settings.auth == "none":
        raise Problem.forbidden("this server has one tenant: it runs with auth none")
    created_by = _REGISTERED
    if request.headers.get("authorization") or not settings.open_registration:
        caller = await let_in(request, service, "operator")
        created_by = caller.token.id if caller.token else ""
        take(request, service.auth, address_of(request))
    else:
        take(request, service.registrations, address_of(request))
    data = await read_json(request, WantedProfile)
    tenant = secrets.token_hex(_TENANT_BYTES)
    await service.tenants.create(tenant, data.name, created_by=created_by)
    token, _info = await service.tenants.registry.add_token(
        name=data.name, tenant=tenant, scopes=("read", "write", "admin")
    )
    offered = OfferedProfile(data.name, service.address, settings.auth, token)
    return NewProfile(offered, tenant)


@delete(
    "/api/profiles/{tenant:str}",
    status_code=200,
    tags=["profiles"],
    operation_id="retire_profile",
    **SECURED,
)
async def retire_profile(
    request: Request[Any, Any, Any],
    service: Service,
    tenant: Annotated[str, Parameter(max_length=200)],
) -> Retired:
    """Takes a tenant out of use; for thirty days its operator can have it back."""
    if service.settings.auth == "none":
        raise Problem.forbidden("this server has one tenant: it runs with auth none")
    await let_in(request, service, "operator")
    take(request, service.auth, address_of(request))
    if await service.tenants.registry.tenant(tenant) is None:
        raise errors.NoSuchTenantError("there is no such tenant")
    return Retired(tenant, await service.tenants.retire(tenant))
