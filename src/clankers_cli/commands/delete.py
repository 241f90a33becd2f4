"""`clankers-cli delete`: remove single sessions, or erase them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clankers.store import Store
from clankers_cli import _amounts, _context, _removing

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.description = (
        "Remove sessions with their subagents. What they used still counts, and no import\n"
        "brings them back; 'clankers-cli prune --forget ID' changes that."
    )
    parser.add_argument(
        "sessions", metavar="SESSION", nargs="+", help="the id, or enough of its beginning"
    )
    parser.add_argument(
        "--purge",
        action="store_true",
        help="leave no byte of it in the database file; takes as long as vacuum",
    )
    _removing.add_options(parser)


def run(args: Namespace) -> int:
    with Store.open(_context.database_path(args), read_only=args.dry_run, create=False) as store:
        planned = store.delete(args.sessions, purge=args.purge, dry_run=True)
        if args.dry_run:
            _removing.tell(args, planned, done=False)
            return 0
        if not _removing.may_go_on(args, planned):
            return 1
        if not args.purge:  # a copy would keep what is to be gone
            _removing.back_up_first(args, store)
        removal = store.delete(args.sessions, purge=args.purge)
        _removing.tell(args, removal, done=True)
        if args.purge:
            _warn_of_copies(store)
    if removal.is_erased is False:
        print(
            "clankers-cli: traces are left in the file: another process uses it, or the disk is"
            " full\nhint: close what uses it, then run 'clankers-cli vacuum'",
            file=sys.stderr,
        )
        return 1
    return 0


def _warn_of_copies(store: Store) -> None:
    copies = store.backups()
    if copies:
        print(
            f"clankers-cli: {_amounts.counted(len(copies), 'backup')} in {copies[0].path.parent}"
            " may still hold what was purged",
            file=sys.stderr,
        )
