"""`clankers-cli token`: the token that this machine shows a server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clankers.auth import is_token, new_token
from clankers.errors import AuthError
from clankers_cli import _context, _terminal

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    setting = actions.add_parser(
        "set",
        help="keep a token in the active profile",
        description="Keep a token in the active profile and sign in by it. It is asked for, or read from\n"
        "a pipe, and never given on the command line, where other users could see it.",
    )
    setting.set_defaults(act=_set)
    actions.add_parser(
        "generate",
        help="print a new token, for a server with open registration",
    ).set_defaults(act=_generate)


def run(args: Namespace) -> int:
    args.act(args)
    return 0


def _set(args: Namespace) -> None:
    config = _context.config(args, may_be_new=True)
    token = _asked_for().strip()
    if not token:
        raise AuthError("no token was given", hint="nothing was changed")
    if not is_token(token):
        raise AuthError(
            "this is no token, or one that was mistyped",
            hint="a token begins with clk_ and has 42 letters and digits; nothing was changed",
        )
    config.set_token(token)
    config.save()
    endpoint = config.get("endpoint")
    print(
        f"kept for {endpoint}"
        if endpoint
        else "kept; it will go to the first endpoint that is set, and to no other",
        file=sys.stderr,
    )


def _generate(args: Namespace) -> None:
    del args
    print(new_token())


def _asked_for() -> str:
    if _terminal.is_terminal(sys.stdin):
        from getpass import getpass  # only here

        try:
            return getpass("token: ")
        except EOFError:
            return ""
    return sys.stdin.readline()
