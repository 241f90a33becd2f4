"""How lines are counted, in every layout, whole, torn and compressed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

import pytest
import zstandard

from clankers.importers import Resume

from ._rollouts import (
    BEGAN,
    THREAD,
    archived,
    batches_of,
    counted,
    counters,
    encoded,
    event,
    header,
    imported,
    item,
    line,
    message,
    moment,
    rollout,
    tokens,
    turn,
)

if TYPE_CHECKING:
    from pathlib import Path

CONVERSATION = [
    header(),
    turn(),
    message("user", "Count to three", 2),
    message("assistant", "One two three", 4),
    tokens(counters(100, 40, 9), counters(100, 40, 9), 5),
]


def test_every_line_is_counted_once(tmp_path: Path) -> None:
    """Lines are imported, noise, unknown or malformed; blank lines are not counted."""
    path = rollout(
        tmp_path,
        header(),
        "",
        event("task_started", turn_id="t1"),
        "   ",
        line("quantum_state", {"spin": 1}),
        event("a_new_event"),
        item("a_new_item"),
        '{"torn": ',
        "[1, 2]",
        '"text"',
        message("user", "Hello"),
        b"\xff\xfe",
    )
    assert counted(batches_of(path)) == (2, 1, 3, [8, 9, 10, 12])


def test_bytes_that_are_not_utf8_and_lone_surrogates_cost_no_line(tmp_path: Path) -> None:
    """What other programs do write is mended: the line is read, its damage shows."""
    good = encoded([message("user", "before X after")]).strip()
    path = rollout(
        tmp_path,
        header(),
        good.replace(b"X", b"\xff"),
        good.replace(b"X", b"\\ud800"),
    )
    said = [words for _role, words in imported(path).spoken]
    assert counted(batches_of(path)) == (3, 0, 0, [])
    assert said == ["before \ufffd after", "before ? after"]


def test_a_last_line_without_newline_comes_alone_and_again(tmp_path: Path) -> None:
    """It is imported in a batch of its own whose watermark stays before it."""
    path = rollout(tmp_path, header(), message("user", "Hello"))
    whole = path.read_bytes()
    path.write_bytes(whole.removesuffix(b"\n"))
    first, tail = batches_of(path)
    assert (first.lines, first.tail, tail.lines, tail.tail) == (1, None, 1, "imported")
    assert tail.resume == first.resume
    assert archived([first, tail]).spoken == [("user", "Hello")]
    path.write_bytes(whole)
    (again,) = batches_of(path, tail.resume)
    assert (again.lines, again.tail) == (1, None)
    assert archived([first, tail, again]) == imported(path)


def test_a_torn_last_line_is_pending(tmp_path: Path) -> None:
    """A line that does not parse yet is counted nowhere and read when it is complete."""
    path = rollout(tmp_path, header(), message("user", "Hello"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    (first,) = batches_of(path)
    assert first.lines == 1
    path.write_bytes(whole)
    (second,) = batches_of(path, first.resume)
    assert second.lines == 1
    assert archived([first, second]).spoken == [("user", "Hello")]


def test_a_compressed_rollout_reads_as_the_plain_one(tmp_path: Path) -> None:
    """Several frames in one file are one text, and the ids are the same."""
    plain = rollout(tmp_path / "plain", *CONVERSATION)
    packed = rollout(tmp_path / "packed").with_suffix(".jsonl.zst")
    compressor = zstandard.ZstdCompressor()
    packed.write_bytes(
        compressor.compress(encoded(CONVERSATION[:2]))
        + compressor.compress(encoded(CONVERSATION[2:]))
    )
    assert imported(packed) == imported(plain)


def test_a_truncated_frame_ends_like_a_torn_line(tmp_path: Path) -> None:
    """What can be unpacked is read; the rest comes when the file is complete."""
    packed = rollout(tmp_path).with_suffix(".jsonl.zst")
    compressor = zstandard.ZstdCompressor(level=1)
    first, second = (
        compressor.compress(encoded(lines)) for lines in (CONVERSATION[:3], CONVERSATION[3:])
    )
    packed.write_bytes(first + second[:-7])
    early = batches_of(packed)
    assert sum(one.lines for one in early) == 3
    packed.write_bytes(first + second)
    later = batches_of(packed, early[-1].resume)
    assert sum(one.lines for one in later) == 2
    assert archived([*early, *later]) == imported(packed)


def test_a_file_that_is_only_named_as_compressed_is_an_error(tmp_path: Path) -> None:
    """The file as a whole cannot be read, and the error says which one."""
    path = tmp_path / "rollout-1-a.jsonl.zst"
    path.write_bytes(encoded(CONVERSATION))
    with pytest.raises(OSError, match="not a readable zstd file") as caught:
        batches_of(path)
    assert caught.value.filename == str(path)


def test_nothing_new_gives_a_batch_without_rows(tmp_path: Path) -> None:
    """Reading on from the end finds nothing and keeps the watermark."""
    path = rollout(tmp_path, *CONVERSATION)
    (first,) = batches_of(path)
    (second,) = batches_of(path, first.resume)
    assert second.resume == first.resume
    assert (second.lines, second.sessions, second.messages, second.usage) == (0, [], [], [])


def test_large_files_come_in_several_batches(tmp_path: Path) -> None:
    """Memory does not grow with the file: every few megabytes a batch may be committed."""
    lines = [message("user", f"{number} {'x' * 10_000}") for number in range(1_000)]
    path = rollout(tmp_path, header(), *lines)
    batches = batches_of(path)
    assert len(batches) > 2
    assert len(archived(batches).messages) == 1_000
    assert [one.resume.line for one in batches] == sorted({one.resume.line for one in batches})


def test_the_first_rollouts_are_bare_response_items(tmp_path: Path) -> None:
    """Before September 2025: a header without type, items without envelope, state records."""
    path = tmp_path / "rollout-2025-06-01T12-00-00-early.jsonl"
    path.write_bytes(
        encoded(
            [
                {"id": "early", "timestamp": "2025-06-01T12:00:00.000Z", "git": {"branch": "x"}},
                {"record_type": "state"},
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Hi"}],
                },
                {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c1"},
                {"type": "function_call_output", "call_id": "c1", "output": "done"},
            ]
        )
    )
    assert counted(batches_of(path)) == (4, 1, 0, [])
    archive = imported(path)
    assert archive.session.id == "early"
    assert archive.session.created_at == archive.tools["early:c1"].created_at == 1_748_779_200_000
    assert archive.session.git_branch == "x"
    assert archive.spoken[0] == ("user", "Hi")


def test_a_saved_exec_log(tmp_path: Path) -> None:
    """`codex exec --json`: items, the usage of a turn, and times from the thread's id."""
    path = tmp_path / "run.jsonl"
    usage = {"input_tokens": 50, "cached_input_tokens": 20, "output_tokens": 7}
    command = {"id": "item_1", "type": "command_execution", "command": "ls", "exit_code": 0}
    path.write_bytes(
        encoded(
            [
                {"type": "thread.started", "thread_id": THREAD},
                {"type": "turn.started"},
                {"type": "item.started", "item": command},
                {"type": "item.completed", "item": {**command, "aggregated_output": "a.txt"}},
                {
                    "type": "item.completed",
                    "item": {"id": "item_2", "type": "agent_message", "text": "One file."},
                },
                {"type": "turn.completed", "usage": usage},
                {"type": "turn.failed", "error": {"message": "no more credit"}},
            ]
        )
    )
    assert counted(batches_of(path)) == (5, 2, 0, [])
    archive = imported(path)
    assert archive.session.id == THREAD
    assert archive.session.created_at == BEGAN
    assert archive.spoken == [("assistant", "One file.")]
    assert archive.tools[f"{THREAD}:item_1"].tool_output == '"a.txt"'
    assert archive.tools[f"{THREAD}:item_1"].success is True
    (used,) = archive.usage.values()
    assert (used.id, used.input_tokens, used.cache_read_tokens) == (f"codex:{THREAD}:1", 30, 20)
    assert used.message_id == f"{THREAD}:item_2"
    (error,) = archive.errors.values()
    assert (error.error_type, error.error_message) == ("turn.failed", "no more credit")


def test_the_first_exec_logs_wrapped_events(tmp_path: Path) -> None:
    """`{id, msg}` lines are events, and the prompt stands in a line of its own."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(
        encoded(
            [
                {
                    "id": "",
                    "msg": {"type": "session_configured", "session_id": "s1", "model": "o3"},
                },
                {"prompt": "Say hello"},
                {"id": "0", "msg": {"type": "agent_message", "message": "Hello"}},
            ]
        )
    )
    archive = imported(path)
    assert archive.session.id == "s1"
    assert archive.session.model == "o3"
    assert archive.spoken == [("user", "Say hello"), ("assistant", "Hello")]


@pytest.mark.parametrize(
    ("stem", "session_id"),
    [
        (f"rollout-2025-11-01T12-00-00-{THREAD}", THREAD),
        ("rollout-2025-11-01T12-00-00-mine", "from-the-header"),
        ("copy", "from-the-header"),
    ],
)
def test_the_session_is_named_by_its_file_else_by_its_header(
    tmp_path: Path, stem: str, session_id: str
) -> None:
    """A UUID at the end of the name outweighs what a copied header says."""
    path = tmp_path / f"{stem}.jsonl"
    path.write_bytes(encoded([header("from-the-header"), message("user", "Hi")]))
    archive = imported(path)
    assert list(archive.sessions) == [session_id]
    assert list(archive.messages) == [f"{session_id}:L2"]


def test_a_session_that_nothing_names_is_named_by_its_path(tmp_path: Path) -> None:
    """The same file is the same session again."""
    path = tmp_path / "nameless.jsonl"
    path.write_bytes(encoded([message("user", "Hi")]))
    assert imported(path).session.id == str(uuid5(NAMESPACE_URL, f"codex:{path}"))


def test_ids_never_hold_a_slash(tmp_path: Path) -> None:
    """Native ids are kept as written; row ids are not paths."""
    path = tmp_path / "copy.jsonl"
    call = item("function_call", name="f", arguments="{}", call_id="c/1")
    path.write_bytes(encoded([header("a/b"), message("user", "Hi", id="m/1"), call]))
    archive = imported(path)
    assert list(archive.sessions) == ["a_b"]
    assert "a_b:m_1" in archive.messages
    assert archive.messages["a_b:m_1"].native_id == "m/1"
    assert archive.tools["a_b:c_1"].native_id == "c/1"


def test_a_page_that_continues_a_thread_is_the_same_session(tmp_path: Path) -> None:
    """Codex goes on in `<thread>_<page>` files; places and numbers there do not meet the first's."""
    first = rollout(tmp_path, *CONVERSATION)
    page = "01990000-0000-7000-8000-00000000000a"
    second = rollout(tmp_path, *CONVERSATION, thread=f"{THREAD}_{page}")
    archive = archived([*batches_of(first), *batches_of(second)])
    assert list(archive.sessions) == [THREAD]
    assert list(archive.messages) == [
        f"{THREAD}:L3",
        f"{THREAD}:L4",
        f"{THREAD}:{page}.L3",
        f"{THREAD}:{page}.L4",
    ]
    assert list(archive.usage) == [f"codex:{THREAD}:1", f"codex:{THREAD}:{page}.1"]


def test_a_file_of_unknown_lines_makes_no_session(tmp_path: Path) -> None:
    """Any JSON Lines may be given; only what says something of a session makes one."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(
        encoded([{"level": "info"}, {"type": "response_item", "payload": {"type": "x"}}])
    )
    assert counted(batches_of(path)) == (0, 0, 2, [])
    assert imported(path).sessions == {}


def test_resume_is_small(tmp_path: Path) -> None:
    """What is kept between readings does not grow with the file."""
    turns = [
        one
        for number in range(500)
        for one in (
            message("user", f"Question {number}", number),
            item("function_call", number, name="f", arguments="{}", call_id=f"c{number}"),
            item("function_call_output", number, call_id=f"c{number}", output="x" * 5_000),
        )
    ]
    (batch,) = batches_of(rollout(tmp_path, header(), *turns))
    assert batch.resume.state is not None
    assert len(batch.resume.state) < 8_000


def test_times_come_from_the_lines_and_the_header(tmp_path: Path) -> None:
    """created_at is the header's, updated_at the latest line's, whatever their order."""
    late = message("user", "Hi", 90)
    path = rollout(tmp_path, header(second=10), late, event("task_started", 30))
    session = imported(path).session
    assert (session.created_at, session.updated_at) == (moment(10), moment(90))


def test_reading_on_from_any_resume_needs_no_state(tmp_path: Path) -> None:
    """A watermark without state starts as the beginning does; nothing raises."""
    path = rollout(tmp_path, *CONVERSATION)
    (batch,) = batches_of(path)
    assert batches_of(path, Resume(batch.resume.offset, batch.resume.line))[0].lines == 0
