"""`clankers-cli serve`: the web service in the foreground."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clankers_cli import _serving, _terminal

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.description = (
        "Serve what devices sync with, until Ctrl-C or SIGTERM. Each option can also be set in the\n"
        "environment: --libsql-url as CLANKERS_SERVER_LIBSQL_URL."
    )
    parser.add_argument("--host", metavar="HOST", help="where to listen (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, metavar="PORT", help="0 takes a free one (default: 8750)"
    )
    parser.add_argument(
        "--insecure",
        action="store_true",
        default=None,
        help="listen on a public address with auth none",
    )
    parser.add_argument(
        "--allow-host", action="append", metavar="NAME", help="a name the server is reached by"
    )
    parser.add_argument(
        "--allow-origin", action="append", metavar="URL", help="a web page that may call it"
    )
    parser.add_argument(
        "--trusted-proxy",
        action="append",
        metavar="ADDRESS",
        help="a proxy whose X-Forwarded headers are believed",
    )
    parser.add_argument("--public-url", metavar="URL", help="what new profiles name as endpoint")
    parser.add_argument(
        "--open-registration",
        action="store_true",
        default=None,
        help="a new token makes a tenant of its own",
    )
    parser.add_argument(
        "--open-databases", type=int, metavar="N", help="at most so many files are kept open"
    )
    _serving.add_backend_options(parser)


def run(args: Namespace) -> int:
    server = _serving.library()
    settings = _serving.settings(args)
    server.serve(settings, listening=_tell)
    return 0


def _tell(address: str) -> None:
    print(f"serving at {address}", flush=True)
    if _terminal.is_terminal(sys.stderr):
        print("Ctrl-C ends it", file=sys.stderr)
