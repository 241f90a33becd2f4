"""Cline: tasks in VS Code and beside it, and the sessions of version 4.1 and later.

Learned, beyond what `_vscode` says, from the source of cline/cline 4.1 (sdk/packages).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clankers.importers._vscode import VSCodeTasks, entry_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from clankers.importers import Batch, Entry

_MESSAGES = ".messages.json"


class Cline(VSCodeTasks):
    """The importer of both kinds. A folder of a newer session has those of its subagents too."""

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """The extension's folders, and `$CLINE_DATA_DIR`, else `data` in `$CLINE_DIR` or `~/.cline`.

        `$CLINE_SESSION_DATA_DIR` is where sessions are that are not in the latter.
        """
        base = Path(environ.get("CLINE_DIR") or home / ".cline").expanduser()
        data = Path(environ.get("CLINE_DATA_DIR") or base / "data").expanduser()
        found = [*super().roots(environ, home), data / "tasks", data / "sessions"]
        if given := environ.get("CLINE_SESSION_DATA_DIR"):
            found.append(Path(given).expanduser())
        return found

    def holds_session(self, names: Iterable[str]) -> bool:
        names = list(names)
        return super().holds_session(names) or any(one.endswith(_MESSAGES) for one in names)

    def entries(self, path: Path) -> Iterator[Entry] | None:
        names = sorted(name for name in os.listdir(path) if name.endswith(_MESSAGES))
        if not names:
            return super().entries(path)
        keys = [name.removesuffix(_MESSAGES) for name in names]
        # The session before its subagents.
        keys.sort(key=lambda key: (key != path.name, key))
        found = (entry_of(key, [path / f"{key}{_MESSAGES}", path / f"{key}.json"]) for key in keys)
        return (one for one in found if one is not None)

    def read_entry(self, path: Path, key: str) -> Iterator[Batch]:
        if not (path / f"{key}{_MESSAGES}").exists():
            return super().read_entry(path, key)
        from clankers.importers._vscode._sessions import read_session

        return read_session(path, key)


IMPORTER = Cline("cline")
