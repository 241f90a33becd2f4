"""clankers.json on disk: read with care, written whole, private to its owner."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

from clankers import _paths, _settings
from clankers.errors import ConfigError

TYPE_CHECKING = False  # typing itself is slow to import, and every command starts here

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Document = dict[str, Any]

_MODE = 0o600
_LEFT_ALONE = "mend the file or move it away; it was left as it is"


class _WrongValueError(Exception):
    def __init__(self, keys: tuple[str, ...], reason: str) -> None:
        super().__init__(reason)
        self.keys = keys


def read(path: Path) -> Document:
    """What the file says; an empty document where there is none.

    Anything that is not what `config save` could have written is a ConfigError with line
    and column. Rights that others have on the file are taken away.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as problem:
        raise ConfigError(
            f"{path} cannot be read: {problem.strerror}", hint="name another file with --config"
        ) from problem
    # A read-only file system keeps its rights; that is no reason not to read.
    with suppress(OSError):
        _paths.tighten(path, _MODE)
    return _parsed(path, content)


@contextmanager
def edited(path: Path) -> Iterator[Document]:
    """The file's document, to be changed in place; written back when the block ends well.

    Other writers wait, so that no change is lost. A broken file raises and stays as it is.
    """
    # A link stays one: the file it points to is what is replaced.
    target = Path(os.path.realpath(path))
    try:
        _make_folder(target.parent)
        with _locked(target):
            document = read(target)
            yield document
            _replace(target, _encoded(document))
    except OSError as problem:
        raise ConfigError(
            f"{path} cannot be written: {problem.strerror}",
            hint="check the rights of its folder and the space left; nothing was changed",
        ) from problem


def _parsed(path: Path, content: bytes) -> Document:
    import json  # without a file nobody needs it

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        column = problem.start - content.rfind(b"\n", 0, problem.start)
        raise _broken(path, line, column, "not UTF-8 text") from None
    try:
        document = json.loads(text)
        _check(document)
    except json.JSONDecodeError as problem:
        raise _broken(path, problem.lineno, problem.colno, f"not JSON: {problem.msg}") from None
    except _WrongValueError as problem:
        from clankers._json_position import position

        name = ".".join(problem.keys) or "the file"
        raise _broken(path, *position(text, problem.keys), f"{name} {problem}") from None
    except (RecursionError, ValueError) as problem:
        raise ConfigError(f"{path} is not usable JSON: {problem}", hint=_LEFT_ALONE) from None
    return document  # type: ignore[no-any-return]


def _broken(path: Path, line: int, column: int, reason: str) -> ConfigError:
    return ConfigError(f"{path}, line {line}, column {column}: {reason}", hint=_LEFT_ALONE)


def _check(document: object) -> None:
    if not isinstance(document, dict):
        raise _WrongValueError((), "must be a JSON object")
    if not isinstance(document.get("active_profile", ""), str):
        raise _WrongValueError(("active_profile",), "must be the name of a profile")
    profiles = document.get("profiles", {})
    if not isinstance(profiles, dict):
        raise _WrongValueError(("profiles",), "must be a JSON object")
    for name, profile in profiles.items():
        _check_profile(name, profile)


def _check_profile(name: str, profile: object) -> None:
    if not isinstance(profile, dict):
        raise _WrongValueError(("profiles", name), "must be a JSON object")
    for key, setting in _settings.SETTINGS.items():
        value = profile.get(key)
        if value is None:
            continue
        try:
            _settings.check(setting, value)
        except ValueError as problem:
            raise _WrongValueError(("profiles", name, key), str(problem)) from None


def _encoded(document: Document) -> bytes:
    import json

    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    try:
        return text.encode()
    except UnicodeEncodeError:  # a path that is not UTF-8 is carried in lone surrogates
        return (json.dumps(document, indent=2) + "\n").encode()


def _make_folder(folder: Path) -> None:
    """The data directory is ours to make private; any other folder is taken as it is."""
    if folder == Path(os.path.realpath(_paths.data_dir())):
        _paths.make_private_dir(folder)
    else:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keeps other writers of `path` out by a lock file beside it; the file stays for the next."""
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, _MODE)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)  # which also gives the lock up


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _replace(path: Path, content: bytes) -> None:
    """All of `content` or, after any failure, all of what was there before.

    The lock is held, so that one name does for all writers, and a file of that name is
    what a killed one left behind.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Makes the new name survive a power cut; Windows cannot and some file systems will not."""
    if sys.platform == "win32":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
