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


def leave(requests: Sequence[dict[str, Any]]) -> Path:
    """Puts requests into the spool, as a file that is whole or not there.

    Raises:
        OSError: there is no room, or it may not be written.
    """
    folder = spool_folder()
    _paths.make_private_dir(folder)
    name = f"{time.time_ns():020d}-{os.getpid()}"
    unfinished = folder / f"{name}.partial"
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(file, "w", encoding="utf-8") as opened:
        json.dump(list(requests), opened)
    whole = folder / f"{name}{_SUFFIX}"
    os.replace(unfinished, whole)
    return whole


def take_in(store: Store) -> int:
    """Stores what is in the spool, oldest first, and takes it out; how many events.

    A file that holds no event that can be stored is moved to `bad` beside the others.

    Raises:
        StoreError: the database cannot be written; what is left stays where it is.
    """
    taken = 0
    for path in _waiting():
        try:
            records = list(_records(path.read_bytes()))
        except FileNotFoundError:
            continue  # Another process has taken it.
        except ValueError:
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


def _records(content: bytes) -> Iterator[Any]:
    from clankers.daemon import UPSERTS
    from clankers.errors import InvalidParamsError

    found = json.loads(content)
    if not isinstance(found, list):
        raise ValueError("no list of requests")  # noqa: TRY004 - told as the other faults are
    for request in found:
        try:
            yield UPSERTS[request["method"]].read(request["params"])
        except (InvalidParamsError, LookupError, TypeError) as problem:
            raise ValueError(str(problem)) from problem


def _set_aside(path: Path) -> None:
    folder = path.parent / _BAD
    _paths.make_private_dir(folder)
    os.replace(path, folder / path.name)
