"""Where formats are written to: a file that is whole or not there, and a terminal."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress

from clankers._visible import visible

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """A text file that takes the place of `path` when the block ends; after an error nothing has.

    It is UTF-8, with line ends as they are written. A file that was there keeps its mode, a
    link its place; a pipe or device is written to as it is.

    Raises:
        OSError: it cannot be made or written.
    """
    mode = _mode(path)
    if mode is not None and not stat.S_ISREG(mode):
        with open(path, "w", encoding="utf-8", newline="") as file:
            yield file
        return
    target = os.path.realpath(path)
    unfinished = f"{target}.{os.urandom(4).hex()}.partial"
    rights = 0o666 if mode is None else stat.S_IMODE(mode)
    try:
        made = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, rights)
    except OSError as problem:
        raise OSError(problem.errno, problem.strerror, os.fspath(path)) from problem
    try:
        with open(made, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(made)
        if mode is not None:
            os.chmod(unfinished, rights)
        os.replace(unfinished, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished)
        raise


class _TerminalFile:
    """Passes text on with everything a terminal would obey made visible."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        self._file.write(visible(text, keep_newlines=True))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)


def terminal_file(file: TextIO) -> TextIO:
    """`file` for formats whose rules leave control characters as they are, such as CSV."""
    return _TerminalFile(file)  # type: ignore[return-value]  # all that writers need


def _mode(path: str | os.PathLike[str]) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None
