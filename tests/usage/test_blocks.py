"""Five-hour windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clankers.usage import UsageBlock, usage_blocks
from usage.conftest import ms, used

if TYPE_CHECKING:
    from clankers.store import Store

NOW = ms("2026-11-02T12:00")


def put(store: Store, *times: str) -> None:
    store.upsert_many(used(at, occurred_at=ms(at), input_tokens=1) for at in times)


def starts(store: Store, **options: int | None) -> list[int]:
    return [block.start for block in usage_blocks(store, now=NOW, **options)]  # type: ignore[arg-type]


def test_every_field(store: Store) -> None:
    """All kinds of tokens together; a response without a price is counted, not free."""
    store.upsert_many(
        [
            used(
                "a", occurred_at=ms("2026-11-02T10:59"), model="b-model", input_tokens=1, cost=500
            ),
            used(
                "b",
                occurred_at=ms("2026-11-02T11:00"),
                model="a-model",
                cache_read_tokens=20,
                cache_write_5m_tokens=300,
                cache_write_1h_tokens=4_000,
                output_tokens=50_000,
                reasoning_tokens=600,
            ),
        ]
    )
    assert usage_blocks(store, now=NOW) == [
        UsageBlock(
            start=ms("2026-11-02T10:00"),
            end=ms("2026-11-02T15:00"),
            is_active=True,
            responses=2,
            tokens=54_321,
            cost=0.0005,
            unpriced_responses=1,
            models=["a-model", "b-model"],
        )
    ]


def test_a_window_opens_at_the_full_hour(store: Store) -> None:
    """And ends five hours later, when the next response opens another."""
    put(
        store, "2026-11-02T03:40", "2026-11-02T07:59:59.999", "2026-11-02T08:00", "2026-11-02T12:59"
    )
    assert starts(store) == [ms("2026-11-02T03:00"), ms("2026-11-02T08:00")]


def test_a_pause_opens_none(store: Store) -> None:
    """Hours without responses belong to no window."""
    put(store, "2026-11-01T03:40", "2026-11-02T10:10")
    assert starts(store) == [ms("2026-11-01T03:00"), ms("2026-11-02T10:00")]


@pytest.mark.parametrize(
    ("now", "active"),
    [("2026-11-02T09:59", False), ("2026-11-02T10:00", True), ("2026-11-02T14:59", True),
     ("2026-11-02T15:00", False)],
)  # fmt: skip
def test_active(store: Store, now: str, active: bool) -> None:  # noqa: FBT001
    """While it is open, its end not included."""
    put(store, "2026-11-02T10:30")
    (block,) = usage_blocks(store, now=ms(now))
    assert block.is_active is active


def test_since_and_until_move_no_window(store: Store) -> None:
    """A window that was open at `since` is whole; one that opens at `until` is out."""
    put(store, "2026-11-02T03:40", "2026-11-02T07:30", "2026-11-02T09:00", "2026-11-02T14:00")
    since, until = ms("2026-11-02T07:00"), ms("2026-11-02T14:00")
    found = usage_blocks(store, since=since, until=until, now=NOW)
    assert [(block.start, block.responses) for block in found] == [
        (ms("2026-11-02T03:00"), 2),
        (ms("2026-11-02T09:00"), 1),
    ]
    assert starts(store, since=ms("2026-11-02T08:00")) == [
        ms("2026-11-02T09:00"),
        ms("2026-11-02T14:00"),
    ]


def test_each_agent_has_its_own(store: Store) -> None:
    """Claude Code's by default; None puts all agents together."""
    put(store, "2026-11-02T10:30")
    store.upsert(used("x", source="codex", occurred_at=ms("2026-11-02T09:30")))
    assert starts(store) == [ms("2026-11-02T10:00")]
    assert [block.start for block in usage_blocks(store, source="codex")] == [
        ms("2026-11-02T09:00")
    ]
    (both,) = usage_blocks(store, source=None)
    assert (both.start, both.responses) == (ms("2026-11-02T09:00"), 2)


def test_estimates_and_lost_times_open_none(store: Store) -> None:
    """Only what counts, and when it counted, can open a window."""
    put(store, "2026-11-02T10:30")
    store.upsert_many(
        [
            used("guess", estimated=True, occurred_at=ms("2026-11-01T10:30")),
            used("when", occurred_at=None),
        ]
    )
    assert starts(store) == [ms("2026-11-02T10:00")]
