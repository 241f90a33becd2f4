"""`clankers-cli archive`: put old sessions aside, list them, have them back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from clankers.formats import visible, write_report_json
from clankers.store import Store
from clankers_cli import _amounts, _context, _removing
from clankers_cli._failing import Failure, fail
from clankers_cli.commands import sessions

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.description = (
        "Move old sessions, with their subagents, into a second database beside the first one.\n"
        "What they used still counts. One that goes on comes back by itself. The file keeps its\n"
        "size until it is vacuumed."
    )
    parser.add_argument(
        "--older-than",
        metavar="D",
        help="in which nothing happened since a date, a time or N{h,d,w,m} ago",
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would go, move nothing")
    parser.set_defaults(act=_move)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")

    listing = actions.add_parser("list", help="the newest sessions in the archive")
    sessions.add_filters(listing)
    listing.set_defaults(act=_list)

    restoring = actions.add_parser("restore", help="bring sessions back, with their subagents")
    restoring.add_argument(
        "sessions", metavar="ID", nargs="+", help="the id, or enough of its beginning"
    )
    restoring.set_defaults(act=_restore)


def run(args: Namespace) -> int:
    code: int = args.act(args)
    return code


def _move(args: Namespace) -> int:
    before = _context.moment(args, args.older_than)
    if before is None:
        return fail(
            Failure(
                "say which sessions are to go",
                "'clankers-cli archive --older-than 90d' archives those, 'archive list' shows"
                " what is there, 'archive restore ID' brings it back",
                code=2,
            )
        )
    with Store.open(_context.database_path(args), read_only=args.dry_run, create=False) as store:
        done = store.archive(before=before, dry_run=args.dry_run)
    if args.json:
        listed = [one._asdict() for one in done.sessions]
        write_report_json(
            sys.stdout, {**done._asdict(), "sessions": listed, "dry_run": args.dry_run}
        )
        return 0
    if args.dry_run:
        if done.sessions:
            print(_removing.listed(args, done.sessions))
        print(f"would archive {_removing.total(done)}")
    else:
        print(f"archived {_removing.total(done)}")
        if done.sessions:
            print("'clankers-cli vacuum' gives the room back to the disk")
    return 0


def _list(args: Namespace) -> int:
    with Store.open(_context.database_path(args), read_only=True) as store:
        sessions.show_list(args, store.archived_sessions, none="no sessions in the archive")
    return 0


def _restore(args: Namespace) -> int:
    with Store.open(_context.database_path(args), create=False) as store:
        came = store.bring_back(args.sessions)
    if args.json:
        report: dict[str, Any] = {"restored": came}
        write_report_json(sys.stdout, report)
        return 0
    for one in came:
        print(visible(one))
    print(f"restored {_amounts.counted(len(came), 'session')}")
    return 0
