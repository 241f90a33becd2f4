"""A file may be read in any pieces while it grows: the rows are those of one reading."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.importers import Batch, Resume
from clankers.importers._jsonl import read_chunks
from clankers.importers.claude_code import _transcript
from clankers.importing import import_sessions
from clankers.store import Store

from ._transcripts import (
    SESSION,
    Archive,
    Record,
    answer,
    archived,
    attachment,
    batches_of,
    call,
    encoded,
    imported,
    line,
    queued,
    result,
    transcript,
    usage,
    user,
)

WINDOW = 8
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
TABLES = (
    "sessions",
    "messages",
    "tools",
    "session_errors",
    "compaction_events",
    "usage",
    "attachments",
)
NAMES = "SELECT name FROM pragma_table_info(?)"
LOCAL_COLUMNS = {"n", "origin_device"}


def turn(number: int, second: float) -> list[Record]:
    """A prompt and what followed: an answer over several lines, whose output grows."""
    message = f"msg_{number}"
    request = None if number % 3 == 0 else f"req_{number}"
    said = partial(answer, message=message, request=request)
    return [
        user(f"Prompt {number}", second, uuid=f"u{number}"),
        said([{"type": "thinking", "thinking": "Hm"}], second + 1, used=usage(10, 1)),
        said("Look", second + 2, used=usage(10, 40, read=5)),
        said("Looking", second + 3, used=usage(0, 41)),
        said([call(f"t{number}", file_path="/a.py")], second + 4, used=usage(10, 41)),
        result(f"t{number}", "a", second + 5, toolUseResult={"durationMs": number}),
        answer("Side", second + 6, message=message, request="side", isSidechain=True),
    ]


OTHERS: list[Any] = [
    lambda n, second: [queued("enqueue", f"Queued {n}", second), user(f"Queued {n}", second + 1)],
    lambda n, second: [queued("enqueue", f"Queued {n}", second), queued("remove", second=second)],
    lambda n, second: [
        queued("enqueue", f"a{n}", second),
        queued("enqueue", f"b{n}", second + 1),
        user(f"a{n}\nb{n}", second + 2),
    ],
    lambda n, second: [attachment("queued_command", second, prompt=f"Mid {n}")],
    lambda n, second: [user([{"type": "text", "text": f"See {n}"}, PICTURE], second)],
    lambda n, second: [answer("API", second, message=f"e{n}", isApiErrorMessage=True)],
    lambda n, second: [
        line(
            "system",
            second,
            subtype="compact_boundary",
            compactMetadata={"preTokens": 100, "cumulativeDroppedTokens": 10 * n},
        )
    ],
    lambda n, _second: [{"type": "ai-title", "aiTitle": f"Title {n}"}],
    lambda n, _second: [{"type": "summary", "summary": f"Summary {n}", "leafUuid": f"u{n + 1}"}],
    lambda n, second: [user(f"Timeless {n}", second, timestamp=None)],
    lambda n, second: [user(f"Back {n}", second, timestamp="2025-11-01T11:00:00Z", uuid=f"b{n}")],
    lambda _n, _second: ["{broken", ""],
    lambda _n, _second: [{"type": "brand-new"}],
]


@st.composite
def transcripts(draw: st.DrawFn) -> list[Record | str]:
    """Lines as they are written in order, some of which are repeated later on."""
    lines: list[Record | str] = []
    for number in range(1, draw(st.integers(1, 6)) + 1):
        second = number * 20
        if draw(st.booleans()):
            lines += turn(number, second)
        else:
            lines += draw(st.sampled_from(OTHERS))(number, second)
        if draw(st.integers(0, 3)) == 0:
            whole = [one for one in lines if isinstance(one, dict) and "message" in one]
            first = draw(st.integers(0, max(0, len(whole) - 1)))
            lines += whole[first : first + draw(st.integers(0, 12))]
    return lines


def in_pieces(path: Path, content: bytes, cuts: list[int]) -> tuple[Archive, int]:
    """What is stored after the file was read at each of these lengths, and at its last.

    Returns:
        The rows, and how many lines were counted in the end.
    """
    batches: list[Batch] = []
    resume, lines = Resume(), 0
    for length in [*cuts, len(content)]:
        path.write_bytes(content[:length])
        for batch in batches_of(path, resume):
            batches.append(batch)
            resume = batch.resume
            # A last line without its newline is counted by the next reading again.
            lines += batch.lines if batch.tail is None or length == len(content) else 0
    return archived(batches), lines


@settings(deadline=None)
@given(lines=transcripts(), data=st.data())
def test_any_cuts(lines: list[Record | str], data: st.DataObject) -> None:
    """Between lines and within them, one reading or many: the same rows and counts."""
    content = encoded(lines)
    if data.draw(st.booleans()):
        content = content.removesuffix(b"\n")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content) - 1), max_size=5)))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_transcript, "WINDOW_LINES", WINDOW)
        path = Path(folder, f"{SESSION}.jsonl")
        pieces = in_pieces(path, content, cuts)
        assert pieces == in_pieces(path, content, [])


@settings(deadline=None, max_examples=50)
@given(lines=transcripts(), size=st.integers(1, 5_000))
def test_any_chunks(lines: list[Record | str], size: int) -> None:
    """How much is read at a time changes neither rows nor counts."""
    content = encoded(lines)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_transcript, "WINDOW_LINES", WINDOW)
        path = Path(folder, f"{SESSION}.jsonl")
        whole = in_pieces(path, content, [])
        patch.setattr(_transcript, "read_chunks", partial(read_chunks, size=size))
        assert in_pieces(path, content, []) == whole


def test_after_every_line_in_a_real_store(tmp_path: Path) -> None:
    """An import after each line leaves the very rows of one import at the end."""
    lines = [record for number in (1, 2, 3) for record in turn(number, number * 20)]
    lines += [
        record
        for number, make in enumerate(OTHERS, 4)
        for record in make(number, number * 20)
        if isinstance(record, dict)
    ]
    lines += lines[2:9]
    with Store.open(tmp_path / "once.db") as once:
        path = transcript(tmp_path, *lines)
        import_sessions(once, ["claude-code"], path=path)
        expected = rows(once)
        assert all(expected.values())
    with Store.open(tmp_path / "often.db") as often:
        for count in range(len(lines)):
            path.write_bytes(encoded(lines[: count + 1]))
            import_sessions(often, ["claude-code"], path=path)
        assert rows(often) == expected


def rows(store: Store) -> dict[str, list[str]]:
    """All rows of all tables, without what only says when and where they were made."""
    found = {}
    for table in TABLES:
        names = [row[0] for row in store.connection.execute(NAMES, (table,))]
        columns = ", ".join(name for name in names if name not in LOCAL_COLUMNS)
        found[table] = sorted(map(str, store.connection.execute(f"SELECT {columns} FROM {table}")))
    return found


def test_an_answer_goes_on_after_the_watermark(tmp_path: Path) -> None:
    """Its earlier lines are gone over again, and neither counted nor made rows of."""
    first = [answer([{"type": "thinking", "thinking": "Hm"}], 1), answer("Hel", 2)]
    path = transcript(tmp_path, user("Hello", 0), *first)
    (before,) = batches_of(path)
    transcript(tmp_path, user("Hello", 0), *first, answer("Hello", 3, used=usage(10, 9)))
    (after,) = batches_of(path, before.resume)
    (message,) = after.messages
    assert (message.text_content, message.thinking) == ("Hello", "Hm")
    assert (after.imported, after.lines) == (1, 1)
    assert [one.output_tokens for one in after.usage] == [9]
    assert after.tools == []


def test_a_repeat_of_something_long_gone_loses_nothing(tmp_path: Path) -> None:
    """A chain that is copied to the end of its file comes line by line."""
    answers = [answer([call("t1")], 2), answer("Done", 3)]
    lines = [user("Hello", 1), *answers, *[user(str(n), n, uuid=f"u{n}") for n in range(10, 400)]]
    path = transcript(tmp_path, *lines)
    once = imported(path)
    (before,) = batches_of(path)
    path.write_bytes(encoded([*lines, answers[0]]))
    after = archived([before, *batches_of(path, before.resume)])
    assert after.messages == once.messages
    assert after.tools == once.tools


def test_an_answer_that_began_before_all_that_is_gone_over_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on whole, though reading on begins in the middle of it."""
    monkeypatch.setattr(_transcript, "WINDOW_LINES", 2)
    lines = [user("Hello", 1), *[answer(str(n), n) for n in range(2, 9)]]
    path = transcript(tmp_path, *lines[:6])
    (before,) = batches_of(path)
    assert json.loads(before.resume.state or b"")["line"] == 2
    transcript(tmp_path, *lines)
    after = archived([before, *batches_of(path, before.resume)])
    assert after.messages == imported(path).messages
    assert (after.ordered[1].text_content or "").split() == list("2345678")


def test_once_something_came_again_nothing_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole of a file may be repeated at its end, and is gone over once for it."""
    monkeypatch.setattr(_transcript, "WINDOW_LINES", 2)
    first = [user(str(n), n, uuid=f"u{n}") for n in range(1, 11)]
    then = [user(str(n), n, uuid=f"u{n}") for n in range(11, 21)]
    once = imported(transcript(tmp_path, *first, *then))
    again = imported(transcript(tmp_path, *first, first[0], *then, *then, *first))
    assert again.messages == once.messages


def test_a_line_without_a_time_may_repeat_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing tells then how old it is."""
    monkeypatch.setattr(_transcript, "WINDOW_LINES", 2)
    undated = user("When?", uuid="u0", timestamp=None)
    lines = [
        user("1", 1, uuid="u1"),
        undated,
        *[user(str(n), n, uuid=f"u{n}") for n in range(2, 9)],
    ]
    once = imported(transcript(tmp_path, *lines))
    again = imported(transcript(tmp_path, *lines, undated))
    assert again.messages == once.messages


def test_what_is_kept_for_going_on_is_small(tmp_path: Path) -> None:
    """It is stored for every file: no words of the conversation are in it."""
    lines = [record for number in range(1, 60) for record in turn(number, number * 20)]
    lines[1]["message"]["content"] = [{"type": "text", "text": "long " * 10_000}]
    path = transcript(tmp_path, *lines, queued("enqueue", "waiting " * 1_000, 3_000))
    (batch,) = batches_of(path)
    assert len(batch.resume.state or b"") < 700
    assert b"waiting" not in (batch.resume.state or b"")


def test_only_the_last_lines_are_read_again(tmp_path: Path) -> None:
    """However long a file is, going on begins at most 128 lines before the watermark."""
    lines = [user(str(n), n, uuid=f"u{n}") for n in range(1_000)]
    (batch,) = batches_of(transcript(tmp_path, *lines))
    kept = json.loads(batch.resume.state or b"")
    assert batch.resume.line == 1_000
    assert 1_000 - 128 <= kept["line"] <= 1_000 - 64
    assert kept["offset"] == len(encoded(lines[: kept["line"]]))


@pytest.mark.parametrize(
    ("tail", "counted"),
    [
        ('{"type":"us', None),
        (json.dumps(user("Bye", 2, uuid="u2")), "imported"),
        ('{"type":"mode"}', "noise"),
        ('{"type":"brand-new"}', "unknown"),
        ("  ", None),
    ],
)
def test_a_last_line_without_its_newline(tmp_path: Path, tail: str, counted: str | None) -> None:
    """It counts when it parses, in a batch of its own, and is read again with what follows."""
    path = transcript(tmp_path, user("Hello", 1))
    whole = path.read_bytes()
    path.write_bytes(whole + tail.encode())
    first, *rest = batches_of(path)
    assert (first.lines, first.tail, first.resume.offset) == (1, None, len(whole))
    assert [(one.tail, one.lines) for one in rest] == ([(counted, 1)] if counted else [])
    assert {one.resume for one in rest} <= {first.resume}


def test_nothing_new_makes_nothing(tmp_path: Path) -> None:
    """Reading on from the end yields an empty batch with the same watermark."""
    path = transcript(tmp_path, *turn(1, 20))
    (before,) = batches_of(path)
    (after,) = batches_of(path, before.resume)
    assert after == Batch(before.resume)


def test_an_empty_file(tmp_path: Path) -> None:
    """Its session is known when something is in it."""
    path = transcript(tmp_path)
    (batch,) = batches_of(path)
    assert (batch.lines, batch.sessions, batch.resume.offset) == (0, [], 0)
