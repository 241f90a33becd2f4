"""Bringing a copy of the database back in the place of the database."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import apsw

from clankers import errors
from clankers.store import _files
from clankers.store._backup import back_up_before_write, backup_folder
from clankers.store._connection import BUSY_TIMEOUT_MS, open_reader, translated
from clankers.store._migrations import refuse_unsupported

_SIDES = ("-wal", "-shm", "")


class Restored(NamedTuple):
    """A database that was brought back.

    Attributes:
        copy: what it holds now.
        before: a copy of what it held until then; None where it held nothing.
        damaged: where the old file went because no copy could be made of it, else None.
    """

    copy: Path
    before: Path | None
    damaged: Path | None


def find_backup(path: Path, copy: Path) -> Path:
    """The copy that is meant: a file, or the name of one in `backups` beside the database.

    Raises:
        StoreError: there is none, or it is the database itself.
    """
    if copy.parent == Path() and not copy.exists():
        kept = backup_folder(path) / copy
        if kept.exists():
            return kept
    if not copy.exists():
        raise errors.StoreError(
            f"there is no copy at {copy}", hint="'clankers-cli backup list' shows those there are"
        )
    if path.exists() and os.path.samefile(copy, path):
        raise errors.StoreError(
            f"{copy} is the database itself",
            hint="'clankers-cli backup list' shows its copies",
        )
    return copy


def restore(path: Path, copy: Path) -> Restored:
    """Makes the database at `path` hold what `copy` holds, while others may have it open.

    `copy` may be the name of a file in `backups` beside the database. It is checked first, and
    what is in the database is copied into `backups`; a damaged database is moved aside. Who
    reads meanwhile sees the old state or the new one. A killed restore changes nothing.

    Raises:
        StoreError: there is no such copy.
        NotADatabaseError: it is damaged or no database of clankers; nothing was changed.
        NewerSchemaError: a newer clankers made it; nothing was changed.
        DatabaseBusyError: another process kept writing for the whole timeout.
    """
    path = Path(os.path.realpath(path))
    source = find_backup(path, copy)
    # Open until the end, so that nothing takes it away meanwhile.
    reader = open_reader(source)
    try:
        _check(reader, source)
        before, damaged = _put_away(path, source)
        _files.make_folder(path)
        _files.create_private(path)
        with translated(path):
            _write(reader, path)
    finally:
        reader.close()
    _files.tighten(path)
    return Restored(source, before, damaged)


def _check(reader: apsw.Connection, copy: Path) -> None:
    with translated(copy):
        refuse_unsupported(reader, copy)
        if (found := reader.pragma("integrity_check", 1)) != "ok":
            raise errors.NotADatabaseError(
                f"{copy} is damaged: {found}",
                hint="'clankers-cli backup list' shows the other copies; nothing was changed",
            )


def _put_away(path: Path, source: Path) -> tuple[Path | None, Path | None]:
    """A copy of what is there, or where it was moved when none can be made."""
    if not path.exists() or not path.stat().st_size:
        return None, None
    try:
        return back_up_before_write(path, keep=source), None
    except errors.NotADatabaseError:
        aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        # The log first: beside another database it would be taken for that one's.
        for side in _SIDES:
            old = Path(f"{path}{side}")
            if old.exists():
                os.replace(old, f"{aside}{side}")
        return None, aside


def _write(reader: apsw.Connection, path: Path) -> None:
    target = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        target.set_busy_timeout(BUSY_TIMEOUT_MS)
        page_size = int(target.pragma("page_size"))
        has_pages = int(target.pragma("page_count")) > 0
        if not has_pages or page_size == reader.pragma("page_size"):
            _copy(reader, target)
        else:
            _copy_with_pages(reader, target, page_size)
    finally:
        target.close()


def _copy_with_pages(reader: apsw.Connection, target: apsw.Connection, page_size: int) -> None:
    """By way of a third file, because a database in WAL mode keeps its page size."""
    folder = os.path.dirname(os.path.realpath(target.filename))
    with tempfile.TemporaryDirectory(dir=folder, prefix=".restoring-") as temporary:
        between = apsw.Connection(os.path.join(temporary, "copy.db"))
        try:
            _copy(reader, between)
            between.pragma("journal_mode", "delete")
            between.execute(f"PRAGMA page_size = {page_size}; VACUUM")
            _copy(between, target)
        finally:
            between.close()


def _copy(source: apsw.Connection, target: apsw.Connection) -> None:
    with target.backup("main", source, "main") as backup:
        backup.step()
