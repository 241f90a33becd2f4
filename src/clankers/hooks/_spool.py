"""The spool: events that could not be stored at once, a file each."""

from __future__ import annotations

import json
import os
import time

from clankers import _paths

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from clankers.store import Store

_SUFFIX = ".json"
_BAD = "bad"


def spool_folder() -> Path:
    """`spool` in the data directory."""
    return _paths.data_dir() / "spool"


def leave(requests: Sequence[dict[str, Any]], database: Path | None = None) -> Path:
    """Puts requests into the spool, as a file that is whole or not there.

    Args:
        requests: as `deliver` takes them, each with an id.
        database: where they belong; the user's own, or a daemon's, where that is not known.

    Raises:
        OSError: there is no room, or it may not be written.
    """
    folder = spool_folder()
    _paths.make_private_dir(folder.parent)
    _paths.make_private_dir(folder)
    name = f"{time.time_ns():020d}-{os.getpid()}"
    unfinished = folder / f"{name}.partial"
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(file, "w", encoding="utf-8") as opened:
        place = None if database is None else os.path.abspath(database)
        json.dump({"database": place, "requests": list(requests)}, opened)
    whole = folder / f"{name}{_SUFFIX}"
    os.replace(unfinished, whole)
    return whole


def take_in(store: Store, *, of_daemon: bool = False) -> int:
    """Stores what is in the spool for this database, oldest first, and takes it out; how much.

    A file that holds no event that can be stored is moved to `bad` beside the others.

    Args:
        store: takes what belongs into it; one at the user's own place also what names no place.
        of_daemon: also takes what a daemon did not answer.

    Raises:
        StoreError: the database cannot be written; what is left stays where it is.
    """
    takes_unnamed = of_daemon or _is_same(store.path, _paths.database_path())
    taken = 0
    for path in _waiting():
        try:
            database, requests = _parts(path.read_bytes())
            if not (takes_unnamed if database is None else _is_same(store.path, database)):
                continue
            records = list(_records(requests))
        except FileNotFoundError:
            continue  # Another process has taken it.
        # What a file holds may be anything.
        except (ValueError, RecursionError, AttributeError, IsADirectoryError):
            _set_aside(path)
            continue
        store.upsert_live(records)
        path.unlink(missing_ok=True)
        taken += 1
    return taken


def _waiting() -> list[Path]:
    try:
        names = sorted(os.listdir(spool_folder()))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [spool_folder() / name for name in names if name.endswith(_SUFFIX)]


def _is_same(one: Path, other: str | Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _parts(content: bytes) -> tuple[str | None, list[Any]]:
    """The database and the requests of a file."""
    found = json.loads(content)
    database, requests = found.get("database"), found.get("requests")
    if not isinstance(requests, list) or not isinstance(database, str | None):
        raise ValueError("no list of requests")  # noqa: TRY004 - told as the other faults are
    return database, requests


def _records(requests: list[Any]) -> Iterator[Any]:
    from clankers._rpc.upserts import UPSERTS
    from clankers.errors import InvalidParamsError

    for request in requests:
        try:
            yield UPSERTS[request["method"]].read(request["params"])
        except (InvalidParamsError, LookupError, TypeError) as problem:
            raise ValueError(str(problem)) from problem


def _set_aside(path: Path) -> None:
    folder = path.parent / _BAD
    _paths.make_private_dir(folder)
    os.replace(path, folder / path.name)
