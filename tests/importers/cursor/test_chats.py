"""The command line's conversations, each in a database of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from clankers.errors import ImporterError

from ._stores import (
    NOON,
    OTHER,
    SESSION,
    Blobs,
    Record,
    answered,
    call,
    chat,
    counted,
    everything,
    field,
    result,
    text,
    typed,
)

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.importers import Batch


def read(home: Path, *messages: Record, **meta: str) -> Batch:
    blobs = Blobs()
    return everything(chat(home, SESSION, blobs, blobs.state(*messages), **meta))


def test_a_conversation(home: Path) -> None:
    """Messages are those below the root, under the names of their blobs."""
    blobs = Blobs()
    thought = {"type": "reasoning", "text": "It is the moon."}
    prompt, answer = typed("How high?"), answered(thought, text("Two metres.", "claude-5"))
    root = blobs.state({"role": "system", "content": "Be brief."}, prompt, answer)
    found = everything(chat(home, SESSION, blobs, root))

    assert [(one.role, one.text_content, one.thinking) for one in found.messages] == [
        ("system", "Be brief.", None),
        ("user", "How high?", None),
        ("assistant", "Two metres.", "It is the moon."),
    ]
    assert found.messages[1].id == f"{SESSION}:blob-{blobs.keep(prompt).hex()}"
    assert found.messages[2].model == "claude-5"
    assert counted(found) == (4, 0, 0, 0)
    assert found.usage == []


def test_the_session(home: Path) -> None:
    """Title and mode are the store's; place and last change those of the file beside it."""
    blobs = Blobs()
    path = chat(home, SESSION, blobs, blobs.state(typed("Hi")), lastUsedModel="gpt-6")
    (session,) = everything(path).sessions
    assert (session.id, session.title, session.model) == (SESSION, "Tides", "gpt-6")
    assert (session.permission_mode, session.git_branch) == ("default", "tides")
    assert session.project_path == "/home/ada/my engine"
    assert (session.created_at, session.updated_at) == (NOON, NOON)

    beside = {"cwd": "/home/ada/engine", "title": "Ebbes", "updatedAtMs": NOON + 9_000}
    path.with_name("meta.json").write_text(json.dumps(beside))
    (session,) = everything(path).sessions
    assert (session.title, session.project_path) == ("Ebbes", "/home/ada/engine")
    assert session.updated_at == NOON + 9_000


def test_when_prompts_were_typed(home: Path) -> None:
    """A prompt has the time of its turn, and what follows has it too."""
    blobs = Blobs()
    messages = [typed("A", "r1"), answered(text("B")), typed("C", "r2"), answered(text("D"))]
    root = blobs.state(*messages, turns=[("r1", NOON + 1000), ("r2", NOON + 2000)])
    found = everything(chat(home, SESSION, blobs, root))
    assert [one.created_at for one in found.messages] == [
        NOON + 1000,
        NOON + 1000,
        NOON + 2000,
        NOON + 2000,
    ]


def test_who_speaks_in_the_users_name(home: Path) -> None:
    """What the program says for the user is of the role system, and so is a summary."""
    context = {"role": "user", "content": "<user_info>\nOS: linux\n</user_info>"}
    found = read(home, context, typed("Hi"), typed("So far: nothing.", isSummary=True))
    assert [one.role for one in found.messages] == ["system", "user", "system"]
    assert len(found.compactions) == 1
    assert found.sessions[0].title == "Tides"


@pytest.mark.parametrize(
    ("outcome", "success", "error"),
    [
        (
            {"output": {"success": {"exitCode": 0, "executionTime": 12}}, "isError": False},
            True,
            None,
        ),
        ({"output": {"failure": {"exitCode": 1}}, "isError": False}, False, "told"),
        ({"isError": True, "rawErrorMessages": ["no such file"]}, False, "no such file"),
        ({}, True, None),
    ],
)
def test_tool_calls(home: Path, outcome: Record, success: object, error: str | None) -> None:
    """A call and its result meet by an id, which may hold a line break."""
    asked = answered(call("call-1\nfc_1", "Shell", command="ls"))
    found = read(home, asked, result("call-1\nfc_1", "Shell", "told", **outcome))
    (tool,) = [one for one in found.tools if one.tool_name == "Shell"]
    assert tool.id == f"{SESSION}:call-1\nfc_1"
    assert (tool.tool_input, tool.tool_output) == ('{"command":"ls"}', '"told"')
    assert (tool.success, tool.error_message) == (success, error)
    assert tool.duration_ms == (12 if outcome.get("output", {}).get("success") else None)


def test_said_twice(home: Path) -> None:
    """Equal messages are one blob, and two messages."""
    found = read(home, typed("Go on"), answered(text("A")), typed("Go on"))
    first, _, second = found.messages
    assert second.id == f"{first.id}#2"


def test_a_subagent(home: Path) -> None:
    """A subagent's store names the conversation that started it."""
    info = {"parentAgentId": OTHER}
    (session,) = read(home, typed("Go"), subagentInfo=info).sessions  # type: ignore[arg-type]
    assert (session.parent_id, session.relationship) == (OTHER, "subagent")


def test_an_older_tree(home: Path) -> None:
    """Older roots have nodes below them, and messages inside of blobs."""
    blobs = Blobs()
    inner = blobs.keep(field(4, json.dumps(answered(text("Ho"))).encode()))
    node = blobs.keep(field(1, inner))
    root = field(1, blobs.keep(typed("Hi"))) + field(2, node)
    found = everything(chat(home, SESSION, blobs, root))
    assert [one.text_content for one in found.messages] == ["Hi", "Ho"]


@pytest.mark.parametrize("messages", [[], ["Ho"]])
def test_nodes_that_are_named_twice(home: Path, messages: list[str]) -> None:
    """A node is read once, though sixty that name the next one twice are a few kilobytes."""
    blobs = Blobs()
    node = b"".join(field(1, blobs.keep(answered(text(one)))) for one in messages)
    for _ in range(60):
        name = blobs.keep(node)
        node = field(2, name) + field(2, name)
    found = everything(chat(home, SESSION, blobs, node))
    assert [one.text_content for one in found.messages] == messages


def test_damage(home: Path) -> None:
    """A blob that is missing or damaged costs itself; a root that is missing all messages."""
    blobs = Blobs()
    lost = field(1, b"\1" * 32)
    root = lost + field(1, blobs.keep(b"{torn")) + blobs.state(typed("Hi"))
    found = everything(chat(home, SESSION, blobs, root))
    assert [one.text_content for one in found.messages] == ["Hi"]
    assert counted(found) == (2, 0, 0, 2)

    found = everything(chat(home, OTHER, Blobs(), b"", latestRootBlobId="deadbeef"))
    assert ([one.title for one in found.sessions], found.messages) == (["Tides"], [])


def test_no_database(home: Path) -> None:
    """What is no database is an error, and named as one."""
    path = home / "store.db"
    path.write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(ImporterError, match="cannot be read"):
        everything(path)
