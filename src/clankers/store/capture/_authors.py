"""Stamps in one integer: the time above, the number of who said it, under which rules, below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers import errors
from clankers.store.capture._layout import AUTHOR_BITS, AUTHOR_MASK

if TYPE_CHECKING:
    import apsw

# A time of day: the wire allows more, and no clock that a server trusts says it.
_LATEST = 2**47 - 1
Stamp = tuple[int, str, int]
_ZERO: Stamp = (0, "", 0)


class Authors:
    """The numbers of devices and editions, as far as this database has met them."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, int], int] = {}
        self._named: dict[int, tuple[str, int]] = {}

    def pack(self, stamp: Stamp) -> int:
        """A stamp as the side tables have it; 0 for what was never said."""
        at, device, edition = stamp
        if at == 0:
            return 0
        return (min(at, _LATEST) << AUTHOR_BITS) | self.number(device, edition)

    def unpack(self, packed: int) -> Stamp:
        at = packed >> AUTHOR_BITS
        if at == 0:
            return _ZERO
        device, edition = self.named(packed & AUTHOR_MASK)
        return at, device, edition

    def named(self, number: int) -> tuple[str, int]:
        found = self._named.get(number)
        if found is None:
            self._load()
            found = self._named.get(number, ("", 0))
        return found

    def number(self, device: str, edition: int) -> int:
        """That of an author; a new one gets the next. The caller has a transaction open."""
        found = self._known.get((device, edition))
        if found is None:
            self._load()
            found = self._known.get((device, edition))
        return self._add(device, edition) if found is None else found

    def forget(self) -> None:
        """Reads the numbers anew: a transaction that gave some was rolled back."""
        self._known.clear()
        self._named.clear()

    def _add(self, device: str, edition: int) -> int:
        number = max(self._named) + 1
        if number > AUTHOR_MASK:
            raise errors.SyncError(
                f"more than {AUTHOR_MASK:,} devices and rules have written to this database",
                hint="start a new database and pull into it",
            )
        self._connection.execute(
            "INSERT INTO sync_author(k, device, edition) VALUES (?, ?, ?)",
            (number, device, edition),
        )
        self._known[device, edition], self._named[number] = number, (device, edition)
        return number

    def _load(self) -> None:
        for number, device, edition in self._connection.execute(
            "SELECT k, device, edition FROM sync_author"
        ):
            self._known[device, edition], self._named[number] = number, (device, edition)
