"""Forks and subagents: what a file copied from its parent is the parent's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from ._rollouts import (
    CHILD,
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
    rollout,
    tokens,
    turn,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ._rollouts import Record

PARENT_TURN = "01980000-0000-7000-8000-0000000000aa"
CHILD_TURN = "01990000-ffff-7000-8000-0000000000bb"
SPAWNED = {"subagent": {"thread_spawn": {"parent_thread_id": THREAD, "depth": 1}}}


def parent_lines(*, named_turns: bool, second: float = 0) -> list[Record]:
    """Two responses of one turn."""
    named = {"turn_id": PARENT_TURN} if named_turns else {}
    return [
        event("task_started", second, **named) if named_turns else event("warning", second),
        message("user", "Count the files", second),
        event("user_message", second, message="Count the files"),
        turn(second, **named),
        item("function_call", second, name="shell", arguments="{}", call_id="c1"),
        tokens(counters(100, 0, 10), counters(100, 0, 10), second),
        item("function_call_output", second, call_id="c1", output="3"),
        message("assistant", "Three", second),
        tokens(counters(300, 100, 30), counters(200, 100, 20), second),
    ]


def own_lines(*, named_turns: bool, prompt: str = "And the folders?") -> list[Record]:
    """One response of a turn after the fork."""
    named = {"turn_id": CHILD_TURN} if named_turns else {}
    return [
        event("task_started", 200, **named) if named_turns else event("warning", 200),
        message("user", prompt, 200),
        event("user_message", 200, message=prompt),
        turn(200, **named),
        message("assistant", "One", 201),
        tokens(counters(350, 120, 35), counters(50, 20, 5), 202),
    ]


def child_header(**more: Any) -> Record:
    return header(CHILD, 100, **{"forked_from_id": THREAD, **more})


@pytest.mark.parametrize("named_turns", [True, False])
@pytest.mark.parametrize("copied_header", [True, False])
def test_a_forks_copies_are_its_parents(
    tmp_path: Path, *, named_turns: bool, copied_header: bool
) -> None:
    """Copied turns are told by their ids, without ids by counters and prompts of the parent."""
    parent = rollout(tmp_path, header(), *parent_lines(named_turns=named_turns))
    child = rollout(
        tmp_path,
        child_header(),
        *([header(second=100)] if copied_header else []),
        *parent_lines(named_turns=named_turns, second=100),
        *own_lines(named_turns=named_turns),
        thread=CHILD,
    )
    archive = imported(child)
    assert archive.spoken == [("user", "And the folders?"), ("assistant", "One")]
    assert archive.used == [(30, 20, 5)]
    assert list(archive.usage) == [f"codex:{CHILD}:3"]
    assert archive.tools == {}
    assert (archive.session.parent_id, archive.session.relationship) == (THREAD, "fork")
    assert archive.session.title == "And the folders?"
    both = archived([*batches_of(parent), *batches_of(child)])
    assert sum(one.output_tokens for one in both.usage.values()) == 35


@pytest.mark.parametrize("named_turns", [True, False])
def test_a_fork_that_did_nothing_used_nothing(tmp_path: Path, *, named_turns: bool) -> None:
    """Every line but its own header is a copy, and copies are noise."""
    rollout(tmp_path, header(), *parent_lines(named_turns=named_turns))
    copies = parent_lines(named_turns=named_turns, second=100)
    child = rollout(tmp_path, child_header(), header(second=100), *copies, thread=CHILD)
    assert counted(batches_of(child)) == (1, len(copies) + 1, 0, [])
    archive = imported(child)
    assert (archive.usage, archive.messages, archive.tools) == ({}, {}, {})


def test_a_fork_whose_parent_is_gone_keeps_its_history(tmp_path: Path) -> None:
    """What nobody else can show is shown here, and counted; its numbers stay the same."""
    child = rollout(
        tmp_path,
        child_header(),
        header(second=100),
        *parent_lines(named_turns=True, second=100),
        *own_lines(named_turns=True),
        thread=CHILD,
    )
    archive = imported(child)
    assert [words for _role, words in archive.spoken] == [
        "Count the files",
        None,
        "Three",
        "And the folders?",
        "One",
    ]
    assert archive.used == [(100, 0, 10), (100, 100, 20), (30, 20, 5)]
    assert list(archive.usage)[-1] == f"codex:{CHILD}:3"


@pytest.mark.parametrize("place", ["archived", "compressed", "elsewhere"])
def test_the_parent_is_found_where_codex_may_have_put_it(tmp_path: Path, place: str) -> None:
    """Archived, compressed, or beside the fork in a folder that somebody copied."""
    plain = rollout(tmp_path, header(), *parent_lines(named_turns=True))
    child = rollout(
        tmp_path,
        child_header(),
        *parent_lines(named_turns=True, second=100),
        *own_lines(named_turns=True),
        thread=CHILD,
    )
    if place == "archived":
        (tmp_path / "archived_sessions").mkdir()
        plain.rename(tmp_path / "archived_sessions" / plain.name)
    elif place == "compressed":
        packed = plain.with_suffix(".jsonl.zst")
        packed.write_bytes(zstandard.ZstdCompressor().compress(plain.read_bytes()))
        plain.unlink()
    else:
        copied = tmp_path / "copied"
        copied.mkdir()
        plain.rename(copied / plain.name)
        child = child.rename(copied / child.name)
    assert imported(child).used == [(30, 20, 5)]


def test_a_subagent_that_copied_nothing_keeps_everything(tmp_path: Path) -> None:
    """Only its parent's header stands in it; its counter begins at nothing."""
    rollout(tmp_path, header(), *parent_lines(named_turns=True))
    named = {"internal_chat_message_metadata_passthrough": {"turn_id": CHILD_TURN}}
    child = rollout(
        tmp_path,
        child_header(source=SPAWNED),
        header(second=100),
        message("developer", "You are a helper", 100, **named),
        turn(101, turn_id=CHILD_TURN),
        message("user", "Count the files", 102, **named),
        tokens(counters(70, 0, 7), counters(70, 0, 7), 103),
        thread=CHILD,
    )
    archive = imported(child)
    assert archive.spoken == [("developer", "You are a helper"), ("user", "Count the files")]
    assert archive.used == [(70, 0, 7)]
    assert (archive.session.parent_id, archive.session.relationship) == (THREAD, "subagent")
    assert all(one.is_sidechain for one in archive.usage.values())
    assert all(one.is_sidechain for one in archive.messages.values())


def test_a_grandparents_turns_are_older_than_the_fork(tmp_path: Path) -> None:
    """Turns that the parent's file lacks are copies too when they began before the fork did."""
    rollout(tmp_path, header(), *parent_lines(named_turns=True))
    old = "01970000-0000-7000-8000-0000000000cc"
    child = rollout(
        tmp_path,
        child_header(),
        turn(100, turn_id=old),
        tokens(counters(10, 0, 1), counters(10, 0, 1), 100),
        *parent_lines(named_turns=True, second=100),
        *own_lines(named_turns=True),
        thread=CHILD,
    )
    assert imported(child).used == [(30, 20, 5)]


def test_ordinals_say_where_a_subagents_own_lines_start(tmp_path: Path) -> None:
    """What stands before them is inherited, unless it names the subagent itself."""
    rollout(tmp_path, header(), *parent_lines(named_turns=True))
    inherited = message("user", "A task of the parent's", 100)
    lines = [
        child_header(source=SPAWNED, subagent_history_start_ordinal=3),
        inherited,
        message("assistant", "Its answer", 100),
        message("user", "Own task", 101),
    ]
    numbered = [{**one, "ordinal": number} for number, one in enumerate(lines)]
    child = rollout(tmp_path, *numbered, thread=CHILD)
    assert imported(child).spoken == [("user", "Own task")]
    named = {**event("thread_settings_applied", thread_id=CHILD, thread_settings={}), "ordinal": 1}
    migrated = rollout(tmp_path, numbered[0], named, numbered[1], thread=CHILD)
    assert imported(migrated).spoken == [("user", "A task of the parent's")]


def test_the_forks_own_header_again_ends_the_copies(tmp_path: Path) -> None:
    """A desktop fork repeats its header after the copied history."""
    rollout(tmp_path, header(), *parent_lines(named_turns=False))
    child = rollout(
        tmp_path,
        child_header(),
        header(second=100),
        *parent_lines(named_turns=False, second=100),
        child_header(),
        message("assistant", "Mine", 150),
        thread=CHILD,
    )
    assert imported(child).spoken == [("assistant", "Mine")]


def test_a_copied_header_alone_makes_a_fork(tmp_path: Path) -> None:
    """Without any mark in the first header, the second one's thread is the parent."""
    rollout(tmp_path, header(), *parent_lines(named_turns=True))
    child = rollout(
        tmp_path,
        header(CHILD, 100),
        header(second=100),
        *parent_lines(named_turns=True, second=100),
        *own_lines(named_turns=True),
        thread=CHILD,
    )
    archive = imported(child)
    assert (archive.session.parent_id, archive.session.relationship) == (THREAD, "fork")
    assert archive.used == [(30, 20, 5)]
    assert archive.session.agent_version == "0.66.0"


@pytest.mark.parametrize("parent", ["../../../etc/passwd", "*", "", CHILD, "\0"])
def test_a_parents_name_reads_nothing_but_rollouts(tmp_path: Path, parent: str) -> None:
    """The name comes from the transcript: it is compared with names and never opened."""
    child = rollout(
        tmp_path,
        child_header(forked_from_id=parent),
        *own_lines(named_turns=False),
        thread=CHILD,
    )
    assert imported(child).used == [(50 - 20, 20, 5)]


@pytest.mark.parametrize("named_turns", [True, False])
def test_a_fork_read_line_by_line_gives_the_same(tmp_path: Path, *, named_turns: bool) -> None:
    """Where the copies end does not depend on where a reading stopped."""
    rollout(tmp_path, header(), *parent_lines(named_turns=named_turns))
    lines = [
        child_header(),
        header(second=100),
        *parent_lines(named_turns=named_turns, second=100),
        *own_lines(named_turns=named_turns),
    ]
    child = rollout(tmp_path, thread=CHILD)
    batches = batches_of(child)
    for one in lines:
        with child.open("ab") as file:
            file.write(encoded([one]))
        batches += batches_of(child, batches[-1].resume)
    assert archived(batches) == imported(child)


def test_a_thread_that_continues_another_says_so(tmp_path: Path) -> None:
    """A base history of another thread makes a continuation, not a copy."""
    base = {"thread_id": THREAD, "end_ordinal_exclusive": 9}
    child = rollout(
        tmp_path, header(CHILD, history_base=base), message("user", "Go on"), thread=CHILD
    )
    session = imported(child).session
    assert (session.parent_id, session.relationship) == (THREAD, "continuation")


def test_a_compacted_copy_is_no_compaction_of_the_fork(tmp_path: Path) -> None:
    """Records without turn or prompt go with the copies around them."""
    rollout(tmp_path, header(), *parent_lines(named_turns=True))
    child = rollout(
        tmp_path,
        child_header(),
        *parent_lines(named_turns=True, second=100),
        line("compacted", {"message": "Old"}, 100),
        *own_lines(named_turns=True),
        thread=CHILD,
    )
    assert imported(child).compactions == {}


def test_a_home_is_listed_once_for_all_its_forks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second fork of a parent lists no folder; a parent that came since is still found."""
    listed: list[object] = []
    real_walk = os.walk

    def noted_walk(top: str) -> Iterator[tuple[str, list[str], list[str]]]:
        listed.append(top)
        return real_walk(top)

    monkeypatch.setattr(os, "walk", noted_walk)
    rollout(tmp_path, header(), *parent_lines(named_turns=True))
    copies = parent_lines(named_turns=True, second=100)
    forks = [CHILD, CHILD.replace("2", "3")]
    for fork in forks:
        mark = header(fork, 100, forked_from_id=THREAD)
        path = rollout(tmp_path, mark, *copies, *own_lines(named_turns=True), thread=fork)
        assert imported(path).used == [(30, 20, 5)]
    assert len(listed) == 2  # sessions and archived_sessions
    later = CHILD.replace("2", "4")
    mark = header(CHILD, 100, forked_from_id=later)
    orphan = rollout(tmp_path, mark, *copies, *own_lines(named_turns=True), thread=CHILD)
    assert len(imported(orphan).used) == 3
    rollout(tmp_path, header(later), *parent_lines(named_turns=True), thread=later)
    assert imported(orphan).used == [(30, 20, 5)]


def test_outside_a_home_only_the_files_own_folder_is_searched(tmp_path: Path) -> None:
    """What lies below a folder of copied files may be anything, and much of it."""
    below = tmp_path / "below"
    below.mkdir()
    plain = rollout(tmp_path, header(), *parent_lines(named_turns=True))
    mark = child_header()
    child = rollout(tmp_path, mark, *parent_lines(named_turns=True, second=100), thread=CHILD)
    plain = plain.rename(below / plain.name)
    child = child.rename(tmp_path / child.name)
    assert len(imported(child).used) == 2
    plain.rename(tmp_path / plain.name)
    assert imported(child).used == []
