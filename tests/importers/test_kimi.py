"""Kimi: steps of an agent, each a message with its counts, in the logs of both programs."""

from __future__ import annotations

import hashlib
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

SESSION = "session_9eb1bf57-0000-4000-8000-000000000001"
NOON = 1_785_585_600_000  # 2026-08-01T12:00:00Z


def at(second: float) -> int:
    return NOON + round(second * 1000)


def entry(kind: str, second: float, /, **more: Any) -> Record:
    return {"type": kind, **more, "time": at(second)}


def typed(words: str, second: float, **origin: Any) -> Record:
    content = [{"type": "text", "text": words}]
    message = {"role": "user", "content": content, "origin": {"kind": "user", **origin}}
    return entry("context.append_message", second, message=message)


def event(kind: str, second: float, /, **more: Any) -> Record:
    return entry("context.append_loop_event", second, event={"type": kind, **more})


def part(step: str, second: float, **what: str) -> Record:
    return event("content.part", second, stepUuid=step, part=what)


def usage(fresh: int, output: int, read: int = 0, write: int = 0) -> Record:
    return {
        "inputOther": fresh,
        "output": output,
        "inputCacheRead": read,
        "inputCacheCreation": write,
    }


REQUEST = entry("llm.request", 2, provider="kimi", model="kimi-k2.7-code", kind="loop")
TALK = [
    {"type": "metadata", "protocol_version": "1.4", "created_at": at(0)},
    entry("config.update", 0, modelAlias="moonshot-ai/kimi-k2.7-code", cwd="/home/ada/engine"),
    entry("permission.set_mode", 0, mode="auto"),
    entry("turn.prompt", 1, input=[{"type": "text", "text": "How high is the tide?"}]),
    typed("How high is the tide?", 1),
    typed("<system-reminder>Plan.</system-reminder>", 1, kind="injection", variant="plan"),
    event("step.begin", 2, uuid="s1"),
    REQUEST,
    part("s1", 3, type="think", think="The moon pulls."),
    part("s1", 4, type="text", text="I look."),
    event("tool.call", 5, stepUuid="s1", toolCallId="Read_0", name="Read", args={"path": "t.csv"}),
    event("tool.result", 6, toolCallId="Read_0", result={"output": "2 m"}),
    event("step.end", 7, uuid="s1", usage=usage(3, 7, 20, 5)),
    entry("usage.record", 7, model="a/b", usage=usage(3, 7, 20, 5), usageScope="turn"),
    event("step.begin", 8, uuid="s2"),
    part("s2", 9, type="text", text="Two metres."),
    event("step.end", 10, uuid="s2", usage=usage(4, 8)),
    entry("usage.record", 10, model="a/b", usage=usage(4, 8), usageScope="turn"),
]


def log_of(root: Path, *records: Record | bytes, agent: str = "main") -> Path:
    place = root / "sessions" / "wd_engine_0123456789ab" / SESSION / "agents" / agent
    return write_lines(place / "wire.jsonl", records)


def imported(root: Path, *records: Record | bytes) -> Found:
    return stored("kimi", log_of(root, *records), root / "clankers.db")


def test_a_conversation(tmp_path: Path) -> None:
    """Prompts are the user's, what is injected the system's, and a step is one message."""
    found = imported(tmp_path, *TALK)
    session = found.session
    assert (session.id, session.title, session.source) == (SESSION, "How high is the tide?", "kimi")
    assert (session.project_path, session.project_name) == ("/home/ada/engine", "engine")
    assert (session.provider, session.model) == ("kimi", "kimi-k2.7-code")
    assert session.permission_mode == "auto"
    assert (session.created_at, session.updated_at) == (NOON, at(10))
    assert found.spoken == [
        ("user", "How high is the tide?"),
        ("system", "<system-reminder>Plan.</system-reminder>"),
        ("assistant", "I look."),
        ("assistant", "Two metres."),
    ]
    step = found.messages[2]
    assert (step.id, step.thinking, step.created_at) == (f"{SESSION}:s1", "The moon pulls.", at(3))
    assert json.loads(step.content or "") == [
        {"type": "thinking"},
        {"type": "text"},
        {"type": "tool", "id": f"{SESSION}:Read_0"},
    ]
    assert found.counts == (12, 6, 0, 0)


def test_tool_calls(tmp_path: Path) -> None:
    """A call comes after its message, with its file and result; only `isError` is a failure."""
    failing = [
        event("tool.call", 11, stepUuid="s3", toolCallId="Bash_1", name="Bash", args={}),
        event("tool.result", 12, toolCallId="Bash_1", result={"output": "No.", "isError": True}),
    ]
    found = imported(tmp_path, *TALK, *failing)
    read, bash = found.tools
    assert (read.tool_name, read.file_path, read.success) == ("Read", "t.csv", True)
    assert (read.message_id, read.tool_output) == (f"{SESSION}:s1", '"2 m"')
    assert (found.messages[2].seq or 0) < (read.seq or 0) < (found.messages[3].seq or 0)
    assert (bash.success, bash.error_message) == (False, "No.")


def test_usage(tmp_path: Path) -> None:
    """The end of a step and the record after it are one response; a compaction is its own."""
    compaction = [
        entry("usage.record", 20, model="a/b", usage=usage(9, 2), usageScope="session"),
        entry("context.apply_compaction", 21, summary="Tides.", tokensBefore=90, tokensAfter=5),
    ]
    found = imported(tmp_path, *TALK, *compaction)
    assert found.used == [(3, 20, 5, 7), (4, 0, 0, 8), (9, 0, 0, 2)]
    assert [one.message_id for one in found.usage] == [f"{SESSION}:s1", f"{SESSION}:s2", None]
    assert {(one.provider, one.model) for one in found.usage} == {("kimi", "kimi-k2.7-code")}
    assert (found.messages[2].prompt_tokens, found.messages[2].completion_tokens) == (28, 7)
    (compacted,) = found.compactions
    assert (compacted.tokens_before, compacted.tokens_after) == (90, 5)
    assert found.spoken[-1] == ("system", "Tides.")


def test_a_copied_log_counts_once(tmp_path: Path) -> None:
    """A fork has the messages again, under its own id, and not what they cost."""
    compaction = entry("usage.record", 20, model="a/b", usage=usage(9, 2))
    path = log_of(tmp_path, *TALK, compaction)
    fork = path.parents[3] / "session_fork" / "agents" / "main" / "wire.jsonl"
    fork.parent.mkdir(parents=True)
    shutil.copy(path, fork)
    found = stored("kimi", tmp_path, tmp_path / "clankers.db")
    assert (len(found.sessions), len(found.messages)) == (2, 8)
    assert found.used == [(3, 20, 5, 7), (4, 0, 0, 8), (9, 0, 0, 2)]


def test_what_was_undone_stays(tmp_path: Path) -> None:
    """Prompts that were taken back, and what followed, are off the conversation's path."""
    undone = [typed("And the moon?", 11), part("s3", 12, type="text", text="Full.")]
    found = imported(tmp_path, *TALK, *undone, entry("context.undo", 13, count=1))
    assert [(one.text_content, one.is_sidechain) for one in found.messages[3:]] == [
        ("Two metres.", False),
        ("And the moon?", True),
        ("Full.", True),
    ]


def test_subagents(tmp_path: Path) -> None:
    """An agent's log is a session of its own, which the call that started it names."""
    output = "agent_id: agent-0\nstatus: completed"
    call = event("tool.call", 11, stepUuid="s3", toolCallId="Agent_1", name="Agent", args={})
    result = event("tool.result", 12, toolCallId="Agent_1", result={"output": output})
    path = log_of(tmp_path, *TALK, call, result)
    log_of(tmp_path, TALK[0], part("t1", 11, type="text", text="Found."), agent="agent-0")
    log_of(tmp_path, TALK[0], part("u1", 12, type="text", text="Deeper."), agent="agent-1")
    agents_ = {"main": {}, "agent-0": {"parentAgentId": "main"}}
    state = {"agents": {**agents_, "agent-1": {"parentAgentId": "agent-0"}}, "title": "Tides"}
    (path.parents[2] / "state.json").write_text(json.dumps(state), "utf-8")
    found = stored("kimi", tmp_path, tmp_path / "clankers.db")
    assert [(one.id, one.parent_id, one.relationship) for one in found.sessions.values()] == [
        (SESSION, None, None),
        (f"{SESSION}:agent-0", SESSION, "subagent"),
        (f"{SESSION}:agent-1", f"{SESSION}:agent-0", "subagent"),
    ]
    assert found.sessions[SESSION].title == "Tides"
    assert found.tools[1].child_session_id == f"{SESSION}:agent-0"


def test_images_are_attachments(tmp_path: Path) -> None:
    """A picture that stands in a prompt is stored; others are only described."""
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "imageUrl": {"url": "data:image/png;base64,YSBwaWN0dXJl"}},
    ]
    message = {"role": "user", "content": content, "origin": {"kind": "user"}}
    found = imported(tmp_path, entry("context.append_message", 1, message=message))
    digest = hashlib.sha256(b"a picture").hexdigest()
    assert digest in (found.messages[0].content or "")


def old(kind: str, second: float, /, **payload: Any) -> Record:
    return {"timestamp": at(second) / 1000, "message": {"type": kind, "payload": payload}}


OLD = [
    {"type": "metadata", "protocol_version": "1.3"},
    old("TurnBegin", 1, user_input=[{"type": "text", "text": "How high is the tide?"}]),
    old("StepBegin", 2, n=1),
    old("ContentPart", 3, type="think", think="The moon "),
    old("ContentPart", 3, type="think", think="pulls."),
    old("ContentPart", 4, type="text", text="I look."),
    old("ToolCall", 5, id="t1", function={"name": "ReadFile", "arguments": '{"path": "t.csv"}'}),
    old("ToolResult", 6, tool_call_id="t1", return_value={"is_error": False, "output": "2 m"}),
    old(
        "StatusUpdate",
        7,
        message_id="chatcmpl-1",
        token_usage={"input_other": 3, "output": 7, "input_cache_read": 20},
    ),
    old("StepBegin", 8, n=2),
    old("ContentPart", 9, type="text", text="Two metres."),
    old("StatusUpdate", 10, token_usage={"input_other": 4, "output": 8}),
    old("TurnEnd", 11),
]


def test_the_cli_before(tmp_path: Path) -> None:
    """Its log has the same in other words, its folder the hash of the project's path."""
    hashed = hashlib.md5(b"/home/ada/engine", usedforsecurity=False).hexdigest()
    path = write_lines(tmp_path / "sessions" / hashed / "5f0c1a2b" / "wire.jsonl", OLD)
    write_lines(path.parent / "subagents" / "a1" / "wire.jsonl", OLD)
    known = {"work_dirs": [{"path": "/home/bob"}, {"path": "/home/ada/engine"}]}
    (tmp_path / "kimi.json").write_text(json.dumps(known), "utf-8")
    (path.parent / "state.json").write_text('{"custom_title": "Tides"}', "utf-8")
    found = stored("kimi", tmp_path, tmp_path / "clankers.db")
    session = found.session
    assert (session.id, session.title, session.project_path) == (
        "5f0c1a2b",
        "Tides",
        "/home/ada/engine",
    )
    assert found.spoken == [
        ("user", "How high is the tide?"),
        ("assistant", "I look."),
        ("assistant", "Two metres."),
    ]
    assert found.messages[1].thinking == "The moon pulls."
    (read,) = found.tools
    assert (read.tool_name, read.file_path, read.success) == ("ReadFile", "t.csv", True)
    assert found.used == [(3, 20, 0, 7), (4, 0, 0, 8)]
    assert [one.id for one in found.usage] == ["kimi:chatcmpl-1", "kimi:5f0c1a2b:L12"]
    assert [one.model for one in found.usage] == [None, None]
    assert found.counts == (9, 4, 0, 0)


def test_subagents_of_the_cli_before(tmp_path: Path) -> None:
    """They are told in their parent's log, beside the conversation, and count there."""
    inner = [
        {"type": "TurnBegin", "payload": {"user_input": "Count."}},
        {"type": "ContentPart", "payload": {"type": "text", "text": "Three."}},
        {"type": "StatusUpdate", "payload": {"token_usage": {"input_other": 1, "output": 2}}},
    ]
    events = [old("SubagentEvent", 5 + n, agent_id="a1", event=one) for n, one in enumerate(inner)]
    path = write_lines(tmp_path / "sessions" / "x" / "5f0c1a2b" / "wire.jsonl", [*OLD[:4], *events])
    found = stored("kimi", path, tmp_path / "clankers.db")
    assert [(one.role, one.text_content, one.is_sidechain) for one in found.messages] == [
        ("user", "How high is the tide?", False),
        ("assistant", None, False),
        ("system", "Count.", True),
        ("assistant", "Three.", True),
    ]
    assert found.used == [(1, 0, 0, 2)]
    assert found.usage[0].is_sidechain


def test_what_is_unknown(tmp_path: Path) -> None:
    """Kinds nobody told us of and damaged lines are counted and cost nothing."""
    found = imported(
        tmp_path,
        entry("weather", 1),
        event("weather", 1),
        old("Weather", 1),
        b"not json",
        typed("hi", 2),
    )
    assert found.counts == (1, 0, 3, 1)
    assert found.spoken == [("user", "hi")]


@pytest.mark.parametrize("written", ["[", "[]", '{"agents": 1, "title": 2, "workDir": []}'])
def test_a_damaged_state(tmp_path: Path, written: str) -> None:
    """It costs the conversation nothing."""
    path = log_of(tmp_path, *TALK)
    (path.parents[2] / "state.json").write_text(written, "utf-8")
    found = stored("kimi", path, tmp_path / "clankers.db")
    assert (found.session.title, len(found.messages)) == ("How high is the tide?", 4)


@pytest.mark.parametrize("records", [TALK, OLD], ids=["new", "old"])
def test_read_in_two_goes(tmp_path: Path, records: list[Record]) -> None:
    """Wherever the log is cut, the rows are those of reading it once."""
    whole = b"".join(encoded(one) + b"\n" for one in records)
    path = log_of(tmp_path, *records)
    once = stored("kimi", path, tmp_path / "once.db")
    for cut in range(0, len(whole), 211):
        path.write_bytes(whole[:cut])
        database = tmp_path / f"{cut}.db"
        stored("kimi", path, database)
        path.write_bytes(whole)
        assert stored("kimi", path, database) == once


def test_where(tmp_path: Path) -> None:
    """Both programs' folders, each with a variable of its own."""
    kimi = importer("kimi")
    assert kimi.roots({}, tmp_path) == [
        tmp_path / ".kimi-code" / "sessions",
        tmp_path / ".kimi" / "sessions",
    ]
    named = {"KIMI_CODE_HOME": "/new", "KIMI_SHARE_DIR": "/old"}
    assert kimi.roots(named, tmp_path) == [Path("/new/sessions"), Path("/old/sessions")]


def test_it_knows_its_own(tmp_path: Path) -> None:
    """Its logs are its own and nobody else's, and other files are not its."""
    logs = [log_of(tmp_path, *TALK), write_lines(tmp_path / "x" / "wire.jsonl", OLD)]
    other = write_lines(tmp_path / "other.jsonl", [{"type": "session", "id": "x"}])
    assert [importer("kimi").recognises(one) for one in [*logs, other]] == [True, True, False]
    others = [importer(name) for name in agents() if name != "kimi"]
    assert [one.agent for one in others for log in logs if _recognises(one, log)] == []


def _recognises(one: Any, path: Path) -> bool:
    try:
        return bool(one.recognises(path))
    except OSError:
        return False


def test_a_state_that_is_a_link(tmp_path: Path) -> None:
    """It may lead to any file of the user's, and is not followed."""
    path = write_lines(tmp_path / "sessions" / SESSION / "agents/main/wire.jsonl", TALK)
    (tmp_path / "elsewhere").write_text(json.dumps({"title": "Hunter"}))
    (path.parent.parent.parent / "state.json").symlink_to(tmp_path / "elsewhere")
    found = stored("kimi", path, tmp_path / "clankers.db")
    assert found.session.title == "How high is the tide?"


@given(records=lines([*TALK, *OLD]), cut=st.integers(0, 600))
@settings(max_examples=80, deadline=None)
def test_damaged_logs(records: list[bytes], cut: int) -> None:
    """Whatever a log holds, every line is counted once, nothing raises, and two goes make one."""
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        path = log_of(root, *records)
        whole = path.read_bytes()
        once = stored("kimi", path, root / "one.db")
        assert once.report.failures == []
        assert sum(once.counts) == sum(1 for one in records if one.strip())
        path.write_bytes(whole[:cut])
        stored("kimi", path, root / "two.db")
        path.write_bytes(whole)
        twice = stored("kimi", path, root / "two.db")
        assert twice.report.failures == []
        assert twice.spoken == once.spoken
        assert sorted(twice.used) == sorted(once.used)


def test_the_fixtures_of_another_tool(corpus: Path, tmp_path: Path) -> None:
    """Sessions of protocol 1.4 that Agent Sessions keeps, with a subagent and a compaction."""
    kept = corpus / "multi-synthetic/jazzyalex-agent-sessions/Resources/Fixtures/stage0/agents/kimi"
    session = tmp_path / "sessions" / "wd_project_ac3bb318f98e" / SESSION
    for agent, name in (("main", "assistant_tools"), ("agent-0", "subagent_agent-0")):
        (session / "agents" / agent).mkdir(parents=True)
        shutil.copy(kept / f"{name}.jsonl", session / "agents" / agent / "wire.jsonl")
    shutil.copy(kept / "assistant_tools.state.json", session / "state.json")
    found = stored("kimi", tmp_path / "sessions", tmp_path / "clankers.db")
    main, child = found.sessions.values()
    assert (main.title, main.project_path) == ("hi", "/private/tmp/as-agent-lab/kimi/project")
    assert (child.parent_id, child.relationship) == (SESSION, "subagent")
    roles = [one.role for one in found.messages]
    assert (roles.count("user"), roles.count("assistant"), roles.count("system")) == (8, 25, 7)
    assert (len(found.tools), sum(one.success is False for one in found.tools)) == (21, 1)
    assert [one.child_session_id for one in found.tools if one.child_session_id] == [child.id]
    # 22 steps and the compaction, and 3 steps of the subagent.
    assert len(found.usage) == 26
    assert [sum(counts) for counts in zip(*found.used, strict=True)] == [43_079, 689_920, 0, 5_845]
    assert (main.prompt_tokens, main.completion_tokens) == (691_678, 5_515)
    assert (child.prompt_tokens, child.completion_tokens) == (41_321, 330)
    assert {one.model for one in found.usage} == {"kimi-k2.7-code"}
    (compaction,) = found.compactions
    assert (compaction.tokens_before, compaction.tokens_after) == (15_912, 654)
    assert found.counts == (148, 80, 0, 0)


def test_every_record_of_the_small_fixture_is_known(corpus: Path, tmp_path: Path) -> None:
    """It has kinds of protocol 1.4 that the others lack, and prompts that nobody answered."""
    kept = corpus / "multi-synthetic/jazzyalex-agent-sessions/Resources/Fixtures/stage0/agents/kimi"
    shutil.copy(kept / "small.jsonl", log_of(tmp_path))
    found = stored("kimi", tmp_path / "sessions", tmp_path / "clankers.db")
    assert found.spoken == [("user", "hi"), ("user", "hi"), ("user", "stop")]
    assert (found.session.permission_mode, found.usage) == ("auto", [])
    assert found.counts[2:] == (0, 0)
