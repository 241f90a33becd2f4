"""pi: trees of entries, of which one branch is the conversation and all were paid for."""

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

SESSION = "5f0c1a2b-0000-4000-8000-000000000001"
FORK = "5f0c1a2b-0000-4000-8000-000000000002"
NAME = f"2025-12-01T10-00-00-000Z_{SESSION}.jsonl"
NOON = 1_764_590_400_000  # 2025-12-01T12:00:00Z
PIXEL = base64.b64encode(b"a picture").decode()


def at(second: int) -> str:
    return f"2025-12-01T12:{second // 60:02}:{second % 60:02}.000Z"


def header(session: str = SESSION, second: int = 0, **more: Any) -> Record:
    return {
        "type": "session",
        "version": 3,
        "id": session,
        "timestamp": at(second),
        "cwd": "/home/ada/engine",
        **more,
    }


def entry(kind: str, name: str, parent: str | None, second: int, /, **more: Any) -> Record:
    return {"type": kind, "id": name, "parentId": parent, "timestamp": at(second), **more}


def message(
    role: str, words: Any, name: str, parent: str | None, second: int, **more: Any
) -> Record:
    content = [{"type": "text", "text": words}] if isinstance(words, str) else words
    said = {"role": role, "content": content, "timestamp": NOON + second * 1000, **more}
    return entry("message", name, parent, second, message=said)


def answer(words: Any, name: str, parent: str | None, second: int, **more: Any) -> Record:
    said = {"provider": "anthropic", "model": "claude-sonnet-4-5", "stopReason": "stop", **more}
    return message("assistant", words, name, parent, second, **said)


def usage(fresh: int, output: int, read: int = 0, write: int = 0, cost: float = 0) -> Record:
    return {
        "input": fresh,
        "output": output,
        "cacheRead": read,
        "cacheWrite": write,
        "totalTokens": fresh + output + read + write,
        "cost": {"input": 0, "output": 0, "total": cost},
    }


# A question, an answer that was left, and another one from the same question.
TREE = [
    header(),
    message("user", "How high is the tide?", "a1", None, 1),
    answer("Two metres.", "a2", "a1", 3, usage=usage(3, 7, read=20, cost=0.25)),
    message("user", "And the ebb?", "a3", "a2", 5),
    answer("One metre.", "a4", "a3", 7, usage=usage(4, 8)),
    message("user", "And the moon?", "b3", "a2", 9),
    answer("Full.", "b4", "b3", 11, usage=usage(5, 9)),
]


def imported(folder: Path, *records: Record | bytes, name: str = NAME) -> Found:
    path = write_lines(folder / "sessions/--home-ada-engine--" / name, records)
    return stored("pi", path, folder / "clankers.db")


def test_a_conversation(tmp_path: Path) -> None:
    """Header, prompts, thoughts, answers and their models become the session as it was."""
    thinking = [
        {"type": "thinking", "thinking": "The moon pulls.", "thinkingSignature": "x"},
        {"type": "text", "text": "Two metres."},
    ]
    found = imported(
        tmp_path,
        header(),
        entry("model_change", "m1", None, 0, provider="openai", modelId="gpt-5"),
        message("user", "How high is the tide?", "a1", "m1", 1),
        answer(thinking, "a2", "a1", 3, usage=usage(3, 7, 20, 5, 0.25)),
    )
    session = found.session
    assert (session.id, session.title, session.source) == (SESSION, "How high is the tide?", "pi")
    assert (session.project_path, session.project_name) == ("/home/ada/engine", "engine")
    assert (session.provider, session.model) == ("anthropic", "claude-sonnet-4-5")
    assert (session.created_at, session.updated_at) == (NOON, NOON + 3_000)
    assert (session.prompt_tokens, session.completion_tokens, session.cost) == (28, 7, 0.25)
    assert found.spoken == [("user", "How high is the tide?"), ("assistant", "Two metres.")]
    spoken = found.messages[1]
    assert (spoken.id, spoken.native_id, spoken.parent_native_id) == (f"{SESSION}:a2", "a2", "a1")
    assert spoken.thinking == "The moon pulls."
    (used,) = found.usage
    assert found.used == [(3, 20, 5, 7)]
    assert (used.cost_reported, used.provider, used.model) == (
        250_000,
        "anthropic",
        "claude-sonnet-4-5",
    )
    assert used.message_id == f"{SESSION}:a2"
    assert json.loads(used.raw or "")["totalTokens"] == 35


def test_tool_calls_are_joined_with_their_results(tmp_path: Path) -> None:
    """A call and its result are one row, failed where pi says so."""
    calls = [
        {"type": "toolCall", "id": "t1", "name": "read", "arguments": {"path": "tide.py"}},
        {"type": "toolCall", "id": "t2", "name": "bash", "arguments": {"command": "make"}},
    ]
    found = imported(
        tmp_path,
        header(),
        answer(calls, "a1", None, 1),
        message("toolResult", "tide = 2", "a2", "a1", 2, toolCallId="t1", isError=False),
        message("toolResult", "No rule.", "a3", "a2", 3, toolCallId="t2", isError=True),
    )
    read, make = found.tools
    assert (read.tool_name, read.file_path, read.success) == ("read", "tide.py", True)
    assert (read.message_id, read.tool_output) == (f"{SESSION}:a1", '"tide = 2"')
    assert (make.success, make.error_message) == (False, "No rule.")
    (spoken,) = found.messages
    assert (spoken.seq or 0) < (read.seq or 0) < (make.seq or 0)


def test_images_are_attachments(tmp_path: Path) -> None:
    """A picture in a prompt or a result is stored once, and referred to."""
    picture = {"type": "image", "data": PIXEL, "mimeType": "image/png"}
    found = imported(
        tmp_path,
        header(),
        message("user", [{"type": "text", "text": "What is it?"}, picture], "a1", None, 1),
        message("toolResult", [picture], "a2", "a1", 2, toolCallId="t1", toolName="read"),
    )
    digest = hashlib.sha256(b"a picture").hexdigest()
    reference = {"type": "image", "attachment": digest, "media_type": "image/png"}
    assert json.loads(found.messages[0].content or "") == [{"type": "text"}, reference]
    assert json.loads(found.tools[0].tool_output or "") == [reference]


def test_what_the_user_ran_and_what_was_injected(tmp_path: Path) -> None:
    """A `!` command is the user's, with its call; what extensions and summaries say is not."""
    ran = {"command": "make tide", "output": "done", "exitCode": 2, "cancelled": False}
    found = imported(
        tmp_path,
        header(),
        entry("message", "a1", None, 1, message={"role": "bashExecution", **ran}),
        entry("custom_message", "a2", "a1", 2, customType="x", content="Mind the ebb."),
        entry("branch_summary", "a3", "a2", 3, fromId="a1", summary="We came back."),
        entry("compaction", "a4", "a3", 4, summary="Tides.", tokensBefore=5000, usage=usage(9, 4)),
    )
    assert found.spoken == [
        ("user", "!make tide"),
        ("system", "Mind the ebb."),
        ("system", "We came back."),
        ("system", "Tides."),
    ]
    (tool,) = found.tools
    assert (tool.tool_name, tool.success, tool.message_id) == ("bash", False, f"{SESSION}:a1")
    assert [one.tokens_before for one in found.compactions] == [5000]
    assert found.used == [(9, 0, 0, 4)]


def test_names_errors_and_aborts(tmp_path: Path) -> None:
    """The last name given stands; answers that failed or were stopped are errors of the session."""
    found = imported(
        tmp_path,
        header(),
        entry("session_info", "a1", None, 1, name="Tide"),
        answer([], "a2", "a1", 2, stopReason="aborted", errorMessage="Request was aborted"),
        answer([], "a3", "a2", 3, stopReason="error", errorMessage="529 overloaded"),
        entry("session_info", "a4", "a3", 4, name="The tide"),
    )
    assert found.session.title == "The tide"
    assert [(one.error_type, one.error_message) for one in found.errors] == [
        ("aborted", "Request was aborted"),
        ("error", "529 overloaded"),
    ]
    assert found.usage == []


def test_the_last_entry_tells_which_branch_is_the_conversation(tmp_path: Path) -> None:
    """What is on no way to the last entry is a sidechain; what it cost still counts."""
    found = imported(tmp_path, *TREE)
    assert {one.native_id: one.is_sidechain for one in found.messages} == {
        "a1": False,
        "a2": False,
        "a3": True,
        "a4": True,
        "b3": False,
        "b4": False,
    }
    assert found.used == [(3, 20, 0, 7), (4, 0, 0, 8), (5, 0, 0, 9)]


def test_a_branch_that_is_left_after_it_was_imported(tmp_path: Path) -> None:
    """Messages change sides when the file grows, both ways."""
    path = tmp_path / NAME
    for records, aside in [
        (TREE[:5], []),
        (TREE, ["a3", "a4"]),
        ([*TREE, message("user", "Back.", "a5", "a4", 20)], ["b3", "b4"]),
    ]:
        write_lines(path, records)
        found = stored("pi", path, tmp_path / "clankers.db")
        assert [one.native_id for one in found.messages if one.is_sidechain] == aside


def test_an_entry_whose_parent_is_missing_goes_on_from_the_one_before(tmp_path: Path) -> None:
    """A damaged line must not put everything before it on a sidechain."""
    found = imported(
        tmp_path,
        header(),
        message("user", "One", "a1", None, 1),
        b'{"type":"message","id":"a2"',
        message("user", "Three", "a3", "a2", 3),
    )
    assert [one.is_sidechain for one in found.messages] == [False, False]
    assert found.counts == (3, 0, 0, 1)


def test_a_fork_counts_what_it_copied_once(tmp_path: Path) -> None:
    """Copied answers belong to the parent, whichever file is read first."""
    parent = f"/home/ada/.pi/agent/sessions/--home-ada-engine--/{NAME}"
    sessions = tmp_path / "sessions"
    write_lines(
        # Named so that it comes before its parent.
        sessions / f"2025-11-01T10-00-00-000Z_{FORK}.jsonl",
        [
            header(FORK, 60, parentSession=parent),
            *TREE[1:3],
            answer("New.", "f1", "a2", 61, usage=usage(1, 2)),
        ],
    )
    write_lines(sessions / NAME, TREE)
    found = stored("pi", sessions, tmp_path / "clankers.db")
    fork = found.sessions[FORK]
    assert (fork.parent_id, fork.relationship) == (SESSION, "fork")
    assert fork.created_at == NOON + 60_000
    assert (fork.prompt_tokens, fork.completion_tokens) == (1, 2)
    assert found.sessions[SESSION].completion_tokens == 7 + 8 + 9
    assert [one.native_id for one in found.messages if one.session_id == FORK] == ["a1", "a2", "f1"]


def test_old_forks_are_stamped_anew(tmp_path: Path) -> None:
    """Entries of the first format have no ids; a fork wrote them again with its own time."""
    first = [{k: v for k, v in one.items() if k not in ("id", "parentId")} for one in TREE[1:3]]
    again = [{**one, "timestamp": at(99)} for one in first]
    sessions = tmp_path / "sessions"
    old = {key: value for key, value in header().items() if key != "version"}
    branch = {**old, "id": FORK, "timestamp": at(99), "branchedFrom": f"/x/{NAME}"}
    write_lines(sessions / NAME, [old, *first])
    write_lines(sessions / f"2025-12-01T12-01-39-000Z_{FORK}.jsonl", [branch, *again])
    found = stored("pi", sessions, tmp_path / "clankers.db")
    assert found.used == [(3, 20, 0, 7)]
    assert found.usage[0].session_id == SESSION
    assert [one.native_id for one in found.messages] == ["line-2", "line-3"] * 2


def test_a_session_that_another_one_only_led_to(tmp_path: Path) -> None:
    """A parent of which nothing was copied is one that this session continues."""
    parent = f"/home/ada/.pi/agent/sessions/x/{NAME}"
    found = imported(
        tmp_path, header(FORK, parentSession=parent), message("user", "Go on", "a1", None, 1)
    )
    assert (found.session.parent_id, found.session.relationship) == (SESSION, "continuation")


def test_where_sessions_are(tmp_path: Path, home: Path) -> None:
    """pi's own variable and the one of other readers name the folder above `sessions`."""
    pi = importer("pi")
    assert pi.roots({}, home) == [home / ".pi/agent/sessions", home / ".omp/agent/sessions"]
    assert pi.roots({"PI_CODING_AGENT_DIR": "/x"}, home) == [Path("/x/sessions")]
    assert pi.roots({"PI_AGENT_DIR": "/y"}, home) == [Path("/y/sessions")]


def test_what_is_found_and_recognised(tmp_path: Path) -> None:
    """Sessions below any folder, by name or by their header; not those of OpenClaw."""
    pi = importer("pi")
    named = write_lines(tmp_path / "b" / NAME, [])
    sniffed = write_lines(tmp_path / "a/worker.jsonl", TREE)
    # Another agent's header, which tells its time by another name.
    session = {"type": "session", "id": "x", "cwd": "/", "createdAt": NOON}
    other = write_lines(tmp_path / "a/other.jsonl", [session])
    claw = write_lines(tmp_path / ".openclaw/agents/main/sessions/x.jsonl", TREE)
    assert list(map(Path, pi.find(tmp_path))) == [sniffed, named]
    assert list(map(Path, pi.find(other))) == [other]
    assert [pi.recognises(one) for one in (sniffed, other, claw)] == [True, False, False]


def test_only_a_file_that_changed_is_read(tmp_path: Path) -> None:
    """Of two sessions the one that grew is read again."""
    sessions = tmp_path / "sessions"
    path = write_lines(sessions / NAME, TREE)
    write_lines(sessions / f"2025-12-01T10-00-00-000Z_{FORK}.jsonl", [header(FORK)])
    assert stored("pi", sessions, tmp_path / "clankers.db").report.new == 2
    with path.open("ab") as file:
        file.write(encoded(message("user", "More", "b5", "b4", 20)) + b"\n")
    report = stored("pi", sessions, tmp_path / "clankers.db").report
    assert (report.updated, report.unchanged, report.read) == (1, 1, 1)


def test_real_sessions(corpus: Path, tmp_path: Path) -> None:
    """Tokens, costs, calls and lines equal what another counter found."""
    expected = json.loads((corpus / "expected.json").read_text())["files"]
    paths = list(map(Path, importer("pi").find(corpus / "pi")))
    assert len(paths) == 1
    for number, path in enumerate(paths):
        truth = expected[path.relative_to(corpus).as_posix()]
        found = stored("pi", path, tmp_path / f"{number}.db")
        assert sum(found.counts) == truth["lines"]
        assert found.counts[2:] == (0, truth["malformed"])
        roles = [one.role for one in found.messages]
        assert roles.count("assistant") == truth["roles"]["assistant"]
        assert roles.count("user") == truth["roles"]["user"]
        assert len(found.tools) == truth["tool_calls"]
        failed = [one for one in found.tools if one.success is False]
        assert len(failed) == truth["tool_result_errors"]
        said = truth["usage"]
        sums = tuple(sum(column) for column in zip(*found.used, strict=True))
        assert sums == (said["input"], said["cacheRead"], said["cacheWrite"], said["output"])
        cost = sum(one.cost_reported or 0 for one in found.usage) / 1_000_000
        assert cost == pytest.approx(said["cost"], abs=0.0005)


def test_other_collections(corpus: Path, tmp_path: Path) -> None:
    """Every line of other tools' fixtures is accounted for."""
    for number, path in enumerate(map(Path, importer("pi").find(corpus / "multi-synthetic"))):
        found = stored("pi", path, tmp_path / f"{number}.db")
        present = [one for one in path.read_bytes().splitlines() if one.strip()]
        assert sum(found.counts) == len(present)
        assert found.used


POOL: list[Record] = [
    *TREE,
    entry("model_change", "m1", "a1", 0, provider="openai", modelId="gpt-5"),
    answer(
        [
            {"type": "thinking", "thinking": "Hm"},
            {"type": "toolCall", "id": "t1", "name": "bash", "arguments": {"command": "ls"}},
            {"type": "image", "data": PIXEL, "mimeType": "image/png"},
        ],
        "c1",
        "a1",
        9,
        usage={**usage(1, 2, 3, 4, 0.5), "cache": {"read": 1, "write": 2}, "reasoning": 1},
    ),
    message("toolResult", "out", "c2", "c1", 10, toolCallId="t1", toolName="x", isError=True),
    message("toolResult", "out", "c3", "c1", 10, toolCallId="t1", isError=False),
    message(
        "bashExecution", None, "c4", "c3", 11, command="ls", output="x", exitCode=0, cancelled=True
    ),
    message("custom", "x", "c5", "c4", 12),
    message("compactionSummary", None, "c6", "c5", 12, summary="x"),
    entry("compaction", "c7", "c6", 13, summary="x", tokensBefore=5, usage=usage(1, 2)),
    entry("branch_summary", "c8", "c7", 14, summary="x"),
    entry("custom_message", "c9", "c8", 15, content=[{"type": "text", "text": "x"}]),
    entry("session_info", "d1", "c9", 16, name="Named"),
    entry("label", "d2", "d1", 16, targetId="a1", label="x"),
    answer("x", "d3", "d2", 17, stopReason="error", errorMessage="No"),
]


HEADERS: list[Record] = [
    TREE[0],
    header(FORK, 60, parentSession=f"/x/{NAME}", title="Tide"),
    header(FORK, branchedFrom=NAME),
]


@pytest.mark.parametrize("given_", [{}, {"id": ""}, {"id": 5}])
def test_a_call_without_an_id(tmp_path: Path, given_: Record) -> None:
    """It is known by its message and its place in there."""
    made = {"type": "toolCall", "name": "bash", "arguments": {"command": "ls"}, **given_}
    path = write_lines(tmp_path / NAME, [header(), answer([made, made], "a1", None, 1)])
    found = stored("pi", path, tmp_path / "clankers.db")
    assert [(one.id, one.tool_name) for one in found.tools] == [
        (f"{SESSION}:a1-0", "bash"),
        (f"{SESSION}:a1-1", "bash"),
    ]


def test_calls_that_a_provider_counts_anew(tmp_path: Path) -> None:
    """Each message has its own, and results go to the latest."""
    records = [header()]
    for second in (1, 3):
        made = {"type": "toolCall", "id": "call_0", "name": "bash", "arguments": {"n": second}}
        records.append(answer([made], f"a{second}", None, second))
        back = message("toolResult", f"out {second}", f"r{second}", None, second + 1)
        back["message"].update(toolCallId="call_0", isError=False)
        records.append(back)
    path = write_lines(tmp_path / NAME, records)
    found = stored("pi", path, tmp_path / "clankers.db")
    assert [(one.id, one.tool_input, one.tool_output) for one in found.tools] == [
        (f"{SESSION}:call_0", '{"n":1}', '"out 1"'),
        (f"{SESSION}:call_0#2", '{"n":3}', '"out 3"'),
    ]


@given(mutated(HEADERS), lines(POOL))
@settings(max_examples=150, deadline=None)
def test_no_line_raises_and_every_line_is_counted(first: Any, written: list[bytes]) -> None:
    """Each line that is not blank is in exactly one counter, whatever it says."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_lines(Path(folder) / NAME, [encoded(first), *written])
        assert counted("pi", path) == 1 + sum(1 for one in written if one.strip())


@given(st.sampled_from(HEADERS), lines(POOL), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_file_read_in_two_goes_gives_the_same_rows(
    first: Record, written: list[bytes], cut: float
) -> None:
    """Wherever a reading stopped, in a line too, the next one ends as if there had been one."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_lines(Path(folder) / NAME, [first, *written])
        whole = path.read_bytes()
        at_once = stored("pi", path, Path(folder) / "once.db")
        path.write_bytes(whole[: round(len(whole) * cut)])
        stored("pi", path, Path(folder) / "twice.db")
        path.write_bytes(whole)
        assert stored("pi", path, Path(folder) / "twice.db") == at_once
