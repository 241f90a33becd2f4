"""A real terminal with a program in it, and what a person would see there."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Self

import pexpect
import pyte

if TYPE_CHECKING:
    from collections.abc import Callable

_LINES = 30
_PATIENCE = 20.0
# So much of what was typed stands on one line.
_SHOWN = 40
_WHERE = b"\x1b[6n"


class Screen:
    """`clankers-cli` with these arguments on a terminal of so many columns."""

    def __init__(self, *argv: str, columns: int = 80, program: str = "") -> None:
        command = ["-c", program] if program else ["-m", "clankers_cli"]
        environ = {
            name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}
        }
        self._screen = pyte.Screen(columns, _LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._process: pexpect.spawn[bytes] = pexpect.spawn(
            sys.executable,
            [*command, *argv],
            dimensions=(_LINES, columns),
            env={**environ, "TERM": "xterm-256color", "PAGER": "cat"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close(force=True)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def last(self) -> str:
        """The last line with anything on it."""
        return self.text.rpartition("\n")[2]

    def type(self, text: str) -> None:
        self._process.send(text)

    def wait_for(self, *wanted: str) -> str:
        """Until all of that is on the screen; what is there then."""
        return self.wait_until(lambda text: all(one in text for one in wanted), wanted)

    def wait_until(self, holds: Callable[[str], bool], wanted: object = "") -> str:
        deadline = time.monotonic() + _PATIENCE
        while not holds(self.text):
            assert time.monotonic() < deadline, f"no {wanted!r} in:\n{self.text}"
            self._read()
        return self.text

    def ask(self, text: str, *wanted: str) -> str:
        """Types a line and waits for what it says and for the next prompt."""
        self.type(f"{text}\r")
        typed = text[:_SHOWN]
        return self.wait_until(
            lambda shown: (
                all(one in shown for one in (typed, *wanted)) and self.last == "clankers>"
            ),
            wanted,
        )

    def ended(self) -> int:
        """Waits for the end of the program; its exit code."""
        self._process.expect(pexpect.EOF, timeout=_PATIENCE)
        self._process.close()
        return int(self._process.exitstatus or 0)

    def _read(self) -> None:
        try:
            piece = self._process.read_nonblocking(65_536, timeout=0.05)
        except pexpect.TIMEOUT:
            return
        self._stream.feed(piece)
        if _WHERE in piece:  # Terminals answer where the cursor is.
            cursor = self._screen.cursor
            self._process.send(f"\x1b[{cursor.y + 1};{cursor.x + 1}R")
