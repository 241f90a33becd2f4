"""Work that is measured within one process; prints seconds, ours and the other's.

usage: inside.py guard DATABASE | inside.py table
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_QUESTIONS = 2_000
_WIDE_ROWS, _NARROW_ROWS = 20_000, 2_000
_COLUMNS = ("id", "model", "project", "tokens", "cost")


def guard(database: str) -> tuple[float, float]:
    """One question through Query, and the same on a bare read-only connection."""
    import apsw

    from clankers.query import Query

    bare = apsw.Connection(database, flags=apsw.SQLITE_OPEN_READONLY)
    with Query(database) as query:
        ours = _median(lambda: list(query.query("SELECT 1")), _QUESTIONS)
    theirs = _median(lambda: bare.execute("SELECT 1").fetchall(), _QUESTIONS)
    bare.close()
    return ours, theirs


def table() -> tuple[float, float]:
    """20,000 rows, by us and by tabulate, of which only 2,000 are waited for."""
    from tabulate import tabulate

    from clankers.formats import write_table

    rows = [
        (f"session-{n:06}", "claude-sonnet-4-5", f"project-{n % 40}", n * 37, n / 7)
        for n in range(_WIDE_ROWS)
    ]
    ours = _median(lambda: write_table(io.StringIO(), _COLUMNS, rows), 5)
    theirs = _median(lambda: tabulate(rows[:_NARROW_ROWS], headers=_COLUMNS), 5)
    return ours, theirs * (_WIDE_ROWS // _NARROW_ROWS)


def _median(work: Callable[[], object], times: int) -> float:
    measured = []
    for _turn in range(times):
        started = time.perf_counter()
        work()
        measured.append(time.perf_counter() - started)
    return statistics.median(measured)


if __name__ == "__main__":
    print(*(guard(sys.argv[2]) if sys.argv[1] == "guard" else table()))
