"""Other processes that use a store, kept in step by words on their standard streams."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_PRELUDE = """
import os, signal, sys
from pathlib import Path
import apsw
from clankers.errors import ClankersError
from clankers.store import Store
from clankers.testing import *

def say(*words):
    print(*words, flush=True)

def told():
    return sys.stdin.readline().strip()

def tried(act):
    try:
        act()
    except ClankersError as problem:
        say(type(problem).__name__, problem)
    else:
        say("done")
"""
# Root may do everything, so that rights can only be tested by somebody else. What is loaded
# late must be there before: that somebody may not read the interpreter's folders.
_AS_NOBODY = """
import hashlib, json, quopri, resource, tempfile, uuid
import clankers.store._adopt, clankers.store._backup, clankers.store._device
import clankers.store._rows, clankers.store._store
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
"""


class Child:
    """A process that runs `code` with `args` in sys.argv[1:].

    The code can `say` a line, wait until it is `told` one, and say how something ended
    that it `tried`. Use it as a context manager, which ends the process.
    """

    def __init__(self, code: str, *args: object, as_nobody: bool = False) -> None:
        whole = _PRELUDE + (_AS_NOBODY if as_nobody else "") + code
        self._process = subprocess.Popen(
            [sys.executable, "-c", whole, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def tell(self, word: object = "go") -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def said(self) -> str:
        """The next line; "" when the process ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ended(self) -> int:
        """Waits for its exit code; negative for a signal."""
        return self._process.wait(timeout=60)


def answers(code: str, *args: object, as_nobody: bool = False) -> list[str]:
    """The lines that a process says, which must end well."""
    with Child(code, *args, as_nobody=as_nobody) as child:
        lines = []
        while line := child.said():
            lines.append(line)
        assert child.ended() == 0
        return lines
