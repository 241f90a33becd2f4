"""Which folder a chat was held in: the agent names its own folders by a hash or a short name."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from clankers.importers._files import beside
from clankers.importers._jsonl import decode_value
from clankers.importers._rows import member

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CHATS = "chats"
_LONGEST_PATH = 1_000
_HASH_CHARACTERS = 64


class Project:
    """What the agent's files say of the project of a chat.

    Attributes:
        path: the folder, None where neither the registry nor the marker beside the chats
            knows it.
        name: the short name of the agent's folder, None where that is a hash.
    """

    def __init__(self, chat: Path, project_hash: str | None) -> None:
        folder = _folder_of(chat)
        self._hash = project_hash
        self.path: str | None = None
        self.name: str | None = None
        if folder is not None:
            is_hash = _is_hash(folder.name)
            self._hash = folder.name if is_hash else project_hash
            self.name = None if is_hash else folder.name
            self.path = _marked(folder) or self._registered(folder)

    def above(self, given: Any) -> str | None:
        """The project that a tool call's paths lie in, proven by its hash."""
        if self._hash is None or not isinstance(given, dict):
            return None
        return self._hashed(above for value in given.values() for above in _above(value))

    def _registered(self, folder: Path) -> str | None:
        home = folder.parent.parent
        named = member(_loaded(home / "projects.json"), "projects")
        for path, name in named.items():
            if name == folder.name:
                return str(path)
        trusted = _loaded(home / "trustedFolders.json")
        # What was started in the home directory itself has it for a project.
        known = (*named, *(trusted if isinstance(trusted, dict) else ()), str(home.parent))
        return self._hashed(known)

    def _hashed(self, paths: Iterable[str]) -> str | None:
        for path in paths:
            if hashlib.sha256(path.encode("utf-8", "replace")).hexdigest() == self._hash:
                return path
        return None


def _folder_of(chat: Path) -> Path | None:
    """The project's folder in the agent's own place."""
    for folder in chat.absolute().parents:
        if folder.name == _CHATS:
            return folder.parent
    return None


def _is_hash(name: str) -> bool:
    return len(name) == _HASH_CHARACTERS and all(one in "0123456789abcdef" for one in name)


def _marked(folder: Path) -> str | None:
    """The path that is all there is in a file, and nothing else that may be."""
    said = (beside(folder / ".project_root") or b"").decode("utf-8", "replace").strip()
    is_path = len(said.splitlines()) == 1 and len(said) <= _LONGEST_PATH and _is_absolute(said)
    return said if is_path else None


def _loaded(path: Path) -> Any:
    written = beside(path)
    return decode_value(written) if written else None


def _is_absolute(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()


def _above(value: Any) -> Iterator[str]:
    """An absolute path and the folders above it, as text."""
    if not isinstance(value, str) or not 1 < len(value) <= _LONGEST_PATH:
        return
    kind = PurePosixPath if value.startswith("/") else PureWindowsPath
    path = kind(value)
    if path.is_absolute():
        yield from map(str, (path, *path.parents))
