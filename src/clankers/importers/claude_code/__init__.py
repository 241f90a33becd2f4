"""Claude Code: where its transcripts are.

Learned from transcripts of versions 1.0.24 to 2.1.220 and from the readers of other
open-source tools; the format is not documented by its maker. What a line means is in
`_reading`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clankers.importers import Batch, Resume

_HEAD_BYTES = 64 * 1024
# Field and record names that other agents' transcripts do not have.
_MARKS = (b'"isSidechain"', b'"leafUuid"', b'"file-history-snapshot"', b'"queue-operation"')


class ClaudeCode:
    """The importer of Claude Code's JSON Lines."""

    agent = "claude-code"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """`$CLAUDE_CONFIG_DIR` (one or several, by comma), else both places Claude Code uses.

        A root may be the configuration folder or its `projects` folder itself.
        """
        if given := environ.get("CLAUDE_CONFIG_DIR"):
            named = [Path(part.strip()).expanduser() for part in given.split(",") if part.strip()]
            return [_projects(folder) for folder in named]
        config = environ.get("XDG_CONFIG_HOME")
        base = Path(config) if config else home / ".config"
        return [base / "claude" / "projects", home / ".claude" / "projects"]

    def find(self, root: Path) -> Iterator[Path]:
        """Every transcript below `root`, or `root` itself; parents before their subagents."""
        if root.is_file():
            yield root
            return
        root = _projects(root)
        for folder, subfolders, names in os.walk(root):
            subfolders.sort()
            # What a tool wrote out is not a transcript, whatever it is called.
            if "tool-results" in subfolders:
                subfolders.remove("tool-results")
            for name in sorted(names):
                if name.endswith(".jsonl"):
                    yield Path(folder, name)

    def recognises(self, path: Path) -> bool:
        with path.open("rb") as file:
            start = file.read(_HEAD_BYTES)
        return any(mark in start for mark in _MARKS)

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        # Reading needs attrs and msgspec; finding out that nothing changed must not pay for them.
        from clankers.importers.claude_code._transcript import read_transcript

        return read_transcript(path, resume)


def _projects(folder: Path) -> Path:
    projects = folder / "projects"
    return projects if folder.name != "projects" and projects.is_dir() else folder


IMPORTER = ClaudeCode()
