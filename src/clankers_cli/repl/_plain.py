"""The prompt as far as Python itself has one: lines, history and completion by Tab."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers.query import history_file
from clankers_cli.repl._session import is_whole

try:
    import readline
except ImportError:  # Windows
    readline = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clankers.query import Completion
    from clankers_cli.repl._session import Session

PROMPT = "clankers> "
CONTINUED = "       -> "
_HISTORY = "history-plain"
_MOST_REMEMBERED = 5_000


def prompt(session: Session) -> Iterator[str]:
    """What is typed, statement by statement, until the input ends."""
    if readline is not None:
        _prepare(session)
    while True:
        text = ""
        try:
            while not is_whole(text) or not text:
                text += input(CONTINUED if text else PROMPT) + "\n"
        except KeyboardInterrupt:
            print()
            continue
        except EOFError:
            print()
            return
        if not text.strip():
            continue
        if readline is not None:
            # A line each, as its file has them; behind a comment none can go on.
            readline.add_history(
                text.strip() if "--" in text else " ".join(text.split("\n")).strip()
            )
            readline.append_history_file(1, str(history_file(_HISTORY)))
        yield text.strip()


def _prepare(session: Session) -> None:
    history = str(history_file(_HISTORY))
    readline.read_history_file(history)
    readline.set_history_length(_MOST_REMEMBERED)
    readline.set_auto_history(False)
    readline.set_completer_delims(" \t\n\"'`(),;=<>+-*/|")
    readline.parse_and_bind("tab: complete")
    found: list[Completion] = []

    def complete(word: str, state: int) -> str | None:
        if state == 0:
            found[:] = session.complete(readline.get_line_buffer(), readline.get_endidx())
        if state >= len(found):
            return None
        # readline replaces its own idea of a word, which begins behind a quote.
        one = found[state]
        return one.text[max(readline.get_begidx() - one.start, 0) :] if word else one.text

    readline.set_completer(complete)
