"""A line on stderr that says how far a long piece of work is; silent where nobody looks."""

from __future__ import annotations

import os
import sys
from time import monotonic
from typing import TYPE_CHECKING, Self

from clankers.formats import shorten, visible
from clankers_cli._terminal import is_terminal, width

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TextIO

_SECONDS_BETWEEN_DRAWINGS = 0.1
_BAR_CELLS = 24
_MEGABYTE = 1_000_000


class Line:
    """A line that is redrawn at most ten times a second, and gone at the end."""

    def __init__(
        self, *, stream: TextIO | None = None, clock: Callable[[], float] = monotonic
    ) -> None:
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

    def draw(self, text: Callable[[], str]) -> None:
        """Draws what `text` gives, which is asked only where it is seen; it may be any text."""
        if not self._visible:
            return
        now = self._clock()
        if now - self._drawn_at >= _SECONDS_BETWEEN_DRAWINGS:
            self._drawn_at = now
            line = shorten(visible(text()), width(self._stream) - 1).rstrip()
            self._write(f"\r{line}\x1b[K")

    def clear(self) -> None:
        """Takes the line away, so that something else can be printed."""
        if self._visible:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class Progress(Line):
    """How many of all bytes are done.

    ::

        with Progress(total_bytes) as progress:
            progress.advance(4096, "a file's name")
    """

    def __init__(
        self,
        total_bytes: int,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(stream=stream, clock=clock)
        self._total = total_bytes
        self._done = 0

    def advance(self, byte_count: int, label: str = "") -> None:
        """Counts more bytes as done; `label` may be any text, such as a file's name."""
        self._done += byte_count
        self.draw(
            lambda: (
                f"{bar(self._done, self._total)}  {self._done / _MEGABYTE:.1f}"
                f" of {self._total / _MEGABYTE:.1f} MB  {label}"
            )
        )


def bar(done: int, total: int) -> str:
    """``[######                  ]  25%``; full where there is nothing to do."""
    share = min(1.0, done / total) if total > 0 else 1.0
    return f"[{'#' * round(share * _BAR_CELLS):<{_BAR_CELLS}}] {share:4.0%}"
