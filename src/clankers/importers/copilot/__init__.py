"""GitHub Copilot CLI: where the events of its sessions are.

Learned from the types of its events in github/copilot-sdk (session-events.ts), from real
sessions of versions 1.0.11 to 1.0.34, and for what `session.shutdown` counts from reports
to github/copilot-cli and to the makers of other open-source readers. What an event means
is in `_events`, what was used in `_accounting`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clankers import importers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clankers.importers import Batch, Resume

_SESSIONS = "session-state"
_EVENTS = "events.jsonl"
# Names of events that other agents' transcripts do not have, quoted as JSON has them.
_MARKS = (
    b'"copilot-agent"',
    b'"assistant.turn_start"',
    b'"tool.execution_start"',
    b'"session.model_change"',
)


class Copilot:
    """The importer of Copilot CLI's events."""

    agent = "copilot"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """`session-state` in `$COPILOT_HOME` or `$COPILOT_DIR`, else in `~/.copilot`."""
        given = environ.get("COPILOT_HOME") or environ.get("COPILOT_DIR")
        return [(Path(given).expanduser() if given else home / ".copilot") / _SESSIONS]

    def find(self, root: Path) -> Iterator[Path]:
        """The events of every session below `root`, or `root` itself.

        Older versions wrote `<id>.jsonl`; where there is `<id>/events.jsonl` as well, that
        one says more.
        """
        if root.is_file():
            yield root
            return
        for folder, folders, names in os.walk(root):
            folders.sort()
            if _EVENTS in names:
                # What else a session keeps is the user's own.
                folders.clear()
                yield Path(folder, _EVENTS)
                continue
            for name in sorted(names):
                path = Path(folder, name)
                if name.endswith(".jsonl") and self._is_flat(path):
                    yield path

    def _is_flat(self, path: Path) -> bool:
        if path.with_suffix("").joinpath(_EVENTS).is_file():
            return False
        return path.parent.name == _SESSIONS or self.recognises(path)

    def recognises(self, path: Path) -> bool:
        start = importers.beginning(path)
        return any(mark in start for mark in _MARKS)

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        # Reading needs attrs and msgspec; finding out that nothing changed must not pay for them.
        from clankers.importers.copilot._events import Events

        return importers.read_lines(path, resume, Events(path, resume))


IMPORTER = Copilot()
