"""The audit log: a line for each statement that a script wrote with."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from clankers import _paths, errors

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.query._changes import Changes

_FILE = "writes.jsonl"


class Audit:
    """Lines of JSON in ``writes.jsonl`` among the logs, readable by their owner alone.

    They are written before the transaction is committed, so that no change is without them;
    of one that was not committed after all a further line says so.
    """

    def __init__(self, database: Path, *, unsafe: bool) -> None:
        self._database = str(database.absolute())
        self._path = _paths.logs_dir() / _FILE
        self._id = os.urandom(4).hex()
        self._unsafe = {"unsafe": True} if unsafe else {}

    def note(self, changes: Changes) -> None:
        """Writes down when which statement changed how many rows.

        Raises:
            ReadOnlyError: the log cannot be written.
        """
        self._append(
            [
                {"sql": one.sql, "operation": one.operation, "rows": one.affected}
                for one in changes.statements
                if one.writes
            ]
        )

    def take_back(self) -> None:
        """Writes down that nothing was changed after all."""
        self._append([{"undone": True}])

    def _append(self, lines: list[dict[str, object]]) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        known = {"at": at, "script": self._id, "database": self._database, **self._unsafe}
        text = "".join(json.dumps({**known, **line}, ensure_ascii=False) + "\n" for line in lines)
        try:
            _paths.make_private_dir(self._path.parent)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            with open(os.open(self._path, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
            _paths.tighten(self._path, 0o600)
        except OSError as problem:
            raise errors.ReadOnlyError(
                f"nothing was changed: {self._path} cannot be written: {problem.strerror}",
                hint="every write is noted there; check the rights of the folder",
            ) from problem
