"""What was used: each response once, whatever the counters do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ._rollouts import (
    THREAD,
    batches_of,
    counted,
    counters,
    event,
    header,
    imported,
    line,
    message,
    moment,
    rollout,
    tokens,
    turn,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ._rollouts import Record

FIRST, SECOND = counters(100, 40, 10, 4), counters(300, 200, 20, 8)
FIRST_TOTAL, SECOND_TOTAL = FIRST, counters(400, 240, 30, 12)


def test_a_response_is_what_the_total_grew_by(tmp_path: Path) -> None:
    """Input is stored uncached only; the row names session, message, model and time."""
    path = rollout(
        tmp_path,
        header(),
        turn(),
        message("user", "Hi", 2),
        message("assistant", "Hello", 3),
        tokens(FIRST_TOTAL, FIRST, 4),
        turn(model="gpt-5.1", cwd="/tmp"),
        tokens(SECOND_TOTAL, SECOND, 9),
    )
    first, second = imported(path).usage.values()
    assert (first.id, second.id) == (f"codex:{THREAD}:1", f"codex:{THREAD}:2")
    assert (first.session_id, first.session_at) == (THREAD, moment(0))
    assert first.message_id == f"{THREAD}:L4"
    assert (first.source, first.provider, first.model) == ("codex", "openai", "gpt-5-codex")
    assert (first.occurred_at, second.occurred_at) == (moment(4), moment(9))
    assert (first.project_path, first.git_branch) == ("/home/ada/engine", "main")
    assert (second.model, second.project_path) == ("gpt-5.1", "/tmp")
    assert (second.input_tokens, second.cache_read_tokens) == (100, 200)
    assert (second.output_tokens, second.reasoning_tokens) == (20, 8)
    assert json.loads(second.raw or "")["total_token_usage"] == SECOND_TOTAL
    assert (second.cost, second.cost_reported, second.estimated) == (None, None, False)


def test_an_unchanged_total_is_a_repeat(tmp_path: Path) -> None:
    """Rate limits are told with the same counters again; info may be null."""
    path = rollout(
        tmp_path,
        header(),
        event("token_count", info=None, rate_limits={}),
        tokens(FIRST_TOTAL, FIRST),
        tokens(FIRST_TOTAL, FIRST),
        tokens(FIRST_TOTAL, counters(0, 0, 0)),
    )
    assert imported(path).used == [(60, 40, 10)]
    assert counted(batches_of(path)) == (2, 3, 0, [])


@pytest.mark.parametrize(
    ("total", "last", "used"),
    [
        # The counter began anew: the last response is all of it.
        (counters(50, 0, 5), counters(50, 0, 5), (50, 0, 5)),
        # Lower, and not anew: it was cut at a compaction.
        (counters(390, 240, 29), counters(20, 5, 2), (15, 5, 2)),
        # One part fell although the sum grew.
        (counters(900, 10, 31), counters(30, 10, 3), (20, 10, 3)),
        # Nothing tells of the last response: the new total is all there is.
        (counters(50, 0, 5), None, (50, 0, 5)),
        # Higher, but equal to the last response: another counter that began anew.
        (counters(500, 300, 40), counters(500, 300, 40), (200, 300, 40)),
        # Events in between are lost: the total still has them.
        (counters(700, 240, 60, 12), counters(200, 0, 20), (300, 0, 30)),
        # A full context window is no usage.
        ({**counters(0, 0, 0), "total_tokens": 258_400}, counters(0, 0, 0), None),
    ],
)
def test_a_counter_that_restarts_is_never_subtracted(
    tmp_path: Path, total: Record, last: Record | None, used: tuple[int, int, int] | None
) -> None:
    """After a reset the last response counts, and what follows is measured from there."""
    after = {name: value + 7 for name, value in total.items()}
    path = rollout(
        tmp_path,
        header(),
        tokens(SECOND_TOTAL, SECOND_TOTAL),
        tokens(total, last),
        tokens(after, None),
    )
    assert imported(path).used[1:] == [*([used] if used else []), (0, 7, 7)]


def test_without_a_counter_before_it_a_total_may_be_another_files(tmp_path: Path) -> None:
    """A subagent can begin with all its parent used: only the last response is its own."""
    path = rollout(tmp_path, header(), tokens(counters(9_000_000, 0, 9_000), FIRST))
    assert imported(path).used == [(60, 40, 10)]


def test_counts_without_a_total_are_responses(tmp_path: Path) -> None:
    """Early counters had no total and no envelope; the same numbers again are a repeat."""
    path = rollout(
        tmp_path, header(), tokens(None, FIRST), tokens(None, FIRST), event("token_count", **SECOND)
    )
    assert imported(path).used == [(60, 40, 10), (100, 200, 20)]


def test_cache_writes_are_taken_out_of_the_input(tmp_path: Path) -> None:
    """Newer counters tell what was written to the cache, inside the input as well."""
    used = counters(100, 40, 10, cache_write_input_tokens=25)
    (row,) = imported(rollout(tmp_path, header(), tokens(used, used))).usage.values()
    assert (row.input_tokens, row.cache_read_tokens, row.cache_write_5m_tokens) == (35, 40, 25)


@pytest.mark.parametrize(
    "wild",
    [
        counters(10, 40, 5),
        {"input_tokens": "10", "cached_input_tokens": 4e1, "output_tokens": 5},
        {"input_tokens": -7, "cached_input_tokens": None, "output_tokens": 5},
        {"input_tokens": 2**80, "cached_input_tokens": [], "output_tokens": {}},
    ],
)
def test_no_count_is_ever_negative(tmp_path: Path, wild: Record) -> None:
    """Numbers that cannot be are bounded, and numbers in quotes are numbers."""
    rows = imported(rollout(tmp_path, header(), tokens(wild, wild))).usage.values()
    assert all(
        0 <= value < 2**63
        for row in rows
        for value in (row.input_tokens, row.cache_read_tokens, row.output_tokens)
    )
    assert sum(row.output_tokens for row in rows) in (0, 5)


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("input_tokens", (0, 40, 10)),
        ("cached_input_tokens", (100, 0, 10)),
        ("cache_write_input_tokens", (60, 40, 10)),
        ("output_tokens", (60, 40, 0)),
    ],
)
def test_what_is_too_large_to_be_a_count_is_none(
    tmp_path: Path, name: str, used: tuple[int, int, int]
) -> None:
    """Larger than 10**12 is 0: the file is read on, and sums in SQL stay whole numbers."""
    wild = {**FIRST, name: 9 * 10**18}
    path = rollout(tmp_path, header(), message("assistant", "Hi"), tokens(wild, wild))
    archive = imported(path)
    assert archive.used == [used]
    (row,) = archive.usage.values()
    assert row.cache_write_5m_tokens == 0
    (said,) = archive.messages.values()
    assert (said.prompt_tokens or 0) <= 100


def test_the_model_is_none_until_one_is_named(tmp_path: Path) -> None:
    """The first versions named no model: none is invented."""
    path = rollout(tmp_path, header(model_provider=None), tokens(FIRST_TOTAL, FIRST))
    (row,) = imported(path).usage.values()
    assert (row.model, row.provider) == (None, "openai")


def test_service_tier_and_provider_are_the_ones_in_force(tmp_path: Path) -> None:
    """A count that tells its own tier outweighs the thread's settings."""
    settings = {"model": "gpt-5.2", "model_provider_id": "azure", "service_tier": "flex"}
    path = rollout(
        tmp_path,
        header(),
        event("thread_settings_applied", thread_settings=settings),
        tokens(FIRST_TOTAL, FIRST),
        tokens(SECOND_TOTAL, SECOND, service_tier="priority"),
    )
    first, second = imported(path).usage.values()
    assert (first.provider, first.service_tier, second.service_tier) == (
        "azure",
        "flex",
        "priority",
    )


def recorded(usage: Record, thread: str | None = THREAD) -> Record:
    payload = {"response_id": "r", "usage": usage, "thread_token_usage": SECOND_TOTAL}
    return line("token_usage_record", {**payload, **({"thread_id": thread} if thread else {})})


def test_a_usage_record_and_its_count_are_one_response(tmp_path: Path) -> None:
    """The record comes first; repeats of the count before are in between."""
    path = rollout(
        tmp_path,
        header(),
        recorded(FIRST),
        tokens(FIRST_TOTAL, FIRST),
        recorded(SECOND, thread=None),
        tokens(FIRST_TOTAL, FIRST),
        tokens(SECOND_TOTAL, SECOND),
        tokens(counters(410, 240, 31), counters(10, 0, 1)),
    )
    archive = imported(path)
    assert archive.used == [(60, 40, 10), (100, 200, 20), (10, 0, 1)]
    assert list(archive.usage) == [f"codex:{THREAD}:{number}" for number in (1, 2, 3)]


def test_another_threads_usage_record_is_a_copy(tmp_path: Path) -> None:
    """Neither it nor the count that follows it was used here."""
    path = rollout(
        tmp_path,
        header(),
        recorded(FIRST, "someone-else"),
        tokens(FIRST_TOTAL, FIRST),
        recorded(SECOND),
        tokens(SECOND_TOTAL, SECOND),
    )
    assert imported(path).used == [(100, 200, 20)]


def test_the_answer_tells_what_it_cost_in_tokens(tmp_path: Path) -> None:
    """prompt_tokens is all that was sent, cached or not."""
    path = rollout(tmp_path, header(), message("assistant", "Hi"), tokens(FIRST_TOTAL, FIRST))
    (said,) = imported(path).messages.values()
    assert (said.prompt_tokens, said.completion_tokens) == (100, 10)


def test_usage_of_turns_is_counted_for_each(tmp_path: Path) -> None:
    """Logs that only tell a turn's usage have one row a turn."""
    path = rollout(
        tmp_path,
        header(),
        event("turn.completed", usage=FIRST),
        event("turn.completed", message="ok"),
    )
    assert imported(path).used == [(60, 40, 10)]
