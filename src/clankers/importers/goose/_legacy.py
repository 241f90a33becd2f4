"""Goose's file per session, from before it had a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.errors import ImporterError
from clankers.importers import (
    WHOLE,
    Memory,
    Rows,
    columns,
    milliseconds,
    read_lines,
    snapshot,
    text,
)
from clankers.importers._sqlite import is_damaged
from clankers.importers.goose import DATABASE
from clankers.importers.goose._messages import AGENT, parts_of, role_of, usage_of
from clankers.importers.goose._names import LINE, Names, session_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clankers.importers import Batch, Outcome


def read_file(path: Path) -> Iterator[Batch]:
    """The batches of a file, which its program rewrites with every answer.

    What the database beside it has taken over is not said again.
    """
    reader = _Lines(path.stem, moved=_has_moved(path))
    for batch in read_lines(path, WHOLE, reader):
        batch.resume, batch.tail = WHOLE, None
        yield batch


class _Lines:
    def __init__(self, session: str, *, moved: bool) -> None:
        self.rows = Rows(AGENT, Memory())
        self._session, self._moved = session, moved
        self._names = Names(session, LINE)

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        del number
        if self._moved:
            return "noise"
        self._identify(record)
        if "working_dir" in record and "role" not in record:
            self._describe(record)
            return "imported"
        role, content = text(record.get("role")), record.get("content")
        if role not in ("user", "assistant") or not isinstance(content, list):
            return "unknown"
        # Goose's own id is not told: moved into the database, the message may have another.
        native = self._names.name(None, role, record.get("created"))
        at = milliseconds(record.get("created"))
        metadata = record.get("metadata")
        seq = self.rows.next_seq(at)
        if said := parts_of(self.rows, content, native, at):
            visible = metadata if isinstance(metadata, dict) else {}
            self.rows.say(native, role_of(role, visible), said, at, seq=seq)
        return "imported"

    def _identify(self, first: dict[str, Any]) -> None:
        """Takes the session's id from the file's name and its first line.

        Goose takes `created_at` from the header where it is, else from the file system,
        which nobody else can tell later: then it is another session in the database.
        """
        born = first.get("created_at")
        born = text(first.get("working_dir")) if born is None else born
        self.rows.identify(session_id(self._session, born))

    def _describe(self, header: dict[str, Any]) -> None:
        rows = self.rows
        rows.place(text(header.get("working_dir")))
        rows.name(text(header.get("description")))
        used = usage_of(header, "accumulated_")
        if not any(used.values()):
            used = usage_of(header)
        if any(used.values()):
            raw = {name: value for name, value in header.items() if name.endswith("_tokens")}
            rows.use(rows.session.id, _named_time(self._session), raw=raw, **used)


def _named_time(name: str) -> int | None:
    """The time in a file's name, such as 20250131_235959."""
    day, _, time = name.partition("_")
    return milliseconds(f"{day}T{time}") if len(day) == len("20250131") else None


def _has_moved(path: Path) -> bool:
    """True when the database beside a file has its session."""
    database = path.with_name(DATABASE)
    if not database.is_file():
        return False
    try:
        with snapshot(database) as db:
            if "id" not in columns(db, "sessions"):
                return False
            found = db.execute("SELECT 1 FROM sessions WHERE id = ?", (path.stem,))
            return found.fetchone() is not None
    except ImporterError as problem:
        if is_damaged(problem):
            return False
        # Nobody knows now, and what is said now would be said twice.
        raise
