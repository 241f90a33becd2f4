"""Grok Build: a log of chunks, calls and turns, and the history that the model is sent."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.importers import agents, importer
from importers._mangled import lines
from importers._stored import Found, Record, encoded, stored, write_lines

SESSION = "019f6851-0000-7000-8000-000000000001"
NOON = 1_785_585_600_000  # 2026-08-01T12:00:00Z
SUMMARY = {
    "info": {"id": SESSION, "cwd": "/home/ada/engine"},
    "created_at": "2026-08-01T12:00:00.000000Z",
    "updated_at": "2026-08-01T12:00:09.000000Z",
    "current_model_id": "grok-4.5",
    "head_branch": "main",
}


def at(second: int) -> int:
    return NOON + second * 1000


def update(kind: str, second: int, /, **more: Any) -> Record:
    params = {"sessionId": SESSION, "update": {"sessionUpdate": kind, **more}}
    return {"method": "session/update", "params": params, "timestamp": at(second) // 1000}


def chunk(who: str, words: str, second: int, **meta: Any) -> Record:
    content = {"type": "text", "text": words}
    return update(f"{who}_chunk", second, content=content, _meta=meta)


def call(name: str, second: int, tool: str = "read_file", **given: Any) -> Record:
    meta = {"x.ai/tool": {"name": tool}}
    return update("tool_call", second, toolCallId=name, title="Read", rawInput=given, _meta=meta)


def ended(name: str, second: int, output: Any = None, status: str = "completed") -> Record:
    return update("tool_call_update", second, toolCallId=name, status=status, rawOutput=output)


def turn(prompt: str, second: int, **usage: Any) -> Record:
    return update("turn_completed", second, prompt_id=prompt, stop_reason="end_turn", usage=usage)


def counts(whole: int, output: int, read: int = 0, **more: Any) -> Record:
    return {"inputTokens": whole, "outputTokens": output, "cachedReadTokens": read, **more}


TALK = [
    chunk("user_message", "How high ", 1, promptIndex=0),
    chunk("user_message", "is the tide?", 1, promptIndex=0),
    chunk("agent_thought", "The moon ", 2),
    chunk("agent_thought", "pulls.", 3),
    chunk("agent_message", "I look.", 4),
    call("c1", 5, target_file="t.csv"),
    ended("c1", 6, {"type": "ReadFile"}),
    chunk("agent_message", "Two metres.", 8),
    turn(
        "p1",
        9,
        **counts(28, 7, 20, reasoningTokens=2),
        modelUsage={"grok-4.5": counts(28, 7, 20, reasoningTokens=2, costUsdTicks=2_500_000_000)},
    ),
]
HISTORY = [
    {"type": "system", "content": "You are Grok."},
    {
        "type": "user",
        "content": [{"type": "text", "text": "<user_info/>"}],
        "synthetic_reason": "environment_context",
    },
    {
        "type": "user",
        "content": [{"type": "text", "text": "<user_query>\nHow high?\n</user_query>"}],
        "prompt_index": 0,
    },
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "The moon pulls."}]},
    {
        "type": "assistant",
        "content": "I look.",
        "tool_calls": [{"id": "c1", "name": "read_file", "arguments": '{"target_file": "t.csv"}'}],
        "model_id": "grok-4.5",
    },
    {"type": "tool_result", "tool_call_id": "c1", "content": "2 m"},
    {"type": "assistant", "content": "Two metres.", "model_id": "grok-4.5"},
]


def folder_of(
    root: Path,
    updates: list[Any] | None = None,
    history: list[Any] | None = None,
    name: str = SESSION,
    **summary: Any,
) -> Path:
    folder = root / "sessions" / "%2Fhome%2Fada%2Fengine" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps({**SUMMARY, **summary}), "utf-8")
    for file, records in (("updates.jsonl", updates), ("chat_history.jsonl", history)):
        if records is not None:
            write_lines(folder / file, records)
    return folder


def imported(root: Path, *updates: Record | bytes, **summary: Any) -> Found:
    return stored("grok", folder_of(root, [*updates], **summary), root / "clankers.db")


def test_a_conversation(tmp_path: Path) -> None:
    """Chunks of one speaker are a message; what is said after a result is the next one."""
    found = imported(tmp_path, *TALK, generated_title="Tides")
    session = found.session
    assert (session.id, session.title, session.source) == (SESSION, "Tides", "grok")
    assert (session.project_path, session.git_branch) == ("/home/ada/engine", "main")
    assert (session.provider, session.model) == ("xai", "grok-4.5")
    assert (session.created_at, session.updated_at) == (NOON, at(9))
    assert found.spoken == [
        ("user", "How high is the tide?"),
        ("assistant", "I look."),
        ("assistant", "Two metres."),
    ]
    assert (found.messages[1].thinking, found.messages[1].created_at) == ("The moon pulls.", at(2))
    assert [one.native_id for one in found.messages] == ["L1", "L3", "L8"]
    (read,) = found.tools
    assert (read.tool_name, read.file_path, read.success) == ("read_file", "t.csv", True)
    assert (read.message_id, read.tool_output) == (f"{SESSION}:L3", '{"type":"ReadFile"}')
    assert (found.messages[1].seq or 0) < (read.seq or 0) < (found.messages[2].seq or 0)
    assert found.counts == (10, 0, 0, 0)


def test_usage_of_a_turn(tmp_path: Path) -> None:
    """Each turn counts by model, the cache is inside of the input, a dollar has 10^10 ticks."""
    both = {"grok-4.5": counts(10, 1), "grok-fast": counts(7, 3, 2)}
    found = imported(tmp_path, *TALK, turn("p2", 10, **counts(17, 4, 2), modelUsage=both))
    assert found.used == [(8, 20, 0, 7), (10, 0, 0, 1), (5, 2, 0, 3)]
    assert [one.model for one in found.usage] == ["grok-4.5", "grok-4.5", "grok-fast"]
    assert [one.cost_reported for one in found.usage] == [250_000, None, None]
    assert (found.usage[0].reasoning_tokens, found.usage[0].message_id) == (2, f"{SESSION}:L8")
    assert [one.id for one in found.usage] == [
        "grok:p1:grok-4.5",
        "grok:p2:grok-4.5",
        "grok:p2:grok-fast",
    ]


def test_usage_that_is_not_whole(tmp_path: Path) -> None:
    """A turn without models is the session's model's; a partial cost is none."""
    found = imported(
        tmp_path,
        turn("p1", 1, **counts(9, 2, costUsdTicks=10**10), usageIsIncomplete=True),
        turn("p2", 2, **counts(9, 2, costUsdTicks=10**10)),
        turn("p3", 3, **counts(0, 0)),
    )
    assert [(one.model, one.cost_reported) for one in found.usage] == [
        ("grok-4.5", None),
        ("grok-4.5", 1_000_000),
    ]


def test_calls_that_failed(tmp_path: Path) -> None:
    """By their state, or by the number a command ended with; a search without hits is none."""
    ends = [
        ("c1", {"type": "Bash", "exit_code": 2}, "completed"),
        ("c2", {"type": "GrepSearch", "exit_code": 1}, "completed"),
        ("c3", {"type": "Text", "text": "No."}, "failed"),
        ("c4", None, "in_progress"),
    ]
    records = [call(name, 1) for name, _output, _status in ends]
    records += [ended(name, 2, output, status) for name, output, status in ends]
    found = imported(tmp_path, chunk("agent_message", "I look.", 0), *records)
    assert [one.success for one in found.tools] == [False, True, False, None]
    assert found.tools[2].error_message == "No."
    assert {one.message_id for one in found.tools} == {f"{SESSION}:L1"}
    assert found.counts == (9, 1, 0, 0)


def test_what_was_rewound_stays(tmp_path: Path) -> None:
    """What was said since the prompt is off the path; it was paid for."""
    more = [
        chunk("user_message", "And the moon?", 10, promptIndex=1),
        chunk("agent_message", "Full.", 11),
        turn("p2", 12, **counts(5, 1)),
        update("rewind_marker", 13, target_prompt_index=1),
        chunk("user_message", "And the ebb?", 14, promptIndex=1),
    ]
    found = imported(tmp_path, *TALK, *more)
    assert [(one.text_content, one.is_sidechain) for one in found.messages[2:]] == [
        ("Two metres.", None),
        ("And the moon?", True),
        ("Full.", True),
        ("And the ebb?", None),
    ]
    assert len(found.used) == 2


def test_compactions_and_errors(tmp_path: Path) -> None:
    """They are noted with what is told of them."""
    found = imported(
        tmp_path,
        update("auto_compact_completed", 1, tokens_before=90, tokens_after=5),
        update("auto_recovery_exhausted", 2, attempts=3, error="No network."),
    )
    (compaction,), (error,) = found.compactions, found.errors
    assert (compaction.tokens_before, compaction.tokens_after) == (90, 5)
    assert (error.error_type, error.error_message) == ("auto_recovery_exhausted", "No network.")


def test_a_history_alone(tmp_path: Path) -> None:
    """Where the log says nothing the history does, numbered by its lines, without times."""
    found = stored("grok", folder_of(tmp_path, None, HISTORY), tmp_path / "clankers.db")
    assert found.spoken == [
        ("system", "You are Grok."),
        ("system", "<user_info/>"),
        ("user", "How high?"),
        ("assistant", "I look."),
        ("assistant", "Two metres."),
    ]
    assert found.session.title == "How high?"
    assert (found.messages[3].id, found.messages[3].thinking) == (
        f"{SESSION}:history-5",
        "The moon pulls.",
    )
    assert {one.created_at for one in found.messages} == {NOON}
    (read,) = found.tools
    assert (read.message_id, read.tool_output) == (f"{SESSION}:history-5", '"2 m"')
    assert found.counts == (8, 0, 0, 0)


def test_a_call_in_both_stays_in_its_place(tmp_path: Path) -> None:
    """The history says where it was, and the log, read after it, when."""
    said = {"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": "{}"}}
    history = [
        {"type": "user", "content": "How high?"},
        {"type": "assistant", "content": "I look.", "tool_calls": [said]},
        {"type": "assistant", "content": "Two metres."},
    ]
    updates = [call("c1", 3, path="tide.csv"), ended("c1", 4, "2 m")]
    folder = folder_of(tmp_path, updates, history)
    found = stored("grok", folder, tmp_path / "clankers.db")
    (read,) = found.tools
    _asked, looked, told = found.messages
    assert (looked.seq or 0) < (read.seq or 0) < (told.seq or 0)
    assert (read.tool_input, read.tool_output) == ('{"path":"tide.csv"}', '"2 m"')


def test_both_are_one_conversation(tmp_path: Path) -> None:
    """The log is preferred, also when an earlier import knew the history only."""
    folder = folder_of(tmp_path, None, HISTORY)
    stored("grok", folder, tmp_path / "twice.db")
    folder_of(tmp_path, TALK, HISTORY)
    once = stored("grok", folder, tmp_path / "once.db")
    assert once.spoken == [
        ("user", "How high is the tide?"),
        ("assistant", "I look."),
        ("assistant", "Two metres."),
    ]
    assert once.counts == (10, 7, 0, 0)
    assert stored("grok", folder, tmp_path / "twice.db").spoken == once.spoken


def test_subagents(tmp_path: Path) -> None:
    """A subagent's folder is a session; its tokens are in the turn of its parent."""
    spawned = update("subagent_spawned", 6, subagent_id="a1", description="Count tides")
    parent = folder_of(tmp_path, [*TALK, spawned])
    child = parent / "subagents" / "a1"
    folder_of(
        tmp_path, [chunk("agent_message", "Three.", 7), turn("q1", 8, **counts(9, 9))], name="x"
    )
    shutil.move(parent.parent / "x", child)
    found = stored("grok", tmp_path / "sessions", tmp_path / "clankers.db")
    assert [(one.id, one.parent_id, one.title) for one in found.sessions.values()] == [
        (SESSION, None, "How high is the tide?"),
        (f"{SESSION}:agent-a1", SESSION, None),
    ]
    assert found.messages[-1].text_content == "Three."
    assert found.used == [(8, 20, 0, 7)]


def test_a_fork_counts_once(tmp_path: Path) -> None:
    """It begins with its parent's log; only what came after is new."""
    own = [*TALK, turn("p2", 10, **counts(5, 1))]
    info = {"id": "fork", "cwd": "/home/ada/engine"}
    folder_of(tmp_path, TALK)
    folder_of(tmp_path, own, name="fork", info=info, parent_session_id=SESSION)
    found = stored("grok", tmp_path / "sessions", tmp_path / "clankers.db")
    fork = found.sessions["fork"]
    assert (fork.parent_id, fork.relationship) == (SESSION, "fork")
    assert sorted(found.used) == [(5, 0, 0, 1), (8, 20, 0, 7)]


def test_what_is_unknown(tmp_path: Path) -> None:
    """Kinds nobody told us of and damaged lines are counted; lines of the log come second."""
    folder = folder_of(tmp_path, [update("weather", 1), b"{"], [b"[]", {"type": "weather"}])
    (folder / "summary.json").write_text("{", "utf-8")
    found = stored("grok", folder, tmp_path / "clankers.db")
    assert found.counts == (0, 0, 2, 3)


@pytest.mark.parametrize("records", ["updates", "history"])
def test_read_in_two_goes(tmp_path: Path, records: str) -> None:
    """Wherever a file is cut, the rows are those of reading it once."""
    folder = (
        folder_of(tmp_path, TALK) if records == "updates" else folder_of(tmp_path, None, HISTORY)
    )
    path = folder / ("updates.jsonl" if records == "updates" else "chat_history.jsonl")
    whole = path.read_bytes()
    once = stored("grok", folder, tmp_path / "once.db")
    for cut in range(0, len(whole), 211):
        path.write_bytes(whole[:cut])
        stored("grok", folder, tmp_path / f"{cut}.db")
        path.write_bytes(whole)
        assert stored("grok", folder, tmp_path / f"{cut}.db") == once


def test_an_unchanged_folder_is_not_read_again(tmp_path: Path) -> None:
    """A new title alone is read."""
    imported(tmp_path, *TALK)
    assert stored("grok", tmp_path / "sessions", tmp_path / "clankers.db").counts == (0, 0, 0, 0)
    found = imported(tmp_path, *TALK, generated_title="Tides")
    assert (found.session.title, found.counts) == ("Tides", (10, 0, 0, 0))


def test_where(tmp_path: Path) -> None:
    """`$GROK_HOME`, else `~/.grok`; of a session only its subagents are looked for inside."""
    grok = importer("grok")
    assert grok.roots({}, tmp_path) == [tmp_path / ".grok" / "sessions"]
    assert grok.roots({"GROK_HOME": "/grok"}, tmp_path) == [Path("/grok/sessions")]
    folder = folder_of(tmp_path, TALK)
    for inside in ("subagents/a1", "workspace"):
        shutil.copytree(folder, tmp_path / "copy", dirs_exist_ok=True)
        shutil.copytree(tmp_path / "copy", folder / inside)
    assert list(grok.find(tmp_path / "sessions")) == [folder, folder / "subagents" / "a1"]
    assert list(grok.find(folder / "updates.jsonl")) == [folder]


def test_it_knows_its_own(tmp_path: Path) -> None:
    """Its folder is its own and nobody else's, and other folders are not its."""
    folder = folder_of(tmp_path, TALK, HISTORY)
    other = write_lines(tmp_path / "other" / "updates.jsonl", [{"type": "session"}]).parent
    (other / "summary.json").write_text('{"info": {"id": "x"}}', "utf-8")
    found = [importer("grok").recognises(one) for one in (folder, other, other / "summary.json")]
    assert found == [True, False, False]
    others = [importer(name) for name in agents() if name != "grok"]
    assert [one.agent for one in others if _recognises(one, folder)] == []


def _recognises(one: Any, path: Path) -> bool:
    try:
        return bool(one.recognises(path))
    except OSError:
        return False


@given(updates=lines(TALK), history=lines(HISTORY, largest=6), cut=st.integers(0, 600))
@settings(max_examples=80, deadline=None)
def test_damaged_sessions(updates: list[bytes], history: list[bytes], cut: int) -> None:
    """Whatever the files hold, every line is counted once, nothing raises, two goes make one."""
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        folder = folder_of(root, updates, history)
        path = folder / "updates.jsonl"
        whole = path.read_bytes()
        once = stored("grok", folder, root / "one.db")
        assert once.report.failures == []
        assert sum(once.counts) == 1 + sum(1 for one in [*updates, *history] if one.strip())
        path.write_bytes(whole[:cut])
        stored("grok", folder, root / "two.db")
        path.write_bytes(whole)
        twice = stored("grok", folder, root / "two.db")
        assert twice.report.failures == []
        assert sorted(twice.used) == sorted(once.used)


@given(summary=st.sampled_from([encoded(SUMMARY)[:cut] for cut in range(0, 200, 9)]))
@settings(max_examples=20, deadline=None)
def test_a_damaged_summary(summary: bytes) -> None:
    """It is one malformed line, and the conversation is read by the name of its folder."""
    with tempfile.TemporaryDirectory() as made:
        folder = folder_of(Path(made), TALK)
        (folder / "summary.json").write_bytes(summary)
        found = stored("grok", folder, Path(made, "clankers.db"))
        assert (found.session.id, found.counts) == (SESSION, (9, 0, 0, 1))


def test_the_fixtures_of_other_tools(corpus: Path, tmp_path: Path) -> None:
    """A log of calls alone, and two histories of which one is a subagent's."""
    found = stored("grok", corpus / "other/mai0313-vct/grok", tmp_path / "calls.db")
    assert (found.session.id, found.session.project_path) == (
        "grok-session-test",
        "/workspace/demo",
    )
    assert [(one.tool_name, one.success) for one in found.tools] == [
        ("read_file", True),
        ("grep", True),
        ("grep", False),
        ("write", True),
        ("search_replace", True),
        ("run_terminal_command", True),
        ("todo_write", True),
        ("write", False),
        ("spawn_subagent", True),
    ]
    assert found.counts == (19, 0, 1, 0)

    kept = corpus / "multi-synthetic/jazzyalex-agent-sessions/Resources/Fixtures/stage0/agents/grok"
    found = stored("grok", kept, tmp_path / "talk.db")
    assert found.session.title == "Read hello.py and summarize what it prints"
    assert [one.role for one in found.messages] == [
        "system",
        "system",
        "user",
        "assistant",
        "assistant",
        "assistant",
        "assistant",
        "user",
    ]
    assert [one.tool_name for one in found.tools] == ["read_file", "web_search", "run_terminal_cmd"]
    assert (found.counts, found.usage) == ((12, 0, 0, 0), [])

    found = stored("grok", kept / "subagent", tmp_path / "child.db")
    assert (len(found.messages), len(found.tools)) == (4, 1)
    assert found.counts == (6, 0, 0, 0)
