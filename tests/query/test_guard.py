"""What a query may do, and that SQLite itself refuses the rest."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import apsw
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from clankers.errors import ClankersError, QueryError, QueryRefusedError
from clankers.query import Query

if TYPE_CHECKING:
    from pathlib import Path

READING = {
    "SELECT ' UPDATE '": [(" UPDATE ",)],
    "SELECT 1 -- DROP TABLE sessions": [(1,)],
    "/* DELETE FROM sessions; */ SELECT 2": [(2,)],
    "SELECT 3;": [(3,)],
    "SELECT 4; -- the end": [(4,)],
    ";; SELECT 5 ;\n; /* INSERT */ ;": [(5,)],
    "VALUES (1, 'a'), (2, 'b')": [(1, "a"), (2, "b")],
    "WITH x(a) AS (SELECT 6) SELECT a FROM x": [(6,)],
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n": [
        (1,),
        (2,),
        (3,),
    ],
    "SELECT id, row_number() OVER (ORDER BY id DESC) FROM sessions": [("s2", 1), ("s1", 2)],
    """SELECT json_extract('{"a": [1, 2]}', '$.a[1]')""": [(2,)],
    "SELECT value FROM json_each('[7, 8]')": [(7,), (8,)],
    "SELECT title FROM titles": [("First",), ("Second",)],
    "SELECT text FROM words WHERE words MATCH 'day'": [("good day",)],
    "SELECT count(*) FROM sqlite_schema WHERE name = 'sessions'": [(1,)],
    "SELECT name FROM pragma_table_info('device')": [("id",), ("name",), ("created_at",)],
    "PRAGMA index_info(sessions_created)": [(0, 2, "created_at")],
    "PRAGMA query_only": [(1,)],
    "PRAGMA journal_mode": [("wal",)],
    "PRAGMA user_version": [(0,)],
    "PRAGMA integrity_check": [("ok",)],
    "PRAGMA quick_check(1)": [("ok",)],
    "PRAGMA foreign_key_check": [],
    "PRAGMA main.Foreign_Keys": [(0,)],
}

REFUSED = {
    "INSERT INTO sessions(id) VALUES ('x')": "INSERT",
    "REPLACE INTO sessions(id) VALUES ('x')": "INSERT",
    "UPDATE sessions SET title = ''": "UPDATE",
    "DELETE FROM messages": "DELETE",
    "DELETE FROM messages RETURNING id": "DELETE",
    "WITH x AS (SELECT 1) DELETE FROM messages": "DELETE",
    "EXPLAIN DELETE FROM messages": "DELETE",
    "INSERT INTO words(words) VALUES ('rebuild')": "INSERT",
    "CREATE TABLE x(a)": "CREATE TABLE",
    "CREATE TABLE x AS SELECT * FROM sessions": "CREATE TABLE",
    "CREATE TEMP TABLE x(a)": "CREATE TEMP TABLE",
    "CREATE VIEW x AS SELECT 1": "CREATE VIEW",
    "CREATE INDEX x ON sessions(id)": "CREATE INDEX",
    "CREATE TRIGGER x AFTER INSERT ON sessions BEGIN SELECT 1; END": "CREATE TRIGGER",
    "CREATE VIRTUAL TABLE x USING fts5(a)": "CREATE VIRTUAL TABLE",
    "DROP TABLE messages": "DROP TABLE",
    "DROP TABLE words": "DROP VIRTUAL TABLE",
    "DROP INDEX sessions_created": "DROP INDEX",
    "DROP VIEW titles": "DROP VIEW",
    "ALTER TABLE sessions ADD COLUMN x": "ALTER TABLE",
    "ALTER TABLE sessions RENAME TO x": "ALTER TABLE",
    "ALTER TABLE sessions DROP COLUMN title": "ALTER TABLE",
    "REINDEX": "REINDEX",
    "ANALYZE": "ANALYZE",
    "VACUUM": "VACUUM",
    "EXPLAIN VACUUM": "VACUUM",
    "DETACH main": "DETACH",
    "BEGIN": "BEGIN",
    "BEGIN EXCLUSIVE": "BEGIN",
    "COMMIT": "COMMIT",
    "END": "COMMIT",
    "ROLLBACK": "ROLLBACK",
    "SAVEPOINT x": "SAVEPOINT",
    "RELEASE x": "RELEASE",
    "ROLLBACK TO x": "ROLLBACK TO",
    "PRAGMA query_only = 0": "PRAGMA query_only",
    "pragma QUERY_ONLY(false)": "PRAGMA query_only",
    "PRAGMA hard_heap_limit = 1": "PRAGMA hard_heap_limit",
    "PRAGMA temp_store_directory = '/tmp'": "PRAGMA temp_store_directory",
    "PRAGMA writable_schema = 1": "PRAGMA writable_schema",
    "PRAGMA trusted_schema = 1": "PRAGMA trusted_schema",
    "PRAGMA main.journal_mode = delete": "PRAGMA journal_mode",
    "PRAGMA user_version = 7": "PRAGMA user_version",
    "PRAGMA wal_checkpoint": "PRAGMA wal_checkpoint",
    "PRAGMA optimize": "PRAGMA optimize",
    "PRAGMA incremental_vacuum": "PRAGMA incremental_vacuum",
    "PRAGMA of_no_such_name": "PRAGMA of_no_such_name",
    "SELECT * FROM pragma_optimize": "PRAGMA optimize",
    "SELECT load_extension('x')": "load_extension()",
    "SELECT Load_Extension('x', 'y') FROM sessions": "load_extension()",
    "SELECT fts3_tokenizer('simple')": "fts3_tokenizer()",
    "SELECT sqlite_log(1, 'x')": "sqlite_log()",
    # The shell of SQLite has these; that this one has not is no reason to say so.
    "SELECT readfile('/etc/passwd')": "readfile()",
    "SELECT edit('x')": "edit()",
}


class TestReading:
    @pytest.mark.parametrize("sql", READING)
    def test_is_answered(self, query: Query, sql: str) -> None:
        """What only reads works, whatever words stand in it."""
        assert list(query.query(sql)) == READING[sql]

    def test_explain(self, query: Query) -> None:
        """EXPLAIN and EXPLAIN QUERY PLAN tell how a statement would be run."""
        plan = query.query("EXPLAIN QUERY PLAN SELECT * FROM pruned").to_dicts()
        assert [step["detail"] for step in plan] == ["SCAN pruned"]
        assert next(iter(query.query("EXPLAIN SELECT 1")))[1] == "Init"

    def test_after_a_refusal(self, query: Query) -> None:
        """A refused statement leaves nothing behind for the next one."""
        with pytest.raises(QueryRefusedError):
            query.query("DROP TABLE messages")
        with pytest.raises(QueryError, match="no such column: nonsense"):
            query.query("SELECT nonsense FROM messages")
        assert list(query.query("SELECT count(*) FROM messages")) == [(3,)]

    def test_the_same_pragma_twice(self, query: Query) -> None:
        """A statement is judged each time, not only when SQLite first prepares it."""
        assert list(query.query("PRAGMA journal_mode")) == [("wal",)]
        assert list(query.query("PRAGMA journal_mode")) == [("wal",)]


class TestRefusal:
    @pytest.mark.parametrize("sql", REFUSED)
    def test_names_the_operation(self, query: Query, sql: str) -> None:
        """All else is refused before its first step, under the name the user wrote."""
        with pytest.raises(QueryRefusedError) as caught:
            query.query(sql)
        assert caught.value.operation == REFUSED[sql]

    def test_reads_as_a_sentence(self, query: Query) -> None:
        """The message says what would have been changed."""
        with pytest.raises(QueryRefusedError) as caught:
            query.query("DELETE FROM messages WHERE role = 'user'")
        assert str(caught.value) == "this would DELETE from messages; query only reads"
        assert caught.value.hint.startswith("with --write it is done, and --dry-run shows")

    def test_of_a_pragma_says_how_to_read_it(self, query: Query) -> None:
        """Setting is refused, asking is not."""
        with pytest.raises(QueryRefusedError) as caught:
            query.query("PRAGMA user_version = 3")
        assert str(caught.value) == "this would set PRAGMA user_version; query only reads"
        assert caught.value.hint == "'PRAGMA user_version' without a value shows it"

    def test_of_a_view_that_acts(self, archive: Path) -> None:
        """A function that reaches outside is refused behind a view too."""
        writer = apsw.Connection(str(archive))
        writer.execute("CREATE VIEW evil AS SELECT load_extension('x') AS a")
        writer.close()
        with Query(archive) as query, pytest.raises(QueryError):
            list(query.query("SELECT a FROM evil"))


class TestSecondStatement:
    @pytest.mark.parametrize(
        ("sql", "offset"),
        [
            ("SELECT 1; SELECT 2", 10),
            ("SELECT 'é'; DROP TABLE sessions", 12),
            ("SELECT 1; -- c\n; SELECT 2", 10),
            ("SELECT 1; not even SQL", 10),
            ("SELECT 1; SELECT ?", 10),
            ("PRAGMA user_version; PRAGMA user_version = 3", 21),
        ],
    )
    def test_is_refused(self, query: Query, sql: str, offset: int) -> None:
        """Nothing is run, not even the first one, and the place is told in characters."""
        with pytest.raises(QueryRefusedError, match="only one statement is run") as caught:
            query.query(sql)
        assert caught.value.operation == "second statement"
        assert caught.value.offset == offset

    def test_never_runs(self, archive: Path, query: Query) -> None:
        """The archive is as it was."""
        with pytest.raises(QueryRefusedError):
            query.query("SELECT 1; DELETE FROM messages")
        assert list(query.query("SELECT count(*) FROM messages")) == [(3,)]


class TestSentinels:
    @pytest.mark.parametrize(
        ("sql", "operation"),
        [
            ("VACUUM INTO '{}'", "VACUUM"),
            ("EXPLAIN VACUUM INTO '{}'", "VACUUM"),
            ("ATTACH '{}' AS x", "ATTACH"),
            ("ATTACH 'file:{}?mode=rwc' AS x", "ATTACH"),
            ("SELECT writefile('{}', 'x')", "writefile()"),
            ("SELECT 1; VACUUM INTO '{}'", "second statement"),
        ],
    )
    def test_no_file_appears(self, query: Query, tmp_path: Path, sql: str, operation: str) -> None:
        """A statement that would make a file is refused before it does."""
        sentinel = tmp_path / "sentinel"
        with pytest.raises(QueryRefusedError) as caught:
            list(query.query(sql.format(sentinel)))
        assert caught.value.operation == operation
        assert not sentinel.exists()


WRITING = [
    sql
    for sql in REFUSED
    if not sql.startswith(("PRAGMA of_", "SELECT", "EXPLAIN")) and "RETURNING" not in sql
]
STATEMENTS = st.builds(
    "{}{}{}".format,
    st.sampled_from(
        ["", "EXPLAIN ", "EXPLAIN QUERY PLAN ", "-- x\n", "SELECT 1; ", "WITH x AS (SELECT 1) "]
    ),
    st.sampled_from(WRITING),
    st.sampled_from(["", ";", "; SELECT 1", " RETURNING *", " -- x", " WHERE 1", "; COMMIT"]),
)


def unchanged_by(archive: Path, sql: str) -> bool:
    """Runs `sql` to its end; any error but ours fails the test."""
    before = archive.read_bytes()
    with Query(archive) as query, suppress(ClankersError):
        list(query.query(sql, limit=1000, timeout=5))
    others = {path.name for path in archive.parent.iterdir()} - {"home"}
    return archive.read_bytes() == before and others <= {
        "archive.db",
        "archive.db-wal",
        "archive.db-shm",
    }


class TestProperties:
    # The archive is never changed: that is what these hold.
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(sql=STATEMENTS)
    def test_writing_statements_change_no_byte(self, archive: Path, sql: str) -> None:
        """However a statement that writes is dressed, the file stays as it was."""
        assert unchanged_by(archive, sql)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(sql=st.text(alphabet=st.characters(exclude_categories=())))
    @example("\x00")
    @example("\ud800")
    @example("select '\x00'")
    @example("'")
    def test_any_text_is_answered_or_refused(self, archive: Path, sql: str) -> None:
        """No text leads to anything but rows or one of our errors."""
        assert unchanged_by(archive, sql)
