"""Droid: a transcript and a settings file are one session; exec logs are read as well."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.importers import importer
from clankers.importing import import_sessions
from clankers.store import Store
from importers._mangled import lines, mutated
from importers._stored import Found, Record, counted, encoded, stored, write_lines

DROID = importer("droid")
SESSION = "6a1f0c2b-0000-4000-8000-000000000001"
PARENT = "6a1f0c2b-0000-4000-8000-000000000002"
NOON = 1_764_590_400_000  # 2025-12-01T12:00:00Z
PIXEL = base64.b64encode(b"a picture").decode()


def at(second: int) -> str:
    return f"2025-12-01T12:{second // 60:02}:{second % 60:02}.000Z"


def start(session: str = SESSION, **more: Any) -> Record:
    return {
        "type": "session_start",
        "id": session,
        "title": "Count the gears please",
        "sessionTitle": "Counting gears",
        "cwd": "/home/ada/engine",
        "version": 2,
        **more,
    }


def message(role: str, content: Any, name: str, second: int, **more: Any) -> Record:
    said = {"role": role, "content": content}
    return {"type": "message", "id": name, "timestamp": at(second), "message": said, **more}


def words(text: str) -> list[Record]:
    return [{"type": "text", "text": text}]


def call(name: str, tool: str, given_: Record) -> Record:
    return {"type": "tool_use", "id": name, "name": tool, "input": given_}


def result(name: str, content: Any, **more: Any) -> Record:
    return {"type": "tool_result", "tool_use_id": name, "content": content, **more}


CONVERSATION = [
    start(),
    message(
        "user",
        [
            *words("<system-reminder>\nBe brief.\n</system-reminder>\n\nCount the gears"),
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
            },
        ],
        "u1",
        1,
    ),
    message(
        "assistant",
        [
            {"type": "thinking", "thinking": "Where?"},
            *words("Let me look."),
            call("t1", "Read", {"file_path": "/g"}),
        ],
        "a1",
        2,
        parentId="u1",
    ),
    message("user", [result("t1", "eleven")], "r1", 3),
    message("assistant", [call("t2", "Execute", {"command": "ls /no"})], "a2", 4),
    message("user", [result("t2", "no such file", is_error=True)], "r2", 5),
    message("assistant", words("Eleven."), "a3", 6),
]
USED = {
    "inputTokens": 100,
    "outputTokens": 40,
    "cacheCreationTokens": 30,
    "cacheReadTokens": 900,
    "thinkingTokens": 5,
}
SETTINGS: Record = {
    "model": "claude-sonnet-4-5",
    "providerLock": "anthropic",
    "providerLockTimestamp": at(1),
    "autonomyMode": "auto-high",
    "tokenUsage": USED,
}


def transcript(folder: Path, *records: Record | bytes, session: str = SESSION) -> Path:
    return write_lines(folder / "sessions" / "-home-ada-engine" / f"{session}.jsonl", records)


def settings_of(path: Path, **more: Any) -> Path:
    beside = path.with_name(f"{path.stem}.settings.json")
    beside.write_text(json.dumps({**SETTINGS, **more}))
    return beside


def read(folder: Path) -> Found:
    return stored("droid", folder / "sessions", folder / "archive.db")


def test_a_conversation(tmp_path: Path) -> None:
    """Text, thinking, calls and their results; what the program adds is not the user's."""
    transcript(tmp_path, *CONVERSATION)
    found = read(tmp_path)
    assert found.spoken == [
        ("system", "<system-reminder>\nBe brief.\n</system-reminder>"),
        ("user", "Count the gears"),
        ("assistant", "Let me look."),
        ("assistant", None),
        ("assistant", "Eleven."),
    ]
    assert found.messages[2].thinking == "Where?"
    assert found.messages[2].parent_native_id == "u1"
    first, second = found.tools
    assert (first.tool_name, first.file_path, first.success) == ("Read", "/g", True)
    assert (first.message_id, first.tool_output) == (f"{SESSION}:a1", '"eleven"')
    assert (second.success, second.error_message) == (False, "no such file")
    assert hashlib.sha256(b"a picture").hexdigest() in (found.messages[1].content or "")
    session = found.session
    assert (session.id, session.title) == (SESSION, "Counting gears")
    assert (session.project_path, session.project_name) == ("/home/ada/engine", "engine")
    assert (session.created_at, session.updated_at) == (NOON + 1_000, NOON + 6_000)
    assert found.counts == (7, 0, 0, 0)


def test_settings_and_transcript_are_one_session(tmp_path: Path) -> None:
    """Model, provider and tokens of the settings go to the session of the transcript."""
    settings_of(transcript(tmp_path, *CONVERSATION))
    found = read(tmp_path)
    (used,) = found.usage
    assert (used.id, used.session_id) == (f"droid:{SESSION}", SESSION)
    assert found.used == [(100, 900, 30, 45)]
    assert (used.reasoning_tokens, used.model, used.provider) == (
        5,
        "claude-sonnet-4-5",
        "anthropic",
    )
    assert json.loads(used.raw or "") == USED
    session = found.session
    assert (session.model, session.permission_mode) == ("claude-sonnet-4-5", "auto-high")
    assert session.title == "Counting gears"


def test_tokens_grow_with_the_settings(tmp_path: Path) -> None:
    """The total of a session is one row, whatever models it had; the greater one stands."""
    path = transcript(tmp_path, *CONVERSATION)
    settings_of(path)
    read(tmp_path)
    settings_of(path, model="gpt-5", tokenUsage={"inputTokens": 300, "outputTokens": 90})
    found = read(tmp_path)
    assert found.used == [(300, 0, 0, 90)]
    assert found.usage[0].model == "gpt-5"
    assert (found.report.read, found.report.unchanged) == (1, 1)


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("custom:Claude-Opus-4.5-Thinking-[Anthropic]-0", "claude-opus-4.5-thinking"),
        ("custom:glm-4.6", "glm-4.6"),
        ("gpt-5", "gpt-5"),
    ],
)
def test_a_model_that_the_user_named(tmp_path: Path, written: str, known: str) -> None:
    """A model of the user's own goes by the model's name, without provider and number."""
    settings_of(transcript(tmp_path, start()), model=written)
    assert read(tmp_path).usage[0].model == known


def test_totals_of_children_count_once(tmp_path: Path) -> None:
    """Totals that include subagents stand only for a session that has none."""
    path = transcript(tmp_path, *CONVERSATION)
    whole = {"inputTokens": 7, "outputTokens": 3}
    settings_of(path, tokenUsage=None, inclusiveTokenUsage=whole)
    assert read(tmp_path).used == [(7, 0, 0, 3)]
    (tmp_path / "archive.db").unlink()
    settings_of(
        path,
        tokenUsage=None,
        inclusiveTokenUsage=whole,
        childInclusiveTokenUsageBySessionId={PARENT: whole},
    )
    assert read(tmp_path).used == []


def test_a_subagent_and_a_fork(tmp_path: Path) -> None:
    """A session that a call started is that call's; one that was split off is a fork."""
    asked = message("assistant", [call("t9", "Task", {"prompt": "Go"})], "a1", 1)
    transcript(tmp_path, start(PARENT), asked, session=PARENT)
    child = start(callingSessionId=PARENT, callingToolUseId="t9")
    transcript(tmp_path, child, message("user", words("Go"), "u1", 2))
    found = read(tmp_path)
    assert found.sessions[SESSION].parent_id == PARENT
    assert found.sessions[SESSION].relationship == "subagent"
    (tool,) = found.tools
    assert (tool.tool_name, tool.child_session_id) == ("Task", SESSION)
    assert tool.created_at == NOON + 1_000
    transcript(tmp_path, start(parent=PARENT))
    (tmp_path / "archive.db").unlink()
    transcript(tmp_path, start(parent=PARENT), message("user", words("Go"), "u1", 2))
    assert read(tmp_path).sessions[SESSION].relationship == "fork"


@pytest.mark.parametrize("cut", range(1, 6))
def test_calls_that_a_provider_counts_anew(tmp_path: Path, cut: int) -> None:
    """Each message has its own, also when it is read in pieces; results go to the latest."""
    records = [
        start(),
        message("assistant", [call("call_0", "LS", {"n": 1})], "m1", 1),
        message("user", [result("call_0", "one")], "r1", 2),
        message("assistant", [call("call_0", "LS", {"n": 2})], "m2", 3),
        message("user", [result("call_0", "two")], "r2", 4),
    ]
    transcript(tmp_path / "whole", *records)
    found = read(tmp_path / "whole")
    assert [(one.id, one.tool_input, one.tool_output) for one in found.tools] == [
        (f"{SESSION}:call_0", '{"n":1}', '"one"'),
        (f"{SESSION}:call_0#2", '{"n":2}', '"two"'),
    ]
    transcript(tmp_path / "cut", *records[:cut])
    read(tmp_path / "cut")
    transcript(tmp_path / "cut", *records)
    assert read(tmp_path / "cut") == found


def test_errors_and_compactions(tmp_path: Path) -> None:
    """A turn that failed says why; a summary is not what the user said."""
    transcript(
        tmp_path,
        start(),
        message("user", words("Go"), "u1", 1),
        message("assistant", words("Rate limit"), "n1", 2, visibility="user_only"),
        {"type": "agent_turn_outcome", "turnId": "u1", "reason": "error"},
        {"type": "agent_turn_outcome", "turnId": "u0", "reason": "completed"},
        {"type": "compaction_state", "id": "c1", "timestamp": at(3), "summaryText": "So far"},
        {"type": "todo_state", "id": "d1", "todos": {}},
        message("user", words("Skills"), "x1", 4, visibility="llm_only"),
        {"type": "session_end", "timestamp": at(5), "finalText": "Rate limit"},
    )
    found = read(tmp_path)
    (error,) = found.errors
    assert (error.error_type, error.error_message) == ("error", "Rate limit")
    assert [one.id for one in found.compactions] == [f"{SESSION}:c1"]
    assert found.spoken == [
        ("user", "Go"),
        ("system", "Rate limit"),
        ("system", "So far"),
        ("system", "Skills"),
    ]
    assert found.session.ended_at == NOON + 5_000
    assert found.counts == (7, 2, 0, 0)


LOG: list[Record] = [
    {
        "type": "system",
        "subtype": "init",
        "session_id": "s1",
        "timestamp": NOON,
        "model": "m",
        "cwd": "/e",
        "id": "sys",
    },
    {
        "type": "message",
        "session_id": "s1",
        "timestamp": NOON + 1,
        "role": "user",
        "text": "List",
        "id": "m1",
    },
    {
        "type": "tool_call",
        "session_id": "s1",
        "timestamp": NOON + 2,
        "id": "c1",
        "toolName": "Execute",
        "parameters": {"command": "ls"},
    },
    {
        "type": "tool_result",
        "session_id": "s1",
        "timestamp": NOON + 3,
        "id": "c1",
        "value": {"stdout": "", "exitCode": 2},
    },
    {
        "type": "message",
        "session_id": "s1",
        "timestamp": NOON + 4,
        "role": "assistant",
        "text": "Done",
        "id": "m2",
    },
    {
        "type": "completion",
        "session_id": "s1",
        "timestamp": NOON + 5,
        "finalText": "Done",
        "id": "end",
        "usage": {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 7},
    },
    {
        "type": "error",
        "session_id": "s1",
        "timestamp": NOON + 6,
        "source": "cli",
        "message": "Gone",
    },
]


def test_an_exec_log(tmp_path: Path) -> None:
    """The last words are said once; what a command returned tells whether it failed."""
    found = stored("droid", write_lines(tmp_path / "log.jsonl", LOG), tmp_path / "archive.db")
    assert found.spoken == [("user", "List"), ("assistant", None), ("assistant", "Done")]
    (tool,) = found.tools
    assert (tool.tool_name, tool.success) == ("Execute", False)
    assert found.used == [(10, 7, 0, 5)]
    assert (found.usage[0].id, found.usage[0].model) == ("droid:s1", "m")
    assert [one.error_message for one in found.errors] == ["Gone"]
    assert found.session.title == "List"


def test_several_ends_add_up(tmp_path: Path) -> None:
    """A log of a session that was gone on with has the tokens of all its runs."""
    end = dict(LOG[5], finalText="More", id="end2")
    path = write_lines(tmp_path / "log.jsonl", [*LOG, end])
    found = stored("droid", path, tmp_path / "archive.db")
    assert found.used == [(20, 14, 0, 10)]


def test_a_line_with_another_type_is_unknown(tmp_path: Path) -> None:
    """Records nobody knows and lines that are none are told apart."""
    transcript(tmp_path, start(), {"type": "quantum"}, {"type": "message", "id": "x"}, b"{!", b"")
    assert read(tmp_path).counts == (1, 0, 2, 1)


def test_where_it_looks(tmp_path: Path) -> None:
    """Transcripts before their settings; of .factory only the sessions."""
    factory = tmp_path / ".factory"
    path = transcript(factory, *CONVERSATION)
    beside = settings_of(path)
    (factory / "history.jsonl").write_text("{}\n")
    (factory / "settings.json").write_text("{}")
    assert list(map(Path, DROID.find(tmp_path))) == [path, beside]
    assert list(map(Path, DROID.find(path))) == [path]
    assert DROID.roots({}, tmp_path) == [factory / "sessions"]
    assert DROID.roots({"DROID_SESSIONS_DIR": "/a, /b"}, tmp_path) == [Path("/a"), Path("/b")]
    assert DROID.recognises(path)
    assert DROID.recognises(beside)


def test_other_transcripts_are_not_its(tmp_path: Path) -> None:
    """Streams of other agents have types of the same names."""
    stream: list[Record] = [
        {"type": "system", "subtype": "init", "session_id": "s"},
        {"type": "user", "message": {"role": "user", "content": "Hi"}, "session_id": "s"},
        {"type": "message", "id": "a", "parentId": None, "message": {"role": "user"}},
    ]
    assert not DROID.recognises(write_lines(tmp_path / "a.jsonl", stream))


def test_only_what_changed_is_read_again(tmp_path: Path) -> None:
    """New settings leave the transcript alone, and the other way round."""
    path = transcript(tmp_path, *CONVERSATION)
    settings_of(path)
    with Store.open(tmp_path / "archive.db") as store:
        import_sessions(store, ["droid"], path=tmp_path / "sessions")
        with path.open("ab") as file:
            file.write(encoded(message("user", words("Thanks"), "u9", 9)) + b"\n")
        report = import_sessions(store, ["droid"], path=tmp_path / "sessions")
        assert (report.read, report.unchanged, report.lines) == (1, 1, 1)
        assert list(store.messages(SESSION))[-1].text_content == "Thanks"


POOL = [
    *CONVERSATION,
    *LOG,
    start(callingSessionId=PARENT, callingToolUseId="t9", parent="p", timestamp=at(0)),
    message("assistant", "Plain", "n1", 2, visibility="user_only", modelId="custom:x-[y]-0"),
    {"type": "message", "id": "f", "role": "assistant", "text": "Flat", "timestamp": NOON},
    {"type": "agent_turn_outcome", "turnId": "u1", "reason": "error"},
    {
        "type": "compaction_state",
        "id": "c1",
        "timestamp": at(3),
        "summary": {"title": "a", "body": "b"},
    },
    {"type": "session_end", "timestamp": at(5)},
    {"type": "reasoning", "id": "q", "text": "Hm", "timestamp": NOON},
    {"type": "todo_state"},
]


@given(lines(POOL))
@settings(max_examples=150, deadline=None)
def test_no_line_raises_and_every_line_is_counted(written: list[bytes]) -> None:
    """Each line that is not blank is in exactly one counter, but for a torn last one."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_lines(Path(folder) / "a.jsonl", written)
        assert counted("droid", path) == sum(1 for one in written if one.strip())


@given(lines(POOL, largest=8), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_file_read_in_two_goes_gives_the_same_rows(written: list[bytes], cut: float) -> None:
    """Wherever the first reading stopped, in mid-line as well."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_lines(folder / "a.jsonl", written)
        whole = path.read_bytes()
        expected = stored("droid", path, folder / "whole.db")
        path.write_bytes(whole[: round(len(whole) * cut)])
        stored("droid", path, folder / "cut.db")
        with path.open("ab") as file:
            file.write(whole[path.stat().st_size :])
        assert stored("droid", path, folder / "cut.db") == expected


@given(mutated([SETTINGS, {**SETTINGS, "inclusiveTokenUsage": USED, "tokenUsage": {}}]))
@settings(max_examples=100, deadline=None)
def test_no_settings_raise(written: Any) -> None:
    """Any value may stand anywhere; a file that is no object is one malformed line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{SESSION}.settings.json"
        path.write_text(json.dumps(written))
        assert counted("droid", path) == 1


def test_the_fixtures_of_another_reader(corpus: Path, tmp_path: Path) -> None:
    """Every line of collected transcripts and logs is taken, with the sessions they name."""
    folder = (
        corpus / "multi-synthetic/jazzyalex-agent-sessions/Resources/Fixtures/stage0/agents/droid"
    )
    expected = json.loads((corpus / "expected.json").read_text())["files"]
    paths = list(map(Path, DROID.find(folder)))
    assert len(paths) == 6
    for path in paths:
        truth = expected[path.relative_to(corpus).as_posix()]
        assert counted("droid", path) == truth["lines"]
        assert DROID.recognises(path)
    found = stored("droid", folder, tmp_path / "archive.db")
    assert sorted(found.sessions) == [
        *("droid_drift", "droid_large", "droid_s1"),
        *("sid_stage0_drift", "sid_stage0_large", "sid_stage0_small"),
    ]
    assert found.counts == (31, 0, 0, 0)
    assert len(found.tools) == 5
    assert [one.tool_name for one in found.tools if one.success is False] == ["Execute", "Execute"]
    assert found.used == [(10, 0, 0, 5)]
    assert ("assistant", "Captured multiline output.") in found.spoken
