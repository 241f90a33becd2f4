"""Who said what in a rollout, each thing once and in order."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from ._rollouts import (
    THREAD,
    at,
    batches_of,
    counted,
    event,
    header,
    imported,
    item,
    line,
    message,
    moment,
    rollout,
    turn,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ._rollouts import Record

PIXEL = b"\x89PNG not really"
DATA_URL = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
PIXEL_HASH = hashlib.sha256(PIXEL).hexdigest()
AS_ITEMS = [message("user", "Hello", 2), message("assistant", "Hi there", 4)]
AS_EVENTS = [
    event("user_message", 2.1, message="Hello", images=[]),
    event("agent_message", 4.1, message="Hi there"),
]
SAID = [("user", "Hello"), ("assistant", "Hi there")]


@pytest.mark.parametrize(
    "lines",
    [
        AS_ITEMS,
        AS_EVENTS,
        [AS_ITEMS[0], AS_EVENTS[0], AS_ITEMS[1], AS_EVENTS[1]],
        [AS_EVENTS[0], AS_ITEMS[0], AS_EVENTS[1], AS_ITEMS[1]],
        [*AS_EVENTS, *AS_ITEMS],
    ],
)
def test_a_message_that_is_told_twice_is_one(tmp_path: Path, lines: list[Record]) -> None:
    """Response items and events tell the same; old files have one of them, new ones both."""
    assert imported(rollout(tmp_path, header(), *lines)).spoken == SAID


def test_paginated_threads_tell_messages_as_completed_items(tmp_path: Path) -> None:
    """Newer versions write items of their own kind beside the response items."""
    asked = {"type": "UserMessage", "id": "u1", "content": [{"type": "text", "text": "Hello"}]}
    said = {"type": "AgentMessage", "id": "a1", "content": [{"type": "Text", "text": "Hi there"}]}
    completed = [event("item_completed", item=asked), event("item_completed", 4, item=said)]
    alone = imported(rollout(tmp_path / "alone", header(), *completed))
    both = imported(rollout(tmp_path / "both", header(), *AS_ITEMS, *completed))
    assert (alone.spoken, both.spoken) == (SAID, SAID)
    assert f"{THREAD}:u1" in alone.messages


def test_the_same_words_said_twice_stay_two_messages(tmp_path: Path) -> None:
    """Each record answers for one other: a person may say yes twice."""
    twice = [message("user", "yes"), event("user_message", message="yes")] * 2
    assert imported(rollout(tmp_path, header(), *twice)).spoken == [("user", "yes")] * 2
    events = [event("user_message", message="yes")] * 3
    assert len(imported(rollout(tmp_path, header(), *events)).spoken) == 3


def test_texts_that_begin_alike_are_two(tmp_path: Path) -> None:
    """All of a text is compared, so an answer that only an event tells is not lost."""
    opening = (
        "I read the whole file and ran every one of its tests, and this is what I found: " * 60
    )
    lines = [
        message("user", opening + "one"),
        event("user_message", message=opening + "two"),
        message("assistant", opening + "three"),
        event("task_started"),
        message("user", "Go on"),
        event("agent_message", message=opening + "four"),
    ]
    assert imported(rollout(tmp_path, header(), *lines)).spoken == [
        ("user", opening + "one"),
        ("user", opening + "two"),
        ("assistant", opening + "three"),
        ("user", "Go on"),
        ("assistant", opening + "four"),
    ]


@pytest.mark.parametrize("is_event_first", [True, False])
@pytest.mark.parametrize(
    "named", [{"images": [DATA_URL]}, {"images": [], "local_images": ["/tmp/a.png"]}]
)
def test_a_prompt_of_an_image_alone_is_one(
    tmp_path: Path, named: Record, *, is_event_first: bool
) -> None:
    """The item and the event of it are one message; the event may name a file instead of bytes."""
    content = [{"type": "input_image", "image_url": DATA_URL}]
    told = [
        item("message", role="user", content=content),
        event("user_message", message="", **named),
    ]
    if is_event_first:
        told.reverse()
    (said,) = imported(rollout(tmp_path, header(), *told)).messages.values()
    assert (said.role, said.text_content) == ("user", None)
    assert PIXEL_HASH in (said.content or "")


def test_prompts_of_different_images_are_two(tmp_path: Path) -> None:
    """What is compared is the image, not that there is one."""
    other = f"data:image/png;base64,{base64.b64encode(b'another').decode()}"
    told = [
        item("message", role="user", content=[{"type": "input_image", "image_url": DATA_URL}]),
        event("user_message", message="", images=[other]),
    ]
    assert len(imported(rollout(tmp_path, header(), *told)).messages) == 2


def test_the_same_words_much_later_are_another_message(tmp_path: Path) -> None:
    """An event answers only for an item that stands near it."""
    between = [event("task_started")] * 70
    path = rollout(
        tmp_path, header(), message("user", "go"), *between, event("user_message", message="go")
    )
    assert imported(path).spoken == [("user", "go"), ("user", "go")]


def test_plans_and_citations_stand_only_in_the_item(tmp_path: Path) -> None:
    """The event leaves them out, and the fuller wording is kept."""
    full = "Done.<oai-mem-citation>x</oai-mem-citation>\n<proposed_plan>1. Rest</proposed_plan>"
    plan = event("item_completed", item={"type": "Plan", "id": "p", "text": "1. Rest"})
    path = rollout(
        tmp_path,
        header(),
        event("agent_message", message="Done."),
        message("assistant", full),
        plan,
    )
    assert imported(path).spoken == [("assistant", full)]


@pytest.mark.parametrize(
    "words",
    [
        "<environment_context>\n  <cwd>/x</cwd>\n</environment_context>",
        "<user_instructions>\nBe brief\n</user_instructions>",
        "# AGENTS.md instructions for /x\n\n<INSTRUCTIONS>\nBe brief\n</INSTRUCTIONS>",
        "<turn_aborted>\nThe user interrupted\n</turn_aborted>",
        "<recommended_plugins>\nnone\n</recommended_plugins>",
        '<codex_internal_context source="goal">\nx\n</codex_internal_context>',
        "<skill>\nname\n</skill>",
    ],
)
def test_what_codex_says_for_the_user_is_the_systems(tmp_path: Path, words: str) -> None:
    """Injected context is kept, is nobody's prompt and makes no title."""
    path = rollout(tmp_path, header(), message("user", words), message("user", "<b>Real</b>"))
    archive = imported(path)
    assert archive.spoken == [("system", words), ("user", "<b>Real</b>")]
    assert archive.session.title == "<b>Real</b>"


def test_codex_may_say_itself_what_is_context(tmp_path: Path) -> None:
    """Its own note on each block outweighs the look of the text."""
    content = [
        {"type": "input_text", "text": "Looks like a prompt"},
        {"type": "input_text", "text": "Is a prompt"},
    ]
    noted = {"content_item_kinds": ["context.skills", "user.text"]}
    path = rollout(
        tmp_path,
        header(),
        item(
            "message",
            role="user",
            content=content,
            internal_chat_message_metadata_passthrough=noted,
        ),
        event("user_message", message="Is a prompt"),
    )
    (said,) = imported(path).messages.values()
    assert (said.role, said.text_content) == ("user", "Is a prompt")
    assert json.loads(said.content or "") == [
        {"type": "context", "text": "Looks like a prompt"},
        {"type": "text"},
    ]


def test_developer_messages_keep_their_role_and_blocks(tmp_path: Path) -> None:
    """Several blocks become one text; the layout says where to cut it."""
    content = [{"type": "input_text", "text": "One"}, {"type": "input_text", "text": "Three"}]
    path = rollout(tmp_path, header(), item("message", role="developer", content=content))
    (said,) = imported(path).messages.values()
    assert (said.role, said.text_content) == ("developer", "One\n\nThree")
    assert json.loads(said.content or "") == [
        {"type": "text", "chars": 3},
        {"type": "text", "chars": 5},
    ]


def test_reasoning_text_and_tool_calls_are_one_answer(tmp_path: Path) -> None:
    """A response is one message; its layout has the order, its columns the words."""
    path = rollout(
        tmp_path,
        header(),
        turn(),
        item("reasoning", 3, id="rs1", summary=[{"type": "summary_text", "text": "Think"}]),
        message("assistant", "I will look.", 4, id="m1"),
        item("function_call", 5, name="shell", arguments="{}", call_id="c1"),
        item("function_call", 6, name="shell", arguments="{}", call_id="c2"),
        item("function_call_output", 7, call_id="c1", output="x"),
        message("assistant", "Done.", 8, id="m2"),
    )
    archive = imported(path)
    first, second = archive.messages.values()
    assert (first.id, first.thinking, first.text_content) == (
        f"{THREAD}:rs1",
        "Think",
        "I will look.",
    )
    assert (first.created_at, first.completed_at) == (moment(3), moment(6))
    assert json.loads(first.content or "") == [
        {"type": "thinking"},
        {"type": "text"},
        {"type": "tool", "id": f"{THREAD}:c1"},
        {"type": "tool", "id": f"{THREAD}:c2"},
    ]
    assert archive.tools[f"{THREAD}:c2"].message_id == first.id
    assert (second.text_content, second.content) == ("Done.", None)
    assert first.model == "gpt-5-codex"
    places = [first.seq, archive.tools[f"{THREAD}:c1"].seq, second.seq]
    assert places == sorted(place or 0 for place in places)


def test_reasoning_that_is_told_twice_is_one_thought(tmp_path: Path) -> None:
    """Events come with each part of a summary, the item with all of them."""
    summary = [{"type": "summary_text", "text": "One"}, {"type": "summary_text", "text": "Two"}]
    path = rollout(
        tmp_path,
        header(),
        event("agent_reasoning", text="One"),
        event("agent_reasoning", text="Two"),
        item("reasoning", summary=summary, encrypted_content="gAAAA"),
        event("agent_reasoning_raw_content", text="Three"),
    )
    (thought,) = imported(path).messages.values()
    assert thought.thinking == "One\n\nTwo\n\nThree"


def test_encrypted_reasoning_is_not_text(tmp_path: Path) -> None:
    """What nobody can read is noise and is stored nowhere."""
    path = rollout(tmp_path, header(), item("reasoning", summary=[], encrypted_content="gAAAA"))
    assert counted(batches_of(path)) == (1, 1, 0, [])
    assert imported(path).messages == {}


def test_an_image_in_the_line_is_stored_once(tmp_path: Path) -> None:
    """Its bytes become an attachment, and the message refers to it in its place."""
    content = [
        {"type": "input_text", "text": "<image name=[Image #1]>"},
        {"type": "input_image", "image_url": DATA_URL},
        {"type": "input_text", "text": "</image>"},
        {"type": "input_text", "text": "What is this?"},
    ]
    path = rollout(
        tmp_path,
        header(),
        event("user_message", message="What is this?", images=[DATA_URL]),
        item("message", role="user", content=content),
    )
    archive = imported(path)
    (said,) = archive.messages.values()
    assert said.text_content == "What is this?"
    assert json.loads(said.content or "") == [
        {"type": "image", "attachment": PIXEL_HASH, "media_type": "image/png"},
        {"type": "text"},
    ]
    assert archive.attachments[PIXEL_HASH].data == PIXEL


@pytest.mark.parametrize(
    ("block", "reference"),
    [
        ({"image_url": "data:image/png;base64,@@@"}, {"media_type": "image/png", "unreadable": 3}),
        (
            {"image_url": "data:image/svg+xml,<svg/>"},
            {"media_type": "image/svg+xml", "unreadable": 25},
        ),
        (
            {"image_url": "data:image/png;base64," + "A" * 8_000_000},
            {"media_type": "image/png", "bytes": 6_000_000},
        ),
        ({"image_url": "https://example.test/a.png"}, {"url": "https://example.test/a.png"}),
        (
            {"image_url": {"url": "https://example.test/b.png"}},
            {"url": "https://example.test/b.png"},
        ),
        ({"image_url": None}, {}),
    ],
)
def test_an_image_that_is_not_stored_is_referred_to(
    tmp_path: Path, block: Record, reference: Record
) -> None:
    """Broken, foreign and too large images leave a trace of what they were."""
    content = [{"type": "input_image", **block}]
    archive = imported(rollout(tmp_path, header(), item("message", role="user", content=content)))
    (said,) = archive.messages.values()
    assert json.loads(said.content or "") == [{"type": "image", **reference}]
    assert archive.attachments == {}


def test_a_file_that_a_transcript_names_is_not_read(tmp_path: Path) -> None:
    """A hostile transcript may name any path; the path is kept as text, its file is not."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(PIXEL)
    path = rollout(
        tmp_path,
        header(),
        event("user_message", message="Look", local_images=[str(secret)]),
        item(
            "message",
            role="user",
            content=[{"type": "input_image", "image_url": f"file://{secret}"}],
        ),
    )
    archive = imported(path)
    assert archive.attachments == {}
    assert all("PNG" not in (one.content or "") for one in archive.messages.values())


def test_the_title_is_the_first_prompt_until_there_is_a_name(tmp_path: Path) -> None:
    """A name that was given wins whenever it comes, and the last one of several."""
    prompts = [message("user", "  \nFix   the bug\nplease"), message("user", "Thanks")]
    unnamed = imported(rollout(tmp_path, header(), *prompts)).session
    names = [event("thread_name_updated", thread_name=name) for name in ("Bugs", "Bug 7")]
    named = imported(rollout(tmp_path, header(), names[0], *prompts, names[1])).session
    assert (unnamed.title, named.title) == ("Fix the bug", "Bug 7")


def test_titles_are_the_persons_words(tmp_path: Path) -> None:
    """What an editor puts before a prompt and what a shell printed are no titles."""
    shell = "<user_shell_command>\n<command>ls</command>\n</user_shell_command>"
    editor = "# Context from my IDE setup:\n\n## My request for Codex:\nRename it"
    archive = imported(rollout(tmp_path, header(), message("user", shell), message("user", editor)))
    assert archive.session.title == "Rename it"
    assert [role for role, _words in archive.spoken] == ["user", "user"]
    long = imported(rollout(tmp_path, header(), message("user", "x" * 500))).session.title
    assert len(long or "") == 120


def test_the_session_is_described_by_header_and_turns(tmp_path: Path) -> None:
    """Folder and branch are the first, model and permissions the last that were told."""
    path = rollout(
        tmp_path,
        header(cwd="C:\\Users\\ada\\engine", model_provider="azure"),
        turn(cwd="C:\\elsewhere"),
        turn(model="gpt-5.1", approval_policy={"granular": {"rules": True}}),
        event(
            "thread_settings_applied", thread_settings={"model": "gpt-5.2", "service_tier": "fast"}
        ),
    )
    session = imported(path).session
    assert session.project_path == "C:\\Users\\ada\\engine"
    assert session.project_name == "engine"
    assert session.git_branch == "main"
    assert session.agent_version == "0.66.0"
    assert session.model == "gpt-5.2"
    assert session.provider == "azure"
    assert session.permission_mode == "granular"
    assert session.source == "codex"


def test_a_compaction_is_one_however_it_is_told(tmp_path: Path) -> None:
    """Record, event and item tell of the same; sizes come from the counters around them."""
    info = {
        "total_token_usage": {"input_tokens": 900, "output_tokens": 50, "cached_input_tokens": 0}
    }
    before = {
        **info,
        "last_token_usage": {"input_tokens": 800, "output_tokens": 50, "total_tokens": 850},
    }
    after = {
        **info,
        "last_token_usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 120},
    }
    path = rollout(
        tmp_path,
        header(),
        event("token_count", info=before),
        line("compacted", {"message": "We counted.", "replacement_history": []}, 9),
        event("context_compacted", 9),
        item("compaction", 9, encrypted_content="gAAAA"),
        event("token_count", 9, info=after),
    )
    archive = imported(path)
    (compaction,) = archive.compactions.values()
    assert compaction.created_at == moment(9)
    assert (compaction.tokens_before, compaction.tokens_after) == (850, 120)
    assert archive.spoken == [("system", "We counted.")]


def test_two_compactions_are_two(tmp_path: Path) -> None:
    """The same kind of record again is another compaction."""
    path = rollout(tmp_path, header(), *[line("compacted", {"message": ""})] * 2)
    assert len(imported(path).compactions) == 2


def test_errors_are_kept_once_with_their_kind(tmp_path: Path) -> None:
    """The end of a turn repeats its error; an interruption is told by its own kind."""
    limit = {"message": "Limit reached", "codex_error_info": "usage_limit_exceeded"}
    refused = {
        "message": "Refused",
        "codex_error_info": {"http_connection_failed": {"status": 500}},
    }
    path = rollout(
        tmp_path,
        header(),
        event("error", 3, **limit),
        event("task_complete", 4, turn_id="t", error=limit),
        event("stream_error", 5, **refused),
        event("error", 6, error={"kind": "rate_limit", "message": "Slow down"}),
        event("turn_aborted", 7, reason="interrupted"),
    )
    errors = [
        (one.error_type, one.error_message, one.created_at)
        for one in imported(path).errors.values()
    ]
    assert errors == [
        ("usage_limit_exceeded", "Limit reached", moment(3)),
        ("http_connection_failed", "Refused", moment(5)),
        ("rate_limit", "Slow down", moment(6)),
        ("turn_aborted", "interrupted", moment(7)),
    ]


def test_messages_between_agents_are_not_the_persons(tmp_path: Path) -> None:
    """They are kept with who sent them to whom."""
    path = rollout(
        tmp_path,
        header(),
        item(
            "agent_message",
            author="/root",
            recipient="/root/child",
            content=[{"type": "input_text", "text": "Count"}, {"type": "encrypted_content"}],
        ),
        line("inter_agent_communication", {"author": "/a", "recipient": "/b", "content": "Go"}),
    )
    first, second = imported(path).messages.values()
    assert (first.role, first.text_content) == ("system", "Count")
    assert json.loads(first.content or "")[-1] == {
        "type": "agent_message",
        "author": "/root",
        "recipient": "/root/child",
    }
    assert second.text_content == "Go"


def test_reviews_goals_and_speech_are_kept(tmp_path: Path) -> None:
    """What a person asked for or said stands in the conversation wherever Codex wrote it."""
    review = {"overall_explanation": "Fine.", "findings": [{"title": "Nit", "body": "Name it"}]}
    goal = {"objective": "Ship it", "tokensUsed": 1}
    path = rollout(
        tmp_path,
        header(),
        event("entered_review_mode", 1, target={"type": "custom", "instructions": "Check names"}),
        event("exited_review_mode", 2, review_output=review),
        event("thread_goal_updated", 3, goal=goal),
        event("thread_goal_updated", 4, goal={**goal, "tokensUsed": 2}),
        line("realtime_item", {"type": "transcript_segment", "role": "user", "text": "Hear me"}, 5),
    )
    assert imported(path).spoken == [
        ("user", "Check names"),
        ("system", "Fine.\n\nNit\n\nName it"),
        ("system", "Ship it"),
        ("user", "Hear me"),
    ]


def test_what_is_nested_as_deep_as_can_be_decoded_raises_nothing(tmp_path: Path) -> None:
    """A line that cannot be encoded again is malformed; the next one is read."""
    deep = [
        f'{{"type":"response_item","payload":{{"type":"function_call_output","call_id":"c","output":{"[" * depth}{"]" * depth}}}}}'
        for depth in range(700, 1_100, 5)
    ]
    path = rollout(tmp_path, header(), *deep, message("user", "Still here"))
    batches = batches_of(path)
    assert sum(one.lines for one in batches) == len(deep) + 2
    assert imported(path).spoken == [("user", "Still here")]


def test_places_follow_time_and_then_the_file(tmp_path: Path) -> None:
    """seq only grows: a clock that goes back does not reorder a conversation."""
    lines = [message("user", words, second) for words, second in (("a", 9), ("b", 3), ("c", 3))]
    archive = imported(rollout(tmp_path, header(), *lines, message("user", "d", 60)))
    assert [one.seq for one in archive.messages.values()] == [
        moment(9),
        moment(9) + 1,
        moment(9) + 2,
        moment(60),
    ]
    assert at(60) == "2025-11-01T12:01:00.000Z"
