"""How soon a commit of another process is noticed, and what waiting for one costs.

usage: waking.py CORPUS COMMITS POLLED; prints JSON. Milliseconds from before the commit, which
the other process makes after a random while, to after the wait; shares of a core by the waiting
process, idle and while another process imports the corpus.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from clankers import Store
from clankers.sync.waking._commits import Commits

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE = 5.0
OTHER = """
import sys, time, apsw
connection = apsw.Connection(sys.argv[1])
connection.pragma("synchronous", "normal")
for gap in map(float, sys.argv[2:]):
    time.sleep(gap)
    with connection:
        connection.execute("INSERT INTO waking(at) VALUES (?)", (time.monotonic(),))
"""


def main(corpus: str, commits: int, polled: int) -> None:
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="clk") as name:
        for way, count, longest in (("events", commits, 0.02), ("polling", polled, 1.0)):
            path = Path(name) / f"{way}.db"
            Store.open(path).close()
            connection = apsw.Connection(str(path))
            connection.execute("CREATE TABLE waking (n INTEGER PRIMARY KEY, at REAL)")
            with Commits(connection, path, uses_events=way == "events") as waiting:
                if waiting.has_events == (way == "events"):
                    late = delays(connection, waiting, path, gaps(count, longest))
                    found[f"{way}_p50"] = late[len(late) // 2]
                    found[f"{way}_p99"] = late[len(late) * 99 // 100]
                    found[f"{way}_idle"] = idle(waiting)
                    found[f"{way}_import"] = importing(waiting, path, corpus)
            connection.close()
    print(json.dumps(found))


def gaps(count: int, longest: float) -> list[str]:
    chance = random.Random(7)
    return [f"{chance.uniform(longest / 4, longest):.6f}" for _turn in range(count)]


def delays(
    connection: apsw.Connection, waiting: Commits, path: Path, gaps: list[str]
) -> list[float]:
    """Milliseconds, sorted; a commit that is seen together with a later one counts too."""
    late: list[float] = []
    with subprocess.Popen([sys.executable, "-c", OTHER, str(path), *gaps]) as other:
        while len(late) < len(gaps):
            if not waiting.wait(10) and other.poll():
                sys.exit("the process that commits has failed")
            now = time.monotonic()
            sql = "SELECT (? - at) * 1000 FROM waking WHERE n > ?"
            late += [float(one) for (one,) in connection.execute(sql, (now, len(late)))]
    return sorted(late)


def idle(waiting: Commits) -> float:
    end = time.monotonic() + IDLE
    return share(lambda: waiting.wait(end - time.monotonic()), lambda: time.monotonic() < end)


def importing(waiting: Commits, path: Path, corpus: str) -> float:
    command = [sys.executable, "-m", "clankers_cli", "--db", str(path), "import", "claude-code"]
    env = {**os.environ, "CLAUDE_CONFIG_DIR": corpus}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as other:
        return share(lambda: waiting.wait(0.1), lambda: other.poll() is None)


def share(work: Callable[[], object], goes_on: Callable[[], bool]) -> float:
    """The part of a core, in percent, that this process uses meanwhile."""
    cpu, started = time.process_time(), time.monotonic()
    while goes_on():
        work()
    return (time.process_time() - cpu) / (time.monotonic() - started) * 100


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
