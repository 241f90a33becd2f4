"""A small archive in our own schema, and a query on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import pytest

from clankers.query import Query
from clankers.store._schema import INDEXES, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
