"""File events of Linux, one by one: a wait that only ran out of time says False."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

if sys.platform != "linux":
    pytest.skip("inotify is of Linux", allow_module_level=True)

from clankers.sync.waking._inotify import Inotify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG = 60.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "f\xf6lder"
    folder.mkdir()
    return folder / "clankers.db-wal"


@pytest.fixture
def events(file: Path) -> Iterator[Inotify]:
    """Of a file that does not exist yet."""
    events = Inotify(str(file))
    yield events
    events.close()


class TestInotify:
    def test_a_file_made_and_written(self, events: Inotify, file: Path) -> None:
        """Both are events, and what comes together is one."""
        assert not events.wait(0)
        file.touch()
        assert events.wait(LONG)
        with file.open("ab", buffering=0) as opened:
            for _turn in range(3):
                for _write in range(100):
                    opened.write(b"x")
                assert events.wait(LONG)
                assert not events.wait(0)

    def test_a_file_made_anew(self, events: Inotify, file: Path) -> None:
        """The one that has the name now is watched, whether it was made there or moved."""
        for _turn in range(3):
            file.touch()
            assert events.wait(LONG)
            while events.wait(0):
                pass
            file.write_bytes(b"new")
            assert events.wait(LONG)
            file.unlink()
            while events.wait(0):
                pass
        other = file.with_name("other")
        other.touch()
        assert events.wait(LONG)
        other.rename(file)
        assert events.wait(LONG)
        file.write_bytes(b"moved")
        assert events.wait(LONG)

    def test_other_files_of_the_folder(self, events: Inotify, file: Path) -> None:
        """Writing to the log of the daemon, which lies there too, wakes nobody."""
        log = file.with_name("daemon.log")
        log.touch()
        assert events.wait(LONG)
        log.write_text("a line\n")
        assert not events.wait(0)

    def test_a_folder_made_later(self, events: Inotify, file: Path) -> None:
        """Without its folder it is not armed; it looks for it at each wait."""
        file.parent.rmdir()
        while events.wait(0):
            pass
        found = [events.is_armed]
        file.parent.mkdir()
        assert not events.wait(0)
        assert [*found, events.is_armed] == [False, True]
        file.touch()
        assert events.wait(LONG)

    def test_wake(self, events: Inotify) -> None:
        """Ends a wait from another thread, without an event; many of them are one."""
        thread = threading.Timer(0.05, events.wake)
        thread.start()
        assert not events.wait(LONG)
        thread.join()
        for _turn in range(100_000):
            events.wake()
        started = time.monotonic()
        while time.monotonic() - started < 0.2:
            assert not events.wait(1)
        assert time.monotonic() - started >= 1
