"""Gemini CLI: logs in which a later record replaces, patches or rewinds what was said before."""

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

from clankers.importers import Resume, importer
from importers._mangled import lines, mutated
from importers._stored import Found, Record, counted, encoded, stored, write_lines

SESSION = "8c1b0f6e-0000-4000-8000-000000000001"
NAME = "session-2025-12-01T12-00-8c1b0f6e"
NOON = 1_764_590_400_000  # 2025-12-01T12:00:00Z
MODEL = "gemini-3-flash-preview"
PIXEL = base64.b64encode(b"a picture").decode()


def at(second: int) -> str:
    return f"2025-12-01T12:{second // 60:02}:{second % 60:02}.000Z"


def header(**more: Any) -> Record:
    began = {"startTime": at(0), "lastUpdated": at(0), "kind": "main"}
    return {"sessionId": SESSION, "projectHash": "ab12", **began, **more}


def user(name: str, words: Any, second: int, **more: Any) -> Record:
    content = [{"text": words}] if isinstance(words, str) else words
    return {"id": name, "timestamp": at(second), "type": "user", "content": content, **more}


def answer(name: str, words: Any, second: int, **more: Any) -> Record:
    said = {"id": name, "timestamp": at(second), "type": "gemini", "content": words}
    return {**said, "thoughts": [], "model": MODEL, **more}


def tokens(given: int, cached: int, output: int, thoughts: int = 0, tool: int = 0) -> Record:
    counts = {"input": given, "cached": cached, "output": output}
    total = given + output + thoughts + tool
    return {**counts, "thoughts": thoughts, "tool": tool, "total": total}


def call(name: str, tool: str, second: int, status: str = "success", **more: Any) -> Record:
    made = {"id": name, "name": tool, "args": {"file_path": "/home/ada/tide.py"}}
    return {**made, "status": status, "timestamp": at(second), **more}


def result(name: str, **response: Any) -> list[Record]:
    return [{"functionResponse": {"id": name, "name": "tool", "response": response}}]


def rewind(name: str) -> Record:
    return {"$rewindTo": name}


def patch(**changes: Any) -> Record:
    return {"$set": changes}


def chat_in(folder: Path, *records: Record | bytes) -> Path:
    return write_lines(folder / "tmp/engine/chats" / f"{NAME}.jsonl", records)


def document_in(folder: Path, *messages: Record, **more: Any) -> Path:
    path = folder / "tmp/engine/chats" / f"{NAME}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**header(), "messages": messages, **more}), "utf-8")
    return path


def imported(folder: Path, *records: Record | bytes) -> Found:
    return stored("gemini", chat_in(folder, *records), folder / "clankers.db")


def on_branches(found: Found) -> list[str | None]:
    """The native ids of what was rewound."""
    return [one.native_id for one in found.messages if one.is_sidechain]


# A question, an answer of two calls that grows line by line, and how it went on.
CALLING = answer("a1", "", 2, thoughts=[{"subject": "Moon", "description": "It pulls."}])
COUNTED = {**CALLING, "tokens": tokens(100, 40, 10, 5)}
CALLED = {
    **COUNTED,
    "toolCalls": [
        call("c1", "read_file", 3, result=result("c1", output="tide = 2")),
        call("c2", "run_shell_command", 4, "error", result=result("c2", error="No rule.")),
    ],
}
LOG = [
    header(),
    {"id": "i0", "timestamp": at(0), "type": "info", "content": "Update available."},
    user("u1", "How high is the tide?", 1),
    CALLING,
    patch(lastUpdated=at(2)),
    COUNTED,
    CALLED,
    answer("a2", "Two metres.", 5, tokens=tokens(120, 90, 20)),
    user("u2", "And the ebb?", 6),
    answer("a3", "One metre.", 7, tokens=tokens(150, 110, 30)),
    {"id": "e1", "timestamp": at(8), "type": "error", "content": "[API Error: quota]"},
    rewind("u2"),
    user("u3", "And the moon?", 9),
    answer("a4", "Full.", 10, tokens=tokens(160, 120, 40)),
    patch(summary="Ask for the tide."),
]


def test_a_conversation(tmp_path: Path) -> None:
    """Header, prompts, thoughts and answers become the session as it was."""
    found = imported(
        tmp_path,
        header(),
        user("u1", "How high is the tide?", 1),
        answer(
            "a1",
            "Two metres.",
            3,
            thoughts=[{"subject": "Moon", "description": "It pulls.", "timestamp": at(2)}],
            tokens=tokens(100, 40, 10, 5),
        ),
        patch(lastUpdated=at(4)),
    )
    session = found.session
    assert (session.id, session.title, session.source) == (
        SESSION,
        "How high is the tide?",
        "gemini",
    )
    assert (session.provider, session.model, session.project_name) == ("google", MODEL, "engine")
    assert (session.created_at, session.updated_at) == (NOON, NOON + 4_000)
    assert found.spoken == [("user", "How high is the tide?"), ("assistant", "Two metres.")]
    said = found.messages[1]
    assert (said.id, said.thinking, said.model) == (f"{SESSION}:a1", "Moon\nIt pulls.", MODEL)
    assert (said.prompt_tokens, said.completion_tokens) == (100, 15)
    assert found.counts == (3, 1, 0, 0)


def test_a_document_of_an_old_version(tmp_path: Path) -> None:
    """A document says the same as the lines of later versions; its records are its messages."""
    messages = [record for record in LOG if "type" in record and record not in (CALLING, COUNTED)]
    path = document_in(tmp_path, *messages, summary="Ask for the tide.")
    found = stored("gemini", path, tmp_path / "clankers.db")
    assert found.session.title == "Ask for the tide."
    assert found.counts == (9, 0, 0, 0)
    assert [one.native_id for one in found.messages] == [
        "i0",
        "u1",
        "a1",
        "a2",
        "u2",
        "a3",
        "u3",
        "a4",
    ]
    assert [one.success for one in found.tools] == [True, False]


def test_a_damaged_document_is_one_malformed_line(tmp_path: Path) -> None:
    """A document that is cut off says nothing, until it is whole again."""
    path = document_in(tmp_path, user("u1", "How high is the tide?", 1))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert stored("gemini", path, tmp_path / "clankers.db").counts == (0, 0, 0, 1)
    path.write_bytes(whole)
    assert len(stored("gemini", path, tmp_path / "clankers.db").messages) == 1


def test_calls_are_joined_with_their_results(tmp_path: Path) -> None:
    """A call is one row with what it gave back, its state as the agent names it."""
    calls = [
        call("c1", "read_file", 3, result=result("c1", output="tide = 2")),
        call("c2", "replace", 4, "error", result=result("c2", error="No such text.")),
        call("c3", "web_fetch", 5, "cancelled", result=result("c3", error="[Cancelled]")),
        call("c4", "glob", 6, "executing"),
    ]
    found = imported(tmp_path, header(), answer("a1", "Looking.", 2, toolCalls=calls))
    read, replace, fetch, glob = found.tools
    assert (read.id, read.tool_name, read.success) == (f"{SESSION}:c1", "read_file", True)
    assert (read.message_id, read.file_path) == (f"{SESSION}:a1", "/home/ada/tide.py")
    assert (read.tool_output, read.created_at) == ('"tide = 2"', NOON + 3_000)
    assert (replace.success, replace.error_message) == (False, "No such text.")
    assert (fetch.success, fetch.error_message) == (None, "[Cancelled]")
    assert (glob.success, glob.tool_output) == (None, None)
    assert json.loads(found.messages[0].content or "") == [
        {"type": "text"},
        *({"type": "tool", "id": f"{SESSION}:c{number}"} for number in (1, 2, 3, 4)),
    ]


def test_a_result_among_those_of_other_calls(tmp_path: Path) -> None:
    """Masked histories give each call the results of all; a call gets its own."""
    both = result("c1", output="one") + result("c2", output="two")
    calls = [call("c1", "glob", 2, result=both), call("c2", "glob", 2, result=both)]
    found = imported(tmp_path, header(), answer("a1", "", 2, toolCalls=calls))
    assert [one.tool_output for one in found.tools] == ['"one"', '"two"']


def test_calls_that_a_provider_counts_anew(tmp_path: Path) -> None:
    """Each message has its own, also when one is said again with what it gained."""
    waiting = call("call_0", "read_file", 4, status="scheduled")
    found = imported(
        tmp_path,
        header(),
        answer(
            "a1", "", 2, toolCalls=[call("call_0", "ls", 2, result=result("call_0", output="1"))]
        ),
        answer("a2", "", 4, toolCalls=[waiting]),
        answer("a2", "", 4, toolCalls=[{**waiting, "result": result("call_0", output="2")}]),
    )
    assert [(one.id, one.message_id, one.tool_name, one.tool_output) for one in found.tools] == [
        (f"{SESSION}:call_0", f"{SESSION}:a1", "ls", '"1"'),
        (f"{SESSION}:call_0#2", f"{SESSION}:a2", "read_file", '"2"'),
    ]


def test_images_are_attachments(tmp_path: Path) -> None:
    """A picture in a prompt or in a result is stored once, and referred to."""
    picture = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    given = result("c1", output="A picture.")
    found = imported(
        tmp_path,
        header(),
        user("u1", [{"text": "What is it?"}, picture], 1),
        answer("a1", "", 2, toolCalls=[call("c1", "read_file", 2, result=[*given, picture])]),
    )
    shown = {
        "type": "image",
        "attachment": hashlib.sha256(b"a picture").hexdigest(),
        "media_type": "image/png",
    }
    assert json.loads(found.messages[0].content or "") == [{"type": "text"}, shown]
    assert json.loads(found.tools[0].tool_output or "") == ["A picture.", shown]


def test_what_was_typed_and_what_was_sent(tmp_path: Path) -> None:
    """A prompt is what the user typed; what it became for the model stands behind it."""
    found = imported(
        tmp_path,
        header(),
        user("u1", [{"text": "/init"}, {"text": "Look at all files."}], 1, displayContent="/init"),
    )
    (said,) = found.messages
    assert (said.role, said.text_content) == ("user", "/init")
    assert json.loads(said.content or "")[1] == {"type": "context", "text": "Look at all files."}


@pytest.mark.parametrize(
    "words",
    ["System: Please continue.", "<state_snapshot>\nold</state_snapshot>", "<session_context>x"],
)
def test_what_the_program_says_in_the_users_name(tmp_path: Path, words: str) -> None:
    """Texts that the program sends as the user's are no prompts, and make no title."""
    found = imported(tmp_path, header(), user("u1", words, 1), user("u2", "Hello", 2))
    assert found.spoken == [("system", words), ("user", "Hello")]
    assert found.session.title == "Hello"


def test_results_sent_as_a_prompt_are_no_message(tmp_path: Path) -> None:
    """What the user's turn holds besides results of calls is said; results alone are not."""
    found = imported(tmp_path, header(), user("u1", result("c1", output="x"), 1))
    assert (found.messages, found.counts) == ([], (2, 0, 0, 0))


def test_errors(tmp_path: Path) -> None:
    """Errors are the session's; those of the API are told from the program's."""
    error = {"timestamp": at(1), "type": "error"}
    found = imported(
        tmp_path,
        header(),
        {**error, "id": "e1", "content": "[API Error: You have exhausted your daily quota.]"},
        {**error, "id": "e2", "content": "Automatic update failed."},
    )
    assert [(one.error_type, one.error_message) for one in found.errors] == [
        ("api_error", "[API Error: You have exhausted your daily quota.]"),
        ("error", "Automatic update failed."),
    ]
    assert found.messages == []


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # As the agent writes them: cached inside the input, thoughts outside the output.
        (tokens(100, 40, 10, 5), (60, 40, 15, 5)),
        (tokens(100, 40, 10, 5, tool=7), (67, 40, 15, 5)),
        # The total says that a service counted otherwise.
        ({**tokens(100, 40, 10, 5), "total": 155}, (100, 40, 15, 5)),
        ({**tokens(100, 40, 10, 5), "total": 110}, (60, 40, 10, 5)),
        # A total that fits nothing changes nothing.
        ({**tokens(100, 40, 10, 5), "total": 999}, (60, 40, 15, 5)),
        ({"input": 100, "output": 10}, (100, 0, 10, 0)),
        ({"input": "100", "cached": 300, "output": -3, "thoughts": None}, (0, 300, 0, 0)),
    ],
)
def test_tokens(tmp_path: Path, counts: Record, expected: tuple[int, ...]) -> None:
    """Each response is counted by itself: uncached input, cache reads, output with thoughts."""
    found = imported(tmp_path, header(), answer("a1", "Two.", 1, tokens=counts))
    (used,) = found.usage
    assert (
        used.input_tokens,
        used.cache_read_tokens,
        used.output_tokens,
        used.reasoning_tokens,
    ) == expected
    assert (used.id, used.message_id) == (f"gemini:{SESSION}:a1", f"{SESSION}:a1")
    assert (used.provider, used.model, used.occurred_at) == ("google", MODEL, NOON + 1_000)
    assert json.loads(used.raw or "") == counts


def test_numbers_are_not_cumulative(tmp_path: Path) -> None:
    """What a later response used is its own, though its input repeats the earlier one's."""
    found = imported(
        tmp_path,
        header(),
        answer("a1", "One.", 1, tokens=tokens(100, 0, 10)),
        answer("a2", "Two.", 2, tokens=tokens(120, 100, 20)),
        answer("a3", "Nothing.", 3, tokens=tokens(0, 0, 0)),
    )
    assert found.used == [(100, 0, 0, 10), (20, 100, 0, 20)]
    assert (found.session.prompt_tokens, found.session.completion_tokens) == (220, 30)


def test_a_later_line_replaces_an_earlier_one(tmp_path: Path) -> None:
    """Tokens and calls that come with later lines of a message are the message's, once."""
    found = imported(tmp_path, *LOG[:7])
    assert [one.native_id for one in found.messages] == ["i0", "u1", "a1"]
    assert found.used == [(60, 40, 0, 15)]
    assert [(one.native_id, one.success) for one in found.tools] == [("c1", True), ("c2", False)]


def test_what_was_rewound_stays_and_was_paid_for(tmp_path: Path) -> None:
    """Messages from a rewind on are marked, not removed; their usage counts."""
    found = imported(tmp_path, *LOG)
    assert on_branches(found) == ["u2", "a3"]
    assert found.spoken[-4:] == [
        ("user", "And the ebb?"),
        ("assistant", "One metre."),
        ("user", "And the moon?"),
        ("assistant", "Full."),
    ]
    assert found.used == [(60, 40, 0, 15), (30, 90, 0, 20), (40, 110, 0, 30), (40, 120, 0, 40)]
    assert found.session.title == "Ask for the tide."
    assert found.counts == (14, 1, 0, 0)


def test_a_rewind_to_an_unknown_message_gives_up_everything(tmp_path: Path) -> None:
    """The agent forgets all then; so all is marked."""
    found = imported(tmp_path, *LOG[:8], rewind("gone"), user("u9", "Again.", 20))
    assert on_branches(found) == ["i0", "u1", "a1", "a2"]


def test_a_message_said_again_after_a_rewind(tmp_path: Path) -> None:
    """An id that comes back is part of the conversation again."""
    found = imported(tmp_path, header(), user("u1", "Hi", 1), rewind("u1"), user("u1", "Hi", 1))
    assert on_branches(found) == []


def test_a_history_is_replaced_by_a_summary(tmp_path: Path) -> None:
    """What a new history leaves out stays; a summary is the program's, and a compaction."""
    kept = answer("a2", [{"text": "Two metres."}, {"functionCall": {"name": "glob"}}], 5)
    history = [
        user("s1", "<state_snapshot>The tide.</state_snapshot>", 20),
        answer("s2", [{"text": "Got it."}], 20, model=None),
        user("f1", result("c1", output="[masked]"), 20),
        kept,
    ]
    found = imported(
        tmp_path,
        *LOG[:8],
        patch(messages=history, lastUpdated=at(21)),
        user("u3", "And the moon?", 22),
        rewind("a2"),
    )
    assert found.spoken == [
        ("system", "Update available."),
        ("user", "How high is the tide?"),
        ("assistant", None),
        ("assistant", "Two metres."),
        ("system", "<state_snapshot>The tide.</state_snapshot>"),
        ("system", "Got it."),
        ("user", "And the moon?"),
    ]
    assert on_branches(found) == ["a2", "u3"]
    (compaction,) = found.compactions
    assert (compaction.messages_before, compaction.messages_after) == (3, 3)
    assert compaction.created_at == NOON + 21_000


def test_a_masked_history_keeps_what_was_said(tmp_path: Path) -> None:
    """Shortened copies of messages and results change nothing, and are no compaction."""
    short = {**CALLED, "content": [{"text": "[masked]"}], "toolCalls": [call("c1", "read_file", 3)]}
    found = imported(tmp_path, *LOG[:8], patch(messages=[LOG[2], short, LOG[7]]))
    assert found == imported(tmp_path / "plain", *LOG[:8])


def test_a_history_that_comes_first_is_the_conversation(tmp_path: Path) -> None:
    """Where nothing was said before, the messages of a history are the user's and the model's."""
    found = imported(tmp_path, header(messages=[LOG[2], CALLED]), LOG[7])
    assert [one.role for one in found.messages] == ["user", "assistant", "assistant"]
    assert found.used == [(60, 40, 0, 15), (30, 90, 0, 20)]
    assert found.compactions == []


def test_records_nobody_knows(tmp_path: Path) -> None:
    """What is no message, patch, rewind or header is unknown; no line costs another one."""
    found = imported(
        tmp_path,
        header(),
        {"id": "x", "type": "hologram"},
        {"$unset": "summary"},
        b'{"id": "u0", "ty',
        user("u1", "Hello", 1),
    )
    assert found.counts == (2, 0, 2, 1)
    assert found.spoken == [("user", "Hello")]


HISTORY = [user("s1", "<state_snapshot>x", 20), answer("s2", "Yes.", 20, model=None), LOG[7]]
POOL: list[Record] = [
    *LOG,
    *LOG,
    rewind("a2"),
    rewind("gone"),
    *[patch(messages=HISTORY, lastUpdated=at(21))] * 4,
    user("f1", result("c1", output="x"), 20),
    user("u5", "@tide.py", 21, displayContent=[{"text": "@tide.py"}]),
    user("u6", [{"inlineData": {"mimeType": "image/png", "data": PIXEL}}], 21),
    answer("a5", "", 22, toolCalls=[call("c3", "agent", 22, agentId="x1y2")]),
    header(kind="subagent", directories=["/home/ada"], summary="Sum", messages=HISTORY),
]


@given(lines(POOL))
@settings(max_examples=150, deadline=None)
def test_no_line_raises_and_every_line_is_counted(log: list[bytes]) -> None:
    """Each line that is not blank is in exactly one counter, whatever its bytes are."""
    with tempfile.TemporaryDirectory() as folder:
        path = chat_in(Path(folder), header(), *log)
        assert counted("gemini", path) == 1 + sum(1 for one in log if one.strip())


@given(st.lists(mutated(POOL), max_size=12), mutated([header(summary="Sum")]))
@settings(max_examples=150, deadline=None)
def test_no_document_raises(messages: list[Any], top: Any) -> None:
    """Whatever a document holds, every entry of its messages is in one counter."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{NAME}.json")
        whole = isinstance(top, dict) and "sessionId" in top
        path.write_text(json.dumps({**top, "messages": messages} if whole else top))
        batches = list(importer("gemini").read(path, Resume()))
    assert sum(one.lines for one in batches) == (len(messages) if whole else 1)


@given(st.lists(mutated(POOL), max_size=14), st.sets(st.integers(0, 20_000), max_size=4))
@settings(max_examples=60, deadline=None)
def test_read_in_steps_is_read_at_once(records: list[Any], cuts: set[int]) -> None:
    """Wherever an import finds the end of the file, the next one ends in the same rows."""
    written = b"".join(encoded(one) + b"\n" for one in [header(), *records])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = chat_in(folder)
        for cut in sorted({one % len(written) for one in cuts}):
            path.write_bytes(written[:cut])
            stored("gemini", path, folder / "steps.db")
        path.write_bytes(written)
        in_steps = stored("gemini", path, folder / "steps.db")
        at_once = stored("gemini", path, folder / "once.db")
    assert in_steps == at_once


@pytest.mark.parametrize("size", range(1, len(LOG) + 1))
def test_the_log_in_two_steps(tmp_path: Path, size: int) -> None:
    """The log of all kinds of changes gives the same rows wherever it is cut, in mid-line too."""
    database = tmp_path / "steps.db"
    stored("gemini", chat_in(tmp_path, *LOG[: size - 1], encoded(LOG[size - 1])[:-5]), database)
    in_steps = stored("gemini", chat_in(tmp_path, *LOG), database)
    assert in_steps == stored("gemini", chat_in(tmp_path, *LOG), tmp_path / "once.db")
