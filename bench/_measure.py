"""Running commands for their time and memory, and rows of the table."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Command = Sequence[str | Path]
# macOS counts in bytes, everybody else in KB.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass
class Ran:
    """A command that ended well: its wall time and the most memory it had."""

    seconds: float
    rss: int
    out: str


@dataclass
class Row:
    """One line of the table; numbers are in `unit`, the ratio is ours over theirs.

    A goal is the greatest "ratio", the "least" ratio, or what ours is "at least" or "at most".
    """

    work: str
    ours: float
    unit: str
    peer: str = ""
    theirs: float | None = None
    goal: float | None = None
    goal_is: str = "ratio"

    @property
    def ratio(self) -> float | None:
        return None if not self.theirs else self.ours / self.theirs

    @property
    def is_met(self) -> bool | None:
        """True when the goal is reached; None where there is nothing to compare."""
        measured = self.ours if self.goal_is.startswith("at ") else self.ratio
        if self.goal is None or measured is None:
            return None
        return measured >= self.goal if self.goal_is.endswith("least") else measured <= self.goal


class CommandError(Exception):
    """A measured command failed."""


def run(command: Command, env: Mapping[str, str] | None = None, stdin: str = "") -> Ran:
    """Runs a command to its end.

    Raises:
        CommandError: it could not be started, or its exit code is not 0.
    """
    started = time.perf_counter()
    try:
        process = subprocess.Popen(
            [str(word) for word in command],
            env=None if env is None else {**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except OSError as problem:
        raise CommandError(f"{command[0]}: {problem.strerror}") from problem
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(stdin)
        process.stdin.close()
        out = process.stdout.read()
        said = process.stderr.read()
        _pid, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CommandError(f"{command[0]} failed: {said.strip()[-300:]}")
    return Ran(seconds, used.ru_maxrss * _RSS_UNIT, out)


def run_silently(command: Command, env: Mapping[str, str] | None = None) -> Ran:
    """As `run`, for what prints more than is worth reading: it goes to the null device."""
    started = time.perf_counter()
    with subprocess.Popen(
        [str(word) for word in command],
        env=None if env is None else {**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        _pid, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CommandError(f"{command[0]} failed with exit code {process.returncode}")
    return Ran(seconds, used.ru_maxrss * _RSS_UNIT, "")


def in_turns(times: int, *works: Callable[[], float]) -> list[float]:
    """The median of each, measured one after the other, so that noise meets all alike."""
    measured: list[list[float]] = [[] for _work in works]
    for _turn in range(times):
        for seconds, work in zip(measured, works, strict=True):
            seconds.append(work())
    return [statistics.median(seconds) for seconds in measured]
