"""`clankers-cli search` and `reindex`: what is printed, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from clankers.store import Store
from clankers.testing import make_message, make_session, make_tool

if TYPE_CHECKING:
    from pathlib import Path

    from cli.conftest import Cli

NINE = 1_793_610_000_000  # 2026-11-02T09:00:00Z


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One session with a prompt, an answer and a call, all about tides."""
    path = tmp_path / "clankers.db"
    monkeypatch.setenv("CLANKERS_DB_PATH", str(path))
    monkeypatch.setenv("CLANKERS_TIMEZONE", "UTC")
    with Store.open(path) as store:
        store.upsert_many(
            [
                make_session(1, title="Fix the tides", created_at=NINE, updated_at=NINE),
                make_message(1, text_content="The tides\nare late", created_at=NINE),
                make_message(2, role="assistant", text_content="\x1b[31mtides", created_at=NINE),
                make_tool(3, tool_output='"42 tides\\nfound"', created_at=NINE + 60_000),
            ]
        )
    return path


def test_hits_by_place(cli: Cli) -> None:
    """Titles, messages, calls: each with where it is and a line; escapes are made harmless."""
    found = cli("search", "tides")
    assert found.code == 0
    assert found.out.splitlines() == [
        "titles",
        "session-1  2026-11-02 09:00  claude-code  shop",
        "    Fix the tides",
        "",
        "messages",
        "session-1  2026-11-02 09:00  claude-code  shop  user",
        "    The tides are late",
        "session-1  2026-11-02 09:00  claude-code  shop  assistant",
        "    \\x1b[31mtides",
        "",
        "tool calls",
        "session-1  2026-11-02 09:01  claude-code  shop  Read",
        '    "42 tides found"',
    ]


def test_words_need_no_quotes(cli: Cli) -> None:
    """Several arguments are one search; an exclusion stands behind --."""
    assert "are late" in cli("search", "tides", "late").out
    assert "late" not in cli("search", "--in", "messages", "--", "tides", "-late").out


def test_options_narrow_it_down(cli: Cli) -> None:
    """Each option does what it says."""
    assert cli("search", "tides", "--role", "user").out.count("session-1") == 1
    assert cli("search", "tides", "--tool", "Bash").out == "nothing found\n"
    assert cli("search", "tides", "--source", "codex").out == "nothing found\n"
    assert cli("search", "tides", "--since", "2026-11-02T09:01").out.startswith("tool calls")
    assert cli("search", "tides", "--in", "titles").out.startswith("titles")
    assert cli("search", "--exact", "tides are").out == "nothing found\n"
    assert cli("search", "--exact", "tides\nare").code == 0


def test_more_than_is_shown(cli: Cli) -> None:
    """Said on stderr, so that what is printed stays a list."""
    found = cli("search", "tides", "--limit", "1")
    assert found.err == "only 1 messages are shown; a greater --limit shows more\n"


def test_json(cli: Cli) -> None:
    """All that is known of a hit."""
    found = json.loads(cli("--json", "search", "late").out)
    assert found == {
        "hits": [
            {
                "place": "messages",
                "id": "session-1:message-1",
                "session_id": "session-1",
                "title": "Fix the tides",
                "source": "claude-code",
                "project": "shop",
                "at": NINE,
                "who": "user",
                "snippet": "The tides are late",
                "marks": [[14, 18]],
            }
        ],
        "more": [],
        "unsearched": [],
        "suggestions": [],
    }


def test_mistakes(cli: Cli) -> None:
    """Each says what is wrong with which value."""
    assert "list of places" in cli("search", "a", "--in", "everywhere").err
    assert cli("search", "a", "--limit", "0").code == 2
    wrong = cli("search", "since:7x a")
    assert (wrong.code, wrong.err.splitlines()[0]) == (1, "clankers-cli: '7x' is not a time")


def test_without_a_database(cli: Cli, tmp_path: Path) -> None:
    """Nothing is made; the way to one is said."""
    found = cli("--db", tmp_path / "none.db", "search", "a")
    assert found.code == 1
    assert "there is no database" in found.err
    assert not (tmp_path / "none.db").exists()


def test_reindex(cli: Cli, database: Path) -> None:
    """What an index lost is there again."""
    cli("search", "tides")
    with Store.open(database) as store:
        store.connection.execute("INSERT INTO message_search(message_search) VALUES ('delete-all')")
        assert store.check_index() == ["message_search has 0 of 2 rows of messages"]
    assert cli("reindex").out == "the search index was built anew\n"
    assert json.loads(cli("--json", "reindex").out) == {"problems": []}
    with Store.open(database) as store:
        assert store.check_index() == []


def test_hints_where_nothing_is_found(cli: Cli) -> None:
    """A word with the punctuation of its sentence, and an agent that is called otherwise."""
    cli("reindex")
    assert cli("search", "tides.").out == "nothing found\ndid you mean 'tides'?\n"
    wrong = cli("search", "tides", "--source", "claude")
    assert wrong.err == "no agent is called 'claude'; did you mean 'claude-code'?\n"
    assert cli("sessions", "list", "--source", "claude").err == wrong.err
    assert cli("usage", "--source", "claude").err == wrong.err
    assert cli("search", "tides", "--source", "codex").err == ""


def test_an_argument_that_is_no_text(cli: Cli) -> None:
    """As a shell may hand it over."""
    assert cli("search", "\udcff").out == "nothing found\n"
    wrong = cli("usage", "--project", "\udcff")
    assert (wrong.code, wrong.err.splitlines()[0]) == (2, "clankers-cli: '\\udcff' is not UTF-8")
