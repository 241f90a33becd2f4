"""What a session says: messages, tool calls, errors, compactions, titles."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from ._sessions import FOLDER, SESSION, Database, answer, at, batches_of, text, tool, user

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.importers import Batch
    from clankers.models import Message, ToolCall

PIXEL = b"\x89PNG not really"
PIXEL_URL = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
PIXEL_HASH = hashlib.sha256(PIXEL).hexdigest()


def only_batch(database: Database) -> Batch:
    (batch,) = batches_of(database.path)
    return batch


def only_message(database: Database, data: dict[str, Any], *parts: dict[str, Any]) -> Message:
    database.message("msg_1", data, *parts)
    (message,) = only_batch(database).messages
    return message


def only_tool(database: Database, part: dict[str, Any]) -> ToolCall:
    database.message("msg_1", answer(), part)
    (found,) = only_batch(database).tools
    return found


def test_a_session_with_a_question_and_an_answer(database: Database) -> None:
    """Ids are OpenCode's own; thinking, text and calls are in the answer, in their order."""
    database.message("msg_1", user(1), text("How long is it?"))
    database.message(
        "msg_2",
        answer(2, ended=6),
        {"type": "step-start"},
        {"type": "reasoning", "text": "Measure it."},
        tool("call_1"),
        text("Two metres."),
    )

    batch = only_batch(database)

    (session,) = batch.sessions
    assert (session.id, session.title, session.source) == (SESSION, "Build the engine", "opencode")
    assert (session.project_path, session.project_name) == (FOLDER, "engine")
    assert (session.model, session.provider) == ("gpt-5.3-codex", "openai")
    assert (session.agent_version, session.permission_mode) == ("1.2.5", "build")
    assert (session.created_at, session.updated_at) == (at(0), at(6))
    asked, said = batch.messages
    assert (asked.id, asked.role, asked.text_content) == (
        f"{SESSION}:msg_1",
        "user",
        "How long is it?",
    )
    assert (said.role, said.text_content, said.thinking) == (
        "assistant",
        "Two metres.",
        "Measure it.",
    )
    assert (said.created_at, said.completed_at, said.duration_ms) == (at(2), at(6), 4_000)
    assert json.loads(said.content or "") == [
        {"type": "thinking"},
        {"type": "tool", "id": f"{SESSION}:call_1"},
        {"type": "text"},
    ]
    (call,) = batch.tools
    assert (call.id, call.message_id) == (f"{SESSION}:call_1", said.id)
    assert (asked.seq or 0) < (said.seq or 0) < (call.seq or 0)
    # The session, two messages, four parts; the step's begin says nothing.
    assert (batch.imported, batch.noise, batch.unknown, batch.malformed) == (7, 1, 0, [])


@pytest.mark.parametrize(
    ("part", "went", "error"),
    [
        (tool("c", metadata={"exit": 0}), True, None),
        (tool("c", output="no such file", metadata={"exit": 2}), False, "no such file"),
        (tool("c", metadata={"exit": None}), True, None),
        (tool("c", "invalid", output="No tool 'fly'"), False, "No tool 'fly'"),
        (tool("c", status="error", output=None, error="refused"), False, "refused"),
        (tool("c", status="success"), True, None),
        (tool("c", status="running", output=None), None, None),
        (tool("c", status="pending", output=None), None, None),
    ],
)
def test_how_a_call_went(
    database: Database, part: dict[str, Any], *, went: bool | None, error: str | None
) -> None:
    """A command that ran and failed, and a call of no tool, are failures though `completed`."""
    found = only_tool(database, part)
    assert (found.success, found.error_message) == (went, error)


def test_a_call_has_its_input_output_file_and_time(database: Database) -> None:
    """Input and output are JSON; the file is the one the tool was asked to work on."""
    found = only_tool(database, tool("c", "read", input={"filePath": "/a/b.py"}, output="x = 1"))
    assert (found.tool_name, found.native_id, found.file_path) == ("read", "c", "/a/b.py")
    assert (found.tool_input, found.tool_output) == ('{"filePath":"/a/b.py"}', '"x = 1"')
    assert (found.created_at, found.duration_ms) == (at(3), 1_000)


def test_what_an_interrupted_command_had_written(database: Database) -> None:
    """An output that stands in the metadata only is kept."""
    state: dict[str, Any] = {
        "status": "error",
        "output": None,
        "error": "aborted",
        "metadata": {"output": "1\n2"},
    }
    found = only_tool(database, tool("c", **state))
    assert (found.tool_output, found.error_message) == ('"1\\n2"', "aborted")


def test_a_call_id_that_comes_again(database: Database) -> None:
    """Some providers number the calls of each response anew; both are kept."""
    database.message("msg_1", answer(1), tool("call_0"))
    database.message("msg_2", answer(2), tool("call_0"))
    ids = [one.id for one in only_batch(database).tools]
    assert ids == [f"{SESSION}:call_0", f"{SESSION}:msg_2-prt1"]


def test_a_subagent(database: Database) -> None:
    """A child is a session of its own, to which the call that started it refers."""
    database.message("msg_1", answer(), tool("c", "task", metadata={"sessionId": "ses_child"}))
    database.session("ses_child", 3, parent_id=SESSION, title="Child session - 2026-02-16")
    database.message("msg_9", answer(4), text("Done."), session="ses_child")

    child, parent = batches_of(database.path)

    assert parent.tools[0].child_session_id == "ses_child"
    (session,) = child.sessions
    assert (session.parent_id, session.relationship) == (SESSION, "subagent")
    assert child.messages[0].is_sidechain is True
    # A title that only says when it began is none.
    assert session.title is None


def test_words_that_nobody_typed(database: Database) -> None:
    """Beside a prompt they stand in its content only; alone they are the system's."""
    database.message(
        "msg_1", user(1), text("Look at @a.py"), text("Called the Read tool", synthetic=True)
    )
    database.message("msg_2", user(2), text("Continue if you can", synthetic=True))
    database.message("msg_3", user(3), text("Quota is low", ignored=True))
    asked, *others = only_batch(database).messages
    assert (asked.role, asked.text_content) == ("user", "Look at @a.py")
    assert json.loads(asked.content or "")[1] == {
        "type": "synthetic",
        "text": "Called the Read tool",
    }
    assert [(one.role, one.text_content) for one in others] == [
        ("system", "Continue if you can"),
        ("system", "Quota is low"),
    ]


def test_the_first_words_are_the_title_until_there_is_one(database: Database) -> None:
    """`New session - <date>` is no title."""
    database.run("UPDATE session SET title = 'New session - 2026-02-16T02:12:50.973Z'")
    database.message("msg_1", user(1), text("Oil the wheels\nplease"))
    (session,) = only_batch(database).sessions
    assert session.title == "Oil the wheels"


def test_files_mentions_patches_and_subtasks(database: Database) -> None:
    """An image is carried once; files elsewhere stay addresses; the rest says what it names."""
    message = only_message(
        database,
        user(),
        text("See"),
        {"type": "file", "mime": "image/png", "filename": "p.png", "url": PIXEL_URL},
        {"type": "file", "mime": "text/plain", "filename": "a.py", "url": "file:///a.py"},
        {"type": "agent", "name": "gitter"},
        {"type": "patch", "hash": "abc", "files": ["/a.py", 7]},
        {"type": "subtask", "prompt": "Test it", "description": "Tests", "agent": "general"},
    )
    assert json.loads(message.content or "") == [
        {"type": "text"},
        {
            "type": "image",
            "media_type": "image/png",
            "filename": "p.png",
            "attachment": PIXEL_HASH,
        },
        {
            "type": "file",
            "media_type": "text/plain",
            "filename": "a.py",
            "url": "file:///a.py",
        },
        {"type": "agent", "name": "gitter"},
        {"type": "patch", "files": ["/a.py"], "hash": "abc"},
        {
            "type": "subtask",
            "text": "Test it",
            "agent": "general",
            "description": "Tests",
            "command": None,
        },
    ]
    (image,) = only_batch(database).attachments
    assert image.data == PIXEL


def test_an_image_in_a_tools_result(database: Database) -> None:
    """The output says where it was, the attachment is stored."""
    part = tool("c", output="Read", attachments=[{"mime": "image/png", "url": PIXEL_URL}])
    found = only_tool(database, part)
    words, image = json.loads(found.tool_output or "")
    assert words == {"type": "text", "text": "Read"}
    assert image["attachment"] == PIXEL_HASH


def test_errors(database: Database) -> None:
    """An answer that failed, and an attempt before it, with OpenCode's name of the error."""
    wrong = {"name": "APIError", "data": {"message": "Overloaded", "statusCode": 529}}
    retry = {"type": "retry", "attempt": 1, "error": wrong, "time": {"created": at(4)}}
    aborted = {"name": "MessageAbortedError", "data": {"message": "The operation was aborted."}}
    database.message("msg_1", answer(2, ended=5, error=aborted), retry)
    first, second = only_batch(database).errors
    assert (first.error_type, first.error_message, first.created_at) == (
        "APIError",
        "Overloaded",
        at(4),
    )
    assert (second.error_type, second.error_message, second.created_at) == (
        "MessageAbortedError",
        "The operation was aborted.",
        at(5),
    )


def test_a_compaction(database: Database) -> None:
    """It is where it was asked for, once; older versions have only the summary."""
    database.message("msg_1", user(1), {"type": "compaction", "auto": True})
    database.message("msg_2", answer(2, summary=True), text("So far: an engine."))
    database.message("msg_3", answer(9, summary=True), text("So far: two engines."))
    batch = only_batch(database)
    assert [(one.id, one.created_at) for one in batch.compactions] == [
        (f"{SESSION}:msg_1-prt1", at(1)),
        (f"{SESSION}:msg_3", at(9)),
    ]
    # Nobody typed it.
    assert [one.role for one in batch.messages] == ["system", "assistant", "assistant"]


def test_a_part_of_a_new_kind(database: Database) -> None:
    """It is counted as unknown, and costs nothing else."""
    database.message("msg_1", user(), {"type": "hologram"}, text("Hello"))
    batch = only_batch(database)
    assert batch.unknown == 1
    assert batch.messages[0].text_content == "Hello"


def test_a_session_in_no_repository(database: Database) -> None:
    """Without a folder of its own a session is in the project's, unless that is the root of all."""
    database.run("UPDATE session SET directory = ''")
    assert only_batch(database).sessions[0].project_path == FOLDER
    database.run("UPDATE project SET worktree = '/'")
    assert only_batch(database).sessions[0].project_path is None
    database.message("msg_1", answer(path={"cwd": "/tmp/x"}))
    assert only_batch(database).sessions[0].project_path == "/tmp/x"


def test_a_message_that_is_no_json(database: Database) -> None:
    """It counts as malformed, and its parts are still there."""
    database.message("msg_1", '{"role": "assist', text("Half said"))
    batch = only_batch(database)
    assert (batch.imported, batch.malformed) == (2, [2])
    assert batch.messages[0].text_content == "Half said"


def test_many_messages_come_in_several_batches(database: Database) -> None:
    """Memory does not grow with a session."""
    for number in range(1_500):
        database.message(f"msg_{number:04}", user(number), text("Again"))
    batches = batches_of(database.path)
    assert [len(one.messages) for one in batches] == [1_000, 500]
    assert sum(one.lines for one in batches) == 3_001


def test_bytes_that_are_not_utf_8(database: Database, tmp_path: Path) -> None:
    """They are mended and cost no message."""
    database.message("msg_1", user(), text("Hello"))
    database.run("UPDATE part SET data = CAST(? AS TEXT)", b'{"type":"text","text":"caf\xe9"}')
    (message,) = only_batch(database).messages
    assert message.text_content == "caf\N{REPLACEMENT CHARACTER}"
