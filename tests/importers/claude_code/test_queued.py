"""Prompts typed while the agent was busy: none is lost, and none is told twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ._transcripts import (
    SESSION,
    Record,
    answer,
    attachment,
    batches_of,
    counted,
    imported,
    moment,
    outcome_of,
    queued,
    transcript,
    user,
)

if TYPE_CHECKING:
    from pathlib import Path

NOTIFICATION = "<task-notification>\n<task-id>b1</task-id>\n</task-notification>"
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}


def delivered(prompt: object, second: float, **more: object) -> Record:
    return attachment("queued_command", second, prompt=prompt, commandMode="prompt", **more)


def said(text: str) -> Record:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    "rest",
    [
        [queued("dequeue", second=5), user("Use tabs", 6, uuid="u1", promptSource="queued")],
        [user("Use tabs", 6, uuid="u1"), queued("dequeue", second=7)],
        [delivered("Use tabs", 6, origin={"kind": "human"})],
        [delivered([said("Use tabs")], 6), queued("remove", "Use tabs", 6)],
        [queued("remove", "Use tabs", 5), delivered("Use tabs", 6)],
        [queued("remove", second=5), delivered("Use tabs", 6)],
        [queued("popAll", "Use tabs", 5), user("  Use tabs\n", 6, uuid="u1")],
    ],
)
def test_a_queued_prompt_that_is_delivered_is_one_message(
    tmp_path: Path, rest: list[Record]
) -> None:
    """Typed when it was queued, and standing where it reached the agent."""
    path = transcript(
        tmp_path,
        user("Go", 1),
        queued("enqueue", "Use tabs", 2),
        answer("Working", 3),
        *rest,
        answer("Done", 8, message="msg_2"),
    )
    archive = imported(path)
    assert [text for _role, text in archive.spoken] == ["Go", "Working", "Use tabs", "Done"]
    prompt = archive.ordered[2]
    assert (prompt.role, prompt.created_at) == ("user", moment(2))


def test_a_delivered_prompt_has_the_id_that_others_point_at(tmp_path: Path) -> None:
    """Its row keeps the one it was made under."""
    path = transcript(
        tmp_path,
        queued("enqueue", "Use tabs", 2),
        user("Use tabs", 3, uuid="u2", parentUuid="u1"),
    )
    message = imported(path).message
    assert message.id.startswith(f"{SESSION}:queued-{moment(2)}-")
    assert (message.native_id, message.parent_native_id) == ("u2", "u1")


@pytest.mark.parametrize(
    "rest",
    [
        [],
        [queued("remove", second=4)],
        [queued("remove", {"reason": "absorbed_mid_turn"}, 4)],
        [queued("popAll", "Use tabs", 4)],
        [queued("dequeue", second=4)],
    ],
)
def test_a_queued_prompt_that_is_never_delivered_is_kept(
    tmp_path: Path, rest: list[Record]
) -> None:
    """Older versions told the model of it without a line of its own."""
    path = transcript(tmp_path, user("Go", 1), queued("enqueue", "Use tabs", 2), *rest)
    assert imported(path).spoken == [("user", "Go"), ("user", "Use tabs")]


def test_a_prompt_that_was_never_queued_has_its_own_place(tmp_path: Path) -> None:
    """Versions that log no queue still log what came out of it."""
    path = transcript(
        tmp_path, answer("a", 1), delivered("Use tabs", 2), answer("b", 3, message="msg_2")
    )
    assert imported(path).spoken == [("assistant", "a"), ("user", "Use tabs"), ("assistant", "b")]


def test_prompts_that_are_delivered_together_stay_apart(tmp_path: Path) -> None:
    """Each was typed for itself, also when two are the same or one has two lines."""
    path = transcript(
        tmp_path,
        queued("enqueue", "/exit", 1),
        queued("enqueue", "two\nlines", 2),
        queued("enqueue", "/exit", 3),
        user("/exit\ntwo\nlines\n/exit", 4),
    )
    archive = imported(path)
    assert archive.spoken == [("user", "/exit"), ("user", "two\nlines"), ("user", "/exit")]
    assert [one.created_at for one in archive.ordered] == [moment(1), moment(2), moment(3)]


def test_a_prompt_among_other_words_is_kept_beside_them(tmp_path: Path) -> None:
    """Nothing tells then where it ends."""
    path = transcript(
        tmp_path,
        queued("enqueue", "Use tabs", 1),
        user(f"{NOTIFICATION}\nUse tabs", 2),
        user("Use tabs and spaces", 3),
    )
    assert [role for role, _text in imported(path).spoken] == ["user", "system", "user"]


def test_the_same_words_much_later_are_another_prompt(tmp_path: Path) -> None:
    """A prompt that left the queue is delivered at once or never."""
    yes = [queued("enqueue", "yes", 1), queued("remove", second=2)]
    soon = imported(transcript(tmp_path, *yes, user("yes", 61)))
    later = imported(transcript(tmp_path, *yes, user("yes", 63)))
    assert (len(soon.messages), len(later.messages)) == (1, 2)


def test_a_prompt_may_wait_for_long(tmp_path: Path) -> None:
    """As long as it is in the queue."""
    path = transcript(tmp_path, queued("enqueue", "yes", 1), user("yes", 7_200))
    assert len(imported(path).messages) == 1


def test_images_that_were_queued_are_kept_once(tmp_path: Path) -> None:
    """Whichever of the lines has them."""
    path = transcript(
        tmp_path,
        queued("enqueue", "[Image #1] Look", 1),
        delivered([said("[Image #1] Look"), PICTURE], 2),
        queued("enqueue", [said("And"), PICTURE], 3),
        delivered([said("And"), PICTURE], 4),
    )
    archive = imported(path)
    assert archive.spoken == [("user", "[Image #1] Look"), ("user", "And")]
    for message in archive.ordered:
        kinds = [block["type"] for block in json.loads(message.content or "")]
        assert kinds == ["text", "image"]


def test_a_delivered_line_that_comes_again_changes_nothing(tmp_path: Path) -> None:
    """Copied chains hold it without the line that queued it."""
    lines = [queued("enqueue", "Use tabs", 1), user("Use tabs", 2), answer("Yes", 3)]
    once = imported(transcript(tmp_path, *lines))
    again = imported(transcript(tmp_path, *lines, *lines[1:]))
    assert again.messages == once.messages


def test_two_prompts_of_one_moment(tmp_path: Path) -> None:
    """Their words tell them apart, and a line that repeats one does not add to them."""
    one, two = queued("enqueue", "one", 1), queued("enqueue", "two", 1)
    assert len(imported(transcript(tmp_path, one, two, one)).messages) == 2


def test_a_prompt_without_a_time(tmp_path: Path) -> None:
    """It is kept all the same."""
    record = {**queued("enqueue", "Use tabs"), "timestamp": None}
    assert imported(transcript(tmp_path, record)).spoken == [("user", "Use tabs")]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (queued("enqueue", "Use tabs"), "imported"),
        (queued("enqueue", [said("Use tabs")]), "imported"),
        (queued("enqueue", NOTIFICATION), "noise"),
        (queued("enqueue", "  "), "noise"),
        (queued("enqueue"), "noise"),
        (queued("dequeue"), "noise"),
        (queued("remove"), "noise"),
        (queued("popAll", "Use tabs"), "noise"),
        (queued("reorder"), "unknown"),
        (attachment("queued_command", prompt="Use tabs"), "imported"),
        (attachment("queued_command", prompt=[]), "noise"),
        (attachment("queued_command"), "noise"),
        (attachment("todo_reminder", content=[]), "noise"),
        (attachment("brand_new", content="?"), "unknown"),
        ({**attachment("file"), "attachment": "text"}, "unknown"),
    ],
)
def test_how_records_count(tmp_path: Path, record: Record, expected: str) -> None:
    """What is known to hold nothing of the conversation is noise."""
    assert outcome_of(tmp_path, record) == expected


def test_a_queued_prompt_may_be_the_title(tmp_path: Path) -> None:
    """When it was the first one; a command is none."""
    path = transcript(tmp_path, queued("enqueue", "/init", 1), queued("enqueue", "Use tabs", 2))
    archive = imported(path)
    assert archive.session.title == "Use tabs"
    assert counted(batches_of(path)) == (2, 0, 0, [])
