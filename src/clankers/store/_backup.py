"""Copies of a database, made before anything that could go wrong."""

from __future__ import annotations

import os
import re
import time
from itertools import count
from pathlib import Path
from typing import NamedTuple

import apsw

from clankers import _paths, errors
from clankers.store._connection import open_reader, translated
from clankers.store._files import create_private

_FOLDER = "backups"
_UNFINISHED = ".partial"
_AUTOMATIC = "-before-write"
# What `_reserved` makes of the name of a database.
_NAMED = re.compile(r"(?P<stem>.*)-\d{8}-\d{6}(?P<automatic>-before-write)?(?:-\d+)?")
_NEWEST_KEPT = 3
_DAYS_KEPT = 7


class Backup(NamedTuple):
    """A copy of a database: its file, its size in bytes, and when it was made, in epoch ms."""

    path: Path
    bytes: int
    made_at: int

    @property
    def is_automatic(self) -> bool:
        """Whether clankers made it before a write, and removes it when newer ones replace it."""
        named = _NAMED.fullmatch(self.path.stem)
        return named is not None and named["automatic"] is not None


def backup_folder(path: Path) -> Path:
    """Where copies of the database at `path` are kept."""
    return path.parent / _FOLDER


def backups(path: Path) -> list[Backup]:
    """The copies in the folder beside a database, the newest first.

    Copies that clankers named after another database in the same folder are not among them.
    """
    try:
        with os.scandir(backup_folder(path)) as entries:
            found = [
                _described(entry)
                for entry in entries
                if entry.name.endswith(path.suffix) and _is_of(path, entry) and entry.is_file()
            ]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    return sorted(found, key=lambda one: (one.made_at, one.path), reverse=True)


def back_up_before_write(path: Path, *, keep: Path | None = None) -> Path:
    """A copy made by clankers itself before it changes something; older ones are thinned.

    Of such copies the three newest stay, and the last of each of the seven latest days that
    have one. What `back_up` makes is never removed, and neither is `keep`.

    Raises:
        As `back_up`; then nothing was removed.
    """
    folder = backup_folder(path)
    _make_folder(folder)
    copy = _copied(path, *_reserved(folder, path, _AUTOMATIC))
    for old in _thinned([one for one in backups(path) if one.is_automatic]):
        if keep is None or not keep.exists() or not old.path.samefile(keep):
            old.path.unlink(missing_ok=True)
    return copy


def back_up(path: Path, target: Path | None = None) -> Path:
    """Copies what is committed at `path` to `target`; the copy's path.

    By default, and where `target` is a folder, the copy is named after the time; by
    default it goes into `backups` beside the database. A copy bears its name only once it
    is whole and SQLite found nothing wrong with it, and never takes that of another file.

    Raises:
        StoreError: there is a file of that name already.
        ReadOnlyError: the folder cannot be written.
        DiskFullError: there is no room for it.
        NotADatabaseError: the database is damaged, and so would be the copy.
    """
    if target is None:
        folder = backup_folder(path)
        _make_folder(folder)
        copy, unfinished = _reserved(folder, path)
    elif target.is_dir():
        copy, unfinished = _reserved(target, path)
    else:
        copy, unfinished = target, _unfinished(target)
    return _copied(path, copy, unfinished)


def _copied(path: Path, copy: Path, unfinished: Path) -> Path:
    try:
        with translated(unfinished):
            _copy(path, unfinished)
        _rename(unfinished, copy)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return copy


def _is_of(path: Path, entry: os.DirEntry[str]) -> bool:
    named = _NAMED.fullmatch(Path(entry.name).stem)
    return named is None or named["stem"] == path.stem


def _described(entry: os.DirEntry[str]) -> Backup:
    status = entry.stat()
    return Backup(Path(entry.path), status.st_size, status.st_mtime_ns // 1_000_000)


def _make_folder(folder: Path) -> None:
    try:
        _paths.make_private_dir(folder)
    except OSError as problem:
        raise errors.ReadOnlyError(
            f"{folder} cannot be made or changed: {problem.strerror}",
            hint="a copy is made there first; check the rights of the folder",
        ) from problem


def _thinned(copies: list[Backup]) -> list[Backup]:
    """Those of `copies`, the newest first, that may go."""
    last_of_day: dict[tuple[int, ...], Backup] = {}
    for one in copies:
        last_of_day.setdefault(time.localtime(one.made_at / 1000)[:3], one)
    kept = {*copies[:_NEWEST_KEPT], *list(last_of_day.values())[:_DAYS_KEPT]}
    return [one for one in copies if one not in kept]


def _reserved(folder: Path, path: Path, label: str = "") -> tuple[Path, Path]:
    """A name that no other copy has, and the file that holds it until the copy is whole."""
    moment = time.strftime("%Y%m%d-%H%M%S") + label
    for number in count(1):
        stem = f"{path.stem}-{moment}" + (f"-{number}" if number > 1 else "")
        copy = folder / f"{stem}{path.suffix}"
        unfinished = copy.with_name(copy.name + _UNFINISHED)
        if create_private(unfinished):
            if not copy.exists():
                break
            unfinished.unlink()
    return copy, unfinished


def _unfinished(copy: Path) -> Path:
    """The file that grows into `copy`, which must not exist yet."""
    if os.path.lexists(copy):
        raise _taken(copy)
    unfinished = copy.with_name(copy.name + _UNFINISHED)
    if not create_private(unfinished):
        raise errors.StoreError(
            f"{unfinished} is in the way: another copy is being made, or was broken off",
            hint="remove it when no other copy is being made, or give another name",
        )
    return unfinished


def _rename(unfinished: Path, copy: Path) -> None:
    """Gives the copy its name, unless another file has it by now."""
    try:
        # A rename would take the place of what is there.
        os.link(unfinished, copy)
    except FileExistsError:
        raise _taken(copy) from None
    except OSError:  # a file system without links
        if os.path.lexists(copy):
            raise _taken(copy) from None
        os.replace(unfinished, copy)
    else:
        unfinished.unlink()


def _taken(copy: Path) -> errors.StoreError:
    return errors.StoreError(
        f"there is already a file at {copy}", hint="give another name; it was left as it is"
    )


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
