"""Which messages are remembered while a transcript is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers.importers.claude_code._spoken import Spoken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Of messages that began before the place where reading began.
_BEFORE_ALL = -1


class Memory:
    """The messages of the last lines, for those that go on or come again.

    A message that is known here keeps its place and its other pieces. What was said long
    before is forgotten, so that a large file costs no more memory than a small one; only
    when a line may belong to something forgotten, everything is read again by `look_back`
    and from then on kept. Without `look_back` nothing is ever forgotten.

    Args:
        offset: where reading begins.
        forgotten_at: the latest time of the lines before that.
        begun: the keys of messages that began before it and go on after it.
        look_back: finds all messages of the lines before an offset.
    """

    def __init__(
        self,
        offset: int = 0,
        forgotten_at: int | None = None,
        begun: Sequence[str] = (),
        look_back: Callable[[int], dict[str, Spoken]] | None = None,
    ) -> None:
        self._recent: dict[str, Spoken] = {}
        self._before = {key: _of_unknown_beginning(key) for key in begun}
        self._kept: dict[str, Spoken] | None = None if look_back else {}
        self._look_back = look_back
        self._generation = 0
        self._recent_from = self._before_from = offset
        self._before_at = self._forgotten_at = forgotten_at
        self._went_back_to: int | None = None

    def remember(self, spoken: Spoken, key: str) -> None:
        """Takes a message that a line was just part of."""
        self._recent[key] = spoken

    def begin(self, spoken: Spoken) -> None:
        """Takes note that a message is new."""
        spoken.generation = self._generation

    def recall(self, key: str, at: int | None) -> Spoken | None:
        """The message under that key, of which a line was written at `at`."""
        known = self._recent.get(key) or self._before.get(key)
        is_new_line = self._went_back_to is not None
        if known is None:
            return self._everything().get(key) if self._may_be_forgotten(at) else None
        if known.generation == _BEFORE_ALL and (is_new_line or self._may_be_forgotten(at)):
            self._everything()
        return known

    def grow_older(self, offset: int, newest_at: int | None) -> None:
        """Forgets what was not spoken of since the last call but one.

        Args:
            offset: where the next line begins.
            newest_at: the latest time any line had so far.
        """
        if self._kept is not None:
            self._kept.update(self._before)
        self._forgotten_at, self._before_at = self._before_at, newest_at
        self._before_from, self._recent_from = self._recent_from, offset
        self._before, self._recent = self._recent, {}
        self._generation += 1

    def end_going_back(self, offset: int) -> None:
        """Takes note that the lines so far were read before, and the next ones were not."""
        self._went_back_to = offset
        if self._look_back is not None:
            self._kept = None

    def begun(self) -> list[str]:
        """The keys of messages that began before the last call but one to `grow_older`."""
        oldest = max(0, self._generation - 1)
        known = {**self._before, **self._recent}
        return sorted({one.key for one in known.values() if one.generation < oldest})

    def everything(self) -> dict[str, Spoken]:
        """All messages by their keys, of a memory that forgets nothing."""
        return {**(self._kept or {}), **self._before, **self._recent}

    def _may_be_forgotten(self, at: int | None) -> bool:
        if self._kept is not None:
            return True
        return at is not None and self._forgotten_at is not None and at <= self._forgotten_at

    def _everything(self) -> dict[str, Spoken]:
        if self._kept is None:
            offset = max(self._before_from, self._went_back_to or 0)
            found = self._look_back(offset) if self._look_back else {}
            for one in found.values():
                one.generation = _BEFORE_ALL
            self._kept = self._completed(found)
        return self._kept

    def _completed(self, found: dict[str, Spoken]) -> dict[str, Spoken]:
        """What was found, as the very messages that are known already where it is theirs.

        Of those that began before all, the later lines are known at most.
        """
        known = {one.key: one for one in (*self._before.values(), *self._recent.values())}
        for key, one in known.items():
            if one.generation == _BEFORE_ALL and key in found:
                for name in Spoken.__struct_fields__:
                    setattr(one, name, getattr(found[key], name))
        return {key: known.get(one.key, one) for key, one in found.items()}


def _of_unknown_beginning(key: str) -> Spoken:
    return Spoken(key, key, "", None, 0, None, is_sidechain=False, generation=_BEFORE_ALL)
