"""Many processes on one database, and a disk that is full."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import apsw
import pytest

from clankers.errors import DatabaseBusyError, DiskFullError
from clankers.store import Store
from clankers.testing import make_message, make_session
from store._children import Child, answers

if TYPE_CHECKING:
    from pathlib import Path

PROCESSES = 4

WRITE_LONG = """
with Store.open(sys.argv[1]) as store:
    with store.atomic():
        store.upsert_many([make_session(1, title="changed"), make_session(2)])
        say("inside")
        told()
    say("committed")
"""


class TestOneWriter:
    def test_a_reader_sees_the_old_state_and_does_not_wait(self, path: Path) -> None:
        """While another process is in the middle of writing, reading goes on as before."""
        with Store.open(path) as store:
            store.upsert(make_session(1))
        with Child(WRITE_LONG, path) as writer:
            assert writer.said() == "inside"
            for read_only in (True, False):
                with Store.open(path, read_only=read_only, busy_timeout_ms=0) as store:
                    assert [one.title for one in store.sessions()] == ["Session 1"]
            writer.tell()
            assert writer.said() == "committed"
            with Store.open(path) as store:
                assert [one.title for one in store.sessions()] == ["Session 2", "changed"]

    def test_a_reader_keeps_its_state_and_does_not_hinder(self, path: Path) -> None:
        """A list that is being read is of one moment, and a commit need not wait for its end."""
        with Store.open(path) as store:
            store.upsert(make_session(1))
            reading = store.sessions()
            assert next(reading).title == "Session 1"
            with Child(WRITE_LONG, path) as writer:
                assert writer.said() == "inside"
                writer.tell()
                assert writer.said() == "committed"
            assert list(reading) == []
            assert len(list(store.sessions())) == 2

    def test_a_second_writer_waits_and_then_says_who_is_busy(self, path: Path) -> None:
        """After its timeout it names the file; once the first is done it gets through."""
        with Store.open(path, busy_timeout_ms=50) as store, Child(WRITE_LONG, path) as writer:
            assert writer.said() == "inside"
            with pytest.raises(DatabaseBusyError, match=r"clankers\.db is busy") as caught:
                store.upsert(make_session(3))
            assert caught.value.hint == "try again in a moment; nothing was changed"
            writer.tell()
            assert writer.said() == "committed"
            store.upsert(make_session(3))
            assert len(list(store.sessions())) == 3

    def test_a_writer_that_waits_long_enough_gets_through(self, path: Path) -> None:
        """Waiting is for the whole timeout, not for one try."""
        code = """
with Store.open(sys.argv[1], busy_timeout_ms=60_000) as store:
    say("waits")
    store.upsert(make_session(3))
    say("wrote")
"""
        Store.open(path).close()
        with Child(WRITE_LONG, path) as first:
            assert first.said() == "inside"
            with Child(code, path) as second:
                assert second.said() == "waits"
                first.tell()
                assert first.said() == "committed"
                assert second.said() == "wrote"

    def test_a_writer_that_is_killed_leaves_what_was_committed(self, path: Path) -> None:
        """The next one finds the state before, whole, and may write at once."""
        with Store.open(path) as store:
            store.upsert(make_session(1))
        with Child(WRITE_LONG, path) as writer:
            assert writer.said() == "inside"
        with Store.open(path, busy_timeout_ms=0) as store:
            assert [one.title for one in store.sessions()] == ["Session 1"]
            store.upsert(make_session(2))
            assert store.connection.pragma("integrity_check") == "ok"


OPEN_EACH = """
while path := told():
    tried(lambda: Store.open(path).close())
"""
UPSERT_MANY = """
mine, rounds = sys.argv[2], 50
with Store.open(sys.argv[1], busy_timeout_ms=60_000) as store:
    say("ready")
    told()
    for number in range(rounds):
        store.upsert_many([make_session(), make_message(number, id=f"{mine}-{number}")])
        store.upsert(make_message(number, id=f"{mine}-{number}", model=mine))
        store.upsert(make_usage(number, output_tokens=int(mine)))
say("done")
"""


class TestManyAtOnce:
    def test_new_databases(self, tmp_path: Path) -> None:
        """Processes that make the same database at once all find it made, and made once."""
        with ExitStack() as stack:
            children = [stack.enter_context(Child(OPEN_EACH)) for _child in range(PROCESSES)]
            for number in range(25):
                path = tmp_path / f"{number}.db"
                for child in children:
                    child.tell(path)
                assert [child.said() for child in children] == ["done"] * PROCESSES
                with Store.open(path) as store:
                    pragma = store.connection.pragma
                    assert (pragma("journal_mode"), pragma("page_size")) == ("wal", 16_384)
                    assert store.connection.execute("SELECT count(*) FROM device").get == 1

    def test_one_that_is_made_between_two_looks(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whose database it is, is decided on one state of it."""
        empty = apsw.Connection(str(path))
        empty.pragma("journal_mode", "wal")
        empty.close()
        made: list[str] = []

        def look(_cursor: apsw.Cursor, sql: str, _values: object) -> bool:
            if "FROM sqlite_schema" in sql and not made:
                made.append(sql)
                Store.open(path).close()
            return True

        def watch(connection: apsw.Connection) -> None:
            connection.exec_trace = look

        monkeypatch.setattr(apsw, "connection_hooks", [watch])
        Store.open(path).close()
        assert made

    def test_writers(self, path: Path) -> None:
        """What several write at the same time is all there, and the best reading stands."""
        with ExitStack() as stack:
            children = [
                stack.enter_context(Child(UPSERT_MANY, path, number)) for number in range(PROCESSES)
            ]
            assert [child.said() for child in children] == ["ready"] * PROCESSES
            for child in children:
                child.tell()
            assert [child.said() for child in children] == ["done"] * PROCESSES
        with Store.open(path) as store:
            found = {(one.id, one.model) for one in store.messages("session-1")}
            assert found == {
                (f"{child}-{number}", str(child))
                for child in range(PROCESSES)
                for number in range(50)
            }
            assert {one.output_tokens for one in store.usage("session-1")} == {PROCESSES - 1}
            assert store.session("session-1").completion_tokens == 50 * (PROCESSES - 1)
            assert store.connection.pragma("integrity_check") == "ok"
            assert store.connection.execute("PRAGMA foreign_key_check").fetchall() == []


class TestFullDisk:
    def test_nothing_is_lost_and_it_works_on(self, store: Store) -> None:
        """The write that found no room is undone whole; with room again it succeeds."""
        store.upsert(make_session())
        pages = store.connection.pragma("page_count")
        store.connection.pragma("max_page_count", pages + 4)
        big = [make_message(number, text_content="x" * 10_000) for number in range(100)]
        with pytest.raises(DiskFullError, match=r"clankers\.db has no room to grow"):
            store.upsert_many([make_session(title="changed"), *big])
        assert store.session("session-1").title == "Session 1"
        assert list(store.messages("session-1")) == []
        store.connection.pragma("max_page_count", pages + 1_000)
        assert store.upsert_many(big) == 100

    def test_a_limit_that_the_system_sets(self, path: Path) -> None:
        """A quota or size limit is met while the log grows; what was committed stays."""
        code = """
import resource
path = sys.argv[1]
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

with Store.open(path) as store:
    store.upsert(make_session())
    big = [make_message(number, text_content="x" * 10_000) for number in range(200)]
    limit(600_000)
    tried(lambda: store.upsert_many(big))
    say(store.session("session-1").title, len(list(store.messages("session-1"))))
    limit(resource.RLIM_INFINITY)
    say(store.upsert_many(big))
with Store.open(path) as store:
    say(len(list(store.messages("session-1"))), store.connection.pragma("integrity_check"))
"""
        full, state, written, found = answers(code, path)
        assert full.startswith(f"DiskFullError {path} has no room to grow")
        assert state == "Session 1 0"
        assert written == "200"
        assert found == "200 ok"

    def test_no_room_for_a_new_one(self, path: Path) -> None:
        """A database that cannot even begin says so; once there is room it is made."""
        code = """
import resource
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
tried(lambda: Store.open(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
tried(lambda: Store.open(sys.argv[1]))
"""
        full, made = answers(code, path)
        assert full.startswith("DiskFullError")
        assert made == "done"

    def test_no_room_for_a_backup(self, path: Path) -> None:
        """Without a copy nothing is adopted, and no half copy stays."""
        code = """
import resource
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
size = os.path.getsize(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, hard))
tried(lambda: Store.open(sys.argv[1]))
say(os.listdir(Path(sys.argv[1]).parent / "backups"))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
with Store.open(sys.argv[1]) as store:
    say(store.session("a").title)
"""
        connection = apsw.Connection(str(path))
        connection.execute("CREATE TABLE sessions(id TEXT, title TEXT)")
        connection.execute("INSERT INTO sessions VALUES ('a', 'A'), ('b', hex(zeroblob(400000)))")
        connection.close()
        full, copies, adopted = answers(code, path)
        assert full.startswith("DiskFullError")
        assert copies == "[]"
        assert adopted == "A"


LOOKS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT count(*) FROM sessions").fetchone()[0])
connection.close()
"""


def test_another_program_looks_at_an_open_database(tmp_path: Path) -> None:
    """A second connection of ours takes no lock away, so that nobody believes to be the last.

    The last one to close a database writes its log into it and deletes the log, under the
    feet of whoever has it open and lost the lock that says so.
    """
    path = tmp_path / "a.db"
    with Store.open(path) as store:
        store.upsert(make_session(id="one"))
        Store.open(path, read_only=True).close()
        store.upsert(make_session(id="two"))
        assert subprocess.check_output([sys.executable, "-c", LOOKS, path], text=True) == "2\n"
        assert path.with_name("a.db-wal").exists()
        store.upsert(make_session(id="three"))
    with Store.open(path, read_only=True) as store:
        assert {session.id for session in store.sessions()} == {"one", "two", "three"}
