"""A person at a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def answered(answer: str, *argv: str | Path) -> tuple[int, str]:
    """Runs a command on a terminal of its own, where a person types an answer."""
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "clankers_cli", *map(str, argv)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        shown = b""
        while piece := _read(ours):
            shown += piece
        code = process.wait(timeout=60)
    os.close(ours)
    return code, shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other end is closed
        return b""
