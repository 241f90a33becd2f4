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
from clankers.importers.goose import DATABASE
from clankers.importers.goose._messages import AGENT, parts_of, role_of, usage_of

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

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        if self._moved:
            return "noise"
        self.rows.identify(self._session)
        if "working_dir" in record and "role" not in record:
            self._describe(record)
            return "imported"
        role, content = text(record.get("role")), record.get("content")
        if role not in ("user", "assistant") or not isinstance(content, list):
            return "unknown"
        native = text(record.get("id")) or str(number)
        at = milliseconds(record.get("created"))
        metadata = record.get("metadata")
        seq = self.rows.next_seq(at)
        if said := parts_of(self.rows, content, native, at):
            visible = metadata if isinstance(metadata, dict) else {}
            self.rows.say(native, role_of(role, visible), said, at, seq=seq)
        return "imported"

    def _describe(self, header: dict[str, Any]) -> None:
        rows = self.rows
        rows.place(text(header.get("working_dir")))
        rows.name(text(header.get("description")))
        used = usage_of(header, "accumulated_")
        if not any(used.values()):
            used = usage_of(header)
        if any(used.values()):
            raw = {name: value for name, value in header.items() if name.endswith("_tokens")}
            rows.use(self._session, _named_time(self._session), raw=raw, **used)


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
    except ImporterError:
        return False
