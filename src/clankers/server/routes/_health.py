"""Whether the service works, for people, load balancers and Prometheus."""

from __future__ import annotations

from typing import Any

from litestar import MediaType, Request, Response, get, head

from clankers import errors
from clankers._version import __version__
from clankers.server._answers import Alive, Health
from clankers.server._callers import let_in
from clankers.server._service import Service
from clankers.server.routes._requests import failing


@get("/health", tags=["health"], responses={503: failing()[503]}, operation_id="health")
async def health(service: Service) -> Response[Health]:
    """Whether the service is ready: its databases can be reached."""
    settings = service.settings
    status, tenants = "healthy", None
    try:
        await service.ping()
        if settings.auth == "none":
            tenants = await service.tenants.registry.count_tenants()
    except errors.BackendError:
        status = "unavailable"
    if not service.is_ready:
        status = "unavailable"
    found = Health(status, __version__, settings.auth, service.backend.name, tenants)
    return Response(found, status_code=503 if status == "unavailable" else 200)


@head("/health", include_in_schema=False)
async def health_head(service: Service) -> Response[None]:
    """The same without a word, as some load balancers ask."""
    found = await health.fn(service)
    return Response(None, status_code=found.status_code or 200)


@head("/health/live", include_in_schema=False)
async def live_head() -> Response[None]:
    return Response(None)


@get("/health/live", tags=["health"], operation_id="live")
async def live() -> Alive:
    """That the process answers; a database that does not is no reason to restart it."""
    return Alive()


@get(
    "/metrics",
    tags=["health"],
    media_type=MediaType.TEXT,
    responses=failing(),
    operation_id="metrics",
    security=[{"token": []}],
)
async def metrics(request: Request[Any, Any, Any], service: Service) -> Response[bytes]:
    """Numbers for Prometheus; needs the scope `operator` where tokens are used."""
    if service.settings.auth != "none":
        await let_in(request, service, "operator")
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")
