"""Stamps, and the version of a record that a side has."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clankers.wire._fields import Value


class Stamp(NamedTuple):
    """When something was said, by whom, under which edition of their policy; the greater wins.

    `changed_at` is epoch ms by the clock of the device, never less than one it has seen.
    """

    changed_at: int
    device_id: str
    edition: int


# Older than anything that was ever said.
ZERO = Stamp(0, "", 0)


@define
class Version:
    """A record as one side has it.

    Attributes:
        fields: what was said of it; a field that was never said is absent, one that was said
            to be empty is None.
        stamp: that of most fields; with those in `at` it gives the newest.
        at: the fields that have another stamp.
        deleted_at: the newest tombstone; ZERO when it was never deleted.
        purge: the tombstone erases, wherever it arrives.
    """

    fields: dict[str, Value] = field(factory=dict)
    stamp: Stamp = ZERO
    at: dict[str, Stamp] = field(factory=dict)
    deleted_at: Stamp = ZERO
    purge: bool = False

    def stamp_of(self, name: str) -> Stamp:
        return self.at.get(name, self.stamp)

    @property
    def newest(self) -> Stamp:
        """The newest stamp of any field; ZERO for a record without."""
        return self.newest_of(self.fields)

    def newest_of(self, names: Iterable[str]) -> Stamp:
        if not self.at:
            return self.stamp if self.fields else ZERO
        at, stamp = self.at, self.stamp
        return max((at.get(name, stamp) for name in names), default=ZERO)

    def stamps(self) -> dict[str, Stamp]:
        """The stamp of every field."""
        return {name: self.at.get(name, self.stamp) for name in self.fields}

    @property
    def is_alive(self) -> bool:
        """It was said, and nothing newer deleted it."""
        return bool(self.fields) and self.newest > self.deleted_at


def compact(stamps: dict[str, Stamp]) -> tuple[Stamp, dict[str, Stamp]]:
    """Stamps of single fields as the newest and those that differ from it."""
    newest = max(stamps.values(), default=ZERO)
    return newest, {name: one for name, one in stamps.items() if one != newest}
