"""query: SQL over the archive, from the command line, a file, a saved query or a prompt."""

from __future__ import annotations

import sys

from clankers.errors import ClankersError, QueryRefusedError
from clankers.formats import cell_text, visible
from clankers.query import Query
from clankers_cli import _context, _rows

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from clankers.formats import Value
    from clankers.query import SavedQuery

DEFAULT_TIMEOUT = 30.0


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Ask the database in SQL, and print the rows. Without --write nothing is changed.\n"
        "Statements that come through a pipe run one after the other."
    )
    asked = parser.add_argument_group("what to ask")
    asked.add_argument("sql", metavar="SQL", nargs="?", help="a statement; - reads standard input")
    asked.add_argument("--named", metavar="NAME", help="run a saved query")
    asked.add_argument("--list", action="store_true", help="list the saved queries")
    asked.add_argument(
        "--param",
        metavar="K=V",
        action="append",
        type=_parameter,
        default=[],
        help="a value for :K in the SQL; may be repeated",
    )
    asked.add_argument(
        "--interactive", action="store_true", help="open a prompt, with completion and history"
    )
    asked.add_argument("--limit", type=_count, metavar="N", help="print at most N rows")
    asked.add_argument(
        "--timeout",
        type=_seconds,
        metavar="S",
        help=f"stop after S seconds of work; 0 never stops (default: {DEFAULT_TIMEOUT:g}; at a"
        " prompt, where Ctrl-C stops: 0)",
    )
    _rows.add_options(parser)
    writing = parser.add_argument_group("writing")
    writing.add_argument("--write", action="store_true", help="let the statements change data")
    writing.add_argument(
        "--dry-run", action="store_true", help="run them, show what they change, take it back"
    )
    writing.add_argument("--yes", action="store_true", help="do not ask before destructive ones")
    writing.add_argument(
        "--unsafe", action="store_true", help="also change what clankers relies on"
    )


def run(args: argparse.Namespace) -> int:
    if args.list:
        return _list(args)
    if args.interactive or (args.sql is None and args.named is None):
        return _prompt(args)
    if args.sql is not None and args.named is not None:
        raise ClankersError("SQL and --named were both given", hint="give one of them")
    sql, params = _asked(args)
    with Query(_context.database_path(args)) as query:
        try:
            result = query.query(sql, params, limit=args.limit, timeout=_timeout(args))
        except QueryRefusedError as refusal:
            if args.write or args.dry_run:
                return _write(args, query, sql, params)
            if refusal.operation == "second statement":
                return _read_several(args, query, sql, params)
            raise
        with _rows.Output(args.output) as file:
            _rows.style(args).print(file, result.columns, result)
    if result.truncated:
        rows = "row is" if args.limit == 1 else "rows are"
        print(
            f"only the first {args.limit} {rows} shown; a greater --limit shows more",
            file=sys.stderr,
        )
    return 0


def _asked(args: argparse.Namespace) -> tuple[str, Mapping[str, Value]]:
    params = dict(args.param)
    if args.named is not None:
        from clankers.query import saved_query

        saved = saved_query(args.named)
        return saved.sql, saved.bind(params)
    return sys.stdin.read() if args.sql == "-" else args.sql, params


def _read_several(
    args: argparse.Namespace, query: Query, script: str, params: Mapping[str, Value]
) -> int:
    from clankers.query import split_script

    style = _rows.style(args)
    with _rows.Output(args.output) as file:
        for sql in split_script(script):
            result = query.query(sql, params, limit=args.limit, timeout=_timeout(args))
            style.print(file, result.columns, result)
    return 0


def _write(args: argparse.Namespace, query: Query, script: str, params: Mapping[str, Value]) -> int:
    from clankers_cli import _writes

    changes = query.execute(
        script,
        params,
        write=args.write,
        confirm=_writes.confirmation(args),
        dry_run=args.dry_run,
        unsafe=args.unsafe,
        backup=_writes.wanted_backup(args),
        timeout=_timeout(args),
    )
    style = _rows.style(args)
    with _rows.Output(args.output) as file:
        for statement in changes.statements:
            if statement.columns:
                style.print(file, statement.columns, statement.rows)
    return _writes.tell(changes, dry_run=args.dry_run)


def _list(args: argparse.Namespace) -> int:
    from clankers.formats import report_table, write_report_json
    from clankers.query import queries_folder, saved_queries

    found = saved_queries()
    if args.json:
        write_report_json(sys.stdout, [_described(one) for one in found])
        return 0
    rows = [(one.name, _takes(one), one.about, "yours" if one.is_own else "ours") for one in found]
    print(report_table(("name", "takes", "tells", "whose"), rows))
    print(f"your own are files NAME.sql in {visible(str(queries_folder()))}", file=sys.stderr)
    return 0


def _takes(saved: SavedQuery) -> str:
    return " ".join(
        one.name if one.required else f"{one.name}={cell_text(one.default)}"
        for one in saved.parameters
    )


def _described(saved: SavedQuery) -> dict[str, object]:
    parameters = [one._asdict() for one in saved.parameters]
    return {**saved._asdict(), "parameters": parameters, "path": str(saved.path)}


def _timeout(args: argparse.Namespace) -> float | None:
    return DEFAULT_TIMEOUT if args.timeout is None else args.timeout or None


def _prompt(args: argparse.Namespace) -> int:
    from clankers_cli import repl

    return repl.start(args)


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(text)
    return name, value


def _count(text: str) -> int:
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
_parameter.__name__ = "NAME=VALUE"
_count.__name__ = "number of rows"
_seconds.__name__ = "number of seconds"
