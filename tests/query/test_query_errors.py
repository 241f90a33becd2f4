"""A statement that cannot be run is answered with the nearest real names and the place."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from clankers.errors import (
    DatabaseBusyError,
    NotADatabaseError,
    QueryError,
    QueryTimeoutError,
    StoreError,
)
from clankers.query import Query
from clankers.query._guard import LENGTH_LIMIT, SQL_LENGTH_LIMIT

if TYPE_CHECKING:
    from pathlib import Path

FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


def error_of(query: Query, sql: str, params: Any = (), **options: Any) -> QueryError:
    with pytest.raises(QueryError) as caught:
        list(query.query(sql, params, **options))
    return caught.value


class TestNearestNames:
    @pytest.mark.parametrize(
        ("sql", "message", "hint"),
        [
            ("SELECT * FROM mesages", "no such table: mesages", "did you mean messages?"),
            ("SELECT * FROM json_eech('[]')", "no such table: json_eech", "json_each?"),
            ("SELECT titel FROM sessions", "no such column: titel", "did you mean title?"),
            ("SELECT txt FROM messages", "no such column: txt", "did you mean text_content?"),
            ("SELECT m.rol FROM messages m", "no such column: m.rol", "did you mean m.role?"),
            (
                "SELECT mesages.txt FROM messages",
                "no such column: mesages.txt",
                "did you mean messages.text_content?",
            ),
            (
                "SELECT tool_name FROM messages",
                "no such column: tool_name",
                "tool_name is a column of tools",
            ),
            ("SELECT lenght('a')", "no such function: lenght", "did you mean length()?"),
            ("SELCT 1", 'near "SELCT": syntax error', "did you mean SELECT instead of SELCT?"),
            ("SELECT * form sessions", 'near "form": syntax error', "FROM instead of form?"),
            ("SELECT id form sessions", 'near "sessions": syntax error', "FROM instead of form?"),
            ("SELECT id FROM sessions WHERE", "incomplete input", "stops too early"),
            ("SELECT 'abc", 'unrecognized token: "\'abc"', "its closing ' is missing"),
            (
                'SELECT id FROM sessions WHERE source = "codex"',
                'no such column: "codex"',
                "text stands in single quotes: 'codex'",
            ),
        ],
    )
    def test_are_offered(self, query: Query, sql: str, message: str, hint: str) -> None:
        """SQLite's message, and what was probably meant."""
        error = error_of(query, sql)
        assert str(error) == message
        assert hint in error.hint

    def test_or_the_columns_there_are(self, query: Query) -> None:
        """Where nothing is near, the columns of the one table in question are listed."""
        error = error_of(query, "SELECT zzz FROM pruned")
        assert error.hint.startswith("the columns of pruned are session_id, pruned_at;")

    def test_or_the_tables_there_are(self, query: Query) -> None:
        """Where no table is near, all are listed; none of SQLite's own."""
        hint = error_of(query, "SELECT * FROM zzz").hint
        assert hint.startswith("the tables are attachments, compaction_events, device, ")
        assert "sqlite_" not in hint

    def test_in_an_empty_database(self, tmp_path: Path) -> None:
        """Nothing to offer is no reason to fail in another way."""
        apsw.Connection(str(tmp_path / "empty.db")).close()
        with Query(tmp_path / "empty.db") as query:
            assert error_of(query, "SELECT * FROM sessions").hint == ""

    def test_beside_a_broken_view(self, archive: Path) -> None:
        """A view that does not work keeps no suggestion away."""
        writer = apsw.Connection(str(archive))
        writer.execute("CREATE VIEW zebras AS SELECT * FROM gone")
        writer.close()
        with Query(archive) as query:
            assert "did you mean title?" in error_of(query, "SELECT titel FROM sessions").hint


class TestPlace:
    def test_is_told_in_characters(self, query: Query) -> None:
        """SQLite counts bytes; people and editors do not."""
        error = error_of(query, "SELECT '日本é', titel FROM sessions")
        assert error.offset == 14

    def test_is_pointed_at(self, query: Query) -> None:
        """A caret stands under the place, wide characters before it notwithstanding."""
        assert error_of(query, "SELECT '日本', titel FROM sessions").hint == (
            "did you mean title? at column 14:\n"
            "  SELECT '日本', titel FROM sessions\n"
            "                 ^"
        )

    def test_in_a_long_statement(self, query: Query) -> None:
        """Only the line in question is shown, and not all of it."""
        sql = f"SELECT id,\n  {'id, ' * 50}titel{', id' * 50}\nFROM sessions"
        advice, excerpt, caret = error_of(query, sql).hint.split("\n")
        assert advice == "did you mean title? at line 2, column 203:"
        assert len(excerpt) < 130
        assert excerpt[len(caret) - 1 :].startswith("titel")

    def test_is_not_invented(self, query: Query) -> None:
        """Where SQLite names no place there is none."""
        assert error_of(query, "SELECT * FROM mesages").offset is None

    def test_shows_no_control_characters(self, query: Query) -> None:
        """The statement may have been pasted from anywhere."""
        hint = error_of(query, "SELECT '\x1b]0;x\x07\u202e', titel FROM sessions").hint
        assert r"'\x1b]0;x\x07\u202e', titel" in hint
        assert not {"\x1b", "\x07", "\u202e"} & set(hint)


class TestStatements:
    @pytest.mark.parametrize("sql", ["", "  \n", ";", "-- only this", "/* nothing */ ;"])
    def test_none(self, query: Query, sql: str) -> None:
        """No statement is an error, not an empty answer."""
        error = error_of(query, sql)
        assert str(error) == "there is no statement to run"
        assert "SELECT" in error.hint

    @pytest.mark.parametrize("sql", ["SELECT 1\x00", "SELECT '\ud800'"])
    def test_that_are_no_text(self, query: Query, sql: str) -> None:
        """What cannot be handed to SQLite is an error of ours too."""
        assert isinstance(error_of(query, sql), QueryError)

    def test_too_long(self, query: Query) -> None:
        """The limit on the statement is told apart from the one on values."""
        error = error_of(query, f"SELECT '{'x' * SQL_LENGTH_LIMIT}'")
        assert str(error) == "the statement is longer than 1,000,000 bytes"

    def test_that_make_too_long_a_value(self, query: Query) -> None:
        """One value cannot fill the memory."""
        error = error_of(query, f"SELECT zeroblob({LENGTH_LIMIT + 1})")
        assert str(error) == "a value became longer than 100,000,000 bytes"

    @pytest.mark.parametrize(
        ("sql", "message"),
        [
            ("SELECT json_extract('x', '$')", "malformed JSON"),
            ("SELECT 1 LIMIT 'x'", "datatype mismatch"),
        ],
    )
    def test_that_fail_while_they_run(self, query: Query, sql: str, message: str) -> None:
        """What SQLite says of the values is passed on."""
        assert str(error_of(query, sql)) == message


class TestParameters:
    @pytest.mark.parametrize(
        ("sql", "params", "message"),
        [
            ("SELECT ?, ?", [1], "uses 2 and there are 1 supplied"),
            ("SELECT ?", [], "uses 1 and there are 0 supplied"),
            ("SELECT 1", [1, 2], "uses 0 and there are 2 supplied"),
            ("SELECT :a", {"b": 1}, "the parameter :a was not given"),
            ("SELECT ?", [object()], "bad binding argument type supplied"),
            ("SELECT ?", [2**63], "int too big to convert"),
            ("SELECT ?", ["\ud800"], "not valid Unicode"),
            ("SELECT ?", "a", "params is 'a', not a list of values"),
            ("SELECT ?", 1, "params is 1, not a list of values"),
        ],
    )
    def test_that_do_not_fit(self, query: Query, sql: str, params: Any, message: str) -> None:
        """Too few, too many, misnamed or impossible values are named."""
        assert message in str(error_of(query, sql, params))


class TestStopping:
    def test_at_the_time_limit(self, query: Query) -> None:
        """A statement that never ends is stopped, and the limit is named."""
        error = error_of(query, FOREVER, timeout=0.05)
        assert isinstance(error, QueryTimeoutError)
        assert str(error) == "the statement ran longer than its limit of 0.05 s and was stopped"

    def test_while_rows_are_read(self, query: Query) -> None:
        """The limit is for the whole answer, not for its first row."""
        endless = FOREVER.replace("max(i)", "i") + " WHERE i < 3 OR i < 0"
        rows = iter(query.query(endless, timeout=0.05))
        assert next(rows) == (1,)
        assert next(rows) == (2,)
        with pytest.raises(QueryTimeoutError):
            next(rows)

    def test_leaves_the_query_usable(self, query: Query) -> None:
        """The next statement has its own time."""
        error_of(query, FOREVER, timeout=0.02)
        assert list(query.query("SELECT 1", timeout=10)) == [(1,)]

    @pytest.mark.parametrize("timeout", [0, -1, float("nan")])
    def test_limits_that_leave_no_time(self, query: Query, timeout: float) -> None:
        """None is how to say that there is no limit."""
        assert "leaves no time" in str(error_of(query, "SELECT 1", timeout=timeout))

    @pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
    def test_by_the_keyboard(self, query: Query) -> None:
        """Ctrl-C ends a statement that has no time limit, as KeyboardInterrupt."""

        def run_until_interrupted() -> None:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            list(query.query(FOREVER))

        previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                run_until_interrupted()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
        assert list(query.query("SELECT 1")) == [(1,)]

    def test_by_another_thread(self, query: Query) -> None:
        """SQLite's own interrupt is told apart from the time limit."""
        stopped = threading.Event()

        def interrupt() -> None:
            while not stopped.wait(0.01):
                query._connection.interrupt()

        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            error = error_of(query, FOREVER)
        finally:
            stopped.set()
            thread.join()
        assert str(error) == "the statement was interrupted"


class TestDatabases:
    def test_missing(self, tmp_path: Path) -> None:
        """No file is made where there is none."""
        with pytest.raises(StoreError, match="there is no database at"):
            Query(tmp_path / "none.db")
        assert not (tmp_path / "none.db").exists()

    def test_something_else(self, tmp_path: Path) -> None:
        """A file that is no database is named as such."""
        path = tmp_path / "notes.txt"
        path.write_text("hello " * 1000)
        with pytest.raises(NotADatabaseError, match="is not a database"):
            Query(str(path))

    def test_damaged(self, archive: Path) -> None:
        """Damage that is met while rows are read is named as such."""
        writer = apsw.Connection(str(archive))
        writer.executemany(
            "INSERT INTO messages(id, session_id, text_content) VALUES (?, 's1', ?)",
            ((f"x{number}", "x" * 500) for number in range(200)),
        )
        page_size = int(writer.pragma("page_size"))
        writer.pragma("journal_mode", "delete")
        (page,) = writer.execute(
            "SELECT max(pageno) FROM dbstat WHERE name = 'messages' AND pagetype = 'leaf'"
        ).fetchall()
        writer.close()
        with archive.open("r+b") as file:
            file.seek((int(str(page[0])) - 1) * page_size)
            file.write(b"\xff" * page_size)
        with Query(archive) as query, pytest.raises(NotADatabaseError, match="is damaged"):
            list(query.query("SELECT text_content FROM messages"))

    def test_busy(self, archive: Path) -> None:
        """Another program's lock on a database without a log is waited for, then named."""
        writer = apsw.Connection(str(archive))
        writer.pragma("journal_mode", "delete")
        with Query(archive) as query:
            query._connection.set_busy_timeout(0)
            writer.execute("BEGIN EXCLUSIVE")
            with pytest.raises(DatabaseBusyError):
                query.query("SELECT * FROM sessions")
            writer.execute("ROLLBACK")
            assert list(query.query("SELECT count(*) FROM sessions")) == [(2,)]
        writer.close()
