"""Live recording: whether a daemon runs, and what hooks have left."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clankers import _paths
from clankers.doctor._finding import Finding
from clankers.hooks import spool_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


def examine_live() -> Iterator[Finding]:
    if sys.platform != "win32":  # A daemon listens on a Unix socket.
        yield _daemon()
    waiting = len(list(spool_folder().glob("*.json")))
    if waiting:
        yield Finding(
            "note",
            "spool",
            f"{waiting:,} events of hooks wait in {spool_folder()}",
            "a running daemon or 'clankers-cli import' takes them in",
        )
    bad = len(list((spool_folder() / "bad").glob("*.json")))
    if bad:
        yield Finding(
            "warning",
            "spool",
            f"{bad:,} files in {spool_folder() / 'bad'} hold no event that can be stored",
            "look at them, and remove them",
        )


def _daemon() -> Finding:
    from clankers.daemon import running

    socket = _paths.socket_path()
    owner = running(socket)
    if owner is None:
        return Finding("ok", "daemon", "none runs; 'clankers-cli daemon start' records live")
    return Finding("ok", "daemon", f"runs as process {owner}, at {socket}")
