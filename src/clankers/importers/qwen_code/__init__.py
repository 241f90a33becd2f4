"""Qwen Code: where its chats are.

Learned from QwenLM/qwen-code (packages/core: chatRecordingService, agent-transcript,
storage, the converter of OpenAI's answers) and from the fixtures of other open-source tools,
which go up to 0.21.13. What a record means is in `_reading`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clankers import importers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clankers.importers import Batch, Resume

_PROJECTS, _CHATS, _SUBAGENTS = "projects", "chats", "subagents"
# What a record always has, and what only this agent's have.
_COMMON = (b'"parentUuid"', b'"sessionId"')
_OWN = (b'"parts"', b'"systemPayload"', b'"toolCallResult"', b'"usageMetadata"')


class QwenCode:
    """The importer of Qwen Code's chats and of its subagents' transcripts."""

    agent = "qwen-code"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """`projects` in `$QWEN_RUNTIME_DIR` or `$QWEN_HOME`, else in `~/.qwen`."""
        named = environ.get("QWEN_RUNTIME_DIR") or environ.get("QWEN_HOME")
        folder = Path(named).expanduser() if named else home / ".qwen"
        return [folder if folder.name == _PROJECTS else folder / _PROJECTS]

    def find(self, root: Path) -> Iterator[Path]:
        """Every chat below `root`, or `root` itself; of each project chats before subagents.

        Outside of the agent's own folders a file is opened to see whether it is a chat.
        """
        if root.is_file():
            yield root
            return
        for name, folders, names in os.walk(root):
            folder = Path(name)
            folders.sort()
            if _CHATS in folders:
                # What lies beside the chats is memory, logs and outputs of tools.
                folders[:] = [one for one in folders if one in (_CHATS, _SUBAGENTS)]
            is_own = _is_own(folder)
            for file in sorted(names):
                path = folder / file
                is_there = file.endswith(".jsonl") and path.is_file()
                if is_there and (is_own or self.recognises(path)):
                    yield path

    def recognises(self, path: Path) -> bool:
        start = importers.beginning(path)
        return all(mark in start for mark in _COMMON) and any(mark in start for mark in _OWN)

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        # Reading needs attrs and msgspec; finding out that nothing changed must not pay for them.
        from clankers.importers.qwen_code._reading import read_chat

        return read_chat(path, resume)


def _is_own(folder: Path) -> bool:
    """True of the folders where the agent keeps nothing but chats."""
    chats = folder if folder.name == _CHATS else None
    if folder.parent.name == _SUBAGENTS:
        chats = folder.parent
    return chats is not None and chats.parent.parent.name == _PROJECTS


IMPORTER = QwenCode()
