"""The prompt in a real terminal, as a person types at it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from clankers.query import history_file
from clankers.store import Store
from cli.repl._screen import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of POSIX")

ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT sum(n) FROM c;"
TAB, ENTER, CTRL_C, CTRL_D, CTRL_R, RIGHT, UP = (
    "\t",
    "\r",
    "\x03",
    "\x04",
    "\x12",
    "\x1b[C",
    "\x1b[A",
)


@pytest.fixture(params=[80, 200])
def screen(request: pytest.FixtureRequest, database: Path) -> Iterator[Screen]:
    """A prompt in a terminal of 80 columns, and in one of 200."""
    with Screen("--db", str(database), "query", "--interactive", columns=request.param) as opened:
        opened.wait_for("clankers>")
        yield opened


class TestAsking:
    def test_a_statement(self, screen: Screen) -> None:
        """Rows come when the semicolon is there, over as many lines as it takes."""
        screen.type("SELECT id, source\r")
        screen.wait_for("->")
        screen.type("FROM sessions ORDER BY id LIMIT 2\r")
        shown = screen.ask(";", "session-1", "session-2")
        assert "id         source" in shown

    def test_an_error(self, screen: Screen) -> None:
        """As friendly as anywhere, and the prompt goes on."""
        shown = screen.ask("SELECT * FROM sesions;", "no such table: sesions")
        assert "hint: did you mean sessions" in shown
        screen.ask("SELECT 40 + 2 AS answer;", "42")

    def test_cancel(self, screen: Screen) -> None:
        """Ctrl-C stops a statement and keeps the session; before that it clears the line."""
        screen.type(ENDLESS + ENTER)
        screen.wait_until(lambda text: text.count("FROM c;") >= 1)
        screen.type(CTRL_C)
        screen.wait_until(lambda text: "interrupted" in text and text.endswith("clankers>"))
        screen.type("SELECT not this")
        screen.wait_for("not this")
        screen.type(CTRL_C)
        screen.ask("SELECT 40 + 2 AS answer;", "42")

    @pytest.mark.parametrize("leaving", [CTRL_D, "exit\r", "quit;\r", ".exit\r", ".quit\r"])
    def test_leaving(self, database: Path, leaving: str) -> None:
        """By Ctrl-D, and by word."""
        with Screen("--db", str(database), "query", "--interactive") as screen:
            screen.wait_for("clankers>")
            screen.type(leaving)
            assert screen.ended() == 0


class TestTyping:
    def test_completion(self, screen: Screen) -> None:
        """Names come up while they are typed, and Tab takes them."""
        screen.type("SELECT ti FROM sess")
        screen.wait_for("sessions        table", "session_errors  table")
        screen.type(TAB)
        screen.wait_for("FROM sessions")
        screen.type(" WHERE sour")
        screen.wait_for("source", "column")
        screen.type(f"{TAB} = 'c")
        screen.wait_for("'claude-code'", "'codex'", "value")
        screen.type(CTRL_C)

    def test_a_tab_for_all(self, screen: Screen) -> None:
        """Where nothing is typed yet, Tab shows what can stand there."""
        screen.type(f"SELECT * FROM sessions {TAB}")
        screen.wait_for("WHERE", "GROUP BY", "keyword")

    def test_commands_complete(self, screen: Screen) -> None:
        """Behind a dot too."""
        screen.type(".form")
        screen.wait_for(".format", "command")
        screen.type(f"{TAB} mark")
        screen.wait_for("markdown")

    def test_history(self, database: Path, home: Path) -> None:
        """What was asked is there again after a restart: by arrow, by suggestion, by Ctrl-R."""
        argv = ("--db", str(database), "query", "--interactive")
        with Screen(*argv) as screen:
            screen.wait_for("clankers>")
            screen.ask("SELECT 6 * 7 AS product;", "42")
            screen.ask("SELECT 'last' AS word;", "last")
            screen.type(CTRL_D)
            screen.ended()
        kept = history_file()
        assert home in kept.parents
        assert kept.stat().st_mode & 0o777 == 0o600
        with Screen(*argv) as screen:
            screen.wait_for("clankers>")
            screen.type(UP)
            screen.wait_for("SELECT 'last' AS word;")
            screen.type(CTRL_C)
            screen.type("SELECT 6")
            screen.wait_for("SELECT 6 * 7 AS product;")  # suggested
            screen.type(RIGHT)
            screen.ask("", "42")
            screen.type(CTRL_R)
            screen.wait_for("I-search backward")
            screen.type("last")
            screen.wait_for("SELECT 'last' AS word;")
            screen.type(ENTER)
            screen.ask("", "word")


class TestCommands:
    def test_tables_and_schema(self, screen: Screen) -> None:
        """What there is, and how it was made."""
        screen.ask(".tables sess*", "session_errors", "sessions")
        screen.ask(".schema pruned", "CREATE TABLE pruned(", ") WITHOUT ROWID;")
        screen.ask(".schema nowhere", "there is no table 'nowhere'")

    def test_formats(self, screen: Screen) -> None:
        """Rows as they are wanted, from the next statement on."""
        screen.ask(".format markdown")
        screen.ask("SELECT 1 AS a, NULL AS b;", "| a | b |", "| 1 | NULL |")
        screen.ask(".mode csv")
        screen.ask("SELECT 'x,y' AS c;", '"x,y"')
        screen.ask(".mode", "csv")
        screen.ask(".format xml", "there is no format 'xml'", "the formats are table, json")
        screen.ask(".format json")
        screen.ask("SELECT 1 AS a;", '    "a": 1')

    def test_a_table_fits(self, screen: Screen) -> None:
        """No line is wider than the terminal."""
        columns = screen._screen.columns
        sql = "SELECT printf('%.*c', 300, 'x') AS a, printf('%.*c', 300, 'y') AS b;"
        shown = screen.ask(sql, "…")
        line = next(line for line in shown.splitlines() if line.startswith("xx"))
        assert len(line) == columns
        assert line.count("…") == 2

    def test_output(self, screen: Screen, tmp_path: Path) -> None:
        """Rows go to a file until they shall be seen again."""
        target = tmp_path / "out.csv"
        screen.ask(".mode csv")
        screen.ask(f".output {target}")
        screen.ask("SELECT 1 AS a;")
        screen.ask("SELECT 2 AS b;")
        screen.type(f".output{ENTER}")
        screen.wait_until(lambda _text: target.exists(), target)
        assert target.read_bytes() == b"a\r\n1\r\nb\r\n2\r\n"
        screen.ask("SELECT 33 AS seen;", "seen", "33")

    def test_an_output_that_fails(self, screen: Screen, tmp_path: Path) -> None:
        """Is told once, and the session goes on."""
        folder = tmp_path / "folder"
        folder.mkdir()
        screen.ask(f".output {folder}/out.csv")
        screen.ask("SELECT 1 AS a;")
        screen.wait_until(lambda _text: any(folder.iterdir()))
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        screen.type(f".output{ENTER}")
        screen.wait_for("No such file or directory")
        screen.ask("SELECT 40 + 2 AS answer;", "42")

    def test_others(self, screen: Screen, tmp_path: Path) -> None:
        """Plans, times, scripts and saved queries."""
        screen.ask(".explain SELECT * FROM sessions WHERE id = 'x'", "SEARCH sessions USING INDEX")
        screen.ask(".timer on")
        screen.ask("SELECT 1 UNION SELECT 2;", "2 rows in 0.")
        screen.ask(".timer off")
        script = tmp_path / "script.sql"
        script.write_text("SELECT 11 * 3 AS first;\nSELECT 44 AS second")
        screen.ask(f".read {script}", "33", "44")
        screen.ask(".saved", "tool-errors")
        screen.ask(".run busiest-sessions limit=1", "session-1")
        screen.ask(".human on")
        screen.ask("SELECT 1767603600000 AS made_at;", "2026-01-05")
        screen.ask(".run", "no saved query was named")
        screen.ask(".exit now", ".exit takes nothing, not 'now'")
        screen.ask(".schema prun*", "CREATE TABLE pruned(")
        screen.ask(".explain DELETE FROM messages WHERE id = 'x'", "SEARCH messages USING")
        loop = tmp_path / "loop.sql"
        loop.write_text(f".read {loop}")
        screen.ask(f".read {loop}", "scripts read one another 20 deep")
        screen.ask(".nonsense", "there is no command .nonsense")
        screen.ask(".hepl", "did you mean .help?")
        screen.ask(".help", ".tables [PATTERN]", "Ctrl-D leaves")

    def test_writing(self, screen: Screen, database: Path) -> None:
        """Only when it is switched on, and destructive work after a yes."""
        rename = "UPDATE sessions SET title = 'renamed' WHERE id = 'session-1';"
        screen.ask(rename, "query only reads", ".write on")
        screen.ask(".write on")
        screen.ask(rename, "1 row")
        screen.type("DELETE FROM messages;\r")
        screen.wait_for("type yes to go on:")
        screen.ask("no", "nothing was changed")
        with Store.open(database, read_only=True) as store:
            assert store.session("session-1").title == "renamed"
            assert store.connection.execute("SELECT count(*) FROM messages").get == 60
        screen.type("BEGIN; DELETE FROM messages;\r")
        screen.wait_for("->")
        screen.type("COMMIT;\r")
        screen.wait_for("60 rows", "type yes to go on:")
        screen.ask("yes", "a copy of before")
        screen.ask("SELECT count(*) AS left_over FROM messages;", "left_over")
        with Store.open(database, read_only=True) as store:
            assert store.connection.execute("SELECT count(*) FROM messages").get == 0


def test_pager(database: Path, tmp_path: Path) -> None:
    """What is longer than the screen goes through the pager; leaving it early is fine."""
    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\nread line\necho "paged: $line"\nexit 0\n')
    pager.chmod(0o755)
    program = (
        "import os, sys; os.environ['PAGER'] = sys.argv.pop(1);"
        "from clankers_cli.__main__ import entry_point; entry_point()"
    )
    argv = (str(pager), "--db", str(database), "query", "--interactive")
    with Screen(*argv, program=program) as screen:
        screen.wait_for("clankers>")
        endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"
        screen.ask(f"{endless} LIMIT 1000000;", "paged: ")
        screen.ask("SELECT 'short' AS one;", "short")
        assert screen.text.count("paged: ") == 1


class TestPlain:
    PROGRAM = (
        "import sys; sys.modules['prompt_toolkit'] = None;"
        "from clankers_cli.__main__ import entry_point; entry_point()"
    )

    def test_without_the_extra(self, database: Path) -> None:
        """A prompt with what Python has, and a word on what would bring more."""
        argv = ("--db", str(database), "query", "--interactive")
        with Screen(*argv, program=self.PROGRAM) as screen:
            screen.wait_for("pip install 'clankers-sdk[repl]'", "clankers>")
            screen.type("SELECT 40\r")
            screen.wait_for("->")
            screen.ask("+ 2 AS answer;", "42")
            screen.ask("SELECT * FROM nots;", "no such table: nots")
            screen.type(f"SELECT source FROM sessi{TAB}")
            screen.wait_for("FROM session")
            screen.type(CTRL_C)
            screen.type(CTRL_D)
            assert screen.ended() == 0
        with Screen(*argv, program=self.PROGRAM) as screen:
            screen.wait_for("clankers>")
            screen.type(UP)
            screen.wait_for("SELECT * FROM nots;")


def test_every_command_is_helped() -> None:
    """Nothing can be typed that .help does not list."""
    from clankers_cli.repl._commands import COMMANDS

    assert set(COMMANDS) == {
        "tables", "schema", "format", "mode", "full", "human", "output", "explain", "timer",
        "read", "saved", "run", "write", "help", "exit", "quit",
    }  # fmt: skip
    assert all(command.about for command in COMMANDS.values())
