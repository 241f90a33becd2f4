"""reindex: build the search index anew."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clankers.formats import write_report_json
from clankers.store import Store
from clankers_cli import _context

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.description = (
        "Build the search index anew from the rows. Needed only when 'doctor' says so, or when"
        " another program has rebuilt it."
    )


def run(args: Namespace) -> int:
    with Store.open(_context.database_path(args), create=False) as store:
        store.rebuild_index()
        problems = store.check_index()
    if args.json:
        write_report_json(sys.stdout, {"problems": problems})
    else:
        print("the search index was built anew")
    return 1 if problems else 0
