"""`clankers-cli install`: our hooks in an agent's own settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clankers import hooks
from clankers.formats import visible

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.description = (
        "Have an agent report its sessions and tool calls the moment they happen. The change of\n"
        "its settings is shown, and nothing else in them is touched."
    )
    parser.add_argument("agent", choices=hooks.INSTALLABLE, help="the agent")
    parser.add_argument("--remove", action="store_true", help="take our hooks out again")
    parser.add_argument("--dry-run", action="store_true", help="show the change, make none")


def run(args: Namespace) -> int:
    database = None if args.db is None else Path(args.db).expanduser().absolute()
    planned = hooks.plan(args.agent, remove=args.remove, database=database)
    if not planned.diff:
        print(f"{visible(str(planned.path))} is as it should be")
        return 0
    print(visible(planned.diff, keep_newlines=True))
    if args.dry_run:
        print("nothing was changed: this was a dry run", file=sys.stderr)
        return 0
    planned.apply()
    print(f"changed {visible(str(planned.path))}", file=sys.stderr)
    return 0
