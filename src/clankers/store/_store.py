"""Store: the typed way to read and write the archive."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from copy import copy
from typing import TYPE_CHECKING, Any, Self

from clankers import _paths, errors
from clankers.store import _files, _migrations
from clankers.store._connection import BUSY_TIMEOUT_MS, open_reader, translated
from clankers.store._keeping import Keeping
from clankers.store._totals import measured_sessions, refresh_sessions
from clankers.store._upserts import (
    add_placeholders,
    mention,
    remove_beginning_with,
    write_each,
    write_rows,
)
from clankers.store._usage_rows import write_usage
from clankers.store.capture._marks import by_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from clankers.models import (
        Attachment,
        Compaction,
        Message,
        Session,
        SessionError,
        ToolCall,
        Usage,
    )
    from clankers.store.search._search import Order, SearchResult

    Record = Session | Message | ToolCall | SessionError | Compaction | Usage | Attachment

# Enough rows to make a statement cheap, few enough to keep memory flat.
_WRITTEN_TOGETHER = 1_000
_INDEX_PATIENCE_MS = 100


class Store(Keeping):
    """One database of sessions.

    Many processes may have the file open: readers never block the writer, a writer waits
    for another one and then raises `DatabaseBusyError`. A Store belongs to one thread at
    a time. Use it as a context manager, or `close()` it::

        with Store.open() as store:
            for session in store.sessions(limit=10):
                print(session.title, session.cost)

    Attributes:
        path: the database file.
        connection: the apsw connection underneath, for SQL that no method covers.
    """

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        read_only: bool = False,
        create: bool = True,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> Self:
        """Opens the database at `path`, or the user's own; a missing one is made.

        An older schema is upgraded and a database of the original project adopted, both
        after a copy into `backups` beside the file. `read_only` does neither, makes no
        file, and reads databases in folders that cannot be written. Without `create` a
        missing one is an error.

        Raises:
            NotADatabaseError: the file is not SQLite, or another program's.
            NewerSchemaError: a newer clankers wrote it.
            ReadOnlyError: it cannot be made or written.
            DatabaseBusyError: another process kept it locked for the whole timeout.
            StoreError: `path` is no file, or there is none and it is not to be made.
        """
        place = _files.place(path if path is not None else _paths.database_path())
        if not read_only:
            if not create:
                _files.refuse_other_kinds(place)
            _files.make_folder(place)
            opened = cls(_migrations.open_current(place, busy_timeout_ms=busy_timeout_ms), place)
            opened._busy_timeout_ms = busy_timeout_ms
            return opened
        connection = open_reader(place, busy_timeout_ms=busy_timeout_ms)
        try:
            _migrations.check_version(connection, place)
        except BaseException:
            connection.close()
            raise
        return cls(connection, place, read_only=True)

    # Writing

    def upsert(self, record: Record) -> bool:
        """Writes one record; True when that changed anything.

        A null field never changes what is stored, a present non-empty one replaces it;
        times of creation keep the smallest value, other times the greatest. A message,
        tool call, error or compaction of an unknown session makes a placeholder for it.
        Usage changes the totals of its sessions; counts of messages and tool calls are
        derived by `refresh`.
        """
        return self.upsert_many([record]) > 0

    def upsert_many(self, records: Iterable[Record]) -> int:
        """Writes records of any kinds in one transaction; how often that changed a row.

        Nothing is written when one of them fails.
        """
        changed = 0
        touched: set[str] = set()
        with self.atomic():
            waiting: dict[type[Any], list[Any]] = {}
            for record in records:
                same = waiting.setdefault(type(record), [])
                same.append(record)
                if len(same) >= _WRITTEN_TOGETHER:
                    changed += self._write_kind(type(record), waiting.pop(type(record)), touched)
            for kind in list(waiting):
                changed += self._write_kind(kind, waiting.pop(kind), touched)
            self.refresh(touched)
        return changed

    def upsert_live(self, records: Sequence[Any]) -> None:
        """Writes what a plugin reports of a session at work; in one transaction.

        As `upsert_many`, and besides: a new session has a title and totals; messages whose
        numbered ids stand for several prompts are told apart; token counts become estimated
        usage; and what the session's transcript tells as well becomes one with it.
        """
        from clankers.models import Message, Session
        from clankers.store import _live

        # What is changed below is not the caller's, who may try again.
        records = [copy(one) if isinstance(one, Session | Message) else one for one in records]
        messages = [one for one in records if isinstance(one, Message)]
        sessions = [one for one in records if isinstance(one, Session)]
        with self.atomic():
            if self._may_have_archived():
                self.return_touched({_session_of(one) for one in records})
            _live.tell_apart(self.connection, messages)
            _live.leave_told(self.connection, sessions)
            for session in sessions:
                _live.with_defaults(session)
            self.upsert_many(records)
            _live.estimate(self.connection, (one.id for one in sessions), messages)
            _live.meet_new(self.connection, records)
            self.refresh({_session_of(one) for one in records})

    def meet(self, session_ids: Iterable[str]) -> set[str]:
        """Makes what plugins reported of these sessions one with what was imported.

        The caller has a transaction open, and refreshes these sessions and those that are
        returned: a plugin takes what a subagent does for the work of its parent.
        """
        from clankers.store import _live

        return _live.meet(self._writing(), session_ids)

    def _write_kind(self, kind: type[Any], records: list[Any], touched: set[str]) -> int:
        from clankers.models import Attachment, Session, Usage
        from clankers.store._rows import TABLE_OF

        if kind is Attachment:
            return self.write_attachments(records)
        if kind is Usage:
            before = self.connection.total_changes()
            touched |= self.write_usage(records)
            return self.connection.total_changes() - before
        if kind not in TABLE_OF:
            raise TypeError(f"{kind.__name__} is no record of the store")
        if kind is Session:
            if self._may_have_archived():
                parents = (one.parent_id for one in records if one.parent_id)
                self.return_touched({*(one.id for one in records), *parents})
            touched.update(measured_sessions(self.connection, [one.id for one in records]))
        else:
            if self._may_have_archived():
                self.return_touched({one.session_id for one in records})
            sources = ((one.session_id, getattr(one, "source", None)) for one in records)
            add_placeholders(self.connection, sources, self.device_id)
        return self.write(TABLE_OF[kind], records)

    def write(self, table: str, records: Sequence[Any]) -> int:
        """Upserts records of one table; the caller has a transaction open.

        Sessions that the records belong to must be there already. With a session that was
        deleted, what is archived of it comes back.
        """
        written = write_rows(self._writing(), table, records, self.device_id)
        if table == "sessions" and self._may_have_archived():
            self.return_covered(one.id for one in records)
        return written

    def write_usage(self, records: Sequence[Usage], *, improved: bool = False) -> set[str]:
        """Merges usage; of two readings of one response the better one stays.

        `improved` lets a reading of equal output replace the stored one. The caller has
        a transaction open, and refreshes the sessions that are returned.
        """
        return write_usage(self._writing(), records, self.device_id, improved=improved)

    def add_placeholders(self, session_ids: Iterable[str], *, source: str | None = None) -> None:
        """Makes the sessions that are missing, so that rows may refer to them."""
        pairs = ((session_id, source) for session_id in session_ids)
        add_placeholders(self._writing(), pairs, self.device_id)

    def mention(self, sessions: Sequence[Session]) -> None:
        """Notes parent and relationship of sessions that are only pointed at.

        They are listed once something of their own is written.
        """
        mention(self._writing(), sessions, self.device_id)

    def remove_beginning_with(self, prefix: str) -> None:
        """Deletes messages, tool calls, errors and compactions whose id begins so.

        It is for rows that others say again under better ids; the caller has a transaction
        open.
        """
        remove_beginning_with(self._writing(), prefix)

    def write_attachments(self, records: Sequence[Attachment]) -> int:
        """Stores each image or document once; the caller has a transaction open."""
        connection = self._writing()
        before = connection.total_changes()
        write_each(
            connection,
            "INSERT INTO attachments(sha256, media_type, data) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            [(one.sha256, one.media_type, one.data) for one in records],
        )
        return connection.total_changes() - before

    def refresh(self, session_ids: Iterable[str]) -> None:
        """Derives counts, tokens and cost of these sessions anew from their rows."""
        refresh_sessions(self._writing(), session_ids)

    @contextmanager
    def by_event(self) -> Iterator[None]:
        """What is written inside is stamped for sync with the times it tells of, as imports are.

        The caller has a transaction open.
        """
        with by_event(self._writing()):
            yield

    def refresh_totals(self, session_ids: Iterable[str]) -> None:
        """Derives counts, tokens and cost of sessions, and leaves their usage as it is."""
        refresh_sessions(self._writing(), session_ids, dates=False)

    # Searching

    def search(
        self,
        text: str,
        *,
        source: str | None = None,
        project: str | None = None,
        role: str | None = None,
        tool: str | None = None,
        session: str | None = None,
        since: int | None = None,
        before: int | None = None,
        places: Iterable[str] = ("titles", "messages", "tools"),
        order: Order = "best",
        exact: bool = False,
        everything: bool = False,
        limit: int = 20,
    ) -> SearchResult:
        r"""Finds sessions by title, messages by what was said or thought, tool calls by in- and output.

        All words must stand in the same message, call or title. Where few rows have the
        words themselves, rows with the words as parts of others follow; case makes no
        difference::

            for hit in store.search('connection "errno 111" -test agent:codex since:7d'):
                print(hit.session_id, hit.snippet)

        ``"exact text"``, ``beginning*``, ``-excluded`` and the filters ``agent: project:
        role: tool: session: since: before: in:`` are understood; what looks like a filter
        and is none is text. A store that may write brings its index up to date first.

        Args:
            text: what to find; without any word the newest that pass the filters.
            source: the agent.
            project: a project's name or its whole path.
            role: only messages of this role.
            tool: only calls of this tool.
            session: the beginning of a session's id.
            since: epoch ms; what happened at or after it.
            before: epoch ms; what happened before it.
            places: where to look.
            order: ``best`` ranks messages by their words; ``newest`` shows the newest first.
            exact: `text` is one exact text, quotes and colons included.
            everything: looks for parts of words in any case, and through every row where no
                index helps, however long it takes.
            limit: at most so many hits in each place.

        Raises:
            QueryError: `text` is too long, or a place is none.
            UsageError: a time in it is none.
        """
        from clankers.store.search import is_behind, search

        with translated(self.path):
            if not self._read_only and is_behind(self.connection):
                # Whoever holds the lock is writing; what the index lacks is looked through.
                with suppress(errors.DatabaseBusyError), self._patience(_INDEX_PATIENCE_MS):
                    self.update_index()
            return search(
                self.connection,
                text,
                source=source,
                project=project,
                role=role,
                tool=tool,
                session=session,
                since=since,
                before=before,
                places=places,
                order=order,
                exact=exact,
                everything=everything,
                limit=limit,
            )

    @contextmanager
    def _patience(self, milliseconds: int) -> Iterator[None]:
        self.connection.set_busy_timeout(milliseconds)
        try:
            yield
        finally:
            self.connection.set_busy_timeout(self._busy_timeout_ms)

    def update_index(self) -> None:
        """Adds to the search index what was written since; every import and search does it."""
        from clankers.store.search import update_index

        with self.atomic():
            update_index(self._writing())

    def rebuild_index(self) -> None:
        """Builds the search index anew from the rows; some seconds for each 100 MB of text."""
        from clankers.store.search import rebuild_index

        with self.atomic():
            rebuild_index(self._writing())

    def check_index(self) -> list[str]:
        """What is wrong with the search index, in sentences; `rebuild_index` mends it."""
        from clankers.store.search import check_index

        with translated(self.path):
            return check_index(self._writing())


def _session_of(record: Any) -> str:
    return str(getattr(record, "session_id", None) or record.id)
