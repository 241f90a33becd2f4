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
    """Counts the records of what is read whole, from one batch to the next.

    A malformed one is known by its number, which goes on through all batches. A batch is
    enough with `rows_together` rows, fewer where rows are large.
    """

    def __init__(self, rows_together: int = ROWS_TOGETHER) -> None:
        self._rows_together = rows_together
        self._number = 0
        self._counts = {"imported": 0, "noise": 0, "unknown": 0}
        self._malformed: list[int] = []

    def add(self, outcome: Outcome) -> None:
        """Counts one more record: one of `imported`, `noise`, `unknown` and `malformed`."""
        self._number += 1
        if outcome == "malformed":
            self._malformed.append(self._number)
        else:
            self._counts[outcome] += 1

    def is_enough(self, rows: Rows) -> bool:
        """True when the rows that wait are to be given away."""
        return rows.waiting >= self._rows_together

    def batch(self, rows: Rows) -> Batch:
        """All rows that wait, with what was counted since the last batch."""
        counts, self._counts = self._counts, dict.fromkeys(self._counts, 0)
        found = give(rows, **counts)
        found.malformed, self._malformed = self._malformed, []
        return found
