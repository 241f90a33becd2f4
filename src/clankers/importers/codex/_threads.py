"""What the ids of threads say: which files are theirs, and when they began."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from clankers.importers._values import is_uuid
from clankers.importers.codex._files import (
    ARCHIVED,
    SESSIONS,
    home_of,
    rank,
    rollouts_in,
    stem,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UUID_LENGTH = 36
_TIME_ORDERED = 7
# Kept as long as the process: listing a home again for each fork in it takes too long.
_listings: dict[Path, dict[str, list[Path]]] = {}


def named_ids(path: Path) -> tuple[str, str]:
    """(thread, page) as the name says them, each "" where it does not.

    `rollout-<time>-<thread>` is a thread's own file, `rollout-<time>-<thread>_<page>` one
    that continues it.
    """
    name, _, page = stem(path).rpartition("_")
    if not (name and is_uuid(page)):
        name, page = stem(path), ""
    thread = name[-_UUID_LENGTH:]
    return (thread, page) if is_uuid(thread) else ("", "")


def created_at(identity: str) -> int | None:
    """Epoch milliseconds in a time-ordered UUID, else None."""
    try:
        found = uuid.UUID(identity)
    except ValueError:
        return None
    return found.int >> 80 if found.version == _TIME_ORDERED else None


class Relatives:
    """Finds the files of other threads for one reading of the file `beside`.

    Only names found by listing are compared, so that an id from a transcript can name
    nothing but a rollout. A folder's listing serves every file in it; one reading makes a
    new one at most once, when it misses a thread.
    """

    def __init__(self, beside: Path) -> None:
        self._beside = beside
        self._is_listed = False

    def rollouts_of(self, thread: str) -> list[Path]:
        """The files of another thread in the same home, or beside one that stands in no home."""
        if not thread:
            return []
        home = home_of(self._beside)
        folder = home or self._beside.parent
        found = _listings.get(folder, {}).get(thread, [])
        if not self._is_listed and not (found and all(path.is_file() for path in found)):
            self._is_listed = True
            _listings[folder] = _listed(_all_in(home) if home else rollouts_in(folder))
            found = _listings[folder].get(thread, [])
        return found


def _all_in(home: Path) -> Iterator[Path]:
    yield from walk(home / SESSIONS)
    yield from walk(home / ARCHIVED)


def _listed(paths: Iterator[Path]) -> dict[str, list[Path]]:
    """Thread to its files, of copies the one that counts."""
    chosen: dict[str, dict[str, Path]] = {}
    for path in paths:
        thread, _page = named_ids(path)
        files = chosen.setdefault(thread, {})
        name = stem(path)
        if name not in files or rank(path) < rank(files[name]):
            files[name] = path
    return {thread: sorted(files.values()) for thread, files in chosen.items() if thread}
