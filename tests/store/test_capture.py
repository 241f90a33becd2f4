"""Capture: what changes is noted for sync, and nothing else, by the rules of the protocol."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from clankers import Store, wire
from clankers.importers import Batch, Resume
from clankers.importing._removed import Removed
from clankers.store.capture import _marks as marks
from clankers.store.capture import _queue as queue
from clankers.store.capture._layout import SYNCED
from clankers.store.capture._state import change_state
from clankers.testing import (
    make_compaction,
    make_error,
    make_message,
    make_session,
    make_tool,
    make_usage,
)
from store._histories import FAULTS, History, WrongError
from store.conftest import UndoneError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store._histories import Fault
    from store.conftest import Rows

    Ask = Callable[..., Rows]

EXAMPLES = int(
    os.environ.get("CLANKERS_TEST_EXAMPLES") or os.environ.get("CLANKERS_TEST_RUNS") or "150"
)
FIRST = int(os.environ.get("CLANKERS_TEST_SEED", "0"))
STEPS = 25
# So many histories are enough to meet each of the faults.
ENOUGH = 80
# When session 1 of clankers.testing was last updated, and message 1 was written.
SESSION_AT, MESSAGE_AT = 1_767_603_660_000, 1_767_603_601_000
MINUTE = 60_000


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of our schema, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "clankers.db"
    Store.open(path).close()
    return path


def problem_of(empty: Path, folder: Path, seed: int, fault: Fault | None = None) -> str | None:
    """What is wrong at some step of a history, and how it came to that."""
    path = folder / f"{seed}.db"
    shutil.copy(empty, path)
    history = History(path, seed, fault=fault)
    try:
        history.live(STEPS)
    except WrongError as problem:
        return "\n".join([f"CLANKERS_TEST_SEED={seed}", *history.done, str(problem)])
    finally:
        history.close()
        path.unlink()
    return None


class TestHistories:
    def test_random(self, empty: Path, tmp_path: Path) -> None:
        """After every statement of a random history the views show what the rules say.

        Ours and another program insert, change, delete and rename rows, import, write quietly,
        roll back, while clocks go wrong and capture begins somewhere. CLANKERS_TEST_EXAMPLES
        and CLANKERS_TEST_SEED choose how many histories, and the first.
        """
        for seed in range(FIRST, FIRST + EXAMPLES):
            if (problem := problem_of(empty, tmp_path, seed)) is not None:
                pytest.fail(problem)

    @pytest.mark.parametrize("name", FAULTS)
    def test_a_fault_is_found(self, empty: Path, tmp_path: Path, name: str) -> None:
        """Triggers that are a little wrong do not pass."""
        found = (problem_of(empty, tmp_path, seed, FAULTS[name]) for seed in range(ENOUGH))
        assert any(one is not None for one in found)


# Short ways to look


@pytest.fixture
def capturing(store: Store) -> Store:
    """A store in which changes are noted."""
    with store.atomic():
        marks.begin(store.connection)
    return store


@pytest.fixture
def other(capturing: Store) -> Any:
    """Another program: SQLite as Python has it, with its defaults."""
    connection = sqlite3.connect(capturing.path, isolation_level=None)
    yield connection
    connection.close()


def waiting(store: Store) -> list[tuple[str, str, str]]:
    """Table, id and operation of what waits, in the order in which it goes."""
    rows = store.connection.execute(
        "SELECT tbl, id, op FROM sync_queue ORDER BY first_seq, tbl, id"
    )
    return [(str(table), str(record_id), str(op)) for table, record_id, op in rows]


def empty_queue(store: Store) -> None:
    """As if a server had everything."""
    with store.atomic():
        for table in wire.TABLES:
            rows: Rows = store.connection.execute(
                f"SELECT n, seq FROM sync_{table} WHERE first NOT NULL"
            ).fetchall()
            sent = [queue.Acknowledged(n, seq, b"hash", 1, 1) for n, seq in rows]
            queue.acknowledge(store.connection, table, sent)
        store.connection.execute("UPDATE sync_deleted SET seq = NULL, first = NULL")


def times(store: Store, record_id: str) -> dict[str, int]:
    """When each field of a record was said, as the view has it."""
    stamps = str(
        store.connection.execute("SELECT stamps FROM sync_versions WHERE id = ?", (record_id,)).get
    )
    return {name: at for name, (at, _device, _edition) in json.loads(stamps).items()}


def sequence(store: Store) -> int:
    return int(store.connection.execute("SELECT seq FROM sync_state").get)


def import_again(store: Store, *records: Any) -> None:
    """Writes records as an import does that read them in a transcript."""
    batch = Batch(Resume())
    groups = {"Session": "sessions", "Message": "messages", "Usage": "usage"}
    for one in records:
        getattr(batch, groups[type(one).__name__]).append(one)
    with store.atomic(), store.by_event():
        rest = Removed(store.connection).rest_of(batch)
        store.write("sessions", rest.sessions)
        store.add_placeholders([one.session_id for one in rest.messages])
        store.write("messages", rest.messages)
        store.write_usage(rest.usage)


def count(store: Store, table: str) -> int:
    return int(store.connection.execute(f"SELECT count(*) FROM {table}").get)


class TestTraps:
    @pytest.mark.parametrize(
        ("table", "fat"),
        [("messages", "text_content"), ("tools", "error_message"), ("sessions", "title")],
    )
    def test_times_stand_before_texts(self, ask: Ask, table: str, fat: str) -> None:
        """Reading a time behind 20 KB of text costs ten times as much."""
        names = [name for (name,) in ask("SELECT name FROM pragma_table_info(?)", table)]
        timed = [name for name in names if name.endswith("ed_at") and name != "archived_at"]
        assert max(map(names.index, timed)) < names.index(fat)

    def test_no_insert_trigger(self, capturing: Store, ask: Ask) -> None:
        """Whether rows went in is told by counting changes, to which such a trigger would add."""
        triggers = ask("SELECT sql FROM sqlite_schema WHERE type = 'trigger'")
        assert len(triggers) == 23
        assert not [sql for (sql,) in triggers if " INSERT ON " in sql]

    def test_changes_are_counted(self, capturing: Store) -> None:
        """What is noted beside them does not count."""
        assert capturing.upsert_many([make_session(), make_message(1), make_message(2)]) == 3
        assert capturing.upsert_many([make_message(1), make_message(2)]) == 0
        assert capturing.upsert_many([make_message(1, role="assistant"), make_message(3)]) == 2

    def test_quiet_writes_move_the_mark(self, capturing: Store, other: Any) -> None:
        """Rows that others inserted before are noted; those inside never are, until they change."""
        other.execute("INSERT INTO sessions(id, title) VALUES ('theirs', 'A')")
        with capturing.quietly():
            capturing.connection.execute("INSERT INTO sessions(id, title) VALUES ('quiet', 'A')")
        assert waiting(capturing) == [("sessions", "theirs", "put")]
        capturing.connection.execute("UPDATE sessions SET status = 'done' WHERE id = 'quiet'")
        assert waiting(capturing)[1:] == [("sessions", "quiet", "put")]
        said = {name for name, at in times(capturing, "quiet").items() if at}
        assert said == {"status"}

    def test_a_quiet_write_that_fails(self, capturing: Store) -> None:
        """Leaves nothing quiet behind."""
        with pytest.raises(KeyError), capturing.quietly():
            raise KeyError
        capturing.upsert(make_session())
        assert waiting(capturing) == [("sessions", "session-1", "put")]

    def test_placeholders_are_not_sent(self, capturing: Store) -> None:
        """One that is filled says all it has, with one stamp."""
        capturing.upsert(make_message(1))
        assert waiting(capturing) == [("messages", "session-1:message-1", "put")]
        before = time.time_ns() // 1_000_000
        capturing.upsert(make_session())
        assert waiting(capturing)[1:] == [("sessions", "session-1", "put")]
        stamps = times(capturing, "session-1")
        assert stamps["source"] == stamps["title"] == stamps["created_at"] >= before

    def test_a_placeholder_with_another_id(self, capturing: Store, other: Any) -> None:
        """Is still one: neither it nor the loss of its old id is sent."""
        capturing.upsert(make_message(1))
        other.execute("UPDATE sessions SET id = 'other'")
        assert waiting(capturing) == [("messages", "session-1:message-1", "put")]

    def test_an_id_that_was_deleted_and_given_again(self, capturing: Store, other: Any) -> None:
        """The row says all fields, empty ones too, and the tombstone no longer waits."""
        capturing.upsert_many([make_session(), make_message(1), make_message(2, thinking=None)])
        other.execute("DELETE FROM messages WHERE id = 'session-1:message-1'")
        empty_queue(capturing)
        other.execute("UPDATE messages SET id = 'session-1:message-1'")
        assert waiting(capturing) == [
            ("messages", "session-1:message-1", "put"),
            ("messages", "session-1:message-2", "delete"),
        ]
        stamps = capturing.connection.execute(
            "SELECT s_thinking, s_thinking = base FROM sync_messages_fields"
        ).get
        assert stamps is not None
        assert stamps[0] > 0
        assert stamps[1] == 1

    def test_every_row_below_the_mark_is_noted(self, capturing: Store, ask: Ask) -> None:
        """An update of one that is not would be lost."""
        capturing.upsert_many([make_session(), make_message(1), make_tool(1), make_usage(1)])
        capturing.upsert_many([make_message(1), make_message(2, session_id="session-7")])
        with capturing.quietly():
            capturing.connection.execute("INSERT INTO sessions(id) VALUES ('quiet')")
        for table in wire.TABLES:
            assert ask(f"SELECT n FROM {table} EXCEPT SELECT n FROM sync_{table}") == []

    def test_numbers_of_deleted_rows_do_not_return(self, capturing: Store, ask: Ask) -> None:
        """Or what was noted of the old row would be taken for the new one's."""
        capturing.upsert_many([make_session(), make_message(1), make_message(2)])
        capturing.connection.execute("DELETE FROM messages")
        capturing.upsert(make_message(3))
        ((n,),) = ask("SELECT n FROM messages")
        assert n > 2
        assert ask("SELECT n FROM sync_messages") == [(n,)]

    @pytest.mark.parametrize("is_recursive", [False, True])
    def test_replace(self, capturing: Store, other: Any, *, is_recursive: bool) -> None:
        """The new row is captured; that the old one went only where SQLite fires its trigger."""
        capturing.upsert(make_session())
        empty_queue(capturing)
        other.execute(f"PRAGMA recursive_triggers = {int(is_recursive)}")
        other.execute("REPLACE INTO sessions(id, title) VALUES ('session-1', 'Other')")
        assert waiting(capturing) == [("sessions", "session-1", "delete")] * is_recursive
        with capturing.atomic():
            pass
        assert waiting(capturing) == [("sessions", "session-1", "put")]

    def test_rows_with_numbers_below_the_mark(self, capturing: Store, ask: Ask) -> None:
        """What returns quietly under its old number keeps its stamps, and is noted from then on."""
        capturing.upsert_many([make_session(), make_message(1), make_message(2)])
        empty_queue(capturing)
        before, stamps = sequence(capturing), times(capturing, "session-1:message-1")
        with capturing.quietly():
            capturing.connection.execute("CREATE TEMP TABLE away AS SELECT * FROM messages")
            capturing.connection.execute("DELETE FROM messages")
        with capturing.quietly():
            capturing.connection.execute("INSERT INTO messages SELECT * FROM away")
        assert (waiting(capturing), sequence(capturing)) == ([], before)
        assert times(capturing, "session-1:message-1") == stamps
        capturing.connection.execute("UPDATE messages SET role = 'x' WHERE n = 1")
        assert waiting(capturing) == [("messages", "session-1:message-1", "put")]


class TestWhatIsNoted:
    def test_no_change(self, capturing: Store, other: Any) -> None:
        """What stays the same is not said again, whoever writes it; neither is what is derived."""
        capturing.upsert_many([make_session(), make_message(1), make_usage(1)])
        empty_queue(capturing)
        capturing.upsert_many([make_session(), make_message(1), make_usage(1)])
        other.execute("UPDATE messages SET role = role, text_content = text_content")
        other.execute("UPDATE sessions SET message_count = 17, cost = 3.5, archived_at = 5")
        assert waiting(capturing) == []

    def test_to_and_from_nothing(self, capturing: Store, other: Any) -> None:
        """A null is a value like any other; only what changed is stamped."""
        capturing.upsert_many([make_session(), make_message(1)])
        first = times(capturing, "session-1:message-1")
        other.execute("UPDATE messages SET role = NULL, thinking = 'Hm'")
        second = times(capturing, "session-1:message-1")
        assert second["role"] == second["thinking"] > first["role"]
        assert second["text_content"] == first["text_content"]

    def test_another_program_stamps_with_its_clock(self, capturing: Store, other: Any) -> None:
        """In milliseconds, above what was said before."""
        capturing.upsert(make_session())
        first = times(capturing, "session-1")["title"]
        before = time.time_ns() // 1_000_000
        other.execute("UPDATE sessions SET title = 'Theirs'")
        after = time.time_ns() // 1_000_000
        assert max(before, first + 1) <= times(capturing, "session-1")["title"] <= after + 2

    def test_a_clock_that_other_devices_are_ahead_of(self, capturing: Store) -> None:
        """Nothing is stamped below clock_floor, and each change above the one before."""
        floor = time.time_ns() // 1_000_000 + 60 * MINUTE
        with capturing.atomic():
            change_state(capturing.connection, clock_floor=floor)
        capturing.upsert(make_session())
        assert times(capturing, "session-1")["title"] == floor
        capturing.upsert(make_session(title="Second"))
        assert times(capturing, "session-1")["title"] == floor + 1

    def test_imports_are_as_old_as_what_they_tell(self, capturing: Store) -> None:
        """A session by its last change, a message by its end; never of the future."""
        now = time.time_ns() // 1_000_000
        import_again(
            capturing,
            make_session(),
            make_message(1),
            make_message(2, completed_at=MESSAGE_AT + 5_000),
            make_message(3, created_at=now + 60 * MINUTE),
        )
        assert times(capturing, "session-1")["title"] == SESSION_AT
        assert times(capturing, "session-1:message-1")["role"] == MESSAGE_AT
        assert times(capturing, "session-1:message-2")["role"] == MESSAGE_AT + 5_000
        assert now <= times(capturing, "session-1:message-3")["role"] <= now + MINUTE

    def test_a_transaction_that_is_rolled_back(self, capturing: Store) -> None:
        """Leaves nothing noted: no number, no row, no tombstone, no mark."""
        capturing.upsert_many([make_session(), make_message(1)])
        state = "SELECT * FROM sync_core", "SELECT * FROM sync_messages", "SELECT * FROM sync_queue"
        before = [capturing.connection.execute(sql).fetchall() for sql in state]
        with suppress(UndoneError), capturing.atomic():
            capturing.upsert_many([make_message(1, role="x"), make_message(2)])
            capturing.delete(["session-1"])
            assert sequence(capturing) > 1
            raise UndoneError
        assert [capturing.connection.execute(sql).fetchall() for sql in state] == before

    def test_numbers_of_changes_are_never_used_again(self, capturing: Store) -> None:
        """Not even when all that carried the newest ones is gone, and the store was closed."""
        capturing.upsert_many([make_session(), make_message(1)])
        empty_queue(capturing)
        newest = sequence(capturing)
        capturing.prune(before=2**60)
        assert count(capturing, "sync_messages") == 0
        with Store.open(capturing.path) as again:
            assert sequence(again) == newest
            again.upsert(make_session(2))
            assert sequence(again) == newest + 1

    def test_what_is_acknowledged(self, capturing: Store, ask: Ask) -> None:
        """A row that changed since it was sent goes on waiting, in its old place."""
        capturing.upsert_many([make_session(1), make_session(2)])
        sent = ask("SELECT n, seq FROM sync_sessions ORDER BY n")
        capturing.upsert(make_session(2, title="Changed"))
        acknowledged = [queue.Acknowledged(n, seq, b"hash", 1, 1) for n, seq in sent]
        queue.acknowledge(capturing.connection, "sessions", acknowledged)
        assert ask("SELECT id, seq, first_seq FROM sync_queue") == [("session-2", 2, 1)]


class TestBeginning:
    def test_before_it_only_deletions(self, store: Store) -> None:
        """A server may have got the row from elsewhere; all else is stamped when sync begins."""
        store.upsert_many([make_session(), make_message(1), make_message(2)])
        store.connection.execute("DELETE FROM messages WHERE seq = 2")
        assert waiting(store) == [("messages", "session-1:message-2", "delete")]
        with store.atomic():
            marks.begin(store.connection)
            marks.note_chunk(store.connection)
        assert waiting(store) == [
            ("messages", "session-1:message-2", "delete"),
            ("messages", "session-1:message-1", "put"),
            ("sessions", "session-1", "put"),
        ]
        assert times(store, "session-1")["title"] == SESSION_AT
        assert times(store, "session-1:message-1")["role"] == MESSAGE_AT

    def test_a_large_archive(self, store: Store, ask: Ask) -> None:
        """Goes in parts, all of it by its own times, whatever else is written meanwhile."""
        store.connection.execute(
            "WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c LIMIT 120000)"
            " INSERT INTO sessions(id, updated_at) SELECT 's' || n, n FROM c"
        )
        with store.atomic():
            marks.begin(store.connection)
            is_done = marks.note_chunk(store.connection)
        assert not is_done
        assert ask("SELECT count(*), max(at) FROM sync_sessions") == [(50_000, 50_000)]
        with store.quietly():
            store.connection.execute("UPDATE sessions SET title = 'x' WHERE id = 's70000'")
        while not is_done:
            with store.atomic():
                is_done = marks.note_chunk(store.connection)
        assert ask("SELECT count(*) FROM sync_sessions WHERE at = n") == [(120_000,)]
        assert marks.is_capturing(store.connection)


class TestRemovals:
    def test_delete(self, capturing: Store, ask: Ask) -> None:
        """The session and each of its children has a tombstone; usage stays, its raw does not."""
        capturing.upsert_many(
            [
                make_session(),
                make_message(1),
                make_tool(1),
                make_error(1),
                make_compaction(1),
                make_usage(1, raw="{}"),
                make_usage(2, raw=None),
            ]
        )
        empty_queue(capturing)
        usage = ask("SELECT id FROM usage WHERE raw NOT NULL")[0][0]
        capturing.delete(["session-1"])
        assert sorted(waiting(capturing)) == [
            ("compaction_events", "session-1:compaction-1", "delete"),
            ("messages", "session-1:message-1", "delete"),
            ("session_errors", "session-1:error-1", "delete"),
            ("sessions", "session-1", "delete"),
            ("tools", "session-1:tool-1", "delete"),
            ("usage", usage, "put"),
        ]
        assert ask("SELECT count(*), count(raw) FROM usage") == [(2, 0)]
        rows = ask("SELECT project, purge FROM sync_versions WHERE tbl = 'sessions'")
        assert rows == [("/home/dev/shop", 0)]

    def test_purge(self, capturing: Store, ask: Ask) -> None:
        """Marks the tombstones it makes, and no others."""
        capturing.upsert_many([make_session(1), make_message(1), make_session(2)])
        capturing.delete(["session-2"])
        capturing.delete(["session-1"], purge=True)
        found = ask("SELECT id, purge FROM sync_versions WHERE deleted_at NOT NULL ORDER BY id")
        assert found == [("session-1", 1), ("session-1:message-1", 1), ("session-2", 0)]

    def test_what_waits_is_not_pruned(self, capturing: Store) -> None:
        """A session of which anything waits stays; the others leave no trace."""
        capturing.upsert_many([make_session(1), make_session(2), make_message(1)])
        empty_queue(capturing)
        capturing.upsert(make_message(1, role="assistant"))
        before = sequence(capturing)
        assert capturing.prune(before=2**60).unsent == 1
        assert [one.id for one in capturing.sessions()] == ["session-1"]
        assert waiting(capturing) == [("messages", "session-1:message-1", "put")]
        assert (count(capturing, "sync_sessions"), count(capturing, "sync_deleted")) == (1, 0)
        assert sequence(capturing) == before

    def test_prune_all_the_same(self, capturing: Store) -> None:
        """With unsent nothing of it waits any more, and there is no tombstone."""
        capturing.upsert_many([make_session(1), make_message(1), make_tool(1)])
        capturing.upsert(make_message(1, role="assistant"))
        capturing.prune(before=2**60, unsent=True)
        assert capturing.connection.execute("SELECT * FROM sync_queue").fetchall() == []
        for table in ("sync_messages", "sync_messages_fields", "sync_deleted"):
            assert count(capturing, table) == 0

    @pytest.mark.parametrize(("later", "rows"), [(-1, 0), (0, 0), (1, 1)])
    def test_an_import_after_the_session_was_deleted(
        self, capturing: Store, ask: Ask, later: int, rows: int
    ) -> None:
        """What is not newer than the tombstone writes nothing; usage alone comes in any case."""
        capturing.upsert(make_session())
        capturing.delete(["session-1"])
        ((at,),) = ask("SELECT json_extract(deleted_at, '$[0]') FROM sync_versions")
        with capturing.atomic():  # The clock goes on.
            change_state(capturing.connection, clock_floor=at + MINUTE)
        import_again(
            capturing,
            make_session(updated_at=at + later),
            make_message(1, created_at=at + later),
            make_usage(1, occurred_at=at + later, raw="{}"),
        )
        assert (count(capturing, "sessions"), count(capturing, "messages")) == (rows, rows)
        assert ask("SELECT count(*), count(raw) FROM usage") == [(1, 0)]
        assert (("sessions", "session-1", "delete") in waiting(capturing)) is (rows == 0)

    @pytest.mark.parametrize(("later", "rows"), [(-1, 0), (0, 0), (1, 1)])
    def test_an_import_after_a_row_was_deleted(
        self, capturing: Store, ask: Ask, later: int, rows: int
    ) -> None:
        """The same for single rows, usage among them."""
        capturing.upsert_many([make_session(), make_message(1), make_usage(1)])
        capturing.connection.execute("DELETE FROM messages")
        capturing.connection.execute("DELETE FROM usage")
        found: dict[str, int] = dict(
            ask(
                "SELECT tbl, json_extract(deleted_at, '$[0]') FROM sync_versions WHERE deleted_at NOT NULL"
            )
        )
        with capturing.atomic():
            change_state(capturing.connection, clock_floor=max(found.values()) + MINUTE)
        import_again(
            capturing,
            make_message(1, created_at=found["messages"] + later),
            make_usage(1, occurred_at=found["usage"] + later),
        )
        assert (count(capturing, "messages"), count(capturing, "usage")) == (rows, rows)

    def test_forgetting_a_deletion(self, capturing: Store, ask: Ask) -> None:
        """Imports bring the session back, above its tombstone; what was deleted elsewhere not."""
        capturing.upsert_many([make_session(), make_message(1), make_session(2)])
        capturing.delete(["session-1", "session-2"])
        assert capturing.forget_pruned("session-1") == ["session-1"]
        import_again(capturing, make_session(), make_message(1), make_session(2))
        assert [one.id for one in capturing.sessions()] == ["session-1"]
        assert count(capturing, "messages") == 1
        ((at,),) = ask(
            "SELECT json_extract(deleted_at, '$[0]') FROM sync_versions WHERE id = 'session-1'"
        )
        assert times(capturing, "session-1")["title"] == at + 1

    @pytest.mark.parametrize("purge", [False, True])
    def test_what_comes_back_live(self, capturing: Store, *, purge: bool) -> None:
        """Says every field, empty ones too; its tombstone waits only if it erases."""
        capturing.upsert(make_session())
        capturing.delete(["session-1"], purge=purge)
        capturing.upsert(make_session(status=None))
        both = [("sessions", "session-1", "delete"), ("sessions", "session-1", "put")]
        assert waiting(capturing) == (both if purge else both[1:])
        said = capturing.connection.execute("SELECT s_status >> 16 FROM sync_sessions_fields").get
        assert said == times(capturing, "session-1")["title"]


class TestViews:
    def test_the_columns_that_sync(self) -> None:
        """The tables and the wire have the same."""
        assert list(SYNCED) == list(wire.FIELDS)
        for table, fields in wire.FIELDS.items():
            assert set(SYNCED[table]) == set(fields)

    def test_state(self, capturing: Store, ask: Ask) -> None:
        """One row, of this device."""
        capturing.upsert(make_session())
        columns = "device_id, seq, clock_floor, clock_offset, edition, quiet, import, watermark"
        assert ask(f"SELECT {columns} FROM sync_state") == [
            (capturing.device_id, 1, 0, 0, 1, 0, 0, 0)
        ]
        with capturing.atomic(), capturing.by_event():
            assert ask("SELECT quiet, import FROM sync_state") == [(0, 1)]
        with capturing.quietly():
            assert ask("SELECT quiet, import FROM sync_state") == [(1, 0)]
        assert ask("SELECT quiet, import FROM sync_state") == [(0, 0)]

    def test_versions(self, capturing: Store, ask: Ask) -> None:
        """Stamps by field, with device and edition; a tombstone with its project."""
        import_again(capturing, make_session(), make_message(1))
        ((table, stamps, deleted_at, purge),) = ask(
            "SELECT tbl, stamps, deleted_at, purge FROM sync_versions WHERE id = 'session-1'"
        )
        assert (table, deleted_at, purge) == ("sessions", None, 0)
        assert json.loads(stamps)["title"] == [SESSION_AT, capturing.device_id, 1]
        assert set(json.loads(stamps)) == set(wire.FIELDS["sessions"])
        capturing.delete(["session-1"])
        ((stamps, deleted_at, project),) = ask(
            "SELECT stamps, deleted_at, project FROM sync_versions WHERE id = 'session-1'"
        )
        assert (stamps, project) == ("{}", "/home/dev/shop")
        assert json.loads(deleted_at)[1:] == [capturing.device_id, 1]

    def test_queue(self, capturing: Store, ask: Ask) -> None:
        """Ready, held or set aside, and why."""
        capturing.upsert_many([make_session(1), make_session(2), make_session(3)])
        connection = capturing.connection
        queue.hold(connection, "sessions", [2])
        refused = queue.Refused("sessions", "session-3", "too_large", "17 MB", 1, 5)
        queue.set_aside(connection, queue.Waiting(1, 0, 3), 1, refused)
        assert ask("SELECT * FROM sync_queue ORDER BY id") == [
            ("sessions", "session-1", "put", 1, 1, "ready", None, 0),
            ("sessions", "session-2", "put", 1, 1, "held", None, 0),
            ("sessions", "session-3", "put", 1, 1, "aside", "17 MB", 1),
        ]
        capturing.upsert_many([make_session(2, title="x"), make_session(3, title="x")])
        states = ask("SELECT state, first_seq FROM sync_queue ORDER BY id")
        assert states == [("ready", 1), ("ready", 1), ("ready", 1)]

    def test_status(self, capturing: Store, ask: Ask) -> None:
        """What a server has: the hash in hexadecimal, the newest stamp, the edition."""
        import_again(capturing, make_session())
        ((n, seq, at, by),) = ask("SELECT n, seq, at, by FROM sync_sessions")
        sent = queue.Acknowledged(n, seq, b"\x01\xab", (at << 16) | by, 3)
        queue.acknowledge(capturing.connection, "sessions", [sent])
        ((table, record_id, hashed, stamps, edition),) = ask("SELECT * FROM sync_status")
        assert (table, record_id, hashed, edition) == ("sessions", "session-1", "01ab", 3)
        assert json.loads(stamps) == [SESSION_AT, capturing.device_id, 1]
