"""What sessions of Copilot CLI used: counts at the end of each run, and outputs until then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._events import NOON, SESSION, answer, event, imported, metric, shutdown, start

if TYPE_CHECKING:
    from pathlib import Path

    from importers._stored import Record

SONNET, HAIKU = "claude-sonnet-4.6", "claude-haiku-4.5"
RESUMED = event("session.resume", 20)
# A credit, in billionths.
CREDIT = 1_000_000_000


def since_credits(record: Record) -> Record:
    return {**record, "timestamp": record["timestamp"].replace("2025-12-01", "2026-06-02")}


def test_counts_of_a_run(tmp_path: Path) -> None:
    """Input is without what was cached; each model is a row of its own."""
    found = imported(
        tmp_path,
        start(),
        answer(1, "Two metres.", 30),
        shutdown(9, {SONNET: metric(1000, 30, 700, 200, 10), HAIKU: metric(50, 5)}),
    )
    assert found.used == [(100, 700, 200, 30), (50, 0, 0, 5)]
    sonnet = found.usage[0]
    assert (sonnet.id, sonnet.model) == (f"copilot:{SESSION}:e9:{SONNET}", SONNET)
    assert (sonnet.reasoning_tokens, sonnet.occurred_at) == (10, NOON + 9_000)
    assert (found.session.prompt_tokens, found.session.completion_tokens) == (1050, 35)


def test_runs_that_count_anew(tmp_path: Path) -> None:
    """Old versions begin at 0 in each run: the counts are added."""
    found = imported(
        tmp_path,
        start(),
        answer(1, "One", 30),
        shutdown(9, {SONNET: metric(1000, 30)}),
        RESUMED,
        answer(21, "Two", 40),
        shutdown(29, {SONNET: metric(1500, 40)}),
    )
    # 40 has no room for both answers.
    assert found.used == [(1000, 0, 0, 30), (1500, 0, 0, 40)]


def test_runs_that_carry_on(tmp_path: Path) -> None:
    """New versions go on counting: what grew since the last shutdown is what was used."""
    found = imported(
        tmp_path,
        start(),
        answer(1, "One", 30),
        shutdown(9, {SONNET: metric(1000, 30, 500)}),
        RESUMED,
        answer(21, "Two", 40),
        shutdown(29, {SONNET: metric(2500, 70, 1400), HAIKU: metric(10, 1)}),
        shutdown(30, {SONNET: metric(2500, 70, 1400), HAIKU: metric(10, 1)}),
    )
    assert found.used == [(500, 500, 0, 30), (600, 900, 0, 40), (10, 0, 0, 1)]
    assert found.session.completion_tokens == 71


def test_a_count_that_fell_begins_anew(tmp_path: Path) -> None:
    """No count falls that is carried on, and no model goes missing."""
    found = imported(
        tmp_path,
        start(),
        shutdown(9, {SONNET: metric(1000, 30)}),
        RESUMED,
        shutdown(29, {HAIKU: metric(2000, 90)}),
        event("session.resume", 30),
        shutdown(39, {HAIKU: metric(1999, 95)}),
    )
    assert found.used == [(1000, 0, 0, 30), (2000, 0, 0, 90), (1999, 0, 0, 95)]


def test_a_crashed_run_between_two_others(tmp_path: Path) -> None:
    """What a run said that never shut down is in no later count."""
    found = imported(
        tmp_path,
        start(),
        answer(1, "One", 30),
        shutdown(9, {SONNET: metric(1000, 30)}),
        RESUMED,
        answer(21, "Lost", 500),
        event("session.resume", 30),
        answer(31, "Two", 40),
        shutdown(39, {SONNET: metric(1500, 70)}),
    )
    assert found.used == [(1000, 0, 0, 30), (500, 0, 0, 40)]


def test_a_session_that_never_shut_down(tmp_path: Path) -> None:
    """Nothing is counted that was not measured whole; the answers keep what they say."""
    found = imported(
        tmp_path,
        start(selectedModel=SONNET),
        answer(1, "One", 30),
        answer(2, "Two", 12, model=HAIKU),
    )
    assert found.usage == []
    assert [one.completion_tokens for one in found.messages] == [30, 12]


def test_the_parts_of_one_response_count_once(tmp_path: Path) -> None:
    """A response in parts says its whole output with each."""
    found = imported(
        tmp_path,
        start(),
        answer(1, "One", 30, apiCallId="r1", chunkIndex=0),
        answer(2, "Two", 30, apiCallId="r1", chunkIndex=1),
        answer(3, "Three", 7, apiCallId="r2"),
        shutdown(9, {SONNET: metric(100, 37)}),
        RESUMED,
        answer(21, "Four", 5),
        shutdown(29, {SONNET: metric(150, 42)}),
    )
    assert found.used == [(100, 0, 0, 37), (50, 0, 0, 5)]


def test_credits_are_money_since_june_2026(tmp_path: Path) -> None:
    """A credit is a cent; before that date credits were counted, and nobody paid by them."""
    early = shutdown(9, {SONNET: metric(100, 10)}, totalNanoAiu=5 * CREDIT)
    found = imported(tmp_path / "early", start(), early)
    assert [one.cost_reported for one in found.usage] == [None]
    found = imported(tmp_path / "late", start(), since_credits(early))
    assert [one.cost_reported for one in found.usage] == [50_000]


def test_credits_of_a_resumed_session(tmp_path: Path) -> None:
    """They are carried on even where the counts begin anew."""
    found = imported(
        tmp_path,
        start(),
        answer(1, "One", 30),
        since_credits(shutdown(9, {SONNET: metric(1000, 30)}, totalNanoAiu=2_000 * CREDIT)),
        RESUMED,
        answer(21, "Two", 40),
        since_credits(shutdown(29, {SONNET: metric(1500, 40)}, totalNanoAiu=2_300 * CREDIT)),
    )
    assert [one.cost_reported for one in found.usage] == [20_000_000, 3_000_000]


def test_credits_of_several_models(tmp_path: Path) -> None:
    """They go by what each model says; a total of all is not split by guessing."""
    models = {
        SONNET: metric(100, 10, totalNanoAiu=4 * CREDIT),
        HAIKU: metric(10, 1, totalNanoAiu=CREDIT),
    }
    found = imported(
        tmp_path / "each", start(), since_credits(shutdown(9, models, totalNanoAiu=5 * CREDIT))
    )
    assert [one.cost_reported for one in found.usage] == [40_000, 10_000]
    models = {SONNET: metric(100, 10), HAIKU: metric(10, 1)}
    found = imported(
        tmp_path / "all", start(), since_credits(shutdown(9, models, totalNanoAiu=5 * CREDIT))
    )
    assert [one.cost_reported for one in found.usage] == [None, None]


def test_counts_by_kind_of_token(tmp_path: Path) -> None:
    """Where a model has no usage its details are read, whose input is uncached already."""
    kinds = {"input": 100, "output": 15, "cache_read": 5, "cache_write": 2}
    details = {name: {"tokenCount": count} for name, count in kinds.items()}
    found = imported(
        tmp_path, start(), shutdown(9, {SONNET: {"requests": 2}}, tokenDetails=details)
    )
    assert found.used == [(100, 5, 2, 15)]
