"""Where Cline and the extensions that came out of it keep their tasks: one folder for each.

Learned from the source of cline/cline (up to 3.89), RooCodeInc/Roo-Code (up to 3.53) and
Kilo-Org/kilocode (up to 5.16), and from readers of other open-source tools. What the files
of a task hold is in `_reading`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clankers import importers
from clankers.importers._vscode._names import (
    CONVERSATION,
    HISTORY_ITEM,
    TASK_METADATA,
    UI_MESSAGES,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from clankers.importers import Batch, Entry, Resume

_TASK_FILES = (UI_MESSAGES, CONVERSATION, TASK_METADATA, HISTORY_ITEM)
_EXTENSIONS = {
    "saoudrizwan.claude-dev": "cline",
    "rooveterinaryinc.roo-cline": "roo-code",
    "rooveterinaryinc.roo-code-nightly": "roo-code",
    "kilocode.kilo-code": "kilo-code",
}
_EDITORS = ("Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf", "Trae", "Code - OSS")
_SERVERS = (
    *(".vscode-server", ".vscode-server-insiders", ".vscodium-server"),
    *(".cursor-server", ".windsurf-server"),
)


class VSCodeTasks:
    """The importer of one extension's tasks.

    Attributes:
        totals_since: from when on, in epoch ms, its input tokens hold what the cache gave
            as well, for models of every provider; None for an extension where they do not.
        beside: a folder of tasks in the home directory, for a program that is no extension.
    """

    version = 1

    def __init__(
        self, agent: str, *, totals_since: int | None = None, beside: str | None = None
    ) -> None:
        self.agent = agent
        self.totals_since = totals_since
        self.beside = beside
        self._extensions = [one for one, owner in _EXTENSIONS.items() if owner == agent]

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """The extension's folder in every editor of the family, on every platform."""
        found = [
            storage / extension / "tasks"
            for storage in _storages(environ, home)
            for extension in self._extensions
        ]
        return [*found, home / self.beside] if self.beside else found

    def find(self, root: Path) -> Iterator[Path]:
        """The folder of every task at or below `root`, by name; of a file, the one it is in.

        The folders of the other extensions are passed over.
        """
        if root.is_file():
            if self.holds_session([root.name]):
                yield root.parent
            return
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(one for one in folders if self._may_own(one))
            if self.holds_session(files):
                folders.clear()
                yield Path(folder)

    def recognises(self, path: Path) -> bool:
        """By the extension's name in the path, else by what is written in the task."""
        if not path.is_dir() or not self.holds_session(os.listdir(path)):
            return False
        named = [_EXTENSIONS[part] for part in path.parts if part in _EXTENSIONS]
        return (named[-1] if named else _guessed(path)) == self.agent

    def entries(self, path: Path) -> Iterator[Entry] | None:
        """The one session of a task."""
        return (
            entry for entry in [entry_of(path.name, [path / one for one in _TASK_FILES])] if entry
        )

    def read_entry(self, path: Path, key: str) -> Iterator[Batch]:
        # Reading needs attrs and msgspec; finding out that nothing changed must not pay for them.
        from clankers.importers._vscode._reading import read_task

        return read_task(self.agent, path, key, totals_since=self.totals_since)

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        del resume  # A task's files are rewritten, and read whole.
        return self.read_entry(path, path.name)

    def holds_session(self, names: Iterable[str]) -> bool:
        return UI_MESSAGES in names or CONVERSATION in names

    def _may_own(self, folder: str) -> bool:
        return _EXTENSIONS.get(folder, self.agent) == self.agent


def entry_of(key: str, files: Iterable[Path]) -> Entry | None:
    """The entry of a session that is kept in several files; None when there is none of them."""
    changed = size = 0
    for file in files:
        try:
            status = os.stat(file)
        except OSError:
            continue
        changed, size = max(changed, status.st_mtime_ns), size + status.st_size
    return importers.Entry(key, changed, size) if changed else None


def _storages(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    config = environ.get("XDG_CONFIG_HOME")
    bases = [home / "Library" / "Application Support", home / ".config"]
    bases += [Path(config)] if config else []
    if roaming := environ.get("APPDATA"):
        bases.append(Path(roaming))
    for base in dict.fromkeys(bases):
        for editor in _EDITORS:
            yield base / editor / "User" / "globalStorage"
    for server in _SERVERS:
        yield home / server / "data" / "User" / "globalStorage"


def _guessed(path: Path) -> str:
    """Whose a task is that lies somewhere else; the files of all three look alike."""
    start = b"".join(importers.beginning(path / name) for name in (UI_MESSAGES, CONVERSATION))
    if b"kilocode" in start.lower() or b"kilo code" in start.lower():
        return "kilo-code"
    if (path / HISTORY_ITEM).exists() or b"apiProtocol" in start:
        return "roo-code"
    return "cline"
