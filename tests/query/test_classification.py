"""What each statement does, by SQLite's own word: one table for reading and for scripts."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import apsw
import pytest

from clankers.errors import ClankersError, QueryError, QueryRefusedError
from clankers.query import Query

if TYPE_CHECKING:
    from pathlib import Path

# Verdict of a script, then what it is said to do. "read" is also done without write=True; "write"
# and "destroy" only with it, "destroy" after a yes; "refuse" never, "keep" only with unsafe;
# "wrong" is no SQL that can run.
VERDICTS: list[tuple[str, str, str]] = [
    # Reading, whatever words stand in it.
    ("SELECT 1", "read", "SELECT"),
    ("SELECT ' DROP TABLE notes; '", "read", "SELECT"),
    ('SELECT 1 AS "DELETE FROM notes"', "read", "SELECT"),
    ("SELECT 1 -- ; DROP TABLE notes", "read", "SELECT"),
    ("/* DELETE FROM notes; */ SELECT 2", "read", "SELECT"),
    ("-- UPDATE\nSELECT 3;", "read", "SELECT"),
    (";; SELECT 4 ;;", "read", "SELECT"),
    ("VALUES (1), (2)", "read", "SELECT"),
    ("WITH x(a) AS (SELECT 1) SELECT a FROM x", "read", "SELECT"),
    ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3) SELECT i FROM n", "read", "SELECT"),
    ("SELECT count(*) OVER (PARTITION BY stars) FROM notes", "read", "SELECT"),
    ("SELECT * FROM starred", "read", "SELECT"),
    ("SELECT * FROM words WHERE words MATCH 'hello'", "read", "SELECT"),
    ("SELECT value FROM json_each('[1, 2]')", "read", "SELECT"),
    ("SELECT * FROM sqlite_schema", "read", "SELECT"),
    ("SELECT name FROM pragma_table_info('notes')", "read", "SELECT"),
    ("SELECT text FROM notes UNION SELECT title FROM sessions", "read", "SELECT"),
    ("SELECT replace('abc', 'b', 'x')", "read", "SELECT"),
    ("EXPLAIN SELECT 1", "read", "SELECT"),
    ("EXPLAIN QUERY PLAN SELECT * FROM notes", "read", "SELECT"),
    ("PRAGMA table_info(notes)", "read", "SELECT"),
    ("PRAGMA table_xinfo('notes')", "read", "SELECT"),
    ("PRAGMA index_list(notes)", "read", "SELECT"),
    ("PRAGMA foreign_key_check", "read", "SELECT"),
    ("PRAGMA integrity_check", "read", "SELECT"),
    ("PRAGMA quick_check(1)", "read", "SELECT"),
    ("PRAGMA journal_mode", "read", "SELECT"),
    ("PRAGMA user_version", "read", "SELECT"),
    ("PRAGMA main.page_size", "read", "SELECT"),
    ("PRAGMA compile_options", "read", "SELECT"),
    # Rows.
    ("INSERT INTO notes(text) VALUES ('x')", "write", "INSERT notes"),
    ("INSERT INTO notes(text) SELECT text || '!' FROM notes", "write", "INSERT notes"),
    ("INSERT INTO notes DEFAULT VALUES", "write", "INSERT notes"),
    ("INSERT OR IGNORE INTO notes(text) VALUES ('note 1')", "write", "INSERT notes"),
    ("INSERT INTO notes(text) VALUES ('a;b'); -- done", "write", "INSERT notes"),
    ("INSERT INTO notes(text) VALUES ('x') RETURNING id", "write", "INSERT notes"),
    ("INSERT INTO notes(id, text) VALUES (1, 'x') ON CONFLICT DO UPDATE SET text = 'y'", "write", "INSERT notes"),
    ("INSERT INTO notes(id, text) VALUES (1, 'x') ON CONFLICT DO NOTHING", "write", "INSERT notes"),
    ("REPLACE INTO notes(id, text) VALUES (1, 'x')", "write", "INSERT notes"),
    ("INSERT OR REPLACE INTO notes(id, text) VALUES (200, 'x')", "write", "INSERT notes"),
    ("REPLACE INTO notes SELECT id, text || '!', 1 FROM notes WHERE id <= 20", "destroy", "INSERT notes"),
    ("UPDATE notes SET stars = 1 WHERE id = 1", "write", "UPDATE notes"),
    ("UPDATE OR IGNORE notes SET text = 'note 2' WHERE id = 1", "write", "UPDATE notes"),
    ("UPDATE notes SET stars = (SELECT max(stars) FROM notes) WHERE id = 1", "write", "UPDATE notes"),
    ("UPDATE notes SET stars = 1 FROM line WHERE line.note = notes.id", "write", "UPDATE notes"),
    ("UPDATE notes SET stars = 1 WHERE id = 1 RETURNING text", "write", "UPDATE notes"),
    ("WITH x AS (SELECT 1 AS id) UPDATE notes SET stars = 2 WHERE id IN x", "write", "UPDATE notes"),
    ("UPDATE notes SET stars = 1", "destroy", "UPDATE notes"),
    ("UPDATE notes SET text = 'WHERE' || id", "destroy", "UPDATE notes"),
    ("UPDATE notes SET stars = (SELECT 1 WHERE 1)", "destroy", "UPDATE notes"),
    ("UPDATE notes SET stars = 1 -- WHERE id = 1", "destroy", "UPDATE notes"),
    ("WITH x AS (SELECT 1 WHERE 1) UPDATE notes SET stars = 2", "destroy", "UPDATE notes"),
    ("UPDATE OR REPLACE notes SET text = 'note 1' WHERE id BETWEEN 2 AND 40", "destroy", "UPDATE notes"),
    ("DELETE FROM notes WHERE id = 7", "write", "DELETE notes"),
    ("DELETE FROM notes WHERE id <= 10 AND id > 5 RETURNING id", "write", "DELETE notes"),
    ("DELETE FROM notes WHERE id IN (SELECT id FROM starred LIMIT 1)", "write", "DELETE notes"),
    ("DELETE FROM notes", "destroy", "DELETE notes"),
    ("DELETE FROM notes RETURNING id", "destroy", "DELETE notes"),
    ("DELETE FROM notes WHERE 1", "destroy", "DELETE notes"),
    ("DELETE FROM notes WHERE id > 80", "destroy", "DELETE notes"),
    ("DELETE FROM notes WHERE id <= 6", "destroy", "DELETE notes"),
    ("WITH x AS (SELECT 1) DELETE FROM notes WHERE id IN x", "write", "DELETE notes"),
    ("WITH x AS (SELECT id FROM notes) DELETE FROM notes WHERE id IN x", "destroy", "DELETE notes"),
    ("DELETE FROM line WHERE note = 3", "write", "DELETE line"),
    ("DELETE FROM messages WHERE role = 'nobody'", "write", "DELETE messages"),
    ("DELETE FROM sessions WHERE source = 'codex'", "destroy", "DELETE sessions"),
    ("UPDATE sessions SET title = 'x' WHERE source = 'codex'", "write", "UPDATE sessions"),
    ("INSERT INTO sessions(id, source) VALUES ('mine', 'me')", "write", "INSERT sessions"),
    ("INSERT INTO words VALUES ('more')", "write", "INSERT words"),
    ("DELETE FROM words WHERE rowid = 1", "write", "DELETE words"),
    ("DELETE FROM words WHERE rowid > 1", "destroy", "DELETE words"),
    ("UPDATE notes SET stars = 0 WHERE 1", "destroy", "UPDATE notes"),
    ("INSERT INTO words(words) VALUES ('optimize')", "write", "INSERT words"),
    ("EXPLAIN DELETE FROM notes", "explain", "SELECT"),
    ("EXPLAIN QUERY PLAN UPDATE notes SET stars = 1", "explain", "SELECT"),
    ("EXPLAIN DROP TABLE notes", "explain", "SELECT"),
    ("EXPLAIN VACUUM", "explain", "SELECT"),
    # Shape.
    ("CREATE TABLE mine(a)", "write", "CREATE TABLE mine"),
    ("CREATE TABLE mine AS SELECT * FROM notes", "write", "CREATE TABLE mine"),
    ("CREATE TABLE IF NOT EXISTS mine(a INTEGER PRIMARY KEY AUTOINCREMENT) STRICT", "write", "CREATE TABLE mine"),
    ("CREATE TEMP TABLE mine(a)", "write", "CREATE TEMP TABLE mine"),
    ("CREATE VIEW mine AS SELECT 1", "write", "CREATE VIEW mine"),
    ("CREATE TEMP VIEW mine AS SELECT 1", "write", "CREATE TEMP VIEW mine"),
    ("CREATE INDEX mine ON notes(text)", "write", "CREATE INDEX mine"),
    ("CREATE UNIQUE INDEX mine ON notes(id, text)", "write", "CREATE INDEX mine"),
    ("CREATE TRIGGER mine AFTER DELETE ON notes BEGIN DELETE FROM line; SELECT 1; END", "write", "CREATE TRIGGER mine"),
    ("CREATE TEMP TRIGGER mine AFTER DELETE ON notes BEGIN DELETE FROM line; END;", "write", "CREATE TEMP TRIGGER mine"),
    ("CREATE VIRTUAL TABLE mine USING fts5(a)", "write", "CREATE VIRTUAL TABLE mine"),
    ("CREATE VIRTUAL TABLE mine USING rtree(a, b, c)", "write", "CREATE VIRTUAL TABLE mine"),
    ("ALTER TABLE notes ADD COLUMN more", "write", "ALTER TABLE notes"),
    ("ALTER TABLE notes RENAME TO jottings", "write", "ALTER TABLE notes"),
    ("ALTER TABLE notes RENAME COLUMN stars TO points", "write", "ALTER TABLE notes"),
    ("ALTER TABLE line DROP COLUMN note", "destroy", "ALTER TABLE line"),
    ("DROP TABLE line", "destroy", "DROP TABLE line"),
    ("DROP TABLE IF EXISTS line", "destroy", "DROP TABLE line"),
    ("DROP TABLE words", "destroy", "DROP VIRTUAL TABLE words"),
    ("DROP VIEW starred", "destroy", "DROP VIEW starred"),
    ("DROP INDEX by_stars", "destroy", "DROP INDEX by_stars"),
    ("DROP TRIGGER count_notes", "destroy", "DROP TRIGGER count_notes"),
    ("DROP TABLE IF EXISTS nowhere", "read", "SELECT"),
    ("ANALYZE", "write", "ANALYZE"),
    ("ANALYZE notes", "write", "ANALYZE"),
    ("REINDEX notes", "write", "REINDEX"),
    ("PRAGMA user_version = 7", "write", "PRAGMA user_version"),
    ("PRAGMA application_id(7)", "write", "PRAGMA application_id"),
    # Several at once.
    ("SELECT 1; SELECT 2", "many", "SELECT, SELECT"),
    ("CREATE TABLE mine(a); INSERT INTO mine VALUES (1); SELECT * FROM mine", "write", "CREATE TABLE mine, INSERT mine, SELECT"),
    ("CREATE TABLE mine(a); DROP TABLE mine", "write", "CREATE TABLE mine, DROP TABLE mine"),
    ("INSERT INTO notes(text) VALUES ('x'); DELETE FROM notes", "destroy", "INSERT notes, DELETE notes"),
    ("BEGIN; UPDATE notes SET stars = 9 WHERE id = 1; COMMIT", "write", "BEGIN, UPDATE notes, COMMIT"),
    ("BEGIN EXCLUSIVE; SELECT 1; END TRANSACTION;", "noop", "BEGIN, SELECT, COMMIT"),
    ("BEGIN; DELETE FROM notes; ROLLBACK", "write", "BEGIN, DELETE notes, ROLLBACK"),
    ("SAVEPOINT a; DELETE FROM notes; ROLLBACK TO a; RELEASE a", "write", "SAVEPOINT a, DELETE notes, ROLLBACK TO a, RELEASE a"),
    ("SAVEPOINT a; DELETE FROM notes; RELEASE a", "destroy", "SAVEPOINT a, DELETE notes, RELEASE a"),
    # What cannot be taken back, or reaches outside.
    ("VACUUM", "refuse", "VACUUM"),
    ("VACUUM INTO '{}'", "refuse", "VACUUM"),
    ("ATTACH '{}' AS other", "refuse", "ATTACH"),
    ("ATTACH 'file:{}?mode=rwc' AS other", "refuse", "ATTACH"),
    ("DETACH main", "refuse", "DETACH"),
    ("INSERT INTO notes(text) VALUES ('x'); ATTACH '{}' AS other", "refuse", "ATTACH"),
    ("PRAGMA journal_mode = delete", "refuse", "PRAGMA journal_mode"),
    ("PRAGMA main.journal_mode(off)", "refuse", "PRAGMA journal_mode"),
    ("PRAGMA foreign_keys = off", "refuse", "PRAGMA foreign_keys"),
    ("PRAGMA recursive_triggers = 0", "refuse", "PRAGMA recursive_triggers"),
    ("PRAGMA writable_schema = 1", "refuse", "PRAGMA writable_schema"),
    ("PRAGMA trusted_schema = 1", "refuse", "PRAGMA trusted_schema"),
    ("PRAGMA wal_checkpoint(TRUNCATE)", "refuse", "PRAGMA wal_checkpoint"),
    ("PRAGMA optimize", "refuse", "PRAGMA optimize"),
    ("PRAGMA incremental_vacuum", "refuse", "PRAGMA incremental_vacuum"),
    ("PRAGMA temp_store_directory = '/tmp'", "refuse", "PRAGMA temp_store_directory"),
    ("SELECT * FROM pragma_optimize", "refuse", "PRAGMA optimize"),
    ("SELECT load_extension('x')", "refuse", "load_extension()"),
    ("UPDATE notes SET text = load_extension('x') WHERE id = 1", "refuse", "load_extension()"),
    ("SELECT writefile('{}', 'x')", "wrong", ""),
    # What clankers keeps for itself.
    ("DELETE FROM schema_migrations", "keep", "DELETE"),
    ("UPDATE device SET id = 'x'", "keep", "UPDATE"),
    ("INSERT INTO search_stale VALUES ('tools', 1, '', '')", "keep", "INSERT"),
    ("DELETE FROM search_mark", "keep", "DELETE"),
    ("INSERT INTO message_search(message_search) VALUES ('delete-all')", "keep", "INSERT"),
    ("DELETE FROM sqlite_sequence", "keep", "DELETE"),
    ("DROP TABLE search_term", "keep", "DROP TABLE"),
    ("DROP TABLE tool_search", "keep", "DROP VIRTUAL TABLE"),
    ("DROP TRIGGER search_tools_gone", "keep", "DROP TRIGGER"),
    ("CREATE TRIGGER t AFTER INSERT ON line BEGIN DELETE FROM schema_migrations; END; INSERT INTO line VALUES (99, 99)", "keep", "DELETE"),
    ("CREATE TEMP TRIGGER t AFTER INSERT ON line BEGIN DELETE FROM search_mark; END; INSERT INTO line VALUES (99, 99)", "keep", "DELETE"),
    ("CREATE TRIGGER mine BEFORE INSERT ON search_stale BEGIN SELECT RAISE(IGNORE); END", "keep", "CREATE TRIGGER"),
    ("CREATE TEMP TRIGGER mine BEFORE INSERT ON search_stale BEGIN SELECT 1; END", "keep", "CREATE TEMP TRIGGER"),
    ("CREATE UNIQUE INDEX mine ON search_stale(source)", "keep", "CREATE INDEX"),
    ("UPDATE messages SET n = n + 1000 WHERE n = 1", "keep", "UPDATE"),
    ("DROP TABLE message_search_data", "wrong", ""),
    ("CREATE TABLE message_search_mine(a)", "write", "CREATE TABLE message_search_mine"),
    ("DROP TABLE messages", "keep", "DROP TABLE"),
    ("ALTER TABLE sessions DROP COLUMN title", "keep", "ALTER TABLE"),
    ("ALTER TABLE usage RENAME TO used", "keep", "ALTER TABLE"),
    # No SQL that can run.
    ("", "wrong", ""),
    ("-- nothing", "wrong", ""),
    ("DELETE notes", "wrong", ""),
    ("SELECT 1; not SQL", "wrong", ""),
    ("UPDATE sqlite_schema SET sql = ''", "wrong", ""),
    ("INSERT INTO nowhere VALUES (1)", "wrong", ""),
    ("INSERT INTO notes(id) VALUES (1)", "wrong", ""),
    ("BEGIN; SELECT 1", "wrong", ""),
    ("BEGIN; BEGIN; COMMIT", "wrong", ""),
    ("COMMIT", "wrong", ""),
    ("ROLLBACK TO nowhere", "wrong", ""),
    ("SELECT 'not closed", "wrong", ""),
]  # fmt: skip


def test_there_are_enough() -> None:
    """Each kind of statement has its row, once."""
    assert len({sql for sql, _, _ in VERDICTS}) == len(VERDICTS) >= 120


def contents(path: Path) -> list[tuple[object, ...]]:
    """Every row of every table."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    tables = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'virtual'"
    ).fetchall()
    rows = [
        (name, *row)
        for (name,) in sorted(tables)
        for row in connection.execute(f'SELECT * FROM "{name}"')
    ]
    rows.append(("user_version", connection.pragma("user_version")))
    connection.close()
    return rows


def files(path: Path) -> set[str]:
    """All files below the folder of the database, without its own companions and the log."""
    return {
        str(found.relative_to(path.parent))
        for found in path.parent.rglob("*")
        if found.is_file() and not found.name.startswith(path.name)
    }


@pytest.mark.parametrize(("sql", "verdict", "said"), VERDICTS)
class TestEachStatement:
    def test_only_read(self, kept: Path, tmp_path: Path, sql: str, verdict: str, said: str) -> None:
        """Without write=True nothing but reading runs, and no byte and no file changes."""
        sql = sql.format(tmp_path / "sentinel")
        before, there = kept.read_bytes(), files(kept)
        with Query(kept) as query:
            if verdict == "read" or (verdict, said) == ("wrong", ""):
                with suppress(QueryError):
                    list(query.query(sql))
            else:
                with pytest.raises(QueryRefusedError):
                    list(query.query(sql))
            with suppress(ClankersError):
                query.execute(sql)
        assert kept.read_bytes() == before
        assert files(kept) == there

    def test_tried(self, kept: Path, tmp_path: Path, sql: str, verdict: str, said: str) -> None:
        """A dry run says what it would do, and leaves all rows and files as they were."""
        sql = sql.format(tmp_path / "sentinel")
        before, there = contents(kept), files(kept)
        with Query(kept) as query:
            if verdict == "wrong":
                with pytest.raises(QueryError):
                    query.execute(sql, dry_run=True)
            elif verdict in {"refuse", "keep"}:
                with pytest.raises(QueryRefusedError) as caught:
                    query.execute(sql, dry_run=True)
                assert caught.value.operation == said
            else:
                tried = query.execute(sql, dry_run=True)
                told = [f"{one.operation} {one.target}".strip() for one in tried.statements]
                if said == "REINDEX":  # of one of its indexes
                    told = [one.partition(" ")[0] for one in told]
                assert ", ".join(told) == said
                assert tried.writes == (verdict in {"write", "destroy"})
                assert bool(tried.dangers) == (verdict == "destroy")
                assert not tried.committed
        assert contents(kept) == before
        assert files(kept) == there


@pytest.mark.parametrize("sql", [sql for sql, verdict, _ in VERDICTS if verdict == "keep"])
def test_unsafe(kept: Path, sql: str) -> None:
    """What clankers keeps for itself can be changed by who insists."""
    with Query(kept) as query:
        changes = query.execute(sql, write=True, unsafe=True, confirm=lambda _changes: True)
    assert changes.committed
