"""All tenants of a service: who they are, and the one writer that each has while it is busy."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from attrs import define

from clankers import errors
from clankers.server import _schema
from clankers.server._registry import Registry
from clankers.server._writer import Writer

if TYPE_CHECKING:
    from clankers.server._registry import Tenant
    from clankers.server.backends import Backend, Database

DEFAULT_TENANT = "default"
# A retired tenant can be had back for so long.
RECOVERABLE_MS = 30 * 24 * 3_600_000
_MOST_READY = 2_000
_STORE_BYTES = 8
_LOG = logging.getLogger("clankers.server")


@define
class Ready:
    """A tenant whose database has the schema of this program."""

    tenant: str
    database: Database
    writer: Writer


class Tenants:
    """Finds, makes and retires tenants; see `Registry` for what is known of them."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.registry = Registry(backend)
        self._ready: OrderedDict[str, Ready] = OrderedDict()
        self._preparing: dict[str, asyncio.Lock] = {}

    async def open(self) -> None:
        await self.registry.open()

    async def ready(self, tenant: str) -> Ready:
        """A tenant to read from or write to.

        Raises:
            NoSuchTenantError: there is none of that name in use.
        """
        known = await self.registry.tenant(tenant)
        if known is None:
            self._ready.pop(tenant, None)
            raise errors.NoSuchTenantError(f"there is no tenant {tenant!r}")
        found = self._ready.get(tenant)
        if found is None:
            found = await self._prepare(known)
        if tenant in self._ready:
            self._ready.move_to_end(tenant)
        return found

    async def create(self, tenant: str, name: str = "", *, created_by: str | None = None) -> Tenant:
        """Makes a tenant and its database; one that is there already stays as it is."""
        made = await self.registry.add_tenant(tenant, name or tenant, created_by=created_by)
        await self.ready(tenant)
        return made

    async def retire(self, tenant: str) -> int:
        """Takes a tenant out of use; until when it can be had back, in epoch ms."""
        now = time.time_ns() // 1_000_000
        await self.registry.retire_tenant(tenant, now)
        self._ready.pop(tenant, None)
        return now + RECOVERABLE_MS

    async def restore(self, tenant: str) -> None:
        """Takes a retired tenant back into use, with all that it had."""
        await self.registry.retire_tenant(tenant, None)

    async def drop(self, known: Tenant) -> None:
        """Deletes a tenant's database and forgets it; there is no way back."""
        self._ready.pop(known.tenant, None)
        # In this order: what is forgotten is never dropped, and the next tenant of that name would
        # have it.
        await self.backend.drop(known.database)
        await self.registry.forget_tenant(known.tenant)

    async def drop_expired(self) -> None:
        """Drops the tenants that were retired longer ago than they can be had back.

        One that cannot be dropped now is left for the next time.
        """
        before = time.time_ns() // 1_000_000 - RECOVERABLE_MS
        for listed in await self.registry.tenants():
            # Read again: it may have been restored since.
            known = await self.registry.any_tenant(listed.tenant)
            if known is None or known.retired_at is None or known.retired_at >= before:
                continue
            try:
                await self.drop(known)
            except errors.BackendError as problem:
                _LOG.warning("tenant %s could not be dropped: %s", known.tenant, problem)

    async def _prepare(self, known: Tenant) -> Ready:
        """Brings the database up to date once, however many ask for it at the same time."""
        lock = self._preparing.setdefault(known.tenant, asyncio.Lock())
        async with lock:
            found = self._ready.get(known.tenant)
            if found is None:
                store = secrets.token_hex(_STORE_BYTES)
                await _schema.migrate_tenant(self.backend, known.database, store)
                writer = Writer(self.backend, known.database, known.tenant)
                found = Ready(known.tenant, known.database, writer)
                self._ready[known.tenant] = found
                self._forget_idle()
        if not lock.locked():
            self._preparing.pop(known.tenant, None)
        return found

    def _forget_idle(self) -> None:
        surplus = len(self._ready) - _MOST_READY
        idle = [name for name, one in self._ready.items() if one.writer.is_idle]
        for name in idle[: max(0, surplus)]:
            del self._ready[name]
