"""Which files are rollouts, and which of two copies counts."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES = (".jsonl", ".jsonl.zst")
SESSIONS, ARCHIVED = "sessions", "archived_sessions"
_PREFIX = "rollout-"
_ROOT_NAME = ".codex"
_ROOT_FILES = ("config.toml", "auth.json", "history.jsonl")


def find_rollouts(root: Path) -> Iterator[Path]:
    """The rollouts at or below `root`, see `CodexImporter.find`."""
    if root.is_file():
        if root.name.endswith(SUFFIXES):
            yield root
        return
    chosen: dict[tuple[Path, str], Path] = {}
    for folder in _searched(root):
        for path in walk(folder):
            key = (home_of(path) or path.parent, stem(path))
            if key not in chosen or rank(path) < rank(chosen[key]):
                chosen[key] = path
    yield from sorted(chosen.values(), key=lambda path: (stem(path), str(path)))


def _searched(root: Path) -> list[Path]:
    """An agent's root keeps rollouts in two folders; in any other one they may be anywhere."""
    if root.name != _ROOT_NAME and not any((root / name).is_file() for name in _ROOT_FILES):
        return [root]
    folders = [folder for name in (SESSIONS, ARCHIVED) if (folder := root / name).is_dir()]
    return folders or [root]


def walk(top: Path) -> Iterator[Path]:
    """Rollouts at any depth; `top` may be a symbolic link, links to folders below are left out."""
    for folder, subfolders, names in os.walk(top):
        subfolders.sort()
        yield from _rollouts_among(Path(folder), names)


def rollouts_in(folder: Path) -> Iterator[Path]:
    """Rollouts in the folder itself; none where it may not be listed."""
    for _, _, names in islice(os.walk(folder), 1):
        yield from _rollouts_among(folder, names)


def _rollouts_among(folder: Path, names: list[str]) -> Iterator[Path]:
    for name in sorted(names):
        # A pipe under such a name would be waited for without end.
        if name.startswith(_PREFIX) and name.endswith(SUFFIXES) and (folder / name).is_file():
            yield folder / name


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
