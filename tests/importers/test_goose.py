"""Goose: a database of all sessions at every version of its schema, and the files of before."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.errors import ImporterError
from clankers.importers import Batch, Collection, Entry, Resume, importer
from clankers.importing import import_sessions
from clankers.store import Store
from importers._mangled import lines, mutated
from importers._stored import Found, Record, counted, stored, write_lines

GOOSE: Collection = importer("goose")  # type: ignore[assignment]
SESSION, CHILD = "20251201_1", "20251201_2"
# What they are called here, by the moment in which both began.
FIRST_ID, CHILD_ID = "20251201_1-a8e171b4", "20251201_2-a8e171b4"
NOON = 1_764_590_400  # 2025-12-01T12:00:00Z
PIXEL = base64.b64encode(b"a picture").decode()

# What each version of the schema added, as far as it is read.
FIRST = """
CREATE TABLE sessions (id TEXT PRIMARY KEY, description TEXT NOT NULL DEFAULT '',
  working_dir TEXT NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, extension_data TEXT DEFAULT '{}',
  total_tokens INTEGER, input_tokens INTEGER, output_tokens INTEGER,
  accumulated_total_tokens INTEGER, accumulated_input_tokens INTEGER,
  accumulated_output_tokens INTEGER, schedule_id TEXT, recipe_json TEXT);
CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT,
  session_id TEXT NOT NULL REFERENCES sessions(id), role TEXT NOT NULL,
  content_json TEXT NOT NULL, created_timestamp INTEGER NOT NULL,
  timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP, tokens INTEGER);
CREATE INDEX idx_messages_session ON messages(session_id);
"""
LATER = """
ALTER TABLE messages ADD COLUMN metadata_json TEXT;
ALTER TABLE sessions ADD COLUMN name TEXT DEFAULT '';
ALTER TABLE sessions ADD COLUMN user_set_name BOOLEAN DEFAULT FALSE;
ALTER TABLE sessions ADD COLUMN session_type TEXT NOT NULL DEFAULT 'user';
ALTER TABLE sessions ADD COLUMN provider_name TEXT;
ALTER TABLE sessions ADD COLUMN model_config_json TEXT;
ALTER TABLE messages ADD COLUMN message_id TEXT;
UPDATE messages SET message_id = 'msg_' || session_id || '_' || id;
ALTER TABLE sessions ADD COLUMN goose_mode TEXT NOT NULL DEFAULT 'auto';
ALTER TABLE sessions ADD COLUMN accumulated_cost REAL;
ALTER TABLE sessions ADD COLUMN accumulated_cache_read_tokens INTEGER;
ALTER TABLE sessions ADD COLUMN accumulated_cache_write_tokens INTEGER;
ALTER TABLE sessions ADD COLUMN parent_session_id TEXT;
CREATE TABLE usage_ledger (id INTEGER PRIMARY KEY AUTOINCREMENT,
  session_id TEXT NOT NULL, created_timestamp INTEGER NOT NULL, model TEXT,
  input_tokens INTEGER, output_tokens INTEGER, total_tokens INTEGER,
  cache_read_tokens INTEGER, cache_write_tokens INTEGER, cost REAL, cost_source TEXT,
  is_compaction INTEGER DEFAULT 0);
"""


def words(text: str) -> Record:
    return {"type": "text", "text": text}


def asked(name: str, tool: str, given_: Record) -> Record:
    call = {"status": "success", "value": {"name": tool, "arguments": given_}}
    return {"type": "toolRequest", "id": name, "toolCall": call}


def answered(name: str, content: Any, **more: Any) -> Record:
    value = {"content": content, "isError": False, **more}
    return {"type": "toolResponse", "id": name, "toolResult": {"status": "success", "value": value}}


class Database:
    """Goose's own connection, which writes ahead and stays open."""

    def __init__(self, folder: Path, *, later: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "sessions.db"
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.executescript(FIRST)
        if later:
            self.upgrade()

    def upgrade(self) -> None:
        self.connection.executescript(LATER)

    def insert(self, table: str, **row: Any) -> None:
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        values = list(row.values())
        self.connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)

    def session(self, key: str = SESSION, /, **more: Any) -> None:
        row = {
            "id": key,
            "working_dir": "/home/ada/engine",
            "created_at": "2025-12-01 12:00:00",
            "updated_at": "2025-12-01 12:00:09",
            **more,
        }
        self.insert("sessions", **row)

    def say(
        self, role: str, second: int, *content: Any, session: str = SESSION, **more: Any
    ) -> None:
        self.insert(
            "messages",
            session_id=session,
            role=role,
            content_json=json.dumps(content),
            created_timestamp=NOON + second,
            **more,
        )

    def use(self, second: int, given_: int, output: int, **more: Any) -> None:
        row = {"session_id": SESSION, "created_timestamp": NOON + second, "model": "gpt-5", **more}
        total = row.pop("total_tokens", given_ + output)
        self.insert(
            "usage_ledger", input_tokens=given_, output_tokens=output, total_tokens=total, **row
        )


@pytest.fixture
def database(tmp_path: Path) -> Any:
    found = Database(tmp_path / "goose" / "sessions")
    with closing(found.connection):
        yield found


def read(database: Database) -> Found:
    return stored("goose", database.path, database.path.parent.parent / "archive.db")


def test_a_conversation(database: Database) -> None:
    """Text, thinking, images and calls; results go to their calls and are no message."""
    model = json.dumps({"model_name": "claude-sonnet-4-5", "context_limit": 200_000})
    database.session(
        name="Counting gears", provider_name="anthropic", model_config_json=model, goose_mode="auto"
    )
    picture = {"type": "image", "data": PIXEL, "mimeType": "image/png"}
    database.say("user", 1, words("Count the gears"), picture, message_id="u1")
    thought = {"type": "thinking", "thinking": "Where?", "signature": ""}
    database.say(
        "assistant",
        2,
        thought,
        words("I look."),
        asked("t1", "read", {"path": "/g"}),
        message_id="a1",
    )
    database.say("user", 3, answered("t1", [words("eleven")]), message_id="r1")
    bad = {
        "type": "toolRequest",
        "id": "t2",
        "toolCall": {"status": "error", "error": "no such tool"},
    }
    database.say("assistant", 4, bad, asked("t3", "shell", {"command": "x"}), message_id="a2")
    database.say("user", 5, answered("t3", [words("denied")], isError=True), message_id="r2")
    database.say("assistant", 6, words("Eleven."), message_id="a3")
    found = read(database)
    assert found.spoken == [
        ("user", "Count the gears"),
        ("assistant", "I look."),
        ("assistant", None),
        ("assistant", "Eleven."),
    ]
    assert found.messages[1].thinking == "Where?"
    assert hashlib.sha256(b"a picture").hexdigest() in (found.messages[0].content or "")
    assert [(one.native_id, one.tool_name, one.success) for one in found.tools] == [
        ("t1", "read", True),
        ("t2", "", False),
        ("t3", "shell", False),
    ]
    assert found.tools[0].file_path == "/g"
    assert json.loads(found.tools[0].tool_output or "") == [words("eleven")]
    assert found.tools[1].error_message == "no such tool"
    session = found.session
    assert (session.id, session.title, session.model) == (
        FIRST_ID,
        "Counting gears",
        "claude-sonnet-4-5",
    )
    assert (session.provider, session.permission_mode) == ("anthropic", "auto")
    assert (session.project_path, session.project_name) == ("/home/ada/engine", "engine")
    assert (session.created_at, session.updated_at) == (NOON * 1000, NOON * 1000 + 9_000)
    assert found.counts == (7, 0, 0, 0)


def test_the_ledger(database: Database) -> None:
    """Each response is a row: input holds the cache, and what only the total has is reasoning."""
    database.session(accumulated_input_tokens=1200, accumulated_output_tokens=70)
    database.use(1, 1000, 50, cache_read_tokens=700, cache_write_tokens=100, cost=0.02)
    database.use(2, 200, 20, total_tokens=250, is_compaction=1, cost_source="estimated")
    found = read(database)
    assert found.used == [(200, 700, 100, 50), (200, 0, 0, 50)]
    assert [one.reasoning_tokens for one in found.usage] == [0, 30]
    assert [one.cost_reported for one in found.usage] == [20_000, None]
    assert [one.id for one in found.usage] == [f"goose:{FIRST_ID}:1", f"goose:{FIRST_ID}:2"]
    assert found.usage[0].occurred_at == NOON * 1000 + 1000
    assert [one.id for one in found.compactions] == [f"{FIRST_ID}:ledger-2"]


def test_totals_without_a_ledger(tmp_path: Path) -> None:
    """Old databases have one total for a session, which is one row and grows."""
    database = Database(tmp_path / "goose" / "sessions", later=False)
    with closing(database.connection):
        totals: Record = {"accumulated_input_tokens": 300, "accumulated_output_tokens": 40}
        database.session(accumulated_total_tokens=340, **totals)
        database.say("user", 1, words("Hi"))
        found = read(database)
        assert found.used == [(300, 0, 0, 40)]
        assert [one.id for one in found.usage] == [f"goose:{FIRST_ID}"]
        assert [one.native_id for one in found.messages] == ["at-1764590401000-user"]
        assert found.session.title == "Hi"


def test_an_upgrade_counts_nothing_twice(tmp_path: Path) -> None:
    """What the ledger takes over from before is the row that stood for it; so are messages."""
    database = Database(tmp_path / "goose" / "sessions", later=False)
    with closing(database.connection):
        database.session(accumulated_input_tokens=300, accumulated_output_tokens=40)
        database.say("user", 1, words("Hi"))
        read(database)
        database.upgrade()
        carried = {"cost_source": "carried_forward", "model": None}
        database.use(10, 300, 40, **carried)
        database.use(11, 100, 10)
        database.connection.execute(
            "UPDATE sessions SET accumulated_input_tokens = 400, accumulated_output_tokens = 50,"
            " updated_at = '2025-12-01 12:00:11'"
        )
        found = read(database)
        assert sorted(found.used) == [(100, 0, 0, 10), (300, 0, 0, 40)]
        assert {one.id for one in found.usage} == {f"goose:{FIRST_ID}", f"goose:{FIRST_ID}:2"}
        assert len(found.messages) == 1


def test_names_parents_and_what_nobody_saw(database: Database) -> None:
    """Placeholders are no titles, hidden words not the user's, hidden sessions are sessions."""
    database.session(name="New Chat")
    database.session(
        CHILD, name="Dig", user_set_name=1, session_type="hidden", parent_session_id=SESSION
    )
    database.say("user", 1, words("Summary"), metadata_json='{"userVisible": false}')
    database.say("user", 2, words("Go on"), metadata_json='{"userVisible": true}')
    found = read(database)
    assert found.spoken == [("system", "Summary"), ("user", "Go on")]
    assert found.sessions[FIRST_ID].title == "Go on"
    child = found.sessions[CHILD_ID]
    assert (child.title, child.parent_id, child.relationship) == ("Dig", FIRST_ID, "subagent")


def test_parts_of_one_answer_share_an_id(database: Database) -> None:
    """Rows with one message id are all kept."""
    database.session()
    database.say("assistant", 1, words("One"), message_id="m")
    database.say("assistant", 1, words("Two"), message_id="m")
    assert read(database).spoken == [("assistant", "One"), ("assistant", "Two")]


def test_damage_costs_only_itself(database: Database) -> None:
    """Content that is no list is malformed, a role nobody knows unknown, bad text is mended."""
    database.session()
    database.say("user", 1, words("Fine"), message_id="u1")
    database.say("robot", 2, words("Beep"), message_id="u2")
    database.connection.execute(
        "INSERT INTO messages (session_id, role, content_json, created_timestamp)"
        " VALUES (?, 'user', '{!', 1)",
        (SESSION,),
    )
    raw = b'[{"type":"text","text":"a\xffb"}]'
    database.connection.execute(
        "INSERT INTO messages (session_id, role, content_json, created_timestamp)"
        f" VALUES (?, 'assistant', CAST(x'{raw.hex()}' AS TEXT), {NOON + 9})",
        (SESSION,),
    )
    found = read(database)
    assert found.counts == (3, 0, 1, 1)
    assert found.spoken == [("user", "Fine"), ("assistant", "a\N{REPLACEMENT CHARACTER}b")]


def test_only_a_changed_session_is_read_again(database: Database) -> None:
    """A session is read when its time or its rows changed, while Goose goes on writing."""
    database.session()
    database.session(CHILD)
    database.say("user", 1, words("Hi"), message_id="u1")
    database.say("user", 1, words("Ho"), message_id="c1", session=CHILD)
    with Store.open(database.path.parent.parent / "archive.db") as store:
        first = import_sessions(store, ["goose"], path=database.path)
        assert first.lines == 4
        assert import_sessions(store, ["goose"], path=database.path).unchanged == 1
        # In the same second as before: only the number of rows tells.
        database.say("assistant", 2, words("Hello"), message_id="a1")
        report = import_sessions(store, ["goose"], path=database.path)
        assert report.lines == 3
        assert [one.text_content for one in store.messages(FIRST_ID)] == ["Hi", "Hello"]


def test_rows_taken_away_and_written(database: Database) -> None:
    """Two rows taken away and one written are a change, whatever their numbers add up to."""
    database.session()
    for second in (1, 2, 3):
        database.say("user", second, words("Hi"))
    before = list(GOOSE.entries(database.path) or ())
    database.connection.execute("DELETE FROM messages WHERE id IN (1, 2)")
    database.say("user", 4, words("Ho"))
    after = list(GOOSE.entries(database.path) or ())
    assert len(after) == 1
    assert after != before


def test_a_name_given_in_the_same_second(database: Database) -> None:
    """What a session's own row says is a change as well."""
    database.session(name="New Chat")
    before = list(GOOSE.entries(database.path) or ())
    database.connection.execute("UPDATE sessions SET name = 'Old Chat'")
    after = list(GOOSE.entries(database.path) or ())
    assert len(after) == 1
    assert after != before


# One id, several sessions


def test_two_databases_count_alike(tmp_path: Path) -> None:
    """The first session of a day has one id on every machine, and is not the same session."""
    for name, second in (("a", 0), ("b", 1)):
        database = Database(tmp_path / name / "goose" / "sessions")
        with closing(database.connection):
            database.session(created_at=f"2025-12-01 12:00:0{second}")
            database.session(
                CHILD,
                created_at=f"2025-12-01 12:00:3{second}",
                parent_session_id=SESSION,
                name=name,
            )
            database.say("user", second, words(name), message_id=f"msg_{SESSION}_1")
            database.use(2, 100 + second, 10)
            stored("goose", database.path, tmp_path / "archive.db")
    found = stored("goose", tmp_path / "a", tmp_path / "archive.db")
    assert sorted(found.spoken) == [("user", "a"), ("user", "b")]
    assert sorted(found.used) == [(100, 0, 0, 10), (101, 0, 0, 10)]
    assert sorted(found.sessions)[:2] == ["20251201_1-3bd798e2", FIRST_ID]
    children = [one for one in found.sessions.values() if one.id.startswith(CHILD)]
    assert sorted(str(one.parent_id) for one in children) == ["20251201_1-3bd798e2", FIRST_ID]


def test_an_id_that_is_given_again(database: Database) -> None:
    """Goose gives the number of a session that was deleted to the next one."""
    archive = database.path.parent.parent / "archive.db"
    database.session(name="First")
    database.say("user", 1, words("First"), message_id="u1")
    stored("goose", database.path, archive)
    database.connection.executescript("DELETE FROM messages; DELETE FROM sessions;")
    database.session(name="Second", created_at="2025-12-01 12:30:00")
    database.say("user", 2, words("Second"), message_id="u2")
    found = stored("goose", database.path, archive)
    assert [one.title for one in found.sessions.values()] == ["Second", "First"]
    assert found.sessions[FIRST_ID].message_count == 1


def test_a_parent_that_is_gone(database: Database) -> None:
    """Its row said when it began, so that its id is no longer known; it is none, not a wrong one."""
    database.session(CHILD, parent_session_id=SESSION)
    assert read(database).session.parent_id is None


def test_a_conversation_that_is_rewritten(tmp_path: Path) -> None:
    """Before messages had ids Goose wrote all of them anew; each is there once, also later."""
    database = Database(tmp_path / "goose" / "sessions", later=False)
    with closing(database.connection):
        database.session()
        database.say("user", 1, words("Hi"))
        database.say("assistant", 1, words("Hello"))
        database.say("assistant", 1, words("there"))
        first = read(database)
        database.connection.execute("DELETE FROM messages")
        database.say("user", 1, words("Hi"))
        database.say("assistant", 1, words("Hello"))
        database.say("assistant", 1, words("there"))
        database.say("user", 9, words("Ho"))
        assert read(database).messages[:3] == first.messages
        database.upgrade()
        database.say("assistant", 9, words("Yes"), message_id="msg_x")
        found = read(database)
        assert [said for _, said in found.spoken] == ["Hi", "Hello", "there", "Ho", "Yes"]


def test_a_database_that_is_being_written(database: Database) -> None:
    """What another connection has not committed is not there yet, and nobody waits."""
    database.session()
    database.say("user", 1, words("Hi"), message_id="u1")
    database.connection.execute("BEGIN IMMEDIATE")
    database.say("assistant", 2, words("Half"), message_id="a1")
    assert read(database).spoken == [("user", "Hi")]
    database.connection.execute("COMMIT")
    assert read(database).spoken == [("user", "Hi"), ("assistant", "Half")]


def test_deleted_messages_stay(database: Database) -> None:
    """Goose cuts a conversation off to edit a prompt; what was said before stays stored."""
    database.session()
    database.say("user", 1, words("Hi"), message_id="u1")
    database.say("assistant", 2, words("Hello"), message_id="a1")
    read(database)
    database.connection.execute("DELETE FROM messages WHERE message_id = 'a1'")
    database.say("assistant", 3, words("Good day"), message_id="a2")
    assert [said for _, said in read(database).spoken] == ["Hi", "Hello", "Good day"]


def test_a_long_session_comes_in_pieces(database: Database) -> None:
    """Memory does not grow with a session: several batches, all of one snapshot."""
    database.session()
    database.connection.execute("BEGIN")
    for second in range(9_000):
        database.say("user", second, words("Hi"), message_id=f"u{second}")
    database.connection.execute("COMMIT")
    batches: list[Batch] = list(GOOSE.read_entry(database.path, SESSION))
    assert [len(one.messages) for one in batches] == [4_000, 4_000, 1_000]
    assert sum(one.lines for one in batches) == 9_001


# The files of before


HEADER: Record = {
    "working_dir": "/home/ada/engine",
    "description": "Counting gears",
    "message_count": 2,
    "total_tokens": 90,
    "accumulated_total_tokens": 340,
    "accumulated_input_tokens": 300,
    "accumulated_output_tokens": 40,
}
LEGACY: list[Record] = [
    HEADER,
    {"role": "user", "created": NOON, "content": [words("Count")]},
    {"role": "assistant", "created": NOON + 1, "content": [asked("t1", "read", {"path": "/g"})]},
    {"role": "user", "created": NOON + 2, "content": [answered("t1", [words("eleven")])]},
    {"id": "m9", "role": "assistant", "created": NOON + 3, "content": [words("Eleven.")]},
]


def legacy(folder: Path, *records: Record | bytes, name: str = "20251201_120000") -> Path:
    return write_lines(folder / "goose" / "sessions" / f"{name}.jsonl", records)


def test_a_file_of_before(tmp_path: Path) -> None:
    """The header names the session and its total; the lines are its messages."""
    path = legacy(tmp_path, *LEGACY)
    found = stored("goose", path, tmp_path / "archive.db")
    assert found.spoken == [("user", "Count"), ("assistant", None), ("assistant", "Eleven.")]
    assert found.used == [(300, 0, 0, 40)]
    assert (found.session.id, found.session.title) == ("20251201_120000", "Counting gears")
    assert (found.tools[0].tool_name, found.tools[0].success) == ("read", True)
    assert found.counts == (5, 0, 0, 0)
    with path.open("a") as file:
        file.write('{"role": "user", "cre')
    assert stored("goose", path, tmp_path / "archive.db").counts == (5, 0, 0, 0)


def test_what_the_database_took_over_is_not_said_twice(database: Database) -> None:
    """Goose brings its old files into the database and leaves them where they are."""
    folder = database.path.parent.parent.parent
    database.session("20251201_120000")
    database.say("user", 1, words("Count"), session="20251201_120000", message_id="u1")
    legacy(folder, *LEGACY)
    legacy(folder, *LEGACY, name="20251130_120000")
    found = stored("goose", database.path.parent, folder / "archive.db")
    assert [one.session_id for one in found.messages].count("20251201_120000") == 1
    assert found.sessions["20251130_120000"].message_count == 3
    assert found.report.noise == 5


@pytest.mark.parametrize("later", [False, True])
def test_a_file_and_then_the_database(tmp_path: Path, *, later: bool) -> None:
    """Read before Goose took it over, a file's session is the same one and said once."""
    archive, key = tmp_path / "archive.db", "20251201_120000"
    path = legacy(tmp_path, *LEGACY)
    before = stored("goose", path, archive)
    database = Database(path.parent, later=later)
    with closing(database.connection):
        # The file system told Goose when it began, which is not what its name says.
        database.session(
            key,
            created_at="2025-12-03 08:00:00",
            accumulated_total_tokens=340,
            accumulated_input_tokens=300,
            accumulated_output_tokens=40,
        )
        for number, line in enumerate(LEGACY[1:]):
            own = {"message_id": f"msg_{key}_uuid-{number}"} if later else {}
            database.say(line["role"], number, *line["content"], session=key, **own)
        found = stored("goose", path.parent, archive)
    assert list(found.sessions) == list(before.sessions) == [key]
    assert found.spoken == before.spoken
    assert found.used == before.used == [(300, 0, 0, 40)]
    assert len(found.tools) == 1


def test_a_file_that_was_given_a_name(tmp_path: Path) -> None:
    """A name tells nothing apart; what the header says of the beginning does, else the folder."""
    named = stored("goose", legacy(tmp_path / "a", *LEGACY, name="gears"), tmp_path / "a.db")
    born = {**HEADER, "created_at": "2025-12-01 12:00:00"}
    path = legacy(tmp_path / "b", born, *LEGACY[1:], name="gears")
    told = stored("goose", path, tmp_path / "b.db")
    assert list(named.sessions) == ["gears-5732a070"]
    assert list(told.sessions) == ["gears-a8e171b4"]


def test_a_database_that_cannot_be_asked(database: Database) -> None:
    """As long as nobody knows what the database took over, a file beside it is not read."""
    path = legacy(database.path.parent.parent.parent, *LEGACY)
    database.session("20251201_120000")
    database.connection.execute("PRAGMA journal_mode = DELETE")
    with closing(apsw.Connection(str(database.path))) as owner:
        owner.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ImporterError, match="locked"):
            list(GOOSE.read(path, Resume()))
    assert sum(batch.noise for batch in GOOSE.read(path, Resume())) == 5


def test_where_it_looks(tmp_path: Path, database: Database) -> None:
    """The database before the files of before, from any folder above; nobody else's files."""
    path = legacy(tmp_path, *LEGACY)
    write_lines(tmp_path / "elsewhere" / "a.jsonl", LEGACY)
    assert list(GOOSE.find(tmp_path)) == [database.path, path]
    assert list(GOOSE.find(path)) == [path]
    assert GOOSE.recognises(path)
    assert GOOSE.recognises(database.path)
    assert list(GOOSE.entries(database.path) or ()) == []
    assert GOOSE.entries(path) is None
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE sessions (id TEXT)")
    assert not GOOSE.recognises(other)
    assert not GOOSE.recognises(
        write_lines(tmp_path / "b.jsonl", [{"role": "user", "content": ""}])
    )
    roots = GOOSE.roots({"GOOSE_PATH_ROOT": "/data"}, tmp_path)
    assert roots == [Path("/data/data/sessions")]
    assert tmp_path / ".local/share/goose/sessions" in GOOSE.roots({}, tmp_path)


# Anything may stand anywhere


CONTENT: list[Any] = [
    [
        words("Hi"),
        {"type": "reasoning", "text": "Hm"},
        {"type": "image", "data": PIXEL, "mimeType": "image/png"},
    ],
    [
        asked("t1", "read", {"path": "/g"}),
        {"type": "systemNotification", "notificationType": "creditsExhausted", "msg": "No"},
    ],
    [answered("t1", [words("x"), {"type": "image", "data": PIXEL, "mimeType": "image/png"}])],
    [{"type": "toolResponse", "id": "t1", "toolResult": {"status": "error", "error": "bad"}}],
]
VALUE = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9)
)
COLUMNS = (
    "working_dir",
    "created_at",
    "updated_at",
    "name",
    "user_set_name",
    "model_config_json",
    "parent_session_id",
    "accumulated_input_tokens",
    "accumulated_cost",
)
USED = (
    "created_timestamp",
    "model",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cost",
    "cost_source",
    "is_compaction",
)


@given(
    st.lists(st.tuples(VALUE, mutated(CONTENT), VALUE, VALUE), max_size=4),
    st.dictionaries(st.sampled_from(COLUMNS), VALUE, max_size=4),
    st.dictionaries(st.sampled_from(USED), VALUE, max_size=4),
)
@settings(max_examples=100, deadline=None)
def test_no_row_raises_and_every_row_is_counted(
    messages: list[tuple[Any, Any, Any, Any]], session: Record, used: Record
) -> None:
    """Whatever a column holds, in whichever table; each row is in exactly one counter."""
    with tempfile.TemporaryDirectory() as name:
        database = Database(Path(name))
        with closing(database.connection):
            try:
                database.session(**session)
                database.use(1, 1, 1)
                for column, value in used.items():
                    database.connection.execute(f"UPDATE usage_ledger SET {column} = ?", (value,))
            except sqlite3.IntegrityError:
                return
            for created, content, native, metadata in messages:
                database.connection.execute(
                    "INSERT INTO messages (session_id, role, content_json, created_timestamp,"
                    " message_id, metadata_json) VALUES (?, 'user', ?, ifnull(?, 0), ?, ?)",
                    (SESSION, json.dumps(content), created, native, metadata),
                )
            listed: list[Entry] = list(GOOSE.entries(database.path) or ())
            assert [one.key for one in listed] == [SESSION]
            batches = list(GOOSE.read_entry(database.path, SESSION))
            assert sum(one.lines for one in batches) == 2 + len(messages)


@given(lines(LEGACY))
@settings(max_examples=100, deadline=None)
def test_no_line_raises_and_every_line_is_counted(written: list[bytes]) -> None:
    """Each line of a file of before that is not blank is in exactly one counter."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_lines(Path(folder) / "20251201_120000.jsonl", written)
        assert counted("goose", path) == sum(1 for one in written if one.strip())
