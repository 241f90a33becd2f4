"""Qwen Code: records that each name the one they go on from, and answers of many services."""

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
from importers._mangled import lines, mutated
from importers._stored import Found, Record, counted, encoded, stored, write_lines

QWEN = importer("qwen-code")
SESSION = "5f0c1a2b-0000-4000-8000-000000000001"
BRANCH = "5f0c1a2b-0000-4000-8000-000000000002"
NOON = 1_764_590_400_000  # 2025-12-01T12:00:00Z
MODEL = "qwen3-coder-plus"
PIXEL = base64.b64encode(b"a picture").decode()
FIXTURES = "multi-synthetic/jazzyalex-agent-sessions/Resources/Fixtures/stage0/agents/qwen"


def record(kind: str, name: str, parent: str | None, second: int, /, **more: Any) -> Record:
    return {
        "uuid": name,
        "parentUuid": parent,
        "sessionId": SESSION,
        "timestamp": f"2025-12-01T12:{second // 60:02}:{second % 60:02}.000Z",
        "type": kind,
        "cwd": "/home/ada/engine",
        "version": "0.21.13",
        "gitBranch": "main",
        **more,
    }


def user(name: str, parent: str | None, second: int, *parts: Any, **more: Any) -> Record:
    message = {"role": "user", "parts": [_part(one) for one in parts]}
    return record("user", name, parent, second, message=message, **more)


def answer(name: str, parent: str | None, second: int, *parts: Any, **more: Any) -> Record:
    message = {"role": "model", "parts": [_part(one) for one in parts]}
    return record("assistant", name, parent, second, message=message, model=MODEL, **more)


def result(name: str, parent: str, second: int, call: str, **more: Any) -> Record:
    told = more.pop("told", {"callId": call, "status": "success"})
    given = {"functionResponse": {"id": call, "name": "tool", "response": more}}
    message = {"role": "user", "parts": [given]}
    return record("tool_result", name, parent, second, message=message, toolCallResult=told)


def system(name: str, parent: str | None, second: int, kind: str, **payload: Any) -> Record:
    return record("system", name, parent, second, subtype=kind, systemPayload=payload)


def call(name: str, tool: str, **given: Any) -> Record:
    return {"functionCall": {"id": name, "name": tool, "args": given}}


def tokens(prompt: int, cached: int, output: int, thoughts: int, total: int) -> Record:
    return {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": cached,
        "candidatesTokenCount": output,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": total,
    }


def _part(part: Any) -> Any:
    return {"text": part} if isinstance(part, str) else part


def chat_in(folder: Path, *records: Record | bytes, name: str = SESSION) -> Path:
    return write_lines(folder / "projects/-home-ada-engine/chats" / f"{name}.jsonl", records)


def imported(folder: Path, *records: Record | bytes) -> Found:
    return stored("qwen-code", chat_in(folder, *records), folder / "clankers.db")


def on_branches(found: Found) -> list[str | None]:
    """The native ids of what was given up."""
    return [one.native_id for one in found.messages if one.is_sidechain]


# A question and its answer, another turn that is rewound, and how it went on.
LOG = [
    system("s0", None, 0, "session_approval_mode", mode="auto-edit"),
    user("u1", "s0", 1, "How high is the tide?"),
    answer(
        "a1",
        "u1",
        2,
        {"text": "The moon pulls.", "thought": True},
        "Looking.",
        call("c1", "read_file", path="/home/ada/tide.py"),
        usageMetadata=tokens(100, 40, 10, 5, 110),
    ),
    system("t1", "a1", 3, "ui_telemetry", uiEvent={"event.name": "qwen-code.api_response"}),
    result("r1", "t1", 4, "c1", output="tide = 2"),
    answer("a2", "r1", 5, "Two metres.", usageMetadata=tokens(120, 100, 20, 0, 140)),
    user("u2", "a2", 6, "And the ebb?"),
    answer("a3", "u2", 7, "One metre.", usageMetadata=tokens(150, 110, 30, 0, 180)),
    system("w1", "a2", 8, "rewind", truncatedCount=2),
    user("u3", "w1", 9, "And the moon?"),
    answer("a4", "u3", 10, "Full.", usageMetadata=tokens(160, 120, 40, 0, 200)),
    system("n1", "a4", 11, "custom_title", customTitle="Tides", titleSource="auto"),
]


def test_a_conversation(tmp_path: Path) -> None:
    """Prompts, thoughts, answers, calls and results become the session as it was."""
    found = imported(tmp_path, *LOG[:6])
    session = found.session
    assert (session.id, session.source) == (SESSION, "qwen-code")
    assert (session.title, session.model) == ("How high is the tide?", MODEL)
    assert (session.project_path, session.git_branch) == ("/home/ada/engine", "main")
    assert (session.agent_version, session.permission_mode) == ("0.21.13", "auto-edit")
    assert (session.created_at, session.updated_at) == (NOON, NOON + 5_000)
    assert found.spoken == [
        ("user", "How high is the tide?"),
        ("assistant", "Looking."),
        ("assistant", "Two metres."),
    ]
    said = found.messages[1]
    assert (said.id, said.parent_native_id) == (f"{SESSION}:a1", "u1")
    assert (said.thinking, said.prompt_tokens) == ("The moon pulls.", 100)
    assert [one["type"] for one in json.loads(said.content or "")] == ["thinking", "text", "tool"]
    (read,) = found.tools
    assert (read.tool_name, read.success, read.tool_output) == ("read_file", True, '"tide = 2"')
    assert (read.message_id, read.file_path) == (said.id, "/home/ada/tide.py")
    assert found.counts == (5, 1, 0, 0)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Services that speak as OpenAI's count thoughts inside the output.
        (tokens(100, 40, 10, 5, 110), (60, 40, 10, 5)),
        (tokens(100, 40, 10, 5, 115), (60, 40, 15, 5)),
        ({"promptTokenCount": 12, "candidatesTokenCount": 4}, (12, 0, 4, 0)),
    ],
)
def test_tokens(tmp_path: Path, counts: Record, expected: tuple[int, ...]) -> None:
    """The total says whether the output includes the thoughts; the prompt includes the cache."""
    found = imported(tmp_path, answer("a1", None, 1, "Two.", usageMetadata=counts))
    (used,) = found.usage
    assert (
        used.input_tokens,
        used.cache_read_tokens,
        used.output_tokens,
        used.reasoning_tokens,
    ) == expected
    assert (used.id, used.message_id) == ("qwen-code:a1", f"{SESSION}:a1")
    assert (used.model, used.occurred_at) == (MODEL, NOON + 1_000)


def test_what_was_rewound_stays_and_was_paid_for(tmp_path: Path) -> None:
    """Messages behind the place that a rewind names are marked, not removed; their usage counts."""
    found = imported(tmp_path, *LOG)
    assert on_branches(found) == ["u2", "a3"]
    assert [text for _role, text in found.spoken[-2:]] == ["And the moon?", "Full."]
    assert found.used == [(60, 40, 0, 10), (20, 100, 0, 20), (40, 110, 0, 30), (40, 120, 0, 40)]
    assert found.session.title == "Tides"


def test_a_rewind_to_the_beginning(tmp_path: Path) -> None:
    """A rewind that goes on from nothing gives up everything."""
    found = imported(tmp_path, *LOG[:6], system("w1", None, 8, "rewind"), user("u9", "w1", 9, "Hi"))
    assert on_branches(found) == ["u1", "a1", "a2"]


def test_a_turn_that_goes_on_from_before_a_cut(tmp_path: Path) -> None:
    """A message which names an earlier record leaves what was cut off; a note of the program does not."""
    late = system("x1", "u1", 6, "file_history_snapshot")
    assert on_branches(imported(tmp_path / "note", *LOG[:6], late)) == []
    found = imported(tmp_path / "turn", *LOG[:6], user("u9", "u1", 9, "Again."))
    assert on_branches(found) == ["a1", "a2"]


def test_states_of_calls(tmp_path: Path) -> None:
    """A call failed when its record or its response says so; one that was stopped did neither."""
    found = imported(
        tmp_path,
        answer("a1", None, 1, *(call(f"c{number}", "edit") for number in range(4))),
        result("r0", "a1", 2, "c0", error="No such text.", told={"status": "error"}),
        result("r1", "r0", 3, "c1", error="[Cancelled]", told={"status": "cancelled"}),
        result("r2", "r1", 4, "c2", error="Denied.", told={"durationMs": 1200}),
    )
    assert [(one.success, one.error_message, one.duration_ms) for one in found.tools] == [
        (False, "No such text.", None),
        (None, "[Cancelled]", None),
        (False, "Denied.", 1200),
        (None, None, None),
    ]


def test_images_are_attachments(tmp_path: Path) -> None:
    """A picture is stored once, and referred to."""
    picture = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    found = imported(tmp_path, user("u1", None, 1, "What is it?", picture))
    digest = hashlib.sha256(b"a picture").hexdigest()
    shown = {"type": "image", "attachment": digest, "media_type": "image/png"}
    assert json.loads(found.messages[0].content or "") == [{"type": "text"}, shown]


def test_what_was_typed_and_what_was_sent(tmp_path: Path) -> None:
    """A prompt is what the user saw; what hooks and files added for the model stands behind it."""
    payload = {"displayText": "Look at @tide.py", "hookContext": "It is May."}
    sent = ("tide = 2", "<qwen:user-prompt-submit-context>\nIt is May.")
    found = imported(tmp_path, user("u1", None, 1, *sent, systemPayload=payload))
    (said,) = found.messages
    assert (said.role, said.text_content) == ("user", "Look at @tide.py")
    assert [one["type"] for one in json.loads(said.content or "")] == ["text", "context", "context"]


def test_what_the_program_says_in_the_users_name(tmp_path: Path) -> None:
    """Notifications and timed prompts are the system's; what was typed in mid-turn is the user's."""
    found = imported(
        tmp_path,
        user("u1", None, 1, "Task done.", subtype="notification"),
        user("u2", "u1", 2, "Check the tide.", subtype="cron"),
        user("u3", "u2", 3, "Go on.", provenance="system"),
        user("u4", "u3", 4, "Wait!", subtype="mid_turn_user_message"),
    )
    assert [role for role, _text in found.spoken] == ["system", "system", "system", "user"]
    assert found.session.title == "Wait!"


def test_slash_commands(tmp_path: Path) -> None:
    """A command is the user's as it was typed, its answer the program's; hidden ones are left out."""
    shown = [{"type": "info", "text": "Version 0.21"}, {"type": "about"}]
    found = imported(
        tmp_path,
        system("s1", None, 1, "slash_command", phase="invocation", rawCommand="/about"),
        system("s2", "s1", 2, "slash_command", phase="result", outputHistoryItems=shown),
        system("s3", "s2", 3, "slash_command", rawCommand="/x", hiddenInvocation=True),
    )
    assert found.spoken == [("user", "/about"), ("system", "Version 0.21")]


def test_titles(tmp_path: Path) -> None:
    """A title that a person gave stays, whatever is made up later."""
    found = imported(
        tmp_path,
        user("u1", None, 1, "Hello"),
        system("s1", "u1", 2, "custom_title", customTitle="Mine"),
        system("s2", "s1", 3, "custom_title", customTitle="Made up", titleSource="auto"),
    )
    assert found.session.title == "Mine"


def test_errors_and_compactions(tmp_path: Path) -> None:
    """Errors of the model are the session's; a compression says what it saved."""
    failed = {"event.name": "qwen-code.api_error", "error_message": "Quota", "error_type": "429"}
    counts = {"originalTokenCount": 900, "newTokenCount": 100}
    found = imported(
        tmp_path,
        system("s1", None, 1, "ui_telemetry", uiEvent=failed),
        system("s2", "s1", 2, "chat_compression", info=counts, compressedHistory=[]),
    )
    assert [(one.error_type, one.error_message) for one in found.errors] == [("429", "Quota")]
    (compaction,) = found.compactions
    assert (compaction.tokens_before, compaction.tokens_after) == (900, 100)


def test_a_branched_session_counts_once(tmp_path: Path) -> None:
    """A branch repeats its source's records with their ids: their usage stays the source's."""
    chat_in(tmp_path, *LOG[:6])
    copied = [
        {**one, "sessionId": BRANCH, "forkedFrom": {"sessionId": SESSION, "messageUuid": "x"}}
        for one in LOG[:6]
    ]
    more = {**answer("b1", "a2", 20, "New.", usageMetadata=tokens(9, 0, 1, 0, 10))}
    chat_in(tmp_path, *copied, {**more, "sessionId": BRANCH}, name=BRANCH)
    found = stored("qwen-code", tmp_path, tmp_path / "clankers.db")
    branch = found.sessions[BRANCH]
    assert (branch.parent_id, branch.relationship) == (SESSION, "fork")
    assert [(one.id, one.session_id) for one in found.usage] == [
        ("qwen-code:a1", SESSION),
        ("qwen-code:a2", SESSION),
        ("qwen-code:b1", BRANCH),
    ]


def test_subagents(tmp_path: Path) -> None:
    """A subagent's transcript is a session of its own below its parent's."""
    chat = chat_in(tmp_path, *LOG[:3])
    folder = chat.parent.parent / "subagents" / SESSION
    write_lines(folder / "agent-explore-1.jsonl", [user("u1", None, 3, "Find it.", agentId="x")])
    found = stored("qwen-code", tmp_path, tmp_path / "clankers.db")
    agent = found.sessions[f"{SESSION}:agent-explore-1"]
    assert (agent.parent_id, agent.relationship) == (SESSION, "subagent")


def test_where_chats_are(tmp_path: Path) -> None:
    """Chats before subagents; nothing else that lies beside them."""
    chat = chat_in(tmp_path, *LOG)
    project = chat.parent.parent
    for path in ("subagents/x/agent-1.jsonl", "tool-results/y.jsonl"):
        write_lines(project / path, LOG)
    write_lines(tmp_path / "saved/chats/z.jsonl", [{"sessionId": "other"}])
    expected = [f"chats/{SESSION}.jsonl", "subagents/x/agent-1.jsonl"]
    assert list(map(Path, QWEN.find(tmp_path))) == [project / path for path in expected]
    home = Path("/home/ada")
    assert QWEN.roots({}, home) == [home / ".qwen/projects"]
    assert QWEN.roots({"QWEN_HOME": "/srv/qwen"}, home) == [Path("/srv/qwen/projects")]
    assert QWEN.roots({"QWEN_RUNTIME_DIR": "/run", "QWEN_HOME": "/x"}, home) == [
        Path("/run/projects")
    ]


def test_only_a_changed_chat_is_read_again(tmp_path: Path) -> None:
    """Of two chats the one that grew is read, from where it was."""
    path = chat_in(tmp_path, *LOG)
    chat_in(tmp_path, *LOG[:2], name=BRANCH)
    stored("qwen-code", tmp_path, tmp_path / "clankers.db")
    with path.open("ab") as file:
        file.write(encoded(user("u9", "n1", 30, "More")) + b"\n")
    report = stored("qwen-code", tmp_path, tmp_path / "clankers.db").report
    assert (report.read, report.unchanged, report.lines) == (1, 1, 1)


def test_records_nobody_knows(tmp_path: Path) -> None:
    """What has no known kind is unknown; no line costs another one."""
    found = imported(
        tmp_path,
        record("hologram", "x1", None, 1),
        system("x2", None, 1, "session_hologram"),
        {"type": "user"},
        b'{"uuid": "u0", "ty',
        user("u1", None, 1, "Hello"),
    )
    assert found.counts == (1, 0, 3, 1)
    assert found.spoken == [("user", "Hello")]


def test_fixtures_of_another_tool(corpus: Path, tmp_path: Path) -> None:
    """Every line is in one counter; two records in one line are a malformed one."""
    truths = json.loads((corpus / "expected.json").read_text("utf-8"))["files"]
    compared = 0
    for path in map(Path, QWEN.find(corpus / FIXTURES)):
        found = stored("qwen-code", path, tmp_path / f"{compared}.db")
        truth = truths[path.relative_to(corpus).as_posix()]
        assert sum(found.counts) == truth["lines"]
        assert found.counts[2:] == (0, truth["malformed"])
        compared += 1
    assert compared == 6


def test_other_agents_files_are_not_recognised(corpus: Path) -> None:
    """Of all transcripts only those of this agent begin as its chats do."""
    taken = [path for path in corpus.rglob("*.jsonl") if QWEN.recognises(path)]
    assert {path.parent.name for path in taken} == {"qwen"}
    assert len(taken) == 6


POOL: list[Record] = [
    *LOG,
    *LOG,
    system("w2", None, 12, "rewind"),
    system("w3", "u1", 12, "rewind"),
    user("u5", "a1", 13, "Task done.", subtype="notification", systemPayload={"displayText": "x"}),
    user("u6", "u5", 13, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}),
    answer("a1", "u1", 14, call("c1", "glob"), {"functionCall": {"name": "ls"}}),
    result("r2", "a1", 14, "c2", error="No.", told={"callId": "c2", "status": "error"}),
    system("s3", "a1", 15, "slash_command", phase="result", outputHistoryItems=[{"text": "x"}]),
    system("s4", "a1", 15, "chat_compression", info={"originalTokenCount": 9}),
    system("s5", "a1", 15, "ui_telemetry", uiEvent={"error_message": "Quota"}),
    system("s6", "a1", 15, "parent_session", parentSessionId=BRANCH),
    system("s7", "a1", 15, "session_model", modelId="qwen-max", authType="openai"),
    {**LOG[1], "forkedFrom": {"sessionId": BRANCH, "messageUuid": "u1"}},
]


def test_records_without_ids_of_two_sessions(tmp_path: Path) -> None:
    """Their lines have the same numbers; what each used counts."""
    used = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
    for session in (SESSION, BRANCH):
        said = {
            **answer("a", None, 1, "Hi", usageMetadata=used),
            "uuid": None,
            "sessionId": session,
        }
        write_lines(tmp_path / ".qwen/projects/p/chats" / f"{session}.jsonl", [said])
    found = stored("qwen-code", tmp_path / ".qwen", tmp_path / "clankers.db")
    assert [one.id for one in found.usage] == [
        f"qwen-code:{SESSION}:line-1",
        f"qwen-code:{BRANCH}:line-1",
    ]


@given(lines(POOL), st.sampled_from([SESSION, "unnamed", "agent-1"]))
@settings(max_examples=150, deadline=None)
def test_no_line_raises_and_every_line_is_counted(log: list[bytes], name: str) -> None:
    """Each line that is not blank is in exactly one counter, whatever its bytes are."""
    with tempfile.TemporaryDirectory() as folder:
        path = chat_in(Path(folder), *log, name=name)
        assert counted("qwen-code", path) == sum(1 for one in log if one.strip())


@given(st.lists(mutated(POOL), max_size=14), st.sets(st.integers(0, 20_000), max_size=4))
@settings(max_examples=60, deadline=None)
def test_read_in_steps_is_read_at_once(records: list[Any], cuts: set[int]) -> None:
    """Wherever an import finds the end of the file, the next one ends in the same rows."""
    written = b"".join(encoded(one) + b"\n" for one in [LOG[0], *records])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = chat_in(folder)
        for cut in sorted({one % len(written) for one in cuts}):
            path.write_bytes(written[:cut])
            stored("qwen-code", path, folder / "steps.db")
        path.write_bytes(written)
        in_steps = stored("qwen-code", path, folder / "steps.db")
        at_once = stored("qwen-code", path, folder / "once.db")
    assert in_steps == at_once


@pytest.mark.parametrize("size", range(1, len(LOG) + 1))
def test_the_log_in_two_steps(tmp_path: Path, size: int) -> None:
    """The log of all kinds of changes gives the same rows wherever it is cut, in mid-line too."""
    database = tmp_path / "steps.db"
    stored("qwen-code", chat_in(tmp_path, *LOG[: size - 1], encoded(LOG[size - 1])[:-5]), database)
    in_steps = stored("qwen-code", chat_in(tmp_path, *LOG), database)
    assert in_steps == stored("qwen-code", chat_in(tmp_path, *LOG), tmp_path / "once.db")
