"""query: read-only SQL over the archive, as a table or JSON."""

from __future__ import annotations

import sys
from functools import partial

from clankers import formats
from clankers.query import Query
from clankers_cli import _context, _terminal

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    import argparse

DEFAULT_TIMEOUT = 30.0


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Run one SQL statement that reads, and print its rows."
    parser.add_argument("sql", metavar="SQL", help="the statement; - reads it from standard input")
    parser.add_argument(
        "--format",
        choices=sorted(formats.FORMATS),
        help="how to print the rows (default: table; json is an array of objects)",
    )
    parser.add_argument(
        "--limit", type=_rows, metavar="N", help="print at most N rows (default: all)"
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=DEFAULT_TIMEOUT,
        metavar="S",
        help="stop after S seconds of work; 0 never stops (default: %(default)g)",
    )


def run(args: argparse.Namespace) -> int:
    sql = sys.stdin.read() if args.sql == "-" else args.sql
    with Query(_context.database_path(args)) as query:
        result = query.query(sql, limit=args.limit, timeout=args.timeout or None)
        _writer(args)(sys.stdout, result.columns, result)
    if result.truncated:
        rows = "row is" if args.limit == 1 else "rows are"
        print(
            f"only the first {args.limit} {rows} shown; a greater --limit shows more",
            file=sys.stderr,
        )
    return 0


def _writer(args: argparse.Namespace) -> formats.Writer:
    name = args.format or ("json" if args.json else "table")
    if name == "table" and _terminal.is_terminal(sys.stdout):
        return partial(formats.write_table, width=_terminal.width(sys.stdout))
    return formats.writer(name)


def _rows(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise ValueError(text)
    return number


# What argparse calls them when it says that a value is invalid.
_rows.__name__ = "number of rows"
_seconds.__name__ = "number of seconds"
