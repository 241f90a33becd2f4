"""Where sessions are, whose they are, and which of them are read again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clankers.errors import ImporterError
from clankers.importers import importer
from clankers.importers.opencode import IMPORTER
from clankers.importing import import_sessions

from ._sessions import (
    LATER,
    SCHEMA,
    SESSION,
    Database,
    Storage,
    answer,
    at,
    batches_of,
    imported,
    rows,
    text,
    tokens,
    tool,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from clankers.store import Store

WEEK = 7 * 24 * 60 * 60
SPENT = tokens(100, 40)


def found(root: Path, agent: str = "opencode") -> list[str]:
    return [path.relative_to(root).as_posix() for path in map(Path, importer(agent).find(root))]


@pytest.mark.parametrize(
    ("agent", "environ", "roots"),
    [
        ("opencode", {}, ["~/.local/share/opencode"]),
        ("opencode", {"XDG_DATA_HOME": "/data"}, ["/data/opencode"]),
        ("opencode", {"OPENCODE_DATA_DIR": "/a, /b"}, ["/a", "/b"]),
        ("opencode", {"OPENCODE_DB": "/x/oc.db"}, ["~/.local/share/opencode", "/x/oc.db"]),
        ("opencode", {"OPENCODE_DB": "oc.db"}, ["~/.local/share/opencode"]),
        ("kilo", {"XDG_DATA_HOME": "/data"}, ["/data/kilo"]),
        ("mimocode", {}, ["~/.local/share/mimocode"]),
        ("mimocode", {"MIMOCODE_HOME": "/mimo"}, ["/mimo/data"]),
        ("icodemate", {}, ["~/.local/share/icodemate"]),
    ],
)
def test_where_they_are(agent: str, environ: dict[str, str], roots: list[str]) -> None:
    """The folder of data that the XDG rules name, or the one that a variable does."""
    home = Path("/home/ada")
    expected = [Path(root.replace("~", str(home))) for root in roots]
    assert importer(agent).roots(environ, home) == expected


def test_storage_comes_before_the_databases_of_all_channels(tmp_path: Path) -> None:
    """What is read last wins; folders of checkouts and programs are left out."""
    data = tmp_path / "share" / "opencode"
    for name in ("opencode.db", "opencode-dev.db", "snapshot/opencode.db", "other.db"):
        Database(data / name).connection.close()
    Storage(data / "storage").message("msg_1", user(), text("Hello"))
    expected = ["opencode/storage", "opencode/opencode-dev.db", "opencode/opencode.db"]
    assert found(tmp_path / "share") == expected
    assert found(data) == ["storage", "opencode-dev.db", "opencode.db"]
    assert list(map(Path, IMPORTER.find(data / "storage"))) == [data / "storage"]
    assert list(map(Path, IMPORTER.find(data / "other.db"))) == [data / "other.db"]


def test_each_product_has_its_own(tmp_path: Path) -> None:
    """The same tables and folders are told apart by what databases and folders are called."""
    for product in ("opencode", "kilo", "mimocode", "icodemate"):
        Database(tmp_path / product / f"{product}.db").connection.close()
        Storage(tmp_path / product / "storage").message("msg_1", user(), text("Hi"))
    for product in ("opencode", "kilo", "mimocode", "icodemate"):
        own = [f"{product}/storage", f"{product}/{product}.db"]
        assert found(tmp_path, product) == own
        everything = [
            path
            for agent in ("opencode", "kilo", "mimocode", "icodemate")
            for path in map(Path, importer(agent).find(tmp_path))
        ]
        recognised = [path for path in everything if importer(product).recognises(path)]
        assert [path.relative_to(tmp_path).as_posix() for path in recognised] == own


def test_a_product_is_the_source_of_its_rows(tmp_path: Path, store: Store) -> None:
    """Kilo's sessions and responses are Kilo's."""
    database = Database(tmp_path / "kilo" / "kilo.db")
    database.session()
    database.message("msg_1", answer(2, SPENT))
    report = import_sessions(store, path=tmp_path)
    database.connection.close()
    assert report.failures == []
    assert rows(store, "SELECT source FROM sessions") == [("kilo",)]
    ((usage,),) = rows(store, "SELECT id FROM usage")
    assert usage.startswith("kilo:")


@pytest.mark.parametrize("content", [b"", b"{}", b"SQLite format 3\0 but no more"])
def test_files_that_are_none(tmp_path: Path, content: bytes) -> None:
    """They are not recognised, and reading one says why it cannot be."""
    path = tmp_path / "opencode.db"
    path.write_bytes(content)
    assert not IMPORTER.recognises(path)
    with pytest.raises(ImporterError):
        list(IMPORTER.entries(path))


def test_databases_and_folders_of_others(tmp_path: Path) -> None:
    """Neither other tables nor folders with similar names are OpenCode's."""
    other = Database(tmp_path / "opencode.db", "CREATE TABLE project (id, worktree, time_updated)")
    other.connection.close()
    assert not IMPORTER.recognises(other.path)
    (tmp_path / "app" / "session").mkdir(parents=True)
    (tmp_path / "app" / "message").mkdir()
    assert not IMPORTER.recognises(tmp_path / "app")
    assert found(tmp_path) == ["opencode.db"]


def test_a_later_schema(tmp_path: Path) -> None:
    """More columns, other indexes and a new table change nothing."""
    database = Database(tmp_path / "opencode.db")
    database.session()
    database.run(LATER)
    database.message("msg_1", answer(2, SPENT), text("Hello"))
    (batch,) = batches_of(database.path)
    database.connection.close()
    assert (len(batch.messages), batch.usage[0].input_tokens) == (1, 100)


def test_a_schema_with_the_least_columns(tmp_path: Path) -> None:
    """What a database does not have is not asked for."""
    schema = """
    CREATE TABLE project (id, worktree, time_updated);
    CREATE TABLE session (id text, time_created integer);
    CREATE TABLE message (id text, session_id text, data text);
    CREATE TABLE part (id text, message_id text, session_id text, data text);
    """
    database = Database(tmp_path / "opencode.db", schema)
    database.run("INSERT INTO session VALUES ('s', 5), (NULL, 6)")
    database.run("INSERT INTO message VALUES ('m', 's', ?)", '{"role":"user"}')
    database.run("INSERT INTO part VALUES ('p', 'm', 's', ?)", '{"type":"text","text":"Hi"}')
    assert IMPORTER.recognises(database.path)
    (batch,) = batches_of(database.path)
    database.connection.close()
    assert batch.messages[0].text_content == "Hi"


def test_only_the_session_that_moved_is_read(database: Database, store: Store) -> None:
    """Of a shared database an import reads what changed and nothing else."""
    for number in range(20):
        database.session(f"ses_{number}", number)
        database.message(f"m_{number}", user(number), text("Hello"), session=f"ses_{number}")
    (first,) = imported(store, database.path).sources
    assert first.imported == 1 + 20 * 3
    assert imported(store, database.path).sources[0].lines == 0
    database.message("m_new", user(50), text("More"), session="ses_7")
    (second,) = imported(store, database.path).sources
    assert (second.imported, second.sessions) == (5, {"ses_7"})


CHANGES: list[tuple[str, tuple[Any, ...]]] = [
    ("UPDATE session SET title = 'New', time_updated = ?", (at(90),)),
    ("UPDATE message SET time_updated = ? WHERE id = 'msg_1'", (at(90),)),
    ("UPDATE part SET time_updated = ? WHERE id = 'msg_1-prt1'", (at(90),)),
    ("DELETE FROM part WHERE id = 'msg_1-prt1'", ()),
    ("DELETE FROM message WHERE id = 'msg_1'", ()),
]


@pytest.mark.parametrize(("change", "values"), CHANGES)
def test_every_change_is_noticed(
    database: Database, store: Store, change: str, values: tuple[Any, ...]
) -> None:
    """Updates in place by their time, what is gone by the number of rows."""
    database.message("msg_1", answer(2, SPENT), text("Hello"), tool("c"))
    imported(store, database.path)
    database.run(change, *values)
    assert imported(store, database.path).sources[0].sessions == {SESSION}


def test_parts_of_sessions_long_unused_are_not_asked_for(database: Database) -> None:
    """Looking through all parts of a large database takes too long; their number still tells."""
    database.message("msg_1", user(1), text("Hello"))
    database.session("ses_later", WEEK + 100)
    (before, _later) = IMPORTER.entries(database.path)
    database.run("UPDATE part SET time_updated = ?", at(3 * WEEK))
    assert next(iter(IMPORTER.entries(database.path))) == before
    database.run("DELETE FROM part")
    assert next(iter(IMPORTER.entries(database.path))) == before._replace(rows=1)


def test_a_running_call_that_ends(database: Database, store: Store) -> None:
    """A later import completes what an earlier one saw begin."""
    running = tool("c", status="running", output=None, time={"start": at(3)})
    database.message("msg_1", answer(2), running)
    imported(store, database.path)
    query = "SELECT success, duration_ms FROM tools"
    assert rows(store, query) == [(None, None)]
    database.run("DELETE FROM part")
    database.part("msg_1-prt1", "msg_1", tool("c"))
    imported(store, database.path)
    assert rows(store, query) == [(1, 1_000)]


def test_a_database_that_is_being_written(database: Database, store: Store) -> None:
    """Its owner may be in the middle of a change: what is read is the state before it."""
    database.message("msg_1", user(1), text("Hello"))
    database.connection.execute("BEGIN IMMEDIATE")
    database.message("msg_2", user(2), text("Not yet"))
    imported(store, database.path)
    query = "SELECT text_content FROM messages ORDER BY seq"
    assert rows(store, query) == [("Hello",)]
    database.connection.execute("COMMIT")
    imported(store, database.path)
    assert rows(store, query) == [("Hello",), ("Not yet",)]


def test_reading_goes_on_while_its_owner_writes(database: Database) -> None:
    """All batches of a session are of one moment."""
    for number in range(1_200):
        database.message(f"msg_{number:04}", user(number), text("Again"))
    reading = IMPORTER.read_entry(database.path, SESSION)
    first = next(reading)
    database.run("DELETE FROM message")
    rest = list(reading)
    assert sum(len(one.messages) for one in [first, *rest]) == 1_200


def test_a_session_that_was_deleted_before_it_was_read(database: Database) -> None:
    assert list(IMPORTER.read_entry(database.path, "ses_gone")) == []


# The folder that was used before


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """A storage folder with one session."""
    made = Storage(tmp_path / "opencode" / "storage")
    made.session()
    made.message("msg_1", user(1), text("How long?"))
    made.message("msg_2", answer(2, SPENT), tool("c"), text("Two metres."))
    return made


def test_a_storage_folder(storage: Storage) -> None:
    """It says the same as a database."""
    (batch,) = batches_of(storage.path)
    (session,) = batch.sessions
    assert (session.id, session.title, session.agent_version) == (SESSION, "Old title", "0.15.0")
    assert [(one.id, one.text_content) for one in batch.messages] == [
        (f"{SESSION}:msg_1", "How long?"),
        (f"{SESSION}:msg_2", "Two metres."),
    ]
    assert (batch.tools[0].id, batch.usage[0].input_tokens) == (f"{SESSION}:c", 100)
    assert (batch.imported, batch.malformed) == (6, [])


def test_both(storage: Storage, tmp_path: Path, store: Store) -> None:
    """The database's session wins; what only the folder has is there too; nothing twice."""
    storage.message("msg_0", user(0), text("Only in the folder"))
    storage.session("ses_left", title="Left behind")
    database = Database(tmp_path / "opencode" / "opencode.db")
    database.session()
    database.message("msg_1", user(1), text("How long?"))
    database.message("msg_2", answer(2, SPENT), tool("c"), text("Two metres, I think."))
    imported(store, tmp_path)
    database.connection.close()
    assert rows(store, "SELECT id, title FROM sessions ORDER BY id") == [
        (SESSION, "Build the engine"),
        ("ses_left", "Left behind"),
    ]
    assert rows(store, "SELECT text_content FROM messages ORDER BY seq") == [
        ("Only in the folder",),
        ("How long?",),
        ("Two metres, I think.",),
    ]
    assert rows(store, "SELECT count(*), sum(input_tokens) FROM usage") == [(1, 100)]
    assert rows(store, "SELECT count(*) FROM tools") == [(1,)]


def touch(path: Path) -> None:
    later = path.stat().st_mtime_ns + 5_000_000_000
    os.utime(path, ns=(later, later))


@pytest.mark.parametrize(
    "change",
    [
        lambda root: touch(root / f"session/p1/{SESSION}.json"),
        lambda root: touch(root / f"message/{SESSION}/msg_2.json"),
        lambda root: touch(root / "part/msg_2/msg_2-prt1.json"),
        lambda root: (root / "part/msg_2/msg_2-prt1.json").unlink(),
        lambda root: (root / f"message/{SESSION}/msg_2.json").unlink(),
    ],
)
def test_every_change_of_a_file_is_noticed(
    storage: Storage, change: Callable[[Path], None]
) -> None:
    """A session has another entry when any of its files moved, the others have not."""
    storage.session("ses_other")
    before = {one.key: one for one in IMPORTER.entries(storage.path)}
    assert {one.key: one for one in IMPORTER.entries(storage.path)} == before
    change(storage.path)
    after = {one.key: one for one in IMPORTER.entries(storage.path)}
    assert [key for key in before if before[key] != after[key]] == [SESSION]


def test_messages_of_a_session_without_a_file(storage: Storage) -> None:
    """They are imported under the name of their folder."""
    (storage.path / f"session/p1/{SESSION}.json").unlink()
    (batch,) = batches_of(storage.path)
    assert batch.sessions[0].id == SESSION
    assert batch.sessions[0].project_path == "/home/ada/engine"
    assert len(batch.messages) == 2


def test_a_session_that_does_not_say_when_it_was_made(storage: Storage) -> None:
    """It is as old as the first thing in it."""
    storage.session(time={"updated": at(80)})
    (batch,) = batches_of(storage.path)
    assert (batch.sessions[0].created_at, batch.sessions[0].updated_at) == (at(1), at(80))


def test_the_oldest_layout(storage: Storage) -> None:
    """A folder for each project, with `info` beside `message` and `part`."""
    oldest = storage.path.parent / "project" / "home-ada" / "storage" / "session"
    made = Storage(oldest)
    made.message("msg_5", user(5), text("Before all"), session="ses_old")
    (oldest / "part" / "msg_5").rename(oldest / "part" / "moved")
    (oldest / "part" / "ses_old").mkdir()
    (oldest / "part" / "moved").rename(oldest / "part" / "ses_old" / "msg_5")
    made.write("info/ses_old.json", {"title": "The first", "time": {"created": at(4)}})
    assert found(storage.path.parent) == ["project/home-ada/storage/session", "storage"]
    (batch,) = batches_of(oldest)
    assert batch.sessions[0].title == "The first"
    assert batch.messages[0].text_content == "Before all"


def test_damaged_files(storage: Storage) -> None:
    """Each costs itself and is counted; a message keeps its parts."""
    storage.write(f"session/p1/{SESSION}.json", "{")
    storage.write(f"message/{SESSION}/msg_1.json", "[]")
    storage.write("part/msg_2/msg_2-prt1.json", "")
    (batch,) = batches_of(storage.path)
    assert batch.malformed == [1, 2, 5]
    assert [one.text_content for one in batch.messages] == ["How long?", "Two metres."]


def test_an_id_that_leads_elsewhere(storage: Storage) -> None:
    """A message's id names a folder in `part` and none outside."""
    storage.write("secret/a.json", {"type": "text", "text": "secret"})
    storage.write(f"message/{SESSION}/msg_3.json", {"id": "../secret", **user(3)})
    (batch,) = batches_of(storage.path)
    assert batch.messages[-1].text_content is None


def test_schema_is_as_real_ones_are(corpus: Path) -> None:
    """The tables and indexes of these tests are those of a real database, as far as they go."""
    import apsw

    real = corpus / "opencode/dark-factory/share/opencode/opencode.db"
    connection = apsw.Connection(f"file:{real}?immutable=1", apsw.SQLITE_OPEN_READONLY | 0x40)
    indexes = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    ours = {word for line in SCHEMA.splitlines() for word in line.split() if word.endswith("_idx")}
    assert ours <= indexes
