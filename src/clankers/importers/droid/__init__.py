"""Factory Droid: a transcript per session, with its settings and its usage in a file beside it.

Learned from readers of other open-source tools and their fixtures, up to version 0.187; the
format is not documented by its maker. Logs of `droid exec --output-format stream-json` are
read as well.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clankers import importers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clankers.importers import Batch, Resume

_SETTINGS = ".settings.json"
_HEAD_LINES = 20
_SETTINGS_MARKS = (b'"tokenUsage"', b'"providerLock"', b'"assistantActiveTimeMs"', b'"autonomy')
# By what the records of an exec log are told from those of other agents' streams.
_STREAMED = {
    "message": ("role", "text"),
    "tool_call": ("toolName", "parameters"),
    "completion": ("finalText",),
}


class Droid:
    """The importer of Droid's transcripts, its settings files and its exec logs."""

    agent = "droid"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """`$DROID_SESSIONS_DIR` (one or several, by comma), else `~/.factory/sessions`."""
        if given := environ.get("DROID_SESSIONS_DIR", "").strip(", "):
            return [Path(one.strip()).expanduser() for one in given.split(",") if one.strip()]
        return [home / ".factory" / "sessions"]

    def find(self, root: Path) -> Iterator[Path]:
        """Every transcript and settings file below `root`, or `root` itself, by name.

        Of a `.factory` folder only its sessions: other files there are no transcripts.
        """
        if root.is_file():
            yield root
            return
        for folder, folders, files in os.walk(root):
            if os.path.basename(folder) == ".factory" and "sessions" in folders:
                folders[:] = ["sessions"]
                continue
            folders.sort()
            for name in sorted(files):
                if name.endswith((".jsonl", _SETTINGS)):
                    yield Path(folder, name)

    def recognises(self, path: Path) -> bool:
        start = importers.beginning(path)
        if path.name.endswith(_SETTINGS):
            return any(mark in start for mark in _SETTINGS_MARKS)
        return any(_is_record(line) for line in start.split(b"\n")[:_HEAD_LINES])

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        """What a transcript or a settings file says; what both say is one session."""
        # Reading needs attrs and msgspec; finding out that nothing changed must not pay for them.
        from clankers.importers.droid import _reading

        if path.name.endswith(_SETTINGS):
            return iter([_reading.read_settings(path)])
        return _reading.read_transcript(path, resume)


def _is_record(line: bytes) -> bool:
    """True for a record that only Droid writes."""
    # Here alone it is needed, and not by an import that finds nothing new.
    import json

    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(record, dict):
        return False
    kind = record.get("type")
    if kind == "session_start":
        return isinstance(record.get("id"), str)
    fields = _STREAMED.get(kind) if isinstance(kind, str) else None
    is_named = "session_id" in record or "sessionId" in record
    return fields is not None and is_named and all(one in record for one in fields)


IMPORTER = Droid()
