"""query: SQL over the archive, from the command line, a file, a saved query or a prompt."""

from __future__ import annotations

import sys

from clankers import formats
from clankers.errors import ClankersError, QueryRefusedError
from clankers.formats import cell_text, visible
from clankers.query import Query
from clankers_cli import _context, _rows

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from clankers.formats import Value
    from clankers.query import SavedQuery

    Answer = tuple[Sequence[str], Sequence[Sequence[Value]]]

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
        metavar="NAME=VALUE",
        action="append",
        type=_parameter,
        default=[],
        help="a value for :NAME in the SQL; a number where it looks like one; may be repeated",
    )
    asked.add_argument(
        "--interactive", action="store_true", help="open a prompt, with completion and history"
    )
    asked.add_argument(
        "--archive", action="store_true", help="ask the archive instead, where old sessions are"
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
    _check_choice(args)
    if args.list:
        return _list(args)
    if args.sql is None and args.named is None:
        return _prompt(args)
    sql, params = _asked(args)
    with Query(_context.asked_path(args)) as query:
        output = _rows.Output(args.output, database=query.path)
        try:
            result = query.query(sql, params, limit=args.limit, timeout=_timeout(args))
        except QueryRefusedError as refusal:
            if args.write or args.dry_run:
                return _write(args, query, sql, params, output)
            if refusal.operation == "second statement":
                return _read_several(args, query, sql, params, output)
            raise
        with output.opened() as file:
            _rows.style(args).print(file, result.columns, result)
    if result.truncated:
        rows = "row is" if args.limit == 1 else "rows are"
        print(
            f"only the first {args.limit} {rows} shown; a greater --limit shows more",
            file=sys.stderr,
        )
    return 0


def _check_choice(args: argparse.Namespace) -> None:
    """Of several things to do none would be left undone in silence."""
    ways = {
        "SQL": args.sql is not None,
        "--named": args.named is not None,
        "--list": args.list,
        "--interactive": args.interactive,
    }
    given = [way for way, is_given in ways.items() if is_given]
    if len(given) > 1:
        raise ClankersError(f"{' and '.join(given)} were given", hint="give one of them")
    if (args.sql or "").startswith("."):
        raise ClankersError(
            f"{args.sql} is a command of the prompt",
            hint="--interactive opens the prompt; a script with such commands comes through a pipe",
        )


def _asked(args: argparse.Namespace) -> tuple[str, Mapping[str, Value]]:
    params = dict(args.param)
    if args.named is not None:
        from clankers.query import saved_query

        saved = saved_query(args.named)
        return saved.sql, saved.bind(params)
    return sys.stdin.read() if args.sql == "-" else args.sql, params


def _read_several(
    args: argparse.Namespace,
    query: Query,
    script: str,
    params: Mapping[str, Value],
    output: _rows.Output,
) -> int:
    from clankers.query import split_script

    style = _rows.style(args)
    with output.opened() as file:
        for sql in split_script(script):
            result = query.query(sql, params, limit=args.limit, timeout=_timeout(args))
            style.print(file, result.columns, result)
    return 0


def _write(
    args: argparse.Namespace,
    query: Query,
    script: str,
    params: Mapping[str, Value],
    output: _rows.Output,
) -> int:
    from clankers_cli import _writes

    output.check()
    style = _rows.style(args)
    answers: list[Answer] = []
    changes = _writes.run(
        args,
        query,
        script,
        params,
        show=lambda columns, rows: answers.append((columns, rows)),
        timeout=_timeout(args),
    )
    if answers:
        with output.opened() as file:
            for columns, rows in answers:
                style.print(file, columns, rows)
    elif args.json:
        with output.opened() as file:
            formats.write_report_json(file, _writes.as_json(changes))
    return _writes.exit_code(args, changes)


def _list(args: argparse.Namespace) -> int:
    from clankers.query import queries_folder, saved_queries

    found = saved_queries()
    if args.json:
        formats.write_report_json(sys.stdout, [_described(one) for one in found])
        return 0
    rows = [(one.name, _takes(one), one.about, "yours" if one.is_own else "ours") for one in found]
    _rows.style(args).print(sys.stdout, ("name", "takes", "tells", "whose"), rows)
    print(f"yours are files NAME.sql in {visible(str(queries_folder()))}", file=sys.stderr)
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


def _parameter(text: str) -> tuple[str, Value]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(text)
    from clankers.query import parameter_value  # only who gives one pays

    return name, parameter_value(value)


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
