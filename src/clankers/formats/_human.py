"""Times as people write them, in place of milliseconds."""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import tzinfo

    from clankers.formats._cells import Value

_SUFFIXES = ("_at", "_at)")
# 1980 to 2286: a smaller number is a count, or seconds.
_EARLIEST = 315_532_800_000
_LATEST = 9_999_999_999_999


def human_times(
    columns: Sequence[str], rows: Iterable[Sequence[Value]], zone: tzinfo | None = None
) -> Iterator[Sequence[Value]]:
    """`rows` with the times of columns such as ``created_at`` and ``max(updated_at)`` readable.

    A time is an integer of milliseconds since 1970, after 1980, in a column whose name ends
    so. It is shown in `zone`, by default the system's, to the minute.
    """
    from clankers.times import short_time

    places = [place for place, name in enumerate(columns) if name.lower().endswith(_SUFFIXES)]
    for row in rows:
        shown = list(row)
        for place in places:
            value = shown[place]
            if isinstance(value, int) and _EARLIEST <= value <= _LATEST:
                shown[place] = short_time(value, zone)
        yield shown
