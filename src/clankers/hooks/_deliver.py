"""Bringing an event home within the time an agent can spare."""

from __future__ import annotations

import json
import os
import socket

from clankers import _paths
from clankers._rpc.framing import framed
from clankers.hooks._spool import leave

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

# The daemon answers within a few milliseconds unless the database is busy.
_SECONDS = 0.04
_ENOUGH = 4_096


def deliver(requests: Sequence[dict[str, Any]], *, database: Path | None = None) -> str:
    """Hands requests to the daemon, or stores them, or leaves them in the spool; which of these.

    Those without an id are for a daemon alone; where none runs they are dropped.

    Args:
        requests: as `requests_of` gives them.
        database: stores them there, whether a daemon runs or not.

    Raises:
        OSError: not even the spool can be written.
    """
    if not requests:
        return "nothing"
    kept = [one for one in requests if "id" in one]
    answer = None if database is not None else _asked(requests, answers=len(kept))
    if answer:
        return "daemon"
    if not kept:
        return "nothing"
    if answer is None:
        database = database or _configured()
        if database is not None and _stored(kept, database):
            return "database"
    leave(kept, database)
    return "spool"


def _asked(requests: Sequence[dict[str, Any]], *, answers: int) -> bool | None:
    """Whether the daemon gave so many answers, all good; None where none listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_SECONDS)
    with connection:
        try:
            connection.connect(os.fspath(_paths.socket_path()))
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return None
        except OSError as problem:
            # A path that is too long for a socket has no number; no daemon can be there.
            return None if problem.errno is None else False
        try:
            # An array is answered by one message.
            connection.sendall(framed(json.dumps(list(requests)).encode()))
            answer = b""
            while answer.count(b'"ok":true') < answers:
                piece = connection.recv(_ENOUGH)
                if not piece or len(answer) > _ENOUGH:
                    return False
                answer += piece
        except OSError:
            return False
    return True


def _configured() -> Path | None:
    from clankers.config import Config
    from clankers.errors import ClankersError

    try:
        return Config.load().database_path()
    except (ClankersError, OSError):
        return None


def _stored(requests: Sequence[dict[str, Any]], database: Path) -> bool:
    """Writes into the database, if that can be done at once and needs no migration."""
    from clankers._rpc.upserts import UPSERTS
    from clankers.errors import ClankersError
    from clankers.store import Store

    try:
        # Refuses an older schema, and waits for nobody.
        Store.open(database, read_only=True, busy_timeout_ms=1).close()
        with Store.open(database, create=False, busy_timeout_ms=1) as store:
            store.upsert_live([UPSERTS[one["method"]].read(one["params"]) for one in requests])
    except (ClankersError, OSError):
        return False
    return True
