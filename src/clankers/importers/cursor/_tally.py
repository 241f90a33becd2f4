"""How many records of a session there were, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from clankers.importers._documents import ROWS_TOGETHER, give

if TYPE_CHECKING:
    from clankers.importers._batch import Batch
    from clankers.importers._rows import Rows

# `malformed`: what stands where an object should be is none.
Outcome = Literal["imported", "noise", "unknown", "malformed"]


class Tally:
    """Counts records between one batch and the next; their numbers go on."""

    def __init__(self) -> None:
        self._number = 0
        self._counts = {"imported": 0, "noise": 0, "unknown": 0}
        self._malformed: list[int] = []

    def add(self, outcome: Outcome) -> None:
        self._number += 1
        if outcome == "malformed":
            self._malformed.append(self._number)
        else:
            self._counts[outcome] += 1

    def is_enough(self, rows: Rows) -> bool:
        return rows.waiting >= ROWS_TOGETHER

    def batch(self, rows: Rows) -> Batch:
        counts, self._counts = self._counts, dict.fromkeys(self._counts, 0)
        found = give(rows, **counts)
        found.malformed, self._malformed = self._malformed, []
        return found
