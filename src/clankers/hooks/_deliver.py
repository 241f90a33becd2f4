"""Bringing an event home within the time an agent can spare."""

from __future__ import annotations

import json
import os
import socket

from clankers import _paths
from clankers.daemon._framing import framed
from clankers.hooks._spool import leave

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# The daemon answers within a few milliseconds unless the database is busy.
_SECONDS = 0.04
_ENOUGH = 4_096


def deliver(requests: Sequence[dict[str, Any]]) -> str:
    """Hands requests to the daemon, or stores them, or leaves them in the spool; which of these.

    Those without an id are for a daemon alone; where none runs they are dropped.

    Raises:
        OSError: not even the spool can be written.
    """
    if not requests:
        return "nothing"
    kept = [one for one in requests if "id" in one]
    if (answer := _asked(requests, answers=len(kept))) is not None:
        if answer:
            return "daemon"
    elif kept and _stored(kept):
        return "database"
    if not kept:
        return "nothing"
    leave(kept)
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


def _stored(requests: Sequence[dict[str, Any]]) -> bool:
    """Writes into the database, if that can be done at once and needs no migration."""
    from clankers.config import Config
    from clankers.daemon import UPSERTS
    from clankers.errors import ClankersError
    from clankers.store import Store

    path = Config.load().database_path()
    try:
        Store.open(path, read_only=True).close()  # Refuses an older schema.
        with Store.open(path, create=False, busy_timeout_ms=1) as store:
            store.upsert_live([UPSERTS[one["method"]].read(one["params"]) for one in requests])
    except ClankersError:
        return False
    return True
