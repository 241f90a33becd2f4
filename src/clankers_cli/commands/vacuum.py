"""`clankers-cli vacuum`: give free room back, or say what takes the room."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clankers.formats import report_table, write_report_json
from clankers.store import Store
from clankers_cli import _amounts, _context

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from clankers.store import Share, Size

_TITLE = 48


def configure(parser: ArgumentParser) -> None:
    parser.description = (
        "Write the database anew without what is free in it, empty its log, and renew the\n"
        "statistics that make queries fast. Others may read meanwhile. It takes free room for\n"
        "two more copies."
    )
    parser.add_argument(
        "--report", action="store_true", help="change nothing, and say what takes the room"
    )


def run(args: Namespace) -> int:
    with Store.open(_context.database_path(args), read_only=args.report, create=False) as store:
        if args.report:
            _report(args, store.size())
            return 0
        done = store.vacuum()
    if args.json:
        write_report_json(sys.stdout, done._asdict())
    else:
        print(f"{_amounts.size(done.before)} before, {_amounts.size(done.after)} after")
    if not done.is_complete:
        print(
            "clankers-cli: another process still reads the older state; the file gets smaller"
            " once it is done",
            file=sys.stderr,
        )
    return 0


def _report(args: Namespace, size: Size) -> None:
    if args.json:
        write_report_json(sys.stdout, _as_json(size))
        return
    for name, amount in (
        ("database", size.database),
        ("of it free", size.free),
        ("log", size.log),
        *([("archive", size.archive)] if size.archive else []),
        ("backups", size.backups),
        ("free on the disk", size.disk_free),
    ):
        print(f"{name:<17} {_amounts.size(amount):>10}")
    if tables := size.tables():
        shown = [(table, _amounts.size(rows), _amounts.size(more)) for table, rows, more in tables]
        print("\n" + report_table(("table", "rows", "indexes"), shown))
    for name, shares in (
        ("agent", size.agents),
        ("project", size.projects),
        ("session", size.sessions),
    ):
        if shares:
            print("\n" + _shares(name, shares))


def _shares(kind: str, shares: list[Share]) -> str:
    if kind == "session":
        columns: tuple[str, ...] = (f"largest {kind}s", "title", "text")
        rows = [(one.name, (one.title or "")[:_TITLE], _amounts.size(one.bytes)) for one in shares]
        return report_table(columns, rows)
    columns = (f"largest {kind}s", "sessions", "text")
    return report_table(columns, [(x.name, x.sessions, _amounts.size(x.bytes)) for x in shares])


def _as_json(size: Size) -> dict[str, object]:
    lists = ("parts", "sessions", "projects", "agents")
    return {
        **size._asdict(),
        **{name: [x._asdict() for x in getattr(size, name)] for name in lists},
    }
