"""What a session of Copilot CLI becomes."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from importers._stored import stored, write_lines

from ._events import NOON, SESSION, answer, event, imported, place, shutdown, start

if TYPE_CHECKING:
    from pathlib import Path

PIXEL = base64.b64encode(b"a picture").decode()
DIGEST = hashlib.sha256(b"a picture").hexdigest()


def test_a_conversation(tmp_path: Path) -> None:
    """Start, prompts and answers become the session as it was."""
    found = imported(
        tmp_path,
        start(selectedModel="claude-sonnet-4.6"),
        event("session.mode_changed", 1, previousMode="interactive", newMode="autopilot"),
        event("system.message", 1, "s1", role="system", content="You are Copilot."),
        event("user.message", 2, content="How high is the tide?", transformedContent="<now/>"),
        answer(4, "Two metres.", 9, reasoningText="The moon pulls."),
    )
    session = found.session
    assert (session.id, session.title) == (SESSION, "How high is the tide?")
    assert (session.project_path, session.git_branch) == ("/home/ada/engine", "main")
    assert (session.agent_version, session.permission_mode) == ("1.0.34", "autopilot")
    assert (session.model, session.created_at) == ("claude-sonnet-4.6", NOON)
    assert (session.updated_at, session.ended_at, session.status) == (NOON + 4_000, None, None)
    assert found.spoken == [
        ("system", "You are Copilot."),
        ("user", "How high is the tide?"),
        ("assistant", "Two metres."),
    ]
    spoken = found.messages[2]
    assert (spoken.id, spoken.thinking) == (f"{SESSION}:m4", "The moon pulls.")
    assert (spoken.model, spoken.completion_tokens) == ("claude-sonnet-4.6", 9)


def test_tool_calls(tmp_path: Path) -> None:
    """What was asked for, how it went and how long it took are one row."""
    asked = [
        {"toolCallId": "t1", "name": "view", "arguments": {"path": "/tide.py"}},
        {"toolCallId": "t2", "name": "bash", "arguments": '{"command": "make"}'},
    ]
    error = {"message": "No rule.", "code": "failure"}
    found = imported(
        tmp_path,
        start(),
        answer(1, "", toolRequests=asked),
        event("tool.execution_start", 2, toolCallId="t1", toolName="view", arguments={}),
        event("tool.execution_start", 3, toolCallId="t2", toolName="bash"),
        event(
            "tool.execution_complete", 5, toolCallId="t1", success=True, result={"content": "x = 2"}
        ),
        event("tool.execution_complete", 7, toolCallId="t2", success=False, error=error),
    )
    view, make = found.tools
    assert (view.tool_name, view.success, view.duration_ms) == ("view", True, 3_000)
    assert (view.tool_output, view.message_id) == ('"x = 2"', f"{SESSION}:m1")
    assert (make.tool_input, make.success) == ('{"command":"make"}', False)
    assert (make.error_message, make.duration_ms) == ("No rule.", 4_000)
    (spoken,) = found.messages
    assert (spoken.seq or 0) < (view.seq or 0) < (make.seq or 0)


@pytest.mark.parametrize("cut", range(1, 8))
def test_calls_that_a_provider_counts_anew(tmp_path: Path, cut: int) -> None:
    """Each answer has its own, each as long as it ran; also when read in pieces."""
    asked = [{"toolCallId": "call_0", "name": "bash", "arguments": '{"command": "make"}'}]
    done = {"toolCallId": "call_0", "success": True}
    records = [
        start(),
        answer(1, "", toolRequests=asked),
        event("tool.execution_start", 2, toolCallId="call_0", toolName="bash"),
        event("tool.execution_complete", 4, **done, result={"content": "One"}),
        answer(5, "", toolRequests=asked),
        event("tool.execution_start", 6, toolCallId="call_0", toolName="bash"),
        event("tool.execution_complete", 9, **done, result={"content": "Two"}),
    ]
    found = imported(tmp_path / "whole", *records)
    assert [(one.id, one.message_id, one.tool_output, one.duration_ms) for one in found.tools] == [
        (f"{SESSION}:call_0", f"{SESSION}:m1", '"One"', 2_000),
        (f"{SESSION}:call_0#2", f"{SESSION}:m5", '"Two"', 3_000),
    ]
    imported(tmp_path / "cut", *records[:cut])
    assert imported(tmp_path / "cut", *records) == found


def test_who_typed_a_prompt(tmp_path: Path) -> None:
    """Skills, other agents and the autopilot do not speak for the user."""
    found = imported(
        tmp_path,
        start(),
        event("user.message", 1, content="Skill text", source="skill-pdf"),
        event("user.message", 2, content="Do it", source="agent-7"),
        event("user.message", 3, content="Continue", isAutopilotContinuation=True),
        event("user.message", 4, content="", transformedContent="<now>12:00</now>"),
        event("user.message", 5, content="Typed"),
        event("system.notification", 6, content="Agent 7 is done."),
    )
    assert found.spoken == [
        ("system", "Skill text"),
        ("system", "Do it"),
        ("system", "Continue"),
        ("system", "<now>12:00</now>"),
        ("user", "Typed"),
        ("system", "Agent 7 is done."),
    ]
    assert found.session.title == "Typed"


def test_subagents_are_sidechains(tmp_path: Path) -> None:
    """What a subagent says stands in its parent's events, marked in an old or a new way."""
    found = imported(
        tmp_path,
        start(),
        answer(1, "Main", model="gpt-5"),
        answer(2, "Old", parentToolCallId="t1", model="gpt-5-mini"),
        {**answer(3, "New"), "agentId": "a1"},
    )
    assert [(one.is_sidechain, one.model) for one in found.messages] == [
        (False, "gpt-5"),
        (True, "gpt-5-mini"),
        (True, "gpt-5"),
    ]


def test_thoughts_are_told_once(tmp_path: Path) -> None:
    """Some versions tell a thought by itself and with the message after it."""
    found = imported(
        tmp_path,
        start(),
        event("assistant.reasoning", 1, reasoningId="r", content="Hm."),
        answer(2, "Yes.", reasoningText="Hm."),
        answer(3, "No.", reasoningText="Hmm."),
    )
    assert [(one.thinking, one.text_content) for one in found.messages] == [
        ("Hm.", None),
        (None, "Yes."),
        ("Hmm.", "No."),
    ]


def test_attachments(tmp_path: Path) -> None:
    """Pictures are stored, given in place or by an asset; other files are only named."""
    blob = {"type": "blob", "data": PIXEL, "mimeType": "image/png"}
    asset = {"type": "file", "assetId": "sha256:1", "path": "/tide.png", "mimeType": "image/png"}
    found = imported(
        tmp_path,
        start(),
        event("session.binary_asset", 1, assetId="sha256:1", data=PIXEL, mimeType="image/png"),
        event(
            "user.message", 2, content="", attachments=[blob, asset, {"type": "file", "path": "/x"}]
        ),
        event(
            "tool.execution_complete",
            3,
            toolCallId="t1",
            success=True,
            result={"content": "Seen.", "binaryResultsForLlm": [blob]},
        ),
    )
    picture = {"type": "image", "attachment": DIGEST, "media_type": "image/png"}
    (message,) = found.messages
    assert json.loads(message.content or "") == [picture, picture, {"type": "file", "path": "/x"}]
    assert json.loads(found.tools[0].tool_output or "") == [
        {"type": "text", "text": "Seen."},
        picture,
    ]


def test_errors_and_compactions(tmp_path: Path) -> None:
    """What failed, what was stopped, and what was cut from the context."""
    found = imported(
        tmp_path,
        start(),
        event("session.error", 1, errorType="query", message="400 Bad Request"),
        event("abort", 2, reason="user initiated"),
        event("subagent.failed", 3, toolCallId="t1", error="It broke."),
        event("session.compaction_complete", 4, success=False, error="Too long."),
        event(
            "session.compaction_complete",
            5,
            success=True,
            preCompactionTokens=9000,
            postCompactionTokens=1000,
            preCompactionMessagesLength=30,
            messagesRemoved=20,
            summaryContent="Tides.",
        ),
        event(
            "session.truncation",
            6,
            preTruncationTokensInMessages=800,
            postTruncationTokensInMessages=500,
            preTruncationMessagesLength=9,
            postTruncationMessagesLength=5,
        ),
    )
    assert [(one.error_type, one.error_message) for one in found.errors] == [
        ("query", "400 Bad Request"),
        ("aborted", "user initiated"),
        ("error", "It broke."),
        ("compaction", "Too long."),
    ]
    assert [
        (one.tokens_before, one.tokens_after, one.messages_before, one.messages_after)
        for one in found.compactions
    ] == [(9000, 1000, 30, 10), (800, 500, 9, 5)]
    assert found.spoken == [("system", "Tides.")]


def test_how_a_session_ended(tmp_path: Path) -> None:
    """A shutdown ends a session until it is resumed."""
    path = write_lines(place(tmp_path), [start(), shutdown(5, {})])
    session = stored("copilot", path, tmp_path / "clankers.db").session
    assert (session.status, session.ended_at) == ("completed", NOON + 5_000)
    write_lines(path, [start(), shutdown(5, {}), event("session.resume", 9)])
    assert stored("copilot", path, tmp_path / "clankers.db").session.status == "active"
    broken = event("session.shutdown", 20, shutdownType="error", errorReason="Out of memory")
    write_lines(path, [start(), shutdown(5, {}), event("session.resume", 9), broken])
    found = stored("copilot", path, tmp_path / "clankers.db")
    assert (found.session.status, found.session.ended_at) == ("error", NOON + 20_000)
    assert [one.error_message for one in found.errors] == ["Out of memory"]


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("id: x\nname: The tide\n", "The tide"),
        ('name: "The \\"tide\\""\n', 'The "tide"'),
        ("name: 'It''s high'\n", "It's high"),
        ("name: |-\n  The tide\n  and more\n", "The tide"),
        ("name:\nsummary: Tides\n", "Tides"),
        ("named: x\n  name: nested\n", "How high?"),
    ],
)
def test_the_name_beside_the_events(tmp_path: Path, written: str, title: str) -> None:
    """A name in workspace.yaml is surer than the first prompt."""
    path = place(tmp_path)
    path.parent.mkdir(parents=True)
    path.with_name("workspace.yaml").write_text(written, encoding="utf-8")
    found = imported(tmp_path, start(), event("user.message", 1, content="How high?"))
    assert found.session.title == title


def test_a_title_among_the_events(tmp_path: Path) -> None:
    """It is surer than the name beside them, also where it was read by an earlier import."""
    path = place(tmp_path)
    events = [start(), event("session.title_changed", 1, title="Tides")]
    write_lines(path, events)
    path.with_name("workspace.yaml").write_text("name: The tide\n")
    stored("copilot", path, tmp_path / "clankers.db")
    write_lines(path, [*events, event("user.message", 2, content="How high?")])
    assert stored("copilot", path, tmp_path / "clankers.db").session.title == "Tides"


def test_a_name_that_changes_beside_the_events(tmp_path: Path) -> None:
    """The later one stays while no event gives a title."""
    path = write_lines(place(tmp_path), [start()])
    path.with_name("workspace.yaml").write_text("name: The tide\n")
    assert stored("copilot", path, tmp_path / "clankers.db").session.title == "The tide"
    path.with_name("workspace.yaml").write_text("name: The moon\n")
    write_lines(path, [start(), event("user.message", 2, content="How high?")])
    assert stored("copilot", path, tmp_path / "clankers.db").session.title == "The moon"


def test_a_link_beside_the_events(tmp_path: Path) -> None:
    """It may lead to any file of the user's, and is not followed."""
    (tmp_path / "secret").write_text("name: hunter2\n")
    path = write_lines(place(tmp_path), [start(), event("user.message", 1, content="How high?")])
    path.with_name("workspace.yaml").symlink_to(tmp_path / "secret")
    assert stored("copilot", path, tmp_path / "clankers.db").session.title == "How high?"


def test_unknown_events_and_damaged_lines(tmp_path: Path) -> None:
    """Known events without content are noise; what nobody told us of is unknown."""
    found = imported(
        tmp_path,
        start(),
        event("hook.start", 1),
        event("session.info", 1, message="x"),
        event("session.from_the_future", 2),
        b"not json",
        b"",
    )
    assert found.counts == (1, 2, 1, 1)
