"""How the rows of a query are printed, on the command line and at the prompt."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import nullcontext
from functools import partial

from clankers import formats
from clankers.errors import ClankersError
from clankers_cli import _terminal

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager
    from datetime import tzinfo
    from pathlib import Path
    from typing import TextIO

    from clankers.formats import Value, Writer

# Their rules leave control characters as they are.
_RAW = frozenset({"csv", "tsv"})
_ENDINGS = {"htm": "html", "jsonl": "ndjson", "md": "markdown"}


class Style:
    """How rows are shown.

    Attributes:
        format: one of `clankers.formats.FORMATS`.
        full: shorten nothing in a table.
        human: show times as people write them.
        zone: the zone of these times; None for the system's.
        into: the table of the inserts of SQL.
        escape_formulas: keep spreadsheets from running texts.
    """

    def __init__(self, format: str = "table") -> None:  # noqa: A002  # the word for it
        self.format = format
        self.full = False
        self.human = False
        self.zone: tzinfo | None = None
        self.into = ""
        self.escape_formulas = False

    def print(self, file: TextIO, columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> None:
        """Writes all rows, for a person where `file` is a terminal."""
        if self.human:
            rows = formats.human_times(columns, rows, self.zone)
        if self.format in _RAW and _terminal.is_terminal(file):
            file = formats.terminal_file(file)
        self._writer(file)(file, columns, rows)

    def _writer(self, file: TextIO) -> Writer:
        if self.format == "table":
            width = _terminal.width(file) if _terminal.is_terminal(file) else None
            return partial(formats.write_table, width=width, full=self.full)
        if self.format == "json":
            return partial(formats.write_json, pretty=_terminal.is_terminal(file))
        if self.format == "sql" and self.into:
            return partial(formats.write_sql, table=self.into)
        if self.format == "csv":
            return partial(formats.write_csv, escape_formulas=self.escape_formulas)
        if self.format == "tsv":
            return partial(formats.write_tsv, escape_formulas=self.escape_formulas)
        return formats.writer(self.format)


def add_options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "--format",
        choices=formats.FORMATS,
        help="how to print the rows (default: what the name of --output ends in, else table; json is"
        " indented on a terminal)",
    )
    group.add_argument(
        "--output", metavar="FILE", help="write them to FILE, which changes as a whole or not"
    )
    group.add_argument("--full", action="store_true", help="shorten nothing in a table")
    group.add_argument(
        "--human", action="store_true", help="show the milliseconds of *_at columns as times"
    )
    group.add_argument(
        "--into", metavar="NAME", default="", help="the table for --format sql (default: result)"
    )
    group.add_argument(
        "--escape-formulas",
        action="store_true",
        help="in csv and tsv, put ' before texts that a spreadsheet would run",
    )


def style(args: Namespace) -> Style:
    """What the options say."""
    found = Style(args.format or ("json" if args.json else _format_of(args.output)))
    found.full = args.full
    # A query that came along is for people, who do not count in milliseconds.
    found.human = args.human or (args.named is not None and found.format == "table")
    found.into = args.into
    found.escape_formulas = args.escape_formulas
    if found.human:
        from clankers_cli import _context

        found.zone = _context.shown_zone(args)
    return found


def _format_of(path: str | None) -> str:
    """The format that the ending of a file's name stands for; a table otherwise."""
    ending = "" if path is None else path.rpartition(".")[2].lower()
    return ending if ending in formats.FORMATS else _ENDINGS.get(ending, "table")


class Output:
    """Where rows go: a file that is written as a whole, or stdout without a path."""

    def __init__(self, path: str | None, *, database: Path) -> None:
        self._path = None if path in (None, "-", "/dev/stdout") else path
        if path == "":
            raise ClankersError("--output names no file", hint="give a path, or - for the screen")
        if path is not None and os.path.exists(path) and os.path.samefile(path, database):
            raise ClankersError(
                f"{path} is the database itself", hint="write to another file; it was left as it is"
            )

    def check(self) -> None:
        """Finds out before anything is done that the file could not be written.

        Raises:
            OSError: there is no such folder, or it cannot be written.
        """
        if self._path is None or os.path.exists(self._path):
            return
        folder = os.path.dirname(os.path.realpath(self._path))
        if not os.access(folder, os.W_OK):
            code = errno.EACCES if os.path.isdir(folder) else errno.ENOENT
            raise OSError(code, os.strerror(code), self._path)

    def opened(self) -> AbstractContextManager[TextIO]:
        return nullcontext(sys.stdout) if self._path is None else formats.whole_file(self._path)
