"""Opening: new files, files of others, older and newer ones, and those that cannot be written."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest

from clankers.errors import NewerSchemaError, NotADatabaseError, ReadOnlyError, StoreError
from clankers.store import Store
from clankers.store._migrations import MIGRATIONS, Migration, open_current
from clankers.testing import make_message, make_session
from store._children import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What other programs keep, some of it under names that are ours.
OTHERS = {
    "other tables": "CREATE TABLE customers(id TEXT); INSERT INTO customers VALUES ('a')",
    "only a view": "CREATE VIEW recent AS SELECT 1",
    "sessions of a web application": (
        "CREATE TABLE sessions(id TEXT PRIMARY KEY, user_id TEXT, created_at TEXT, status TEXT)"
    ),
    "a view called sessions": "CREATE VIEW sessions AS SELECT 'a' AS id, 'b' AS title",
    "migrations of another program": (
        "CREATE TABLE schema_migrations(version TEXT); CREATE TABLE sessions(id TEXT, title TEXT);"
        "INSERT INTO schema_migrations VALUES ('20250101')"
    ),
}
NEWER = """
CREATE TABLE schema_migrations(version INTEGER PRIMARY KEY, applied_at, checksum, description);
INSERT INTO schema_migrations VALUES (1000, 0, '', 'from the future');
"""


def mode(path: Path | str) -> int:
    return Path(path).stat().st_mode & 0o777


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but -shm, which says nothing that is not in the others."""
    return {
        one.name: one.read_bytes()
        for one in folder.iterdir()
        if one.is_file() and not one.name.endswith("-shm")
    }


def make_database(path: Path, sql: str, *, journal: str) -> None:
    """A database of another program: "delete", "wal", or "wal left behind" by a crash."""
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", journal.partition(" ")[0])
    connection.execute(sql)
    if journal != "wal left behind":
        connection.close()
        return
    saved = contents(path.parent)
    connection.close()
    for name, content in saved.items():
        (path.parent / name).write_bytes(content)


@pytest.fixture
def old_umask() -> Iterator[None]:
    found = os.umask(0)
    yield
    os.umask(found)


class TestNew:
    def test_has_the_settings_of_the_data_model(self, store: Store) -> None:
        """WAL, foreign keys, recursive triggers, NORMAL, large pages, and one device."""
        pragma = store.connection.pragma
        assert pragma("journal_mode") == "wal"
        assert pragma("foreign_keys") == 1
        assert pragma("recursive_triggers") == 1
        assert pragma("synchronous") == 1
        assert pragma("page_size") == 16_384
        assert store.connection.execute("SELECT count(*) FROM device").get == 1
        versions = "SELECT version, description, length(checksum) FROM schema_migrations"
        assert store.connection.execute(versions).fetchall() == [
            (1, "the archive", 64),
            (2, "search, and databases that hold many sessions", 64),
            (3, "rows that plugins report", 64),
            (4, "what waits to be synced", 64),
        ]

    def test_is_the_users_own_by_default(self, home: Path) -> None:
        """Without a path it is clankers.db in the data directory, which is made private."""
        with Store.open() as store:
            store.upsert(make_session())
            assert store.path == home / ".local/share/clankers/clankers.db"
            assert mode(store.path.parent) == 0o700

    @pytest.mark.parametrize("umask", [0, 0o077, 0o277])
    def test_files_are_private_whatever_the_umask(
        self, path: Path, old_umask: None, umask: int
    ) -> None:
        """Database, log and shared memory are for their owner to read and write."""
        os.umask(umask)
        with Store.open(path) as store:
            store.upsert(make_session())
            assert [mode(f"{path}{side}") for side in ("", "-wal", "-shm")] == [0o600] * 3

    def test_what_is_looser_is_tightened(self, home: Path) -> None:
        """Files and the data directory of an earlier time lose the rights of others."""
        with Store.open() as store:
            store.upsert(make_session())
            files = [Path(f"{store.path}{side}") for side in ("", "-wal", "-shm")]
            for file in files:
                file.chmod(0o666)
            store.path.parent.chmod(0o755)
            with Store.open():
                assert [mode(file) for file in files] == [0o600] * 3
                assert mode(store.path.parent) == 0o700

    def test_a_folder_of_the_users_keeps_its_rights(self, tmp_path: Path) -> None:
        """Only our own data directory is ours to change."""
        folder = tmp_path / "shared"
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        Store.open(folder / "new" / "clankers.db").close()
        assert mode(folder) == 0o755

    def test_an_empty_file_becomes_one(self, path: Path) -> None:
        """An empty file holds nothing that could be lost."""
        path.touch(mode=0o644)
        with Store.open(path) as store:
            store.upsert(make_session())
        assert mode(path) == 0o600

    def test_names_with_odd_letters(self, tmp_path: Path) -> None:
        """Nothing in a file name is read as an option of SQLite."""
        path = tmp_path / "file:a b?mode=ro#c%41.db"
        with Store.open(path) as store:
            store.upsert(make_session())
        with Store.open(path, read_only=True) as store:
            assert store.session("session-1").title == "Session 1"
        assert path.exists()

    def test_a_link_leads_to_the_real_file(self, tmp_path: Path) -> None:
        """A link may even point to a file that is not there yet."""
        (tmp_path / "disk").mkdir()
        link = tmp_path / "clankers.db"
        link.symlink_to(tmp_path / "disk" / "real.db")
        with Store.open(link) as store:
            store.upsert(make_session())
            assert mode(tmp_path / "disk" / "real.db-wal") == 0o600
        assert link.is_symlink()

    def test_a_change_of_directory_moves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A relative path is that of the moment it was given."""
        monkeypatch.chdir(tmp_path)
        with Store.open("clankers.db") as store:
            assert store.path == tmp_path / "clankers.db"

    @pytest.mark.parametrize("name", ["", ":memory:"])
    def test_a_name_of_no_file(self, name: str, tmp_path: Path) -> None:
        """A store outlives its process, so that one in memory is refused and none is made."""
        with pytest.raises(StoreError, match="a store is a file"):
            Store.open(name)
        with pytest.raises(StoreError, match="a store is a file"):
            Store.open(name, read_only=True)

    def test_reading_makes_none(self, path: Path) -> None:
        with pytest.raises(StoreError, match="there is no database at") as caught:
            Store.open(path, read_only=True)
        assert "import" in caught.value.hint
        assert not path.exists()

    def test_reading_an_empty_one(self, path: Path) -> None:
        path.touch()
        with pytest.raises(StoreError, match="is empty"):
            Store.open(path, read_only=True)
        assert path.read_bytes() == b""


class TestOtherFiles:
    @pytest.mark.parametrize("read_only", [False, True])
    @pytest.mark.parametrize(
        "content",
        [
            b"x",
            b"Dear diary,\n",
            bytes(range(256)) * 40,
            b"SQLite format 3\0" + b"\x10\x00" * 10,
            b"SQLite format 3\0" + bytes(84),
        ],
        ids=["one byte", "text", "bytes", "cut header", "empty header"],
    )
    def test_are_refused_and_left_alone(
        self, path: Path, content: bytes, *, read_only: bool
    ) -> None:
        """What is no database is named so, and stays byte for byte with nothing beside it."""
        path.write_bytes(content)
        path.chmod(0o644)
        with pytest.raises(NotADatabaseError, match=r"clankers\.db is not a database"):
            Store.open(path, read_only=read_only)
        assert contents(path.parent) == {"clankers.db": content}
        assert mode(path) == 0o644

    @pytest.mark.parametrize("read_only", [False, True])
    def test_neither_folders_nor_devices(self, tmp_path: Path, *, read_only: bool) -> None:
        for place in (tmp_path, Path(os.devnull)):
            with pytest.raises(NotADatabaseError, match="not a regular file"):
                Store.open(place, read_only=read_only)

    @pytest.mark.parametrize("read_only", [False, True])
    @pytest.mark.parametrize("journal", ["delete", "wal", "wal left behind"])
    @pytest.mark.parametrize("sql", OTHERS.values(), ids=OTHERS)
    def test_databases_of_other_programs(
        self, path: Path, sql: str, journal: str, *, read_only: bool
    ) -> None:
        """They are refused before anything is written, a log of theirs included."""
        make_database(path, sql, journal=journal)
        path.chmod(0o644)
        before = contents(path.parent)
        with pytest.raises(NotADatabaseError, match="of another program"):
            Store.open(path, read_only=read_only)
        assert (without_empty_log(path) if read_only else contents(path.parent)) == before
        assert mode(path) == 0o644

    @pytest.mark.parametrize("read_only", [False, True])
    @pytest.mark.parametrize("journal", ["wal", "wal left behind"])
    def test_a_newer_schema(self, path: Path, journal: str, *, read_only: bool) -> None:
        """A newer program's archive is left untouched."""
        make_database(path, NEWER, journal=journal)
        before = contents(path.parent)
        with pytest.raises(NewerSchemaError, match="has schema 1000, this program knows up to 4"):
            Store.open(path, read_only=read_only)
        assert (without_empty_log(path) if read_only else contents(path.parent)) == before

    def test_a_damaged_archive(self, path: Path) -> None:
        """Pages that make no sense are named so while reading, and when the schema is read."""
        with Store.open(path) as store:
            store.upsert_many([make_session(), *(make_message(n) for n in range(8_000))])
        whole = path.read_bytes()
        half = len(whole) // 32_768 * 16_384
        path.write_bytes(whole[:half] + b"\xff" * (len(whole) - half))
        with Store.open(path) as store, pytest.raises(NotADatabaseError, match="is damaged"):
            list(store.messages("session-1"))
        path.write_bytes(whole[:100] + b"\xff" * 16_284 + whole[16_384:])
        with pytest.raises(NotADatabaseError, match="is damaged"):
            Store.open(path)


def without_empty_log(path: Path) -> dict[str, bytes]:
    """SQLite leaves an empty log where a database in WAL mode was only read."""
    found = contents(path.parent)
    return {name: content for name, content in found.items() if content or name == path.name}


def add_color(connection: apsw.Connection) -> None:
    connection.execute("ALTER TABLE sessions ADD COLUMN color TEXT")


NEXT = Migration(5, "colors", "ALTER TABLE sessions ADD COLUMN color TEXT", add_color)


class TestOlder:
    def test_is_upgraded_after_a_backup(self, path: Path) -> None:
        """What is missing is applied and recorded; the copy still is what it was."""
        with Store.open(path) as store:
            store.upsert(make_session())
        with closing(open_current(path, migrations=(*MIGRATIONS, NEXT))) as upgraded:
            assert upgraded.execute("SELECT id, color FROM sessions").fetchall() == [
                ("session-1", None)
            ]
            recorded = upgraded.execute("SELECT version, description FROM schema_migrations")
            assert recorded.fetchall()[-1] == (5, "colors")
            assert upgraded.pragma("foreign_keys") == 1
        (copy,) = (path.parent / "backups").iterdir()
        with Store.open(copy, read_only=True) as before:
            assert before.session("session-1").title == "Session 1"
        with pytest.raises(NewerSchemaError):
            Store.open(path)

    def test_stays_as_it_was_when_a_step_fails(self, path: Path) -> None:
        """All steps happen or none, and the database works on with the old program."""

        def fail(connection: apsw.Connection) -> None:
            connection.execute("DROP TABLE messages; SELECT * FROM nowhere")

        with Store.open(path) as store:
            store.upsert_many([make_session(), make_message()])
        broken = Migration(5, "broken", "", fail)
        with pytest.raises(StoreError, match="no such table: nowhere"):
            open_current(path, migrations=(*MIGRATIONS, NEXT, broken))
        with Store.open(path) as store:
            assert len(list(store.messages("session-1"))) == 1

    def test_is_not_upgraded_while_only_read(self, path: Path) -> None:
        """A reader says what would bring it up to date."""
        connection = apsw.Connection(str(path))
        connection.execute(NEWER.replace("1000", "0"))
        connection.close()
        with pytest.raises(StoreError, match="has an older schema"):
            Store.open(path, read_only=True)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that an unprivileged process may use."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    for one in folder.rglob("*"):
        if one.is_dir():
            one.chmod(0o700)
    shutil.rmtree(folder)


MAKE = """
folder = Path(sys.argv[1], "data")
folder.mkdir()
path = folder / "clankers.db"
with Store.open(path) as store:
    store.upsert_many([make_session(), make_message()])
"""


class TestProtected:
    def test_a_folder_that_cannot_be_written(self, public: Path) -> None:
        """The archive is read as it is, without a log; writing says why it cannot."""
        code = """
folder.chmod(0o500)
tried(lambda: Store.open(path))
with Store.open(path, read_only=True) as store:
    say(store.session("session-1").title, len(list(store.messages("session-1"))))
    tried(lambda: store.upsert(make_session()))
say(sorted(os.listdir(folder)))
tried(lambda: Store.open(folder / "new.db"))
tried(lambda: Store.open(folder / "deeper" / "new.db"))
"""
        path = public / "data" / "clankers.db"
        refused, read, unwritten, files, new, deeper = answers(MAKE + code, public, as_nobody=True)
        assert refused.startswith(f"ReadOnlyError {path} cannot be written")
        assert read == "Session 1 1"
        assert unwritten.startswith(f"ReadOnlyError the store at {path} was opened for reading")
        assert files == "['clankers.db']"
        assert new.startswith(f"ReadOnlyError {public / 'data' / 'new.db'} cannot be made")
        assert deeper.startswith(f"ReadOnlyError {public / 'data' / 'deeper'} cannot be made")

    def test_a_file_that_cannot_be_written(self, public: Path) -> None:
        """SQLite would open it for reading without a word; we say so at once."""
        code = """
path.chmod(0o400)
tried(lambda: Store.open(path))
with Store.open(path, read_only=True) as store:
    say(store.session("session-1").title)
path.chmod(0o000)
tried(lambda: Store.open(path))
tried(lambda: Store.open(path, read_only=True))
"""
        refused, read, hidden, unread = answers(MAKE + code, public, as_nobody=True)
        assert refused.startswith("ReadOnlyError")
        assert "clankers.db cannot be written" in refused
        assert read == "Session 1"
        for said in (hidden, unread):
            assert said.startswith("ReadOnlyError")
            assert "cannot be read: Permission denied" in said

    def test_a_database_of_the_original_that_cannot_be_written(self, public: Path) -> None:
        """It cannot be adopted where it lies, and stays as it is."""
        code = """
folder = Path(sys.argv[1], "data")
folder.mkdir()
path = folder / "clankers.db"
connection = apsw.Connection(str(path))
connection.execute("CREATE TABLE sessions(id TEXT, title TEXT); INSERT INTO sessions VALUES ('a', 'b')")
connection.close()
before = path.read_bytes()
folder.chmod(0o500)
tried(lambda: Store.open(path))
say(path.read_bytes() == before, os.listdir(folder))
"""
        refused, state = answers(code, public, as_nobody=True)
        assert refused.startswith("ReadOnlyError")
        assert state == "True ['clankers.db']"

    def test_a_store_that_is_only_read(self, path: Path) -> None:
        """Every way of writing is refused, and says what to do instead."""
        with Store.open(path) as store:
            store.upsert(make_session())
        writes: list[Callable[[Store], object]] = [
            lambda store: store.upsert(make_session()),
            lambda store: store.write("sessions", [make_session()]),
            lambda store: store.write_usage([]),
            lambda store: store.write_attachments([]),
            lambda store: store.add_placeholders(["a"]),
            lambda store: store.mention([make_session()]),
            lambda store: store.refresh(["session-1"]),
        ]
        with Store.open(path, read_only=True) as store:
            for write in writes:
                with pytest.raises(ReadOnlyError, match="opened for reading only") as caught:
                    write(store)
                assert caught.value.hint == "open it without read_only to write"
            with pytest.raises(apsw.ReadOnlyError):
                store.connection.execute("DELETE FROM sessions")
            assert len(list(store.sessions())) == 1


def test_a_closed_store_says_so(path: Path) -> None:
    """What is done after the end of the with block is named."""
    with Store.open(path) as store:
        pass
    with pytest.raises(StoreError, match="closed"):
        store.upsert(make_session())
    with pytest.raises(StoreError, match="closed"):
        list(store.sessions())
