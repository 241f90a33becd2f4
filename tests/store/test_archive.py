"""The archive: what goes there, what comes back, and that no crash loses anything."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clankers.errors import NotADatabaseError, StoreError, UnknownSessionError
from clankers.store import Store, archive_path
from clankers.store.archive._archive import ROW_COLUMNS, Archive
from clankers.store.capture._marks import begin, note_chunk
from clankers.testing import (
    make_attachment,
    make_compaction,
    make_error,
    make_message,
    make_session,
    make_tool,
    make_usage,
)
from clankers.usage import total_usage
from store._children import Child
from store.conftest import UndoneError

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent.parent
TABLES = ("sessions", "messages", "tools", "session_errors", "compaction_events")
DAY = 86_400_000
# When session 1 of `clankers.testing` began; the one numbered n is n - 1 hours later.
BEGINNING = 1_767_603_600_000
HOUR = 3_600_000


def refer(digest: str) -> str:
    return json.dumps([{"type": "image", "attachment": digest}], separators=(",", ":"))


def fill(store: Store) -> None:
    """Session 1 with a subagent, and session 3; each has something of every kind."""
    store.upsert_many(
        [
            make_session(1),
            make_session(2, parent_id="session-1", relationship="subagent"),
            make_session(3),
            make_message(1, text_content="the tide is high"),
            make_message(2, role="assistant", text_content="two metres 潮汐"),
            make_message(3, session_id="session-2", text_content="a subagent speaks"),
            make_message(4, session_id="session-3", text_content="the ledger"),
            make_tool(1),
            make_tool(2, session_id="session-3"),
            make_error(1),
            make_compaction(1),
            make_usage(1, cost=1_000_000),
        ]
    )
    store.update_index()


def rows(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Every column of every row, by table."""
    return {
        table: store.connection.execute(f"SELECT * FROM {table} ORDER BY n").fetchall()
        for table in TABLES
    }


def ids(store: Store) -> list[str]:
    return sorted(one.id for one in store.sessions())


def archived(store: Store) -> list[str]:
    return sorted(one.id for one in store.archived_sessions())


@contextmanager
def opened(store: Store) -> Iterator[Store]:
    """The archive of a store, as a database of its own."""
    with Store.open(archive_path(store.path), create=False) as archive:
        yield archive


@pytest.fixture
def filled(store: Store) -> Store:
    fill(store)
    return store


class TestArchiving:
    def test_what_goes(self, filled: Store) -> None:
        """A session goes with its subagents and all that belongs to them; usage stays."""
        before = total_usage(filled)
        done = filled.archive(session_ids=["session-1"])
        assert [one.id for one in done.sessions] == ["session-1", "session-2"]
        assert done.rows == {
            "sessions": 2,
            "messages": 3,
            "tools": 1,
            "session_errors": 1,
            "compaction_events": 1,
            "attachments": 0,
        }
        assert ids(filled) == ["session-3"]
        assert archived(filled) == ["session-1", "session-2"]
        assert total_usage(filled) == before
        assert [len(some) for some in rows(filled).values()] == [1, 1, 1, 0, 0]

    def test_the_file(self, filled: Store) -> None:
        """It lies beside the database, is private, and is made when it is first needed."""
        path = filled.path.with_name("clankers.archive.db")
        assert archived(filled) == []
        assert not path.exists()
        old = os.umask(0)
        try:
            filled.archive(session_ids=["session-1"])
        finally:
            os.umask(old)
        assert path.stat().st_mode & 0o777 == 0o600

    def test_a_link_has_the_archive_of_what_it_is_a_link_to(
        self, filled: Store, tmp_path: Path
    ) -> None:
        """Under whichever name a database is opened, its archive is the same."""
        filled.archive(session_ids=["session-1"])
        (tmp_path / "elsewhere").mkdir()
        link = tmp_path / "elsewhere" / "link.db"
        link.symlink_to(filled.path)
        with Store.open(link) as other:
            assert archived(other) == ["session-1", "session-2"]

    def test_age(self, filled: Store) -> None:
        """Old is a session in which, and in whose subagents, nothing happened since."""
        assert filled.archive(before=BEGINNING + HOUR + 1).sessions == []
        done = filled.archive(before=BEGINNING + HOUR + 60_001)
        assert [one.id for one in done.sessions] == ["session-1", "session-2"]

    def test_dry_run(self, filled: Store) -> None:
        """Says what would go, and makes no file."""
        planned = filled.archive(session_ids=["session-1"], dry_run=True)
        assert [one.id for one in planned.sessions] == ["session-1", "session-2"]
        assert not filled.has_archive
        assert filled.archive(session_ids=["session-1"]) == planned

    def test_many(self, store: Store) -> None:
        """More sessions than go in one transaction arrive all the same."""
        for number in range(1, 121):
            store.upsert_many(
                [make_session(number), make_message(number, session_id=f"session-{number}")]
            )
        before = rows(store)
        assert len(store.archive(before=BEGINNING + 1000 * HOUR).sessions) == 120
        assert ids(store) == []
        assert len(store.bring_back([f"session-{number}" for number in range(1, 121)])) == 120
        assert rows(store) == before

    def test_errors(self, filled: Store) -> None:
        """An unknown id, nothing to go by, and an open transaction move nothing."""
        with pytest.raises(UnknownSessionError):
            filled.archive(session_ids=["session-1", "nobody"])
        with pytest.raises(StoreError, match="nothing says which"):
            filled.archive()
        with filled.atomic(), pytest.raises(StoreError, match="inside a transaction"):
            filled.archive(session_ids=["session-1"])
        assert not filled.has_archive

    def test_attachments(self, store: Store) -> None:
        """An image goes with the last session that shows it, and comes back with the first."""
        only, both = make_attachment(b"only"), make_attachment(b"both")
        store.upsert_many(
            [
                make_session(1),
                make_session(2),
                make_message(1, content=refer(only.sha256)),
                make_message(2, content=refer(both.sha256)),
                make_message(3, session_id="session-2", content=refer(both.sha256)),
                only,
                both,
            ]
        )
        assert store.archive(session_ids=["session-1"]).rows["attachments"] == 1
        assert store.attachment(only.sha256) is None
        assert store.attachment(both.sha256) == both
        with opened(store) as archive:
            assert archive.attachment(only.sha256) == only
            assert archive.attachment(both.sha256) == both
        store.bring_back(["session-1"])
        assert store.attachment(only.sha256) == only
        with opened(store) as archive:
            assert archive.attachment(only.sha256) is None
            assert archive.attachment(both.sha256) is None

    def test_size(self, filled: Store) -> None:
        """The archive's file is counted by itself, and vacuumed with the database."""
        assert filled.size(largest=0).archive == 0
        filled.archive(before=BEGINNING + DAY)
        filled.bring_back(["session-1", "session-3"])
        size = filled.size(largest=0)
        beside = filled.path.with_name("clankers.archive.db")
        log = filled.path.with_name("clankers.archive.db-wal")
        assert size.archive == beside.stat().st_size + log.stat().st_size
        done = filled.vacuum()
        assert done.is_complete
        assert done.after == filled.path.stat().st_size + beside.stat().st_size
        assert log.stat().st_size == 0

    def test_filters_of_the_list(self, filled: Store) -> None:
        """Archived sessions are listed as others are: the newest first, by the same filters."""
        filled.archive(before=BEGINNING + DAY)
        listed = [one.id for one in filled.archived_sessions(limit=2)]
        assert listed == ["session-3", "session-2"]
        assert [one.id for one in filled.archived_sessions(offset=2)] == ["session-1"]
        assert [one.id for one in filled.archived_sessions(title="session 3")] == ["session-3"]


class TestComingBack:
    def test_everything_is_as_it_was(self, filled: Store) -> None:
        """Each column of each row, `n` included; the archive is empty then."""
        before = rows(filled)
        filled.archive(session_ids=["session-1"])
        assert filled.bring_back(["session-1"]) == ["session-1", "session-2"]
        assert rows(filled) == before
        assert archived(filled) == []
        with opened(filled) as archive:
            assert [len(some) for some in rows(archive).values()] == [0, 0, 0, 0, 0]

    def test_archived_at(self, filled: Store) -> None:
        """The archive says when a session came, and the database forgets it again."""
        query = "SELECT count(archived_at) FROM sessions"
        filled.archive(session_ids=["session-1"])
        with opened(filled) as archive:
            assert archive.connection.execute(query).get == 2
        filled.bring_back(["session-1"])
        assert filled.connection.execute(query).get == 0

    def test_the_search_index_follows(self, filled: Store) -> None:
        """In both directions each file finds what it has, and nothing else."""

        def found(store: Store, text: str) -> list[str]:
            return [str(hit.id) for hit in store.search(text).hits]

        filled.archive(session_ids=["session-1"])
        assert found(filled, "tide") == []
        with opened(filled) as archive:
            assert found(archive, "tide") == ["session-1:message-1"]
            assert found(archive, "潮汐") == ["session-1:message-2"]
            assert archive.check_index() == []
        assert filled.check_index() == []
        filled.bring_back(["session-1"])
        assert found(filled, "tide") == ["session-1:message-1"]
        assert filled.check_index() == []
        with opened(filled) as archive:
            assert found(archive, "tide") == []
            assert archive.check_index() == []

    def test_again_and_again(self, filled: Store) -> None:
        """A session may go and come back as often as it likes; the indexes stay whole."""
        before = rows(filled)
        for _ in range(3):
            filled.archive(session_ids=["session-3"])
            filled.archive(session_ids=["session-1"])
            filled.bring_back(["session-1"])
            filled.bring_back(["session-3"])
            filled.update_index()
        assert rows(filled) == before
        assert filled.check_index() == []
        with opened(filled) as archive:
            archive.update_index()
            assert archive.check_index() == []

    def test_beginnings(self, filled: Store) -> None:
        """An id that names none, or two, brings nothing back."""
        with pytest.raises(UnknownSessionError, match="there is none"):
            filled.bring_back(["session-1"])
        filled.archive(before=BEGINNING + DAY)
        with pytest.raises(UnknownSessionError, match="begins more than one"):
            filled.bring_back(["session"])
        with pytest.raises(UnknownSessionError, match="is in the archive"):
            filled.bring_back(["session-1", "nobody"])
        assert ids(filled) == []
        assert filled.bring_back(["session-3"]) == ["session-3"]

    def test_in_the_place_of_a_placeholder(self, filled: Store) -> None:
        """What stood for the session becomes the session, and keeps what belongs to it."""
        filled.archive(session_ids=["session-3"])
        with filled.atomic():
            filled.add_placeholders(["session-3"])
            filled.write("messages", [make_message(9, session_id="session-3")])
        filled.bring_back(["session-3"])
        assert filled.session("session-3").title == "Session 3"
        assert [one.id for one in filled.messages("session-3")] == [
            "session-3:message-4",
            "session-3:message-9",
        ]
        n = "SELECT n FROM sessions WHERE id = 'session-3'"
        assert filled.connection.execute(n).get == 3

    def test_another_row_has_its_number(self, filled: Store) -> None:
        """After an older copy was restored a row comes back under a number of its own."""
        filled.archive(session_ids=["session-3"])
        filled.connection.execute("UPDATE messages SET n = 4 WHERE id = 'session-1:message-1'")
        filled.rebuild_index()
        filled.bring_back(["session-3"])
        filled.update_index()
        texts = "SELECT id, text_content FROM messages WHERE id IN ('session-1:message-1', 'session-3:message-4')"
        assert filled.connection.execute(texts + " ORDER BY id").fetchall() == [
            ("session-1:message-1", "the tide is high"),
            ("session-3:message-4", "the ledger"),
        ]
        assert filled.check_index() == []

    def test_two_rows_that_had_one_number(self, filled: Store) -> None:
        """Both come back, each found by its words; the one that made room gets a new number."""
        filled.archive(session_ids=["session-3"])
        filled.connection.execute("UPDATE messages SET n = 4 WHERE id = 'session-1:message-1'")
        filled.rebuild_index()
        filled.archive(session_ids=["session-1"])
        filled.bring_back(["session-1", "session-3"])
        query = "SELECT n FROM messages WHERE id = 'session-3:message-4'"
        assert filled.connection.execute(query).get == 5
        assert [hit.id for hit in filled.search("ledger").hits] == ["session-3:message-4"]
        assert [hit.id for hit in filled.search("tide").hits] == ["session-1:message-1"]
        assert filled.check_index() == []


class TestSync:
    def test_nothing_is_noted(self, filled: Store) -> None:
        """Neither way is a change: stamps and what waits to be sent stay as they are."""
        with filled.atomic():
            begin(filled.connection)
            note_chunk(filled.connection)
        filled.connection.execute("UPDATE sync_messages SET first = NULL, seq = NULL WHERE n = 1")

        def noted() -> list[tuple[object, ...]]:
            found: list[tuple[object, ...]] = []
            for table in ("sessions", "messages", "tools"):
                query = f"SELECT '{table}', n, at, by, seq, first FROM sync_{table} ORDER BY n"
                found += filled.connection.execute(query).fetchall()
            found += filled.connection.execute("SELECT seq FROM sync_core").fetchall()
            return found

        before = noted()
        assert len(before) == 3 + 4 + 2 + 1
        filled.archive(session_ids=["session-1"])
        assert noted() == before
        filled.bring_back(["session-1"])
        assert noted() == before
        assert filled.connection.execute("SELECT count(*) FROM sync_deleted").get == 0

    def test_archived_before_sync(self, filled: Store) -> None:
        """What was put away before a server was configured is queued when it comes back."""
        filled.archive(session_ids=["session-1"])
        with filled.atomic():
            begin(filled.connection)
            note_chunk(filled.connection)
        filled.bring_back(["session-1"])
        query = "SELECT m.id, s.at, s.first NOTNULL FROM messages m JOIN sync_messages s USING (n)"
        found = {one: (at, queued) for one, at, queued in filled.connection.execute(query)}
        assert found["session-1:message-1"] == (BEGINNING + 1000, 1)

    def test_what_was_deleted_stays_away(self, filled: Store) -> None:
        """A message that another device deleted does not come back with its session."""
        with filled.atomic():
            begin(filled.connection)
            note_chunk(filled.connection)
        filled.archive(session_ids=["session-1"])
        filled.connection.execute(
            "INSERT INTO sync_deleted(tbl, id, at, by) SELECT 1, 'session-1:message-2', at, by"
            " FROM sync_messages WHERE n = 2"
        )
        assert filled.bring_back(["session-1"]) == ["session-1", "session-2"]
        assert [one.id for one in filled.messages("session-1")] == ["session-1:message-1"]
        with opened(filled) as archive:
            query = "SELECT id FROM messages"
            assert archive.connection.execute(query).fetchall() == [("session-1:message-2",)]

    def test_an_older_deletion(self, filled: Store) -> None:
        """What was said after it was deleted is alive."""
        with filled.atomic():
            begin(filled.connection)
            note_chunk(filled.connection)
        filled.archive(session_ids=["session-1"])
        filled.connection.execute(
            "INSERT INTO sync_deleted(tbl, id, at, by) SELECT 1, 'session-1:message-2', at - 1, by"
            " FROM sync_messages WHERE n = 2"
        )
        filled.bring_back(["session-1"])
        assert [one.id for one in filled.messages("session-1")] == [
            "session-1:message-1",
            "session-1:message-2",
        ]

    def test_a_deleted_session(self, filled: Store) -> None:
        """It stays in the archive, says so, and comes back once it lives again, without its past."""
        with filled.atomic():
            begin(filled.connection)
            note_chunk(filled.connection)
        filled.archive(session_ids=["session-3"])
        filled.connection.execute(
            "INSERT INTO sync_deleted(tbl, id, at, by) SELECT 0, 'session-3', at, by"
            " FROM sync_sessions WHERE n = 3"
        )
        with pytest.raises(StoreError, match="was deleted"):
            filled.bring_back(["session-3"])
        filled.upsert(make_message(9, session_id="session-3"))
        assert [one.id for one in filled.messages("session-3")] == ["session-3:message-9"]
        filled.upsert(make_session(3, title="Again"))
        assert [one.id for one in filled.messages("session-3")] == [
            "session-3:message-4",
            "session-3:message-9",
        ]
        assert filled.session("session-3").title == "Again"


class TestLiveWrites:
    def test_a_message(self, filled: Store) -> None:
        """One more message brings its session back, with its subagents."""
        filled.archive(before=BEGINNING + DAY)
        filled.upsert(make_message(9))
        assert ids(filled) == ["session-1", "session-2"]
        assert archived(filled) == ["session-3"]
        assert [one.id for one in filled.messages("session-1")] == [
            "session-1:message-1",
            "session-1:message-2",
            "session-1:message-9",
        ]

    def test_a_subagent(self, filled: Store) -> None:
        """What a subagent does brings back the session that it works for."""
        filled.archive(session_ids=["session-1"])
        filled.upsert_live([make_message(9, session_id="session-2")])
        assert ids(filled) == ["session-1", "session-2", "session-3"]

    def test_a_new_subagent(self, filled: Store) -> None:
        """So does one that was not there before."""
        filled.archive(session_ids=["session-1"])
        filled.upsert(make_session(8, parent_id="session-1", relationship="subagent"))
        assert ids(filled) == ["session-1", "session-2", "session-3", "session-8"]

    def test_the_session(self, filled: Store) -> None:
        """What is said of a session is added to what the archive has of it."""
        filled.archive(session_ids=["session-3"])
        filled.upsert_live([make_session(3, title=None, status="completed")])
        assert filled.session("session-3").title == "Session 3"
        assert filled.session("session-3").status == "completed"

    def test_a_rollback(self, filled: Store) -> None:
        """A write that fails leaves the session in the archive, whole."""
        filled.archive(session_ids=["session-1"])
        with suppress(UndoneError), filled.atomic():
            filled.upsert(make_message(9))
            raise UndoneError
        assert ids(filled) == ["session-3"]
        assert archived(filled) == ["session-1", "session-2"]
        with opened(filled) as archive:
            assert [len(some) for some in rows(archive).values()] == [2, 3, 1, 1, 1]

    def test_others_stay(self, filled: Store) -> None:
        """What concerns other sessions leaves the archive alone."""
        filled.archive(session_ids=["session-1"])
        filled.upsert_many([make_session(5), make_message(9, session_id="session-3")])
        assert archived(filled) == ["session-1", "session-2"]


class TestRows:
    @pytest.fixture
    def archive(self, filled: Store) -> Iterator[Archive]:
        found = Archive.beside(filled, create=True)
        assert found is not None
        with found:
            yield found

    def test_there_is_none(self, filled: Store) -> None:
        """It is only made when that is asked for."""
        assert Archive.beside(filled) is None

    def test_put_and_read(self, filled: Store, archive: Archive) -> None:
        """Rows are read as they were put, by id and by number; a later one takes the place."""
        columns = ROW_COLUMNS["messages"]
        assert columns[:3] == ("n", "id", "session_id")
        row = (7, "m", "s", *[None] * (len(columns) - 3))
        other = (9, *row[1:])
        with filled.quietly(), archive.transaction():
            assert archive.put("messages", [row]) == 1
            assert archive.rows("messages", ["m", "x"]) == {"m": row}
            assert archive.rows_by_n("messages", [7, 8]) == {7: row}
            archive.put("messages", [other])
        assert archive.rows("messages", ["m"]) == {"m": other}
        assert archive.children_of(["s"]) == {
            "messages": [9],
            "tools": [],
            "session_errors": [],
            "compaction_events": [],
        }
        with filled.quietly(), archive.transaction():
            archive.remove("messages", [9])
        assert archive.rows("messages", ["m"]) == {}

    def test_two_rows_of_one_number(self, filled: Store, archive: Archive) -> None:
        """The one that was there first makes room, and both are found by their words."""
        columns = ROW_COLUMNS["messages"]
        place = columns.index("text_content")

        def row(name: str, text: str) -> tuple[object, ...]:
            values = [None] * len(columns)
            return (7, name, *values[2:place], text, *values[place + 1 :])

        with filled.quietly(), archive.transaction():
            archive.put("messages", [row("a", "apple")])
        archive.update_index()
        with filled.quietly(), archive.transaction():
            archive.put("messages", [row("b", "pear")])
        archive.update_index()
        assert archive.rows("messages", ["a"])["a"][0] == -1
        assert archive.rows("messages", ["b"])["b"][0] == 7
        with opened(filled) as beside:
            assert [hit.id for hit in beside.search("apple").hits] == ["a"]
            assert [hit.id for hit in beside.search("pear").hits] == ["b"]
            assert beside.check_index() == []


# Does something with a copy of a database again and again, killed one moment later each time,
# before a commit or after it, and says what the next use of the archive leaves.
KILLED = """
import shutil
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from store.test_archive import state

made, folder, how = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def act(store):
    if how == "archive":
        store.archive(session_ids=["session-1"])
    elif how == "bring_back":
        store.bring_back(["session-1"])
    elif how == "write":
        store.upsert(make_message(9))
    else:
        store.delete(["session-1"])

def killed_at(step):
    left, was_commit = step, False
    def trace(_cursor, sql, _bindings):
        nonlocal left, was_commit
        is_commit = sql.startswith("COMMIT")
        left -= is_commit or was_commit
        was_commit = is_commit
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return True
    apsw.connection_hooks.append(lambda opened: setattr(opened, "exec_trace", trace))
    with Store.open(folder / "clankers.db") as store:
        act(store)
    os._exit(0)

step = 0
while True:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    child = os.fork()
    if not child:
        killed_at(step)
    _, status = os.waitpid(child, 0)
    with Store.open(folder / "clankers.db") as store:
        say(state(store))
    if not os.WIFSIGNALED(status):
        break
    step += 1
say("end")
"""


def state(store: Store) -> str:
    """Where sessions 1 and 3 are, once what was broken off is ended."""
    store.settle_archive()
    found = []
    archive = Archive.beside(store, create=True)
    assert archive is not None
    with archive:
        for table in TABLES:
            query = f"SELECT id FROM {table} ORDER BY id"
            here = [str(one) for (one,) in store.connection.execute(query)]
            there = [str(one) for (one,) in archive.connection.execute(query)]
            found.append(f"{len(here)}+{len(there)}" if not {*here} & {*there} else "twice")
        shown = "SELECT count(*) FROM attachments"
        images = store.connection.execute(shown).get, archive.connection.execute(shown).get
        archive.update_index()
        store.update_index()
        checked = [*store.check_index()]
    with opened(store) as beside:
        checked += beside.check_index()
    return f"{' '.join(found)} images {images[0]}+{images[1]} {'; '.join(checked)}".strip()


class TestKilled:
    @pytest.mark.parametrize(
        ("how", "where", "outcomes"),
        [
            (
                "archive",
                "here",
                ["3+0 4+0 2+0 1+0 1+0 images 1+0", "1+2 1+3 1+1 0+1 0+1 images 0+1"],
            ),
            (
                "bring_back",
                "archived",
                ["1+2 1+3 1+1 0+1 0+1 images 0+1", "3+0 4+0 2+0 1+0 1+0 images 1+0"],
            ),
            (
                "write",
                "archived",
                ["1+2 1+3 1+1 0+1 0+1 images 0+1", "3+0 5+0 2+0 1+0 1+0 images 1+0"],
            ),
            (
                "delete",
                "archived",
                ["1+2 1+3 1+1 0+1 0+1 images 0+1", "1+0 1+0 1+0 0+0 0+0 images 0+0"],
            ),
        ],
    )
    def test_at_every_commit(
        self, tmp_path: Path, how: str, where: str, outcomes: list[str]
    ) -> None:
        """All is as it was or as it should be; nothing is lost, and nothing twice."""
        made = tmp_path / "made"
        made.mkdir()
        with Store.open(made / "clankers.db") as store:
            fill(store)
            image = make_attachment(b"image")
            store.upsert_many([make_message(1, content=refer(image.sha256)), image])
            store.update_index()
            store.archive(session_ids=["session-1"])
            if where == "here":
                store.bring_back(["session-1"])
        said = []
        with Child(KILLED, made, tmp_path / "killed", how, TESTS) as child:
            while (line := child.said()) not in ("", "end"):
                said.append(line)
        assert line == "end"
        assert len(said) > 8
        assert set(said) == set(outcomes)
        assert said[0] == outcomes[0]
        assert said[-1] == outcomes[1]


class TestDeleting:
    def test_by_id(self, filled: Store) -> None:
        """An archived session is deleted with its subagents, and nothing brings it back."""
        filled.archive(session_ids=["session-1"])
        planned = filled.delete(["session-1"], dry_run=True)
        done = filled.delete(["session-1"])
        assert done == planned
        assert [one.id for one in done.sessions] == ["session-1", "session-2"]
        assert done.rows["messages"] == 3
        assert ids(filled) == ["session-3"]
        assert archived(filled) == []
        with opened(filled) as archive:
            assert [len(some) for some in rows(archive).values()] == [0, 0, 0, 0, 0]
        pruned = "SELECT session_id FROM pruned ORDER BY 1"
        assert filled.connection.execute(pruned).fetchall() == [("session-1",), ("session-2",)]

    def test_sync_is_told(self, filled: Store) -> None:
        """Other devices hear of an archived row's deletion as of any other."""
        with filled.atomic():
            begin(filled.connection)
            note_chunk(filled.connection)
        filled.archive(session_ids=["session-1"])
        filled.delete(["session-1"])
        told = "SELECT tbl, id, project, first NOTNULL FROM sync_deleted ORDER BY tbl, id"
        assert filled.connection.execute(told).fetchall() == [
            (0, "session-1", "/home/dev/shop", 1),
            (0, "session-2", "/home/dev/shop", 1),
            (1, "session-1:message-1", None, 1),
            (1, "session-1:message-2", None, 1),
            (1, "session-2:message-3", None, 1),
            (2, "session-1:tool-1", None, 1),
            (3, "session-1:error-1", None, 1),
            (4, "session-1:compaction-1", None, 1),
        ]
        left = "SELECT n FROM sync_messages ORDER BY n"
        assert filled.connection.execute(left).fetchall() == [(4,)]

    def test_a_family_in_both(self, filled: Store) -> None:
        """A subagent that is archived alone goes with its session."""
        filled.archive(session_ids=["session-2"])
        assert archived(filled) == ["session-2"]
        filled.delete(["session-1"])
        assert ids(filled) == ["session-3"]
        assert archived(filled) == []

    def test_beginnings(self, filled: Store) -> None:
        """What begins an id in either file must begin only one."""
        filled.archive(session_ids=["session-3"])
        with pytest.raises(UnknownSessionError, match="begins more than one"):
            filled.delete(["session-"])
        assert ids(filled) == ["session-1", "session-2"]
        filled.upsert(make_session(30))
        assert [one.id for one in filled.delete(["session-3"]).sessions] == ["session-3"]
        assert ids(filled) == ["session-1", "session-2", "session-30"]

    def test_purge(self, filled: Store) -> None:
        """No byte of either file says what an archived session said."""
        filled.upsert(make_message(1, text_content="zanzibarine"))
        filled.archive(session_ids=["session-1"])
        assert filled.delete(["session-1"], purge=True).is_erased
        filled.close()
        for file in filled.path.parent.glob("clankers*"):
            assert b"zanzibarine" not in file.read_bytes(), file
        with opened(filled) as archive:
            assert archive.check_index() == []

    def test_purge_of_what_came_back(self, filled: Store) -> None:
        """Nor what it said there while it was archived."""
        filled.upsert(make_message(1, text_content="zanzibarine"))
        filled.archive(session_ids=["session-1"])
        filled.bring_back(["session-1"])
        assert filled.delete(["session-1"], purge=True).is_erased
        filled.close()
        for file in filled.path.parent.glob("clankers*"):
            assert b"zanzibarine" not in file.read_bytes(), file

    def test_prune(self, filled: Store) -> None:
        """Pruning looks at the database only."""
        filled.archive(session_ids=["session-1"])
        filled.prune(project="shop")
        assert ids(filled) == []
        assert archived(filled) == ["session-1", "session-2"]


class TestOthers:
    def test_a_damaged_archive(self, filled: Store) -> None:
        """What happens now is recorded, whatever became of the archive."""
        filled.archive(session_ids=["session-1"])
        filled.close()
        archive_path(filled.path).write_bytes(b"no database at all")
        with Store.open(filled.path) as again:
            again.upsert_many([make_session(7), make_message(1, session_id="session-7")])
            again.upsert_live([make_message(9)])
            assert ids(again) == ["session-3", "session-7"]
            with pytest.raises(NotADatabaseError):
                again.bring_back(["session-1"])

    def test_it_is_moved_away(self, filled: Store, tmp_path: Path) -> None:
        """A store that has it open notices, and makes a new one."""
        filled.archive(session_ids=["session-1"])
        archive_path(filled.path).rename(tmp_path / "elsewhere.db")
        for side in ("-wal", "-shm"):
            archive_path(filled.path).with_name(f"clankers.archive.db{side}").unlink()
        assert archived(filled) == []
        filled.archive(session_ids=["session-3"])
        assert archived(filled) == ["session-3"]

    def test_at_the_same_time(self, filled: Store) -> None:
        """While one process archives and another one writes, no row is lost, and none twice."""
        code = """
for number in range(60):
    with Store.open(sys.argv[1]) as store:
        if sys.argv[2] == "write":
            store.upsert(make_message(100 + number))
        elif number % 3:
            store.archive(session_ids=[one.id for one in store.sessions()][:1] or None, before=10**14)
        else:
            store.bring_back([one.id for one in store.archived_sessions()][:1])
"""
        with (
            Child(code, filled.path, "write") as writer,
            Child(code, filled.path, "write") as second,
            Child(code, filled.path, "move") as mover,
        ):
            assert (writer.ended(), second.ended(), mover.ended()) == (0, 0, 0)
        filled.settle_archive()
        with opened(filled) as archive:
            here, there = rows(filled), rows(archive)
        for table, count in (("sessions", 3), ("messages", 64), ("tools", 2)):
            found = [row[1] for row in (*here[table], *there[table])]
            assert len(found) == len(set(found)) == count, table
