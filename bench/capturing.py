"""What it costs that changes are noted for sync, within one process; prints JSON.

usage: capturing.py FOLDER ROUNDS UPSERTS; the folder holds transcripts of Claude Code. The same
work is done with capture and without, in turns.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clankers.importing import import_sessions
from clankers.store import Store
from clankers.store.capture import _marks as marks
from clankers.testing import make_message, make_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from clankers.models import Message

_WARM = 50


def measure(corpus: Path, folder: Path, rounds: int, upserts: int) -> dict[str, float]:
    ours: list[float] = []
    theirs: list[float] = []
    # Whoever comes first finds nothing loaded.
    importing(corpus, folder, is_on=False)
    for turn in range(rounds):
        for is_on in (True, False) if turn % 2 else (False, True):
            (ours if is_on else theirs).append(importing(corpus, folder, is_on=is_on))
    ratios = [on / off for on, off in zip(ours, theirs, strict=True)]
    return {
        "import_on": statistics.median(ours),
        "import_off": statistics.median(theirs),
        "import_ratio": statistics.median(ratios),
        "import_least": min(ratios),
        "import_most": max(ratios),
        **upserting(folder, upserts),
    }


def importing(corpus: Path, folder: Path, *, is_on: bool) -> float:
    """Seconds of a cold import into a new database."""
    with made(folder / "import.db", is_on=is_on) as store:
        gc.collect()
        taken = seconds(lambda: import_sessions(store, ["claude-code"], path=corpus))
        noted = store.connection.execute("SELECT count(*) FROM sync_messages").get
        rows = store.connection.execute("SELECT count(*) FROM messages").get
    if not rows or noted != (rows if is_on else 0):
        raise SystemExit(f"{noted} of {rows} messages were noted")
    for file in folder.glob("import.db*"):
        file.unlink()
    return taken


def upserting(folder: Path, upserts: int) -> dict[str, float]:
    """Milliseconds that capture adds to an upsert in a transaction of its own."""
    works: dict[str, Callable[[int], Message]] = {
        "new": make_message,
        "changed": lambda number: make_message(1, text_content=f"Text {number}"),
        "same": lambda _number: make_message(2),
    }
    with made(folder / "on.db", is_on=True) as on, made(folder / "off.db", is_on=False) as off:
        for store in (on, off):
            store.upsert_many([make_session(), make_message(1), make_message(2)])
        found = {}
        for name, record in works.items():
            measured: tuple[list[float], list[float]] = [], []
            for number in range(10, 10 + _WARM + upserts):
                for store, taken in zip((on, off), measured, strict=True):
                    taken.append(seconds(partial(store.upsert, record(number))))
            ours, theirs = (statistics.median(taken[_WARM:]) for taken in measured)
            found[f"{name}_ms"] = (ours - theirs) * 1000
            found[f"{name}_off_ms"] = theirs * 1000
        return found


def made(path: Path, *, is_on: bool) -> Store:
    store = Store.open(path)
    if is_on:
        with store.atomic():
            marks.begin(store.connection)
    return store


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        rounds, upserts = map(int, sys.argv[2:])
        print(json.dumps(measure(Path(sys.argv[1]), Path(name), rounds, upserts)))
