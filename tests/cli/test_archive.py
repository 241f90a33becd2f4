"""`archive`, and what `query` and `search` find there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from clankers.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from cli.conftest import Cli

TIDES = "5a3c1f0e-7b64-4c1e-9d52-0c3f6a1b2d01"
LEDGER = "c41d9e72-3f0a-4b8d-8a66-9e2b7f5d4c02"
SUBAGENT = f"{TIDES}:agent-b7d20c4"
COUNT = "SELECT count(*) AS n FROM sessions"


@pytest.fixture
def database(cli: Cli, tmp_path: Path) -> Path:
    """The sample: four sessions of two agents, one of them a subagent."""
    path = tmp_path / "clankers.db"
    assert cli("--db", path, "import", "--sample").code == 0
    return path


@pytest.fixture
def divided(cli: Cli, database: Path) -> Path:
    """The sample with two of its sessions, one the subagent of the other, in the archive."""
    with Store.open(database) as store:
        assert len(store.archive(session_ids=[TIDES]).sessions) == 2
    return database


class TestArchive:
    def test_by_age(self, cli: Cli, database: Path) -> None:
        """It says how much went, without a question, and how to have the room back."""
        done = cli("--db", database, "archive", "--older-than", "2026-12-01")
        assert done.code == 0
        first, second = done.out.splitlines()
        assert first.startswith("archived 4 sessions, ")
        assert second == "'clankers-cli vacuum' gives the room back to the disk"
        assert json.loads(cli("--db", database, "--json", "sessions", "list").out) == []

    def test_nothing_is_that_old(self, cli: Cli, database: Path) -> None:
        """Then nothing happens, and no file is made."""
        done = cli("--db", database, "archive", "--older-than", "2020-01-01")
        assert (done.code, done.out) == (0, "archived 0 sessions (0 bytes)\n")
        assert not database.with_name("clankers.archive.db").exists()

    def test_dry_run(self, cli: Cli, database: Path) -> None:
        """It shows what would go, and moves nothing."""
        done = cli("--db", database, "archive", "--older-than", "2026-12-01", "--dry-run")
        assert done.code == 0
        assert "would archive 4 sessions" in done.out
        assert LEDGER in done.out
        assert not database.with_name("clankers.archive.db").exists()

    def test_json(self, cli: Cli, database: Path) -> None:
        """A program learns the same."""
        asked = ("--db", database, "--json", "archive", "--older-than", "2026-12-01")
        planned = json.loads(cli(*asked, "--dry-run").out)
        assert planned["dry_run"] is True
        assert planned["rows"]["sessions"] == 4
        done = json.loads(cli(*asked).out)
        assert done == {**planned, "dry_run": False}

    def test_bare(self, cli: Cli, database: Path) -> None:
        """Nobody moves everything by accident: a time is needed."""
        done = cli("--db", database, "archive")
        assert done.code == 2
        assert "say which sessions are to go" in done.err
        assert "--older-than 90d" in done.err

    def test_no_database(self, cli: Cli, tmp_path: Path) -> None:
        """It makes none."""
        done = cli("--db", tmp_path / "none.db", "archive", "--older-than", "90d")
        assert done.code == 1
        assert "there is no database" in done.err


class TestList:
    def test_table(self, cli: Cli, divided: Path) -> None:
        """As `sessions list`, of those that are archived."""
        out = cli("--db", divided, "archive", "list").out
        assert out.splitlines()[0].split() == [
            "id", "last", "agent", "project", "title", "messages", "tools", "tokens", "cost",
        ]  # fmt: skip
        assert TIDES in out
        assert LEDGER not in out

    def test_json(self, cli: Cli, divided: Path) -> None:
        """With the same filters."""
        asked = ("--db", divided, "--json", "archive", "list")
        assert {one["id"] for one in json.loads(cli(*asked).out)} == {TIDES, SUBAGENT}
        assert json.loads(cli(*asked, "--source", "codex").out) == []

    def test_none(self, cli: Cli, database: Path) -> None:
        """An archive that is not there has no sessions."""
        done = cli("--db", database, "archive", "list")
        assert (done.code, done.out) == (0, "no sessions in the archive\n")


class TestRestore:
    def test_by_a_beginning(self, cli: Cli, divided: Path) -> None:
        """A session comes back with its subagents."""
        done = cli("--db", divided, "archive", "restore", "5a3c")
        assert done.out == f"{TIDES}\n{SUBAGENT}\nrestored 2 sessions\n"
        assert len(json.loads(cli("--db", divided, "--json", "sessions", "list").out)) == 4

    def test_json(self, cli: Cli, divided: Path) -> None:
        """A program learns which came."""
        done = cli("--db", divided, "--json", "archive", "restore", TIDES)
        assert json.loads(done.out) == {"restored": [TIDES, SUBAGENT]}

    def test_unknown(self, cli: Cli, divided: Path) -> None:
        """What is not archived is an error."""
        done = cli("--db", divided, "archive", "restore", LEDGER)
        assert done.code == 1
        assert f"no session '{LEDGER}' is in the archive" in done.err


class TestAsking:
    def test_query(self, cli: Cli, divided: Path) -> None:
        """`--archive` asks the archive in place of the database."""
        assert json.loads(cli("--db", divided, "--json", "query", COUNT).out) == [{"n": 2}]
        found = cli("--db", divided, "--json", "query", "--archive", COUNT)
        assert json.loads(found.out) == [{"n": 2}]
        ids = cli("--db", divided, "query", "--archive", "SELECT id FROM sessions").out
        assert TIDES in ids
        assert LEDGER not in ids

    def test_search(self, cli: Cli, divided: Path) -> None:
        """So does a search."""
        found = cli("--db", divided, "--json", "search", "--archive", "tide")
        hits = json.loads(found.out)["hits"]
        assert {hit["session_id"] for hit in hits} <= {TIDES, SUBAGENT}
        assert hits
        here = json.loads(cli("--db", divided, "--json", "search", "tide").out)["hits"]
        assert not {hit["session_id"] for hit in here} & {TIDES, SUBAGENT}

    @pytest.mark.parametrize("asked", [("query", "SELECT 1"), ("search", "tide")])
    def test_there_is_none(self, cli: Cli, database: Path, asked: tuple[str, str]) -> None:
        """An archive that nobody made is an error that says how one is made."""
        command, words = asked
        done = cli("--db", database, command, "--archive", words)
        assert done.code == 1
        assert "there is no archive yet" in done.err
        assert "archive --older-than 90d" in done.err

    def test_delete(self, cli: Cli, divided: Path) -> None:
        """An archived session is deleted as any other."""
        done = cli("--db", divided, "delete", "5a3c", "--yes")
        assert done.code == 0
        assert done.out.startswith("removed 2 sessions, ")
        assert cli("--db", divided, "archive", "list").out == "no sessions in the archive\n"


def test_doctor(cli: Cli, divided: Path) -> None:
    """Says where the archive is, and how much is in it."""
    found = json.loads(cli("--db", divided, "--json", "doctor").out)
    (told,) = [one["message"] for one in found["findings"] if one["subject"] == "archive"]
    assert told.startswith(f"{divided.with_name('clankers.archive.db')}: 2 sessions, ")
