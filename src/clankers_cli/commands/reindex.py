"""reindex: build the search index anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    with Store.open(_context.database_path(args)) as store:
        store.rebuild_index()
    print("the search index was built anew")
    return 0
