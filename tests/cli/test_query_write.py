"""`clankers-cli query --write` and `backup`: what is said, asked and done."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from clankers.store import Store, backups
from clankers.testing import make_message, make_session
from cli._person import answered

if TYPE_CHECKING:
    from pathlib import Path

    from cli.conftest import Cli, Outcome


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "kept.db"
    with Store.open(path) as store:
        store.upsert_many([make_session(n) for n in range(20)])
        store.upsert_many([make_message(n, session_id=f"session-{n % 20}") for n in range(40)])
    return path


@pytest.fixture
def ask(cli: Cli, database: Path) -> Cli:
    def run(*argv: str | Path) -> Outcome:
        return cli("--db", database, *argv)

    return run


def titles(database: Path) -> list[str | None]:
    with Store.open(database, read_only=True) as store:
        return [one.title for one in store.sessions()]


RENAME = "UPDATE sessions SET title = 'x' WHERE id = 'session-1'"


class TestWrite:
    def test_is_refused_without(self, ask: Cli, database: Path) -> None:
        """The error says what it would do, and how to have it done."""
        outcome = ask("query", RENAME)
        assert outcome.code == 1
        assert "this would UPDATE sessions; query only reads" in outcome.err
        assert "--write" in outcome.err
        assert "x" not in titles(database)

    def test_is_done(self, ask: Cli, database: Path) -> None:
        """What was done stands on stderr, answers on stdout."""
        outcome = ask("query", "--write", RENAME)
        assert outcome == (0, "", f"{RENAME}  1 row\n")
        assert titles(database).count("x") == 1
        outcome = ask("query", "--write", f"{RENAME} RETURNING id, title", "--json")
        assert json.loads(outcome.out) == [{"id": "session-1", "title": "x"}]

    def test_as_json(self, ask: Cli) -> None:
        """What was changed, for programs."""
        done = json.loads(ask("query", "--write", RENAME, "--json").out)
        assert done["committed"] is True
        assert done["tables"] == {"sessions": {"inserted": 0, "updated": 1, "deleted": 0}}
        assert done["statements"][0]["affected"] == 1

    def test_an_output_that_cannot_be_written(
        self, ask: Cli, database: Path, tmp_path: Path
    ) -> None:
        """Is found out before anything is done; a write without rows leaves the file alone."""
        nowhere = tmp_path / "nowhere" / "x.csv"
        outcome = ask("query", "--write", f"{RENAME} RETURNING id", "--output", nowhere)
        assert outcome.code == 1
        assert f"No such file or directory: {nowhere}" in outcome.err
        assert "x" not in titles(database)
        target = tmp_path / "kept.csv"
        target.write_text("old")
        assert ask("query", "--write", RENAME, "--output", target).code == 0
        assert target.read_text() == "old"
        outcome = ask("query", "SELECT 1", "--output", database)
        assert "is the database itself" in outcome.err

    def test_several(self, ask: Cli) -> None:
        """A line for each statement, and what became of each table."""
        script = (
            f"{RENAME}; DELETE FROM messages WHERE id = 'session-1:message-1'; SELECT 7 AS seven"
        )
        outcome = ask("query", "--write", script)
        assert outcome.out == "seven\n-----\n    7\n"
        assert outcome.err.splitlines() == [
            f"{RENAME};  1 row",
            "DELETE FROM messages WHERE id = 'session-1:message-1';  1 row",
            "table       inserted    updated    deleted",
            "--------  ----------  ---------  ---------",
            "sessions           0          1          0",
            "messages           0          0          1",
        ]

    def test_reading_is_no_write(self, ask: Cli) -> None:
        """--write takes no lock and asks nothing for a statement that reads."""
        assert ask("query", "--write", "SELECT 1 AS a") == (0, "a\n-\n1\n", "")

    def test_parameters(self, ask: Cli, database: Path) -> None:
        """Values are bound and never part of the SQL."""
        sql = "UPDATE sessions SET title = :title WHERE id = :id"
        nasty = "'; DROP TABLE tools; --"
        done = ask("query", "--write", sql, "--param", f"title={nasty}", "--param", "id=session-2")
        assert done.code == 0
        assert nasty in titles(database)

    @pytest.mark.parametrize("text", ["title", "=x", "a b=x"])
    def test_a_parameter_that_is_none(self, ask: Cli, text: str) -> None:
        """A mistake on the command line."""
        outcome = ask("query", "SELECT 1", "--param", text)
        assert outcome.code == 2
        assert "invalid NAME=VALUE value" in outcome.err


class TestDestructive:
    def test_needs_yes(self, ask: Cli, database: Path) -> None:
        """Where nobody is, --yes stands for it; the copy of before is named."""
        outcome = ask("query", "--write", "DELETE FROM messages")
        assert outcome.code == 1
        assert "removes every row of messages: there is no WHERE" in outcome.err
        assert "--yes" in outcome.err
        outcome = ask("query", "--write", "--yes", "DELETE FROM messages")
        assert outcome.code == 0
        assert "DELETE FROM messages  40 rows" in outcome.err
        (copy,) = backups(database)
        assert f"a copy of before: {copy.path}" in outcome.err

    @pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of POSIX")
    @pytest.mark.parametrize(
        ("typed", "code", "left"), [("yes", 0, 0), ("YES", 0, 0), ("y", 1, 40), ("", 1, 40)]
    )
    def test_asks_for_the_word(self, database: Path, typed: str, code: int, left: int) -> None:
        """At a terminal nothing less than yes goes on."""
        argv = ("--db", database, "query", "--write", "DELETE FROM messages")
        done, shown = answered(typed, *argv)
        assert done == code
        assert "DELETE FROM messages  40 rows" in shown
        assert "this removes every row of messages: there is no WHERE" in shown
        assert ("nothing was changed" in shown) == bool(left)
        with Store.open(database, read_only=True) as store:
            assert store.connection.execute("SELECT count(*) FROM messages").get == left

    @pytest.mark.parametrize(
        ("setting", "sql", "copies"),
        [
            (None, RENAME, 0),
            (None, "DELETE FROM messages", 1),
            ("true", RENAME, 1),
            ("false", "DELETE FROM messages", 0),
        ],
    )
    def test_copies(
        self, ask: Cli, database: Path, setting: str | None, sql: str, copies: int
    ) -> None:
        """By default before destructive work, before any write if so set, or never."""
        if setting is not None:
            assert ask("config", "set", "backup_before_write", setting).code == 0
        assert ask("query", "--write", "--yes", sql).code == 0
        assert len(backups(database)) == copies

    def test_dry_run(self, ask: Cli, database: Path) -> None:
        """Shows the same and changes nothing, also without --write."""
        outcome = ask("query", "--dry-run", "DELETE FROM messages RETURNING id", "--limit", "1")
        assert outcome.code == 0
        assert outcome.out.splitlines()[:3] == ["id", "-" * 19, "session-0:message-0"]
        assert len(outcome.out.splitlines()) == 3
        assert "40 rows" in outcome.err
        assert "this removes every row of messages: there is no WHERE\n" in outcome.err
        assert outcome.err.endswith("this was a dry run, and needs a yes to be done\n")
        assert ask("query", "--dry-run", RENAME).err.endswith("this was a dry run\n")
        assert backups(database) == []

    def test_unsafe(self, ask: Cli) -> None:
        """What clankers relies on is left alone unless somebody insists."""
        outcome = ask("query", "--write", "--yes", "DELETE FROM search_term")
        assert outcome.code == 1
        assert "which clankers relies on" in outcome.err
        assert ask("query", "--write", "--yes", "--unsafe", "DELETE FROM search_term").code == 0


class TestBackup:
    def test_list_and_restore(self, ask: Cli, database: Path) -> None:
        """A copy is made, listed, and brought back."""
        assert "no copies" in ask("backup", "list").out
        copy = ask("backup", "create", "--json")
        name = json.loads(copy.out)["path"].rpartition("/")[2]
        assert ask("query", "--write", "--yes", "DELETE FROM messages").code == 0
        listed = json.loads(ask("backup", "list", "--json").out)
        assert [one["is_automatic"] for one in listed] == [True, False]
        lines = ask("backup", "list").out.splitlines()
        assert lines[0].split() == ["name", "made", "size", "made", "by", "clankers"]
        assert lines[2].endswith("before a change")
        outcome = ask("backup", "restore", name)
        assert outcome.code == 1
        assert "nobody is there to say yes" in outcome.err
        outcome = ask("backup", "restore", "--yes", name)
        assert outcome.code == 0
        assert f"{database} holds what {name} holds" in outcome.out
        with Store.open(database, read_only=True) as store:
            assert store.connection.execute("SELECT count(*) FROM messages").get == 40

    @pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of POSIX")
    def test_asks(self, ask: Cli, database: Path) -> None:
        """At a terminal the word yes is asked for."""
        name = json.loads(ask("backup", "create", "--json").out)["path"]
        code, shown = answered("no", "--db", database, "backup", "restore", name)
        assert code == 1
        assert shown.endswith("nothing was changed\r\n")
        assert answered("yes", "--db", database, "backup", "restore", name)[0] == 0


class TestOutput:
    def test_to_a_file(self, ask: Cli, tmp_path: Path) -> None:
        """The file is there as a whole or not at all; stdout stays empty."""
        target = tmp_path / "out.csv"
        sql = "SELECT id, title FROM sessions ORDER BY id LIMIT 1"
        assert ask("query", sql, "--format", "csv", "--output", target) == (0, "", "")
        assert target.read_bytes() == b"id,title\r\nsession-0,Session 0\r\n"
        before = target.read_bytes()
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
        outcome = ask("query", endless, "--output", target, "--timeout", "0.05")
        assert outcome.code == 1
        assert target.read_bytes() == before
        outcome = ask("query", sql, "--output", tmp_path / "nowhere" / "x")
        assert outcome.code == 1
        assert "No such file or directory" in outcome.err

    @pytest.mark.parametrize(
        ("format_", "out"),
        [
            ("ndjson", '{"id":"=1","n":null}\n'),
            ("csv", "id,n\r\n=1,\r\n"),
            ("tsv", "id\tn\n=1\t\n"),
            ("sql", 'INSERT INTO "result"("id","n") VALUES(\'=1\',NULL);\n'),
            ("markdown", "| id | n |\n| --- | --- |\n| =1 | NULL |\n"),
        ],
    )
    def test_formats(self, ask: Cli, format_: str, out: str) -> None:
        """Each format of the library."""
        assert ask("query", "SELECT '=1' AS id, NULL AS n", "--format", format_).out == out

    def test_the_name_of_the_file(self, ask: Cli, tmp_path: Path) -> None:
        """Says the format where no option does."""
        for name, content in {
            "a.csv": "a\r\n1\r\n",
            "a.jsonl": '{"a":1}\n',
            "a.md": "| a |\n| ---: |\n| 1 |\n",
            "a.txt": "a\n-\n1\n",
        }.items():
            assert ask("query", "SELECT 1 AS a", "--output", tmp_path / name).code == 0
            assert (tmp_path / name).read_bytes().decode() == content

    def test_options(self, ask: Cli) -> None:
        """The table of inserts, spreadsheets, times, and cells in full."""
        sql = "SELECT '=1' AS id"
        assert ask("query", sql, "--format", "sql", "--into", "t").out.startswith('INSERT INTO "t"')
        assert ask("query", sql, "--format", "csv", "--escape-formulas").out == "id\r\n'=1\r\n"
        at = "SELECT 1793613600000 AS made_at"
        assert ask("config", "set", "timezone", "UTC").code == 0
        assert ask("query", at, "--human").out.splitlines()[2] == "2026-11-02 10:00"
        long = "SELECT printf('%.*c', 300, 'x') AS a"
        assert ask("query", long).out.splitlines()[2] == f"{'x' * 80}…{'x' * 39}"
        assert ask("query", long, "--full").out.splitlines()[2] == "x" * 300

    def test_several_statements(self, ask: Cli) -> None:
        """Statements that read are answered one after the other."""
        assert ask("query", "SELECT 1 AS a; SELECT 2 AS b").out == "a\n-\n1\nb\n-\n2\n"


class TestSaved:
    def test_named(self, ask: Cli) -> None:
        """A saved query takes its parameters by name."""
        outcome = ask(
            "query", "--named", "busiest-sessions", "--param", "limit=2", "--format", "ndjson"
        )
        assert len(outcome.out.splitlines()) == 2
        outcome = ask("query", "--named", "busiest")
        assert outcome.code == 1
        assert "did you mean 'busiest-sessions'?" in outcome.err
        for more in ("SELECT 1", "--interactive", "--list"):
            outcome = ask("query", "--named", "busiest-sessions", more)
            assert outcome.code == 1
            assert "were given" in outcome.err
        outcome = ask("query", ".tables")
        assert ".tables is a command of the prompt" in outcome.err

    def test_list(self, ask: Cli, home: Path) -> None:
        """Names, parameters and what they tell; the user's own are marked."""
        folder = home / ".local" / "share" / "clankers" / "queries"
        folder.mkdir(parents=True)
        (folder / "mine.sql").write_text("-- Mine.\n-- :x = 1\nSELECT :x")
        outcome = ask("query", "--list")
        (line,) = (one for one in outcome.out.splitlines() if one.startswith("mine "))
        assert line.split() == ["mine", "x=1", "Mine.", "yours"]
        assert str(folder) in outcome.err
        listed = json.loads(ask("query", "--list", "--json").out)
        assert [one["name"] for one in listed] == [
            "busiest-sessions",
            "compactions",
            "cost-by-project",
            "mine",
            "tokens-by-model",
            "tool-errors",
            "touched-files",
        ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of POSIX")
def test_nothing_to_ask(database: Path) -> None:
    """Without a statement at a terminal the ways to ask are named."""
    code, shown = answered("", "--db", database, "query")
    assert code == 1
    assert "give a statement, --named NAME, or --interactive for a prompt" in shown
