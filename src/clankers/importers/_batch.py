"""What an importer is handed and what it yields; the contract between agents' files and the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from attrs import Factory, define

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from clankers.importers import Entry, Resume
    from clankers.models import (
        Attachment,
        Compaction,
        Message,
        Session,
        SessionError,
        ToolCall,
        Usage,
    )


@define
class Batch:
    """What one stretch of a file says: a whole that may be committed with its watermark.

    Records may be partial; the store's upsert rule joins them with what earlier batches
    said. Of the lines of the stretch each is in exactly one of `imported` (it added
    something), `noise` (known, deliberately without content), `unknown` (a record type
    nobody taught us) and `malformed` (the physical numbers of lines that are not a JSON
    object). Blank lines count nowhere. What is no file of lines counts its records.
    `replaces` are beginnings of row ids: rows that a worse copy of the session made under
    them, and that this batch and its followers say under other ids, are taken away.
    `resume` of a document or a session in a database is `Resume()`: those are read whole
    when they change.
    """

    resume: Resume
    sessions: list[Session] = Factory(list)
    mentions: list[Session] = Factory(list)
    messages: list[Message] = Factory(list)
    tools: list[ToolCall] = Factory(list)
    errors: list[SessionError] = Factory(list)
    compactions: list[Compaction] = Factory(list)
    usage: list[Usage] = Factory(list)
    attachments: list[Attachment] = Factory(list)
    replaces: list[str] = Factory(list)
    imported: int = 0
    noise: int = 0
    unknown: int = 0
    malformed: list[int] = Factory(list)
    tail: Literal["imported", "noise", "unknown"] | None = None

    @property
    def lines(self) -> int:
        return self.imported + self.noise + self.unknown + len(self.malformed)


class Importer(Protocol):
    """Reads one agent's own files.

    Other packages add one by an entry point in the group ``clankers.importers`` whose
    name is the agent and whose object is an instance.

    Attributes:
        agent: the name that becomes `source` on every row, such as ``claude-code``.
        version: raise it when the reading improves; files that still exist are then
            read again from the start.
    """

    agent: str
    version: int

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """The folders where this agent keeps its sessions, existing or not."""

    def find(self, root: Path) -> Iterator[Path] | Iterator[str]:
        """The session files at or below `root`, in an order that never changes.

        Names as text cost a tenth of paths, where an agent leaves thousands.
        """

    def recognises(self, path: Path) -> bool:
        """True when the beginning of `path` looks like this agent's; may say no to a damaged file."""

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        """What `path` says from `resume` on.

        A last line without its newline is pending and counted nowhere unless it parses;
        then it comes in a batch of its own with `tail` set.
        """


class Collection(Importer, Protocol):
    """An importer some of whose files or folders hold many sessions, as a database does.

    Only sessions whose entry has changed are read. `find` may give folders, which are
    looked through at each import; a database is when it or its log has changed.
    """

    def entries(self, path: Path) -> Iterator[Entry] | None:
        """The sessions in `path`, or None when it holds a single one, for `read`."""

    def read_entry(self, path: Path, key: str) -> Iterator[Batch]:
        """What `path` says of one session now; every batch has the watermark `Resume()`."""
