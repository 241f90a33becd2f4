"""`clankers-cli tokens`: what the operator of a web service gives to its users."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from attrs import asdict

from clankers.errors import ServerError
from clankers.formats import report_table, visible, write_report_json
from clankers.times import short_time
from clankers_cli import _context, _serving

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from clankers.server import TokenInfo

_SCOPES = ("read", "write", "admin", "operator")


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    creating = actions.add_parser(
        "create",
        help="issue a token",
        description="Issue a token and print it, once. Without --tenant it is the first of a new tenant.",
    )
    creating.add_argument("--name", required=True, metavar="NAME", help="such as laptop")
    creating.add_argument("--tenant", metavar="TENANT", help="whose data it opens")
    creating.add_argument(
        "--scope",
        action="append",
        choices=_SCOPES,
        help="what it may do, once for each (default: read and write)",
    )
    creating.add_argument("--expires", metavar="TIME", help="such as 90d; by default never")
    creating.set_defaults(act=_create)

    listing = actions.add_parser("list", help="show all tokens, never the secrets")
    listing.add_argument("--tenant", metavar="TENANT", help="only this tenant's")
    listing.set_defaults(act=_list)

    revoking = actions.add_parser("revoke", help="end a token")
    revoking.add_argument("id", metavar="TOKEN_ID")
    revoking.set_defaults(act=_revoke)

    rotating = actions.add_parser("rotate", help="put a new token in the place of one")
    rotating.add_argument("id", metavar="TOKEN_ID")
    rotating.add_argument(
        "--grace", metavar="TIME", default="0s", help="how long the old one is good, such as 1h"
    )
    rotating.set_defaults(act=_rotate)
    for action in (creating, listing, revoking, rotating):
        _serving.add_backend_options(action)


def run(args: Namespace) -> int:
    args.act(args)
    return 0


def _create(args: Namespace) -> None:
    expires = None if args.expires is None else _serving.seconds(args.expires)
    if expires == 0:
        raise ServerError("a token that has ended already is of no use", hint="such as 90d")
    more = {} if args.scope is None else {"scopes": args.scope}
    operator = _serving.operator(args)
    token, info = operator.create_token(
        args.name, tenant=args.tenant, expires_seconds=expires, **more
    )
    _show(args, token, info)


def _list(args: Namespace) -> None:
    found = _serving.operator(args).tokens(args.tenant)
    if args.json:
        write_report_json(sys.stdout, [asdict(one) for one in found])
        return
    zone = _context.zone(args)
    rows = [
        (
            one.id,
            one.name,
            one.tenant,
            " ".join(one.scopes),
            short_time(one.created_at, zone),
            None if one.last_used_at is None else short_time(one.last_used_at, zone),
            None if one.expires_at is None else short_time(one.expires_at, zone),
            "" if one.revoked_at is None else f"revoked {short_time(one.revoked_at, zone)}",
        )
        for one in found
    ]
    names = ("id", "name", "tenant", "scopes", "created", "last used", "expires", "state")
    print(report_table(names, rows) if rows else "no tokens; 'tokens create' issues one")


def _revoke(args: Namespace) -> None:
    info = _serving.operator(args).revoke_token(args.id)
    if args.json:
        write_report_json(sys.stdout, asdict(info))
    else:
        print(f"revoked {info.id}, {visible(info.name)}")


def _rotate(args: Namespace) -> None:
    token, info = _serving.operator(args).rotate_token(
        args.id, grace_seconds=_serving.seconds(args.grace)
    )
    _show(args, token, info)


def _show(args: Namespace, token: str, info: TokenInfo) -> None:
    """The token alone on stdout, so that it can go straight into another command."""
    if args.json:
        write_report_json(sys.stdout, {"token": token, **asdict(info)})
        return
    print(token)
    print(
        f"{info.id} for tenant {visible(info.tenant)}: {' '.join(info.scopes)};"
        " the token is shown only now",
        file=sys.stderr,
    )
