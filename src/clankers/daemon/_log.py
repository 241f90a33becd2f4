"""The log: a file a day, a line of JSON an entry."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

from clankers import _paths

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LEVELS = ("debug", "info", "warn", "error")
_KEPT_DAYS = 30
_NAME = re.compile(r"clankers-(\d{4}-\d{2}-\d{2})\.jsonl")


class Log:
    """Entries at or above a level, in files named by the local date.

    Files older than thirty days go when the log is opened and when the date changes. Until it
    is opened, and where its file cannot be written, entries go to standard error.
    """

    def __init__(self, folder: Path, *, level: str = "info") -> None:
        self._folder = folder
        self._least = _rank(level)
        self._date = ""
        self._file: TextIO | None = None
        self._is_open = False
        self._turning = threading.Lock()

    def open(self) -> None:
        """Makes the folder, private to its owner; raises OSError where that cannot be."""
        _paths.make_private_dir(self._folder)
        self._turn(time.strftime("%Y-%m-%d"))
        self._is_open = True

    def close(self) -> None:
        """From now on entries go to standard error."""
        with self._turning:
            self._is_open = False
            self._shut()

    def _shut(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(
        self,
        level: str,
        message: str,
        *,
        component: str = "daemon",
        timestamp: str | None = None,
        request_id: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds an entry; a level that is not known counts as info."""
        if _rank(level) < self._least:
            return
        entry: dict[str, Any] = {
            "timestamp": timestamp or _now(),
            "level": level if level in LEVELS else "info",
            "component": component,
            "message": message,
        }
        if request_id is not None:
            entry["requestId"] = request_id
        if context is not None:
            entry["context"] = context
        line = json.dumps(entry, ensure_ascii=True) + "\n"
        with self._turning:
            try:
                self._current().write(line)
            except (OSError, ValueError):  # A file that could not be made again is closed.
                sys.stderr.write(line)

    def _current(self) -> TextIO:
        if not self._is_open:
            return sys.stderr
        date = time.strftime("%Y-%m-%d")
        if self._file is None or date != self._date or not os.path.exists(self._path(date)):
            _paths.make_private_dir(self._folder)
            self._turn(date)
        return self._file or sys.stderr

    def _path(self, date: str) -> Path:
        return self._folder / f"clankers-{date}.jsonl"

    def _turn(self, date: str) -> None:
        self._shut()
        path = self._path(date)
        made = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        # A line at a time, so that whoever follows the file sees whole ones.
        self._file = open(made, "w", encoding="utf-8", buffering=1)  # noqa: SIM115 - until it turns
        _paths.tighten(path, 0o600)
        self._date = date
        self._remove_old()

    def _remove_old(self) -> None:
        oldest = (datetime.now().astimezone() - timedelta(days=_KEPT_DAYS)).strftime("%Y-%m-%d")
        for entry in list(os.scandir(self._folder)):
            named = _NAME.fullmatch(entry.name)
            if named is not None and named[1] < oldest:
                os.unlink(entry.path)


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else LEVELS.index("info")


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")
