"""What the ids of threads say: which files are theirs, and when they began."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from clankers.importers._values import is_uuid
from clankers.importers.codex._files import ARCHIVED, SESSIONS, home_of, rank, stem, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UUID_LENGTH = 36
_TIME_ORDERED = 7


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


def rollouts_of(thread: str, beside: Path) -> list[Path]:
    """The files of another thread that belongs to the same history as the file `beside`.

    Only names found by listing are compared, so that an id from a transcript can name
    nothing but a rollout. The day that is in the id is looked at before everything.
    """
    if not thread:
        return []
    home = home_of(beside)
    if home is None:
        return _among(walk(_dated_base(beside)), thread)
    near = [folder for folder in _days(home / SESSIONS, thread) if folder.is_dir()]
    for folders in ([*near, home / ARCHIVED], [home / SESSIONS]):
        found = [one for folder in folders for one in _among(walk(folder), thread)]
        if found:
            return found
    return []


def _dated_base(path: Path) -> Path:
    """The folder above `YYYY/MM/DD`, or the file's own."""
    folder = path.parent
    while folder.name.isdigit() and folder.parent != folder:
        folder = folder.parent
    return folder


def _days(sessions: Path, thread: str) -> list[Path]:
    """The folders of the day a thread began, which is a local date and so may be one off."""
    began = created_at(thread)
    if began is None:
        return []
    try:
        moment = datetime.fromtimestamp(began / 1000, UTC)
        days = [moment + timedelta(days=shift) for shift in (-1, 0, 1)]
    except (ValueError, OverflowError, OSError):
        return []
    return [sessions / f"{day:%Y}" / f"{day:%m}" / f"{day:%d}" for day in days]


def _among(paths: Iterator[Path], thread: str) -> list[Path]:
    chosen: dict[str, Path] = {}
    for path in paths:
        name = stem(path)
        is_own = name.endswith(f"-{thread}") or f"-{thread}_" in name
        if is_own and (name not in chosen or rank(path) < rank(chosen[name])):
            chosen[name] = path
    return sorted(chosen.values())
