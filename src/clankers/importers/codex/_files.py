"""Which files are rollouts, which of two copies counts, and where a thread's own file is."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES = (".jsonl", ".jsonl.zst")
FOLDERS = ("sessions", "archived_sessions")
_PREFIX = "rollout-"
_UUID_LENGTH = 36
_TIME_ORDERED = 7


def find_rollouts(root: Path) -> Iterator[Path]:
    """The rollouts at or below `root`, see `CodexImporter.find`."""
    if root.is_file():
        if root.name.endswith(SUFFIXES):
            yield root
        return
    chosen: dict[tuple[str, str], Path] = {}
    folders = [folder for name in FOLDERS if (folder := root / name).is_dir()]
    for folder in folders or [root]:
        for path in _walk(folder):
            key = (_home(path), stem(path))
            if key not in chosen or _rank(path) < _rank(chosen[key]):
                chosen[key] = path
    yield from sorted(chosen.values(), key=lambda path: (stem(path), str(path)))


def stem(path: Path) -> str:
    """The name without `.jsonl` or `.jsonl.zst`."""
    return path.name.removesuffix(".zst").removesuffix(".jsonl")


def named_ids(path: Path) -> tuple[str, str]:
    """(thread, page) as the name says them, each "" where it does not.

    `rollout-<time>-<thread>` is a thread's own file, `rollout-<time>-<thread>_<page>` one
    that continues it.
    """
    name = stem(path)
    if "_" in name and _is_uuid(page := name.rpartition("_")[2]):
        thread = name.removesuffix(f"_{page}")[-_UUID_LENGTH:]
        return (thread, page) if _is_uuid(thread) else ("", "")
    thread = name[-_UUID_LENGTH:]
    return (thread, "") if _is_uuid(thread) else ("", "")


def rollouts_of(thread: str, beside: Path) -> list[Path]:
    """The files of another thread that belongs to the same history as the file `beside`.

    Only names found by listing are compared, so that an id from a transcript can name
    nothing but a rollout. The day that is in the id is looked at before everything.
    """
    if not thread or not thread.isprintable():
        return []
    home = _home_folder(beside)
    if home is None:
        return _among(_walk(_dated_base(beside)), thread)
    near = [folder for folder in _days(home / FOLDERS[0], thread) if folder.is_dir()]
    for folders in ([*near, home / FOLDERS[1]], [home / FOLDERS[0]]):
        found = [one for folder in folders for one in _among(_walk(folder), thread)]
        if found:
            return found
    return []


def created_at(identity: str) -> int | None:
    """Epoch milliseconds in a time-ordered UUID, else None."""
    try:
        found = uuid.UUID(identity)
    except ValueError:
        return None
    return found.int >> 80 if found.version == _TIME_ORDERED else None


def _walk(top: Path) -> Iterator[Path]:
    """Rollouts at any depth; a folder that a symbolic link leads to again is entered once."""
    entered: set[tuple[int, int]] = set()
    for folder, subfolders, names in os.walk(top, followlinks=True):
        try:
            status = os.stat(folder)
        except OSError:
            subfolders.clear()
            continue
        if (status.st_dev, status.st_ino) in entered:
            subfolders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        subfolders.sort()
        for name in sorted(names):
            # A pipe under such a name would be waited for without end.
            if name.startswith(_PREFIX) and name.endswith(SUFFIXES):
                path = Path(folder, name)
                if path.is_file():
                    yield path


def _home(path: Path) -> str:
    return str(_home_folder(path) or path.parent)


def _home_folder(path: Path) -> Path | None:
    for folder in path.parents:
        if folder.name in FOLDERS:
            return folder.parent
    return None


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
        if is_own and (name not in chosen or _rank(path) < _rank(chosen[name])):
            chosen[name] = path
    return sorted(chosen.values())


def _rank(path: Path) -> tuple[bool, bool]:
    return FOLDERS[1] in path.parts, path.name.endswith(".zst")


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return len(text) == _UUID_LENGTH
