"""What an operator does beside a running service: tokens, tenants, moving them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from attrs import evolve

from clankers import errors
from clankers.server import _copying
from clankers.server._registry import DEFAULT_SCOPES, check_name
from clankers.server._service import make_backend
from clankers.server._tenants import Tenants
from clankers.server.backends import Database, SqliteBackend, database_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from clankers.server._answers import TokenInfo
    from clankers.server._registry import Tenant
    from clankers.server._settings import Settings


class Operator:
    """Does one thing at a time to the databases that some settings name.

    A service may run meanwhile; of tokens and tenants it sees a change within five seconds.
    Every method raises `ServerError` for what cannot be done.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def create_token(
        self,
        name: str,
        *,
        tenant: str | None = None,
        scopes: Iterable[str] = DEFAULT_SCOPES,
        expires_seconds: int | None = None,
    ) -> tuple[str, TokenInfo]:
        """Issues a token; the text is nowhere else. Without a tenant it is the first of a new one."""

        async def act(tenants: Tenants) -> tuple[str, TokenInfo]:
            if tenant is not None and await tenants.registry.tenant(tenant) is None:
                await tenants.create(tenant)
            token, info = await tenants.registry.add_token(
                name=name,
                tenant=tenant,
                scopes=scopes,
                expires_at=None if expires_seconds is None else _now() + expires_seconds * 1_000,
            )
            await tenants.create(info.tenant, name)
            return token, info

        found: tuple[str, TokenInfo] = self._run(act, may_be_new=True)
        return found

    def tokens(self, tenant: str | None = None) -> list[TokenInfo]:
        """All tokens, revoked ones too, of one tenant or of every one."""
        found: list[TokenInfo] = self._run(lambda tenants: tenants.registry.tokens(tenant))
        return found

    def revoke_token(self, token_id: str) -> TokenInfo:
        """Ends a token."""
        found: TokenInfo | None = self._run(lambda tenants: tenants.registry.revoke_token(token_id))
        if found is None:
            raise _no_token(token_id)
        return found

    def rotate_token(self, token_id: str, *, grace_seconds: int = 0) -> tuple[str, TokenInfo]:
        """A new token in the place of an old one, which is good for some seconds more."""
        found: tuple[str, TokenInfo] | None = self._run(
            lambda tenants: tenants.registry.rotate_token(token_id, grace_ms=grace_seconds * 1_000)
        )
        if found is None:
            raise _no_token(token_id)
        return found

    def tenants(self) -> list[Tenant]:
        """All tenants, the oldest first, retired ones too."""
        found: list[Tenant] = self._run(lambda tenants: tenants.registry.tenants())
        return found

    def create_tenant(self, tenant: str, name: str = "") -> Tenant:
        """Makes a tenant with an empty database."""

        async def act(tenants: Tenants) -> Tenant:
            if await tenants.registry.tenant(tenant) is not None:
                raise errors.ServerError(
                    f"there is a tenant {tenant!r} already", hint="choose another name"
                )
            return await tenants.create(tenant, name)

        found: Tenant = self._run(act, may_be_new=True)
        return found

    def restore_tenant(self, tenant: str) -> None:
        """Takes a retired tenant back into use."""

        async def act(tenants: Tenants) -> None:
            await _known(tenants, tenant)
            await tenants.restore(tenant)

        self._run(act)

    def drop_tenant(self, tenant: str) -> None:
        """Deletes a tenant with all its data, and revokes its tokens; there is no way back."""

        async def act(tenants: Tenants) -> None:
            await tenants.drop(await _known(tenants, tenant))

        self._run(act)

    def export_tenant(self, tenant: str, path: Path) -> dict[str, int]:
        """Writes a tenant into a new SQLite file; how many rows of each table."""
        if path.exists():
            raise errors.ServerError(f"{path} is there already", hint="name a new file")

        async def act(tenants: Tenants) -> dict[str, int]:
            known = await _known(tenants, tenant)
            file = _File(path)
            try:
                _given, counts = await _copying.copy_tenant(
                    tenants.backend, known.database, file, path.name
                )
            except BaseException:
                await file.drop(Database(path.name))
                raise
            finally:
                await file.close()
            return counts

        found: dict[str, int] = self._run(act)
        return found

    def import_tenant(self, tenant: str, path: Path) -> dict[str, int]:
        """Makes a tenant of a file that `export_tenant` wrote; how many rows of each table."""
        if not path.is_file():
            raise errors.ServerError(f"there is no file {path}")
        check_name(tenant)

        async def act(tenants: Tenants) -> dict[str, int]:
            if await tenants.registry.has_tenant(tenant):
                raise errors.ServerError(
                    f"there is a tenant {tenant!r} already",
                    hint="choose another name, or drop that one first",
                )
            file, source = _File(path), Database(path.name)
            try:
                await _copying.check(file, source)
                given, counts = await _copying.copy_tenant(
                    file, source, tenants.backend, database_name(tenant)
                )
            finally:
                await file.close()
            # Last, so that a tenant that is known is whole.
            await tenants.registry.add_tenant(tenant, tenant, database=given)
            return counts

        found: dict[str, int] = self._run(act, may_be_new=True)
        return found

    def migrate(
        self, to: Settings, *, progress: Callable[[str], None] | None = None
    ) -> dict[str, dict[str, int]]:
        """Copies all tenants and tokens to another backend; how many rows of each tenant.

        What was copied before is left out, so that it can be called again after a failure. The
        databases here stay as they are; no service may run.
        """
        evolve(to, auth="token").check()

        async def act(tenants: Tenants) -> dict[str, dict[str, int]]:
            target = Tenants(make_backend(to))
            try:
                await target.open()
                await target.registry.copy_tokens(tenants.registry)
                return await _move_all(tenants, target, progress)
            finally:
                await target.backend.close()

        found: dict[str, dict[str, int]] = self._run(act)
        return found

    def _run(self, act: Callable[[Tenants], Awaitable[Any]], *, may_be_new: bool = False) -> Any:
        data = self._settings.data
        if self._settings.backend == "sqlite" and not may_be_new and not data.is_dir():
            raise errors.ServerError(
                f"there is no folder {data}",
                hint="name that of the service with --data or CLANKERS_SERVER_DATA",
            )

        async def run() -> Any:
            # What is not checked is how a service would be reached: none is started.
            evolve(self._settings, auth="token").check()
            tenants = Tenants(make_backend(self._settings))
            try:
                await tenants.open()
                return await act(tenants)
            finally:
                await tenants.backend.close()

        return asyncio.run(run())


async def _move_all(
    tenants: Tenants, target: Tenants, progress: Callable[[str], None] | None
) -> dict[str, dict[str, int]]:
    moved = {}
    for known in await tenants.registry.tenants():
        there = await target.registry.any_tenant(known.tenant)
        if there is not None:
            if not await _copying.is_copy(
                tenants.backend, known.database, target.backend, there.database
            ):
                raise errors.ServerError(
                    f"tenant {known.tenant!r} is there already, in another state",
                    hint="drop it there first, or copy to a place that has none of these tenants",
                )
            continue
        given, moved[known.tenant] = await _copying.copy_tenant(
            tenants.backend, known.database, target.backend, known.database.name
        )
        # Last, so that a tenant that is known there is whole.
        await target.registry.take_tenant(evolve(known, database=given))
        if progress is not None:
            progress(known.tenant)
    return moved


class _File(SqliteBackend):
    """One file, wherever it is, as if it were the database of a tenant."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.parent)
        self._file = path

    def _path(self, name: str) -> Path:
        del name
        return self._file

    def _make_folder(self, path: Path) -> None:
        """The folder is the user's own, and stays as it is."""


async def _known(tenants: Tenants, tenant: str) -> Tenant:
    found = await tenants.registry.any_tenant(tenant)
    if found is None:
        raise errors.ServerError(
            f"there is no tenant {tenant!r}", hint="'clankers-cli tenants list' shows all"
        )
    return found


def _no_token(token_id: str) -> errors.ServerError:
    return errors.ServerError(
        f"there is no token {token_id!r} in use", hint="'clankers-cli tokens list' shows their ids"
    )


def _now() -> int:
    return time.time_ns() // 1_000_000
