"""The command line, run in this process; `tests/cli/test_main.py` holds that a process does the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest

from clankers_cli.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path


class Outcome(NamedTuple):
    """What a command gave back: its exit code and what it printed."""

    code: int
    out: str
    err: str


class Cli(Protocol):
    def __call__(self, *argv: str | Path) -> Outcome: ...


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs `clankers-cli` with these arguments."""

    def run(*argv: str | Path) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in argv])
        return Outcome(code, *capsys.readouterr())

    return run
