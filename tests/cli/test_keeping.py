"""`backup`, `vacuum`, `prune` and `delete`: what they say, ask and refuse."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING

import pytest

from clankers.importing import SAMPLE_SESSIONS
from clankers.store import Store
from cli._person import answered

if TYPE_CHECKING:
    from pathlib import Path

    from cli.conftest import Cli

CODEX = "019a4d10-52c6-7e31-a0f4-6b1d2c3e4f05"
TIDES = "5a3c1f0e-7b64-4c1e-9d52-0c3f6a1b2d01"
LEDGER = "c41d9e72-3f0a-4b8d-8a66-9e2b7f5d4c02"
SUBAGENT = f"{TIDES}:agent-b7d20c4"


@pytest.fixture
def database(cli: Cli, tmp_path: Path) -> Path:
    """The sample: four sessions of two agents, one of them a subagent."""
    path = tmp_path / "clankers.db"
    assert cli("--db", path, "import", "--sample").code == 0
    return path


def ids(database: Path) -> set[str]:
    with Store.open(database, read_only=True) as store:
        return {one.id for one in store.sessions()}


class TestBackup:
    def test_path_and_size(self, cli: Cli, database: Path, tmp_path: Path) -> None:
        """It says where the copy is and how large, for people and programs."""
        copy = tmp_path / "copy.db"
        done = cli("--db", database, "backup", "create", copy)
        assert done.code == 0
        assert re.fullmatch(rf"{re.escape(str(copy))}  [0-9.]+ [KM]B\n", done.out)
        assert ids(copy) == ids(database)

    def test_without_a_path(self, cli: Cli, database: Path) -> None:
        """It goes into the folder beside the database."""
        found = json.loads(cli("--db", database, "--json", "backup", "create").out)
        assert found["path"].startswith(str(database.parent / "backups" / "clankers-"))
        assert found["bytes"] == os.path.getsize(found["path"])

    def test_no_file_is_replaced(self, cli: Cli, database: Path, tmp_path: Path) -> None:
        """A name that is taken is an error."""
        (tmp_path / "copy.db").write_text("mine")
        done = cli("--db", database, "backup", "create", tmp_path / "copy.db")
        assert done.code == 1
        assert "there is already a file" in done.err
        assert (tmp_path / "copy.db").read_text() == "mine"


class TestVacuum:
    def test_before_and_after(self, cli: Cli, database: Path) -> None:
        """Both sizes, of the file with its log."""
        done = cli("--db", database, "vacuum")
        assert re.fullmatch(r"[0-9.]+ [KM]B before, [0-9.]+ [KM]B after\n", done.out)
        found = json.loads(cli("--db", database, "vacuum", "--json").out)
        assert found["after"] == database.stat().st_size
        assert found["is_complete"] is True

    def test_report(self, cli: Cli, database: Path) -> None:
        """Tables, agents, projects and sessions; nothing is changed."""
        before = database.read_bytes()
        out = cli("--db", database, "vacuum", "--report").out
        for expected in ("of it free", "message_search", "largest agents", "tidewatch", CODEX):
            assert expected in out
        found = json.loads(cli("--db", database, "vacuum", "--report", "--json").out)
        assert {one["name"] for one in found["agents"]} == {"claude-code", "codex"}
        assert {"name", "table", "bytes"} == set(found["parts"][0])
        assert database.read_bytes() == before


class TestPrune:
    def test_a_dry_run(self, cli: Cli, database: Path) -> None:
        """What would go, by session and in all; nothing goes."""
        out = cli("--db", database, "prune", "--project", "tidewatch", "--dry-run").out
        assert TIDES in out
        assert "would remove 3 sessions, 19 messages, 10 tool calls" in out
        assert len(ids(database)) == 4

    def test_nobody_to_ask(self, cli: Cli, database: Path) -> None:
        """Without a terminal and without `--yes` nothing goes, and the exit code is 1."""
        done = cli("--db", database, "prune", "--source", "codex")
        assert done.code == 1
        assert "nobody is there to say yes" in done.err
        assert len(ids(database)) == 4

    def test_yes(self, cli: Cli, database: Path) -> None:
        """`--yes` answers the question; the next import leaves out what went."""
        done = cli("--db", database, "prune", "--source", "codex", "--yes")
        assert done.code == 0
        assert done.out.startswith("removed 1 session, 5 messages, 2 tool calls (1.0 KB)")
        done = cli("--db", database, "import", "--path", SAMPLE_SESSIONS, "--full")
        assert "left out 1 session that had been removed\n" in done.out
        assert ids(database) == {TIDES, SUBAGENT, LEDGER}

    @pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of POSIX")
    def test_the_question(self, database: Path) -> None:
        """On a terminal it shows what would go, and takes only a yes for one."""
        code, shown = answered("", "--db", database, "prune", "--before", "2026-11-03")
        assert code == 1
        assert TIDES in shown
        assert "remove 2 sessions, 14 messages, 8 tool calls" in shown
        assert "nothing was removed" in shown
        code, _shown = answered("y", "--db", database, "prune", "--older-than", "2026-11-03")
        assert code == 0
        assert ids(database) == {LEDGER, CODEX}

    def test_a_filter_is_needed(self, cli: Cli, database: Path) -> None:
        """Not even `--yes` removes everything."""
        done = cli("--db", database, "prune", "--yes")
        assert done.code == 1
        assert "no filter" in done.err
        assert len(ids(database)) == 4

    def test_nothing_fits(self, cli: Cli, database: Path) -> None:
        """That is no error, and nobody is asked."""
        done = cli("--db", database, "prune", "--empty")
        assert done.code == 0
        assert done.out == "would remove 0 sessions (0 bytes)\n"

    def test_forget(self, cli: Cli, database: Path) -> None:
        """Then a full import brings it back, with its subagents."""
        cli("--db", database, "delete", TIDES, "--yes")
        done = cli("--db", database, "prune", "--forget", TIDES)
        assert done.out.startswith(f"{TIDES}\n{SUBAGENT}\n2 sessions may be imported again")
        cli("--db", database, "import", "--path", SAMPLE_SESSIONS, "--full")
        assert len(ids(database)) == 4


class TestDelete:
    def test_by_beginnings(self, cli: Cli, database: Path) -> None:
        """Several at once; subagents go along."""
        found = json.loads(cli("--db", database, "delete", "5a3c", "019a", "--yes", "--json").out)
        assert [one["id"] for one in found["sessions"]] == [TIDES, SUBAGENT, CODEX]
        assert found["rows"]["messages"] == 19
        assert found["dry_run"] is False
        assert ids(database) == {LEDGER}

    def test_usage_is_still_counted(self, cli: Cli, database: Path) -> None:
        """The reports of usage are the same before and after."""
        before = cli("--db", database, "usage", "--json").out
        cli("--db", database, "delete", "5a3c", "--yes")
        assert cli("--db", database, "usage", "--json").out == before

    def test_purge(self, cli: Cli, database: Path) -> None:
        """The words are gone from the file; copies that may still have them are named."""
        cli("--db", database, "backup", "create")
        done = cli("--db", database, "delete", "c41d", "--purge", "--yes")
        assert done.code == 0
        assert b"exports the ledger" not in database.read_bytes()
        assert "1 backup in" in done.err

    def test_a_dry_run(self, cli: Cli, database: Path) -> None:
        """It says what would go; nothing goes."""
        done = cli("--db", database, "delete", "c41d", "--purge", "--dry-run")
        assert "would remove 1 session, 4 messages, 1 tool call" in done.out
        assert len(ids(database)) == 4

    def test_an_unknown_session(self, cli: Cli, database: Path) -> None:
        """An error that says where ids are to be found."""
        done = cli("--db", database, "delete", "nobody", "--yes")
        assert done.code == 1
        assert "no session 'nobody'" in done.err


class TestCopies:
    def test_one_is_made_before_something_goes(self, cli: Cli, database: Path) -> None:
        """Its path is said, and it holds what is gone; not before a purge, which it would undo."""
        done = cli("--db", database, "delete", LEDGER, "--yes")
        (copy,) = (database.parent / "backups").iterdir()
        assert done.err == f"a copy of before: {copy}\n"
        assert LEDGER in ids(copy)
        assert LEDGER not in ids(database)
        cli("--db", database, "delete", CODEX, "--purge", "--yes")
        assert list((database.parent / "backups").iterdir()) == [copy]

    def test_none_where_the_setting_is_off(self, cli: Cli, database: Path) -> None:
        """`backup_before_write` decides."""
        cli("config", "set", "backup_before_write", "false")
        done = cli("--db", database, "prune", "--source", "codex", "--yes")
        assert (done.code, done.err) == (0, "")
        assert not (database.parent / "backups").exists()


@pytest.mark.parametrize(
    "command",
    [["vacuum"], ["reindex"], ["prune", "--empty", "--yes"], ["delete", "x", "--yes"]],
)
def test_a_mistyped_database_is_not_made(cli: Cli, tmp_path: Path, command: list[str]) -> None:
    """Only an import begins a new one."""
    done = cli("--db", tmp_path / "mistyped.db", *command)
    assert done.code == 1
    assert f"there is no database at {tmp_path / 'mistyped.db'}" in done.err
    assert list(tmp_path.glob("mistyped.db*")) == []
