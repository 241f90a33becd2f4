"""Runs one command, and ends its process.

0 is success, 1 an error, 2 a mistake on the command line, 130 an interrupt.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

from clankers_cli._parser import parse, print_help
from clankers_cli._terminal import abandon_unwritable

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
    "daemon": ("clankers_cli.commands.daemon", "record live what agents report and write"),
    "hook": ("clankers_cli.commands.hook", "record one event that an agent's hook reports"),
    "install": ("clankers_cli.commands.install", "have an agent report while it works"),
    "sync": ("clankers_cli.commands.sync", "send to a server, and take in what others sent"),
    "serve": ("clankers_cli.commands.serve", "run the web service that devices sync with"),
    "tokens": ("clankers_cli.commands.tokens", "issue and revoke the tokens of a web service"),
    "tenants": ("clankers_cli.commands.tenants", "list, move and drop tenants of a web service"),
    "token": ("clankers_cli.commands.token", "keep the token that a server gave you"),
    "prune": ("clankers_cli.commands.prune", "remove the sessions that fit a filter"),
    "delete": ("clankers_cli.commands.delete", "remove single sessions, or erase them"),
    "archive": ("clankers_cli.commands.archive", "put old sessions aside, or have them back"),
    "backup": ("clankers_cli.commands.backup", "copies of the database: make, list, restore"),
    "vacuum": ("clankers_cli.commands.vacuum", "give free room back, or say what takes it"),
    "config": ("clankers_cli.commands.config", "show or change settings and profiles"),
    "reindex": ("clankers_cli.commands.reindex", "build the search index anew"),
    "doctor": ("clankers_cli.commands.doctor", "check paths, database and agents"),
}

_GARBAGE_THRESHOLD = 100_000


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
        abandon_unwritable(sys.stdout)
        abandon_unwritable(sys.stderr)


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
    abandon_unwritable(sys.stdout)
    abandon_unwritable(sys.stderr)
    os._exit(code)


def _run(argv: Sequence[str] | None) -> int:
    try:
        code = _run_command(argv)
        if sys.stdout is not None:  # closed by the caller
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as problem:  # noqa: BLE001  # the edge
        from clankers_cli._failing import fail, failure

        return fail(failure(problem))
    return code


def _run_command(argv: Sequence[str] | None) -> int:
    try:
        args = parse(argv, COMMANDS)
    except SystemExit as leaving:  # argparse has printed help, version or the mistake
        return leaving.code if isinstance(leaving.code, int) else 0
    if args.command is None:
        print_help(COMMANDS)
        from clankers_cli._failing import Failure, fail

        return fail(Failure("name a command", code=2))
    code: int = args.run(args)
    return code


def _print_anything(stream: TextIO | None) -> None:
    """No character can stop a print: what the terminal's encoding lacks comes escaped."""
    if stream is not None and hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    entry_point()
