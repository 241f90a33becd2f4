"""What every request passes first and every answer last, whatever serves it.

Being reached only from this machine is no protection: a web page in the user's browser can
reach it too. So the host, the origin and the type of what is written are checked in every
mode.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import define, field

from clankers import errors
from clankers.server._problems import Problem
from clankers.server._settings import WILDCARDS

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

    from clankers.server._limits import Allowance
    from clankers.server._service import Service
    from clankers.server._settings import Settings

ACCESS = logging.getLogger("clankers.server.access")
FAILURES = logging.getLogger("clankers.server")
_STATE = "clankers"
_LONGEST_ID = 64
# Those that are counted singly: a stranger may make up others without end.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
    ),
}


@define
class Passage:
    """What is known of one request on its way: for its answer's headers and its line in the log."""

    request_id: str
    began: float = field(factory=time.perf_counter)
    tenant: str | None = None
    allowance: Allowance | None = None
    status: int = 0
    sent: int = 0


def passage(scope: Scope) -> Passage:
    """Of a request that `Edge` let through."""
    found: Passage = scope["state"][_STATE]
    return found


class Edge:
    """The outermost layer of the application; `service` is what is inside."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self.service = service
        self._hosts = _hosts(service.settings)
        self._origins = frozenset(service.settings.allowed_origins)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        passing = Passage(_request_id(headers))
        scope.setdefault("state", {})[_STATE] = passing
        metrics = self.service.metrics
        metrics.in_flight.inc()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                passing.status = message["status"]
                _add_headers(message, passing)
            elif message["type"] == "http.response.body":
                passing.sent += len(message.get("body", b""))
            await send(message)

        try:
            self._check(headers)
            await self._app(scope, receive, sending)
        except Problem as problem:
            await answer(problem, sending)
        finally:
            metrics.in_flight.dec()
            self._note(scope, passing)

    def _check(self, headers: dict[str, list[str]]) -> None:
        hosts = headers.get("host", [])
        if len(hosts) != 1 or _hostname(hosts[0]) not in self._hosts:
            raise Problem.invalid("this server does not answer to that host", status=421)
        for origin in headers.get("origin", []):
            if origin not in self._origins and _netloc(origin) != hosts[0].lower():
                raise Problem.forbidden("requests from that origin are not allowed")

    def _note(self, scope: Any, passing: Passage) -> None:
        """Paths by their pattern and no query: ids and what is searched for are content."""
        seconds = time.perf_counter() - passing.began
        route = str(scope.get("path_template") or "none")
        metrics = self.service.metrics
        method = scope["method"] if scope["method"] in _METHODS else "other"
        metrics.requests.labels(method, route, str(passing.status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        if not ACCESS.isEnabledFor(logging.INFO):
            return
        client = scope.get("client")
        line = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "id": passing.request_id,
            "client": client[0] if client else None,
            "method": scope["method"],
            "route": route,
            "status": passing.status,
            "ms": round(seconds * 1000, 2),
            "bytes": passing.sent,
            "tenant": passing.tenant,
        }
        ACCESS.info(json.dumps(line))


async def answer(problem: Problem, send: Send) -> None:
    """Sends an error as it stands in the reference."""
    body = json.dumps(problem.to_dict()).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    headers |= problem.headers
    await send(
        {
            "type": "http.response.start",
            "status": problem.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


def problem_of(failure: Exception) -> Problem:
    """What a client is told of a failure; what nobody expected is told to the log alone."""
    if isinstance(failure, Problem):
        return failure
    if isinstance(failure, errors.NoSuchTenantError):
        return Problem.no_tenant()
    if isinstance(failure, errors.BackendUnavailableError):
        FAILURES.warning("a database does not answer: %s", failure)
        return Problem.unavailable("the database does not answer; try again")
    FAILURES.error("internal error", exc_info=failure)
    return Problem(500, "internal_error", "something went wrong here; the log says what")


def _headers(scope: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _request_id(headers: dict[str, list[str]]) -> str:
    """That of the sender where it is one, so that its log and ours can be laid side by side."""
    given = headers.get("x-request-id", [""])[0]
    is_plain = given.isascii() and given.replace("-", "").isalnum() and len(given) <= _LONGEST_ID
    return given if is_plain else secrets.token_hex(8)


def _add_headers(message: Any, passing: Passage) -> None:
    known = {name.lower() for name, _value in message["headers"]}
    added = {**_SECURITY, "x-request-id": passing.request_id}
    if passing.allowance is not None:
        added |= passing.allowance.headers()
    message["headers"] = [
        *message["headers"],
        *(
            (name.encode(), value.encode())
            for name, value in added.items()
            if name.encode() not in known
        ),
    ]


def _hosts(settings: Settings) -> frozenset[str]:
    """Names that this server answers to; the loopback's always, others when they are given."""
    named = {*settings.allowed_hosts, settings.host} - WILDCARDS
    if settings.public_url:
        named.add(urlsplit(settings.public_url).hostname or "")
    loopback = {"localhost", "127.0.0.1", "[::1]"}
    return frozenset({_hostname(name) for name in named if name} | loopback)


def _hostname(authority: str) -> str:
    """The host without its port, in lower case; IPv6 keeps its brackets."""
    name = authority.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    if name.count(":") > 1:
        return f"[{name}]"
    return name.partition(":")[0].rstrip(".")


def _netloc(origin: str) -> str:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc.lower() if parts.scheme in ("http", "https") else ""
