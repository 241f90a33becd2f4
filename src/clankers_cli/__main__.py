"""Runs one command; the one place where errors become messages and exit codes.

0 is success, 1 an error, 2 a mistake on the command line, 130 an interrupt.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress

from clankers.errors import ClankersError
from clankers_cli._parser import PROGRAM, parse, print_help

TYPE_CHECKING = False  # typing itself is slow to import, and every command starts here

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, TextIO

COMMANDS = {
    "import": ("clankers_cli.commands.import_", "read the sessions of the agents on this machine"),
    "sessions": ("clankers_cli.commands.sessions", "list sessions or show one"),
    "usage": ("clankers_cli.commands.usage", "show where tokens and money went"),
    "prices": ("clankers_cli.commands.prices", "show or override the prices of models"),
    "search": ("clankers_cli.commands.search", "find anything that was said or done"),
    "query": ("clankers_cli.commands.query", "ask the database in SQL"),
    "prune": ("clankers_cli.commands.prune", "remove the sessions that fit a filter"),
    "delete": ("clankers_cli.commands.delete", "remove single sessions, or erase them"),
    "backup": ("clankers_cli.commands.backup", "make a copy of the database"),
    "vacuum": ("clankers_cli.commands.vacuum", "give free room back, or say what takes it"),
    "config": ("clankers_cli.commands.config", "show or change settings and profiles"),
    "reindex": ("clankers_cli.commands.reindex", "build the search index anew"),
    "doctor": ("clankers_cli.commands.doctor", "check paths, database and agents"),
}

_GARBAGE_THRESHOLD = 100_000
_ISSUES = "https://github.com/clankers-sdk/clankers/issues"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `clankers-cli` with these arguments, by default the process's; the exit code."""
    if sys.stdout is None:
        # Closed by the caller, who wants the work done and nothing said.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as we run
    _print_anything(sys.stdout)
    try:
        return _run(argv)
    except BrokenPipeError:
        # The reader has what it wanted: `| head` is no error.
        return 0
    finally:
        _abandon_unwritable(sys.stdout)
        _abandon_unwritable(sys.stderr)


def entry_point() -> NoReturn:
    """Runs the command of this process and ends it.

    The process ends without taking itself apart: what it holds the system frees at once, and
    the interpreter needs longer for that than a small command for its work. What was
    registered with `atexit` is run, and a thread that is still at work is waited for. With
    CLANKERS_DEBUG set the interpreter ends as ever, as profilers need it.
    """
    # What starting makes stays, so that looking through it for garbage is for nothing.
    gc.set_threshold(_GARBAGE_THRESHOLD)
    code = main()
    threads = sys.modules.get("threading")
    is_working = threads is not None and threads.active_count() > 1
    if is_working or os.environ.get("CLANKERS_DEBUG"):
        sys.exit(code)
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no public way
    _abandon_unwritable(sys.stdout)
    _abandon_unwritable(sys.stderr)
    os._exit(code)


def _run(argv: Sequence[str] | None) -> int:
    try:
        code = _run_command(argv)
        if sys.stdout is not None:  # closed by the caller
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        return _fail("interrupted", code=130)
    except ClankersError as problem:
        return _fail(str(problem), problem.hint)
    except UnicodeEncodeError as problem:
        return _fail(
            f"{problem.object!a} is not UTF-8",
            "no text that is stored can hold such bytes; see how the terminal encodes what is typed",
            code=2,
        )
    except OSError as problem:
        place = f": {problem.filename}" if problem.filename else ""
        return _fail(f"{problem.strerror or problem}{place}")
    except Exception as problem:  # noqa: BLE001  # the edge: nobody above could answer it
        return _fail(
            f"unexpected {type(problem).__name__}: {problem}",
            f"this is a mistake in {PROGRAM}; please report it at {_ISSUES} with what"
            " CLANKERS_DEBUG=1 shows",
        )
    return code


def _run_command(argv: Sequence[str] | None) -> int:
    try:
        args = parse(argv, COMMANDS)
    except SystemExit as leaving:  # argparse has printed help, version or the mistake
        return leaving.code if isinstance(leaving.code, int) else 0
    if args.command is None:
        print_help(COMMANDS)
        return _fail("name a command", code=2)
    code: int = args.run(args)
    return code


def _fail(message: str, hint: str = "", *, code: int = 1) -> int:
    """One line on stderr, and one with the hint; text of others is made visible, never obeyed."""
    from clankers.formats import visible  # only errors need it

    if os.environ.get("CLANKERS_DEBUG") and sys.exc_info()[0] is not None:
        import traceback

        traceback.print_exc()
    _abandon_unwritable(sys.stdout)  # what was printed comes before the error
    if sys.stderr is not None:  # closed by the caller
        with suppress(OSError):
            print(f"{PROGRAM}: {visible(message)}", file=sys.stderr)
            if hint:
                print(f"hint: {visible(hint, keep_newlines=True)}", file=sys.stderr)
    return code


def _print_anything(stream: TextIO | None) -> None:
    """No character can stop a print: what the terminal's encoding lacks comes escaped."""
    if stream is not None and hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


def _abandon_unwritable(stream: TextIO | None) -> None:
    """Flushes, or gives the rest up, so that the interpreter does not complain at its end."""
    if stream is None:
        return
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


if __name__ == "__main__":
    entry_point()
