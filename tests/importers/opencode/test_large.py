"""A large database, of which one session moves."""

from __future__ import annotations

import json
import resource
import time
from typing import TYPE_CHECKING

import pytest

from ._sessions import Database, answer, at, imported, rows, text, tokens, tool, user

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.store import Store

SESSIONS, TURNS, CALLS, OUTPUT = 400, 5, 9, 10_000
DAY = 24 * 60 * 60
MEGABYTE = 1024 * 1024


def fill(database: Database) -> None:
    """200 MB in 20,000 parts, over more than a year."""
    with database.connection:
        for session in range(SESSIONS):
            key, began = f"ses_{session:04}", session * DAY
            database.session(key, began)
            for turn in range(TURNS):
                second = began + turn * 60
                words = text("Next")
                database.message(f"{key}-{turn}-a", user(second), words, session=key)
                calls = [
                    tool(f"{turn}-{call}", output=f"{session} {turn} {call} ".ljust(OUTPUT, "x"))
                    for call in range(CALLS)
                ]
                spent = tokens(100 + session, 40)
                database.message(f"{key}-{turn}-b", answer(second, spent), *calls, session=key)


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.slow
def test_one_session_of_a_large_database(tmp_path: Path, store: Store) -> None:
    """It alone is read, in a fraction of a second, and the rest of the database takes no memory."""
    database = Database(tmp_path / "opencode.db")
    fill(database)
    assert database.path.stat().st_size + (tmp_path / "opencode.db-wal").stat().st_size > 180e6
    (first,) = imported(store, database.path).sources
    assert first.imported == SESSIONS * (1 + TURNS * (2 + 1 + CALLS))
    assert rows(store, "SELECT count(*) FROM usage") == [(SESSIONS * TURNS,)]

    changed = tool("0-0", output="changed")
    database.run(
        "UPDATE part SET data = ?, time_updated = ? WHERE id = 'ses_0399-0-b-prt1'",
        json.dumps(changed),
        at(SESSIONS * DAY),
    )
    before, began = peak(), time.perf_counter()
    (second,) = imported(store, database.path).sources
    seconds = time.perf_counter() - began

    database.connection.close()
    assert second.sessions == {"ses_0399"}
    assert second.imported == 1 + TURNS * (2 + 1 + CALLS)
    assert peak() - before < 32 * MEGABYTE
    # Looking through 200 MB takes longer than that even from memory.
    assert seconds < 2
