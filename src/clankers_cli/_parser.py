"""argparse as the commands here need it: global options anywhere, command modules on demand."""

from __future__ import annotations

import argparse
import re
import sys
from importlib import import_module

from clankers import __version__
from clankers_cli import _terminal

TYPE_CHECKING = False  # typing itself is slow to import, and every command starts here

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

PROGRAM = "clankers-cli"

_INVALID_CHOICE = re.compile(r"invalid choice: '(.*)' \(choose from (.*)\)")


def parse(
    argv: Sequence[str] | None, commands: Mapping[str, tuple[str, str]]
) -> argparse.Namespace:
    """What was asked for, with `run` of the chosen command; None as `command` where none was.

    `commands` maps a name to its module and to the line that `--help` shows. Prints and
    raises SystemExit for `--help`, `--version` and mistakes.
    """
    return _parser(commands).parse_args(
        argv, argparse.Namespace(db=None, config=None, profile=None, json=False, command=None)
    )


def print_help(commands: Mapping[str, tuple[str, str]]) -> None:
    """On stderr, for a run without a command."""
    _parser(commands).print_help(sys.stderr)


def _parser(commands: Mapping[str, tuple[str, str]]) -> argparse.ArgumentParser:
    parser = CommandParser(
        prog=PROGRAM,
        description="The flight recorder for AI coding agents: import their sessions, see where\n"
        "the tokens went, ask them in SQL.",
        epilog=f"'{PROGRAM} COMMAND --help' says what a command takes.",
    )
    # A given prog keeps argparse from working one out, which every run would pay for.
    chosen = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", prog=PROGRAM
    )
    for name, (module, about) in commands.items():
        chosen.add_parser(name, help=about, description=about.capitalize() + ".", module=module)
    return parser


class CommandParser(argparse.ArgumentParser):
    """Takes the global options at any place; nested parsers are of this class by themselves.

    With `module`, that module's `configure` and `run` are looked up when this parser is
    the one that was chosen.

    Attributes:
        is_silent: mistakes are passed over; one that cannot be ends the program with 0.
    """

    def __init__(self, *, module: str = "", **options: Any) -> None:
        super().__init__(formatter_class=_Formatter, allow_abbrev=False, add_help=False, **options)
        self._module = module
        self.is_silent = False
        if not module:
            _add_common_options(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        if self._module:
            command = import_module(self._module)
            self._module = ""
            _add_common_options(self)
            command.configure(self)
            self.set_defaults(run=command.run)
        found, unknown = super().parse_known_args(args, namespace)
        return found, [] if self.is_silent else unknown

    def error(self, message: str) -> NoReturn:
        """Usage, the mistake and what was perhaps meant, on stderr; exit code 2."""
        if self.is_silent:
            self.exit()
        from clankers.formats import visible  # only mistakes need it

        self.print_usage(sys.stderr)
        hint = _nearest_choice(message)
        message = f"{self.prog}: error: {visible(message)}\n"
        self.exit(2, message + (f"hint: did you mean {hint!r}?\n" if hint else ""))


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Knows the width by itself: argparse's way imports shutil for each option added."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=max(40, _terminal.width(sys.stdout) - 2))


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-h", "--help", action="help", help="show this help message and exit")
    # Without a default an option says nothing unless it is given, so that the parser of a
    # subcommand leaves alone what stood before it.
    group = parser.add_argument_group("global options")
    absent = argparse.SUPPRESS
    group.add_argument("--db", metavar="FILE", default=absent, help="the database")
    group.add_argument("--config", metavar="FILE", default=absent, help="the config file")
    group.add_argument("--profile", metavar="NAME", default=absent, help="profile for this run")
    group.add_argument(
        "--json", action="store_true", default=absent, help="print a list or report as JSON"
    )
    group.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")


def _nearest_choice(message: str) -> str:
    """What a word that is none of the choices was meant to be; "" where nothing is near."""
    if not (match := _INVALID_CHOICE.search(message)):
        return ""
    from difflib import get_close_matches

    choices = [choice.strip("'") for choice in match[2].split(", ")]
    return next(iter(get_close_matches(match[1], choices, n=1)), "")
