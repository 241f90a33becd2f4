"""`clankers-cli backup`: copies of the database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clankers.errors import ClankersError
from clankers.formats import report_table, visible, write_report_json
from clankers.store import Store, backups, find_backup, restore
from clankers.times import short_time
from clankers_cli import _amounts, _asking, _context

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

    actions.add_parser("list", help="the copies beside the database").set_defaults(act=_list)

    restoring = actions.add_parser(
        "restore",
        help="bring a copy back",
        description="Make the database hold what a copy holds. The copy is checked first, and what\n"
        "the database holds now is copied into 'backups'.",
    )
    restoring.add_argument("copy", metavar="COPY", help="a file, or the name of one in 'backups'")
    restoring.add_argument("--yes", action="store_true", help="do not ask")
    restoring.set_defaults(act=_restore)


def run(args: Namespace) -> int:
    code: int = args.act(args)
    return code


def _create(args: Namespace) -> int:
    with Store.open(_context.database_path(args), read_only=True) as store:
        copy = store.back_up(None if args.path is None else Path(args.path).expanduser())
    size = copy.stat().st_size
    if args.json:
        write_report_json(sys.stdout, {"path": str(copy), "bytes": size})
    else:
        print(f"{visible(str(copy))}  {_amounts.size(size)}")
    return 0


def _list(args: Namespace) -> int:
    copies = backups(_context.database_path(args))
    if args.json:
        write_report_json(
            sys.stdout,
            [
                {**one._asdict(), "path": str(one.path), "is_automatic": one.is_automatic}
                for one in copies
            ],
        )
    elif copies:
        zone = _context.zone(args)
        rows = [
            (
                one.path.name,
                short_time(one.made_at, zone),
                _amounts.size(one.bytes),
                "before a change" if one.is_automatic else "",
            )
            for one in copies
        ]
        print(report_table(("name", "made", "size", "made by clankers"), rows))
    else:
        print("no copies; 'clankers-cli backup create' makes one")
    return 0


def _restore(args: Namespace) -> int:
    path = _context.database_path(args)
    copy = find_backup(path, Path(args.copy).expanduser())
    if not (args.yes or _may_restore(path, copy)):
        print("nothing was changed", file=sys.stderr)
        return 1
    done = restore(path, copy)
    if args.json:
        write_report_json(
            sys.stdout, {name: place and str(place) for name, place in done._asdict().items()}
        )
        return 0
    print(f"{visible(str(path))} holds what {visible(done.copy.name)} holds")
    if done.before is not None:
        print(f"a copy of before: {visible(str(done.before))}")
    if done.damaged is not None:
        print(f"the damaged database is now {visible(str(done.damaged))}")
    return 0


def _may_restore(path: Path, copy: Path) -> bool:
    if not _asking.is_somebody_there():
        raise ClankersError(
            "nothing was changed: nobody is there to say yes", hint="--yes restores at once"
        )
    question = f"replace all of {visible(str(path))} by {visible(str(copy))}? type yes: "
    return _asking.ask(question) == "yes"
