"""A simulated busy day under `import --watch`, which is killed again and again.

`nox -s soak` runs the long form: CLANKERS_TEST_SOAK is how many seconds it lasts, and
CLANKERS_TEST_SEED repeats the day of a run that failed.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clankers.importing import import_sessions
from clankers.store import Store
from clankers.store.search import check_index
from importing._day import Day, until
from importing._transcripts import contents

if TYPE_CHECKING:
    import apsw

SECONDS = float(os.environ.get("CLANKERS_TEST_SOAK", "6"))
SEED = int(os.environ.get("CLANKERS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
SECONDS_BETWEEN_KILLS = 3.0
PATIENCE = 60.0

COUNTERS = "lines, imported, noise, unknown, malformed, watermark, line, tail, last_error"


class Process:
    """`clankers-cli import --watch` on one database, started anew after each kill."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self.kills = 0
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "clankers_cli", "--db", str(self._database)]
        self._errors = self._database.with_suffix(".err").open("ab")
        self.running = subprocess.Popen(
            [*command, "import", "--watch"], stdout=subprocess.DEVNULL, stderr=self._errors
        )

    def kill(self) -> None:
        self.running.kill()
        self.running.wait()
        self._errors.close()
        self.kills += 1
        self._start()

    def end(self) -> int:
        self.running.terminate()
        code = self.running.wait(PATIENCE)
        self._errors.close()
        return code


def is_imported(database: Path, path: Path) -> bool:
    """Whether a file is stored as it is now."""
    status = path.stat()
    log = path.with_name(path.name + "-wal")
    size = status.st_size + (log.stat().st_size if log.exists() else 0)
    with Store.open(database, read_only=True) as store:
        query = "SELECT size FROM import_sources WHERE path = ? AND inode = ?"
        row = store.connection.execute(query, (str(path.resolve()), status.st_ino)).fetchone()
    return row == (size,)


def counted(connection: apsw.Connection, home: Path) -> dict[str, tuple[object, ...]]:
    """What was counted in each file that is still there, by its place in the home."""
    rows = connection.execute(f"SELECT path, {COUNTERS} FROM import_sources WHERE entry IS NULL")
    found = {row[0]: row[1:] for row in rows}
    return {
        str(Path(path).relative_to(home.resolve())): counts
        for path, counts in found.items()
        if Path(path).exists()
    }


@pytest.mark.slow
def test_a_busy_day(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its end the database holds what one import of every file in its last state gives."""
    sys.stdout.write(f"CLANKERS_TEST_SEED={SEED}\n")
    chance = random.Random(SEED)
    database, kept = tmp_path / "watched.db", tmp_path / "kept"
    Store.open(database).close()

    def wait_for(path: Path) -> None:
        until(
            lambda: is_imported(database, path),
            seconds=PATIENCE,
            what=f"{path} was not imported; {database.with_suffix('.err').read_text('utf-8')}",
        )

    day = Day(home, kept, chance, wait_for)
    process = Process(database)
    try:
        end = time.monotonic() + SECONDS
        kill_at = time.monotonic() + chance.uniform(0.5, SECONDS_BETWEEN_KILLS)
        acts = 0
        while time.monotonic() < end:
            day.act()
            acts += 1
            time.sleep(chance.choice((0, 0, 0.001, 0.005, 0.02)))
            assert process.running.poll() is None
            if time.monotonic() > kill_at:
                process.kill()
                kill_at = time.monotonic() + chance.uniform(0.5, 2 * SECONDS_BETWEEN_KILLS)
        day.end()
        for path in day.files():
            wait_for(path)
    finally:
        code = process.end()
    day.keep_all()
    sys.stdout.write(f"{acts} acts, {process.kills} kills, {day.counts}\n")

    assert code == 0
    monkeypatch.setenv("HOME", str(kept))
    with Store.open(tmp_path / "cold.db") as cold, Store.open(database) as watched:
        assert import_sessions(cold).failures == []
        expected, found = contents(cold.connection), contents(watched.connection)
        del expected["import_sources"], found["import_sources"]
        for table, rows in expected.items():
            differing = set(rows) ^ set(found[table])
            assert not differing, (table, len(differing), sorted(differing)[:4])
        # Of files that moved or were deleted the old place stays, for the time they were there.
        of_cold = counted(cold.connection, kept)
        assert counted(watched.connection, home).items() <= of_cold.items()
        assert check_index(watched.connection) == []
        assert watched.connection.execute("PRAGMA integrity_check").get == "ok"
