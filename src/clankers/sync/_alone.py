"""One process at a time syncs a database."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clankers import errors
from clankers._lock import holder, locked

if TYPE_CHECKING:
    from collections.abc import Iterator

# A small push ends in a fraction of it.
_PATIENCE = 1.0


def lock_of(database: Path) -> Path:
    """The file whose lock is held by whoever syncs; it stays. A link has that of what it points to."""
    return Path(f"{os.path.realpath(database)}.sync-lock")


@contextmanager
def alone(database: Path, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Lets no other process sync the database meanwhile.

    Raises:
        SyncBusyError: another one does, and goes on longer than `patience` seconds.
    """

    def refused(owner: str) -> errors.SyncBusyError:
        return errors.SyncBusyError(
            f"{database} is being synced by process {owner}",
            hint="it sends what waits; 'clankers-cli sync status' shows how far it is",
        )

    with locked(lock_of(database), patience=patience, refused=refused):
        yield


def who_syncs(database: Path) -> int | None:
    """The process that syncs the database now; 0 where it is unknown, None where none does."""
    return holder(lock_of(database))
