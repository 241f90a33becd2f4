"""Running the application by uvicorn, until a signal; what is in flight is finished first."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from clankers import errors
from clankers.server._app import create_app
from clankers.server._service import make_backend
from clankers.server._settings import address
from clankers.server._tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clankers.server._edge import Edge
    from clankers.server._settings import Settings

_GRACE_SECONDS = 30
_IDLE_SECONDS = 75
_BACKLOG = 2_048
_GARBAGE_THRESHOLD = 20_000


class _Server(uvicorn.Server):
    """Tells when it listens, which is when clients may come."""

    def __init__(
        self, config: uvicorn.Config, app: Edge, listening: Callable[[str], None] | None
    ) -> None:
        super().__init__(config)
        self._app = app
        self._listening = listening

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and Ctrl-C are how it is meant to end: they are not raised again afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        ending = (signal.SIGINT, signal.SIGTERM)
        before = {one: signal.signal(one, self.handle_exit) for one in ending}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        here = address(host, port)
        # The port may be known only now.
        self._app.service.address = self._app.service.settings.public_url or here
        if self._listening is not None:
            self._listening(here)


def serve(settings: Settings, *, listening: Callable[[str], None] | None = None) -> None:
    """Serves until SIGINT or SIGTERM; returns when what was in flight has been answered.

    Args:
        settings: port 0 takes a free one.
        listening: is called with the address once clients may come.

    Raises:
        ServerError: the settings must not or cannot be run.
    """
    app = create_app(settings)
    asyncio.run(_reach(settings))
    listener = _bound(settings)
    _log_to_stderr()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        lifespan="on",
        backlog=_BACKLOG,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    # What starting made stays: looking through it for garbage again and again is for nothing.
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    _Server(config, app, listening).run(sockets=[listener])


async def _reach(settings: Settings) -> None:
    """Raises in one sentence what would otherwise end the start in a traceback."""
    backend = make_backend(settings)
    try:
        await Tenants(backend).open()
    except errors.BackendError as problem:
        raise errors.ServerError(
            f"the databases cannot be reached: {problem}",
            hint=problem.hint or "check --data, or the address and keys of the database server",
        ) from problem
    finally:
        await backend.close()


def _bound(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    made = socket.socket(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((settings.host, settings.port))
    except OSError as problem:
        made.close()
        raise errors.ServerError(
            f"{settings.host} port {settings.port} cannot be listened at: {problem.strerror}",
            hint="--port names another port, 0 takes a free one",
        ) from problem
    return made


def _log_to_stderr() -> None:
    """A line of JSON for each request, and the service's own warnings, on stderr."""
    for name, form in (("clankers.server.access", "%(message)s"), ("clankers.server", None)):
        logger = logging.getLogger(name)
        if logger.handlers:
            continue
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(form or "%(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.INFO)
