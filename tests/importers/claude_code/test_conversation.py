"""Who said what: each thing once, whole and in order."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from ._transcripts import (
    MODEL,
    SESSION,
    Record,
    answer,
    attachment,
    batches_of,
    call,
    counted,
    imported,
    line,
    moment,
    outcome_of,
    result,
    transcript,
    usage,
    user,
)

if TYPE_CHECKING:
    from pathlib import Path

PIXEL = b"\x89PNG not really"
PIXEL_HASH = hashlib.sha256(PIXEL).hexdigest()
THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "xyz"}
OPENED = "<ide_opened_file>a.py</ide_opened_file>"


def image(data: bytes = PIXEL, kind: str = "image", **more: Any) -> Record:
    source = {
        "type": "base64",
        "media_type": "image/png",
        "data": base64.b64encode(data).decode(),
    }
    return {"type": kind, "source": source, **more}


def said(text: str) -> Record:
    return {"type": "text", "text": text}


def layout(content: str | None) -> Any:
    return json.loads(content or "null")


def test_a_prompt_and_its_answer(tmp_path: Path) -> None:
    """The plainest conversation there is."""
    path = transcript(
        tmp_path,
        user("Hello", 1, uuid="u1"),
        answer("Hi there", 2, parentUuid="u1", used=usage(10, 5, read=3)),
    )
    prompt, reply = imported(path).ordered
    assert prompt.id == f"{SESSION}:u1"
    assert (prompt.role, prompt.text_content, prompt.created_at) == ("user", "Hello", moment(1))
    assert (prompt.completed_at, prompt.content, prompt.model) == (None, None, None)
    assert (prompt.native_id, prompt.source) == ("u1", "claude-code")
    assert reply.id == f"{SESSION}:msg_1"
    assert (reply.role, reply.text_content) == ("assistant", "Hi there")
    assert (reply.created_at, reply.completed_at) == (moment(2), moment(2))
    assert (reply.native_id, reply.parent_native_id, reply.model) == ("msg_1", "u1", MODEL)
    assert (reply.prompt_tokens, reply.completion_tokens) == (13, 5)


def test_the_lines_of_an_answer_are_one_message(tmp_path: Path) -> None:
    """With its blocks in order; other lines may stand between."""
    path = transcript(
        tmp_path,
        answer([THOUGHT], 1),
        answer([said("I look.")], 2),
        answer([call("t1", command="ls")], 3),
        result("t1", "a", 4),
        answer([call("t2")], 5),
        answer([said("Also.")], 6),
    )
    archive = imported(path)
    message = archive.message
    assert (message.text_content, message.thinking) == ("I look.\n\nAlso.", "Hm")
    assert (message.created_at, message.completed_at) == (moment(1), moment(6))
    assert layout(message.content) == [
        {"type": "thinking"},
        {"type": "text", "chars": 7},
        {"type": "tool", "id": f"{SESSION}:t1"},
        {"type": "tool", "id": f"{SESSION}:t2"},
        {"type": "text", "chars": 5},
    ]
    calls = sorted(archive.tools.values(), key=lambda one: one.seq or 0)
    assert [one.native_id for one in calls] == ["t1", "t2"]
    assert all((one.seq or 0) > (message.seq or 0) for one in calls)


def test_lines_that_repeat_and_grow_are_one_text(tmp_path: Path) -> None:
    """Answers are logged while they stream in, and logged again when they are done."""
    path = transcript(
        tmp_path,
        answer([said("Hel")], 1),
        answer([said("Hello")], 2),
        answer([said("Hello")], 3),
        answer([said("Hello"), call("t1")], 4),
    )
    message = imported(path).message
    assert message.text_content == "Hello"
    assert layout(message.content) == [{"type": "text"}, {"type": "tool", "id": f"{SESSION}:t1"}]


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([said("a")], None),
        ([THOUGHT], None),
        ([THOUGHT, said("a")], None),
        ([said("a"), THOUGHT], [{"type": "text"}, {"type": "thinking"}]),
        (
            [said("a"), said("bc")],
            [{"type": "text", "chars": 1}, {"type": "text", "chars": 2}],
        ),
        ([{"type": "thinking", "thinking": "", "signature": "x"}], [{"type": "thinking"}]),
        ([{"type": "redacted_thinking", "data": "x" * 99}], [{"type": "redacted_thinking"}]),
        (
            [{"type": "fallback", "from": {"model": "a"}, "text": "b"}],
            [{"type": "fallback", "from": {"model": "a"}, "text": "b"}],
        ),
        ([{"text": "b", "x": 1}], [{"type": "unknown", "text": "b", "x": 1}]),
        ([{"type": 5, "x": 1}], [{"type": "unknown", "x": 1}]),
        ([], None),
        ([said("")], None),
    ],
)
def test_the_layout_says_what_the_texts_cannot(
    tmp_path: Path, blocks: list[Record], expected: object
) -> None:
    """It is left out where they say it all."""
    assert layout(imported(transcript(tmp_path, answer(blocks))).message.content) == expected


def test_pieces_of_text_can_be_cut_apart_again(tmp_path: Path) -> None:
    """`chars` counts characters, and an empty line stands between."""
    message = imported(transcript(tmp_path, answer([said("für"), said("a\n\nb")]))).message
    text, rest = message.text_content or "", []
    for block in layout(message.content):
        rest.append(text[: block["chars"]])
        text = text[block["chars"] + 2 :]
    assert rest == ["für", "a\n\nb"]


@pytest.mark.parametrize(
    "content",
    [
        "Hello",
        [said("Hello")],
        ["Hello"],
        said("Hello"),
        [said("Hello"), 5, None, ["x"]],
        [{"type": "text", "text": "Hello", "id": 5}],
    ],
)
@pytest.mark.parametrize("who", ["user", "assistant"])
def test_words_in_any_shape_are_kept(tmp_path: Path, content: object, who: str) -> None:
    """Text, blocks, or something in between."""
    record = user(content) if who == "user" else answer(content)
    assert imported(transcript(tmp_path, record)).spoken == [(who, "Hello")]


@pytest.mark.parametrize("message", ["Hello", ["Hello"], [said("Hello")]])
def test_a_message_without_its_wrapper_is_kept(tmp_path: Path, message: object) -> None:
    """Its content stands where it should be."""
    archive = imported(transcript(tmp_path, line("user", message=message)))
    assert archive.spoken == [("user", "Hello")]


@pytest.mark.parametrize("message", [None, 5, {}, {"content": None}, {"content": []}])
def test_a_message_that_says_nothing_is_none(tmp_path: Path, message: object) -> None:
    """Nothing is made of it, and nothing raises."""
    assert imported(transcript(tmp_path, line("user", message=message))).messages == {}


def test_an_answer_without_an_id_has_that_of_its_line(tmp_path: Path) -> None:
    """And a line without one its number."""
    bare = answer("b", 2, uuid=None)
    del bare["message"]["id"]
    named = answer("a", 1, uuid="an/id")
    del named["message"]["id"]
    archive = imported(transcript(tmp_path, named, bare))
    assert list(archive.messages) == [f"{SESSION}:an_id", f"{SESSION}:L2"]
    assert [one.native_id for one in archive.ordered] == ["an/id", "L2"]


def test_messages_of_equal_times_keep_their_order(tmp_path: Path) -> None:
    """And those whose times go back, or that have none."""
    times: list[Record] = [{}, {}, {"timestamp": "2025-11-01T11:00:00Z"}, {"timestamp": None}]
    lines = [user(str(n), 5, uuid=f"u{n}", **more) for n, more in enumerate(times)]
    archive = imported(transcript(tmp_path, *lines))
    assert [text for _role, text in archive.spoken] == ["0", "1", "2", "3"]
    assert archive.session.created_at == moment(-3600)
    assert archive.session.updated_at == moment(5)
    assert archive.ordered[3].created_at == moment(-3600)


def test_a_line_that_comes_again_changes_nothing(tmp_path: Path) -> None:
    """Chains are copied within a file as well."""
    lines = [user("Hello", 1), answer([THOUGHT], 2), answer([said("Hi")], 3)]
    once = imported(transcript(tmp_path, *lines))
    twice = imported(transcript(tmp_path, *lines, *lines))
    assert twice.messages == once.messages
    assert twice.usage == once.usage


def test_sidechains_in_the_main_file_stay_there(tmp_path: Path) -> None:
    """They are marked, and make no title."""
    path = transcript(
        tmp_path,
        user("Search the code", 1, isSidechain=True),
        answer("Found", 2, isSidechain=True),
        user("Thanks", 3),
    )
    archive = imported(path)
    assert [one.is_sidechain for one in archive.ordered] == [True, True, False]
    assert archive.session.title == "Thanks"


def test_what_the_program_put_into_a_prompt_is_not_the_prompt(tmp_path: Path) -> None:
    """It stays in the layout."""
    path = transcript(tmp_path, user([said(OPENED), said("Fix it"), said("now")]))
    message = imported(path).message
    assert (message.role, message.text_content) == ("user", "Fix it\n\nnow")
    assert layout(message.content) == [
        {"type": "system", "text": OPENED},
        {"type": "text", "chars": 6},
        {"type": "text", "chars": 3},
    ]


@pytest.mark.parametrize(
    "record",
    [
        user(OPENED),
        user("[Request interrupted by user]"),
        user("Look here", promptSource="system"),
        user("Look here", origin={"kind": "task-notification"}),
        user("Look here", origin={"kind": "peer", "from": "b"}),
        user("A summary", isCompactSummary=True),
        user([said("A summary")], isCompactSummary=True, isMeta=True),
        attachment("queued_command", prompt="Look", commandMode="task-notification"),
        attachment("queued_command", prompt="Look", origin={"kind": "peer"}),
    ],
)
def test_the_programs_own_messages(tmp_path: Path, record: Record) -> None:
    """They are kept as the system's, and make no title."""
    archive = imported(transcript(tmp_path, record))
    assert archive.message.role == "system"
    assert archive.message.text_content
    assert archive.session.title is None


@pytest.mark.parametrize(
    "record",
    [
        user("Look", promptSource="typed", origin={"kind": "human"}),
        user("Look", promptSource="sdk"),
        user("Look", origin={"kind": "something-new"}),
        user("Look", isMeta=False, isCompactSummary=False),
    ],
)
def test_a_persons_messages(tmp_path: Path, record: Record) -> None:
    """Nobody else is believed to speak without saying so."""
    assert imported(transcript(tmp_path, record)).message.role == "user"


def test_what_is_told_to_the_model_alone_is_noise(tmp_path: Path) -> None:
    """Expanded commands and caveats; but not a page that was shown."""
    assert outcome_of(tmp_path, user("Base directory for this skill", isMeta=True)) == "noise"
    archive = imported(transcript(tmp_path, user([image(kind="document")], isMeta=True)))
    assert layout(archive.message.content) == [
        {"type": "document", "attachment": PIXEL_HASH, "media_type": "image/png"}
    ]
    assert archive.message.role == "system"


def test_images_are_stored_once(tmp_path: Path) -> None:
    """Messages refer to them by their hash."""
    path = transcript(
        tmp_path,
        user([image(), said("What is it?")], 1),
        user([image(title="again")], 2),
    )
    archive = imported(path)
    (stored,) = archive.attachments.values()
    assert (stored.sha256, stored.media_type, stored.data) == (PIXEL_HASH, "image/png", PIXEL)
    reference = {"type": "image", "attachment": PIXEL_HASH, "media_type": "image/png"}
    assert layout(archive.ordered[0].content) == [reference, {"type": "text"}]
    assert layout(archive.ordered[1].content) == [{**reference, "title": "again"}]
    assert [one.role for one in archive.ordered] == ["user", "user"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            {"type": "base64", "media_type": "image/png", "data": "%%%"},
            {"media_type": "image/png", "unreadable": 3},
        ),
        ({"type": "base64", "data": "ünï"}, {"media_type": None, "unreadable": 3}),
        (
            {"type": "url", "url": "https://e.org/a.png"},
            {"source": {"type": "url", "url": "https://e.org/a.png"}},
        ),
        (None, {"source": None}),
        ("text", {"source": "text"}),
        (
            {
                "type": "base64",
                "media_type": "image/png",
                "data": "A" * 4 * (5 * 1024 * 1024 // 3 + 1),
            },
            {"media_type": "image/png", "bytes": 5 * 1024 * 1024 + 1},
        ),
    ],
)
def test_what_is_no_image_is_described(tmp_path: Path, source: object, expected: Record) -> None:
    """Damaged, elsewhere, or larger than 5 MB."""
    archive = imported(transcript(tmp_path, user([{"type": "image", "source": source}])))
    assert layout(archive.message.content) == [{"type": "image", **expected}]
    assert archive.attachments == {}


def test_documents_may_be_text_and_images_broken_into_lines(tmp_path: Path) -> None:
    """Both are taken as they are meant."""
    plain = {"type": "text", "media_type": "text/plain", "data": "für"}
    broken = {"type": "base64", "media_type": "image/png", "data": "iVBO\nRyBu\r\nb3Q="}
    path = transcript(
        tmp_path,
        user([{"type": "document", "source": plain}, {"type": "image", "source": broken}]),
    )
    found = {one.data for one in imported(path).attachments.values()}
    assert found == {"für".encode(), base64.b64decode("iVBORyBub3Q=")}


def test_answers_of_no_model_are_kept_without_usage(tmp_path: Path) -> None:
    """The program answers in the model's place."""
    archive = imported(transcript(tmp_path, answer("No response requested.", model="<synthetic>")))
    assert archive.spoken == [("assistant", "No response requested.")]
    assert (archive.message.model, archive.session.model, archive.usage) == (None, None, {})


def test_every_line_is_counted_once(tmp_path: Path) -> None:
    """Malformed ones by their physical number; blank ones nowhere."""
    path = transcript(
        tmp_path,
        user("Hello", 1),
        "",
        "{broken",
        "  \t",
        "[1, 2]",
        '"text"',
        {"type": "mode", "mode": "normal"},
        {"type": "brand-new", "text": "?"},
        b'{"type":"user","message":"\xff"}',
        "null",
    )
    batches = batches_of(path)
    assert counted(batches) == (2, 1, 1, [3, 5, 6, 10])
    assert sum(one.lines for one in batches) == 8


def test_damaged_letters_cost_only_themselves(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, lone surrogates, NaN, a byte order mark."""
    path = transcript(
        tmp_path,
        b'\xef\xbb\xbf{"type":"user","uuid":"u1","message":{"content":"a\xffb"}}',
        b'{"type":"user","uuid":"u2","message":{"content":"a\\ud800b"},"x":NaN,"y":1e999}',
    )
    assert [text for _role, text in imported(path).spoken] == ["a\ufffdb", "a?b"]
