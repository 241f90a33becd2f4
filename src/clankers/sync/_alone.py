"""One process at a time syncs a database."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clankers import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST = 20
# Whoever looks who syncs has the lock for a moment, and a small push ends in a few of these.
_PATIENCE, _PAUSE = 1.0, 0.01


def lock_of(database: Path) -> Path:
    """The file whose lock is held by whoever syncs; it stays. A link has that of what it points to."""
    return Path(f"{os.path.realpath(database)}.sync-lock")


@contextmanager
def alone(database: Path, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Holds the lock, which the system gives back however the process ends.

    Raises:
        SyncBusyError: another process has it, and keeps it longer than `patience` seconds.
    """
    lock = os.open(lock_of(database), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            _lock(lock, time.monotonic() + patience)
        except BlockingIOError:
            owner = os.pread(lock, _LONGEST, 0).decode("ascii", "replace").strip()
            raise errors.SyncBusyError(
                f"{database} is being synced by process {owner or 'unknown'}",
                hint="it sends what waits; 'clankers-cli sync status' shows how far it is",
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(lock, 0)  # Its number may soon be another's.
    finally:
        os.close(lock)


def _lock(file: int, until: float) -> None:
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
        time.sleep(_PAUSE)


def who_syncs(database: Path) -> int | None:
    """The process that syncs the database now; 0 where it is unknown, None where none does."""
    try:
        lock = os.open(lock_of(database), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, _LONGEST, 0).strip()
        return int(owner) if owner.isdigit() else 0
    finally:
        os.close(lock)
    return None
