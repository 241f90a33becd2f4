"""Where sessions of Copilot CLI are found, how they grow, and real ones."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.importers import importer
from importers._mangled import lines
from importers._stored import Record, counted, encoded, stored, write_lines

from ._events import SESSION, answer, event, metric, place, shutdown, start

OTHER = "7d0c1a2b-0000-4000-8000-000000000002"


def test_where_sessions_are(home: Path) -> None:
    """Copilot's own variable and the one of other readers name its folder."""
    copilot = importer("copilot")
    assert copilot.roots({}, home) == [home / ".copilot/session-state"]
    assert copilot.roots({"COPILOT_HOME": "/x"}, home) == [Path("/x/session-state")]
    assert copilot.roots({"COPILOT_DIR": "/y"}, home) == [Path("/y/session-state")]


def test_the_folder_of_a_session_is_preferred(tmp_path: Path) -> None:
    """A flat file of the same session says less; what a session's folder holds else is none."""
    state = tmp_path / ".copilot/session-state"
    nested = write_lines(state / SESSION / "events.jsonl", [start()])
    write_lines(state / SESSION / "files/notes.jsonl", [start()])
    write_lines(state / f"{SESSION}.jsonl", [start()])
    flat = write_lines(state / f"{OTHER}.jsonl", [])
    assert list(map(Path, importer("copilot").find(tmp_path))) == [flat, nested]
    assert list(map(Path, importer("copilot").find(flat))) == [flat]


def test_what_is_recognised(tmp_path: Path) -> None:
    """Files elsewhere are told by their events; those of other agents are not taken."""
    copilot = importer("copilot")
    sniffed = write_lines(tmp_path / "saved.jsonl", [start()])
    other = write_lines(tmp_path / "other.jsonl", [{"type": "session", "id": "x", "cwd": "/"}])
    assert list(map(Path, copilot.find(tmp_path))) == [sniffed]
    assert [copilot.recognises(one) for one in (sniffed, other, tmp_path)] == [True, False, False]


def test_whose_id_it_is(tmp_path: Path) -> None:
    """A session is named by its file; where that is no id, by its first event."""
    named = write_lines(place(tmp_path), [start(OTHER)])
    assert list(stored("copilot", named, tmp_path / "1.db").sessions) == [SESSION]
    saved = write_lines(tmp_path / "saved.jsonl", [start(OTHER)])
    assert list(stored("copilot", saved, tmp_path / "2.db").sessions) == [OTHER]
    headless = write_lines(tmp_path / "cut.jsonl", [answer(1, "Hello")])
    assert list(stored("copilot", headless, tmp_path / "3.db").sessions) == ["cut"]


def test_only_what_was_added_is_read(tmp_path: Path) -> None:
    """A session that grew is read on from where it was; another one is left alone."""
    path = write_lines(place(tmp_path), [start(), answer(1, "One", 5)])
    write_lines(place(tmp_path, OTHER), [start(OTHER)])
    assert stored("copilot", tmp_path, tmp_path / "clankers.db").report.lines == 3
    with path.open("ab") as file:
        file.write(encoded(shutdown(9, {"m": metric(10, 5)})) + b"\n")
    found = stored("copilot", tmp_path, tmp_path / "clankers.db")
    assert (found.report.unchanged, found.report.lines) == (1, 1)
    assert found.used == [(10, 0, 0, 5)]


def test_real_sessions(corpus: Path, tmp_path: Path) -> None:
    """Tokens, calls, messages and lines equal what another counter found."""
    expected = json.loads((corpus / "expected.json").read_text())["files"]
    paths = list(map(Path, importer("copilot").find(corpus / "copilot")))
    assert len(paths) == 1
    for number, path in enumerate(paths):
        truth = expected[path.relative_to(corpus).as_posix()]
        found = stored("copilot", path, tmp_path / f"{number}.db")
        assert list(found.sessions) == [truth["session"]]
        assert sum(found.counts) == truth["lines"]
        assert found.counts[2:] == (0, truth["malformed"])
        roles = [one.role for one in found.messages]
        assert roles.count("assistant") == truth["assistant_messages"]
        # One prompt was not typed: the autopilot went on by itself.
        typed, injected = roles.count("user"), 1
        assert typed + injected == truth["user_messages"]
        assert roles.count("system") == truth["types"]["system.message"] + injected
        assert len(found.tools) == truth["tool_starts"]
        assert sum(one.success is False for one in found.tools) == truth["tool_failures"]
        (models,) = truth["shutdown_model_metrics"]
        assert {one.model: used for one, used in zip(found.usage, found.used, strict=True)} == {
            model: (
                said["usage"]["inputTokens"]
                - said["usage"]["cacheReadTokens"]
                - said["usage"]["cacheWriteTokens"],
                said["usage"]["cacheReadTokens"],
                said["usage"]["cacheWriteTokens"],
                said["usage"]["outputTokens"],
            )
            for model, said in models.items()
        }
        assert found.session.completion_tokens == truth["output_tokens"]


def test_other_collections(corpus: Path, tmp_path: Path) -> None:
    """Other tools' fixtures: every line is known, and no other agent's file is taken."""
    paths = list(map(Path, importer("copilot").find(corpus / "multi-synthetic")))
    assert len(paths) == 4
    for number, path in enumerate(paths):
        found = stored("copilot", path, tmp_path / f"{number}.db")
        present = [one for one in path.read_bytes().splitlines() if one.strip()]
        assert sum(found.counts) == len(present)
        assert found.counts[2:] == (0, 0)


CALL = {"toolCallId": "t1", "name": "bash", "arguments": {"command": "ls"}}
BLOB = {"type": "blob", "data": "AAAA", "mimeType": "image/png", "assetId": "sha256:1"}
POOL: list[Record] = [
    start(selectedModel="gpt-5"),
    event("user.message", 1, content="Hello", attachments=[BLOB, {"type": "file", "path": "/x"}]),
    event("user.message", 2, content="", transformedContent="x", source="skill-x"),
    answer(3, "Hi", 5, toolRequests=[CALL], reasoningText="Hm", apiCallId="r", model="gpt-5"),
    answer(4, "Ho", 7, apiCallId="r", parentToolCallId="t1"),
    event("assistant.reasoning", 4, content="Hm"),
    event("tool.execution_start", 5, toolCallId="t1", toolName="bash", arguments="{}"),
    event(
        "tool.execution_complete",
        6,
        toolCallId="t1",
        success=True,
        result={"content": "x", "binaryResultsForLlm": [BLOB]},
    ),
    event("tool.execution_complete", 7, toolCallId="t1", success=False, error={"message": "No"}),
    event("session.binary_asset", 8, **BLOB),
    event("session.model_change", 8, newModel="gpt-5"),
    event("session.title_changed", 8, title="Tide"),
    event("session.error", 9, errorType="query", message="No"),
    event("abort", 9, reason="x"),
    event(
        "session.compaction_complete",
        10,
        success=True,
        preCompactionTokens=9,
        preCompactionMessagesLength=3,
        messagesRemoved=1,
        summaryContent="x",
    ),
    event("session.truncation", 11, preTruncationTokensInMessages=5),
    event("session.context_changed", 11, cwd="/y", branch="b"),
    event("session.mode_changed", 11, newMode="plan"),
    event("session.resume", 12, context={"cwd": "/y"}),
    shutdown(13, {"m": metric(9, 5, 1, 1, 1, totalNanoAiu=10**9)}, totalNanoAiu=10**9),
    shutdown(14, {"m": metric(19, 9, 2, 2, 2), "n": {"requests": 1}}, errorReason="x"),
    shutdown(15, {"m": {}}, tokenDetails={"input": {"tokenCount": 5}, "output": {"tokenCount": 1}}),
    event("hook.start", 16),
]


@given(lines(POOL))
@settings(max_examples=150, deadline=None)
def test_no_line_raises_and_every_line_is_counted(written: list[bytes]) -> None:
    """Each line that is not blank is in exactly one counter, whatever it says."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_lines(place(Path(folder)), written)
        assert counted("copilot", path) == sum(1 for one in written if one.strip())


@given(lines(POOL), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_file_read_in_two_goes_gives_the_same_rows(written: list[bytes], cut: float) -> None:
    """Wherever a reading stopped, in a line too, the next one goes on as if there had been one."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_lines(place(Path(folder)), [encoded(POOL[0]), *written])
        whole = path.read_bytes()
        at_once = stored("copilot", path, Path(folder) / "once.db")
        with path.open("r+b") as file:
            file.truncate(round(len(whole) * cut))
        stored("copilot", path, Path(folder) / "twice.db")
        with path.open("ab") as file:
            file.write(whole[round(len(whole) * cut) :])
        assert stored("copilot", path, Path(folder) / "twice.db") == at_once
