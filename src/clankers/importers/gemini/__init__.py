"""Gemini CLI: where its chats are.

Learned from google-gemini/gemini-cli (packages/core: chatRecordingService,
chatRecordingTypes, projectRegistry, local-executor), from real chats of November 2025 to
April 2026, and from the fixtures of other open-source tools, which go up to 0.40. What a
record means is in `_reading`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clankers import importers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clankers.importers import Batch, Resume

_SUFFIXES = (".json", ".jsonl")
_CHATS, _TEMPORARY, _HOME = "chats", "tmp", ".gemini"
_PREFIX = "session-"


class Gemini:
    """The importer of Gemini CLI's chats, the documents of old versions and the lines of new ones."""

    agent = "gemini"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """`tmp` in `$GEMINI_DIR` (one or several, by comma), else in `.gemini` of `$GEMINI_CLI_HOME` or home."""
        named = [one.strip() for one in environ.get("GEMINI_DIR", "").split(",") if one.strip()]
        if not named:
            named = [os.path.join(environ.get("GEMINI_CLI_HOME") or home, _HOME)]
        folders = [Path(one).expanduser() for one in named]
        return [one if one.name == _TEMPORARY else one / _TEMPORARY for one in folders]

    def find(self, root: Path) -> Iterator[Path]:
        """Every chat below `root`, or `root` itself; by time in each project, parents before subagents.

        Of a document that was resumed into a file of lines, only the lines come. Outside
        of `chats` folders a file is opened to see whether it is a chat.
        """
        if root.is_file():
            return iter([root] if root.suffix in _SUFFIXES else [])
        return _chats_below(root)

    def recognises(self, path: Path) -> bool:
        return path.suffix in _SUFFIXES and _is_chat(path)

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        # Reading needs attrs and msgspec; finding out that nothing changed must not pay for them.
        from clankers.importers.gemini._reading import read_chat

        return read_chat(path, resume)


def _is_chat(path: Path) -> bool:
    """True when the beginning names a session and the hash of its project, as no other agent's does."""
    start = importers.beginning(path)
    return start.lstrip()[:1] == b"{" and b'"projectHash"' in start and b'"sessionId"' in start


def _chats_below(root: Path) -> Iterator[Path]:
    for name, folders, names in os.walk(root):
        folder = Path(name)
        folders.sort()
        if folder.name == _CHATS:
            yield from _sessions(folder, names)
        elif folder.parent.name == _CHATS:
            yield from _subagents(folder, names)
        elif _CHATS in folders:
            # What lies beside the chats are logs, checkpoints and outputs of tools.
            folders[:] = [_CHATS]
        elif folder.name == _HOME and _TEMPORARY in folders:
            folders[:] = [_TEMPORARY]
        else:
            yield from filter(_is_chat, _newest(folder, names))


def _sessions(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """The sessions themselves; their subagents have folders beside them."""
    for path in _newest(folder, names):
        if path.name.startswith(_PREFIX) or _is_chat(path):
            yield path


def _subagents(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """The chats beside their parent's; other agents, too, have folders of that name."""
    is_own = folder.parent.parent.parent.name == _TEMPORARY
    return (path for path in _newest(folder, names) if is_own or _is_chat(path))


def _newest(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """The files that may be chats; a document with the same name as a file of lines was copied to it."""
    there = set(names)
    for name in sorted(names):
        is_copied = name.endswith(".json") and f"{name}l" in there
        if name.endswith(_SUFFIXES) and not is_copied and (folder / name).is_file():
            yield folder / name


IMPORTER = Gemini()
