"""The daemon: takes what agents report while they work, and imports what they write.

One process per user listens on a Unix socket, speaks JSON-RPC 2.0 as docs/reference/daemon.md
says, and watches the agents' transcripts meanwhile::

    from clankers.daemon import Client

    with Client() as daemon:
        daemon.call("upsertSession", session={"id": "my-run", "source": "my-tool"})
"""

from __future__ import annotations

from clankers._lazy import lazily

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from clankers.daemon._client import Client
    from clankers.daemon._daemon import Options, options, run, running
    from clankers.daemon._process import start, status, stop, unit_file

else:
    _HOMES = {
        "Client": "_client",
        "Options": "_daemon",
        "options": "_daemon",
        "run": "_daemon",
        "running": "_daemon",
        "start": "_process",
        "status": "_process",
        "stop": "_process",
        "unit_file": "_process",
    }

    __getattr__ = lazily(globals(), _HOMES)


__all__ = [
    "Client",
    "Options",
    "options",
    "run",
    "running",
    "start",
    "status",
    "stop",
    "unit_file",
]
