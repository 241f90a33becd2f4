"""Who asks, and what they may do."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING, Any

from attrs import define

from clankers import errors
from clankers.auth import is_token
from clankers.server._edge import passage
from clankers.server._problems import Problem
from clankers.server._registry import first_tenant
from clankers.server._tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from litestar import Request

    from clankers.server._answers import TokenInfo
    from clankers.server._service import Service
    from clankers.server._tenants import Ready

    AnyRequest = Request[Any, Any, Any]

# Who may do more may do the less as well.
_IMPLIES = {"admin": {"read", "write"}, "operator": set[str]()}
_REGISTERED = "registered by itself"
_ASKING = 'Basic realm="any name, and a token as the password"'


@define
class Caller:
    """One who was let in: the tenant whose data they have, and their token where there is one."""

    tenant: str
    scopes: frozenset[str]
    token: TokenInfo | None = None


async def let_in(request: AnyRequest, service: Service, scope: str) -> Caller:
    """The caller of a request that needs a scope.

    Raises:
        Problem: 401 for anything but a good token, always in the same words; 403 without the
            scope; 429 after too many bad tokens.
    """
    if service.settings.auth == "none":
        caller = Caller(DEFAULT_TENANT, frozenset({"read", "write"}))
    else:
        caller = await _by_token(request, service, scope)
    passage(request.scope).tenant = caller.tenant
    if scope not in caller.scopes:
        problem = Problem.forbidden(f"this needs the scope {scope!r}")
        problem.headers["www-authenticate"] = (
            f'Bearer realm="clankers", error="insufficient_scope", scope="{scope}"'
        )
        raise problem
    return caller


async def tenant_of(caller: Caller, service: Service) -> Ready:
    """The caller's database; a token outlives its tenant, and then leads nowhere."""
    return await service.tenants.ready(caller.tenant)


def address_of(request: AnyRequest) -> str:
    """The client's address; that of a proxy's client only where the proxy is trusted."""
    return request.client.host if request.client else ""


async def _by_token(request: AnyRequest, service: Service, scope: str) -> Caller:
    token = _token_in(request.headers.getall("authorization", []), scope)
    registry = service.tenants.registry
    found = None if token is None else await registry.find_token(token)
    if found is None and token is not None and scope == "write":
        found = await _registered(request, service, token)
    if found is None:
        service.failed_auth.take(address_of(request))
        problem = Problem.unauthorized("a valid token is needed: Authorization: Bearer clk_...")
        if "text/html" in request.headers.get("accept", ""):
            problem.headers["www-authenticate"] += f", {_ASKING}"
        raise problem
    with contextlib.suppress(errors.BackendError):
        # On a full disk what is there can still be read.
        await registry.note_use(found)
    scopes = set(found.scopes).union(*(_IMPLIES.get(one, set()) for one in found.scopes))
    return Caller(found.tenant, frozenset(scopes), found)


def _token_in(given: list[str], scope: str) -> str | None:
    """The token of exactly one header; two of them could be read differently by a proxy.

    A browser has no bearer token, but asks for a password, which may be one. It sends that
    with every request to the server, whoever had the page make it, so it is good for reading
    alone: no page elsewhere sees what is answered.
    """
    if len(given) != 1:
        return None
    scheme, _, said = given[0].partition(" ")
    if scheme.lower() == "bearer":
        return said.strip()
    if scheme.lower() == "basic" and scope == "read":
        return _password(said.strip())
    return None


def _password(said: str) -> str | None:
    try:
        decoded = base64.b64decode(said, validate=True).decode()
    except ValueError:
        return None
    return decoded.partition(":")[2]


async def _registered(request: AnyRequest, service: Service, token: str) -> TokenInfo | None:
    """With open registration the first write with a new token makes a tenant for it."""
    if not service.settings.open_registration or not is_token(token):
        return None
    registry = service.tenants.registry
    # One at a time: a client may begin with several batches at once.
    async with service.registering:
        if await registry.knows_token(token):
            return await registry.find_token(token)
        # The name of a tenant is no secret, and a token could be made to fit one that is there.
        if await registry.tokens(first_tenant(token)):
            return None
        service.registrations.take(address_of(request))
        if await registry.count_tenants() >= service.settings.limits.tenants:
            raise Problem.forbidden("this server takes no more tenants")
        await service.tenants.create(first_tenant(token), created_by=_REGISTERED)
        await registry.add_token(name=_REGISTERED, scopes=("read", "write", "admin"), token=token)
        return await registry.find_token(token)
