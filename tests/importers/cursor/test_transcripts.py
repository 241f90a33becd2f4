"""Agent transcripts: lines without ids and times, and the plain text of earlier versions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.importers.cursor import IMPORTER
from clankers.importing import import_sessions
from clankers.store import Store

from ._stores import NOON, OTHER, SESSION, Record, counted, encoded, everything, line, transcript

if TYPE_CHECKING:
    from pathlib import Path

USE: Record = {"type": "tool_use", "name": "Shell", "input": {"command": "ls"}}
TYPED = "<timestamp>Saturday, Aug 1, 2026, 2:05 PM (UTC+2)</timestamp>\n<user_query>\nNow?\n</user_query>"
LINES: list[Record | str] = [
    line("user", "<user_query>\nHow high?\n</user_query>"),
    line("assistant", {"type": "thinking", "thinking": "Moon"}, "Looking.", USE),
    line("user", {"type": "tool_result", "tool_use_id": "t1", "content": "2 m"}),
    "not json",
    line("assistant", "[REDACTED]", "Two metres."),
    {"type": "turn_ended", "status": "success"},
    line("user", TYPED, {"type": "text", "text": "<user_query>And then?</user_query>"}),
    line("assistant", {**USE, "id": "x"}, {**USE, "id": "y"}),
    line("user", {"type": "tool_result", "tool_use_id": "y", "content": "no", "is_error": True}),
    {"type": "error", "error": "upstream timeout"},
    {"type": "from-the-future"},
]


def test_a_conversation(home: Path) -> None:
    """Lines become messages under their numbers, at the time when the file was written."""
    path = transcript(home, SESSION, *LINES)
    os.utime(path, (NOON / 1000, NOON / 1000))
    found = everything(path)

    assert [(one.id, one.role, one.text_content) for one in found.messages] == [
        (f"{SESSION}:line-1", "user", "How high?"),
        (f"{SESSION}:line-2", "assistant", "Looking."),
        (f"{SESSION}:line-5", "assistant", "Two metres."),
        (f"{SESSION}:line-7", "user", "Now?\n\nAnd then?"),
        (f"{SESSION}:line-8", "assistant", None),
    ]
    assert [one.created_at for one in found.messages] == [NOON] * 3 + [NOON + 300_000] * 2
    assert found.messages[1].thinking == "Moon"
    assert counted(found) == (8, 1, 1, 1)
    assert [one.error_message for one in found.errors] == ["upstream timeout"]
    (session,) = {one.id: one for one in found.sessions}.values()
    assert (session.title, session.project_name) == ("How high?", "home-ada-engine")


def test_calls_and_results(home: Path) -> None:
    """A result belongs to the call it names, else to the one that has waited longest."""
    found = everything(transcript(home, SESSION, *LINES))
    calls = {one.native_id: one for one in found.tools}
    assert [(one.tool_output, one.success) for one in calls.values()] == [
        ('"2 m"', True),
        (None, None),
        ('"no"', False),
    ]
    assert calls["line-2.2"].tool_input == '{"command":"ls"}'


def test_context(home: Path) -> None:
    """What stands around a prompt stays beside it; without a prompt it is the program's."""
    around = "<attached_files>\nx.py\n</attached_files>\n<user_query>Hi</user_query>"
    found = everything(
        transcript(home, SESSION, line("user", around), line("user", "<user_info>a"))
    )
    assert [(one.role, one.text_content) for one in found.messages] == [
        ("user", "Hi"),
        ("system", None),
    ]
    assert "x.py" in (found.messages[0].content or "")


def test_a_subagent(home: Path) -> None:
    """A transcript in `subagents` is a session of its own, of the one whose folder it is in."""
    (session,) = everything(transcript(home, OTHER, *LINES[:1], parent=SESSION)).sessions
    assert (session.id, session.parent_id, session.relationship) == (OTHER, SESSION, "subagent")

    (session,) = everything(transcript(home, "child", *LINES[:1], parent=SESSION)).sessions
    assert (session.id, session.parent_id) == (f"{SESSION}:agent-child", SESSION)


def test_what_the_command_line_says_beside(home: Path) -> None:
    """Place and times come from the command line's small file, where there is one."""
    path = transcript(home, SESSION, *LINES[:1])
    beside = home / ".cursor" / "chats" / "ab" / SESSION
    beside.mkdir(parents=True)
    told = f'{{"cwd": "/home/ada/engine", "createdAtMs": {NOON}, "updatedAtMs": {NOON + 5}}}'
    (beside / "meta.json").write_text(told)
    (session,) = everything(path).sessions
    assert session.project_path == "/home/ada/engine"
    assert (session.created_at, session.updated_at) == (NOON, NOON + 5)


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(0, len(encoded(*LINES))))
def test_cut_anywhere(tmp_path_factory: object, cut: int) -> None:
    """A file that is read while it grows gives what it gives when it is whole."""
    written = encoded(*LINES)
    folder = tmp_path_factory.mktemp("cut")  # type: ignore[attr-defined]
    path = folder / f"{SESSION}.jsonl"

    def write(part: bytes) -> None:
        path.write_bytes(part)
        os.utime(path, (NOON / 1000, NOON / 1000))

    with Store.open(folder / "cut.db") as pieces, Store.open(folder / "whole.db") as whole:
        for part in (written[:cut], written):
            write(part)
            import_sessions(pieces, ["cursor"], path=path)
        import_sessions(whole, ["cursor"], path=path)
        for query in (
            "SELECT id, role, seq, created_at, text_content, content FROM messages ORDER BY id",
            "SELECT id, seq, success, tool_output, message_id FROM tools ORDER BY id",
            "SELECT id, title, created_at, updated_at, message_count FROM sessions",
            "SELECT id, error_message FROM session_errors",
            "SELECT lines, imported, noise, unknown, malformed FROM import_sources",
        ):
            assert (
                pieces.connection.execute(query).fetchall()
                == whole.connection.execute(query).fetchall()
            )


TEXT = """user:
<user_query>
How high is the tide?
</user_query>

assistant:
[Thinking] It is the moon.
Looking.
[Tool call] Shell
  command=ls
  timeout=5
[Tool result] Shell
  a.py
Two metres.

user:
Thanks.
"""


def test_plain_text(home: Path) -> None:
    """Text of earlier versions has a line for each change of who speaks."""
    path = transcript(home, SESSION).with_suffix(".txt")
    path.with_suffix(".jsonl").rename(path)
    path.write_text(TEXT)
    found = everything(path)
    assert [(one.role, one.text_content, one.thinking) for one in found.messages] == [
        ("user", "How high is the tide?", None),
        ("assistant", "Looking.\n\nTwo metres.", "It is the moon."),
        ("user", "Thanks.", None),
    ]
    (tool,) = found.tools
    assert (tool.tool_name, tool.tool_input) == ("Shell", '{"command":"ls","timeout":"5"}')
    assert tool.tool_output == '"a.py"'
    assert counted(found) == (3, 0, 0, 0)


def test_nothing_but_the_head_is_needed(home: Path) -> None:
    """A first line longer than what is looked at is still known as a transcript's."""
    path = home / "copied.jsonl"
    path.write_bytes(encoded(line("user", "x" * 100_000)))
    assert IMPORTER.recognises(path)
