"""Questions to the person at the terminal."""

from __future__ import annotations

import sys

from clankers_cli import _terminal


def is_somebody_there() -> bool:
    """Whether a question would be read and could be answered."""
    return _terminal.is_terminal(sys.stdin) and _terminal.is_terminal(sys.stderr)


def ask(question: str) -> str:
    """What is answered, in small letters; "" at the end of the input."""
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower()
