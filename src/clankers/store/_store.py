"""Store: the typed way to read and write the archive."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from clankers import _paths, errors
from clankers.store import _files, _migrations
from clankers.store._connection import BUSY_TIMEOUT_MS, open_reader, translated
from clankers.store._prefix import after_all_with
from clankers.store._schema import READ_COLUMNS
from clankers.store._totals import measured_sessions, refresh_sessions
from clankers.store._upserts import (
    add_placeholders,
    mention,
    remove_beginning_with,
    write_each,
    write_rows,
)
from clankers.store._usage_rows import COUNTED, write_usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    import apsw

    from clankers.models import (
        Attachment,
        Compaction,
        Message,
        Session,
        SessionError,
        ToolCall,
        Usage,
    )
    from clankers.store._backup import Backup
    from clankers.store._removal import Removal
    from clankers.store._size import Size
    from clankers.store._vacuum import Vacuumed
    from clankers.store.search._search import Order, SearchResult

    Record = Session | Message | ToolCall | SessionError | Compaction | Usage | Attachment

# Enough rows to make a statement cheap, few enough to keep memory flat.
_WRITTEN_TOGETHER = 1_000
_SHOWN_IDS = 5
_LARGEST = 10


class Store:
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

    def __init__(self, connection: apsw.Connection, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.connection = connection
        self._read_only = read_only
        self._depth = 0
        self._device_id: str | None = None

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        read_only: bool = False,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> Self:
        """Opens the database at `path`, or the user's own; a missing one is made.

        An older schema is upgraded and a database of the original project adopted, both
        after a copy into `backups` beside the file. `read_only` does neither, makes no
        file, and reads databases in folders that cannot be written.

        Raises:
            NotADatabaseError: the file is not SQLite, or another program's.
            NewerSchemaError: a newer clankers wrote it.
            ReadOnlyError: it cannot be made or written.
            DatabaseBusyError: another process kept it locked for the whole timeout.
            StoreError: `path` is no file, or `read_only` and there is none.
        """
        place = _files.place(path if path is not None else _paths.database_path())
        if not read_only:
            _files.make_folder(place)
            return cls(_migrations.open_current(place, busy_timeout_ms=busy_timeout_ms), place)
        connection = open_reader(place, busy_timeout_ms=busy_timeout_ms)
        try:
            _migrations.check_version(connection, place)
        except BaseException:
            connection.close()
            raise
        return cls(connection, place, read_only=True)

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def device_id(self) -> str:
        """The random id this database got when it was made; new rows carry it as `origin_device`."""
        if self._device_id is None:
            with translated(self.path):
                self._device_id = str(self.connection.execute("SELECT id FROM device").get)
        return self._device_id

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All writes inside become one transaction, or none of them happens.

        Takes the write lock at once. Nested uses are savepoints of the outermost.

        Raises:
            ReadOnlyError: the store was opened for reading only.
            DatabaseBusyError: another process kept the lock for the whole timeout.
        """
        connection = self._writing()
        with translated(self.path):
            nested = connection.in_transaction
            if self._depth and not nested:
                raise errors.StoreError(
                    f"the transaction on {self.path} was rolled back",
                    hint="let its error end the outermost atomic() before writing again",
                )
            self._depth += 1
            try:
                connection.execute("SAVEPOINT nested" if nested else "BEGIN IMMEDIATE")
                yield
                connection.execute("RELEASE nested" if nested else "COMMIT")
            except BaseException:
                # A full disk may make SQLite roll back by itself.
                if connection.in_transaction:
                    connection.execute(
                        "ROLLBACK TO nested; RELEASE nested" if nested else "ROLLBACK"
                    )
                raise
            finally:
                self._depth -= 1

    def _writing(self) -> apsw.Connection:
        if self._read_only:
            raise errors.ReadOnlyError(
                f"the store at {self.path} was opened for reading only",
                hint="open it without read_only to write",
            )
        return self.connection

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
            touched.update(measured_sessions(self.connection, [one.id for one in records]))
        else:
            sources = ((one.session_id, getattr(one, "source", None)) for one in records)
            add_placeholders(self.connection, sources, self.device_id)
        return self.write(TABLE_OF[kind], records)

    def write(self, table: str, records: Sequence[Any]) -> int:
        """Upserts records of one table; the caller has a transaction open.

        Sessions that the records belong to must be there already.
        """
        return write_rows(self._writing(), table, records, self.device_id)

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

    # Keeping

    def back_up(self, path: str | Path | None = None) -> Path:
        """Makes a verified copy of what is committed, while others read and write; its path.

        It goes to `path`, or under a name made of the time into that folder; by default
        into `backups` beside the database. No file is replaced.

        Raises:
            StoreError: there is already a file at `path`.
            ReadOnlyError: the folder cannot be written.
            DiskFullError: there is no room for it.
            NotADatabaseError: the database is damaged, and so would be the copy.
        """
        from clankers.store._backup import back_up

        return back_up(self.path, None if path is None else _files.place(path))

    def backups(self) -> list[Backup]:
        """The copies in `backups` beside the database, the newest first."""
        from clankers.store._backup import backups

        return backups(self.path)

    def size(self, *, largest: int = _LARGEST) -> Size:
        """What takes the room: tables, indexes, free pages, the log, copies.

        So many of the largest sessions, projects and agents are named; with 0 their texts
        are not looked at. Every page of the file is read.
        """
        from clankers.store._size import measure

        with translated(self.path):
            return measure(self.connection, self.path, largest=largest)

    def vacuum(self) -> Vacuumed:
        """Gives what is free in the file back to the disk, and renews its statistics.

        Needs room for a second copy among the temporary files and a third in the log.

        Raises:
            DiskFullError: there is no such room; nothing was done.
            DatabaseBusyError: another process kept writing for the whole timeout.
        """
        from clankers.store._vacuum import vacuum

        return vacuum(self._writing(), self.path)

    def prune(
        self,
        *,
        source: str | None = None,
        project: str | None = None,
        model: str | None = None,
        before: int | None = None,
        empty: bool = False,
        dry_run: bool = False,
    ) -> Removal:
        """Removes the sessions that fit all filters, with their subagents; what went.

        Usage stays, so that no total changes. No import brings the sessions back, unless
        they go on: then what is newer comes. The file keeps its size until `vacuum`.

        Args:
            source: the agent.
            project: a project's name or its whole path.
            model: a model's name or the beginning of one.
            before: epoch ms; sessions in which nothing happened at or after it.
            empty: sessions without any message.
            dry_run: says what would go, and removes nothing.

        Raises:
            StoreError: there is no filter.
        """
        from clankers.store import _removal

        def ids() -> list[str]:
            return _removal.chosen(
                self.connection,
                source=source,
                project=project,
                model=model,
                before=before,
                empty=empty,
            )

        if dry_run:
            with translated(self.path):
                return _removal.planned(self.connection, ids())
        with self.atomic():
            return self._remove(ids())

    def delete(
        self, session_ids: Iterable[str], *, purge: bool = False, dry_run: bool = False
    ) -> Removal:
        """Removes sessions, each by its id or a unique beginning, with their subagents.

        As `prune` does, and usage loses the JSON that the agent wrote. With `purge` no
        byte of the file says what was removed: what was derived from it is erased, and the
        file written anew, which takes as long and as much room as `vacuum`. Other
        copies of the words, such as transcripts, backups and forks, are not touched.
        `purge` also takes sessions that were removed before.

        Raises:
            UnknownSessionError: an id names none, or several; nothing was removed.
            DiskFullError: there is no room for a purge; nothing was removed.
        """
        from clankers.store import _removal

        wanted = list(session_ids)
        if dry_run:
            with translated(self.path):
                return _removal.planned(self.connection, self._named(wanted, purge=purge))
        if purge:
            return self._purge(wanted)
        with self.atomic():
            ids = self._named(wanted, purge=False)
            _removal.blank_usage(self.connection, ids)
            return self._remove(ids)

    def _purge(self, wanted: list[str]) -> Removal:
        from clankers.store import _purge, _removal
        from clankers.store._vacuum import check_room

        connection = self._writing()
        if connection.in_transaction:
            raise errors.StoreError(
                f"nothing can be purged from {self.path} inside a transaction",
                hint="end atomic() first",
            )
        with translated(self.path), _purge.overwriting(connection):
            check_room(connection, self.path)
            with self.atomic():
                ids = self._named(wanted, purge=True)
                _removal.blank_usage(connection, ids)
                removal = self._remove(ids)
                _purge.erase_words(connection, ids)
            return removal._replace(is_erased=_purge.erase_traces(connection, self.path))

    def _named(self, wanted: list[str], *, purge: bool) -> list[str]:
        """The sessions that these ids or beginnings of ids name, and their subagents."""
        from clankers.store import _removal

        ids: list[str] = []
        for one in wanted:
            try:
                ids += _removal.with_subagents(self.connection, [self.session(one).id])
            except errors.UnknownSessionError:
                if not purge or one not in _removal.removals(self.connection):
                    raise
                ids += _removal.remembered(self.connection, one)
        return list(dict.fromkeys(ids))

    def _remove(self, ids: list[str]) -> Removal:
        from clankers.store import _removal

        removal = _removal.planned(self.connection, ids)
        _removal.remove(self.connection, ids)
        return removal

    def forget_pruned(self, session_id: str) -> list[str]:
        """Lets imports bring back a session that was pruned or deleted; the ids that this frees.

        Its id, or a unique beginning, stands for its subagents too where their ids begin
        with it. `import_sessions(store, full=True)` then reads it, if its transcript is
        still there.

        Raises:
            UnknownSessionError: no such session was removed, or several.
        """
        from clankers.store import _removal

        with self.atomic():
            return _removal.forget(self.connection, session_id)

    # Reading

    def session(self, session_id: str) -> Session:
        """The session with that id, or the only one whose id begins so.

        A session's subagents, whose ids begin with its own, stand back behind it.

        Raises:
            UnknownSessionError: there is none, or there are several.
        """
        found = self._beginning_with(session_id)
        for one in found:
            if one.id == session_id or len(found) == 1:
                return one
        if not found:
            raise errors.UnknownSessionError(
                f"no session {session_id!r}", hint="'clankers-cli sessions list' shows the ids"
            )
        more = ", ..." if len(found) > _SHOWN_IDS else ""
        shown = ", ".join(one.id for one in found[:_SHOWN_IDS])
        raise errors.UnknownSessionError(
            f"{session_id!r} begins more than one id: {shown}{more}", hint="give more of the id"
        )

    def _beginning_with(self, prefix: str) -> list[Session]:
        """A few of the sessions whose id begins so, in order: an exact match comes first."""
        if not prefix:
            return []
        above = after_all_with(prefix)
        below = "" if above is None else " AND id < ?"
        return list(
            self._records(
                "sessions",
                f"WHERE id >= ?{below} AND NOT placeholder"
                " AND (substr(parent_id, 1, length(?)) IS NOT ?"
                " OR substr(id, 1, length(parent_id) + 1) IS NOT parent_id || ':')"
                f" ORDER BY id LIMIT {_SHOWN_IDS + 1}",
                (prefix, *(() if above is None else (above,)), prefix, prefix),
            )
        )

    def sessions(
        self,
        *,
        source: str | None = None,
        project: str | None = None,
        model: str | None = None,
        since: int | None = None,
        until: int | None = None,
        title: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> Iterator[Session]:
        """Sessions, the newest first, then by id.

        Args:
            source: the agent.
            project: a project's name or its whole path.
            model: a model's name or the beginning of one.
            since: epoch ms; sessions that went on at or after it.
            until: epoch ms; sessions that began before it.
            title: text that the title contains, ASCII letters in either case.
            limit: at most so many; None for all.
            offset: so many are left out first.
        """
        conditions: list[tuple[str, Any]] = [
            ("source = ?", source),
            ("? IN (project_name, project_path)", project),
            ("substr(model, 1, length(?)) = ?", model),
            ("coalesce(updated_at, ended_at, created_at) >= ?", since),
            ("created_at < ?", until),
            ("instr(lower(title), lower(?)) > 0", title),
        ]
        given = [(sql, value) for sql, value in conditions if value is not None]
        where = " AND ".join(["NOT placeholder", *(sql for sql, _value in given)])
        values = [value for sql, value in given for _mark in range(sql.count("?"))]
        yield from self._records(
            "sessions",
            f"WHERE {where} ORDER BY created_at DESC, id LIMIT ? OFFSET ?",
            (*values, -1 if limit is None else limit, offset),
        )

    def messages(self, session_id: str) -> Iterator[Message]:
        """The messages of a session in their order; one without a place stands by its time."""
        yield from self._records(
            "messages",
            f"WHERE session_id = ? ORDER BY {self._order('messages', session_id)}",
            (session_id,),
        )

    def tools(
        self, session_id: str | None = None, *, name: str | None = None, success: bool | None = None
    ) -> Iterator[ToolCall]:
        """Tool calls of one session in their order, or of all."""
        conditions: list[tuple[str, Any]] = [
            ("session_id = ?", session_id),
            ("tool_name = ?", name),
            ("success = ?", success),
        ]
        given = [(sql, value) for sql, value in conditions if value is not None]
        where = " AND ".join(sql for sql, _value in given) or "1"
        order = "n" if session_id is None else self._order("tools", session_id)
        yield from self._records(
            "tools", f"WHERE {where} ORDER BY {order}", tuple(value for _sql, value in given)
        )

    def _order(self, table: str, session_id: str) -> str:
        """The index has the rows in order, unless some came live, with their time only."""
        places = self._rows(
            f"SELECT 1 FROM {table} WHERE session_id = ? AND seq IS NULL LIMIT 1", (session_id,)
        )
        return "coalesce(seq, created_at), n" if next(places, None) else "seq, n"

    def errors(self, session_id: str) -> Iterator[SessionError]:
        """What failed in a session, by time."""
        return self._records(
            "session_errors", "WHERE session_id = ? ORDER BY created_at, n", (session_id,)
        )

    def compactions(self, session_id: str) -> Iterator[Compaction]:
        """When a session's context was compacted, by time."""
        return self._records(
            "compaction_events", "WHERE session_id = ? ORDER BY created_at, n", (session_id,)
        )

    def usage(self, session_id: str) -> Iterator[Usage]:
        """What each response of a session used, by time; its sum is the session's totals.

        Estimates are left out once something was measured.
        """
        return self._records(
            "usage", f"WHERE session_id = ? AND {COUNTED} ORDER BY occurred_at, n", (session_id,)
        )

    def attachment(self, sha256: str) -> Attachment | None:
        """An image or document by its hash, which message `content` refers to."""
        return next(self._records("attachments", "WHERE sha256 = ?", (sha256,)), None)

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

    def _records(self, table: str, rest: str, values: Sequence[Any]) -> Iterator[Any]:
        # Records cost 30 ms to load, which an import that finds nothing new can save.
        from clankers.store._rows import BUILDERS

        build = BUILDERS[table]
        # COUNTED calls the row u.
        for row in self._rows(
            f"SELECT {', '.join(READ_COLUMNS[table])} FROM {table} u {rest}", values
        ):
            yield build(*row)

    def _rows(self, sql: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        with translated(self.path):
            try:
                cursor = self.connection.execute(sql, values)
            except UnicodeEncodeError:
                # Half of a UTF-16 pair, from a name that is not UTF-8, is in no stored text.
                return
            yield from cursor
