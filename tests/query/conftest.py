"""A small archive in our own schema, and a query on it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest

from clankers.importing import SAMPLE_SESSIONS, import_sessions
from clankers.query import Query
from clankers.store import Store
from clankers.store._schema import INDEXES, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = """
INSERT INTO sessions(id, created_at, source, title, cost) VALUES
  ('s1', 1000, 'codex', 'First', 0.5), ('s2', 2000, 'claude-code', 'Second', NULL);
INSERT INTO messages(id, session_id, role, text_content) VALUES
  ('m1', 's1', 'user', 'hello world'), ('m2', 's1', 'assistant', 'good day'),
  ('m3', 's2', 'user', 'hello again');
INSERT INTO tools(id, session_id, created_at, tool_name) VALUES ('t1', 's1', 1500, 'Bash');
CREATE VIRTUAL TABLE words USING fts5(text);
INSERT INTO words VALUES ('hello world'), ('good day');
CREATE VIEW titles AS SELECT title FROM sessions;
"""


def make_archive(path: Path) -> Path:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode=wal").fetchall()
    connection.execute(TABLES + INDEXES + ROWS)
    connection.close()
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A database with two sessions, three messages and one tool call."""
    return make_archive(tmp_path / "archive.db")


@pytest.fixture
def query(archive: Path) -> Iterator[Query]:
    with Query(archive) as opened:
        yield opened


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, imported once: 4 sessions, 23 messages, 11 tool calls."""
    path = tmp_path_factory.mktemp("imported") / "clankers.db"
    with Store.open(path) as store:
        import_sessions(store, path=SAMPLE_SESSIONS)
        store.connection.execute(MORE)
    return path


MORE = """
CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT UNIQUE, stars INTEGER);
WITH RECURSIVE c(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c WHERE i < 100)
INSERT INTO notes SELECT i, 'note ' || i, i % 5 FROM c;
CREATE TABLE counted(n INTEGER);
INSERT INTO counted VALUES (0);
CREATE TRIGGER count_notes AFTER INSERT ON notes BEGIN UPDATE counted SET n = n + 1; END;
CREATE TABLE line(id INTEGER PRIMARY KEY, note INTEGER REFERENCES notes(id) ON DELETE CASCADE);
INSERT INTO line SELECT id, id FROM notes WHERE id <= 50;
INSERT INTO compaction_events(id, session_id, created_at, tokens_before, tokens_after)
SELECT 'c1', id, 1793614200000, 200, 50 FROM sessions WHERE source = 'codex';
CREATE VIEW starred AS SELECT * FROM notes WHERE stars > 3;
CREATE INDEX by_stars ON notes(stars);
CREATE VIRTUAL TABLE words USING fts5(text);
INSERT INTO words VALUES ('hello world'), ('good day');
INSERT INTO words SELECT text FROM notes;
"""


@pytest.fixture
def kept(imported: Path, tmp_path: Path) -> Path:
    """A copy of the imported sample, with tables of the user's own beside it."""
    return Path(shutil.copy(imported, tmp_path / "kept.db"))


@pytest.fixture
def writer(kept: Path) -> Iterator[Query]:
    with Query(kept) as opened:
        yield opened
