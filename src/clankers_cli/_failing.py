"""What an exception is called for the person who ran the command, and its exit code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from clankers.errors import ClankersError
from clankers.formats import visible
from clankers_cli._parser import PROGRAM
from clankers_cli._terminal import abandon_unwritable

_ISSUES = "https://github.com/clankers-sdk/clankers/issues"
# So much of a text is shown around what is wrong with it.
_AROUND = 20


class Failure:
    """A message, what to do next or "", and the exit code."""

    def __init__(self, message: str, hint: str = "", *, code: int = 1) -> None:
        self.message = message
        self.hint = hint
        self.code = code


def failure(problem: BaseException) -> Failure:
    """What is said of `problem`; the one place where errors become messages."""
    match problem:
        case KeyboardInterrupt():
            return Failure("interrupted", code=130)
        case ClankersError():
            return Failure(str(problem), problem.hint)
        case UnicodeDecodeError():
            return Failure(f"this is not UTF-8: {problem.reason} at byte {problem.start}")
        case UnicodeEncodeError():
            hint = (
                "no text that is stored can hold such bytes;"
                " see how the terminal encodes what is typed"
            )
            around = problem.object[max(problem.start - _AROUND, 0) : problem.end + _AROUND]
            return Failure(f"{around!a} is not UTF-8", hint, code=2)
        case OSError():
            place = f": {problem.filename}" if problem.filename else ""
            return Failure(f"{problem.strerror or problem}{place}")
        case _:
            hint = (
                f"this is a mistake in {PROGRAM}; please report it at {_ISSUES} with what"
                " CLANKERS_DEBUG=1 shows"
            )
            return Failure(f"unexpected {type(problem).__name__}: {problem}", hint)


def fail(told: Failure) -> int:
    """One line on stderr, and one with the hint; text of others is made visible, never obeyed."""
    if os.environ.get("CLANKERS_DEBUG") and sys.exc_info()[0] is not None:
        import traceback

        traceback.print_exc()
    abandon_unwritable(sys.stdout)  # what was printed comes before the error
    if sys.stderr is not None:  # closed by the caller
        with suppress(OSError):
            print(f"{PROGRAM}: {visible(told.message)}", file=sys.stderr)
            if told.hint:
                print(f"hint: {visible(told.hint, keep_newlines=True)}", file=sys.stderr)
    return told.code
