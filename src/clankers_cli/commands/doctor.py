"""`clankers-cli doctor`: check paths, database and agents."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clankers.doctor import examine
from clankers.formats import visible, write_report_json

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from clankers.doctor import Finding

_MARKS = {"ok": "ok  ", "note": "note", "warning": "WARN", "error": "FAIL"}


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--thorough",
        action="store_true",
        help="check every page of the database, not only its form",
    )


def run(args: Namespace) -> int:
    found = examine(
        database=args.db, config=args.config, profile=args.profile, thorough=args.thorough
    )
    healthy = all(one.level != "error" for one in found)
    if args.json:
        write_report_json(sys.stdout, {"ok": healthy, "findings": [one._asdict() for one in found]})
    else:
        for one in found:
            print(_line(one))
    return 0 if healthy else 1


def _line(finding: Finding) -> str:
    line = f"{_MARKS[finding.level]}  {finding.subject:<12} {visible(finding.message)}"
    return f"{line}\n{'':<18} {visible(finding.hint)}" if finding.hint else line
