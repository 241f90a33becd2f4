"""Reading databases of other programs, while they may be writing to them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import apsw

from clankers.errors import ImporterError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BUSY_TIMEOUT_MS = 2_000


@contextmanager
def snapshot(path: Path) -> Iterator[apsw.Connection]:
    """One state of a database: all that is read inside is of the same moment.

    Keep it short: while it is open, the owner's log cannot be cut. Nothing is written, not
    even by SQLite itself: a database that cannot be read without its log's index, as in a
    folder that nobody may write to, is read without one when it has no log.

    Read what another program wrote as text with `CAST(x AS BLOB)`: a value that is not
    UTF-8 ends the reading otherwise.

    Raises:
        ImporterError: the file is no database, is damaged, stays locked, or holds text that
            is not UTF-8.
    """
    try:
        connection = _opened(path)
        try:
            yield connection
        finally:
            connection.close()
    except (apsw.Error, UnicodeDecodeError) as problem:
        raise ImporterError(f"the database cannot be read: {problem}") from problem


def columns(connection: apsw.Connection, table: str) -> frozenset[str]:
    """The names of a table's columns; none when there is no such table."""
    found = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return frozenset(str(name) for (name,) in found)


def _opened(path: Path) -> apsw.Connection:
    try:
        return _begun(path, "mode=ro")
    except apsw.CantOpenError:
        if path.with_name(path.name + "-wal").exists():
            raise
        return _begun(path, "mode=ro&immutable=1")


def _begun(path: Path, how: str) -> apsw.Connection:
    uri = f"file:{quote(str(path.absolute()))}?{how}"
    connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
        connection.pragma("query_only", True)
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection
