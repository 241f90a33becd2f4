"""OpenCode, and the products that keep their sessions as it does: where they are.

Learned from the source of anomalyco/opencode (packages/opencode: session, storage) up to
the schema with `session_message`, from a real database of version 1.2.5, and from the
readers of kenn-io/agentsview and ryoppippi/ccusage for the products built on it. What a
session says is in `_conversation`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clankers import importers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clankers.importers import Batch, Entry, Resume

# The names that databases and data folders go by; all have the same tables and folders.
_PRODUCTS = ("opencode", "kilo", "mimocode", "icodemate")
# Beside a database or storage these hold checkouts and programs, often very many files.
_NO_SESSIONS = frozenset(
    {"bin", "log", "plans", "repos", "session_diff", "snapshot", "tool-output", "worktree"}
)
_NEVER = frozenset({".git", "node_modules"})


class OpenCode:
    """The importer of databases (one per release channel) and of the older folder `storage`.

    Args:
        agent: the agent's name, which is what its database and its data folder are called.
        variable: an environment variable that names the data folder, or several by comma.
        file_variable: one that names the database, when it is an absolute path.
        home_variable: one that names a folder whose `data` is the data folder.
    """

    version = 1

    def __init__(
        self,
        agent: str,
        *,
        variable: str | None = None,
        file_variable: str | None = None,
        home_variable: str | None = None,
    ) -> None:
        self.agent = agent
        self._variable = variable
        self._file_variable = file_variable
        self._home_variable = home_variable

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """The data folder, and a database that was put elsewhere."""
        found = self._folders(environ, home)
        named = environ.get(self._file_variable or "", "")
        if os.path.isabs(named):
            found.append(Path(named))
        return list(dict.fromkeys(found))

    def _folders(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        given = environ.get(self._variable or "", "")
        if folders := [part.strip() for part in given.split(",") if part.strip()]:
            return [Path(folder).expanduser() for folder in folders]
        if own := environ.get(self._home_variable or ""):
            return [Path(own).expanduser() / "data"]
        shared = environ.get("XDG_DATA_HOME")
        return [(Path(shared) if shared else home / ".local" / "share") / self.agent]

    def find(self, root: Path) -> Iterator[Path]:
        """Storage folders, then databases: where both tell of a session, the database is newer."""
        if root.is_file():
            yield root
            return
        storages, databases = self._below(str(root))
        yield from map(Path, storages)
        yield from map(Path, databases)

    def recognises(self, path: Path) -> bool:
        if _product(path) != self.agent:
            return False
        if path.is_dir():
            return _is_storage(str(path))
        if not importers.is_sqlite(path):
            return False
        from clankers.importers.opencode._database import has_sessions

        return has_sessions(path)

    def entries(self, path: Path) -> Iterator[Entry]:
        if path.is_dir():
            from clankers.importers.opencode._storage import list_folder

            return list_folder(path)
        from clankers.importers.opencode._database import list_database

        return list_database(path)

    def read_entry(self, path: Path, key: str) -> Iterator[Batch]:
        if path.is_dir():
            from clankers.importers.opencode._storage import read_from_folder

            return read_from_folder(path, key, self.agent)
        from clankers.importers.opencode._database import read_from_database

        return read_from_database(path, key, self.agent)

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:  # noqa: ARG002 - always whole
        for entry in self.entries(path):
            yield from self.read_entry(path, entry.key)

    def _below(self, root: str) -> tuple[list[str], list[str]]:
        """The storage folders and the databases at or below a folder."""
        storages: list[str] = []
        databases: list[str] = []
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            if _is_storage(folder):
                if _product(Path(folder)) == self.agent:
                    storages.append(folder)
                continue
            files, folders = _listed(folder)
            own = [name for name in files if self._is_own_database(name)]
            databases += [os.path.join(folder, name) for name in own]
            left_out = _NEVER | _NO_SESSIONS if own or "storage" in folders else _NEVER
            waiting += [os.path.join(folder, name) for name in folders if name not in left_out]
        return sorted(storages), sorted(databases)

    def _is_own_database(self, name: str) -> bool:
        return name.endswith(".db") and _named(name.removesuffix(".db")) == self.agent


def _product(path: Path) -> str:
    """Whose a database or folder is, by its name and those of the folders it is in."""
    for name in (path.stem, *reversed(path.parts[:-1])):
        if product := _named(name):
            return product
    return _PRODUCTS[0]


def _named(name: str) -> str | None:
    """The product a name stands for; `opencode-dev` is OpenCode of another release channel."""
    return next((one for one in _PRODUCTS if name == one or name.startswith(f"{one}-")), None)


def _is_storage(folder: str) -> bool:
    """True for a folder with `message/<session>/*.json`, and `session`, `info` or `part` beside."""
    if not any(os.path.isdir(os.path.join(folder, name)) for name in ("session", "info", "part")):
        return False
    messages = os.path.join(folder, "message")
    return any(
        name.endswith(".json")
        for session in _listed(messages)[1]
        for name in _listed(os.path.join(messages, session))[0]
    )


def _listed(folder: str) -> tuple[list[str], list[str]]:
    """The names of the files and of the folders in a folder; a link to a folder is none."""
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as found:
            for one in found:
                (folders if one.is_dir(follow_symlinks=False) else files).append(one.name)
    # What is not there or may not be read holds nothing for us.
    except OSError:
        pass
    return files, folders


IMPORTER = OpenCode("opencode", variable="OPENCODE_DATA_DIR", file_variable="OPENCODE_DB")
