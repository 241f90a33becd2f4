"""`clankers-cli hook`: one event of an agent, from standard input; never a word, never an error."""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False  # typing itself is slow to import, and an agent waits for this

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_DEFAULT = "claude-code"


def configure(parser: ArgumentParser) -> None:
    parser.description = (
        "Read one event of an agent's hook from standard input and record it. It prints nothing\n"
        "and ends with 0 whatever happens, so that it never disturbs the agent."
    )
    parser.add_argument("agent", metavar="AGENT", nargs="?", default=_DEFAULT, help="whose hook")


def run(args: Namespace) -> int:
    from clankers.hooks import deliver, requests_of

    try:
        event = json.loads(sys.stdin.buffer.read())
        if isinstance(event, dict):
            deliver(requests_of(args.agent, event))
    except Exception:
        if os.environ.get("CLANKERS_DEBUG"):
            raise
    return 0
