"""Reading databases of programs that may be writing to them, or that nobody has open."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from clankers.errors import ImporterError
from clankers.importers import is_sqlite, snapshot

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 3_000
WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0)
connection.execute(sys.argv[2])
connection.commit()
if "stay" in sys.argv:
    print("written", flush=True)
    sys.stdin.read()
connection.close()
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database that keeps a log, as its owner leaves it: closed, with no log."""
    path = tmp_path / "its folder?" / "owner.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE one (words TEXT)")
        connection.executemany("INSERT INTO one VALUES (?)", [("word " * 200,)] * ROWS)
    assert names(path) == ["owner.db"]
    return path


def names(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


def written(path: Path, statement: str) -> None:
    """What another process does that opens the database, writes and closes it."""
    subprocess.run([sys.executable, "-c", WRITER, str(path), statement], check=True)


def counted(path: Path) -> int:
    with snapshot(path) as connection:
        return len(connection.execute("SELECT 1 FROM one").fetchall())


def test_nothing_is_left_in_the_folder(database: Path) -> None:
    """Reading a database that nobody has open leaves no log, while it is read and after it."""
    before = database.read_bytes()
    with snapshot(database) as connection:
        assert connection.execute("SELECT count(*) FROM one").fetchone() == (ROWS,)
        assert names(database) == ["owner.db"]
    assert names(database) == ["owner.db"]
    assert database.read_bytes() == before


def test_an_owner_who_writes_meanwhile(database: Path) -> None:
    """What its owner has put into the database before the end makes the reading fail."""

    def read() -> None:
        with snapshot(database) as connection:
            rows = connection.execute("SELECT rowid FROM one")
            next(rows)
            written(database, "DELETE FROM one WHERE rowid % 2")
            list(rows)

    with pytest.raises(ImporterError, match="written to while"):
        read()
    assert names(database) == ["owner.db"]
    assert counted(database) == ROWS // 2


def test_pages_that_do_not_fit_together(database: Path) -> None:
    """What looks like damage, since its owner wrote meanwhile, is not called so."""

    def read() -> None:
        with snapshot(database) as connection:
            written(database, "DROP TABLE one")
            connection.execute("SELECT no_such_column FROM one")

    with pytest.raises(ImporterError, match="written to while"):
        read()


def test_a_database_that_is_taken_away_meanwhile(database: Path) -> None:
    """So does taking it away."""
    with pytest.raises(ImporterError, match="written to while"), snapshot(database):
        database.unlink()


def test_an_owner_who_has_only_begun(database: Path) -> None:
    """What stands in a new log alone changes nothing of what is read, and is seen next time."""
    command = [sys.executable, "-c", WRITER, str(database), "DELETE FROM one WHERE rowid = 1"]
    with snapshot(database) as connection:
        owner = subprocess.Popen(
            [*command, "stay"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert owner.stdout is not None
        assert owner.stdout.readline() == "written\n"
        assert connection.execute("SELECT count(*) FROM one").fetchone() == (ROWS,)
    assert counted(database) == ROWS - 1
    assert names(database) == ["owner.db", "owner.db-shm", "owner.db-wal"]
    owner.communicate("")
    assert names(database) == ["owner.db"]
    assert counted(database) == ROWS - 1


def test_a_database_without_a_log(database: Path) -> None:
    """One that never keeps a log is read under a lock, and nothing is left either."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with snapshot(database), pytest.raises(subprocess.CalledProcessError):
        written(database, "DELETE FROM one")
    assert names(database) == ["owner.db"]
    assert counted(database) == ROWS


def test_what_is_no_database(database: Path) -> None:
    """A file is known by its beginning; what is none, or is missing, is an error of the file."""
    other = database.with_name("other.db")
    other.write_bytes(b"SQLite format 2\0" * 100)
    assert is_sqlite(database)
    assert not is_sqlite(other)
    assert not is_sqlite(database.parent)
    assert not is_sqlite(database.with_name("missing.db"))
    for path in (other, database.with_name("missing.db")):
        with pytest.raises(ImporterError, match="cannot be read"), snapshot(path):
            pass
