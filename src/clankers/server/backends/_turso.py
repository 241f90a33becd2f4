"""Tenant databases on Turso Cloud or on a libSQL server of one's own."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import httpx
import tenacity

from clankers import errors
from clankers.server.backends import _hrana

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clankers.server.backends._port import Database, Rows, Statement, Work
    from clankers.server.backends._provision import Provisioner

_TIMEOUT = httpx.Timeout(30, connect=5)
_CONNECTIONS = 64
_TRIES = 3


def http_client() -> httpx.AsyncClient:
    """The connections to the database server; never those of a user's proxy settings or netrc."""
    limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
    return httpx.AsyncClient(timeout=_TIMEOUT, limits=limits, trust_env=False)


class TursoBackend:
    """Statements travel as one atomic batch each call.

    What only reads is tried again; of what writes only what certainly never began. Whether
    the rest happened is the caller's to find out.
    """

    name = "turso"
    # A libSQL server allows five million, of a whole row.
    largest_value = 4_500_000

    def __init__(self, client: httpx.AsyncClient, provisioner: Provisioner) -> None:
        self._client = client
        self._provisioner = provisioner

    async def create(self, name: str) -> Database:
        return await self._provisioner.create(name)

    async def drop(self, database: Database) -> None:
        await self._provisioner.drop(database)

    async def write(self, database: Database, statements: Sequence[Statement]) -> list[Rows]:
        async for attempt in _again(is_repeatable=False):
            with attempt:
                found = await self._run(database, statements, "BEGIN IMMEDIATE")
        return found

    async def read(self, database: Database, statements: Sequence[Statement]) -> list[Rows]:
        async for attempt in _again(is_repeatable=True):
            with attempt:
                found = await self._run(database, statements, "BEGIN")
        return found

    async def update(self, database: Database, work: Work) -> None:
        step, rows = partial(_next, work), None
        while True:
            statements, is_last = await asyncio.to_thread(step, rows)
            if is_last:
                break
            rows = await self.read(database, statements)
        if statements:
            await self.write(database, statements)

    async def ping(self) -> None:
        await self._provisioner.ping()

    async def close(self) -> None:
        await self._client.aclose()

    async def _run(
        self, database: Database, statements: Sequence[Statement], begin: str
    ) -> list[Rows]:
        client, address = self._client, database.address
        headers = await self._provisioner.headers(database)
        try:
            return await _hrana.run(client, address, headers, statements, begin=begin)
        except _hrana.TokenRefusedError:
            # All tokens of a database end at once when its owner rotates them.
            headers = await self._provisioner.headers(database, renew=True)
            return await _hrana.run(client, address, headers, statements, begin=begin)


def _next(work: Work, rows: list[Rows] | None) -> tuple[Sequence[Statement], bool]:
    """The next statements of some work, and whether they are those that write."""
    try:
        return (next(work) if rows is None else work.send(rows)), False
    except StopIteration as done:
        return done.value, True


def _again(*, is_repeatable: bool) -> tenacity.AsyncRetrying:
    def may_repeat(problem: BaseException) -> bool:
        return isinstance(problem, errors.BackendUnavailableError) and (
            is_repeatable or not problem.is_unknown
        )

    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(may_repeat),
        stop=tenacity.stop_after_attempt(_TRIES),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=1),
        reraise=True,
    )
