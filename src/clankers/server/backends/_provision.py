"""Making and deleting databases on a server that has many: by Turso's API, by libSQL's own.

https://docs.turso.tech/api-reference, and the admin API of
https://github.com/tursodatabase/libsql/blob/main/docs/ADMIN_API.md.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Protocol

import httpx

from clankers import errors
from clankers.server.backends._port import Database

if TYPE_CHECKING:
    from collections.abc import Mapping

PLATFORM_URL = "https://api.turso.tech"
_TOKEN_DAYS = 14
_DAY = 86_400
_EXISTS = (httpx.codes.CONFLICT,)


class Provisioner(Protocol):
    """Who makes databases, and knows how each is reached."""

    async def create(self, name: str) -> Database:
        """Makes a database; one that is there already is as good."""

    async def drop(self, database: Database) -> None:
        """Deletes a database; one that is gone already is as good."""

    async def headers(self, database: Database, *, renew: bool = False) -> Mapping[str, str]:
        """What a request to the database must carry; `renew` after it was refused."""

    async def ping(self) -> None:
        """Returns when the server answers."""


class TursoPlatform:
    """Turso Cloud: a database and a token of its own for each tenant.

    Tokens last for two weeks and are made anew a day before their end. They cannot be listed
    nor revoked singly, so they are kept in memory only.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        organization: str,
        group: str,
        api_token: str,
        url: str = PLATFORM_URL,
    ) -> None:
        self._client = client
        self._group = group
        self._databases = f"{url}/v1/organizations/{organization}/databases"
        self._authorization = {"authorization": f"Bearer {api_token}"}
        self._tokens: dict[str, tuple[str, float]] = {}
        self._making: dict[str, asyncio.Lock] = {}

    async def create(self, name: str) -> Database:
        made = await self._ask("POST", "", json={"name": name, "group": self._group})
        if made.status_code in _EXISTS:
            made = await self._ask("GET", f"/{name}")
        found = _json(made)
        try:
            return Database(name, f"https://{found['database']['Hostname']}")
        except (KeyError, TypeError):
            raise errors.BackendError(f"Turso named no host for {name}") from None

    async def drop(self, database: Database) -> None:
        self._tokens.pop(database.name, None)
        answer = await self._ask("DELETE", f"/{database.name}")
        if answer.status_code != httpx.codes.NOT_FOUND:
            _json(answer)

    async def headers(self, database: Database, *, renew: bool = False) -> Mapping[str, str]:
        # Many requests may find the token missing at once; one fetches it for all.
        async with self._making.setdefault(database.name, asyncio.Lock()):
            token, until = self._tokens.get(database.name, ("", 0.0))
            if renew or time.monotonic() > until - _DAY:
                token = await self._make_token(database.name)
                self._tokens[database.name] = token, time.monotonic() + _TOKEN_DAYS * _DAY
        return {"authorization": f"Bearer {token}"}

    async def ping(self) -> None:
        _json(await self._ask("GET", ""))

    async def _make_token(self, name: str) -> str:
        query = f"expiration={_TOKEN_DAYS}d&authorization=full-access"
        answer = await self._ask("POST", f"/{name}/auth/tokens?{query}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise errors.NoSuchTenantError(f"Turso has no database {name}")
        found = _json(answer)
        token = found.get("jwt") if isinstance(found, dict) else None
        if not isinstance(token, str) or not token:
            raise errors.BackendError(f"Turso gave no token for {name}")
        return token

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await _ask(self._client, method, self._databases + path, self._authorization, **more)


class LibsqlAdmin:
    """A libSQL server of one's own: a namespace for each tenant.

    The server knows a namespace by the first label of the host it is asked for, or, where a
    proxy sets the host, by the header `x-namespace`; so all of them share one address.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        url: str,
        admin_url: str,
        admin_key: str = "",
        auth_token: str = "",
    ) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._host = httpx.URL(url).netloc.decode()
        self._namespaces = f"{admin_url.rstrip('/')}/v1/namespaces"
        self._admin = {"authorization": f"basic {admin_key}"} if admin_key else {}
        self._token = {"authorization": f"Bearer {auth_token}"} if auth_token else {}

    async def create(self, name: str) -> Database:
        answer = await self._ask("POST", f"/{name}/create", json={})
        if answer.status_code == httpx.codes.BAD_REQUEST and "exist" in answer.text:
            return Database(name, self._url)
        _checked(answer)
        return Database(name, self._url)

    async def drop(self, database: Database) -> None:
        answer = await self._ask("DELETE", f"/{database.name}")
        if answer.status_code != httpx.codes.NOT_FOUND and "exist" not in answer.text:
            _checked(answer)

    async def headers(self, database: Database, *, renew: bool = False) -> Mapping[str, str]:
        del renew
        name = database.name
        return {"host": f"{name}.{self._host}", "x-namespace": name, **self._token}

    async def ping(self) -> None:
        _checked(await _ask(self._client, "GET", f"{self._url}/health", {}))

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await _ask(self._client, method, self._namespaces + path, self._admin, **more)


async def _ask(
    client: httpx.AsyncClient, method: str, url: str, headers: Mapping[str, str], **more: Any
) -> httpx.Response:
    try:
        return await client.request(method, url, headers=headers, **more)
    except httpx.HTTPError as problem:
        raise errors.BackendUnavailableError(
            f"{httpx.URL(url).host} cannot be reached: {str(problem) or type(problem).__name__}",
            is_unknown=True,
        ) from problem


def _checked(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    host, said = answer.request.url.host, answer.text[:200].replace("\n", " ") or "no reason"
    message = f"{host} answered {answer.status_code}: {said}"
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise errors.BackendError(
            message,
            hint="check CLANKERS_SERVER_LIBSQL_ADMIN_KEY or CLANKERS_SERVER_TURSO_API_TOKEN",
        )
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise errors.BackendError(
            message, hint="check --libsql-admin-url, or --turso-organization and --turso-group"
        )
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        raise errors.BackendUnavailableError(message)
    raise errors.BackendError(message)


def _json(answer: httpx.Response) -> Any:
    _checked(answer)
    try:
        return answer.json()
    except ValueError:
        raise errors.BackendError(f"{answer.request.url.host} answered what is no JSON") from None
