"""A lock between processes, which the system gives back however its holder ends."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LONGEST = 20
_PAUSE = 0.01


@contextmanager
def locked(file: Path, *, patience: float, refused: Callable[[str], Exception]) -> Iterator[None]:
    """Holds the lock of a file, which is made where it is not there and stays.

    Args:
        file: whose lock; it says which process has it.
        patience: seconds to wait for another one; who only looks has it for a moment, too.
        refused: makes the error to raise of the process that keeps it, or ``unknown``.
    """
    lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            _take(lock, time.monotonic() + patience)
        except BlockingIOError:
            owner = _owner(lock)
            raise refused(owner or "unknown") from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(lock, 0)  # Its number may soon be another's.
    finally:
        os.close(lock)


def holder(file: Path) -> int | None:
    """The process that has the lock; 0 where it is unknown, None where none has."""
    try:
        lock = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = _owner(lock)
        return int(owner) if owner.isdigit() else 0
    finally:
        os.close(lock)
    return None


def _owner(lock: int) -> str:
    return os.pread(lock, _LONGEST, 0).decode("ascii", "replace").strip()


def _take(lock: int, until: float) -> None:
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
        time.sleep(_PAUSE)
