"""Archiving old sessions while the daemon runs, where the settings say after how many days."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from clankers import _paths
from clankers.config import Config
from clankers.errors import ClankersError
from clankers.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.daemon._log import Log

_DAY_MS = 86_400_000
# What has just started has better things to do.
_SECONDS_BEFORE = 60.0
_SECONDS_BETWEEN_LOOKS = 3_600.0


class Archiving:
    """A thread that moves sessions in which nothing happened for so long, once a day.

    Args:
        database: whose sessions.
        log: is told how many went, and what failed.
        stop: ends it.
        config: the file of the settings; None for the user's own.
        profile: which of its profiles; None for the active one.
        first: seconds until the first time.
        again: seconds between two looks at the settings and the clock.
    """

    def __init__(
        self,
        database: Path,
        log: Log,
        *,
        stop: threading.Event,
        config: Path | None = None,
        profile: str | None = None,
        first: float = _SECONDS_BEFORE,
        again: float = _SECONDS_BETWEEN_LOOKS,
    ) -> None:
        self._database = database
        self._log = log
        self._stop = stop
        self._config = config or _paths.config_path()
        self._profile = profile
        self._first, self._again = first, again
        self._done_at = 0
        self._thread = threading.Thread(target=self._run, name="clankers-archive", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """After `stop`; a move that is going on comes to its end first."""
        self._thread.join()

    def _run(self) -> None:
        pause = self._first
        while not self._stop.wait(pause):
            pause = self._again
            try:
                self._look()
            except ClankersError as problem:
                self._log.write("error", f"archiving: {problem}", component="archive")
            except Exception as problem:  # noqa: BLE001 - the edge of the thread
                said = f"archiving: unexpected {type(problem).__name__}: {problem}"
                self._log.write("error", said, component="archive")

    def _look(self) -> None:
        days = Config.load(self._config, profile=self._profile).profile().archive_after_days
        now = time.time_ns() // 1_000_000
        if days is None or now - self._done_at < _DAY_MS:
            return
        with Store.open(self._database) as store:
            moved = store.archive(before=now - days * _DAY_MS)
        self._done_at = now
        if moved.sessions:
            said = f"archived {len(moved.sessions)} sessions older than {days} days"
            self._log.write("info", said, component="archive")
