"""What takes the room, and giving it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clankers.errors import DatabaseBusyError, StoreError
from clankers.store import Share, Store
from clankers.testing import make_message, make_session, make_tool
from store._children import Child, answers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.conftest import Rows


def fill(store: Store, *, sessions: int = 1) -> None:
    """Sessions of 200 KB each in two messages and a tool call."""
    for number in range(1, sessions + 1):
        session_id = f"session-{number}"
        store.upsert_many(
            [
                make_session(number),
                make_message(1, session_id=session_id, text_content="x" * 100_000),
                make_message(2, session_id=session_id, text_content="", thinking="y" * 50_000),
                make_tool(1, session_id=session_id, tool_input="", tool_output="z" * 50_000),
            ]
        )


class TestSize:
    def test_every_page_is_somebodys(self, store: Store, path: Path) -> None:
        """Tables, indexes and free pages make up the file; full-text parts count to their table."""
        fill(store, sessions=5)
        store.delete(["session-5"])
        store.vacuum()
        store.delete(["session-4"])
        store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = store.size()
        assert size.database == path.stat().st_size
        assert size.free > 150_000
        assert sum(part.bytes for part in size.parts) + size.free == size.database
        of = {part.name: part.table for part in size.parts}
        assert of["messages_session"] == of["messages"] == "messages"
        assert of["message_search_data"] == "message_search"
        assert size.tables()[0][0] == "messages"
        assert size.tables()[0][1] > 3 * 150_000

    def test_shares(self, store: Store) -> None:
        """Text by session, project and agent, the largest first and no more than asked for."""
        fill(store, sessions=2)
        store.upsert_many(
            [
                make_session(3, source="codex", project_path="/ledger", title="CSV"),
                make_message(1, session_id="session-3", text_content="ä" * 200_000),
            ]
        )
        size = store.size(largest=2)
        assert size.sessions == [
            Share("session-3", 1, 400_000, "CSV"),
            Share("session-1", 1, 200_000, "Session 1"),
        ]
        assert size.projects == [Share("/home/dev/shop", 2, 400_000), Share("/ledger", 1, 400_000)]
        assert size.agents == [Share("claude-code", 2, 400_000), Share("codex", 1, 400_000)]
        assert store.size(largest=0).sessions == []

    def test_log_and_copies(self, store: Store) -> None:
        """What lies beside the file counts apart."""
        fill(store)
        assert store.size().log > 200_000
        copy = store.back_up()
        assert store.size().backups == copy.stat().st_size
        assert store.size().disk_free > 0


class TestVacuum:
    def test_it_gives_room_back(self, store: Store, path: Path) -> None:
        """The file shrinks by what was removed, at once, and nothing else changes."""
        fill(store, sessions=10)
        kept = list(store.messages("session-10"))
        for number in range(1, 10):
            store.delete([f"session-{number}"])
        done = store.vacuum()
        assert done.is_complete
        assert done.before - done.after > 9 * 200_000
        assert done.after == path.stat().st_size
        assert list(store.messages("session-10")) == kept
        assert store.connection.pragma("integrity_check") == "ok"
        assert store.connection.pragma("temp_store") == 2

    def test_it_keeps_statistics_and_no_values(
        self, store: Store, ask: Callable[..., Rows]
    ) -> None:
        """Plans get better; samples of what is in the rows are not taken."""
        fill(store, sessions=5)
        store.vacuum()
        assert ("messages",) in ask("SELECT DISTINCT tbl FROM sqlite_stat1")
        assert ask("SELECT count(*) FROM sqlite_stat4") == [(0,)]

    def test_another_process_writes(self, store: Store, path: Path) -> None:
        """It waits for the timeout, and then says that the database is busy."""
        fill(store)
        store.connection.set_busy_timeout(10)
        code = """
with Store.open(sys.argv[1]) as store, store.atomic():
    say("writing")
    told()
"""
        with Child(code, path) as child:
            assert child.said() == "writing"
            with pytest.raises(DatabaseBusyError, match="another process"):
                store.vacuum()

    def test_not_inside_a_transaction(self, store: Store) -> None:
        """SQLite cannot; the error is ours."""
        with store.atomic(), pytest.raises(StoreError, match="inside a transaction"):
            store.vacuum()

    def test_no_room(self, path: Path, tmp_path: Path) -> None:
        """Before anything is done, the room for the copies is looked for, and named."""
        code = """
import collections, shutil
# The one thing that cannot be had in a test is a full disk.
usage = collections.namedtuple("usage", "total used free")
shutil.disk_usage = lambda folder: usage(0, 0, 1_000)
with Store.open(sys.argv[1]) as store:
    tried(store.vacuum)
    tried(lambda: store.delete(["session-1"], purge=True))
    say(len(list(store.sessions())))
"""
        with Store.open(path) as store:
            fill(store)
        vacuumed, purged, left = answers(code, path)
        assert vacuumed.startswith(f"DiskFullError {tmp_path.resolve()} has 0.0 MB free")
        assert purged.startswith("DiskFullError")
        assert left == "1"
