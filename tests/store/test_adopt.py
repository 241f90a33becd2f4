"""A database of the original project is taken over with every row, or left as it was."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from clankers.errors import StoreError
from clankers.store import Store
from clankers.store._migrations import MIGRATIONS, Migration, open_current
from clankers.testing import make_session, make_usage
from store._children import Child, answers

if TYPE_CHECKING:
    from pathlib import Path

ORIGINAL = """
CREATE TABLE sessions(
  id TEXT PRIMARY KEY, title TEXT, project_path TEXT, project_name TEXT, model TEXT,
  provider TEXT, source TEXT, status TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
  cost REAL, message_count INTEGER, tool_call_count INTEGER, permission_mode TEXT,
  created_at INTEGER, updated_at INTEGER, ended_at INTEGER);
CREATE TABLE messages(
  id TEXT PRIMARY KEY, session_id TEXT REFERENCES sessions(id) ON DELETE CASCADE, role TEXT,
  text_content TEXT, model TEXT, source TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
  duration_ms INTEGER, created_at INTEGER, completed_at INTEGER);
CREATE TABLE tools(
  id TEXT PRIMARY KEY, session_id TEXT NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
  message_id TEXT, tool_name TEXT NOT NULL, tool_input TEXT, tool_output TEXT, file_path TEXT,
  success INTEGER, error_message TEXT, duration_ms INTEGER, created_at INTEGER NOT NULL);
CREATE TABLE session_errors(
  id TEXT PRIMARY KEY, session_id TEXT REFERENCES sessions(id) ON DELETE CASCADE,
  error_type TEXT, error_message TEXT, created_at INTEGER NOT NULL);
CREATE TABLE compaction_events(
  id TEXT PRIMARY KEY, session_id TEXT REFERENCES sessions(id) ON DELETE CASCADE,
  tokens_before INTEGER, tokens_after INTEGER, messages_before INTEGER, messages_after INTEGER,
  created_at INTEGER NOT NULL);
"""
# Ids are NULL, a message has no session, children's sessions were never seen.
ROWS = """
INSERT INTO sessions VALUES
  ('s1', 'First', '/p', 'p', 'gpt-5', 'openai', 'codex', 'done', 100, 20, 0.25, 2, 1, 'ask',
    1000, 2000, 3000),
  ('s2', NULL, NULL, NULL, NULL, NULL, 'opencode', NULL, 70, 0, 0.5, NULL, NULL, NULL,
    NULL, NULL, NULL),
  (NULL, 'Nameless', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    5000, NULL, NULL);
INSERT INTO messages VALUES
  ('m1', 's1', 'user', 'hello', NULL, 'codex', NULL, NULL, NULL, 1100, NULL),
  ('m2', 's1', 'assistant', 'hi', 'gpt-5', 'codex', 90, 10, 400, 1200, 1600),
  (NULL, 's1', 'user', 'no id', NULL, NULL, NULL, NULL, NULL, 1300, NULL),
  (NULL, 's1', 'user', 'no id', NULL, NULL, NULL, NULL, NULL, 1300, NULL),
  ('m5', NULL, 'assistant', 'no session', NULL, 'codex', 5, 6, NULL, 1400, NULL),
  ('m6', 'gone', 'assistant', 'of nobody', NULL, 'gemini', 0, 0, NULL, 1500, NULL);
INSERT INTO tools VALUES
  ('t1', 's1', 'm2', 'Bash', '{"command":"ls"}', '"a"', '/f', 1, NULL, 5, 1250),
  (NULL, 'lost', NULL, 'Read', NULL, NULL, NULL, 0, 'denied', NULL, 1260);
INSERT INTO session_errors VALUES ('e1', 's1', 'limit', 'slow down', 1270);
INSERT INTO compaction_events VALUES ('c1', 's1', 9000, 100, 40, 2, 1280), (NULL, NULL, 1, 2, 3, 4, 5);
"""
TABLES = ("sessions", "messages", "tools", "session_errors", "compaction_events")


def make_original(path: Path, *scripts: str) -> None:
    connection = apsw.Connection(str(path))
    for script in scripts:
        connection.execute(script)
    connection.close()


def columns(connection: apsw.Connection, table: str) -> list[str]:
    described = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return [str(name) for (name,) in described]


def everything(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the five tables in the order and with the columns they have."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
    finally:
        connection.close()


def is_clean(connection: apsw.Connection) -> bool:
    return (
        connection.pragma("integrity_check") == "ok"
        and connection.execute("PRAGMA foreign_key_check").fetchall() == []
    )


def backups(path: Path) -> list[Path]:
    return sorted((path.parent / "backups").glob("*.db"))


class TestRows:
    def test_all_come_along(self, path: Path) -> None:
        """Every value of every row is there, in the order they were in; NULL ids became UUIDs."""
        make_original(path, ORIGINAL, ROWS)
        before = everything(path)
        names = {}
        original = apsw.Connection(str(path))
        for table in TABLES:
            names[table] = columns(original, table)
        original.close()
        with Store.open(path) as store:
            for table in TABLES:
                place = "NOT placeholder" if table == "sessions" else "1"
                found = store.connection.execute(
                    f"SELECT {', '.join(names[table])} FROM {table} WHERE {place} ORDER BY n"
                ).fetchall()
                assert [row[1:] for row in found] == [row[1:] for row in before[table]]
                for was, now in zip(before[table], found, strict=True):
                    assert now[0] == was[0] or (
                        was[0] is None and uuid.UUID(str(now[0])).version == 4
                    )
                    assert now[0] is not None
                assert len({row[0] for row in found}) == len(found)
            assert is_clean(store.connection)

    def test_children_of_nobody_get_a_placeholder(self, path: Path) -> None:
        """It says its source where a message does, and belongs to this device."""
        make_original(path, ORIGINAL, ROWS)
        with Store.open(path) as store:
            rows = store.connection.execute(
                "SELECT id, source, created_at, origin_device FROM sessions"
                " WHERE placeholder ORDER BY id"
            ).fetchall()
            assert rows == [
                ("gone", "gemini", None, store.device_id),
                ("lost", None, None, store.device_id),
            ]
            assert {one.title for one in store.sessions()} == {"First", None, "Nameless"}
            assert {one.origin_device for one in store.sessions()} == {store.device_id}

    def test_are_read_like_others(self, path: Path) -> None:
        """Messages without a place stand in the order of their times; writing goes on."""
        late = "INSERT INTO messages(id, session_id, created_at) VALUES ('m0', 's1', 1050)"
        make_original(path, ORIGINAL, ROWS, late)
        with Store.open(path) as store:
            assert [one.text_content for one in store.messages("s1")] == [
                None,
                "hello",
                "hi",
                "no id",
                "no id",
            ]
            assert store.upsert(make_session(id="s1", title="Better"))
            assert store.session("s1").project_path == "/home/dev/shop"
            assert store.session("s1").created_at == 1000

    def test_ids_that_stand_twice(self, path: Path) -> None:
        """The first keeps the id; no other row is lost or takes the id of a third."""
        make_original(
            path,
            "CREATE TABLE sessions(id, title TEXT)",
            "INSERT INTO sessions VALUES ('a', '1'), ('a#2', '2'), ('a', '3'), (7, '4'), ('7', '5'),"
            " ('a', '6'), ('', '7'), ('', '8')",
            "CREATE TABLE messages(id TEXT, session_id TEXT, text_content TEXT)",
            "INSERT INTO messages VALUES ('m', 'a', 'x'), ('m', 'a', 'y')",
        )
        with Store.open(path) as store:
            rows = store.connection.execute("SELECT id, title FROM sessions ORDER BY n").fetchall()
            assert rows == [
                ("a", "1"),
                ("a#2", "2"),
                ("a#3", "3"),
                ("7", "4"),
                ("7#2", "5"),
                ("a#4", "6"),
                ("", "7"),
                ("#2", "8"),
            ]
            assert [one.text_content for one in store.messages("a")] == ["x", "y"]

    @pytest.mark.parametrize("kind", ["", "STRICT", "WITHOUT ROWID"])
    def test_tables_of_every_kind(self, path: Path, kind: str) -> None:
        """Columns of any name and type come along, generated ones as what they said."""
        sessions = f"""
CREATE TABLE sessions(
  ID TEXT NOT NULL PRIMARY KEY, n INTEGER, Placeholder TEXT, "odd ""name" BLOB, title TEXT,
  rowid TEXT, loud TEXT GENERATED ALWAYS AS (upper(title)) VIRTUAL,
  stored TEXT AS (lower(title)) STORED, archived_at INTEGER) {kind};
INSERT INTO sessions(ID, n, Placeholder, "odd ""name", title, rowid, archived_at)
VALUES ('b', 9, 'yes', x'00ff', 'Two', 'r', 3), ('a', NULL, NULL, NULL, 'One', NULL, NULL);
"""
        make_original(path, sessions)
        wanted = 'id, original_n, original_Placeholder, "odd ""name", original_rowid, loud, stored'
        with Store.open(path) as store:
            rows = store.connection.execute(
                f"SELECT {wanted}, original_archived_at, archived_at FROM sessions ORDER BY title"
            ).fetchall()
            assert rows == [
                ("a", None, None, None, None, "ONE", "one", None, None),
                ("b", 9, "yes", b"\x00\xff", "r", "TWO", "two", 3, None),
            ]
            assert [one.title for one in store.sessions()] == ["One", "Two"]

    def test_columns_that_are_missing(self, path: Path) -> None:
        """A table of an early version may lack what is never NULL with us."""
        make_original(
            path,
            "CREATE TABLE sessions(id TEXT, title TEXT)",
            "CREATE TABLE tools(tool_name TEXT); INSERT INTO tools VALUES ('Bash'), (NULL)",
        )
        with Store.open(path) as store:
            found = [(one.tool_name, one.session_id, one.created_at) for one in store.tools()]
            assert found == [("Bash", "", 0), ("", "", 0)]
            assert is_clean(store.connection)

    def test_what_else_is_in_the_file_stays(self, path: Path) -> None:
        """Other tables keep rows, references and triggers; views go on; names of ours are freed."""
        extras = """
CREATE TABLE notes(session_id TEXT REFERENCES sessions(id), text TEXT);
INSERT INTO notes VALUES ('s1', 'remember');
CREATE TABLE usage(tokens INTEGER); INSERT INTO usage VALUES (42);
CREATE TABLE original_sessions(kept TEXT); INSERT INTO original_sessions VALUES ('mine');
CREATE VIEW titles AS SELECT s.title, m.text_content FROM sessions s JOIN messages m
  ON m.session_id = s.id;
CREATE VIEW device AS SELECT 1 AS one;
CREATE INDEX messages_session ON messages(created_at);
CREATE INDEX usage_occurred ON notes(text);
CREATE TRIGGER count_messages AFTER INSERT ON messages BEGIN DELETE FROM notes; END;
CREATE TRIGGER keep_notes AFTER DELETE ON notes BEGIN
  INSERT INTO notes VALUES (old.session_id, old.text || '!'); END;
"""
        make_original(path, ORIGINAL, ROWS, extras)
        with Store.open(path) as store:
            ask = store.connection.execute
            assert ask("SELECT * FROM notes").fetchall() == [("s1", "remember")]
            assert ask("SELECT tokens FROM original_usage").fetchall() == [(42,)]
            assert ask("SELECT kept FROM original_sessions").fetchall() == [("mine",)]
            assert ask("SELECT * FROM titles LIMIT 1").fetchall() == [("First", "hello")]
            indexed = "SELECT name FROM pragma_index_info('messages_session')"
            assert ask(indexed).fetchall() == [("session_id",), ("seq",)]
            ask("DELETE FROM notes")
            assert ask("SELECT text FROM notes").fetchall() == [("remember!",)]
            tables = ask(
                "SELECT name FROM sqlite_schema WHERE name LIKE 'original%' ORDER BY 1"
            ).fetchall()
            assert tables == [("original_sessions",), ("original_usage",)]
            assert is_clean(store.connection)

    def test_a_journal_of_the_other_kind(self, path: Path) -> None:
        """An original in WAL mode with rows that only its log holds is read whole."""
        make_original(path, "PRAGMA journal_mode = wal", ORIGINAL)
        connection = apsw.Connection(str(path))
        connection.execute(ROWS)
        with Store.open(path) as store:
            assert len(list(store.sessions())) == 3
        connection.close()


class TestEstimates:
    def test_by_message_else_by_session_never_both(self, path: Path) -> None:
        """The totals that were kept count until something is measured."""
        make_original(path, ORIGINAL, ROWS)
        with Store.open(path) as store:
            rows = store.connection.execute(
                "SELECT id, session_id, session_at, message_id, source, model, occurred_at,"
                " input_tokens, output_tokens, cost, cost_source, estimated, origin_device"
                " FROM usage ORDER BY id"
            ).fetchall()
            mine = store.device_id
            assert rows == [
                ("rpc:m2", "s1", 1000, "m2", "codex", "gpt-5", 1200, 90, 10, None, None, 1, mine),
                ("rpc:m5", "", None, "m5", "codex", None, 1400, 5, 6, None, None, 1, mine),
                ("rpc:s2", "s2", None, None, "opencode", None, None, 70, 0, 500_000, "reported",
                 1, mine),
            ]  # fmt: skip
            store.upsert(make_usage(session_id="s1"))
            assert store.session("s1").prompt_tokens == 1_110

    def test_what_was_said_stays_on_the_session(self, path: Path) -> None:
        """Deriving totals anew does not take away a cost that only the original knew."""
        make_original(path, ORIGINAL, ROWS)
        with Store.open(path) as store:
            store.refresh(["s1", "s2"])
            assert [
                (one.id, one.prompt_tokens, one.completion_tokens, one.cost, one.message_count)
                for one in (store.session("s1"), store.session("s2"))
            ] == [("s1", 90, 10, 0.25, 4), ("s2", 70, 0, 0.5, 0)]

    def test_numbers_that_are_none(self, path: Path) -> None:
        """Text, negative counts and impossible costs make no estimate and no trouble."""
        make_original(
            path,
            "CREATE TABLE sessions(id TEXT, title TEXT, prompt_tokens, completion_tokens, cost)",
            "INSERT INTO sessions VALUES ('a', '', 'many', -5, NULL), ('b', '', '12', NULL, 9e999),"
            " ('c', '', 0, 0, 0.0), ('d', '', NULL, NULL, 0.75)",
        )
        with Store.open(path) as store:
            rows = store.connection.execute(
                "SELECT id, input_tokens, output_tokens, cost FROM usage ORDER BY id"
            ).fetchall()
            assert rows == [("rpc:b", 12, 0, None), ("rpc:d", 0, 0, 750_000)]


class TestOnce:
    def test_after_a_copy_that_is_whole(self, path: Path) -> None:
        """The copy has the original's tables and rows, and is for its owner alone."""
        make_original(path, ORIGINAL, ROWS)
        before = everything(path)
        with Store.open(path):
            (copy,) = backups(path)
            assert everything(copy) == before
            assert copy.stat().st_mode & 0o777 == 0o600

    def test_a_second_open_does_nothing(self, path: Path) -> None:
        """Neither a row nor a copy is made again."""
        make_original(path, ORIGINAL, ROWS)
        with Store.open(path) as store:
            rows = everything(path)
        with Store.open(path) as store:
            assert everything(path) == rows
            assert store.connection.total_changes() == 0
        assert len(backups(path)) == 1

    def test_an_error_in_the_middle_leaves_the_original(self, path: Path) -> None:
        """All of it happens or nothing."""

        def fail(connection: apsw.Connection) -> None:
            connection.execute("SELECT * FROM nowhere")

        make_original(path, ORIGINAL, ROWS)
        before = everything(path)
        with pytest.raises(StoreError, match="nowhere"):
            open_current(path, migrations=(*MIGRATIONS, Migration(2, "fails", "", fail)))
        assert everything(path) == before
        with Store.open(path) as store:
            assert len(list(store.sessions())) == 3

    @pytest.mark.parametrize("moment", ["copy", "commit"])
    def test_killed_in_the_middle(self, path: Path, moment: str) -> None:
        """A process that dies leaves the original, and the next one adopts it."""
        code = """
def die(*_anything):
    os.kill(os.getpid(), signal.SIGKILL)

def hooked(connection):
    if sys.argv[2] == "commit":
        connection.set_commit_hook(die)
    else:
        connection.set_update_hook(lambda kind, database, table, n: table == "tools" and die())

apsw.connection_hooks.append(hooked)
Store.open(sys.argv[1])
"""
        make_original(path, ORIGINAL, ROWS)
        before = everything(path)
        with Child(code, path, moment) as child:
            assert child.ended() == -9
        assert everything(path) == before
        with Store.open(path) as store:
            assert len(list(store.sessions())) == 3
            assert is_clean(store.connection)

    def test_by_several_processes_at_once(self, path: Path) -> None:
        """One adopts, the others wait for it and find it done."""
        code = """
say("ready")
told()
with Store.open(sys.argv[1], busy_timeout_ms=60_000) as store:
    say(len(list(store.sessions())))
"""
        make_original(path, ORIGINAL, ROWS)
        with ExitStack() as stack:
            children = [stack.enter_context(Child(code, path)) for _child in range(4)]
            assert [child.said() for child in children] == ["ready"] * 4
            for child in children:
                child.tell()
            assert [child.said() for child in children] == ["3"] * 4
        assert len(backups(path)) == 1

    def test_memory_does_not_grow_with_the_rows(self, path: Path) -> None:
        """Rows are copied by SQLite, not gathered: 80 MB of them pass through far less."""
        code = """
Store.open(sys.argv[1]).close()
say(apsw.memory_high_water())
"""
        rows = (
            "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 2000)"
            " INSERT INTO messages(id, session_id, text_content)"
            " SELECT i % 1999, 's1', hex(zeroblob(20000)) FROM k"
        )
        connection = apsw.Connection(str(path))
        connection.execute("CREATE TABLE sessions(id TEXT, title TEXT)")
        connection.execute("CREATE TABLE messages(id TEXT, session_id TEXT, text_content TEXT)")
        connection.execute(rows)
        connection.close()
        (most,) = answers(code, path)
        assert int(most) < 20_000_000
