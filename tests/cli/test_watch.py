"""`clankers-cli import --watch` as a process, as a user or a service runs it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from cli.test_import import prompt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli.conftest import Cli

MODULE = [sys.executable, "-m", "clankers_cli"]
SESSION = "0b7f7f3e-0000-4000-8000-000000000001"
WITHOUT_EVENTS = """
import sys
sys.modules["watchfiles"] = None
from clankers_cli.__main__ import entry_point
entry_point()
"""


@pytest.fixture
def transcript(home: Path) -> Path:
    """A transcript of Claude Code in the user's home."""
    folder = home / ".claude" / "projects" / "-home-ada-code-tidewatch"
    folder.mkdir(parents=True)
    path = folder / f"{SESSION}.jsonl"
    path.write_text(prompt("How high is the tide?"), "utf-8")
    return path


class Child:
    """A watching process whose lines can be awaited."""

    def __init__(self, *argv: str, command: list[str] | None = None) -> None:
        self.process = subprocess.Popen(
            [*(command or MODULE), "import", "--watch", *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def until(self, beginning: str) -> str:
        """The first line from here on that begins so."""
        while not (line := self.line()).startswith(beginning):
            assert line, "it ended"
        return line

    def end(self, number: signal.Signals) -> tuple[int, str, float]:
        """What a signal does: the exit code, stderr, and the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(number)
        _out, err = self.process.communicate(timeout=20)
        return self.process.returncode, err, time.monotonic() - started


@pytest.fixture
def children() -> Iterator[list[Child]]:
    """What a test that fails would leave running."""
    started: list[Child] = []
    yield started
    for child in started:
        if child.process.poll() is None:
            child.process.kill()
        child.process.communicate()


def append(path: Path, text: str, *, at: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(prompt(text, at=at))


def test_a_line_for_each_import(transcript: Path, children: list[Child]) -> None:
    """First what an import prints; then the time, the agent, the session, lines and messages."""
    child = Child()
    children.append(child)
    assert child.until("imported ").startswith("imported 1 of 1 files (1 new")
    child.until("watching 1 files; Ctrl-C ends it")

    append(transcript, "And tomorrow?", at="2026-11-02T09:05:00Z")

    pattern = rf"\d\d:\d\d:\d\d  claude-code  {SESSION}  1 line, 1 message\n"
    assert re.fullmatch(pattern, child.line())
    code, err, seconds = child.end(signal.SIGINT)
    assert (code, err) == (130, "")
    assert seconds < 1


def test_json_lines(transcript: Path, children: list[Child]) -> None:
    """--json prints an object for each import of an agent, the first one too."""
    child = Child("--json")
    children.append(child)
    first = json.loads(child.line())
    assert (first["source"], first["files"], first["lines"]) == ("claude-code", 1, 1)

    append(transcript, "And tomorrow?", at="2026-11-02T09:05:00Z")
    second = json.loads(child.line())

    assert list(second) == [
        *("at", "source", "path", "files", "read", "new", "updated", "unchanged", "lines"),
        *("imported", "noise", "unknown", "malformed", "left_out", "bytes_read"),
        *("rows_written", "messages", "sessions"),
    ]
    assert (second["lines"], second["messages"], second["sessions"]) == (1, 1, [SESSION])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", second["at"])
    assert child.end(signal.SIGTERM)[:2] == (0, "")


def test_a_file_that_cannot_be_read(home: Path, transcript: Path, children: list[Child]) -> None:
    """Said once on stderr; the watching goes on."""
    child = Child("--json")
    children.append(child)
    child.line()
    folder = home / ".codex" / "sessions"
    folder.mkdir(parents=True)
    (
        folder / "rollout-2026-11-02T09-00-00-01990000-0000-7000-8000-000000000001.jsonl.zst"
    ).write_bytes(b"-")
    time.sleep(2.5)
    append(transcript, "And tomorrow?", at="2026-11-02T09:05:00Z")
    assert json.loads(child.line())["lines"] == 1

    code, err, _seconds = child.end(signal.SIGTERM)

    assert code == 0
    assert len(err.splitlines()) == 1
    assert "not a readable zstd file" in err


def test_without_file_events(transcript: Path, children: list[Child]) -> None:
    """It says what is missing, and works."""
    child = Child("--json", command=[sys.executable, "-c", WITHOUT_EVENTS])
    children.append(child)
    child.line()
    append(transcript, "And tomorrow?", at="2026-11-02T09:05:00Z")
    assert json.loads(child.line())["lines"] == 1

    code, err, seconds = child.end(signal.SIGINT)

    assert code == 130
    assert err.splitlines() == [
        "clankers-cli: without file events, new lines come some seconds late",
        "hint: pip install 'clankers-sdk[watch]'",
    ]
    assert seconds < 1


@pytest.mark.parametrize("option", [["--since", "1d"], ["--full"], ["--dry-run"]])
def test_options_of_a_single_import(cli: Cli, option: list[str]) -> None:
    """They have no meaning for what goes on."""
    done = cli("import", "--watch", *option)

    assert done.code == 1
    assert done.err.startswith(f"clankers-cli: {option[0]} does not go with --watch\n")


@pytest.mark.parametrize("option", [["--path", "."], ["--sample"]])
def test_other_places(cli: Cli, option: list[str]) -> None:
    """Watched are the agents' own places."""
    assert cli("import", "--watch", *option).code == 2
