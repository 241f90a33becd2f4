"""Gemini CLI: where chats lie, whose they are, and what many real ones come to."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clankers.importers import importer
from importers._stored import stored, write_lines
from importers.test_gemini import (
    LOG,
    NAME,
    SESSION,
    answer,
    call,
    chat_in,
    document_in,
    header,
    patch,
    tokens,
    user,
)

if TYPE_CHECKING:
    from importers._stored import Found

GEMINI = importer("gemini")
ENGINE = "/home/ada/engine"
ENGINE_HASH = hashlib.sha256(ENGINE.encode()).hexdigest()
FIXTURES = (
    "multi-synthetic/agentsview-testdata/internal/parser/testdata/gemini",
    "multi-synthetic/jazzyalex-agent-sessions/Resources/Fixtures/stage0/agents/gemini",
)


def found_below(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in map(Path, GEMINI.find(root))]


def project_of(found: Found) -> tuple[str | None, str | None]:
    return found.session.project_path, found.session.project_name


def test_roots(home: Path) -> None:
    """The variable names the agent's folder; without it, it is in the agent's or the user's home."""
    assert GEMINI.roots({}, home) == [home / ".gemini/tmp"]
    assert GEMINI.roots({"GEMINI_CLI_HOME": "/srv"}, home) == [Path("/srv/.gemini/tmp")]
    assert GEMINI.roots({"GEMINI_DIR": "/a, /b/tmp"}, home) == [Path("/a/tmp"), Path("/b/tmp")]


def test_which_files_are_chats(tmp_path: Path) -> None:
    """Chats by time, then their subagents; nothing that lies beside the chats."""
    root = tmp_path / ".gemini"
    chats = root / "tmp/engine/chats"
    late, early = "session-2025-12-02T09-00-aaaaaaaa.jsonl", "session-2025-12-01T09-00-bbbbbbbb"
    for path in (
        chats / late,
        chats / f"{early}.json",
        chats / SESSION / "x1y2.jsonl",
        root / "tmp/engine/logs.json",
        root / "tmp/engine/checkpoint-old.json",
        root / "tmp/engine/tool-outputs/session-1.jsonl",
        root / "history/engine/chats/session-2.jsonl",
        root / "settings.json",
    ):
        write_lines(path, [header()])
    write_lines(chats / "notes.json", [{"sessionId": "x"}])
    expected = [f"{early}.json", late, f"{SESSION}/x1y2.jsonl"]
    assert found_below(root) == [f"tmp/engine/chats/{name}" for name in expected]
    assert found_below(chats) == expected
    assert found_below(tmp_path) == [f".gemini/tmp/engine/chats/{name}" for name in expected]
    assert list(map(Path, GEMINI.find(chats / late))) == [chats / late]


def test_chats_that_were_put_elsewhere(tmp_path: Path) -> None:
    """In any other folder a file is a chat when it begins as one."""
    write_lines(tmp_path / "saved/tide.jsonl", [header(), user("u1", "Hello", 1)])
    write_lines(tmp_path / "saved/package.json", [{"name": "tide"}])
    write_lines(tmp_path / "saved/logs.json", [b'[{"sessionId": "x", "messageId": 0}]'])
    assert found_below(tmp_path) == ["saved/tide.jsonl"]


def test_a_resumed_document_is_read_once(tmp_path: Path) -> None:
    """A document that was copied to lines gives the same rows; only the lines go on."""
    database = tmp_path / "clankers.db"
    first = [user("u1", "How high?", 1), answer("a1", "Two.", 2, tokens=tokens(100, 0, 10))]
    document_in(tmp_path, *first)
    before = stored("gemini", tmp_path, database)
    more = [user("u2", "And now?", 9), answer("a2", "One.", 10, tokens=tokens(120, 100, 20))]
    chat_in(tmp_path, header(), *first, patch(sessionId=SESSION), *more)
    assert found_below(tmp_path) == [f"tmp/engine/chats/{NAME}.jsonl"]
    after = stored("gemini", tmp_path, database)
    assert (after.messages[:2], after.usage[:1]) == (before.messages, before.usage)
    assert [text for _role, text in after.spoken] == ["How high?", "Two.", "And now?", "One."]
    assert after.used == [(100, 0, 0, 10), (20, 100, 0, 20)]


def test_a_session_in_two_files(tmp_path: Path) -> None:
    """What a session says in a second file comes behind the first one's, and takes nothing away."""
    chat_in(tmp_path, header(), *LOG[2:8])
    later = tmp_path / "tmp/engine/chats/session-2025-12-01T12-30-8c1b0f6e.jsonl"
    write_lines(later, [header(), user("u7", "Still there?", 90), answer("a7", "Yes.", 91)])
    found = stored("gemini", tmp_path, tmp_path / "clankers.db")
    assert [one.native_id for one in found.messages] == ["u1", "a1", "a2", "u7", "a7"]
    assert (found.session.message_count, len(found.tools)) == (5, 2)


def test_only_a_changed_chat_is_read_again(tmp_path: Path) -> None:
    """Of two chats the one that grew is read, from where it was."""
    path = chat_in(tmp_path, *LOG)
    write_lines(path.with_name("session-2025-12-02T09-00-aaaaaaaa.jsonl"), [header()])
    stored("gemini", tmp_path, tmp_path / "clankers.db")
    with path.open("ab") as file:
        file.write(json.dumps(user("u9", "More", 30)).encode() + b"\n")
    report = stored("gemini", tmp_path, tmp_path / "clankers.db").report
    assert (report.read, report.unchanged, report.lines) == (1, 1, 1)


def test_subagents(tmp_path: Path) -> None:
    """A subagent's chat is a session of its own below its parent's, which the call points to."""
    started = call("c1", "codebase_investigator", 3, agentId="x1y2")
    chat_in(tmp_path, header(), answer("a1", "", 2, toolCalls=[started]))
    child = header(sessionId="x1y2", kind="subagent", directories=[ENGINE, "/tmp"])
    write_lines(
        tmp_path / "tmp/engine/chats" / SESSION / "x1y2.jsonl",
        [child, user("u1", "Find the tide.", 3), answer("a1", "Here.", 4, tokens=tokens(9, 0, 1))],
    )
    found = stored("gemini", tmp_path, tmp_path / "clankers.db")
    agent = found.sessions[f"{SESSION}:agent-x1y2"]
    assert (agent.parent_id, agent.relationship) == (SESSION, "subagent")
    assert agent.project_path == ENGINE
    assert found.tools[0].child_session_id == agent.id
    assert [one.id for one in found.usage] == [f"gemini:{agent.id}:a1"]


def test_project_by_marker(tmp_path: Path) -> None:
    """The marker beside the chats says which folder the project is."""
    path = chat_in(tmp_path, header(), user("u1", "Hi", 1))
    (path.parent.parent / ".project_root").write_text(ENGINE)
    found = stored("gemini", path, tmp_path / "clankers.db")
    assert project_of(found) == (ENGINE, "engine")


@pytest.mark.parametrize(
    "written", ["", "engine", "a\nb", f"{ENGINE}\n-----BEGIN KEY-----", "/" + "x" * 1_000]
)
def test_a_marker_that_is_no_path(tmp_path: Path, written: str) -> None:
    """Only one line with an absolute path is a project."""
    path = chat_in(tmp_path, header(), user("u1", "Hi", 1))
    (path.parent.parent / ".project_root").write_text(written)
    assert stored("gemini", path, tmp_path / "clankers.db").session.project_path is None


def test_a_marker_that_is_a_link(tmp_path: Path) -> None:
    """It may lead to any file of the user's, and is not followed."""
    path = chat_in(tmp_path, header(), user("u1", "Hi", 1))
    (tmp_path / "elsewhere").write_text(ENGINE)
    (path.parent.parent / ".project_root").symlink_to(tmp_path / "elsewhere")
    assert stored("gemini", path, tmp_path / "clankers.db").session.project_path is None


def test_project_by_registry(tmp_path: Path) -> None:
    """The registry has the short name of each folder."""
    path = chat_in(tmp_path, header(), user("u1", "Hi", 1))
    (tmp_path / "projects.json").write_text(json.dumps({"projects": {"/srv/tide": "engine"}}))
    found = stored("gemini", path, tmp_path / "clankers.db")
    assert project_of(found) == ("/srv/tide", "tide")


def test_project_by_hash(tmp_path: Path) -> None:
    """Old versions name a folder by the hash of its path: a trusted folder may have it."""
    chats = tmp_path / "tmp" / ENGINE_HASH / "chats"
    path = write_lines(chats / f"{NAME}.jsonl", [header(projectHash=ENGINE_HASH)])
    trusted = {"/home": "TRUST_FOLDER", ENGINE: "TRUST_FOLDER"}
    (tmp_path / "trustedFolders.json").write_text(json.dumps(trusted))
    found = stored("gemini", path, tmp_path / "clankers.db")
    assert project_of(found) == (ENGINE, "engine")


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_project_by_what_tools_were_given(tmp_path: Path, suffix: str) -> None:
    """A folder above a path that a tool was given is the project when its hash says so."""
    top = header(projectHash=ENGINE_HASH)
    calls = [{**call("c1", "glob", 2), "args": {"path": f"{ENGINE}/src/tide.py", "n": 1}}]
    said = answer("a1", "", 2, toolCalls=calls, tokens=tokens(9, 0, 1))
    path = tmp_path / ENGINE_HASH / "chats" / f"{NAME}{suffix}"
    records = [{**top, "messages": [said]}] if suffix == ".json" else [top, said]
    found = stored("gemini", write_lines(path, records), tmp_path / "clankers.db")
    assert project_of(found) == (ENGINE, "engine")
    assert found.usage[0].project_path == ENGINE


def test_a_header_that_comes_late(tmp_path: Path) -> None:
    """The hash is tried from then on, in the same reading as in a later one."""
    calls = [{**call("c1", "glob", 2), "args": {"path": f"{ENGINE}/tide.py"}}]
    said = [answer(name, "", 2, toolCalls=calls) for name in ("a1", "a2")]
    top = header(projectHash=ENGINE_HASH)
    path = write_lines(tmp_path / "chats" / f"{NAME}.jsonl", [said[0], top, said[1]])
    found = stored("gemini", path, tmp_path / "clankers.db")
    assert project_of(found) == (ENGINE, "engine")


def test_a_project_nobody_knows(tmp_path: Path) -> None:
    """A hash is no name; a short name is all there may be to say. Broken registries say nothing."""
    (tmp_path / "projects.json").write_text("{")
    (tmp_path / "trustedFolders.json").write_text("[1]")
    hashed = tmp_path / "tmp" / ENGINE_HASH / "chats" / f"{NAME}.jsonl"
    write_lines(hashed, [header(projectHash=ENGINE_HASH)])
    assert project_of(stored("gemini", hashed, tmp_path / "a.db")) == (None, None)
    named = chat_in(tmp_path, header())
    assert project_of(stored("gemini", named, tmp_path / "b.db")) == (None, "engine")


def test_a_chat_without_its_header(tmp_path: Path) -> None:
    """The session gets an id of its place, the same in every import."""
    path = chat_in(tmp_path, user("u1", "Hi", 1))
    found = stored("gemini", path, tmp_path / "clankers.db")
    assert found.session.id != SESSION
    assert found.spoken == [("user", "Hi")]
    assert stored("gemini", path, tmp_path / "other.db") == found


def test_other_agents_files_are_not_recognised(corpus: Path) -> None:
    """Of all transcripts only those of this agent begin as its chats do."""
    taken = {
        path.relative_to(corpus).parts[0]
        for path in corpus.rglob("*.json*")
        if GEMINI.recognises(path) and "gemini" not in path.parts
    }
    assert taken == set()


def test_real_chats(corpus: Path, tmp_path: Path) -> None:
    """Of every file tokens, messages, calls, failures, models and the session are the counter's.

    The counter's messages are of all kinds, of which errors are kept apart here; its input
    includes what was cached, its output leaves the thoughts out.
    """
    truths = json.loads((corpus / "expected.json").read_text("utf-8"))["files"]
    compared = 0
    for path in map(Path, GEMINI.find(corpus / "gemini")):
        truth = truths[path.relative_to(corpus).as_posix()]
        found = stored("gemini", path, tmp_path / f"{compared}.db")
        expected = Counter(truth["tokens"])
        assert found.session.id == truth["session"]
        assert len(found.messages) + len(found.errors) == truth["messages"]
        assert len(found.errors) == truth["types"].get("error", 0)
        assert len(found.tools) == truth["tool_calls"]
        assert sum(one.success is False for one in found.tools) == truth["tool_errors"]
        used = found.usage
        assert sum(one.input_tokens + one.cache_read_tokens for one in used) == (
            expected["input"] + expected["tool"]
        )
        assert sum(one.cache_read_tokens for one in used) == expected["cached"]
        assert sum(one.reasoning_tokens for one in used) == expected["thoughts"]
        assert sum(one.output_tokens for one in used) == expected["output"] + expected["thoughts"]
        answers = Counter(one.model for one in found.messages if one.role == "assistant")
        assert answers == truth["models"]
        assert found.counts[2:] == (0, 0)
        if "lines" in truth:
            assert sum(found.counts) == truth["lines"]
        compared += 1
        os.unlink(tmp_path / f"{compared - 1}.db")
    assert compared == 68


def test_all_real_chats_together(corpus: Path, tmp_path: Path) -> None:
    """Sessions that are spread over files are one; nothing is counted twice or lost."""
    sources = json.loads((corpus / "expected.json").read_text("utf-8"))["sources"]
    found = stored("gemini", corpus / "gemini/m-gemini", tmp_path / "clankers.db")
    truth = sources["gemini/m-gemini"]
    assert (found.report.files, len(found.sessions)) == (67, 63)
    assert len(found.messages) + len(found.errors) == truth["messages"]
    assert len(found.tools) == truth["tool_calls"]
    prompt = sum(one.prompt_tokens or 0 for one in found.sessions.values())
    completion = sum(one.completion_tokens or 0 for one in found.sessions.values())
    assert prompt + completion == truth["tokens"]["total"]


@pytest.mark.parametrize("folder", FIXTURES)
def test_no_record_of_other_collections_is_lost(corpus: Path, tmp_path: Path, folder: str) -> None:
    """Fixtures of other tools: every chat is found, and no record of it is unknown."""
    found = stored("gemini", corpus / folder, tmp_path / "clankers.db")
    assert len(found.report.failures) == 0
    assert found.report.files == {FIXTURES[0]: 5, FIXTURES[1]: 3}[folder]
    assert found.counts[2:] == (0, 0)
