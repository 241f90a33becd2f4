"""Goose: one database of all sessions, and the older file per session.

Learned from the source of block/goose, now aaif-goose/goose (crates/goose: session_manager,
message, legacy), up to version 17 of its schema. What the rows mean is in `_database`, what
a file of before holds in `_legacy`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clankers import importers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clankers.importers import Batch, Entry, Resume

DATABASE = "sessions.db"
_FOLDER = "sessions"
_HEAD_BYTES = 64 * 1024
_HEADER_MARKS = (b'"message_count"', b'"description"')
_MESSAGE_MARKS = (b'"role"', b'"created"', b'"content"')


class Goose:
    """The importer of Goose's database and of its older files."""

    agent = "goose"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """`$GOOSE_PATH_ROOT/data/sessions`, else the folders of all platforms and versions."""
        if given := environ.get("GOOSE_PATH_ROOT", "").strip():
            return [Path(given).expanduser() / "data" / _FOLDER]
        share = home / ".local" / "share"
        found = [share / "goose", share / "Block" / "goose"]
        if data := environ.get("XDG_DATA_HOME"):
            found.insert(0, Path(data) / "goose")
        found.append(home / "Library" / "Application Support" / "goose")
        if roaming := environ.get("APPDATA"):
            found.append(Path(roaming) / "Block" / "goose" / "data")
        return [folder / _FOLDER for folder in dict.fromkeys(found)]

    def find(self, root: Path) -> Iterator[Path]:
        """The database in each folder below `root`, then the files of before; or `root` itself."""
        if root.is_file():
            yield root
            return
        for folder, folders, files in os.walk(root):
            folders.sort()
            if DATABASE in files:
                yield Path(folder, DATABASE)
            if DATABASE in files or os.path.basename(folder) == _FOLDER or Path(folder) == root:
                for name in sorted(files):
                    if name.endswith(".jsonl"):
                        yield Path(folder, name)

    def recognises(self, path: Path) -> bool:
        if importers.is_sqlite(path):
            from clankers.importers.goose._database import is_goose

            return is_goose(path)
        line = importers.beginning(path, _HEAD_BYTES).partition(b"\n")[0]
        is_header = b'"working_dir"' in line and any(mark in line for mark in _HEADER_MARKS)
        return is_header or all(mark in line for mark in _MESSAGE_MARKS)

    def entries(self, path: Path) -> Iterator[Entry] | None:
        """The sessions of a database; None for a file of before."""
        if not (importers.is_sqlite(path) or path.name.endswith(".db")):
            return None
        from clankers.importers.goose._database import list_sessions

        return list_sessions(path)

    def read_entry(self, path: Path, key: str) -> Iterator[Batch]:
        from clankers.importers.goose._database import read_session

        return read_session(path, key)

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        from clankers.importers.goose._legacy import read_file

        del resume  # Such a file is rewritten with every answer.
        return read_file(path)


IMPORTER = Goose()
