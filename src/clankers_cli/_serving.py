"""The options of all commands that work on the databases of a web service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clankers.errors import ServerError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from types import ModuleType

    from clankers.server import Operator, Settings

# Options whose names say one thing where the setting is a list of them.
_NAMES = {
    "allow_host": "allowed_hosts",
    "allow_origin": "allowed_origins",
    "trusted_proxy": "trusted_proxies",
}
_SETTINGS = (
    "host",
    "port",
    "insecure",
    "public_url",
    "open_registration",
    "open_databases",
    "auth",
    "backend",
    "turso_organization",
    "turso_group",
    "libsql_url",
    "libsql_admin_url",
)


def add_backend_options(parser: ArgumentParser) -> None:
    """Where the databases are. Secrets are taken from the environment alone."""
    group = parser.add_argument_group("databases")
    group.add_argument("--data", metavar="DIR", help="folder of the embedded databases")
    group.add_argument(
        "--auth", choices=("none", "token", "workos"), help="how callers are known (default: none)"
    )
    group.add_argument(
        "--backend", choices=("sqlite", "turso"), help="where tenants live (default: sqlite)"
    )
    group.add_argument("--turso-organization", metavar="NAME", help="of Turso Cloud")
    group.add_argument("--turso-group", metavar="NAME", help="that databases are made in")
    group.add_argument("--libsql-url", metavar="URL", help="a libSQL server of your own")
    group.add_argument("--libsql-admin-url", metavar="URL", help="its admin API")


def library() -> ModuleType:
    """`clankers.server`, whose libraries are an extra."""
    from importlib.util import find_spec

    if missing := [name for name in ("litestar", "uvicorn", "httpx") if find_spec(name) is None]:
        raise ServerError(
            f"the web service needs {missing[0]}, which is not installed",
            hint="pip install 'clankers-sdk[server]'",
        )
    from clankers import server

    return server


def settings(args: Namespace) -> Settings:
    """The settings that options and environment name."""
    server = library()
    given: dict[str, object] = {name: getattr(args, name, None) for name in _SETTINGS}
    for option, name in _NAMES.items():
        if (values := getattr(args, option, None)) is not None:
            given[name] = tuple(values)
    if args.data is not None:
        given["data"] = Path(args.data).expanduser().absolute()
    found: Settings = server.settings_from(given)
    return found


def operator(args: Namespace) -> Operator:
    """What acts on the databases that options and environment name."""
    found: Operator = library().Operator(settings(args))
    return found


_LONGEST = 7
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def seconds(text: str) -> int:
    """A length of time such as 90d, 12h or 30m."""
    number, unit = text[:-1], text[-1:]
    if unit in _UNITS and number.isascii() and number.isdecimal() and len(number) < _LONGEST:
        return int(number) * _UNITS[unit]
    raise ServerError(f"{text!r} is no length of time", hint="write one as 90d, 12h, 30m or 10s")
