"""When a file that changes may be read: soon, some times a second at most, seldom while it fails."""

from __future__ import annotations

import math

# A file that is written all the time is read about three times a second, and one that takes
# long, as a database does that is read whole, for a tenth of the time.
_SHORTEST_GAP = 0.3
_SHARE = 9
_LOOK_AGAIN = 1.0
_FIRST_RETRY = 0.5
_LAST_RETRY = 600.0
_REMEMBERED = 1_000


class Pace:
    """Files that wait to be read, each by its place; times are seconds of one clock."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._free_at: dict[str, float] = {}
        self._failures: dict[str, int] = {}

    def want(self, place: str, now: float) -> None:
        """Something has changed in it."""
        due = max(now, self._free_at.get(place, now))
        self._due[place] = min(due, self._due.get(place, due))

    def want_at(self, place: str, moment: float) -> None:
        """It could not be read for a reason that is not its own."""
        self._due[place] = moment

    def take_due(self, now: float) -> list[str]:
        """The places to read now; they wait no longer."""
        due = sorted(place for place, moment in self._due.items() if moment <= now)
        for place in due:
            del self._due[place]
        return due

    def next_due(self) -> float:
        return min(self._due.values(), default=math.inf)

    def is_free(self, place: str, now: float) -> bool:
        """False right after it was read, and while a failure is not to be tried again."""
        return self._free_at.get(place, now) <= now

    def read(self, place: str, seconds: float, now: float, *, look_again: bool = True) -> None:
        """It was read, which took as long as that; soon it is looked at once more.

        Of a burst the last event may be lost.
        """
        self._failures.pop(place, None)
        if look_again:
            self._due.setdefault(place, now + max(_LOOK_AGAIN, _SHARE * seconds))
        self._free_at[place] = now + max(_SHORTEST_GAP, _SHARE * seconds)
        if len(self._free_at) > _REMEMBERED:
            self._forget(now)

    def fail(self, place: str, now: float) -> None:
        """It could not be read; it is tried again, each time after twice as long."""
        failures = self._failures.get(place, 0)
        self._failures[place] = failures + 1
        self._free_at[place] = now + delay(failures)
        self._due[place] = self._free_at[place]

    def drop(self, place: str) -> None:
        """It is not there any more."""
        for known in (self._due, self._free_at, self._failures):
            known.pop(place, None)

    def _forget(self, now: float) -> None:
        self._free_at = {
            place: moment
            for place, moment in self._free_at.items()
            if moment > now or place in self._failures
        }


def delay(failures: int) -> float:
    """Seconds until something is tried again that failed so often before."""
    # 2.0 ** 1024 is more than a float holds.
    return min(_FIRST_RETRY * 2.0 ** min(failures, 30), _LAST_RETRY)
