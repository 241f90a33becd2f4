"""Codex CLI: where its rollouts are.

Learned from the records' types in openai/codex (codex-rs: protocol, rollout, exec), from
rollouts of versions 0.39 to 0.66 and from readers of other open-source tools for what came
later. What a line means is in `_reading`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clankers.importers.codex._files import find_rollouts
from clankers.importers.codex._stream import open_rollout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clankers.importers import Batch, Resume

_HEAD_BYTES = 64 * 1024
# Names of records that other agents' transcripts do not have, quoted as JSON has them.
_MARKS = (
    b'"session_meta"',
    b'"event_msg"',
    b'"response_item"',
    b'"turn_context"',
    b'"thread.started"',
    b'"record_type":"state"',
)


class CodexImporter:
    """The importer of Codex rollouts, plain and compressed, and of `codex exec --json` logs."""

    agent = "codex"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """`$CODEX_HOME` (one or several, by comma), else `~/.codex`."""
        if given := environ.get("CODEX_HOME"):
            return [Path(part.strip()).expanduser() for part in given.split(",") if part.strip()]
        return [home / ".codex"]

    def find(self, root: Path) -> Iterator[Path]:
        """Every rollout below `root`, or `root` itself; by time of creation, parents before forks.

        A rollout that is there twice comes once: `sessions` before `archived_sessions`,
        plain before compressed.
        """
        return find_rollouts(root)

    def recognises(self, path: Path) -> bool:
        start = _beginning(path)
        has_header = start.startswith(b'{"id":"') and b'"instructions"' in start.partition(b"\n")[0]
        return has_header or any(mark in start for mark in _MARKS)

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        # Reading needs attrs and msgspec; finding out that nothing changed must not pay for them.
        from clankers.importers.codex._reading import read_rollout

        return read_rollout(path, resume)


def _beginning(path: Path) -> bytes:
    try:
        with open_rollout(path) as stream:
            return stream.read(_HEAD_BYTES)
    except OSError:
        return b""


IMPORTER = CodexImporter()
