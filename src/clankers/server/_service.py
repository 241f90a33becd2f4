"""A running service: what its routes share, from start to shutdown."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from clankers import errors
from clankers.server._limits import Limiter
from clankers.server._metrics import Metrics
from clankers.server._tenants import DEFAULT_TENANT, Tenants
from clankers.server.backends import SqliteBackend

if TYPE_CHECKING:
    from clankers.server._settings import Settings
    from clankers.server.backends import Backend

_BURST = 10
_HOUR = 3_600


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
        limits = settings.limits
        self.batch_rows = Limiter(limits.batch_rows, burst=limits.batch_rows * _BURST)
        self.batch_bytes = Limiter(limits.batch_bytes, burst=limits.batch_bytes * _BURST)
        self.auth = Limiter(limits.auth)
        self.api = Limiter(limits.api)
        self.pulls = Limiter(limits.pulls)
        self.failed_auth = Limiter(limits.failed_auth)
        self.registrations = Limiter(limits.registrations, seconds=_HOUR)
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

    async def _sweep(self) -> None:
        """Once an hour drops tenants that were retired longer ago than they can be had back."""
        while True:
            with contextlib.suppress(errors.BackendError):
                await self.tenants.drop_expired()
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
