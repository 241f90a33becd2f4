"""The backends that one suite of tests is run on."""

from __future__ import annotations

import asyncio
import os
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from clankers.server.backends import Database, SqliteBackend, Statement
from clankers.server.backends._provision import LibsqlAdmin
from clankers.server.backends._turso import TursoBackend, http_client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from clankers.server.backends import Backend
    from server._running import Sqld

CLOUD_URL = os.environ.get("CLANKERS_TEST_TURSO_URL")
CLOUD_TOKEN = os.environ.get("CLANKERS_TEST_TURSO_TOKEN")
_BACKENDS = ("sqlite", "sqld", "cloud") if CLOUD_URL and CLOUD_TOKEN else ("sqlite", "sqld")
# The only two that make and delete databases.
_MAKERS = ("sqlite", "sqld")


class Place:
    """A kind of backend; `use` runs something on an empty database of it."""

    def __init__(self, make: Callable[[], Backend]) -> None:
        self.make = make

    def use(self, act: Callable[[Backend, Database], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            backend = self.make()
            try:
                database = await backend.create(new_name())
                try:
                    return await act(backend, database)
                finally:
                    await backend.drop(database)
            finally:
                await backend.close()

        return asyncio.run(run())

    def run(self, act: Callable[[Backend], Awaitable[Any]]) -> Any:
        """Runs something that makes its databases itself."""

        async def run() -> Any:
            backend = self.make()
            try:
                return await act(backend)
            finally:
                await backend.close()

        return asyncio.run(run())


class OneDatabase:
    """A database that is there already; emptied instead of being made and deleted."""

    def __init__(self, url: str, token: str) -> None:
        self._database = Database("ck-test", url.replace("libsql://", "https://"))
        self._headers = {"authorization": f"Bearer {token}"}

    async def create(self, name: str) -> Database:
        backend = TursoBackend(http_client(), self)
        found = await backend.read(
            self._database,
            [Statement("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 't%'")],
        )
        drops = [Statement(f"DROP TABLE {table!s}") for (table,) in found[0]]
        await backend.write(self._database, drops)
        await backend.close()
        return self._database

    async def drop(self, database: Database) -> None:
        pass

    async def headers(self, database: Database, *, renew: bool = False) -> Mapping[str, str]:
        return self._headers

    async def ping(self) -> None:
        pass


def new_name() -> str:
    return f"ck-{secrets.token_hex(12)}"


def on_sqld(sqld: Sqld) -> TursoBackend:
    client = http_client()
    admin = LibsqlAdmin(client, url=sqld.url, admin_url=sqld.admin_url, admin_key=sqld.key)
    return TursoBackend(client, admin)


@pytest.fixture(params=_BACKENDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each backend in turn."""
    return _place(request, tmp_path)


@pytest.fixture(params=_MAKERS)
def maker(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each backend in turn that makes databases of its own."""
    return _place(request, tmp_path)


def _place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(lambda: SqliteBackend(tmp_path / "tenants"))
    if request.param == "sqld":
        sqld: Sqld = request.getfixturevalue("sqld")
        return Place(lambda: on_sqld(sqld))
    assert CLOUD_URL
    assert CLOUD_TOKEN
    url, token = CLOUD_URL, CLOUD_TOKEN
    return Place(lambda: TursoBackend(http_client(), OneDatabase(url, token)))
