"""`clankers-cli prune`: remove the sessions that fit a filter."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from clankers.formats import visible, write_report_json
from clankers.store import Store
from clankers_cli import _amounts, _context, _removing

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.description = (
        "Remove the sessions that fit all filters, with their subagents. What they used still\n"
        "counts, and no import brings them back. The file keeps its size until it is vacuumed."
    )
    parser.add_argument("--source", metavar="AGENT", help="of one agent")
    parser.add_argument("--project", metavar="P", help="of a project, by name or whole path")
    parser.add_argument("--model", metavar="M", help="with a model whose name begins so")
    parser.add_argument(
        "--before",
        "--older-than",
        metavar="D",
        help="in which nothing happened since a date, a time or N{h,d,w,m} ago",
    )
    parser.add_argument("--empty", action="store_true", help="without any message")
    parser.add_argument(
        "--unsent", action="store_true", help="also those of which something waits to be synced"
    )
    parser.add_argument(
        "--forget",
        metavar="ID",
        action="append",
        help="instead, let imports bring back a session that was pruned or deleted",
    )
    _removing.add_options(parser)


def run(args: Namespace) -> int:
    if args.forget:
        return _forget(args)
    filters: dict[str, Any] = {
        "source": args.source,
        "project": args.project,
        "model": args.model,
        "before": _context.moment(args, args.before),
        "empty": args.empty,
        "unsent": args.unsent,
    }
    with Store.open(_context.database_path(args), read_only=args.dry_run, create=False) as store:
        planned = store.prune(**filters, dry_run=True)
        if args.dry_run or not planned.sessions:
            _removing.tell(args, planned, done=False)
            if not planned.sessions:
                _context.hint_at_agent(args.source)
            return 0
        if not _removing.may_go_on(args, planned):
            return 1
        _removing.back_up_first(args, store)
        shown = [one.id for one in planned.sessions]
        _removing.tell(args, store.prune(**filters, among=shown), done=True)
    if not args.json:
        print("'clankers-cli vacuum' gives the room back to the disk")
    return 0


def _forget(args: Namespace) -> int:
    with Store.open(_context.database_path(args), create=False) as store, store.atomic():
        freed = [one for given in args.forget for one in store.forget_pruned(given)]
    if args.json:
        write_report_json(sys.stdout, {"forgotten": freed})
        return 0
    for one in freed:
        print(visible(one))
    print(
        f"{_amounts.counted(len(freed), 'session')} may be imported again:"
        " 'clankers-cli import --full' reads what is still there"
    )
    return 0
