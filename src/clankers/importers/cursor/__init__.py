"""Cursor: the editor's conversations, those of its command line, and its transcripts.

Nothing of this is documented by its maker. Learned from the notes and readers of
S2thend/cursor-history, michaeldhood/chatrxiv, kenn-io/agentsview, getagentseal/codeburn,
guidemode/desktop and other open-source tools, which go up to version 3.17 of the editor and
2026.09 of the command line. A session that is in several stores is read from the best one:
see `_elsewhere`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clankers.importers.cursor._files import find_files, is_transcript_name, looks_like_transcript

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clankers.importers import Batch, Entry, Resume

_EDITORS = (
    ("Library", "Application Support", "Cursor", "User"),
    (".config", "Cursor", "User"),
    ("AppData", "Roaming", "Cursor", "User"),
)


class CursorImporter:
    """The importer of Cursor's databases (`state.vscdb`, `store.db`) and agent transcripts."""

    agent = "cursor"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """The editor's `User` folder on each platform, then the command line's own.

        The first follows `$XDG_CONFIG_HOME` and `%APPDATA%`, the second `$CURSOR_DATA_DIR`
        and `$CURSOR_CONFIG_DIR`.
        """
        found = [home.joinpath(*parts) for parts in _EDITORS]
        found += [
            Path(given) / "Cursor" / "User"
            for name in ("XDG_CONFIG_HOME", "APPDATA")
            if (given := environ.get(name))
        ]
        moved = [environ.get("CURSOR_DATA_DIR"), environ.get("CURSOR_CONFIG_DIR")]
        found += [Path(given).expanduser() for given in moved if given]
        return list(dict.fromkeys([*found, home / ".cursor"]))

    def find(self, root: Path) -> Iterator[Path]:
        """The editor's databases below `root`, then the command line's, then transcripts."""
        return find_files(root)

    def recognises(self, path: Path) -> bool:
        if is_transcript_name(path):
            return looks_like_transcript(path)
        from clankers.importers.cursor._shape import is_database

        return is_database(path)

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        # Reading needs attrs and msgspec; finding out that nothing changed must not pay for them.
        if path.suffix == ".jsonl":
            from clankers.importers.cursor._transcripts import read_transcript

            return read_transcript(path, resume)
        if path.suffix == ".txt":
            from clankers.importers.cursor._texts import read_text

            return read_text(path)
        from clankers.importers.cursor._chats import read_chat

        return read_chat(path)

    def entries(self, path: Path) -> Iterator[Entry] | None:
        """The conversations of an editor's database; None for every other file."""
        if is_transcript_name(path):
            return None
        from clankers.importers.cursor._shape import is_editor_database

        if path.suffix != ".vscdb" and not is_editor_database(path):
            return None
        from clankers.importers.cursor._entries import list_entries

        return list_entries(path)

    def read_entry(self, path: Path, key: str) -> Iterator[Batch]:
        from clankers.importers.cursor._entries import read_entry

        return read_entry(path, key)


IMPORTER = CursorImporter()
