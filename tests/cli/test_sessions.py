"""`clankers-cli sessions`: lists, and a conversation that is safe to print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from clankers.models import Compaction, Message, Session, SessionError, ToolCall
from clankers.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from cli.conftest import Cli

HOUR = 3_600_000
NINE = 1_793_610_000_000  # 2026-11-02T09:00:00Z
HOSTILE = "\x1b]52;c;aGk=\x07 \x1b]0;title\x07 \u202egpj.exe"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sessions, one of them with everything a session can hold."""
    path = tmp_path / "clankers.db"
    monkeypatch.setenv("CLANKERS_DB_PATH", str(path))
    monkeypatch.setenv("CLANKERS_TIMEZONE", "UTC")
    with Store.open(path) as store:
        store.upsert_many(
            [
                Session(
                    "aaaa-1",
                    NINE,
                    NINE + HOUR,
                    source="claude-code",
                    title="Fix the tide table",
                    project_path="/home/ada/code/tidewatch",
                    project_name="tidewatch",
                    model="claude-sonnet-4-5",
                ),
                Session("aabb-2", NINE - HOUR, source="codex", title="Older"),
                Message("aaaa-1:u", "aaaa-1", NINE, seq=1, role="user", text_content="Why?"),
                Message(
                    "aaaa-1:a",
                    "aaaa-1",
                    NINE + 1,
                    seq=NINE + 2,
                    role="assistant",
                    text_content="Because of summer time.",
                    thinking="Fixed offsets.",
                ),
                ToolCall(
                    "aaaa-1:t",
                    "aaaa-1",
                    NINE + 3,
                    tool_name="Bash",
                    seq=NINE + 3,
                    success=False,
                    duration_ms=1500,
                    error_message="Exit code 1",
                    tool_input='{"command":"pytest"}',
                    tool_output='"Exit code 1\\nE failed"',
                ),
                SessionError("aaaa-1:e", "aaaa-1", NINE + 4, "rate_limit", "Slow down"),
                Compaction("aaaa-1:c", "aaaa-1", NINE + 5, 150_000, 20_000),
            ]
        )
        store.refresh(["aaaa-1", "aabb-2"])
    return path


def test_list_is_newest_first(cli: Cli, database: Path) -> None:
    """The table has one session a line, the newest first."""
    lines = cli("sessions", "list").out.splitlines()

    assert lines[2].split() == [
        *("aaaa-1", "2026-11-02", "10:00", "claude-code", "tidewatch"),
        *("Fix", "the", "tide", "table", "2", "1", "0", "-"),
    ]
    assert lines[3].startswith("aabb-2")


def test_list_filters_and_says_when_it_is_cut(cli: Cli, database: Path) -> None:
    """Filters go to the library; a list that was cut says so on stderr."""
    assert [one["id"] for one in json.loads(cli("sessions", "list", "--json").out)] == [
        "aaaa-1",
        "aabb-2",
    ]
    assert [
        one["id"] for one in json.loads(cli("sessions", "list", "--source", "codex", "--json").out)
    ] == ["aabb-2"]
    cut = cli("sessions", "list", "--limit", "1")
    assert "only the newest 1 are shown" in cut.err


def test_show_tells_the_conversation_in_order(cli: Cli, database: Path) -> None:
    """Prompts, answers, tool calls, errors and compactions come as they happened."""
    told = cli("sessions", "show", "aaaa").out

    parts = [
        "Fix the tide table",
        "## user  2026-11-02 09:00\nWhy?",
        "## assistant  2026-11-02 09:00\nBecause of summer time.",
        '> Bash {"command":"pytest"} [failed in 1.5 s]\n    Exit code 1',
        "! rate_limit: Slow down",
        "~ context compacted, 150000 tokens to 20000",
    ]
    places = [told.index(part) for part in parts]
    assert places == sorted(places)
    assert "Fixed offsets." not in told
    assert "| Fixed offsets." in cli("sessions", "show", "aaaa-1", "--full").out


def test_show_needs_an_unambiguous_id(cli: Cli, database: Path) -> None:
    """A beginning that fits two sessions names both; one that fits none says so."""
    both = cli("sessions", "show", "aa")
    none = cli("sessions", "show", "zz")

    assert (both.code, none.code) == (1, 1)
    assert "aaaa-1, aabb-2" in both.err
    assert "no session 'zz'" in none.err


def test_show_as_json_is_one_object(cli: Cli, database: Path) -> None:
    """--json gives the rows, keyed as the tables and columns."""
    shown = json.loads(cli("sessions", "show", "aaaa-1", "--json").out)

    assert list(shown) == ["session", "messages", "tools", "session_errors", "compaction_events"]
    assert shown["tools"][0]["tool_input"] == '{"command":"pytest"}'
    assert shown["compaction_events"][0]["tokens_before"] == 150_000


def test_text_of_a_transcript_is_shown_never_obeyed(cli: Cli, database: Path) -> None:
    """Clipboard writes, title changes and bidi overrides reach the terminal as escapes."""
    with Store.open(database) as store:
        store.upsert_many(
            [
                Session("evil", NINE, title=HOSTILE, project_name=HOSTILE, model=HOSTILE),
                Message("evil:m", "evil", NINE, seq=1, role=HOSTILE, text_content=HOSTILE),
                Message("evil:n", "evil", NINE, seq=2, role="assistant", thinking=HOSTILE),
                ToolCall("evil:t", "evil", NINE, tool_name=HOSTILE, tool_input=HOSTILE),
                ToolCall("evil:x", "evil", NINE, error_message=HOSTILE, success=False),
                SessionError("evil:e", "evil", NINE, HOSTILE, HOSTILE),
            ]
        )

    for words in (
        ["list"],
        ["show", "evil"],
        ["show", "evil", "--full"],
        ["show", "evil", "--json"],
    ):
        printed = cli("sessions", *words).out
        assert not set(printed) & {"\x1b", "\x07", "\u202e"}
        assert "\\u202e" in printed


def test_a_missing_database_is_an_error_with_a_way_on(cli: Cli, tmp_path: Path) -> None:
    """Reading makes no database; it says how one is made."""
    done = cli("--db", tmp_path / "absent.db", "sessions", "list")

    assert done.code == 1
    assert "there is no database at" in done.err
    assert "clankers-cli import" in done.err
    assert not (tmp_path / "absent.db").exists()


@pytest.mark.parametrize("limit", ["-3", "many"])
def test_a_limit_is_a_number_of_sessions(cli: Cli, database: Path, limit: str) -> None:
    """A limit that counts nothing is a mistake on the command line."""
    assert cli("sessions", "list", f"--limit={limit}").code == 2
