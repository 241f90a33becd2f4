"""Scripts that write: tried first, confirmed, copied before, all or nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import apsw
import pytest

from clankers.errors import (
    ConfirmationError,
    DatabaseBusyError,
    DiskFullError,
    QueryError,
    QueryRefusedError,
    QueryTimeoutError,
    ReadOnlyError,
    StoreError,
    WriteConflictError,
)
from clankers.query import Changes, Query, TableChange
from clankers.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def count(path: Path, sql: str) -> object:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found: object = connection.execute(sql).get
    connection.close()
    return found


def yes(_changes: Changes) -> bool:
    return True


class TestWhatIsDone:
    def test_rows_and_answers(self, kept: Path, writer: Query) -> None:
        """Each statement says how many rows it touched itself, and what it answered."""
        changes = writer.execute(
            "INSERT INTO notes(text) VALUES ('a'), ('b') RETURNING text;\n"
            "UPDATE notes SET stars = 9 WHERE text IN ('a', 'b');\n"
            "SELECT stars, text FROM notes WHERE stars = 9",
            write=True,
        )
        assert changes.committed
        assert [one.affected for one in changes.statements] == [2, 2, None]
        assert changes.statements[0].columns == ("text",)
        assert changes.statements[0].rows == [("a",), ("b",)]
        assert changes.statements[2].rows == [(9, "a"), (9, "b")]
        assert changes.tables == {
            "notes": TableChange(inserted=2, updated=2, deleted=0),
            "counted": TableChange(inserted=0, updated=2, deleted=0),
        }
        assert count(kept, "SELECT n FROM counted") == 2

    def test_cascades_count(self, writer: Query) -> None:
        """Rows that go with others are counted in their own table, and weighed there."""
        changes = writer.execute("DELETE FROM notes WHERE id IN (1, 2)", dry_run=True)
        assert changes.statements[0].affected == 2
        assert changes.tables["line"] == TableChange(inserted=0, updated=0, deleted=2)
        changes = writer.execute("DELETE FROM notes WHERE id <= 9", dry_run=True)
        assert changes.dangers == ("removes 9 of the 50 rows of line",)

    def test_parameters(self, kept: Path, writer: Query) -> None:
        """Values are bound, by place for one statement and by name for any."""
        writer.execute("UPDATE notes SET text = ? WHERE id = ?", ["it's; --", 1], write=True)
        assert count(kept, "SELECT text FROM notes WHERE id = 1") == "it's; --"
        script = "UPDATE notes SET text = :t WHERE id = 2; UPDATE notes SET stars = :s WHERE id = 2"
        writer.execute(script, {"t": "x", "s": 77}, write=True)
        assert count(kept, "SELECT text || stars FROM notes WHERE id = 2") == "x77"
        with pytest.raises(QueryError, match="values by place fit one statement"):
            writer.execute("SELECT ?; SELECT 2", [1], write=True)
        with pytest.raises(QueryError, match="the parameter :t was not given"):
            writer.execute("UPDATE notes SET text = :t WHERE id = 2", {"x": 1}, write=True)

    def test_only_reading(self, kept: Path, writer: Query) -> None:
        """Without write=True a script of several statements that read is answered."""
        changes = writer.execute("SELECT 1 AS a; SELECT 2 AS b;")
        assert [(one.columns, one.rows) for one in changes.statements] == [
            (("a",), [(1,)]),
            (("b",), [(2,)]),
        ]
        assert not changes.committed
        with pytest.raises(QueryRefusedError, match="this would UPDATE notes; query only reads"):
            writer.execute("SELECT 1; UPDATE notes SET stars = 0")
        assert not (kept.parent / "backups").exists()

    def test_nothing_to_write(self, writer: Query, home: Path) -> None:
        """A script that only reads is no write: nothing is committed or noted."""
        assert not writer.execute("SELECT 1", write=True).committed
        assert not list(home.rglob("writes.jsonl"))

    def test_the_search_index_follows(self, kept: Path, writer: Query) -> None:
        """What is written in SQL is found as anything else."""
        writer.execute(
            "UPDATE messages SET text_content = 'a zebra crossed' WHERE seq ="
            " (SELECT min(seq) FROM messages WHERE text_content IS NOT NULL)",
            write=True,
        )
        with Store.open(kept) as store:
            assert [hit.place for hit in store.search("zebra")] == ["messages"]
            assert store.check_index() == []


DRESSED = {
    "ALTER TABLE notes RENAME TO x; DROP TABLE x": "drops the table x",
    "DELETE FROM notes WHERE 1; ALTER TABLE notes RENAME TO x": "removes 100 of the 100 rows of x",
    "CREATE TEMP TABLE notes(a); DELETE FROM main.notes WHERE 1": (
        "removes 100 of the 100 rows of notes"
    ),
    "ALTER TABLE line RENAME COLUMN note TO temp; ALTER TABLE line DROP COLUMN temp": (
        "drops the column temp of line"
    ),
    "DELETE FROM words WHERE rowid > 0": "removes 102 of the 102 rows of words",
    "UPDATE notes SET stars = 0 WHERE 1": "changes all 100 rows of notes",
    "UPDATE notes AS x\u00a0WHERE SET stars = 0": ("changes every row of notes: there is no WHERE"),
    "INSERT INTO notes SELECT * FROM notes WHERE 1 ON CONFLICT(id) DO UPDATE SET text = id": (
        "changes all 100 rows of notes"
    ),
    "CREATE TRIGGER t AFTER INSERT ON counted BEGIN DELETE FROM line; END;"
    " INSERT INTO counted VALUES (1)": "removes 50 of the 50 rows of line",
    "CREATE VIEW v AS SELECT 1 AS a; CREATE TRIGGER t INSTEAD OF DELETE ON v BEGIN"
    " DELETE FROM line; END; DELETE FROM v WHERE a = 1": "removes 50 of the 50 rows of line",
}


class TestDestructive:
    def test_needs_a_yes(self, kept: Path, writer: Query) -> None:
        """Without somebody to ask nothing is done, and the error says what would be."""
        with pytest.raises(ConfirmationError) as caught:
            writer.execute("DELETE FROM line", write=True)
        assert str(caught.value) == (
            "nothing was changed: the script removes every row of line: there is no WHERE"
        )
        assert count(kept, "SELECT count(*) FROM line") == 50

    def test_asks_while_nothing_is_locked(self, kept: Path, writer: Query) -> None:
        """Others may write while a person thinks; a no changes nothing."""

        def no(changes: Changes) -> bool:
            assert changes.statements[0].affected == 50
            other = apsw.Connection(str(kept))
            other.execute("INSERT INTO counted VALUES (1)")
            other.close()
            return False

        changes = writer.execute("DELETE FROM line", write=True, confirm=no)
        assert not changes.committed
        assert count(kept, "SELECT count(*) FROM line") == 50
        assert count(kept, "SELECT count(*) FROM counted") == 2

    def test_what_was_there_goes(self, kept: Path, writer: Query) -> None:
        """However it is dressed: renamed before or after, behind another table, by a trigger."""
        for script, danger in DRESSED.items():
            assert danger in writer.execute(script, dry_run=True).dangers, script
        assert count(kept, "SELECT count(*) FROM notes") == 100

    @pytest.mark.parametrize(
        "script",
        [
            "CREATE TABLE mine(a, b); ALTER TABLE mine DROP COLUMN b",
            "CREATE TABLE mine(a); INSERT INTO mine VALUES (1); DELETE FROM mine WHERE 1",
            "CREATE TABLE mine(a); ALTER TABLE mine RENAME TO yours; DROP TABLE yours",
            "CREATE TEMP TABLE mine(a); INSERT INTO mine VALUES (1); DELETE FROM mine",
        ],
    )
    def test_what_the_script_made_may_go(self, writer: Query, script: str) -> None:
        """Nobody is asked about what was not there before."""
        assert writer.execute(script, dry_run=True).dangers == ()

    def test_the_data_changed_meanwhile(self, kept: Path, writer: Query) -> None:
        """What was confirmed is what is done, or nothing is."""

        def interfere(_changes: Changes) -> bool:
            other = apsw.Connection(str(kept))
            other.execute("DELETE FROM line WHERE id = 50")
            other.close()
            return True

        with pytest.raises(WriteConflictError, match="would no longer change what its trial"):
            writer.execute("DELETE FROM line", write=True, confirm=interfere)
        assert count(kept, "SELECT count(*) FROM line") == 49
        assert not writer.execute("DELETE FROM line", dry_run=True).committed

    def test_harmless_ones_do_not_ask(self, writer: Query) -> None:
        """A script that destroys nothing goes through at once."""

        def fail(_changes: Changes) -> bool:
            raise AssertionError

        script = "UPDATE notes SET stars = 1 WHERE id = 1"
        assert writer.execute(script, write=True, confirm=fail).committed


class TestBackups:
    def test_before_destructive_work(self, kept: Path, writer: Query) -> None:
        """The copy holds what was there before; one is enough for a query."""
        assert writer.execute("UPDATE notes SET stars = 0 WHERE id = 1", write=True).backup is None
        first = writer.execute("DELETE FROM line", write=True, confirm=yes)
        assert first.backup is not None
        assert first.backup.parent == kept.parent / "backups"
        assert first.backup.name.endswith("-before-write.db")
        assert count(first.backup, "SELECT count(*) FROM line") == 50
        second = writer.execute("DELETE FROM notes", write=True, confirm=yes)
        assert second.backup is None
        assert len(list((kept.parent / "backups").iterdir())) == 1

    @pytest.mark.parametrize(("backup", "copies"), [(True, 1), (False, 0)])
    def test_as_wanted(self, kept: Path, backup: bool, copies: int) -> None:  # noqa: FBT001
        """Before any write, or before none."""
        with Query(kept) as query:
            script = "DELETE FROM line; UPDATE notes SET stars = 0 WHERE id = 1"
            query.execute(script, write=True, confirm=yes, backup=backup)
        assert len(list(kept.parent.glob("backups/*"))) == copies

    def test_no_room_for_one(self, kept: Path, writer: Query) -> None:
        """Without its copy nothing destructive is done."""
        (kept.parent / "backups").write_text("in the way")
        with pytest.raises(ReadOnlyError, match="cannot be made"):
            writer.execute("DELETE FROM line", write=True, confirm=yes)
        assert count(kept, "SELECT count(*) FROM line") == 50


class TestAudit:
    def lines(self, home: Path) -> list[dict[str, object]]:
        (file,) = home.rglob("writes.jsonl")
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.name == "logs"
        return [json.loads(line) for line in file.read_text().splitlines()]

    def test_a_line_a_write(self, kept: Path, writer: Query, home: Path) -> None:
        """When, which statement, how many rows; reading and dry runs are not noted."""
        script = "UPDATE notes SET stars = 0\n WHERE id < 3; SELECT 1; CREATE TABLE é(a)"
        writer.execute(script, dry_run=True)
        writer.execute(script, write=True)
        first, second = self.lines(home)
        assert first.pop("at") == second.pop("at")
        assert first.pop("script") == second.pop("script")
        database = str(kept)
        assert first == {
            "database": database,
            "sql": "UPDATE notes SET stars = 0\n WHERE id < 3;",
            "operation": "UPDATE",
            "rows": 2,
        }
        assert second == {
            "database": database,
            "sql": "CREATE TABLE é(a)",
            "operation": "CREATE TABLE",
            "rows": None,
        }

    def test_a_commit_that_fails(self, writer: Query, home: Path) -> None:
        """A script that was noted and then not committed is taken back in the log."""
        writer._writer().connection.set_commit_hook(lambda: True)
        with pytest.raises(StoreError):
            writer.execute("UPDATE notes SET stars = 9 WHERE id = 1", write=True)
        assert [line.get("undone") for line in self.lines(home)] == [None, True]

    def test_unsafe_is_noted(self, writer: Query, home: Path) -> None:
        """Who changed what clankers keeps for itself can be seen."""
        writer.execute("UPDATE device SET name = 'x' WHERE 0", write=True, unsafe=True)
        assert self.lines(home)[0]["unsafe"] is True

    def test_a_log_that_cannot_be_written(self, kept: Path, writer: Query, home: Path) -> None:
        """No write is without its line: nothing is changed."""
        folder = home / ".local" / "share" / "clankers"
        folder.mkdir(parents=True)
        (folder / "logs").write_text("in the way")
        with pytest.raises(ReadOnlyError, match="nothing was changed"):
            writer.execute("UPDATE notes SET stars = 9 WHERE id = 1", write=True)
        assert count(kept, "SELECT stars FROM notes WHERE id = 1") == 1


class TestAllOrNothing:
    def test_an_error_in_the_middle(self, kept: Path, writer: Query) -> None:
        """Statements before the one that fails are undone; the error points at its place."""
        script = (
            "UPDATE notes SET stars = 9 WHERE id = 1;\nUPDATE notes SET stars = 9 WHERE strs = 1"
        )
        with pytest.raises(QueryError, match="no such column: strs") as caught:
            writer.execute(script, write=True)
        assert caught.value.offset == script.index("strs")
        assert "did you mean stars?" in caught.value.hint
        assert "line 2, column 34" in caught.value.hint
        assert count(kept, "SELECT stars FROM notes WHERE id = 1") == 1

    def test_a_deferred_constraint(self, writer: Query) -> None:
        """What would only fail at the commit fails in the trial already."""
        writer.execute(
            "CREATE TABLE later(id INTEGER REFERENCES notes(id) DEFERRABLE INITIALLY DEFERRED)",
            write=True,
        )
        with pytest.raises(QueryError, match="FOREIGN KEY constraint failed"):
            writer.execute("INSERT INTO later VALUES (12345)", dry_run=True)
        script = "INSERT INTO later VALUES (777); INSERT INTO notes(id) VALUES (777)"
        assert writer.execute(script, write=True).committed

    def test_a_constraint(self, kept: Path, writer: Query) -> None:
        """A row that breaks a rule takes the script back."""
        script = "UPDATE notes SET stars = 9 WHERE id = 1; INSERT INTO notes(id) VALUES (2)"
        with pytest.raises(QueryError, match=r"UNIQUE constraint failed: notes\.id"):
            writer.execute(script, write=True)
        assert count(kept, "SELECT stars FROM notes WHERE id = 1") == 1

    def test_time(self, kept: Path, writer: Query) -> None:
        """A script that takes too long is stopped and undone."""
        endless = (
            "UPDATE notes SET stars = 9 WHERE id = 1; INSERT INTO counted"
            " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT sum(i) FROM n"
        )
        with pytest.raises(QueryTimeoutError):
            writer.execute(endless, write=True, timeout=0.1)
        assert count(kept, "SELECT stars FROM notes WHERE id = 1") == 1
        assert writer.execute("UPDATE notes SET stars = 2 WHERE id = 1", write=True).committed

    def test_interrupted(self, kept: Path, writer: Query) -> None:
        """Ctrl-C in the middle leaves nothing behind, and the query can go on."""
        endless = (
            "UPDATE notes SET stars = 9 WHERE id = 1; INSERT INTO counted"
            " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT sum(i) FROM n"
        )
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            writer.execute(endless, write=True)
        timer.join()
        assert count(kept, "SELECT stars FROM notes WHERE id = 1") == 1
        assert writer.execute("UPDATE notes SET stars = 2 WHERE id = 1", write=True).committed

    def test_busy(self, kept: Path) -> None:
        """Another writer is waited for, and named when it does not end."""
        other = apsw.Connection(str(kept))
        other.execute("BEGIN IMMEDIATE")
        with Query(kept) as query:
            query._writer().connection.set_busy_timeout(50)
            with pytest.raises(DatabaseBusyError):
                query.execute("UPDATE notes SET stars = 9 WHERE id = 1", write=True)
        other.close()

    def test_a_full_disk(self, kept: Path, writer: Query) -> None:
        """Nothing is changed when there is no room for all of it."""
        connection = writer._writer().connection
        connection.pragma("max_page_count", connection.pragma("page_count") + 2)
        with pytest.raises(DiskFullError):
            writer.execute("CREATE TABLE big AS SELECT zeroblob(10000000) AS b", write=True)
        assert count(kept, "SELECT count(*) FROM sqlite_schema WHERE name = 'big'") == 0


KILLS = int(os.environ.get("CLANKERS_TEST_KILLS", "6"))
SCRIPT = """
import sys
from clankers.query import Query

script = (
    "UPDATE notes SET stars = stars + 1000;"
    "INSERT INTO counted WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c"
    " WHERE i < 60000) SELECT 1 FROM c;"
    "DELETE FROM line"
)
with Query(sys.argv[1]) as query:
    print("ready", flush=True)
    query.execute(script, write=True, confirm=lambda _changes: True)
print("done", flush=True)
"""


def test_killed(kept: Path, tmp_path: Path) -> None:
    """After kill -9 at any moment the database is as before or as after, never between."""
    seed = int(os.environ.get("CLANKERS_TEST_SEED", random.randrange(2**32)))
    chance = random.Random(seed)
    print(f"CLANKERS_TEST_SEED={seed}")  # noqa: T201  # to repeat it
    unfinished = 0
    for number in range(KILLS):
        path = tmp_path / f"{number}.db"
        path.write_bytes(kept.read_bytes())
        command = [sys.executable, "-c", SCRIPT, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.12))
            process.kill()
            unfinished += process.stdout.read() == b""
        state = (
            count(path, "SELECT count(*) FROM notes WHERE stars >= 1000"),
            count(path, "SELECT count(*) FROM counted"),
            count(path, "SELECT count(*) FROM line"),
            count(path, "PRAGMA integrity_check"),
        )
        assert state in {(0, 1, 50, "ok"), (100, 60_001, 0, "ok")}
    assert unfinished
