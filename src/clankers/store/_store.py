"""Store: the typed way to read and write the archive."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import apsw

from clankers import _paths, errors
from clankers.store import _migrations
from clankers.store._connection import BUSY_TIMEOUT_MS, open_reader, translated
from clankers.store._device import device_id
from clankers.store._schema import COLUMNS, USAGE_COLUMNS
from clankers.store._totals import refresh_sessions
from clankers.store._upserts import add_placeholders, mention, write_rows
from clankers.store._usage_rows import write_usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from clankers.models import (
        Attachment,
        Compaction,
        Message,
        Session,
        SessionError,
        ToolCall,
        Usage,
    )

    Record = Session | Message | ToolCall | SessionError | Compaction | Usage | Attachment

# Enough rows to make a statement cheap, few enough to keep memory flat.
_WRITTEN_TOGETHER = 1_000


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

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self.path = path
        self.connection = connection
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
        """
        place = Path(path) if path is not None else _paths.database_path()
        if read_only:
            connection = open_reader(place, busy_timeout_ms=busy_timeout_ms)
            _migrations.check_version(connection, place)
            return cls(connection, place)
        _make_folder(place)
        return cls(_migrations.open_current(place, busy_timeout_ms=busy_timeout_ms), place)

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
        """The random id of this data directory, which new rows carry as `origin_device`."""
        if self._device_id is None:
            self._device_id = device_id(self.connection)
        return self._device_id

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All writes inside become one transaction, or none of them happens.

        Takes the write lock at once. Nested uses are savepoints of the outermost.
        """
        begin, end, undo = (
            ("SAVEPOINT nested", "RELEASE nested", "ROLLBACK TO nested; RELEASE nested")
            if self.connection.in_transaction
            else ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
        )
        with translated(self.path):
            self.connection.execute(begin)
            try:
                yield
                self.connection.execute(end)
            except BaseException:
                # A full disk makes SQLite roll back by itself.
                if self.connection.in_transaction:
                    self.connection.execute(undo)
                raise

    # Writing

    def upsert(self, record: Record) -> bool:
        """Writes one record; True when that changed anything.

        A null field never changes what is stored, a present non-empty one replaces it;
        times of creation keep the smallest value, other times the greatest. A message,
        tool call, error or compaction of an unknown session makes a placeholder for it.
        """
        return self.upsert_many([record]) > 0

    def upsert_many(self, records: Iterable[Record]) -> int:
        """Writes records of any kinds in one transaction; the number of rows that changed.

        Nothing is written when one of them fails.
        """
        changed = 0
        with self.atomic():
            waiting: dict[type[Any], list[Any]] = {}
            for record in records:
                same = waiting.setdefault(type(record), [])
                same.append(record)
                if len(same) >= _WRITTEN_TOGETHER:
                    changed += self._write_kind(type(record), waiting.pop(type(record)))
            for kind in list(waiting):
                changed += self._write_kind(kind, waiting.pop(kind))
        return changed

    def _write_kind(self, kind: type[Any], records: list[Any]) -> int:
        from clankers.models import Attachment, Session, Usage
        from clankers.store._rows import TABLE_OF

        if kind is Attachment:
            return self.write_attachments(records)
        if kind is Usage:
            before = self.connection.total_changes()
            self.write_usage(records)
            return self.connection.total_changes() - before
        if kind not in TABLE_OF:
            raise TypeError(f"{kind.__name__} is no record of the store")
        if kind is not Session:
            sources = {one.session_id: getattr(one, "source", None) for one in records}
            add_placeholders(self.connection, sources.items(), self.device_id)
        return self.write(TABLE_OF[kind], records)

    def write(self, table: str, records: Sequence[Any]) -> int:
        """Upserts records of one table; the caller has a transaction open."""
        if table == "sessions":
            for session in records:
                session.origin_device = session.origin_device or self.device_id
        return write_rows(self.connection, table, records)

    def write_usage(self, records: Sequence[Usage], *, improved: bool = False) -> set[str]:
        """Merges usage; of two readings of one response the better one stays.

        `improved` lets a reading of equal output replace the stored one. The caller has
        a transaction open, and refreshes the sessions that are returned.
        """
        for usage in records:
            usage.origin_device = usage.origin_device or self.device_id
        return write_usage(self.connection, records, improved=improved)

    def add_placeholders(self, session_ids: Iterable[str]) -> None:
        """Makes the sessions that are missing, so that rows may refer to them."""
        pairs = ((session_id, None) for session_id in session_ids)
        add_placeholders(self.connection, pairs, self.device_id)

    def mention(self, sessions: Sequence[Session]) -> None:
        """Notes parent and relationship of sessions that are only pointed at.

        They are listed once something of their own is written.
        """
        mention(self.connection, sessions, self.device_id)

    def write_attachments(self, records: Sequence[Attachment]) -> int:
        """Stores each image or document once; the caller has a transaction open."""
        before = self.connection.total_changes()
        self.connection.executemany(
            "INSERT INTO attachments(sha256, media_type, data) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            [(one.sha256, one.media_type, one.data) for one in records],
        )
        return self.connection.total_changes() - before

    def refresh(self, session_ids: Iterable[str]) -> None:
        """Derives counts, tokens and cost of these sessions anew from their rows."""
        refresh_sessions(self.connection, list(session_ids))

    # Reading

    def session(self, session_id: str) -> Session:
        """The session with that id, or the only one whose id begins so.

        Raises:
            UnknownSessionError: there is none, or there are several.
        """
        found = list(
            self._records(
                "sessions",
                "WHERE NOT placeholder AND (id = ? OR substr(id, 1, length(?)) = ?)"
                " ORDER BY id <> ?, id LIMIT 6",
                (session_id,) * 4,
            )
        )
        if not found or not session_id:
            raise errors.UnknownSessionError(
                f"no session {session_id!r}", hint="'clankers-cli sessions list' shows the ids"
            )
        if found[0].id == session_id or len(found) == 1:
            only: Session = found[0]
            return only
        raise errors.UnknownSessionError(
            f"{session_id!r} begins more than one id: {', '.join(one.id for one in found[:5])}",
            hint="give more of the id",
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
            ("coalesce(updated_at, created_at) >= ?", since),
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
        """The messages of a session in their order."""
        return self._records("messages", "WHERE session_id = ? ORDER BY seq, n", (session_id,))

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
        order = "seq, n" if session_id is not None else "n"
        return self._records(
            "tools", f"WHERE {where} ORDER BY {order}", tuple(value for _sql, value in given)
        )

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
        """What the responses that count for a session used, by time."""
        return self._records("usage", "WHERE session_id = ? ORDER BY occurred_at, n", (session_id,))

    def attachment(self, sha256: str) -> Attachment | None:
        """An image or document by its hash, which message `content` refers to."""
        from clankers.models import Attachment

        row = self.connection.execute(
            "SELECT sha256, media_type, data FROM attachments WHERE sha256 = ?", (sha256,)
        ).fetchone()
        return Attachment(*row) if row else None

    def _records(self, table: str, rest: str, values: Sequence[Any]) -> Iterator[Any]:
        # Records cost 30 ms to load, which an import that finds nothing new can save.
        from clankers.store._rows import BUILDERS

        columns = USAGE_COLUMNS if table == "usage" else COLUMNS[table]
        build = BUILDERS[table]
        with translated(self.path):
            sql = f"SELECT {', '.join(columns)} FROM {table} {rest}"
            for row in self.connection.execute(sql, values):
                yield build(*row)


def _make_folder(path: Path) -> None:
    """Our data directory is private; a folder the user named is only made where it is missing."""
    try:
        if path.parent == _paths.data_dir():
            _paths.make_private_dir(path.parent)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _paths.tighten(path, 0o600)
    except OSError as problem:
        raise errors.ReadOnlyError(
            f"{path.parent} cannot be made or changed: {problem.strerror}",
            hint="check the rights of the folder, or name another database with --db",
        ) from problem
