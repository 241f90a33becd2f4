"""The editor's conversations: what a composer and its bubbles become."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from ._stores import (
    NOON,
    OTHER,
    SESSION,
    Blobs,
    Record,
    answered,
    called,
    composer,
    conversation,
    counted,
    editor,
    everything,
    put,
    put_head,
    said,
    text,
    typed,
)

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.importers import Batch


def read(home: Path, record: Any, bubbles: Record) -> Batch:
    return everything(put(editor(home), conversation(SESSION, record, bubbles)))


def test_a_conversation(home: Path) -> None:
    """Bubbles become messages under their own ids, in the order of the list, not of the keys."""
    bubbles = {
        "a-last": said(3, "Two metres.", modelInfo={"modelName": "claude-5"}),
        "b": said(2, "", thinking={"text": "It is the moon.", "signature": "x"}),
        "u": said(1, "How high is the tide?", 1),
    }
    found = read(home, composer("u", "b", "a-last"), bubbles)

    assert [(one.id, one.role, one.text_content, one.thinking) for one in found.messages] == [
        (f"{SESSION}:u", "user", "How high is the tide?", None),
        (f"{SESSION}:b", "assistant", None, "It is the moon."),
        (f"{SESSION}:a-last", "assistant", "Two metres.", None),
    ]
    assert [one.seq for one in found.messages] == [NOON + 1000, NOON + 2000, NOON + 3000]
    assert [one.model for one in found.messages] == [None, None, "claude-5"]
    assert counted(found) == (4, 0, 0, 0)


def test_the_session(home: Path) -> None:
    """A session's title, place, branch, model and times are those of its record."""
    record = composer(
        "u",
        modelConfig={"modelName": "gpt-6"},
        workspaceIdentifier={"uri": {"fsPath": "/home/ada/engine"}},
        createdOnBranch="tides",
        status="completed",
        unifiedMode="agent",
    )
    (session,) = read(home, record, {"u": said(1, "Hi", 1)}).sessions

    assert (session.id, session.source, session.title) == (SESSION, "cursor", "Tides")
    assert (session.project_path, session.project_name) == ("/home/ada/engine", "engine")
    assert (session.git_branch, session.model, session.status) == ("tides", "gpt-6", "completed")
    assert session.permission_mode == "agent"
    assert (session.created_at, session.updated_at) == (NOON, NOON + 60_000)


def test_what_the_newer_table_says(home: Path) -> None:
    """The newer table of conversations has the later title and names the workspace's folder."""
    path = put(editor(home), conversation(SESSION, composer("u"), {"u": said(1, "Hi", 1)}))
    repositories = [{"branches": [{"branchName": "main"}]}]
    put_head(path, SESSION, name="Renamed", workspaceId="ab12", trackedGitRepos=repositories)
    beside = editor(home, "ab12").with_name("workspace.json")
    beside.write_text('{"folder": "file:///c%3A/my%20engine"}')

    (session,) = everything(path).sessions

    assert (session.title, session.git_branch) == ("Renamed", "main")
    assert session.project_path == "c:/my engine"
    assert session.updated_at == NOON + 90_000


def test_without_a_title(home: Path) -> None:
    """Without a name the first prompt is the title."""
    (session,) = read(home, composer("u", name=""), {"u": said(1, "How high?\nNow?", 1)}).sessions
    assert session.title == "How high?"


@pytest.mark.parametrize(
    ("former", "success", "error"),
    [
        ({"status": "completed", "result": '{"output":"x","exitCodeV2":0}'}, True, None),
        ({"status": "completed", "result": '{"output":"no","exitCodeV2":2}'}, False, "no"),
        ({"status": "error", "error": '{"clientVisibleErrorMessage":"gone"}'}, False, "gone"),
        ({"status": "cancelled"}, False, None),
        ({"status": "completed", "userDecision": "rejected", "result": "{}"}, False, "{}"),
        ({"status": "loading"}, None, None),
    ],
)
def test_a_tool_call(home: Path, former: Record, success: object, error: str | None) -> None:
    """Call and result stand in one bubble; a failed command is one that ended with a number."""
    given = json.dumps({"command": "ls", "relativeWorkspacePath": "src/tide.py"})
    bubble = called(1, name="run_terminal_cmd", toolCallId="toolu_1", params=given, **former)
    found = read(home, composer("b"), {"b": bubble})

    (tool,) = found.tools
    assert (tool.id, tool.tool_name) == (f"{SESSION}:toolu_1", "run_terminal_cmd")
    assert tool.message_id == f"{SESSION}:b"
    assert json.loads(tool.tool_input or "")["command"] == "ls"
    assert tool.file_path == "src/tide.py"
    assert (tool.success, tool.error_message) == (success, error)
    assert found.messages[0].content == f'[{{"type":"tool","id":"{SESSION}:toolu_1"}}]'


def test_raw_arguments(home: Path) -> None:
    """Where the call has no parameters of the editor's, those of the model are taken."""
    bubble = called(1, name="read_file", params="", rawArgs='{"target_file":"a.py"}')
    (tool,) = read(home, composer("b"), {"b": bubble}).tools
    assert (tool.tool_input, tool.file_path) == ('{"target_file":"a.py"}', "a.py")
    assert tool.id == f"{SESSION}:b"


def test_usage(home: Path) -> None:
    """Only counts that are not zero make usage, marked as an estimate."""
    bubbles = {
        "u": said(1, "Hi", 1, tokenCount={"inputTokens": 0, "outputTokens": 0}),
        "b": said(2, "Ho", tokenCount={"inputTokens": 2, "outputTokens": 497}),
    }
    record = composer("u", "b", modelConfig={"modelName": "claude-5"})
    (usage,) = read(home, record, bubbles).usage
    assert usage.id == f"cursor:{SESSION}:b"
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (2, 497, True)
    assert (usage.model, usage.message_id) == ("claude-5", f"{SESSION}:b")
    assert usage.raw == '{"inputTokens":2,"outputTokens":497}'


def test_what_was_undone(home: Path) -> None:
    """A bubble that is no longer in the list is beside the conversation; it was billed."""
    bubbles = {
        "u": said(1, "Hi", 1),
        "gone": said(2, "Wrong", tokenCount={"inputTokens": 5, "outputTokens": 7}),
    }
    found = read(home, composer("u"), bubbles)
    assert [(one.native_id, one.is_sidechain) for one in found.messages] == [
        ("u", False),
        ("gone", True),
    ]
    assert [(one.output_tokens, one.message_id) for one in found.usage] == [(7, f"{SESSION}:gone")]
    assert counted(found) == (3, 0, 0, 0)


def test_errors_images_and_summaries(home: Path) -> None:
    """A bubble may say that something failed, show an image, or stand for a summary."""
    bubbles = {
        "u": said(1, "Look", 1, images=[{"data": "data:image/png;base64,AAAA"}]),
        "b": said(2, "", errorDetails={"error": "overloaded", "message": "Try again"}),
        "c": said(3, "", capabilityType=22),
    }
    found = read(home, composer("u", "b", "c"), bubbles)
    assert [one.error_message for one in found.errors] == ["Try again"]
    assert [one.id for one in found.compactions] == [f"{SESSION}:c"]
    assert [one.data for one in found.attachments] == [b"\0\0\0"]
    assert counted(found) == (4, 0, 0, 0)


def test_subagents(home: Path) -> None:
    """A parent names its children, a child its parent, a call the child it started."""
    former = {"name": "task_v2", "status": "completed", "result": json.dumps({"agentId": OTHER})}
    found = read(home, composer("b", subComposerIds=[OTHER]), {"b": called(1, **former)})
    assert [(one.id, one.parent_id) for one in found.mentions] == [(OTHER, SESSION)]
    assert [one.child_session_id for one in found.tools] == [OTHER]

    record = composer("u", subagentInfo={"parentComposerId": OTHER})
    (session,) = read(home, record, {"u": said(1, "Go", 1)}).sessions
    assert (session.parent_id, session.relationship) == (OTHER, "subagent")


def test_drafts_and_what_is_gone(home: Path) -> None:
    """Conversations that say nothing, and values that were taken away, are left out."""
    path = put(editor(home), conversation(SESSION, composer(isDraft=True), {}))
    put(path, conversation(OTHER, None, {"u": said(1, "Hi", 1)}))
    put(path, conversation("third", composer("u"), {"u": None}))
    assert everything(path).sessions == []

    put(path, conversation(SESSION, composer("u", "b"), {"u": said(1, "Hi", 1), "b": None}))
    found = everything(path)
    assert [one.native_id for one in found.messages] == ["u"]
    assert counted(found) == (2, 1, 0, 0)


def test_damaged_values(home: Path) -> None:
    """What is no object is malformed, what is of no known kind unknown; the rest is read."""
    bubbles: Record = {"a": b"{torn", "b": said(2, "Hm", 9), "c": said(3, "Fine")}
    found = read(home, b"\xff", bubbles)
    assert [one.text_content for one in found.messages] == ["Fine"]
    assert counted(found) == (1, 0, 1, 2)


def test_old_conversations(home: Path) -> None:
    """Old versions kept the bubbles inside of the conversation, as a list or by their ids."""
    listed = {"createdAt": NOON, "conversation": [{"bubbleId": "u", **said(1, "Hi", 1)}]}
    found = read(home, listed, {})
    assert [one.id for one in found.messages] == [f"{SESSION}:u"]

    mapped = composer("u", conversationMap={"u": said(1, "Ho", 1)})
    found = read(home, mapped, {"other": said(2, "Not listed")})
    assert [(one.text_content, one.is_sidechain) for one in found.messages] == [
        ("Ho", False),
        ("Not listed", True),
    ]


def test_without_a_list(home: Path) -> None:
    """Without a list bubbles come in the order in which they were written."""
    bubbles = {"z": {"type": 1, "text": "Hi"}, "a": {"type": 2, "text": "Ho"}}
    found = read(home, {"createdAt": NOON}, bubbles)
    assert [(one.text_content, one.created_at) for one in found.messages] == [
        ("Hi", NOON),
        ("Ho", NOON),
    ]


def test_the_agents_memory(home: Path) -> None:
    """Where there are no bubbles, the agent's own memory of the conversation is read."""
    blobs = Blobs()
    root = blobs.state(typed("Hi"), answered(text("Ho", "grok-5")), turns=[("r1", NOON + 5000)])
    path = put(editor(home), {f"agentKv:blob:{name}": blob for name, blob in blobs.items()})
    state = "~" + base64.b64encode(root).decode().rstrip("=")
    put(path, conversation(SESSION, composer(conversationState=state), {}))

    found = everything(path)

    assert [(one.role, one.text_content, one.model) for one in found.messages] == [
        ("user", "Hi", None),
        ("assistant", "Ho", "grok-5"),
    ]
    assert found.messages[0].created_at == NOON + 5000


def test_a_workspace(home: Path) -> None:
    """A workspace's database gives its folder to conversations that the editor's own tells."""
    put(editor(home), conversation(SESSION, composer("u"), {"u": said(1, "Hi", 1)}))
    heads = [{"composerId": SESSION, "name": "Old name"}, {"composerId": OTHER, "name": "Draft"}]
    path = put(
        editor(home, "ab12"), {"composer.composerData": {"allComposers": heads}}, table="ItemTable"
    )
    path.with_name("workspace.json").write_text('{"folder": "file:///home/ada/engine"}')

    found = everything(path)

    assert [(one.id, one.project_path) for one in found.sessions] == [(SESSION, "/home/ada/engine")]
    assert found.messages == []


def test_old_chats(home: Path) -> None:
    """Chats of the versions before composers are among the settings of their workspace."""
    bubbles = [
        {"type": "user", "id": "u", "rawText": "How high?"},
        {"type": "ai", "id": "b", "rawText": "Two metres.", "modelType": "gpt-4"},
    ]
    tab = {"tabId": SESSION, "chatTitle": "Tides", "lastSendTime": NOON, "bubbles": bubbles}
    key = "workbench.panel.aichat.view.aichat.chatdata"
    path = put(editor(home, "ab12"), {key: {"tabs": [tab]}}, table="ItemTable")

    found = everything(path)

    assert [(one.id, one.text_content) for one in found.messages] == [
        (f"{SESSION}:u", "How high?"),
        (f"{SESSION}:b", "Two metres."),
    ]
    assert [(one.title, one.model, one.created_at) for one in found.sessions] == [
        ("Tides", "gpt-4", NOON)
    ]
