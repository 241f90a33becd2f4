"""Which files are rollouts, and which of two copies counts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES = (".jsonl", ".jsonl.zst")
SESSIONS, ARCHIVED = "sessions", "archived_sessions"
_PREFIX = "rollout-"


def find_rollouts(root: Path) -> Iterator[Path]:
    """The rollouts at or below `root`, see `CodexImporter.find`."""
    if root.is_file():
        if root.name.endswith(SUFFIXES):
            yield root
        return
    chosen: dict[tuple[Path, str], Path] = {}
    folders = [folder for name in (SESSIONS, ARCHIVED) if (folder := root / name).is_dir()]
    for folder in folders or [root]:
        for path in walk(folder):
            key = (home_of(path) or path.parent, stem(path))
            if key not in chosen or rank(path) < rank(chosen[key]):
                chosen[key] = path
    yield from sorted(chosen.values(), key=lambda path: (stem(path), str(path)))


def walk(top: Path) -> Iterator[Path]:
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


def stem(path: Path) -> str:
    """The name without `.jsonl` or `.jsonl.zst`."""
    return path.name.removesuffix(".zst").removesuffix(".jsonl")


def home_of(path: Path) -> Path | None:
    """The agent's root that a rollout stands below, None when it was copied elsewhere."""
    for folder in path.parents:
        if folder.name in (SESSIONS, ARCHIVED):
            return folder.parent
    return None


def rank(path: Path) -> tuple[bool, bool]:
    """Of two copies the one with the smaller rank is read."""
    return ARCHIVED in path.parts, path.name.endswith(".zst")
