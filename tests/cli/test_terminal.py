"""Terminals, pipes and the progress bar."""

from __future__ import annotations

import os
import struct
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, TextIO

import pytest

from clankers_cli._progress import Progress
from clankers_cli._terminal import is_terminal, width

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("termios")


@contextmanager
def terminal(columns: int = 60) -> Iterator[tuple[TextIO, int]]:
    """A real terminal of that width: the stream to write to, and where a person would look."""
    import fcntl
    import termios

    screen, device = os.openpty()
    fcntl.ioctl(device, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(device, "w", encoding="utf-8") as stream:
        yield stream, screen
    os.close(screen)


def shown_on(screen: int, stream: TextIO) -> str:
    """All that was written to the terminal so far; it may arrive in pieces."""
    stream.write("<end>")
    stream.flush()
    seen = b""
    while not seen.endswith(b"<end>"):
        seen += os.read(screen, 10_000)
    return seen.decode().removesuffix("<end>")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


class TestStreams:
    def test_who_reads(self, tmp_path: Path) -> None:
        """A terminal has a person at its end; a file, a closed stream and none have not."""
        with terminal() as (stream, _):
            assert is_terminal(stream)
        assert not is_terminal(stream)
        with (tmp_path / "file").open("w") as file:
            assert not is_terminal(file)
        assert not is_terminal(None)

    @pytest.mark.parametrize(
        ("columns", "expected"), [("", 60), ("132", 132), ("0", 60), ("-3", 60), ("wide", 60)]
    )
    def test_width(self, monkeypatch: pytest.MonkeyPatch, columns: str, expected: int) -> None:
        """COLUMNS where it is a number, else the terminal's own."""
        monkeypatch.setenv("COLUMNS", columns)
        with terminal(60) as (stream, _):
            assert width(stream) == expected

    def test_width_without_a_terminal(self, tmp_path: Path) -> None:
        """80, as everywhere."""
        with (tmp_path / "file").open("w") as file:
            assert width(file) == 80
        assert width(StringIO()) == 80
        assert width(None) == 80


class TestProgress:
    def test_draws_on_a_terminal_and_cleans_up(self) -> None:
        """One line that is rewritten, and gone at the end."""
        ticks = iter([0.0, 0.0, 1.0, 2.0])
        with terminal() as (stream, screen):
            with Progress(4_000_000, stream=stream, clock=lambda: next(ticks)) as progress:
                progress.advance(1_000_000, "a.jsonl")
                progress.advance(1_000_000, "b.jsonl")
                progress.advance(9_000_000)
            assert shown_on(screen, stream) == (
                "\r[######                  ]  25%  1.0 of 4.0 MB  a.jsonl\x1b[K"
                "\r[############            ]  50%  2.0 of 4.0 MB  b.jsonl\x1b[K"
                "\r[########################] 100%  11.0 of 4.0 MB\x1b[K"
                "\r\x1b[K"
            )

    def test_draws_ten_times_a_second(self) -> None:
        """Many small steps cost no more than a few lines."""
        ticks = iter(number / 64 for number in range(1000))
        with terminal() as (stream, screen):
            progress = Progress(900, stream=stream, clock=lambda: next(ticks))
            for _ in range(70):
                progress.advance(1)
            assert shown_on(screen, stream).count("\r") == 10

    @pytest.mark.parametrize("columns", [10, 41, 200])
    def test_never_wraps(self, columns: int) -> None:
        """A line longer than the terminal would leave a trail; names can be wide and hostile."""
        with terminal(columns) as (stream, screen):
            progress = Progress(0, stream=stream)
            progress.advance(0, "\x1b[2J\u202e日本語" * 20)
            line = shown_on(screen, stream)
        shown = line.removeprefix("\r").removesuffix("\x1b[K")
        assert sum(2 if character in "日本語" else 1 for character in shown) < columns
        assert "\x1b" not in shown
        assert "\u202e" not in shown

    def test_is_silent_in_a_pipe(self, tmp_path: Path) -> None:
        """Nothing is written where nobody looks."""
        with (tmp_path / "file").open("w") as file, Progress(10, stream=file) as progress:
            progress.advance(5, "x")
        assert (tmp_path / "file").read_text() == ""

    def test_is_silent_on_a_dumb_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that cannot go back to the start of a line would fill with lines."""
        monkeypatch.setenv("TERM", "dumb")
        with terminal() as (stream, screen):
            with Progress(10, stream=stream) as progress:
                progress.advance(5, "x")
            assert shown_on(screen, stream) == ""
