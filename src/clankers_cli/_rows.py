"""How the rows of a query are printed, on the command line and at the prompt."""

from __future__ import annotations

import sys
from functools import partial

from clankers import formats
from clankers_cli import _terminal

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Sequence
    from datetime import tzinfo
    from typing import TextIO

    from clankers.formats import Value, Writer

# Their rules leave control characters as they are.
_RAW = frozenset({"csv", "tsv"})


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
        help="how to print the rows (default: table; json is indented on a terminal)",
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
    found = Style(args.format or ("json" if args.json else "table"))
    found.full = args.full
    found.human = args.human
    found.into = args.into
    found.escape_formulas = args.escape_formulas
    if found.human:
        from clankers_cli import _context

        found.zone = _context.shown_zone(args)
    return found


class Output:
    """A file that is written as a whole when the block ends well; stdout without a name."""

    def __init__(self, path: str | None) -> None:
        self._whole = None if path in (None, "-") else formats.whole_file(path)

    def __enter__(self) -> TextIO:
        return sys.stdout if self._whole is None else self._whole.__enter__()

    def __exit__(self, *problem: object) -> None:
        if self._whole is not None:
            self._whole.__exit__(*problem)  # type: ignore[arg-type]
