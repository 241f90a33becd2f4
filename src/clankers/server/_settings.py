"""How a service is set up: by options, and by variables of the environment that name the same."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from attrs import field, frozen

from clankers import _paths, _settings, errors
from clankers.auth._transport import is_loopback
from clankers.server.backends import OPEN_DATABASES

if TYPE_CHECKING:
    from collections.abc import Mapping

AuthMode = Literal["none", "token", "workos"]
BackendName = Literal["sqlite", "turso"]
PREFIX = "CLANKERS_SERVER_"


@frozen
class Limits:
    """How much one tenant may ask for in a minute; of batches ten times as much at once.

    Attributes:
        batch_rows: records to /sync/batch.
        batch_bytes: unpacked bytes to /sync/batch.
        auth: requests to /api/tokens and /api/profiles that make something, by address.
        api: requests to /query and /api.
        pulls: requests to /sync/changes and /sync/status.
        failed_auth: tokens that are not good, by address.
        registrations: tenants that open registration makes, by address and hour.
        tenants: in all, as far as open registration makes them.
    """

    batch_rows: int = 60_000
    batch_bytes: int = 60_000_000
    auth: int = 10
    api: int = 120
    pulls: int = 600
    failed_auth: int = 10
    registrations: int = 5
    tenants: int = 10_000


@frozen
class Settings:
    """A service's setup.

    Attributes:
        data: the folder of the embedded databases.
        insecure: listens on a public address with auth none all the same.
        allowed_hosts: names the service is reached by, besides this machine's own.
        allowed_origins: web pages elsewhere that may call it; none by default.
        trusted_proxies: addresses whose X-Forwarded headers are believed.
        open_registration: whoever comes may make a tenant of their own.
        public_url: what a new profile names as its endpoint.
    """

    host: str = "127.0.0.1"
    port: int = 8750
    data: Path = field(factory=lambda: _paths.data_dir() / "server")
    auth: AuthMode = "none"
    backend: BackendName = "sqlite"
    insecure: bool = False
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    open_registration: bool = False
    public_url: str | None = None
    open_databases: int = OPEN_DATABASES
    turso_organization: str | None = None
    turso_group: str = "default"
    turso_api_token: str | None = field(default=None, repr=False)
    libsql_url: str | None = None
    libsql_admin_url: str | None = None
    libsql_admin_key: str | None = field(default=None, repr=False)
    libsql_auth_token: str | None = field(default=None, repr=False)
    limits: Limits = field(factory=Limits)

    def check(self) -> None:
        """Raises ServerError for a setup that must not or cannot be run."""
        if not 0 <= self.port <= _NUMBERS["port"]:
            raise errors.ServerError(f"there is no port {self.port}", hint="use 0 to 65535")
        self._check_addresses()
        if self.auth == "workos":
            raise errors.ServerError(
                "this version cannot check WorkOS sign-ins yet", hint="use --auth token"
            )
        if self.auth == "none" and not is_loopback(self.host) and not self.insecure:
            raise errors.ServerError(
                f"with auth none anybody who reaches {self.host} could read and write",
                hint="use --auth token, or --insecure where the network itself is trusted",
            )
        if self.backend == "turso" and not (self.turso_api_token or self.libsql_url):
            raise errors.ServerError(
                "the backend turso needs a database server",
                hint="set --turso-organization and CLANKERS_SERVER_TURSO_API_TOKEN, or --libsql-url",
            )
        if self.turso_api_token and not self.libsql_url and not self.turso_organization:
            raise errors.ServerError(
                "a Turso API token needs an organization", hint="set --turso-organization"
            )

    def _check_addresses(self) -> None:
        named = [("public_url", self.public_url)] if self.public_url else []
        for name, url in [*named, *(("allowed_origins", one) for one in self.allowed_origins)]:
            try:
                _settings.check(_settings.setting("endpoint"), url)
            except ValueError as problem:
                raise errors.ServerError(f"{name} {problem}") from None
        for origin in self.allowed_origins:
            if origin.count("/") != len("//"):
                raise errors.ServerError(
                    f"an origin has no path, as {origin!r} has", hint="such as https://example.com"
                )
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy, strict=False)
            except ValueError:
                raise errors.ServerError(
                    f"a trusted proxy is an address or a network, not {proxy!r}",
                    hint="such as 127.0.0.1 or 172.16.0.0/12",
                ) from None

    def url(self) -> str:
        """Where the service is reached: `public_url`, else by its host and port."""
        return self.public_url or address(self.host, self.port)


# Not listened to here: a name for all addresses of a machine, which itself is none.
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104


def address(host: str, port: int) -> str:
    """The address of a service that listens at a host, as this machine reaches it."""
    host = "127.0.0.1" if host in WILDCARDS else host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


_TEXTS = {
    "host",
    "public_url",
    "turso_organization",
    "turso_group",
    "turso_api_token",
    "libsql_url",
    "libsql_admin_url",
    "libsql_admin_key",
    "libsql_auth_token",
}
_LISTS = {"allowed_hosts", "allowed_origins", "trusted_proxies"}
_SWITCHES = {"insecure", "open_registration"}
_NUMBERS = {"port": 65_535, "open_databases": 1_000_000}
_CHOICES = {"auth": ("none", "token", "workos"), "backend": ("sqlite", "turso")}
_WORDS = {"1": True, "true": True, "yes": True, "on": True}
_WORDS |= {"0": False, "false": False, "no": False, "off": False}


def settings_from(
    given: Mapping[str, object], environment: Mapping[str, str] | None = None
) -> Settings:
    """Settings of what is given, under it those of ``CLANKERS_SERVER_*``, under it the defaults.

    Args:
        given: by the names of `Settings`; what is None was not given.
        environment: by default the process's; limits are there as
            ``CLANKERS_SERVER_LIMIT_API=240``.

    Raises:
        ServerError: a variable cannot be read; it names the variable.
    """
    environment = _paths.environment() if environment is None else environment
    values: dict[str, object] = {}
    for name in (*_TEXTS, *_LISTS, *_SWITCHES, *_NUMBERS, *_CHOICES, "data"):
        if given.get(name) is not None:
            values[name] = given[name]
        elif text := environment.get(PREFIX + name.upper()):
            values[name] = _read(name, text)
    limits = {
        name: _number(f"LIMIT_{name.upper()}", text, 10**12)
        for name in Limits.__annotations__
        if (text := environment.get(f"{PREFIX}LIMIT_{name.upper()}"))
    }
    return Settings(limits=Limits(**limits), **values)  # type: ignore[arg-type]


def _read(name: str, text: str) -> object:
    if name in _LISTS:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if name in _NUMBERS:
        return _number(name.upper(), text, _NUMBERS[name])
    if name == "data":
        return Path(text).expanduser().absolute()
    if name in _CHOICES and text not in _CHOICES[name]:
        raise _wrong(name, f"one of {', '.join(_CHOICES[name])}", text)
    if name in _SWITCHES:
        if text.lower() not in _WORDS:
            raise _wrong(name, f"one of {' '.join(_WORDS)}", text)
        return _WORDS[text.lower()]
    return text


def _number(name: str, text: str, most: int) -> int:
    if text.isascii() and text.isdecimal() and 0 < int(text) <= most:
        return int(text)
    raise _wrong(name, f"a number from 1 to {most:,}", text)


def _wrong(name: str, rule: str, text: str) -> errors.ServerError:
    variable = PREFIX + name.upper()
    return errors.ServerError(
        f"{variable} must be {rule}, not {text!r}", hint=f"correct or unset {variable}"
    )
