"""Long output through the pager that the person likes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from clankers_cli import _terminal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

_DEFAULT = "less"
# Long lines are not folded, and what was shown stays when the pager ends.
_OPTIONS = "-SX"


class Pager:
    """Writes to a file; on a terminal, what is longer than it goes through `PAGER` or less.

    Output flows into the pager when the first screen is full, so that the rows of a long query
    are shown as they come. When the person has left the pager the rest is not asked for.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._is_paged = _terminal.is_terminal(file)
        self._held: list[str] = []
        self._lines = 0
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> TextIO:
        return cast("TextIO", self) if self._is_paged else self._file

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if self._process is None:
            self._file.write("".join(self._held))
            self._file.flush()
            return False
        self._wait(self._process)
        return kind is not None and issubclass(kind, BrokenPipeError)

    def write(self, text: str) -> int:
        """Shows `text`, or holds it until the screen is full.

        Raises:
            BrokenPipeError: the person has left the pager.
        """
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(text)
            return len(text)
        self._held.append(text)
        self._lines += text.count("\n")
        if self._lines >= _terminal.height(self._file):
            self._begin()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        return self._is_paged

    @property
    def closed(self) -> bool:
        return self._file.closed

    def fileno(self) -> int:
        return self._file.fileno()

    def _begin(self) -> None:
        command = shlex.split(os.environ.get("PAGER") or _DEFAULT)
        text = "".join(self._held)
        self._held = []
        if not command or shutil.which(command[0]) is None:
            self._file.write(text)
            return
        if command == [_DEFAULT]:
            command.append(_OPTIONS)
        self._file.flush()
        # The person's own choice of a program.
        self._process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            encoding=self._file.encoding or "utf-8",
            errors="backslashreplace",
        )
        self.write(text)

    def _wait(self, process: subprocess.Popen[str]) -> None:
        """Until the person has read; Ctrl-C is the pager's meanwhile."""
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        while process.poll() is None:
            with suppress(KeyboardInterrupt):
                process.wait()
