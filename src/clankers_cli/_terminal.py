"""What stands at the other end of stdout and stderr, and a progress bar for those who look."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from time import monotonic

TYPE_CHECKING = False  # typing itself is slow to import, and every command starts here

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self, TextIO

_DEFAULT_WIDTH = 80
_DEFAULT_HEIGHT = 24
_SECONDS_BETWEEN_DRAWINGS = 0.1
_BAR_CELLS = 24
_MEGABYTE = 1_000_000


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


class Progress:
    """A line on stderr that says how far a long piece of work is; silent where nobody looks.

    ::

        with Progress(total_bytes) as progress:
            progress.advance(4096, "a file's name")

    The line is redrawn at most ten times a second and gone at the end.
    """

    def __init__(
        self,
        total_bytes: int,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._total = total_bytes
        self._done = 0
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._drawn_at = clock() - _SECONDS_BETWEEN_DRAWINGS
        self._visible = is_terminal(self._stream) and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def advance(self, byte_count: int, label: str = "") -> None:
        """Counts more bytes as done; `label` may be any text, such as a file's name."""
        self._done += byte_count
        if not self._visible:
            return
        now = self._clock()
        if now - self._drawn_at >= _SECONDS_BETWEEN_DRAWINGS:
            self._drawn_at = now
            self._draw(label)

    def clear(self) -> None:
        """Takes the line away, so that something else can be printed."""
        if self._visible:
            self._write("\r\x1b[K")

    def _draw(self, label: str) -> None:
        from clankers.formats import shorten, visible  # only a bar that is drawn needs them

        share = min(1.0, self._done / self._total) if self._total > 0 else 1.0
        bar = "#" * round(share * _BAR_CELLS)
        line = (
            f"[{bar:<{_BAR_CELLS}}] {share:4.0%}"
            f"  {self._done / _MEGABYTE:.1f} of {self._total / _MEGABYTE:.1f} MB  {visible(label)}"
        )
        self._write(f"\r{shorten(line, width(self._stream) - 1).rstrip()}\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
