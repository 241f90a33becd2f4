"""Bringing a database to the schema of this program: forward only, one transaction a step."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from clankers import errors
from clankers.store._connection import BUSY_TIMEOUT_MS, open_writer, translated
from clankers.store._files import tighten
from clankers.store._schema import INDEXES, LIVE_INDEXES, SCHEMA_VERSION, SEARCH, TABLES
from clankers.store.capture._layout import CAPTURE
from clankers.store.search._index import prepare_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import apsw

_RECORD = """
CREATE TABLE IF NOT EXISTS schema_migrations(
  version INTEGER PRIMARY KEY,
  applied_at INTEGER NOT NULL,
  checksum TEXT NOT NULL,
  description TEXT NOT NULL
)
"""
_RECORDED = frozenset({"version", "applied_at", "checksum", "description"})


class Migration(NamedTuple):
    """One step; `source` is what its checksum is made of."""

    version: int
    description: str
    source: str
    apply: Callable[[apsw.Connection], None]


def _m001_archive(connection: apsw.Connection) -> None:
    from clankers.store._device import add_device  # random numbers take 5 ms to load

    connection.execute(TABLES)
    connection.execute(INDEXES)
    add_device(connection)


def _m002_search(connection: apsw.Connection) -> None:
    connection.execute(SEARCH)


def _m003_live_rows(connection: apsw.Connection) -> None:
    connection.execute(LIVE_INDEXES)


def _m004_capture(connection: apsw.Connection) -> None:
    connection.execute(CAPTURE)


MIGRATIONS = (
    Migration(1, "the archive", TABLES + INDEXES, _m001_archive),
    Migration(2, "search, and databases that hold many sessions", SEARCH, _m002_search),
    Migration(3, "rows that plugins report", LIVE_INDEXES, _m003_live_rows),
    Migration(4, "what waits to be synced", CAPTURE, _m004_capture),
)


def open_current(
    path: Path,
    *,
    busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> apsw.Connection:
    """A writing connection to a database that has the current schema.

    A new file gets it, an older one is upgraded after a backup, the original project's
    is adopted after a backup. Anything else is refused and left as it is.

    Raises:
        NewerSchemaError: a newer program wrote it.
        NotADatabaseError: it is not SQLite, or another program's.
    """
    newest = migrations[-1].version
    connection = open_writer(
        path,
        busy_timeout_ms=busy_timeout_ms,
        check=lambda opened: _version(opened, path, newest),
    )
    try:
        tighten(path)
        with translated(path):
            if _version(connection, path, newest) < newest:
                _migrate(connection, path, migrations)
            prepare_connection(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def check_version(connection: apsw.Connection, path: Path) -> None:
    """Refuses a database that has another schema; for connections that only read."""
    with translated(path):
        if _version(connection, path, SCHEMA_VERSION) == SCHEMA_VERSION:
            return
        state = "has an older schema" if _objects(connection) else "is empty"
    raise errors.StoreError(
        f"{path} {state}, which cannot be changed while it is only read",
        hint="'clankers-cli import' brings it up to date",
    )


def refuse_unsupported(connection: apsw.Connection, path: Path) -> None:
    """Refuses what `open_current` would refuse; an older schema passes."""
    _version(connection, path, SCHEMA_VERSION)


def _version(connection: apsw.Connection, path: Path, newest: int) -> int:
    """The schema's version; 0 for an empty database or the original project's."""
    # Another process may be making the tables between two questions.
    with _one_moment(connection):
        columns = _columns(connection, "schema_migrations")
        names = _objects(connection)
        if "tombstones" in names and "service" in names:
            raise errors.NotADatabaseError(
                f"{path} is a tenant of a web service",
                hint="'clankers-cli tenants import TENANT FILE' takes it into one",
            )
        if columns >= _RECORDED:
            found = connection.execute("SELECT max(version) FROM schema_migrations").get
            return _supported(int(found or 0), path, newest)
        is_known = not names or ("schema_migrations" not in names and _is_original(connection))
    if not is_known:
        raise errors.NotADatabaseError(
            f"{path} is a database of another program (it has {', '.join(sorted(names)[:3])})",
            hint="name another file with --db; this one was left as it is",
        )
    return 0


def _is_original(connection: apsw.Connection) -> bool:
    from clankers.store._adopt import is_original  # seldom needed, and 6 ms to load

    return is_original(connection)


@contextmanager
def _one_moment(connection: apsw.Connection) -> Iterator[None]:
    """All that is read inside is of one state of the database."""
    connection.execute("SAVEPOINT moment")
    try:
        yield
    finally:
        # A full disk makes SQLite end the transaction by itself.
        if connection.in_transaction:
            connection.execute("RELEASE moment")


def _supported(version: int, path: Path, newest: int) -> int:
    if version > newest:
        raise errors.NewerSchemaError(
            f"{path} has schema {version}, this program knows up to {newest}",
            hint="update clankers-sdk; the database was left untouched",
        )
    return version


def _objects(connection: apsw.Connection) -> set[str]:
    """Tables, views and all else that somebody made."""
    query = "SELECT lower(name) FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    return {str(name) for (name,) in connection.execute(query)}


def _columns(connection: apsw.Connection, table: str) -> set[str]:
    return {
        str(name).lower()
        for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    }


def _migrate(connection: apsw.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    # Tables are renamed and built anew; foreign keys must not follow them in between. Inside
    # a transaction this setting has no effect.
    connection.pragma("foreign_keys", False)
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            _apply_missing(connection, path, migrations)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    finally:
        connection.pragma("foreign_keys", True)


def _apply_missing(
    connection: apsw.Connection, path: Path, migrations: Sequence[Migration]
) -> None:
    # Another process may have been faster while this one waited for the lock.
    version = _version(connection, path, migrations[-1].version)
    missing = [step for step in migrations if step.version > version]
    if missing and _objects(connection):
        # Imported here, for a database is seldom anything but new or current.
        from clankers.store._backup import back_up

        back_up(path)
    from clankers.store._adopt import copy_back, set_aside

    originals = set_aside(connection) if version == 0 else []
    connection.execute(_RECORD)
    for step in missing:
        _apply(connection, step)
    copy_back(connection, originals)


def _apply(connection: apsw.Connection, step: Migration) -> None:
    import hashlib  # Takes 3 ms to load, and is needed only here.

    step.apply(connection)
    connection.execute(
        "INSERT INTO schema_migrations(version, applied_at, checksum, description)"
        " VALUES (?, ?, ?, ?)",
        (
            step.version,
            int(time.time() * 1000),
            hashlib.sha256(step.source.encode()).hexdigest(),
            step.description,
        ),
    )
