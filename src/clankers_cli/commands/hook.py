"""`clankers-cli hook`: one event of an agent, from standard input; never a word, never an error."""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False  # typing itself is slow to import, and an agent waits for this

if TYPE_CHECKING:
    from argparse import Namespace

    from clankers_cli._parser import CommandParser

_DEFAULT = "claude-code"


def configure(parser: CommandParser) -> None:
    parser.description = (
        "Read one event of an agent's hook from standard input and record it. It prints nothing\n"
        "and ends with 0 whatever happens, so that it never disturbs the agent."
    )
    parser.add_argument("agent", metavar="AGENT", nargs="?", default=_DEFAULT, help="whose hook")

    # A mistake in its arguments is none of the agent's, which may take a 2 for a veto.
    parser.is_silent = True


def run(args: Namespace) -> int:
    from pathlib import Path

    from clankers.hooks import deliver, requests_of

    try:
        event = json.loads(sys.stdin.buffer.read())
        if isinstance(event, dict):
            requests = requests_of(args.agent, event)
            deliver(requests, database=None if args.db is None else Path(args.db).expanduser())
    except Exception:
        if os.environ.get("CLANKERS_DEBUG"):
            raise
    return 0
