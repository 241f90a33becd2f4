"""How far each file was imported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from clankers.store._sources import (
    Identity,
    ImportSource,
    identities,
    source,
    with_lines,
    write_source,
)

if TYPE_CHECKING:
    from clankers.store import Store


def test_a_row_is_kept_by_path(store: Store) -> None:
    """What is written last about a file is what is read; others are not touched."""
    first = ImportSource("/a.jsonl", "codex", 1, 10, 20, 30)
    other = first._replace(path="/b.jsonl", agent="claude-code")
    again = first._replace(size=11, watermark=11, line=2, head=b"\x00", state=b"{}", tail="noise")
    for row in (first, other, again):
        write_source(store.connection, row)
    assert source(store.connection, "/a.jsonl") == again
    assert source(store.connection, "/b.jsonl") == other
    assert source(store.connection, "/c.jsonl") is None
    assert identities(store.connection, "codex") == {"/a.jsonl": Identity(1, 11, 20, 30)}


def test_line_numbers_are_kept_as_ranges() -> None:
    """Neighbours join, over several readings too; of scattered ones a hundred are kept."""
    assert with_lines(None, []) is None
    assert with_lines(None, [3]) == "[[3,3]]"
    assert with_lines("[[1,3]]", [4, 5, 9]) == "[[1,5],[9,9]]"
    assert len(json.loads(with_lines(None, list(range(0, 500, 2))) or "")) == 100


@given(st.lists(st.integers(1, 40), unique=True).map(sorted), st.integers(0, 40))
def test_ranges_hold_every_line(numbers: list[int], split: int) -> None:
    """Nothing is lost or added, wherever one reading ends and the next begins."""
    ranges = with_lines(with_lines(None, numbers[:split]), numbers[split:])
    held = [line for first, last in json.loads(ranges or "[]") for line in range(first, last + 1)]
    assert held == numbers
