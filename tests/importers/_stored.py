"""What a database holds after an agent's files were imported, as records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from clankers.importers import importer
from clankers.importing import ImportReport, import_sessions
from clankers.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from clankers.models import Compaction, Message, Session, SessionError, ToolCall, Usage

Record = dict[str, Any]


@attrs.define
class Found:
    """All rows, each kind in its own order; `report` is of the last import alone."""

    sessions: dict[str, Session]
    messages: list[Message]
    tools: list[ToolCall]
    usage: list[Usage]
    errors: list[SessionError]
    compactions: list[Compaction]
    report: ImportReport = attrs.field(eq=False)

    @property
    def session(self) -> Session:
        (only,) = self.sessions.values()
        return only

    @property
    def spoken(self) -> list[tuple[str | None, str | None]]:
        """(role, text) in the order of the conversation."""
        return [(one.role, one.text_content) for one in self.messages]

    @property
    def used(self) -> list[tuple[int, int, int, int]]:
        """(uncached input, cache reads, cache writes, output) of each response."""
        return [
            (
                one.input_tokens,
                one.cache_read_tokens,
                one.cache_write_5m_tokens,
                one.output_tokens,
            )
            for one in self.usage
        ]

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """(imported, noise, unknown, malformed) lines of the last import."""
        report = self.report
        return report.imported, report.noise, report.unknown, report.malformed


def stored(agent: str, path: Path, database: Path) -> Found:
    """Imports `path` into the database, new or not, and gives what is in there then."""
    with Store.open(database) as store:
        report = import_sessions(store, [agent], path=path)
        store.refresh([one.id for one in store.sessions()])
        sessions = {one.id: _plain(one) for one in sorted(store.sessions(), key=lambda s: s.id)}
        found = Found(sessions, [], [], [], [], [], report)
        for session_id in sessions:
            found.messages += store.messages(session_id)
            found.tools += store.tools(session_id)
            found.usage += map(_plain, store.usage(session_id))
            found.errors += store.errors(session_id)
            found.compactions += store.compactions(session_id)
    return found


def counted(agent: str, path: Path) -> int:
    """How many lines of a file are accounted for."""
    from clankers.importers import Resume

    return sum(one.lines for one in importer(agent).read(path, Resume()))


def write_lines(path: Path, records: Iterable[Record | bytes]) -> Path:
    """One line each; bytes stand for themselves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(encoded(one) + b"\n" for one in records))
    return path


def encoded(record: Record | bytes) -> bytes:
    return record if isinstance(record, bytes) else json.dumps(record).encode()


def _plain(record: Any) -> Any:
    """A record without the name of the database's device."""
    return attrs.evolve(record, origin_device=None)
