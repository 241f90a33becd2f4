"""Any value anywhere may be something else: nothing raises, and everything is counted."""

from __future__ import annotations

import base64
import copy
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ._stores import (
    SESSION,
    Blobs,
    Record,
    answered,
    call,
    called,
    chat,
    composer,
    conversation,
    counted,
    editor,
    encoded,
    everything,
    line,
    put,
    put_head,
    result,
    said,
    text,
    transcript,
    typed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE = {"data": "data:image/png;base64,AAAA"}
BUBBLES: Record = {
    "u": said(1, "Hi", 1, images=[IMAGE], tokenCount={"inputTokens": 1, "outputTokens": 2}),
    "b": said(
        2,
        "",
        thinking={"text": "Hm"},
        modelInfo={"modelName": "m"},
        timingInfo={"clientRpcSendTime": 2e12},
    ),
    "c": called(
        3, name="x", toolCallId="t", params='{"path":"a"}', result='{"exitCode":1}', error="e"
    ),
    "d": said(4, "Ho", errorDetails={"message": "no", "errorType": "x"}, capabilityType=22),
    "e": {"type": 1, "richText": '{"root":{"children":[{"text":"typed"}]}}'},
}
RECORD = composer(
    *BUBBLES,
    modelConfig={"modelName": "m"},
    workspaceIdentifier={"uri": {"fsPath": "/a", "external": "file:///a"}},
    trackedGitRepos=[{"branches": [{"branchName": "b"}]}],
    subComposerIds=["kid"],
    subagentInfo={"parentComposerId": "parent"},
    conversationMap={"x": said(1, "Inline")},
)
MESSAGES: list[Record] = [
    {"role": "system", "content": "Be brief."},
    typed("Hi", isSummary=False),
    answered(text("Ho", "m"), call("t", "Shell", command="ls"), {"type": "image", "image": "AA"}),
    result("t", "Shell", "ok", output={"success": {"executionTime": 1}}, isError=False),
    {
        "role": "assistant",
        "tool_calls": [{"id": "q", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "q", "content": "done"},
]
LINES: list[Record] = [
    line("user", "<user_query>Hi</user_query>", {"type": "image", "source": {"data": "AA"}}),
    line("assistant", {"type": "tool_use", "name": "x", "input": {}}, model="m"),
    line(
        "user",
        {"type": "tool_result", "tool_use_id": "t", "content": []},
        metadata={"toolResultStatus": "error"},
    ),
    {"type": "turn_ended", "status": "error", "error": "no"},
]
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        2**70,
        1e308,
        "",
        "x",
        "/",
        "~AA",
        "\ud83d",
        "file://[",
        [],
        [[]],
        [None],
        {},
        {"text": 1},
    ]
)


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value inside of another."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inner:
        yield (*path, key)
        if isinstance(one, dict | list):
            yield from spots(one, (*path, key))


@st.composite
def mangled(draw: st.DrawFn, value: Any) -> Any:
    """A copy with some values replaced by others."""
    found = json.loads(json.dumps(value))
    for _ in range(draw(st.integers(1, 4))):
        *way, last = draw(st.sampled_from(list(spots(found))))
        inside = found
        for key in way:
            inside = inside[key]
        # A copy: what is drawn may be changed by the next replacement.
        inside[last] = copy.deepcopy(draw(JUNK))
        if not list(spots(found)):
            break
    return found


@settings(max_examples=120, deadline=None)
@given(record=mangled(RECORD), bubbles=mangled(BUBBLES), head=mangled(RECORD))
def test_an_editors_database(record: Any, bubbles: Any, head: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = put(editor(Path(folder)), conversation(SESSION, record, bubbles))
        put_head(path, SESSION, **{**head, "workspaceId": "../x"})
        found = everything(path)
    listed = sum(counted(found))
    assert 1 <= listed <= 1 + len(BUBBLES) + 1


@settings(max_examples=120, deadline=None)
@given(
    messages=mangled(MESSAGES),
    meta=mangled(
        {"name": "x", "createdAt": 1, "mode": "y", "subagentInfo": {"parentAgentId": "p"}}
    ),
    cut=st.integers(0, 400),
)
def test_a_store(messages: Any, meta: Any, cut: int) -> None:
    blobs = Blobs()
    root = blobs.state(*(one for one in messages if isinstance(one, dict)), turns=[("r1", 5)])
    with tempfile.TemporaryDirectory() as folder:
        path = chat(Path(folder), SESSION, blobs, root[: len(root) - cut], **meta)
        found = everything(path)
    assert sum(counted(found)) <= 1 + len(messages)


@settings(max_examples=60, deadline=None)
@given(root=st.binary(max_size=200))
def test_any_bytes_as_memory(root: bytes) -> None:
    """The agent's own memory may be anything."""
    state = "~" + base64.b64encode(root).decode()
    with tempfile.TemporaryDirectory() as folder:
        record = composer(conversationState=state)
        everything(put(editor(Path(folder)), conversation(SESSION, record, {})))


@settings(max_examples=60, deadline=None)
@given(
    record=mangled(
        {
            "tabs": [{"tabId": "x", "bubbles": [said(1, "Hi", 1)]}],
            "allComposers": [{**RECORD, "composerId": "c"}],
        }
    )
)
def test_settings_of_a_workspace(record: Any) -> None:
    key = "workbench.panel.aichat.view.aichat.chatdata"
    with tempfile.TemporaryDirectory() as folder:
        everything(put(editor(Path(folder), "ab"), {key: record}, table="ItemTable"))


@settings(max_examples=120, deadline=None)
@given(lines=mangled(LINES), torn=st.integers(0, 40))
def test_a_transcript(lines: list[Any], torn: int) -> None:
    """Every line that is not blank is in one counter, but for a torn last one."""
    written = encoded(*[json.dumps(one) for one in lines])
    with tempfile.TemporaryDirectory() as folder:
        path = transcript(Path(folder), SESSION)
        path.write_bytes(written[: len(written) - torn])
        found = everything(path)
        present = [one for one in path.read_bytes().split(b"\n") if one.strip()]
    assert sum(counted(found)) in (len(present), len(present) - 1)
