"""Amp: threads, each one document that is written anew with every message."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.importers import importer
from importers._mangled import JSON, mutated
from importers._stored import Found, Record, counted, stored

THREAD = "T-019ca26f-0000-7000-8000-000000000001"
FORK = "T-019ca26f-0000-7000-8000-000000000002"
NOON = 1_764_590_400_000  # 2025-12-01T12:00:00Z
SONNET = "claude-sonnet-4-5-20250929"
PIXEL = base64.b64encode(b"a picture").decode()


def at(second: int) -> str:
    return f"2025-12-01T12:{second // 60:02}:{second % 60:02}.000Z"


def thread(*messages: Any, **more: Any) -> Record:
    tree = {
        "displayName": "engine",
        "uri": "file:///home/ada/my%20engine",
        "repository": {"type": "git", "ref": "refs/heads/tides"},
    }
    initial = {"trees": [tree], "platform": {"client": "CLI", "clientVersion": "0.0.17"}}
    return {
        "v": 9,
        "id": THREAD,
        "created": NOON,
        "title": "Tides",
        "env": {"initial": initial},
        "messages": list(messages),
        **more,
    }


def prompt(number: int, *blocks: Record | str, second: int = 1, **more: Any) -> Record:
    return {
        "role": "user",
        "messageId": number,
        "content": [text(one) for one in blocks],
        "meta": {"sentAt": NOON + second * 1000},
        **more,
    }


def answer(number: int, *blocks: Record | str, **more: Any) -> Record:
    content = [text(one) for one in blocks]
    return {"role": "assistant", "messageId": number, "content": content, **more}


def text(block: Record | str) -> Record:
    return {"type": "text", "text": block} if isinstance(block, str) else block


def usage(
    second: int,
    fresh: int,
    output: int,
    read: int = 0,
    written: int = 0,
    *,
    model: str = SONNET,
) -> Record:
    return {
        "model": model,
        "timestamp": at(second),
        "inputTokens": fresh,
        "outputTokens": output,
        "cacheReadInputTokens": read,
        "cacheCreationInputTokens": written,
        "totalInputTokens": fresh + read + written,
    }


def called(call: str, name: str, **given: Any) -> Record:
    return {"type": "tool_use", "complete": True, "id": call, "name": name, "input": given}


def result(call: str, status: str, **more: Any) -> Record:
    return {"type": "tool_result", "toolUseID": call, "run": {"status": status, **more}}


def write(folder: Path, document: Any, name: str = THREAD) -> Path:
    path = folder / "threads" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    return path


def imported(folder: Path, document: Any) -> Found:
    return stored("amp", write(folder, document), folder / "clankers.db")


def test_a_thread(tmp_path: Path) -> None:
    """Prompts, thoughts and answers, with where and on what branch they were said."""
    found = imported(
        tmp_path,
        thread(
            prompt(0, "How high is the tide?"),
            answer(
                1,
                {"type": "thinking", "thinking": "The moon pulls."},
                "Two metres.",
                usage=usage(3, 3, 7, 20, 5),
            ),
        ),
    )
    session = found.session
    assert (session.id, session.title, session.source) == (THREAD, "Tides", "amp")
    assert (session.project_path, session.project_name) == ("/home/ada/my engine", "my engine")
    assert (session.git_branch, session.agent_version) == ("tides", "0.0.17")
    assert (session.created_at, session.updated_at) == (NOON, NOON + 3_000)
    assert (session.model, session.prompt_tokens, session.completion_tokens) == (SONNET, 28, 7)
    assert found.spoken == [("user", "How high is the tide?"), ("assistant", "Two metres.")]
    spoken = found.messages[1]
    assert (spoken.id, spoken.thinking) == (f"{THREAD}:1", "The moon pulls.")
    assert found.used == [(3, 20, 5, 7)]
    assert found.usage[0].message_id == f"{THREAD}:1"
    assert found.counts == (3, 0, 0, 0)


def test_tool_calls(tmp_path: Path) -> None:
    """Failed is what did not run, what the user refused, and what ended with another code."""
    names = ("read", "make", "deploy", "search", "old", "wait")
    found = imported(
        tmp_path,
        thread(
            answer(0, *(called(name, name, path=f"/{name}") for name in names)),
            prompt(
                1,
                result("read", "done", result={"absolutePath": "/read", "content": "x = 2"}),
                result("make", "done", result={"output": "No rule.", "exitCode": 2}),
                result("deploy", "rejected-by-user"),
                result("search", "error", error={"message": "Timeout."}),
                {"type": "tool_result", "tool_use_id": "old", "content": "Fine."},
                result("wait", "in-progress"),
            ),
        ),
    )
    assert [(one.tool_name, one.success, one.error_message) for one in found.tools] == [
        ("read", True, None),
        ("make", False, "No rule."),
        ("deploy", False, "rejected-by-user"),
        ("search", False, "Timeout."),
        ("old", True, None),
        ("wait", None, None),
    ]
    assert (found.tools[0].tool_output, found.tools[0].file_path) == ('"x = 2"', "/read")
    (spoken,) = found.messages
    assert spoken.role == "assistant"
    assert (spoken.seq or 0) < (found.tools[0].seq or 0)


def test_commands_pictures_and_summaries(tmp_path: Path) -> None:
    """What the user ran is a call of the user's; a summary stands for what was before it."""
    shell = {
        "type": "manual_bash_invocation",
        "args": {"cmd": "make"},
        "toolRun": {"status": "done", "result": {"output": "ok", "exitCode": 0}},
    }
    data = {"type": "base64", "mediaType": "image/png", "data": PIXEL}
    link = {"type": "url", "url": "https://example.com/tide.png"}
    summary = {"type": "summary", "summary": {"type": "message", "summary": "Tides."}}
    found = imported(
        tmp_path,
        thread(
            prompt(0, shell),
            prompt(1, {"type": "image", "source": data}, {"type": "image", "source": link}),
            {"role": "info", "messageId": 2, "content": [summary]},
        ),
    )
    (tool,) = found.tools
    assert (tool.tool_name, tool.tool_output, tool.success) == ("Bash", '"ok"', True)
    assert tool.message_id == f"{THREAD}:0"
    digest = hashlib.sha256(b"a picture").hexdigest()
    assert json.loads(found.messages[1].content or "") == [
        {"type": "image", "attachment": digest, "media_type": "image/png"},
        {"type": "image", "url": "https://example.com/tide.png"},
    ]
    assert found.spoken[2] == ("system", "Tides.")
    assert len(found.compactions) == 1


def test_answers_that_failed(tmp_path: Path) -> None:
    """An answer's state says whether it was stopped or broke off."""
    broken = {"type": "error", "error": {"message": "Overloaded"}}
    found = imported(
        tmp_path,
        thread(
            answer(0, "So", state={"type": "cancelled"}),
            answer(1, "So", state=broken),
            answer(2, "So", state={"type": "complete", "stopReason": "end_turn"}),
        ),
    )
    assert [(one.error_type, one.error_message) for one in found.errors] == [
        ("aborted", None),
        ("error", "Overloaded"),
    ]


def test_models_that_pay_nothing_for_writing_to_the_cache(tmp_path: Path) -> None:
    """Of gpt models Amp calls all uncached input cache creation."""
    found = imported(
        tmp_path,
        thread(
            answer(0, "A", usage=usage(1, 0, 7, 20, 100, model="gpt-5.1")),
            answer(1, "B", usage=usage(2, 4, 8, 30, 200)),
        ),
    )
    assert found.used == [(100, 20, 0, 7), (4, 30, 200, 8)]


def test_a_ledger_counts_what_no_message_does(tmp_path: Path) -> None:
    """Old threads count beside their messages; what a message says itself counts once."""
    events = [
        {"id": "l1", "toMessageId": 1, "timestamp": at(1), "tokens": {"input": 3, "output": 7}},
        {
            "id": "l2",
            "toMessageId": 2,
            "timestamp": at(2),
            "model": "gpt-5",
            "tokens": {"input": 4, "output": 8},
            "credits": 1.5,
        },
        {"id": "l3", "toMessageId": 1, "timestamp": at(3), "tokens": {"input": 1, "output": 2}},
        {"id": "l4", "timestamp": at(4), "tokens": {}},
    ]
    found = imported(
        tmp_path,
        thread(
            answer(1, "A", usage=usage(1, 3, 7, 20)),
            answer(2, "B"),
            usageLedger={"events": events},
        ),
    )
    assert found.used == [(3, 20, 0, 7), (4, 0, 0, 8), (1, 0, 0, 2)]
    assert [one.model for one in found.usage] == [SONNET, "gpt-5", None]
    # What a credit is worth is nowhere said.
    assert [one.cost_reported for one in found.usage] == [None, None, None]
    assert found.counts == (5, 2, 0, 0)


def test_where_a_thread_came_from(tmp_path: Path) -> None:
    """Answers that a fork copied count once, in the thread that they were given in."""
    said = [prompt(0, "High?"), answer(1, "Two metres.", usage=usage(3, 3, 7))]
    write(tmp_path, thread(*said))
    parent = {"threadID": THREAD, "type": "fork", "role": "parent"}
    fork = thread(
        *said,
        answer(3, "New.", usage=usage(9, 1, 2)),
        id=FORK,
        created=NOON + 5_000,
        relationships=[parent],
    )
    write(tmp_path, fork, FORK)
    found = stored("amp", tmp_path, tmp_path / "clankers.db")
    assert (found.sessions[FORK].parent_id, found.sessions[FORK].relationship) == (THREAD, "fork")
    assert [one.completion_tokens for one in found.sessions.values()] == [7, 2]
    handed = {"threadID": THREAD, "type": "handoff", "role": "parent"}
    found = imported(tmp_path / "other", thread(*said, id=FORK, relationships=[handed]))
    assert found.session.relationship == "continuation"
    found = imported(tmp_path / "task", thread(*said, id=FORK, mainThreadID=THREAD))
    assert (found.session.parent_id, found.session.relationship) == (THREAD, "subagent")


def test_a_thread_that_grew(tmp_path: Path) -> None:
    """Only the thread that changed is read again, and what it said stays what it was."""
    write(tmp_path, thread(prompt(0, "Other"), id=FORK), FORK)
    first = imported(tmp_path, thread(prompt(0, "High?"), answer(1, "Tw", usage=usage(3, 3, 1))))
    assert first.used == [(3, 0, 0, 1)]
    write(tmp_path, thread(prompt(0, "High?"), answer(1, "Two metres.", usage=usage(3, 3, 7))))
    found = stored("amp", tmp_path, tmp_path / "clankers.db")
    assert (found.report.updated, found.report.new, found.report.unchanged) == (1, 1, 0)
    assert found.used == [(3, 0, 0, 7)]
    assert ("assistant", "Two metres.") in found.spoken
    report = stored("amp", tmp_path, tmp_path / "clankers.db").report
    assert (report.read, report.unchanged) == (0, 2)


def test_what_is_no_thread(tmp_path: Path) -> None:
    """A document that is half written is damaged, another kind is unknown, an empty one is noise."""
    assert imported(tmp_path / "1", b'{"id": "T-1", "mess').counts == (0, 0, 0, 1)
    assert imported(tmp_path / "2", [1]).counts == (0, 0, 1, 0)
    empty = imported(tmp_path / "3", thread())
    assert (empty.counts, empty.sessions) == ((0, 1, 0, 0), {})


def test_where_threads_are(home: Path) -> None:
    """The folder above `threads` is named by a variable, or is where the system keeps data."""
    amp = importer("amp")
    assert amp.roots({}, home) == [home / ".local/share/amp/threads"]
    assert amp.roots({"XDG_DATA_HOME": "/data"}, home) == [Path("/data/amp/threads")]
    assert amp.roots({"AMP_DATA_DIR": "/a, /b"}, home) == [Path("/a/threads"), Path("/b/threads")]


def test_what_is_found_and_recognised(tmp_path: Path) -> None:
    """Threads below any folder; documents of other agents are not taken for one."""
    amp = importer("amp")
    path = write(tmp_path, thread(prompt(0, "Hello")))
    other = write(tmp_path, {"sessionId": "x", "messages": [{"id": "T-1"}]}, "session-1")
    assert list(amp.find(tmp_path)) == [path]
    assert list(amp.find(other)) == [other]
    assert [amp.recognises(one) for one in (path, other, tmp_path)] == [True, False, False]


def test_nothing_of_others_is_taken(corpus: Path) -> None:
    """No file of the other agents in a mixed folder is Amp's."""
    amp = importer("amp")
    assert list(amp.find(corpus)) == []
    assert not any(map(amp.recognises, (corpus / "gemini").rglob("*.json")))


POOL: list[Any] = [
    thread(
        prompt(0, "High?", {"type": "image", "source": {"mediaType": "image/png", "data": PIXEL}}),
        answer(
            1,
            {"type": "thinking", "thinking": "Hm"},
            called("t1", "Bash", cmd="ls"),
            usage=usage(3, 3, 7, 1, 1, model="gpt-5"),
            state={"type": "error", "error": {"message": "No"}},
        ),
        prompt(2, result("t1", "done", result={"output": "x", "exitCode": 1}, progress="x")),
        prompt(3, {"type": "tool_result", "tool_use_id": "t1", "content": "x", "is_error": True}),
        prompt(
            4,
            {
                "type": "manual_bash_invocation",
                "args": {"cmd": "ls"},
                "toolRun": {"status": "done"},
            },
        ),
        {
            "role": "info",
            "content": [{"type": "summary", "summary": {"summary": "x", "type": "message"}}],
        },
        usageLedger={
            "events": [{"id": "l", "toMessageId": 4, "tokens": {"input": 1, "output": 2}}]
        },
        relationships=[{"threadID": FORK, "type": "fork", "role": "parent"}],
        mainThreadID=FORK,
    )
]


def test_a_call_without_an_id(tmp_path: Path) -> None:
    """It is known by its message and its place in there."""
    made = {"type": "tool_use", "name": "Bash", "input": {"cmd": "ls"}}
    found = imported(tmp_path, thread(prompt(0, "Go"), answer(1, "I look.", made, made)))
    assert [(one.id, one.tool_name) for one in found.tools] == [
        (f"{THREAD}:1-1", "Bash"),
        (f"{THREAD}:1-2", "Bash"),
    ]


@given(st.one_of(mutated(POOL), JSON))
@settings(max_examples=200, deadline=None)
def test_no_document_raises_and_every_record_is_counted(document: Any) -> None:
    """A document is its head, its messages and its ledger, or one damaged or unknown record."""
    with tempfile.TemporaryDirectory() as folder:
        lines = counted("amp", write(Path(folder), document))
    said = document.get("messages") if isinstance(document, dict) else None
    ledger = document.get("usageLedger") if isinstance(document, dict) else None
    events = ledger.get("events") if isinstance(ledger, dict) else None
    known = [one for one in events if isinstance(one, dict)] if isinstance(events, list) else []
    assert lines == 1 + len(said if isinstance(said, list) else []) + len(known)


@given(mutated(POOL), mutated(POOL))
@settings(max_examples=25, deadline=None)
def test_any_document_can_be_stored(before: Any, after: Any) -> None:
    """Whatever a thread was and becomes, it is imported both times and nothing fails."""
    with tempfile.TemporaryDirectory() as folder:
        for document in (before, after):
            path = write(Path(folder), document)
            assert stored("amp", path, Path(folder) / "clankers.db").report.failures == []
