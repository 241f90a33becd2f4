"""What stands at the other end of stdout and stderr."""

from __future__ import annotations

import os
from contextlib import suppress

TYPE_CHECKING = False  # typing itself is slow to import, and every command starts here

if TYPE_CHECKING:
    from typing import TextIO

_DEFAULT_WIDTH = 80
_DEFAULT_HEIGHT = 24


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person reads this stream; a closed one has no reader."""
    return stream is not None and not stream.closed and stream.isatty()


def width(stream: TextIO | None) -> int:
    """Columns: `COLUMNS` where it is set, else the terminal's, else 80."""
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        columns = os.get_terminal_size(stream.fileno()).columns if stream is not None else 0
    except (OSError, ValueError):  # a pipe, a file, a closed stream
        columns = 0
    return columns or _DEFAULT_WIDTH


def height(stream: TextIO) -> int:
    """Lines: `LINES` where it is set, else the terminal's, else 24."""
    given = os.environ.get("LINES", "")
    if given.isascii() and given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).lines or _DEFAULT_HEIGHT
    except (OSError, ValueError):
        return _DEFAULT_HEIGHT


def abandon_unwritable(stream: TextIO | None) -> None:
    """Flushes, or gives the rest up, so that the interpreter does not complain at its end."""
    if stream is None:
        return
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
