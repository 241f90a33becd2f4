"""The service's own database: which tenants there are, and whose token is whose.

It is one more database of the backend, so that a service without a disk keeps nothing on it.
Of a token only the SHA-256 is stored; a revoked one stays, so that it can never register again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

from attrs import define

from clankers import errors
from clankers.auth import is_token, new_token
from clankers.server import _schema
from clankers.server._answers import TokenInfo
from clankers.server.backends import REGISTRY, Database, Statement, database_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clankers.server.backends import Backend, SqlValue

SCOPES = ("read", "write", "admin", "operator")
DEFAULT_SCOPES = ("read", "write")
# How long another process of the service may still act on what it read before.
FRESH_SECONDS = 5.0
_USED_EVERY_MS = 60_000
_MOST_REMEMBERED = 10_000
_TENANT_LENGTH = 16
_ID_BYTES = 8
_SHOWN = 8
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,99}")


@define
class Tenant:
    """An owner of one database. Times are epoch ms; `retired_at` until it is gone for good."""

    tenant: str
    name: str
    database: Database
    created_at: int
    retired_at: int | None = None


@define
class _Remembered:
    until: float
    found: Any


class Registry:
    """Tenants and tokens, in a database of their own."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._database = Database(REGISTRY)
        self._remembered: dict[tuple[str, str], _Remembered] = {}

    async def open(self) -> None:
        """Makes the database or brings it up to date."""
        self._database = await self._backend.create(REGISTRY)
        await _schema.migrate_registry(self._backend, self._database)

    # Tenants

    async def tenant(self, tenant: str) -> Tenant | None:
        """One that is in use; a retired one counts as none."""
        found = await self._remember("tenant", tenant, self.any_tenant)
        return found if found is not None and found.retired_at is None else None

    async def tenants(self) -> list[Tenant]:
        """All of them, the oldest first, retired ones too."""
        return [_tenant(row) for row in await self._read(f"{_TENANTS} ORDER BY created_at, tenant")]

    async def count_tenants(self) -> int:
        ((count,),) = await self._read("SELECT count(*) FROM tenants WHERE retired_at IS NULL")
        return int(count or 0)

    async def add_tenant(
        self,
        tenant: str,
        name: str,
        *,
        created_by: str | None = None,
        database: Database | None = None,
    ) -> Tenant:
        """Notes a tenant and makes its database, or takes one; a tenant that is there stays.

        Raises:
            ServerError: it cannot be called so.
        """
        check_name(tenant)
        if database is None:
            database = await self._backend.create(database_name(tenant))
        await self._write(
            "INSERT INTO tenants(tenant, name, database, address, created_at, created_by)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT(tenant) DO NOTHING",
            (tenant, name, database.name, database.address, _now(), created_by),
        )
        self._forget("tenant", tenant)
        found = await self.any_tenant(tenant)
        if found is None or found.retired_at is not None:
            raise errors.ServerError(
                f"tenant {tenant!r} is retired", hint="restore it, or choose another name"
            )
        return found

    async def has_tenant(self, tenant: str) -> bool:
        """True for one that is in use or retired."""
        return await self.any_tenant(tenant) is not None

    async def take_tenant(self, known: Tenant) -> None:
        """Notes a tenant as another service knew it; its database is there already."""
        await self._write(
            "INSERT INTO tenants(tenant, name, database, address, created_at, retired_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (known.tenant, known.name, *known.database, known.created_at, known.retired_at),
        )

    async def copy_tokens(self, source: Registry) -> None:
        """Takes the tokens of another service over, as far as they are not known."""
        columns = ", ".join(_TOKEN_COLUMNS)
        rows = await source._read(f"SELECT {columns} FROM tokens")
        marks = ", ".join("?" * len(_TOKEN_COLUMNS))
        sql = f"INSERT INTO tokens({columns}) VALUES ({marks}) ON CONFLICT(id) DO NOTHING"
        if rows:
            await self._backend.write(self._database, [Statement(sql, row) for row in rows])

    async def retire_tenant(self, tenant: str, at: int | None) -> None:
        """Takes a tenant out of use, or with None back into it."""
        await self._write("UPDATE tenants SET retired_at = ? WHERE tenant = ?", (at, tenant))
        self._forget("tenant", tenant)

    async def forget_tenant(self, tenant: str) -> None:
        """Takes a tenant and its tokens out for good; its database is the caller's to drop."""
        await self._backend.write(
            self._database,
            [
                Statement("DELETE FROM tenants WHERE tenant = ?", (tenant,)),
                # Their hashes stay: a token never becomes a new tenant's.
                Statement(
                    "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE tenant = ?",
                    (_now(), tenant),
                ),
            ],
        )
        self._remembered.clear()

    # Tokens

    async def find_token(self, token: str) -> TokenInfo | None:
        """The token's entry while it is good; None for one that is unknown, expired or revoked."""
        if not is_token(token):
            return None
        hashed = _hash(token)
        found = await self._remember("token", hashed, self._look_for_token)
        if found is None or not hmac.compare_digest(found[0], hashed):
            return None
        info: TokenInfo = found[1]
        now = _now()
        if info.revoked_at is not None and info.revoked_at <= now:
            return None
        return None if info.expires_at is not None and info.expires_at <= now else info

    async def knows_token(self, token: str) -> bool:
        """True for a token that was ever issued or registered, whatever became of it."""
        return await self._look_for_token(_hash(token)) is not None

    async def add_token(
        self,
        *,
        name: str,
        tenant: str | None = None,
        scopes: Iterable[str] = DEFAULT_SCOPES,
        expires_at: int | None = None,
        token: str | None = None,
    ) -> tuple[str, TokenInfo]:
        """Issues a token; without a tenant it is the first of a new one, named after its hash."""
        token = token or new_token()
        hashed = _hash(token)
        info = TokenInfo(
            id=f"tok_{secrets.token_hex(_ID_BYTES)}",
            hint=f"{token[:_SHOWN]}...{token[-4:]}",
            tenant=tenant or first_tenant(token),
            name=name,
            scopes=_ordered(scopes),
            created_at=_now(),
            expires_at=expires_at,
        )
        await self._write(
            "INSERT INTO tokens(id, hash, hint, tenant, name, scopes, created_at, expires_at)"
            # Another process of the service may register the same token.
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(hash) DO NOTHING",
            (
                info.id,
                hashed,
                info.hint,
                info.tenant,
                name,
                " ".join(info.scopes),
                info.created_at,
                expires_at,
            ),
        )
        self._forget("token", hashed)
        return token, info

    async def tokens(self, tenant: str | None = None) -> list[TokenInfo]:
        """All tokens, of one tenant or of every one, the oldest first."""
        rows = await self._read(
            f"{_TOKENS} WHERE ?1 IS NULL OR tenant = ?1 ORDER BY created_at, id", (tenant,)
        )
        return [_token(row)[1] for row in rows]

    async def revoke_token(self, token_id: str, *, tenant: str | None = None) -> TokenInfo | None:
        """Ends a token now; None when there is none of that id (and tenant)."""
        return await self._end_token(token_id, tenant, _now())

    async def rotate_token(
        self, token_id: str, *, tenant: str | None = None, grace_ms: int = 0
    ) -> tuple[str, TokenInfo] | None:
        """A new token of the same tenant, name and scopes; the old one ends after the grace."""
        old = await self._end_token(token_id, tenant, _now() + grace_ms, is_rotated=True)
        if old is None:
            return None
        return await self.add_token(
            name=old.name, tenant=old.tenant, scopes=old.scopes, expires_at=old.expires_at
        )

    async def note_use(self, info: TokenInfo) -> None:
        """Notes when a token was last used, at most once a minute."""
        now = _now()
        if info.last_used_at is not None and now - info.last_used_at < _USED_EVERY_MS:
            return
        info.last_used_at = now
        await self._write("UPDATE tokens SET last_used_at = ? WHERE id = ?", (now, info.id))

    async def _end_token(
        self, token_id: str, tenant: str | None, at: int, *, is_rotated: bool = False
    ) -> TokenInfo | None:
        rows = await self._read(
            f"{_TOKENS} WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)"
            # One that was rotated before has its successor already.
            " AND (revoked_at IS NULL OR (revoked_at > ?3 AND NOT ?4))",
            (token_id, tenant, _now(), is_rotated),
        )
        if not rows:
            return None
        await self._write(
            "UPDATE tokens SET revoked_at = min(coalesce(revoked_at, ?1), ?1) WHERE id = ?2",
            (at, token_id),
        )
        self._remembered.clear()
        info = _token(rows[0])[1]
        info.revoked_at = at
        return info

    # Reading

    async def any_tenant(self, tenant: str) -> Tenant | None:
        """A tenant, retired or not, as the database has it now."""
        rows = await self._read(f"{_TENANTS} WHERE tenant = ?", (tenant,))
        return _tenant(rows[0]) if rows else None

    async def _look_for_token(self, hashed: str) -> tuple[str, TokenInfo] | None:
        rows = await self._read(f"{_TOKENS} WHERE hash = ?", (hashed,))
        return _token(rows[0]) if rows else None

    async def _remember(self, kind: str, key: str, look: Any) -> Any:
        remembered = self._remembered.get((kind, key))
        if remembered is not None and remembered.until > time.monotonic():
            return remembered.found
        found = await look(key)
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        if found is not None:
            self._remembered[kind, key] = _Remembered(time.monotonic() + FRESH_SECONDS, found)
        return found

    def _forget(self, kind: str, key: str) -> None:
        self._remembered.pop((kind, key), None)

    async def _read(self, sql: str, values: tuple[SqlValue, ...] = ()) -> Any:
        return (await self._backend.read(self._database, [Statement(sql, values)]))[0]

    async def _write(self, sql: str, values: tuple[SqlValue, ...]) -> None:
        await self._backend.write(self._database, [Statement(sql, values)])


_TENANTS = "SELECT tenant, name, database, address, created_at, retired_at FROM tenants"
_TOKEN_COLUMNS = (
    "hash",
    "id",
    "hint",
    "tenant",
    "name",
    "scopes",
    "created_at",
    "expires_at",
    "last_used_at",
    "revoked_at",
)
_TOKENS = f"SELECT {', '.join(_TOKEN_COLUMNS)} FROM tokens"


def _tenant(row: Any) -> Tenant:
    tenant, name, database, address, created_at, retired_at = row
    return Tenant(tenant, name, Database(database, address), created_at, retired_at)


def _token(row: Any) -> tuple[str, TokenInfo]:
    hashed, token_id, hint, tenant, name, scopes, *times = row
    return hashed, TokenInfo(token_id, hint, tenant, name, scopes.split(), *times)


def _ordered(scopes: Iterable[str]) -> list[str]:
    wanted = set(scopes)
    if unknown := wanted - set(SCOPES):
        raise errors.ServerError(
            f"there is no scope {min(unknown)!r}", hint=f"scopes are {', '.join(SCOPES)}"
        )
    return [scope for scope in SCOPES if scope in wanted]


def check_name(tenant: str) -> None:
    """Raises ServerError for what no tenant can be called."""
    if not _NAME.fullmatch(tenant):
        raise errors.ServerError(
            f"a tenant cannot be called {tenant!r}",
            hint="use up to 100 letters, digits and . _ : @ -, a letter or digit first",
        )


def first_tenant(token: str) -> str:
    """The tenant that a token makes when it is the first of one: part of its hash."""
    return _hash(token)[:_TENANT_LENGTH]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _now() -> int:
    return time.time_ns() // 1_000_000
