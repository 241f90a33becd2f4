"""Another process with the database open; run with its path and a number of commits to make.

For 0 it runs each line that it is given and says `done`.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import time

# The gaps of an agent's hooks, and gaps about as long as a look takes.
GAPS = (0.0, 0.0001, 0.0005, 0.001, 0.003, 0.01)


def main(path: str, commits: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    if not commits:
        for line in sys.stdin:
            connection.execute(line).fetchall()
            sys.stdout.write("done\n")
            sys.stdout.flush()
        return
    gaps = random.Random(20)
    for number in range(commits):
        # Normal: once it is in the log it is visible at once; full: only when the disk has it.
        if number % 100 == 0:
            connection.execute(f"PRAGMA synchronous = {('normal', 'full')[number // 100 % 2]}")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t(at) VALUES (0)")
        time.sleep(gaps.choice(GAPS[:3]))
        connection.execute("UPDATE t SET at = ? WHERE n = last_insert_rowid()", (time.monotonic(),))
        connection.execute("COMMIT")
        time.sleep(gaps.choice(GAPS))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
