"""The contract, from the side of a client in another language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clankers import __version__
from clankers.store import Store

if TYPE_CHECKING:
    from daemon.conftest import Daemon

ENVELOPE = {"schemaVersion": "v1", "client": {"name": "opencode-plugin", "version": "1.2.3"}}


def call(method: str, number: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": {**ENVELOPE, **params}}


def result(value: Any, number: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": value}


def error(code: int, message: str, number: Any = 1, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message, **more}}


OK = result({"ok": True})
SESSION = {
    "id": "ses_1", "title": "Spike", "projectPath": "/home/ada/x", "projectName": "x",
    "model": "m", "provider": "p", "source": "opencode", "status": "active",
    "promptTokens": 10, "completionTokens": 2, "cost": 0.5, "messageCount": 1,
    "toolCallCount": 1, "permissionMode": "default", "createdAt": 1000, "updatedAt": 3000,
    "endedAt": 4000, "unknown": True,
}  # fmt: skip
MESSAGE = {
    "id": "msg_1", "sessionId": "ses_1", "role": "user", "textContent": "hé", "model": "m",
    "source": "opencode", "promptTokens": 12.0, "completionTokens": 0, "durationMs": 5,
    "createdAt": 1500, "completedAt": 1600,
}  # fmt: skip
TOOL = {
    "id": "ses_1-bash-call_1", "sessionId": "ses_1", "toolName": "bash", "messageId": "msg_1",
    "toolInput": '{"a": 1}', "toolOutput": '"out"', "filePath": "/x", "success": True,
    "errorMessage": None, "durationMs": 7, "createdAt": 1700,
}  # fmt: skip


def test_everything_is_stored(daemon: Daemon) -> None:
    """Each field of each payload, as the columns that other tools rely on."""
    error_ = {
        "id": "e1",
        "sessionId": "ses_1",
        "errorType": "t",
        "errorMessage": "m",
        "createdAt": 5,
    }
    compaction = {
        "id": "c1", "sessionId": "ses_1", "tokensBefore": 9, "tokensAfter": 3,
        "messagesBefore": 4, "messagesAfter": 2, "createdAt": 6,
    }  # fmt: skip
    steps = [
        {"send": call("upsertTool", tool=TOOL)},
        {"send": call("upsertMessage", message=MESSAGE)},
        {"send": call("upsertSession", session=SESSION)},
        {"send": call("upsertSessionError", sessionError=error_)},
        {"send": call("upsertCompactionEvent", compactionEvent=compaction)},
    ]
    assert daemon.node(steps) == [[OK]] * 5
    with Store.open(daemon.database, read_only=True) as store:
        found = store.connection.execute(
            "SELECT id, title, project_path, project_name, model, provider, source, status,"
            " prompt_tokens, completion_tokens, message_count, tool_call_count, permission_mode,"
            " created_at, updated_at, ended_at, placeholder FROM sessions"
        ).fetchall()
        assert found == [
            ("ses_1", "Spike", "/home/ada/x", "x", "m", "p", "opencode", "active", 12, 0, 1, 1,
             "default", 1000, 3000, 4000, 0)
        ]  # fmt: skip
        (message,) = store.messages("ses_1")
        assert (message.text_content, message.prompt_tokens, message.completed_at) == (
            "hé",
            12,
            1600,
        )
        (tool,) = store.tools("ses_1")
        assert (tool.tool_input, tool.success, tool.error_message) == ('{"a": 1}', True, None)
        assert store.connection.execute("SELECT error_message FROM session_errors").get == "m"
        assert store.connection.execute("SELECT messages_after FROM compaction_events").get == 2


def test_questions(daemon: Daemon) -> None:
    """With params and without; whoever asks first learns that the database is new."""
    bare = [
        {"jsonrpc": "2.0", "id": 1, "method": name} for name in ("health", "getDbPath", "ensureDb")
    ]
    answers = daemon.node([{"send": one} for one in (*bare, bare[2])])
    assert answers[0][0]["result"]["ok"] is True
    assert answers[0][0]["result"]["version"] == __version__
    path = str(daemon.database)
    assert answers[1:] == [
        [result({"dbPath": path})],
        [result({"dbPath": path, "created": True})],
        [result({"dbPath": path, "created": False})],
    ]


def test_log(daemon: Daemon) -> None:
    """Entries of plugins, under their name where they give no component."""
    entry = {"level": "warn", "message": "slow", "requestId": "r1", "context": {"ms": 5}}
    steps: list[dict[str, Any]] = [
        {"send": call("log.write", entry=entry)},
        {"send": call("log.write", entry={"level": "loud", "message": "x", "component": "c"})},
        {"send": call("log.write", entry={"level": "debug", "message": "not kept"})},
        {"send": call("log.write", entry={"level": "info"})},
    ]
    assert daemon.node(steps) == [
        [OK],
        [OK],
        [OK],
        [error(-32602, "invalid params: entry.message must be a string")],
    ]
    kept = [one for one in daemon.log() if one["component"] != "daemon"]
    assert [{**one, "timestamp": ""} for one in kept] == [
        {"timestamp": "", "level": "warn", "component": "opencode-plugin", "message": "slow",
         "requestId": "r1", "context": {"ms": 5}},
        {"timestamp": "", "level": "info", "component": "c", "message": "x"},
    ]  # fmt: skip


def test_a_transcript_that_has_changed(daemon: Daemon) -> None:
    """Any path may be told, here to a daemon that does not watch."""
    steps = [
        {"send": call("transcriptChanged", path="/none")},
        {"send": call("transcriptChanged", path=7)},
        {"send": call("transcriptChanged")},
    ]
    wrong = error(-32602, "invalid params: path must be a string")
    assert daemon.node(steps) == [[OK], [wrong], [wrong]]


ERRORS: list[tuple[Any, Any]] = [
    ("{nope", error(-32700, "parse error", None)),
    ("", error(-32700, "parse error", None)),
    ('{"a": NaN}', error(-32700, "parse error", None)),
    ("[]", error(-32600, "invalid request: an empty array", None)),
    ("7", error(-32600, "invalid request: not an object", None)),
    ({"id": 1, "method": "health"}, error(-32600, "invalid request: jsonrpc must be 2.0")),
    ({"jsonrpc": "2.0", "id": 1}, error(-32600, "invalid request: method must be a string")),
    (
        {"jsonrpc": "2.0", "id": {}, "method": "health"},
        error(-32600, "invalid request: id must be a string or a number", None),
    ),
    (call("upsertNothing"), error(-32601, "method not found: upsertNothing")),
    (
        {"jsonrpc": "2.0", "id": 1, "method": "upsertSession"},
        error(-32602, "missing params"),
    ),
    (
        {"jsonrpc": "2.0", "id": 1, "method": "upsertSession", "params": [1]},
        error(-32602, "invalid params: params must be an object"),
    ),
    (
        call("upsertSession", session="x"),
        error(-32602, "invalid params: session must be an object"),
    ),
    (
        call("upsertSession", session={"id": 7}),
        error(-32602, "invalid params: id must be a string"),
    ),
    (
        call("upsertSession", session={"id": "s", "createdAt": 12.5}),
        error(-32602, "invalid params: createdAt must be an integer"),
    ),
    (
        call("upsertSession", session={"id": "s", "createdAt": 1e300}),
        error(-32602, "invalid params: createdAt must be an integer"),
    ),
    (
        call("upsertSession", session={"id": "s", "cost": "1"}),
        error(-32602, "invalid params: cost must be a number"),
    ),
    (
        call("upsertTool", tool={**TOOL, "success": 1}),
        error(-32602, "invalid params: success must be a boolean"),
    ),
    (
        call("upsertTool", tool={**TOOL, "toolInput": {}}),
        error(-32602, "invalid params: toolInput must be a string"),
    ),
    (call("upsertSession"), error(4001, "invalid session payload", data={"field": "id"})),
    (
        call("upsertSession", session={"id": ""}),
        error(4001, "invalid session payload", data={"field": "id"}),
    ),
    (
        call("upsertMessage", message={"id": "m"}),
        error(4001, "invalid message payload", data={"field": "sessionId"}),
    ),
    (
        call("upsertTool", tool={"toolName": "x"}),
        error(4001, "invalid tool payload", data={"field": "id"}),
    ),
    (
        call("upsertTool", tool={"id": "t", "sessionId": "s", "toolName": None}),
        error(4001, "invalid tool payload", data={"field": "toolName"}),
    ),
    (
        call("upsertSessionError", sessionError={"id": "e"}),
        error(4001, "invalid session error payload", data={"field": "sessionId"}),
    ),
    (
        call("upsertCompactionEvent", compactionEvent={}),
        error(4001, "invalid compaction event payload", data={"field": "id"}),
    ),
]


def test_every_error(daemon: Daemon) -> None:
    """Each with its code, its words and the id that it answers; nothing is stored by any."""
    answers = daemon.node([{"send": asked} for asked, _ in ERRORS])
    assert answers == [[expected] for _, expected in ERRORS]
    with Store.open(daemon.database, read_only=True) as store:
        assert list(store.sessions()) == []


def test_ids_arrays_and_notifications(daemon: Daemon) -> None:
    """The answer echoes a string or a number; an array is answered by one; no id, no answer."""
    path = {"dbPath": str(daemon.database)}
    batch = [call("getDbPath", "a"), {"jsonrpc": "2.0", "method": "getDbPath"}, 5]
    silent = {"jsonrpc": "2.0", "method": "upsertSession", "params": {"session": {"id": "quiet"}}}
    answers = daemon.node(
        [
            {"send": call("getDbPath", "x-1")},
            {"send": call("getDbPath", 2.5)},
            {"send": batch},
            {"send": silent},
            {"send": [silent]},
        ]
    )
    assert answers[0] == [result(path, "x-1")]
    assert answers[1] == [result(path, 2.5)]
    assert answers[2] == [
        [result(path, "a"), error(-32600, "invalid request: not an object", None)]
    ]
    assert answers[3:] == [[], []]
    with Store.open(daemon.database, read_only=True) as store:
        assert [one.id for one in store.sessions()] == ["quiet"]


def test_half_a_character(daemon: Daemon) -> None:
    """JavaScript cuts texts between the halves of a character; the rest of it is kept."""
    cut = '{"jsonrpc":"2.0","id":1,"method":"upsertSession","params":{"session":{"id":"s","title":"a\\ud83d"}}}'
    assert daemon.node([{"send": cut}]) == [[OK]]
    with Store.open(daemon.database, read_only=True) as store:
        assert store.session("s").title == "a\ufffd"


@pytest.mark.parametrize(
    "raw",
    [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "content-length: 2\r\n\r\n{}",
        "Content-Length: 2\r\nX-Other: 1\r\n\r\n{}",
        "Content-Type: a\r\nContent-Length: 2\r\n\r\n{}",
        "Content-Length: 123456789\r\n\r\n",
        "Content-Length: 99999999\r\n\r\n",
        "Content-Length: -1\r\n\r\n",
        "Content-Length: 2x\r\n\r\n{}",
        "Content-Length: 2\n\n{}",
        "Content-Length: " + "1" * 2000,
        "\x00\xff\xfe",
    ],
)
def test_what_is_no_message_is_dropped(daemon: Daemon, raw: str) -> None:
    """Without an answer, and the next client is served."""
    dropped, served = daemon.node([{"raw": raw}, {"send": call("getDbPath")}])
    assert not dropped
    assert served == [result({"dbPath": str(daemon.database)})]


def test_a_type_is_allowed(daemon: Daemon) -> None:
    """As the Language Server Protocol has it."""
    body = '{"jsonrpc":"2.0","id":1,"method":"getDbPath"}'
    typed = f"Content-Length: {len(body)}\r\nContent-Type: application/vscode-jsonrpc\r\n\r\n{body}"
    two = f"Content-Length: {len(body)}\r\n\r\n{body}" * 2
    path = result({"dbPath": str(daemon.database)})
    assert daemon.node([{"raw": typed}, {"raw": two}]) == [[path], [path, path]]


def test_fire_and_forget(daemon: Daemon) -> None:
    """Who leaves before the answer has its upsert stored, and nothing is logged about it."""
    steps = [
        {"send": call("upsertSession", session={"id": f"s{number}"}), "close": "at once"}
        for number in range(20)
    ]
    daemon.node([*steps, {"send": call("health")}])
    daemon.end()
    with Store.open(daemon.database, read_only=True) as store:
        assert len(list(store.sessions())) == 20
    assert {one["message"].partition(" ")[0] for one in daemon.log()} == {"listens", "ended"}
