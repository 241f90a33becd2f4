"""A running service: what its routes share, from start to shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from clankers import errors
from clankers.server._limits import Limiter, Room
from clankers.server._metrics import Metrics
from clankers.server._tenants import DEFAULT_TENANT, Tenants
from clankers.server.backends import SqliteBackend

if TYPE_CHECKING:
    from clankers.server._settings import Settings
    from clankers.server.backends import Backend

_BURST = 10
_HOUR = 3_600
# Bytes of all bodies that are being received, read and stored, packed or not.
_ROOM = 512 * 1024 * 1024
_READ_AT_ONCE = 2
_REACHED_SECONDS = 2.0
FAILURES = logging.getLogger("clankers.server")


class Service:
    """The parts of one service.

    Attributes:
        is_ready: False until databases can be reached, and again during shutdown.
        address: where clients reach it, which new profiles name.
        registering: held while a token that nobody knows becomes one of a new tenant.
    """

    def __init__(self, settings: Settings, backend: Backend | None = None) -> None:
        self.settings = settings
        self.backend = backend or make_backend(settings)
        self.tenants = Tenants(self.backend)
        self.metrics = Metrics()
        self.is_ready = False
        self.address = settings.url()
        self.registering = asyncio.Lock()
        self.room = Room(_ROOM)
        self.reading = asyncio.Semaphore(_READ_AT_ONCE)
        limits = settings.limits
        self.batch_rows = Limiter(limits.batch_rows, burst=limits.batch_rows * _BURST)
        self.batch_bytes = Limiter(limits.batch_bytes, burst=limits.batch_bytes * _BURST)
        self.auth = Limiter(limits.auth)
        self.api = Limiter(limits.api)
        self.pulls = Limiter(limits.pulls)
        self.failed_auth = Limiter(limits.failed_auth)
        self.registrations = Limiter(limits.registrations, seconds=_HOUR)
        self._reached_until = 0.0
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Opens the registry; with auth none makes the one tenant there is."""
        await self.tenants.open()
        if self.settings.auth == "none":
            await self.tenants.create(DEFAULT_TENANT)
        self._sweeping = asyncio.create_task(self._sweep())
        self.is_ready = True

    async def stop(self) -> None:
        """Lets go of everything; requests in flight have ended before."""
        self.is_ready = False
        if self._sweeping is not None:
            self._sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeping
        await self.backend.close()

    async def ping(self) -> None:
        """Raises BackendError while databases cannot be reached; asks once in two seconds."""
        if time.monotonic() > self._reached_until:
            await self.backend.ping()
            self._reached_until = time.monotonic() + _REACHED_SECONDS

    async def _sweep(self) -> None:
        """Once an hour drops tenants that were retired longer ago than they can be had back."""
        while True:
            try:
                await self.tenants.drop_expired()
            except errors.BackendError as problem:
                FAILURES.warning("retired tenants could not be looked for: %s", problem)
            await asyncio.sleep(_HOUR)


def make_backend(settings: Settings) -> Backend:
    """The backend that the settings name; reaches nothing yet."""
    if settings.backend == "sqlite":
        return SqliteBackend(settings.data / "tenants", open_databases=settings.open_databases)
    from clankers.server.backends._provision import LibsqlAdmin, TursoPlatform
    from clankers.server.backends._turso import TursoBackend, http_client

    client = http_client()
    if settings.libsql_url:
        return TursoBackend(
            client,
            LibsqlAdmin(
                client,
                url=settings.libsql_url,
                admin_url=settings.libsql_admin_url or settings.libsql_url,
                admin_key=settings.libsql_admin_key or "",
                auth_token=settings.libsql_auth_token or "",
            ),
        )
    return TursoBackend(
        client,
        TursoPlatform(
            client,
            organization=settings.turso_organization or "",
            group=settings.turso_group,
            api_token=settings.turso_api_token or "",
        ),
    )
