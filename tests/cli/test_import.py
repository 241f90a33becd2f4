"""`clankers-cli import`, as a user sees it."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from clankers.query import Query

if TYPE_CHECKING:
    from pathlib import Path

    from cli.conftest import Cli

REPORT_KEYS = [
    "files",
    "read",
    "new",
    "updated",
    "unchanged",
    "lines",
    "imported",
    "noise",
    "unknown",
    "malformed",
    "left_out",
    "sources",
]


def prompt(text: str, *, at: str = "2026-11-02T09:00:00Z") -> str:
    """One line of a Claude Code transcript: a person's prompt."""
    record = {
        "type": "user",
        "uuid": f"u-{at}",
        "sessionId": "0b7f7f3e-0000-4000-8000-000000000001",
        "isSidechain": False,
        "cwd": "/home/ada/code/tidewatch",
        "timestamp": at,
        "message": {"role": "user", "content": text},
    }
    return json.dumps(record) + "\n"


@pytest.fixture
def transcript(home: Path) -> Path:
    """A transcript of Claude Code in the user's home."""
    folder = home / ".claude" / "projects" / "-home-ada-code-tidewatch"
    folder.mkdir(parents=True)
    path = folder / "0b7f7f3e-0000-4000-8000-000000000001.jsonl"
    path.write_text(prompt("How high is the tide?") + "not json\n", "utf-8")
    return path


def rows(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with Query(database) as query:
        return list(query.query(sql))


def test_reports_what_was_found_and_read(cli: Cli, transcript: Path) -> None:
    """Without arguments, all agents' own places are imported and counted."""
    done = cli("import", "--json")

    report = json.loads(done.out)
    assert done.code == 0
    assert list(report) == REPORT_KEYS
    (source,) = report.pop("sources")
    assert report == {
        "files": 1,
        "read": 1,
        "new": 1,
        "updated": 0,
        "unchanged": 0,
        "lines": 2,
        "imported": 1,
        "noise": 0,
        "unknown": 0,
        "malformed": 1,
        "left_out": 0,
    }
    assert source["source"] == "claude-code"
    assert source["path"] == str(transcript.parent.parent)


def test_importing_again_reads_nothing(cli: Cli, transcript: Path) -> None:
    """The second import opens no file and says that nothing changed."""
    cli("import")

    report = json.loads(cli("import", "--json").out)

    assert (report["read"], report["unchanged"], report["lines"]) == (0, 1, 0)
    assert report["sources"][0]["bytes_read"] == 0
    assert report["sources"][0]["rows_written"] == 0


def test_a_grown_file_gives_its_new_lines_only(cli: Cli, transcript: Path) -> None:
    """A line appended to a transcript is the only one read next time."""
    cli("import")
    with transcript.open("a", encoding="utf-8") as file:
        file.write(prompt("And tomorrow?", at="2026-11-02T09:05:00Z"))

    report = json.loads(cli("import", "--json").out)

    assert (report["updated"], report["lines"], report["imported"]) == (1, 1, 1)


def test_the_table_says_where_and_into_what(cli: Cli, home: Path, transcript: Path) -> None:
    """For people: a table by agent, a sentence, and the database."""
    done = cli("import")

    assert str(transcript.parent.parent) in done.out
    assert "imported 1 of 1 files (1 new, 0 updated, 0 unchanged): 2 lines" in done.out
    assert str(home / ".local/share/clankers/clankers.db") in done.out
    assert done.err == ""


def test_an_empty_machine_is_told_where_was_looked(cli: Cli, home: Path) -> None:
    """Nothing to import is no error; the sample is offered."""
    done = cli("import")

    assert done.code == 0
    assert "no sessions found" in done.out
    assert "--sample" in done.out


def test_the_sample_shows_something_real(cli: Cli, tmp_path: Path) -> None:
    """The bundled sessions come in: both agents, a subagent, and their usage."""
    database = tmp_path / "sample.db"

    done = cli("--db", database, "import", "--sample")

    assert done.code == 0
    assert rows(database, "SELECT source, count(*) FROM sessions GROUP BY 1 ORDER BY 1") == [
        ("claude-code", 3),
        ("codex", 1),
    ]
    assert rows(database, "SELECT parent_id FROM sessions WHERE relationship = 'subagent'") == [
        ("5a3c1f0e-7b64-4c1e-9d52-0c3f6a1b2d01",)
    ]
    codex = "SELECT sum(input_tokens), sum(cache_read_tokens), sum(output_tokens) FROM usage"
    assert rows(database, f"{codex} WHERE source = 'codex'") == [(9580, 17664, 622)]


def test_a_dry_run_writes_nothing(cli: Cli, home: Path, transcript: Path) -> None:
    """--dry-run counts, and makes no database."""
    done = cli("import", "--dry-run")

    assert "would import 1 of 1 files" in done.out
    assert not (home / ".local/share/clankers/clankers.db").exists()


def test_a_dry_run_leaves_the_database_as_it_is(cli: Cli, tmp_path: Path, transcript: Path) -> None:
    """Also one that an import would first bring up to date."""
    database = tmp_path / "original.db"
    connection = sqlite3.connect(database)
    connection.execute(
        "CREATE TABLE sessions(id TEXT, title TEXT, source TEXT, created_at INTEGER)"
    )
    connection.close()
    before = database.read_bytes()

    done = cli("--db", database, "import", "--dry-run")

    assert done.code == 1
    assert "clankers-cli import" in done.err
    assert database.read_bytes() == before
    assert not (tmp_path / "backups").exists()


def test_since_leaves_old_files_alone(cli: Cli, transcript: Path) -> None:
    """--since goes by when a file was last written."""
    import os

    os.utime(transcript, (1_700_000_000, 1_700_000_000))  # 2023-11-14

    assert json.loads(cli("import", "--since", "2023-11-15", "--json").out)["files"] == 1
    report = json.loads(cli("import", "--since", "2023-11-15", "--json").out)
    assert report["read"] == 0
    assert json.loads(cli("import", "--since", "2023-11-13", "--json").out)["read"] == 1


def test_an_unknown_agent_is_named(cli: Cli, home: Path) -> None:
    """A mistyped agent is an error that lists the known ones."""
    done = cli("import", "claud")

    assert done.code == 1
    assert done.err.startswith("clankers-cli: no importer for 'claud'\n")
    assert {"claude-code", "codex"} <= set(done.err.replace(",", "").split())


def test_a_path_with_nothing_is_an_error(cli: Cli, tmp_path: Path) -> None:
    """--path must lead to transcripts."""
    empty = tmp_path / "empty"
    empty.mkdir()

    assert cli("import", "--path", empty).code == 1
    assert "the path is empty" in cli("import", "--path", "").err
    assert "there is nothing at" in cli("import", "--path", tmp_path / "absent").err


@pytest.mark.parametrize("folder", ["lanegrid-agtrace", "mai0313-vct", "yoavf-ai-sessions", ""])
def test_codex_of_the_corpus(cli: Cli, corpus: Path, tmp_path: Path, folder: str) -> None:
    """What `usage` says of each Codex folder, and of all together, is the independent counter's."""
    database = tmp_path / "corpus.db"
    expected = json.loads((corpus / "expected.json").read_text("utf-8"))["files"]
    prefix = f"codex/{folder}/" if folder else "codex/"
    sums = [
        counted["tokens_sum_last_dedup"]
        for name, counted in expected.items()
        if name.startswith(prefix) and counted["tokens_sum_last_dedup"]
    ]
    assert sums

    cli("--db", database, "import", "--path", corpus / "codex" / folder)
    (row,) = json.loads(cli("--db", database, "usage", "--by", "source", "--json").out)

    names = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")
    given, cached, output, reasoning = (sum(one[name] for one in sums) for name in names)
    assert row["key"] == "codex"
    assert row["input_tokens"] == given - cached
    assert row["cache_read_tokens"] == cached
    assert (row["output_tokens"], row["reasoning_tokens"]) == (output, reasoning)


def test_all_agents_of_the_corpus_together(cli: Cli, corpus: Path, tmp_path: Path) -> None:
    """The token sums of every Claude Code folder together are the independent counter's."""
    database = tmp_path / "corpus.db"
    expected = json.loads((corpus / "expected.json").read_text("utf-8"))["sources"]
    sums = [
        counted["usage_cross_file_dedup"]
        for name, counted in expected.items()
        if name.startswith("claude-code/")
    ]

    cli("--db", database, "import", "--path", corpus / "claude-code")

    found = rows(
        database,
        "SELECT sum(input_tokens), sum(cache_read_tokens), sum(output_tokens),"
        " sum(cache_write_5m_tokens + cache_write_1h_tokens) FROM usage",
    )
    assert found == [
        tuple(
            sum(one[name] for one in sums)
            for name in (
                "input_tokens",
                "cache_read_input_tokens",
                "output_tokens",
                "cache_creation_input_tokens",
            )
        )
    ]
