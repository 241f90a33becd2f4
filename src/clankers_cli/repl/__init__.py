"""The prompt of `query --interactive`, and scripts that come through a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clankers.errors import ClankersError
from clankers.query import Query
from clankers_cli import _context, _terminal
from clankers_cli.repl._session import Session

if TYPE_CHECKING:
    from argparse import Namespace


def start(args: Namespace) -> int:
    """Reads statements and commands until the input ends; the exit code.

    At a terminal an error is told and the next line read. Piped input ends at its first error,
    with the code of that.
    """
    is_piped = not _terminal.is_terminal(sys.stdin)
    if not (is_piped or args.interactive):
        raise ClankersError(
            "there is nothing to ask",
            hint="give a statement, --named NAME, or --interactive for a prompt",
        )
    with Query(_context.asked_path(args)) as query, Session(args, query) as session:
        if is_piped:
            session.run_script(sys.stdin.read())
            return 0
        return _read_lines(session)


def _read_lines(session: Session) -> int:
    try:
        from clankers_cli.repl._prompt import prompt
    except ImportError:
        from clankers_cli.repl._plain import prompt

        print(
            "pip install 'clankers-sdk[repl]' brings completion as you type and colours",
            file=sys.stderr,
        )
    print(".help lists what there is besides SQL, .exit leaves", file=sys.stderr)
    for text in prompt(session):
        if not session.run_line(text):
            break
    return 0
