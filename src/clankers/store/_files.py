"""The files of a database: made private to their owner, and told from files of other kinds."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import apsw

from clankers import _paths, errors

_HEADER = b"SQLite format 3\0"
_SIDES = ("-wal", "-shm")
_PRIVATE_FILE = 0o600
_IN_MEMORY = ":memory:"


def place(path: str | os.PathLike[str]) -> Path:
    """The file that `path` names, absolute, so that a later change of directory moves nothing."""
    if os.fspath(path) in ("", _IN_MEMORY):
        raise errors.StoreError(
            f"a store is a file, and {os.fspath(path)!r} names none",
            hint="give a path, in a temporary folder for a store that need not last",
        )
    return Path(path).absolute()


def address(path: Path) -> str:
    """The URI of a file for SQLite, to which only three characters mean something else.

    https://www.sqlite.org/uri.html; `urllib` would quote it too, and takes 3 ms to load.
    """
    name = path.absolute().as_posix()
    name = name.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{name}" if name.startswith("/") else f"file:/{name}"


def log_of(path: Path) -> Path:
    """The write-ahead log; SQLite keeps it beside the real file, not beside a link to it."""
    return Path(f"{os.path.realpath(path)}-wal")


def archive_path(path: Path) -> Path:
    """Where the archive of a database is: beside the real file, not beside a link to it."""
    real = Path(os.path.realpath(path))
    return real.with_name(f"{real.stem}.archive{real.suffix}")


def make_folder(path: Path) -> None:
    """Makes the folder of a database; our own data directory is made and kept private."""
    try:
        if path.parent == _paths.data_dir().absolute():
            _paths.make_private_dir(path.parent)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise errors.ReadOnlyError(
            f"{path.parent} cannot be made or changed: {problem.strerror}",
            hint="check the rights of the folder, or name another database with --db",
        ) from problem


def create_private(path: Path) -> bool:
    """Makes an empty file for its owner alone, whatever the umask; False where there is one.

    SQLite gives -wal and -shm the mode of the database, so that they need no care when
    they are new.
    """
    try:
        made = os.open(os.path.realpath(path), os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE_FILE)
    except (FileExistsError, IsADirectoryError):
        return False
    except OSError as problem:
        raise errors.ReadOnlyError(
            f"{path} cannot be made: {problem.strerror}",
            hint="check the rights of its folder, or name another file with --db",
        ) from problem
    try:
        if hasattr(os, "fchmod"):
            os.fchmod(made, _PRIVATE_FILE)
    finally:
        os.close(made)
    return True


def tighten(path: Path) -> None:
    """Takes the rights of others away from a database and what SQLite keeps beside it."""
    real = os.path.realpath(path)
    for file in (real, *(f"{real}{side}" for side in _SIDES)):
        try:
            _paths.tighten(Path(file), _PRIVATE_FILE)
        except FileNotFoundError:
            continue
        except OSError as problem:
            raise errors.ReadOnlyError(
                f"the rights of {file} cannot be changed: {problem.strerror}",
                hint="check who owns the file and its folder",
            ) from problem


def refuse_other_kinds(path: Path) -> None:
    """Refuses what is no SQLite file by its first bytes; an empty file passes.

    SQLite itself takes a file of one byte for an empty one, and would write over it.

    Raises:
        StoreError: there is no such file.
        NotADatabaseError: a folder, a device, or a file of another kind.
        ReadOnlyError: it cannot be read.
    """
    try:
        mode = path.stat().st_mode
        start = _beginning(path) if stat.S_ISREG(mode) else None
    except FileNotFoundError as problem:
        raise errors.StoreError(
            f"there is no database at {path}",
            hint="run 'clankers-cli import' to make one, or name another with --db",
        ) from problem
    except OSError as problem:
        raise errors.ReadOnlyError(
            f"{path} cannot be read: {problem.strerror}",
            hint="check the rights of the file and of its folder",
        ) from problem
    if start not in (b"", _HEADER):
        what = (
            "not a regular file" if start is None else f"not a database: it begins {_shown(start)}"
        )
        raise errors.NotADatabaseError(
            f"{path} is {what}", hint="name another file with --db; this one was left as it is"
        )


def _beginning(path: Path) -> bytes:
    """The first bytes, read as SQLite reads them.

    A file that is opened by other means and closed again drops every lock that this process
    has on it (a rule of POSIX: https://www.sqlite.org/howtocorrupt.html), and with them
    what keeps other programs from taking the log of an open database away.
    """
    flags = [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0]
    try:
        file = apsw.VFSFile("", str(path), flags)
    except apsw.CantOpenError:
        # Which of the reasons it was, only opening it says; nobody who may not read it has locks.
        with path.open("rb") as other:
            return other.read(len(_HEADER))
    try:
        # SQLite's own way to ask calls a file of one byte empty.
        size = min(len(_HEADER), path.stat().st_size)
        return file.xRead(size, 0) if size else b""
    finally:
        file.xClose()


def _shown(start: bytes) -> str:
    return ascii(start.decode("ascii", "backslashreplace"))
