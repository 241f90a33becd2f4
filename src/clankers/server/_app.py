"""The application: routes, the error map, and what every request passes."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Request, Response
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from clankers._version import __version__
from clankers.server._edge import Edge, problem_of
from clankers.server._problems import Problem
from clankers.server._reference_page import ReferencePage
from clankers.server._service import Service
from clankers.server.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clankers.server._settings import Settings
    from clankers.server.backends import Backend

# Batches read their own bodies, with limits of their own.
_LARGEST_SMALL_BODY = 64 * 1024
_CODES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    413: "payload_too_large",
    429: "rate_limited",
    503: "unavailable",
}


def create_app(settings: Settings, backend: Backend | None = None) -> Edge:
    """The service as an ASGI application.

    Args:
        settings: are checked here.
        backend: by default the one that the settings name.

    Raises:
        ServerError: the settings must not or cannot be run.
    """
    settings.check()
    service = Service(settings, backend)
    return Edge(_litestar(service), service)


def _litestar(service: Service) -> Litestar:
    @asynccontextmanager
    async def running(_app: Litestar) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    origins = list(service.settings.allowed_origins)
    return Litestar(
        route_handlers=list(ROUTES),
        dependencies={"service": Provide(_given(service), sync_to_thread=False)},
        exception_handlers={Exception: _answer},
        lifespan=[running],
        openapi_config=_openapi(),
        cors_config=CORSConfig(
            allow_origins=origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type", "content-encoding"],
        )
        if origins
        else None,
        request_max_body_size=_LARGEST_SMALL_BODY,
        logging_config=None,
        debug=False,
    )


def _given(service: Service) -> Callable[[], Service]:
    def give() -> Service:
        return service

    return give


def _openapi() -> OpenAPIConfig:
    scheme = SecurityScheme(
        type="http", scheme="bearer", description="A token that the operator issued: clk_..."
    )
    return OpenAPIConfig(
        title="clankers",
        version=__version__,
        description="Sessions of AI coding agents: sync, search and totals.",
        path="/docs",
        render_plugins=[ReferencePage(path="/"), JsonRenderPlugin(path="/openapi.json")],
        components=Components(security_schemes={"token": scheme}),
        use_handler_docstrings=True,
    )


def _answer(_request: Request[Any, Any, Any], failure: Exception) -> Response[dict[str, Any]]:
    problem = _of_framework(failure) if isinstance(failure, HTTPException) else problem_of(failure)
    return Response(
        problem.to_dict(),
        status_code=problem.status,
        headers=problem.headers,
        media_type="application/json",
    )


_MISSING = re.compile(r"Missing required query parameter '(\w+)'")


def _in_words(problem: dict[str, Any]) -> dict[str, str]:
    """A parameter that is wrong; a pattern, which nobody reads, is left to the reference."""
    message = str(problem.get("message", ""))
    if "matching regex" in message:
        message = "it is not of the form that the reference says"
    return {"field": str(problem.get("key", "")), "message": message}


def _of_framework(failure: HTTPException) -> Problem:
    """The framework's own errors, in our form; where they are from this side they say nothing."""
    status = failure.status_code
    if status >= 500:  # noqa: PLR2004
        return problem_of(failure)
    details: dict[str, Any] = {}
    if isinstance(failure.extra, list):
        details["problems"] = [_in_words(one) for one in failure.extra if isinstance(one, dict)]
    elif missing := _MISSING.search(failure.detail):
        details["problems"] = [{"field": missing[1], "message": "it is missing"}]
    headers = {
        name: value for name, value in (failure.headers or {}).items() if name.lower() == "allow"
    }
    # The framework's own words repeat the address with all that was asked for.
    message = {
        400: "the request is not valid; details say where",
        404: "there is nothing at this address",
        405: "nothing at this address has that method",
        413: "the body is too large",
    }
    return Problem(
        status,
        _CODES.get(status, "invalid_request"),
        message.get(status, failure.detail),
        details=details,
        headers=headers,
    )
