"""Claude Code: where its transcripts are.

Learned from transcripts of versions 1.0.24 to 2.1.220, and for later ones from the readers
of other open-source tools; the format is not documented by its maker. What a line means is
in `_reading`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clankers import importers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clankers.importers import Batch, Resume

_HEAD_BYTES = 64 * 1024
# Field and record names that other agents' transcripts do not have.
_MARKS = (
    b'"isSidechain"',
    b'"leafUuid"',
    b'"file-history-snapshot"',
    b'"queue-operation"',
    b'"permission-mode"',
    b'"custom-title"',
    b'"ai-title"',
)
# Qwen Code has some of them too, and these, which Claude Code has not.
_OTHERS = (b'"role":"model"', b'"usageMetadata"')
_PROJECTS = "projects"
# Beside these, `projects` holds all transcripts, and other files that end as they do are none.
_CONFIGURATION = frozenset(
    {"settings.json", "history.jsonl", "statsig", "todos", "shell-snapshots"}
)
# What a tool wrote out is not a transcript, whatever it is called.
_OUTPUTS = "tool-results"


class ClaudeCode:
    """The importer of Claude Code's JSON Lines."""

    agent = "claude-code"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """`$CLAUDE_CONFIG_DIR` (one or several, by comma), else both places Claude Code uses.

        A root may be the configuration folder or its `projects` folder itself.
        """
        if given := environ.get("CLAUDE_CONFIG_DIR", "").strip(", "):
            named = [Path(part.strip()).expanduser() for part in given.split(",") if part.strip()]
            return list(dict.fromkeys(_projects(folder) for folder in named))
        config = environ.get("XDG_CONFIG_HOME")
        base = Path(config) if config else home / ".config"
        return [base / "claude" / _PROJECTS, home / ".claude" / _PROJECTS]

    def find(self, root: Path) -> Iterator[str]:
        """Every transcript below `root`, or `root` itself; parents before their subagents.

        Links to projects are followed where they stand in `projects` itself, and nowhere else.
        """
        return iter([str(root)]) if root.is_file() else _transcripts(root)

    def recognises(self, path: Path) -> bool:
        start = importers.beginning(path, _HEAD_BYTES)
        return any(mark in start for mark in _MARKS) and not any(one in start for one in _OTHERS)

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        # Reading needs attrs and msgspec; finding out that nothing changed must not pay for them.
        from clankers.importers.claude_code._transcript import read_transcript

        return read_transcript(path, resume)


def _projects(folder: Path) -> Path:
    projects = folder / _PROJECTS
    return projects if folder.name != _PROJECTS or projects.is_dir() else folder


def _transcripts(root: Path) -> Iterator[str]:
    """The transcripts of each folder, then those of its folders; a folder is gone into once."""
    seen: set[tuple[int, int]] = set()
    waiting = [(str(root), root.name == _PROJECTS)]
    while waiting:
        folder, follows_links = waiting.pop()
        if not _is_new(folder, seen):
            continue
        files, folders = _listed(folder)
        if _PROJECTS in folders and _CONFIGURATION & {*files, *folders}:
            files, folders = [], {_PROJECTS: folders[_PROJECTS]}
        for name in sorted(files):
            if name.endswith(".jsonl"):
                yield os.path.join(folder, name)
        # Links last: what they lead to may be here under its own name.
        for name in sorted(folders, key=lambda name: (folders[name], name), reverse=True):
            is_link = folders[name]
            if name != _OUTPUTS and (follows_links or not is_link):
                waiting.append((os.path.join(folder, name), name == _PROJECTS and not is_link))


def _is_new(folder: str, seen: set[tuple[int, int]]) -> bool:
    try:
        status = os.stat(folder)
    except OSError:
        return False
    key = (status.st_dev, status.st_ino)
    if key in seen:
        return False
    seen.add(key)
    return True


def _listed(folder: str) -> tuple[list[str], dict[str, bool]]:
    """The names of plain files, and of folders with whether each is a link to one."""
    files: list[str] = []
    folders: dict[str, bool] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if entry.is_dir():
                        folders[entry.name] = entry.is_symlink()
                    elif entry.is_file():
                        files.append(entry.name)
                # A link that leads round in a circle.
                except OSError:
                    continue
    # A folder that may not be read holds nothing for us.
    except OSError:
        return files, folders
    return files, folders


IMPORTER = ClaudeCode()
