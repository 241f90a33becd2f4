"""The archive: a second database beside the main one, for what is seldom asked for.

It has the same schema and search index. A row keeps its `n` there, because what sync knows
of it stays in the main database under that number.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from clankers import errors
from clankers.store import _files
from clankers.store._connection import open_reader, translated
from clankers.store._migrations import check_version, open_current
from clankers.store._prefix import after_all_with
from clankers.store._reads import Reads
from clankers.store._schema import COLUMNS, USAGE_COLUMNS
from clankers.store.search._index import INDEXED, update_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import apsw

    from clankers.models import Session
    from clankers.store._opened import Opened

    Row = tuple[Any, ...]

CHILDREN = tuple(table for table in COLUMNS if table != "sessions")
# Whole rows, as they are read and put: n, the columns of records, and what is only local.
ROW_COLUMNS = {
    table: ("n", *columns, *(("archived_at", "placeholder") if table == "sessions" else ()))
    # Usage is never archived; what was deleted elsewhere is kept here.
    for table, columns in {**COLUMNS, "usage": USAGE_COLUMNS}.items()
}
# What holds the id of the session that a row belongs to.
OWNER = {table: "id" if table == "sessions" else "session_id" for table in COLUMNS}
_PUT_TOGETHER = 200
_AMONG = "(SELECT value FROM json_each(?))"
# Sessions that were on their way between the two files when it was written; those that are
# to be gone from here have the time at which the main database was to say so.
_MOVING = """
CREATE TABLE IF NOT EXISTS archive_moving(
  session_id TEXT PRIMARY KEY,
  removed_at INTEGER
) WITHOUT ROWID
"""


class Archive(Reads):
    """The archive of an open store.

    Whoever writes here has a transaction open in the store, so that of all processes only
    one does; `transaction()` here is the inner one, and commits first.

    Attributes:
        path: the file.
        connection: without foreign keys: rows may be here whose session is not.
    """

    @classmethod
    def beside(cls, store: Opened, *, create: bool = False) -> Self | None:
        """The archive of a store; None where there is none and `create` does not make it.

        Raises:
            As `Store.open`.
        """
        path = _files.archive_path(store.path)
        if not create and not path.exists():
            return None
        if store.is_read_only:
            connection = open_reader(path)
            try:
                check_version(connection, path)
            except BaseException:
                connection.close()
                raise
            return cls(connection, path, read_only=True)
        _files.make_folder(path)
        connection = open_current(path)
        with translated(path):
            connection.pragma("foreign_keys", False)
            # What is here must not be lost by a power cut after it has left the other file.
            connection.pragma("synchronous", "full")
            connection.execute(_MOVING)
        return cls(connection, path)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become one transaction, of which sync is told nothing."""
        with self.quietly():
            yield

    def session(self, session_id: str) -> Session:
        """As `Store.session`, of those that are archived."""
        if not self._beginning_with(session_id):
            raise errors.UnknownSessionError(
                f"no session {session_id!r} is in the archive",
                hint="'clankers-cli archive list' shows those that are",
            )
        return super().session(session_id)

    def find(self, session_id: str) -> str | None:
        """The id of the session that is meant by it or by its beginning; None for none.

        Raises:
            UnknownSessionError: there are several.
        """
        return self.session(session_id).id if self._beginning_with(session_id) else None

    def rows(self, table: str, ids: Iterable[str]) -> dict[str, Row]:
        """Whole rows by their ids, each in the order of `ROW_COLUMNS`."""
        return {row[1]: row for row in self._where(table, f"id IN {_AMONG}", ids)}

    def rows_by_n(self, table: str, ns: Iterable[int]) -> dict[int, Row]:
        """The same by their `n`."""
        return {row[0]: row for row in self._where(table, f"n IN {_AMONG}", ns)}

    def children_of(self, session_ids: Iterable[str]) -> dict[str, list[int]]:
        """By table the `n` of what belongs to sessions, whether these are here or not."""
        ids = json.dumps(list(session_ids))
        with translated(self.path):
            return {
                table: [
                    int(n)
                    for (n,) in self.connection.execute(
                        f"SELECT n FROM {table} WHERE session_id IN {_AMONG} ORDER BY n", (ids,)
                    )
                ]
                for table in CHILDREN
            }

    def owners(self, prefixes: Iterable[str]) -> set[str]:
        """The sessions of rows, but not of sessions, whose id begins so."""
        found: set[str] = set()
        with translated(self.path):
            for prefix in prefixes:
                above = after_all_with(prefix)
                for table in CHILDREN:
                    query = f"SELECT DISTINCT session_id FROM {table} WHERE id >= ? AND id < ?"
                    found |= {str(x) for (x,) in self.connection.execute(query, (prefix, above))}
        return found

    def put(self, table: str, rows: Iterable[Row]) -> int:
        """Writes whole rows, in the place of those with the same id; how many.

        A row of another id that has the same `n`, as after an older copy of the main
        database was restored, gets a number below all others.
        """
        columns = ROW_COLUMNS[table]
        insert = (
            f"INSERT INTO {table}({', '.join(columns)}) VALUES ({', '.join('?' for _ in columns)})"
        )
        written = 0
        with translated(self.path):
            remaining = iter(rows)
            while some := list(islice(remaining, _PUT_TOGETHER)):
                ids, ns = json.dumps([row[1] for row in some]), [row[0] for row in some]
                self.connection.execute(f"DELETE FROM {table} WHERE id IN {_AMONG}", (ids,))
                self._make_room(table, ns)
                self.connection.executemany(insert, some)
                note_inserted(self.connection, table, ns)
                written += len(some)
        return written

    def remove(self, table: str, ns: Iterable[int]) -> None:
        """Deletes rows by their `n`."""
        with translated(self.path):
            self.connection.execute(
                f"DELETE FROM {table} WHERE n IN {_AMONG}", (json.dumps(list(ns)),)
            )

    def remove_sessions(self, session_ids: Iterable[str]) -> None:
        """Deletes sessions and all that belongs to them."""
        ids = json.dumps(list(session_ids))
        with translated(self.path):
            for table, owner in OWNER.items():
                self.connection.execute(f"DELETE FROM {table} WHERE {owner} IN {_AMONG}", (ids,))

    def update_index(self) -> None:
        """Brings its search index up to its rows."""
        with self.transaction():
            update_index(self.connection)

    # What is on its way

    def note_moving(self, session_ids: Iterable[str], *, removed_at: int | None = None) -> None:
        """Notes sessions of which rows may soon stand in both files, or are to be gone."""
        self.connection.executemany(
            "INSERT INTO archive_moving(session_id, removed_at) VALUES (?, ?)"
            " ON CONFLICT DO UPDATE SET removed_at = coalesce(excluded.removed_at, removed_at)",
            [(one, removed_at) for one in session_ids],
        )

    def moving(self) -> dict[str, int | None]:
        """The sessions that were noted, and when they were to be gone."""
        with translated(self.path):
            if self.connection.table_exists("main", "archive_moving"):
                return dict(
                    self.connection.execute("SELECT session_id, removed_at FROM archive_moving")
                )
            return {}

    def forget_moving(self, session_ids: Iterable[str]) -> None:
        self.connection.execute(
            f"DELETE FROM archive_moving WHERE session_id IN {_AMONG}",
            (json.dumps(list(session_ids)),),
        )

    # Below

    def _where(self, table: str, condition: str, values: Iterable[Any]) -> Iterator[Row]:
        query = f"SELECT {', '.join(ROW_COLUMNS[table])} FROM {table} WHERE {condition}"
        with translated(self.path):
            yield from self.connection.execute(query, (json.dumps(list(values)),))

    def _make_room(self, table: str, ns: Sequence[int]) -> None:
        for row in list(self._where(table, f"n IN {_AMONG}", ns)):
            self.remove(table, [row[0]])
            lowest = int(self.connection.execute(f"SELECT min(0, min(n)) FROM {table}").get or 0)
            self.put(table, [(lowest - 1, *row[1:])])


def note_inserted(connection: apsw.Connection, table: str, ns: Sequence[int]) -> None:
    """Tells the search index of rows that were inserted below its mark, which it takes as known."""
    if table in {one.table for one in INDEXED}:
        connection.execute(
            "INSERT INTO search_stale(source, n, first_text, second_text)"
            " SELECT ?1, value, NULL, NULL FROM json_each(?2)"
            " WHERE value <= (SELECT n FROM search_mark WHERE source = ?1)"
            " ON CONFLICT DO NOTHING",
            (table, json.dumps(list(ns))),
        )
