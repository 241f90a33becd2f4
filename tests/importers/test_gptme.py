"""gptme: conversations without ids, of which every branch was paid for."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.importers import agents, importer
from importers._mangled import lines
from importers._stored import Found, Record, encoded, stored, write_lines

NAME = "2026-06-13-measuring-tides"
NOON = 1_781_352_000_000  # 2026-06-13T12:00:00Z


@pytest.fixture(autouse=True)
def _greenwich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


def at(second: int) -> str:
    return f"2026-06-13T12:00:{second:02}.000250"


def said(role: str, words: Any, second: int, **more: Any) -> Record:
    return {"role": role, "content": words, "timestamp": at(second), **more}


def answer(words: str, second: int, **metadata: Any) -> Record:
    return said("assistant", words, second, metadata={"model": MODEL, **metadata})


def usage(fresh: int, output: int, read: int = 0, write: int = 0) -> Record:
    return {
        "input_tokens": fresh,
        "output_tokens": output,
        "cache_read_tokens": read,
        "cache_creation_tokens": write,
    }


MODEL = "anthropic/claude-sonnet-4-6"
CALL = 'I look.\n@shell(toolu_1): {"command": "ls {a,b}"}'
TALK = [
    said("system", "You are gptme.", 0, pinned=True, hide=True),
    said("user", "How high is the tide?", 1),
    answer(CALL, 3, usage=usage(3, 7, 20, 5), cost=0.25),
    said("system", "tide.csv", 4, call_id="toolu_1"),
    answer("<think>\nThe moon pulls.\n</think>\nTwo metres.", 6, usage=usage(4, 8)),
]


def folder_of(root: Path, *records: Record | bytes, name: str = NAME) -> Path:
    return write_lines(root / "logs" / name / "conversation.jsonl", records).parent


def imported(root: Path, *records: Record | bytes) -> Found:
    return stored("gptme", folder_of(root, *records), root / "clankers.db")


def test_a_conversation(tmp_path: Path) -> None:
    """The folder's name is the session, times are its messages' ids, and roles are as written."""
    found = imported(tmp_path, *TALK)
    session = found.session
    assert (session.id, session.source) == (NAME, "gptme")
    assert session.title == "How high is the tide?"
    assert (session.provider, session.model) == ("anthropic", "claude-sonnet-4-6")
    assert (session.created_at, session.updated_at) == (NOON, NOON + 6_000)
    assert found.spoken == [
        ("system", "You are gptme."),
        ("user", "How high is the tide?"),
        ("assistant", "I look."),
        ("assistant", "Two metres."),
    ]
    assert found.messages[3].thinking == "The moon pulls."
    assert found.messages[1].id == f"{NAME}:{at(1)}"
    assert not any(one.is_sidechain for one in found.messages)
    assert found.counts == (5, 0, 0, 0)


def test_usage_is_uncached_already(tmp_path: Path) -> None:
    """gptme takes the cache out of the input itself; what it calculated is what it reports."""
    found = imported(tmp_path, *TALK)
    assert found.used == [(3, 20, 5, 7), (4, 0, 0, 8)]
    assert [one.cost_reported for one in found.usage] == [250_000, None]
    assert (found.session.prompt_tokens, found.session.completion_tokens) == (32, 15)
    assert (found.messages[2].prompt_tokens, found.messages[2].completion_tokens) == (28, 7)


def test_counts_of_old_versions(tmp_path: Path) -> None:
    """They stood beside the model."""
    found = imported(tmp_path, answer("Two metres.", 1, **usage(3, 7, 20)))
    assert found.used == [(3, 20, 0, 7)]
    assert found.usage[0].raw == (
        '{"input_tokens":3,"cache_read_tokens":20,"cache_creation_tokens":0,"output_tokens":7}'
    )


def test_tool_calls(tmp_path: Path) -> None:
    """A call with an id is one, its result comes under that id; code blocks stay text."""
    found = imported(
        tmp_path,
        answer(CALL, 1),
        said("system", "Error executing tool 'shell': no such file", 2, call_id="toolu_1"),
        answer('@read(toolu_2): {"path": "tide.py"}\nThat is all.', 3),
        said("system", "tide = 2", 4, call_id="toolu_2"),
        answer("```shell\nls\n```", 5),
        said("system", "tide.py", 6),
        answer("@shell(toolu_3): {", 7),
    )
    shell, read = found.tools
    assert (shell.tool_name, shell.tool_input) == ("shell", '{"command":"ls {a,b}"}')
    assert (shell.success, shell.error_message) == (
        False,
        "Error executing tool 'shell': no such file",
    )
    assert (read.tool_name, read.file_path, read.success) == ("read", "tide.py", None)
    assert (read.message_id, read.tool_output) == (f"{NAME}:{at(3)}", '"tide = 2"')
    assert found.spoken == [
        ("assistant", "I look."),
        ("assistant", "That is all."),
        ("assistant", "```shell\nls\n```"),
        ("system", "tide.py"),
        ("assistant", "@shell(toolu_3): {"),
    ]


def test_what_was_undone_stays_and_counts(tmp_path: Path) -> None:
    """A branch shares the beginning; only what is in no other is added, in its place."""
    main = [*TALK[:2], said("user", "And the moon?", 9), answer("Full.", 11, usage=usage(5, 9))]
    folder = folder_of(tmp_path, *main)
    write_lines(folder / "branches" / "main-undo-0.jsonl", TALK)
    found = stored("gptme", folder, tmp_path / "clankers.db")
    assert [(one.text_content, one.is_sidechain) for one in found.messages] == [
        ("You are gptme.", False),
        ("How high is the tide?", False),
        ("I look.", True),
        ("Two metres.", True),
        ("And the moon?", False),
        ("Full.", False),
    ]
    assert sorted(found.used) == [(3, 20, 5, 7), (4, 0, 0, 8), (5, 0, 0, 9)]
    assert found.counts == (7, 2, 0, 0)


def test_undone_between_two_imports(tmp_path: Path) -> None:
    """The rows are those of reading the folder once; nothing counts twice."""
    imported(tmp_path, *TALK)
    folder = folder_of(tmp_path, *TALK[:2])
    write_lines(folder / "branches" / "main-undo-0.jsonl", TALK)
    later = stored("gptme", folder, tmp_path / "clankers.db")
    once = stored("gptme", folder, tmp_path / "once.db")
    assert later == once
    assert later.used == [(3, 20, 5, 7), (4, 0, 0, 8)]


def test_a_fork_counts_once(tmp_path: Path) -> None:
    """`/fork` copies the folder: the messages are in both, the responses in one."""
    folder_of(tmp_path, *TALK)
    folder_of(tmp_path, *TALK, name="another-name")
    found = stored("gptme", tmp_path / "logs", tmp_path / "clankers.db")
    assert len(found.messages) == 8
    assert found.used == [(3, 20, 5, 7), (4, 0, 0, 8)]


def test_messages_without_times_of_two_conversations(tmp_path: Path) -> None:
    """Their lines have the same numbers; what each used counts."""
    said = answer("Hi", 1, usage=usage(5, 6))
    del said["timestamp"]
    for name in ("one", "two"):
        folder_of(tmp_path, said, name=name)
    found = stored("gptme", tmp_path / "logs", tmp_path / "clankers.db")
    assert found.used == [(5, 0, 0, 6), (5, 0, 0, 6)]


def test_settings_that_are_a_link(tmp_path: Path) -> None:
    """They may lead to any file of the user's, and are not followed."""
    (tmp_path / "elsewhere").write_text('[chat]\nname = "Hunter"\n')
    folder = folder_of(tmp_path, *TALK)
    (folder / "config.toml").symlink_to(tmp_path / "elsewhere")
    found = stored("gptme", folder, tmp_path / "clankers.db")
    assert found.session.title == "How high is the tide?"


def test_what_stands_beside_it(tmp_path: Path) -> None:
    """The name, and the project: where the link leads, else what the settings say."""
    folder = folder_of(tmp_path, said("user", "hello", 1))
    chat = '[chat]\nname = "Tides"\nmodel = "openai/gpt-5"\nworkspace = "/home/ada/engine"\n'
    (folder / "config.toml").write_text(chat, "utf-8")
    session = stored("gptme", folder, tmp_path / "one.db").session
    assert (session.title, session.provider, session.model) == ("Tides", "openai", "gpt-5")
    assert (session.project_path, session.project_name) == ("/home/ada/engine", "engine")
    (folder / "workspace").symlink_to(tmp_path / "moon", target_is_directory=True)
    session = stored("gptme", folder, tmp_path / "two.db").session
    assert session.project_path == str(tmp_path / "moon")


@pytest.mark.parametrize("written", [b"\xff", b"chat = 1", b"[chat", b"[chat]\nname = 1"])
def test_damaged_settings(tmp_path: Path, written: bytes) -> None:
    """They cost the conversation nothing."""
    folder = folder_of(tmp_path, said("user", "hello", 1))
    (folder / "config.toml").write_bytes(written)
    found = stored("gptme", folder, tmp_path / "clankers.db")
    assert (found.session.title, found.session.project_path) == ("hello", None)


def test_times_are_of_the_wall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a zone a time is the one of this machine; with one it is that."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    found = imported(
        tmp_path,
        said("user", "Summer", 0),
        {**said("user", "Winter", 0), "timestamp": "2026-12-13T12:00:00"},
        {**said("user", "Named", 0), "timestamp": "2026-12-13T12:00:01+00:00"},
    )
    assert [one.created_at for one in found.messages] == [
        1_781_344_800_000,  # 2026-06-13T10:00:00Z
        1_797_159_600_000,  # 2026-12-13T11:00:00Z
        1_797_163_201_000,  # 2026-12-13T12:00:01Z
    ]


def test_times_that_are_equal_or_missing(tmp_path: Path) -> None:
    """Each message keeps a row of its own."""
    found = imported(
        tmp_path,
        said("user", "one", 1),
        said("user", "two", 1),
        {"role": "user", "content": "three"},
    )
    assert [one.native_id for one in found.messages] == [at(1), f"{at(1)}#2", "L3"]


def test_what_is_no_message(tmp_path: Path) -> None:
    """Unknown roles and damaged lines are counted, and the lines of branches after the others."""
    folder = folder_of(tmp_path, said("oracle", "?", 1), b"not json", said("user", "hi", 2))
    write_lines(folder / "branches" / "b.jsonl", [b"[1]", said("user", "hi", 2)])
    found = stored("gptme", folder, tmp_path / "clankers.db")
    assert found.counts == (1, 1, 1, 2)


@pytest.mark.parametrize("cut", [0, 40, 200, 420, 640])
def test_read_in_two_goes(tmp_path: Path, cut: int) -> None:
    """A conversation that is imported while it is written ends as if read once."""
    folder = folder_of(tmp_path)
    path = folder / "conversation.jsonl"
    whole = b"".join(encoded(one) + b"\n" for one in TALK)
    path.write_bytes(whole[:cut])
    stored("gptme", folder, tmp_path / "two.db")
    path.write_bytes(whole)
    assert stored("gptme", folder, tmp_path / "two.db") == stored(
        "gptme", folder, tmp_path / "one.db"
    )


def test_an_unchanged_folder_is_not_read_again(tmp_path: Path) -> None:
    """Nor is one whose branches are as they were; a new branch is read."""
    folder = folder_of(tmp_path, *TALK)
    imported(tmp_path, *TALK)
    assert stored("gptme", folder, tmp_path / "clankers.db").counts == (0, 0, 0, 0)
    write_lines(folder / "branches" / "tides.jsonl", TALK)
    assert stored("gptme", folder, tmp_path / "clankers.db").counts == (5, 5, 0, 0)


def test_where(tmp_path: Path) -> None:
    """`$GPTME_LOGS_HOME` alone, else the folders of each platform."""
    gptme = importer("gptme")
    assert gptme.roots({"GPTME_LOGS_HOME": "/logs"}, tmp_path) == [Path("/logs")]
    assert gptme.roots({"XDG_DATA_HOME": "/data"}, tmp_path)[0] == Path("/data/gptme/logs")
    assert gptme.roots({}, tmp_path)[0] == tmp_path / ".local/share/gptme/logs"
    folder = folder_of(tmp_path, *TALK)
    write_lines(folder / "workspace" / "conversation.jsonl", TALK)
    assert list(gptme.find(tmp_path)) == [folder]
    assert list(gptme.find(folder / "conversation.jsonl")) == [folder]


def test_it_knows_its_own(tmp_path: Path) -> None:
    """Its folder is its own and nobody else's, and other folders are not its."""
    folder = folder_of(tmp_path, *TALK)
    other = write_lines(tmp_path / "other" / "session.jsonl", [{"type": "session"}]).parent
    assert importer("gptme").recognises(folder)
    assert not importer("gptme").recognises(other)
    assert not importer("gptme").recognises(other / "session.jsonl")
    others = [importer(name) for name in agents() if name != "gptme"]
    assert [one.agent for one in others if _recognises(one, folder)] == []


def _recognises(one: Any, path: Path) -> bool:
    try:
        return bool(one.recognises(path))
    except OSError:
        return False


@given(records=lines(TALK), cut=st.integers(0, 300))
@settings(max_examples=60, deadline=None)
def test_damaged_conversations(records: list[bytes], cut: int) -> None:
    """Whatever a file holds, every line is counted once, nothing raises, and two goes make one."""
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        folder = folder_of(root, *records)
        path = folder / "conversation.jsonl"
        whole = path.read_bytes()
        once = stored("gptme", folder, root / "one.db")
        assert once.report.failures == []
        assert sum(once.counts) == sum(1 for one in records if one.strip())
        path.write_bytes(whole[:cut])
        stored("gptme", folder, root / "two.db")
        path.write_bytes(whole)
        twice = stored("gptme", folder, root / "two.db")
        assert twice.report.failures == []
        assert {one.id for one in twice.messages} >= {one.id for one in once.messages}


def test_the_fixture_of_another_tool(corpus: Path) -> None:
    """What agentsview keeps of gptme."""
    place = "multi-synthetic/agentsview-testdata/internal/parser/testdata/gptme"
    with tempfile.TemporaryDirectory() as made:
        found = stored("gptme", corpus / place, Path(made, "clankers.db"))
    assert found.session.id == "2026-06-13-write-hello-world"
    assert [one.role for one in found.messages] == [
        "system",
        "user",
        "assistant",
        "system",
        "user",
        "assistant",
        "system",
    ]
    assert found.used == [(120, 80, 0, 42), (200, 120, 0, 15)]
    assert [one.cost_reported for one in found.usage] == [1_200, 800]
    assert [one.model for one in found.usage] == ["anthropic/claude-sonnet-4-6"] * 2
    assert found.counts == (7, 0, 0, 0)
