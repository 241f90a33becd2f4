"""Real imports that are killed at random moments, or run twice at once: nothing is lost or doubled.

`nox -s crash` runs the long form, with as many kills as CLANKERS_TEST_KILLS says.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from clankers.importing import import_sessions
from clankers.store import Store
from importing._transcripts import answer, call, contents, prompt

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("CLANKERS_TEST_KILLS", "6"))
KILLS_OF_ONE_DATABASE = 2
FILES = 160
LONGEST_DELAY = 0.03

IMPORT = """
import sys
from clankers.importing import import_sessions
from clankers.store import Store

with Store.open(sys.argv[1]) as store:
    import_sessions(store, path=sys.argv[2], on_progress=lambda _done: print(flush=True))
print("done", flush=True)
"""


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """Some hundred transcripts of ten to seventy KB, and a long one that takes several commits."""
    folder = tmp_path / "projects" / "-home-ada-engine"
    folder.mkdir(parents=True)
    chance = random.Random(7)
    for number in range(FILES):
        session = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        turns = 5_500 if number == FILES // 2 else chance.randrange(5, 30)
        words = "tide " * (5 if turns > 30 else 120)
        with (folder / f"{session}.jsonl").open("w", encoding="utf-8") as file:
            for turn in range(turns):
                file.write(prompt(f"{turn} {words}", minute=3 * turn, session=session))
                file.write(call("Bash", minute=3 * turn + 1, session=session))
                file.write(answer(words, minute=3 * turn + 2, session=session))
    return folder.parent


def begin(database: Path, sessions: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", IMPORT, str(database), str(sessions)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def killed_in_the_middle(
    database: Path, sessions: Path, chance: random.Random, *, files: int
) -> bool:
    """Kills an import some time after one of its files; False when it was done by then."""
    with begin(database, sessions) as importing:
        assert importing.stdout is not None
        said = [importing.stdout.readline() for _file in range(chance.randint(0, files))]
        until = time.perf_counter() + chance.uniform(0, LONGEST_DELAY)
        while time.perf_counter() < until:
            pass
        importing.kill()
        return b"done\n" not in [*said, *importing.stdout.readlines()]


def check(database: Path) -> int:
    """Holds that a database is sound; how many files are stored in it."""
    with Store.open(database) as store:
        assert store.connection.execute("PRAGMA integrity_check").get == "ok"
        assert store.connection.execute("PRAGMA foreign_key_check").fetchall() == []
        uneven = "SELECT count(*) FROM import_sources WHERE lines <> imported"
        assert store.connection.execute(uneven).get == 0
        return int(store.connection.execute("SELECT count(*) FROM import_sources").get)


def imported(database: Path, sessions: Path) -> dict[str, list[str]]:
    """Every row after an import that nobody disturbs."""
    with Store.open(database) as store:
        assert import_sessions(store, path=sessions).failures == []
        return contents(store.connection)


def test_killed_at_any_moment(tmp_path: Path, sessions: Path) -> None:
    """After each kill the database is sound; the next import ends with an undisturbed one's rows."""
    expected = imported(tmp_path / "undisturbed.db", sessions)
    chance = random.Random()
    in_the_middle = partly = stored = 0
    for kill in range(1, KILLS + 1):
        database = tmp_path / f"{(kill - 1) // KILLS_OF_ONE_DATABASE}.db"
        in_the_middle += killed_in_the_middle(database, sessions, chance, files=FILES - stored)
        stored = check(database)
        partly += 0 < stored < FILES
        if kill % KILLS_OF_ONE_DATABASE == 0 or kill == KILLS:
            assert imported(database, sessions) == expected
            database.unlink()
            stored = 0
    sys.stdout.write(f"{KILLS} kills: {in_the_middle} in mid-import, {partly} with some stored\n")
    assert in_the_middle > KILLS / 2


def test_two_at_once(tmp_path: Path, sessions: Path) -> None:
    """Two processes may import the same files into one database; nothing comes twice."""
    expected = imported(tmp_path / "undisturbed.db", sessions)
    database = tmp_path / "shared.db"

    both = [begin(database, sessions), begin(database, sessions)]
    said = [one.communicate()[0] for one in both]

    assert [one.returncode for one in both] == [0, 0]
    assert all(out.endswith(b"done\n") for out in said)
    assert check(database) == FILES
    assert imported(database, sessions) == expected
