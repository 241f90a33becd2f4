"""`clankers-cli backup`: copies of the database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clankers.formats import visible, write_report_json
from clankers.store import Store
from clankers_cli import _amounts, _context

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    creating = actions.add_parser(
        "create",
        help="make a copy",
        description="Make a whole, checked copy, whoever else reads and writes meanwhile. No file\n"
        "is replaced.",
    )
    creating.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        help="a new file, or a folder for it; by default 'backups' beside the database",
    )
    creating.set_defaults(act=_create)


def run(args: Namespace) -> int:
    with Store.open(_context.database_path(args), read_only=True) as store:
        args.act(args, store)
    return 0


def _create(args: Namespace, store: Store) -> None:
    copy = store.back_up(None if args.path is None else Path(args.path).expanduser())
    size = copy.stat().st_size
    if args.json:
        write_report_json(sys.stdout, {"path": str(copy), "bytes": size})
    else:
        print(f"{visible(str(copy))}  {_amounts.size(size)}")
