"""Copies of a database, made before anything that could go wrong."""

from __future__ import annotations

import os
import time
from itertools import count
from typing import TYPE_CHECKING

import apsw

from clankers import _paths, errors
from clankers.store._connection import open_reader, translated
from clankers.store._files import create_private

if TYPE_CHECKING:
    from pathlib import Path

_UNFINISHED = ".partial"


def back_up(path: Path) -> Path:
    """Copies what is committed at `path` into `backups` beside it; the copy's path.

    A copy bears its name only once it is whole and SQLite found nothing wrong with it.

    Raises:
        DiskFullError: there is no room for it.
        NotADatabaseError: the database is damaged, and so would be the copy.
    """
    folder = path.parent / "backups"
    try:
        _paths.make_private_dir(folder)
    except OSError as problem:
        raise errors.ReadOnlyError(
            f"{folder} cannot be made or changed: {problem.strerror}",
            hint="a copy is made there first; check the rights of the folder",
        ) from problem
    copy, unfinished = _reserved(folder, path)
    try:
        with translated(unfinished):
            _copy(path, unfinished)
        os.replace(unfinished, copy)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return copy


def _reserved(folder: Path, path: Path) -> tuple[Path, Path]:
    """A name that no other copy has, and the file that holds it until the copy is whole."""
    moment = time.strftime("%Y%m%d-%H%M%S")
    for number in count(1):
        stem = f"{path.stem}-{moment}" + (f"-{number}" if number > 1 else "")
        copy = folder / f"{stem}{path.suffix}"
        unfinished = copy.with_name(copy.name + _UNFINISHED)
        if create_private(unfinished):
            if not copy.exists():
                break
            unfinished.unlink()
    return copy, unfinished


def _copy(path: Path, target: Path) -> None:
    # A connection of its own: one that holds the write lock cannot be copied from.
    source = open_reader(path)
    copy = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        with copy.backup("main", source, "main") as backup:
            backup.step()
        # The copy stands alone: without a log beside it, it can be moved and read anywhere.
        copy.pragma("journal_mode", "delete")
        if (found := copy.pragma("integrity_check", 1)) != "ok":
            raise errors.NotADatabaseError(
                f"{path} is damaged, so that no good copy of it can be made: {found}",
                hint="see whether 'backups' beside it holds an older copy",
            )
    finally:
        copy.close()
        source.close()
