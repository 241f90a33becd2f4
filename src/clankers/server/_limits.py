"""How much each may ask for in a time: buckets that fill evenly and are taken from."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from clankers.server._problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_BUCKETS = 50_000


class Allowance(NamedTuple):
    """What a caller has left: of how many, and seconds until all is there again."""

    limit: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(self.reset),
        }


class _Bucket:
    __slots__ = ("at", "level")

    def __init__(self, level: float, at: float) -> None:
        self.level = level
        self.at = at


class Limiter:
    """One kind of limit: `rate` a `seconds`, and `burst` at once.

    Who took more than there was owes it, and waits until it is paid. Of very many buckets those
    that were not asked for longest are forgotten, so that strangers cannot fill the memory.
    """

    def __init__(self, rate: int, *, burst: int | None = None, seconds: float = 60) -> None:
        self._burst = burst or rate
        self._per_second = rate / seconds
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str, amount: int = 1) -> Allowance:
        """Takes from a bucket.

        Raises:
            Problem: 429, when it is empty; nothing is taken then.
        """
        bucket = self._filled(key)
        if bucket.level < min(1, amount):
            raise self._refused(bucket)
        bucket.level -= amount
        return self._allowance(bucket)

    def check(self, key: str) -> None:
        """As `take`, but takes nothing: for what is counted only when it fails."""
        bucket = self._filled(key)
        if bucket.level < 1:
            raise self._refused(bucket)

    def _filled(self, key: str) -> _Bucket:
        now = time.monotonic()
        bucket = self._buckets.pop(key, None) or _Bucket(self._burst, now)
        bucket.level = min(self._burst, bucket.level + (now - bucket.at) * self._per_second)
        bucket.at = now
        self._buckets[key] = bucket
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return bucket

    def _allowance(self, bucket: _Bucket) -> Allowance:
        missing = self._burst - bucket.level
        return Allowance(
            self._burst, max(0, int(bucket.level)), math.ceil(missing / self._per_second)
        )

    def _refused(self, bucket: _Bucket) -> Problem:
        wait = max(1, math.ceil((1 - bucket.level) / self._per_second))
        headers = {**self._allowance(bucket).headers(), "retry-after": str(wait)}
        return Problem(429, "rate_limited", "too many requests; try again later", headers=headers)


class Room:
    """How many bytes may be held at once by all that is being served."""

    def __init__(self, size: int) -> None:
        self._left = size

    @contextmanager
    def held(self) -> Iterator[Callable[[int], None]]:
        """Gives what takes bytes; all are given back at the end.

        Taking raises `Problem`, 503, when there is no room: the sender tries again soon.
        """
        taken = 0

        def take(size: int) -> None:
            nonlocal taken
            if size > self._left:
                raise Problem.unavailable("too much is being stored at once", retry_after=1)
            self._left -= size
            taken += size

        try:
            yield take
        finally:
            self._left += taken
