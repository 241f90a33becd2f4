"""Bringing a database to the schema of this program: forward only, one transaction a step."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import apsw

from clankers import errors
from clankers.store import _adopt
from clankers.store._connection import open_writer, translated
from clankers.store._device import add_device
from clankers.store._schema import INDEXES, TABLES

_RECORD = """
CREATE TABLE IF NOT EXISTS schema_migrations(
  version INTEGER PRIMARY KEY,
  applied_at INTEGER NOT NULL,
  checksum TEXT NOT NULL,
  description TEXT NOT NULL
)
"""


class Migration(NamedTuple):
    """One step; `source` is what its checksum is made of."""

    version: int
    description: str
    source: str
    apply: Callable[[apsw.Connection], None]


def _m001_archive(connection: apsw.Connection) -> None:
    connection.execute(TABLES)
    connection.execute(INDEXES)
    add_device(connection)


MIGRATIONS = [Migration(1, "the archive", TABLES + INDEXES, _m001_archive)]
SCHEMA_VERSION = MIGRATIONS[-1].version


def open_current(path: Path, *, busy_timeout_ms: int) -> apsw.Connection:
    """A writing connection to a database that has the current schema.

    A new file gets it, an older one is upgraded after a backup, the original project's
    is adopted after a backup. Anything else is refused and left as it is.

    Raises:
        NewerSchemaError: a newer program wrote it.
        NotADatabaseError: it is not SQLite, or another program's.
    """
    connection = open_writer(path, busy_timeout_ms=busy_timeout_ms)
    try:
        with translated(path):
            if _version(connection, path) < SCHEMA_VERSION:
                _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def check_version(connection: apsw.Connection, path: Path) -> None:
    """Refuses a database that has another schema; for connections that only read."""
    with translated(path):
        if _version(connection, path) < SCHEMA_VERSION:
            raise errors.StoreError(
                f"{path} has an older schema and cannot be upgraded while it is only read",
                hint="'clankers-cli import' upgrades it",
            )


def _version(connection: apsw.Connection, path: Path) -> int:
    """The schema's version; 0 for an empty database or the original project's."""
    tables = _tables(connection)
    if "schema_migrations" in tables:
        found = connection.execute("SELECT max(version) FROM schema_migrations").get or 0
        if found > SCHEMA_VERSION:
            raise errors.NewerSchemaError(
                f"{path} has schema {found}, this program knows up to {SCHEMA_VERSION}",
                hint="update clankers-sdk; the database was left untouched",
            )
        return int(found)
    if tables and "sessions" not in tables:
        raise errors.NotADatabaseError(
            f"{path} is a database of another program (it has {', '.join(sorted(tables)[:3])})",
            hint="name another file with --db; this one was left as it is",
        )
    return 0


def _tables(connection: apsw.Connection) -> set[str]:
    query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    return {name for (name,) in connection.execute(query)}


def _migrate(connection: apsw.Connection, path: Path) -> None:
    if _tables(connection):
        back_up(connection, path)
    # Tables are renamed and built anew; foreign keys must not follow them in between.
    connection.pragma("foreign_keys", False)
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster while this one waited for the lock.
        version = _version(connection, path)
        originals = _adopt.set_aside(connection) if version == 0 else []
        connection.execute(_RECORD)
        for step in MIGRATIONS:
            if step.version > version:
                _apply(connection, step)
        _adopt.copy_back(connection, originals)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.pragma("foreign_keys", True)


def _apply(connection: apsw.Connection, step: Migration) -> None:
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


def back_up(connection: apsw.Connection, path: Path) -> Path:
    """A whole copy in `backups` beside the database; the copy's path."""
    folder = path.parent / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    copy = folder / f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}"
    copy.touch(mode=0o600)
    target = apsw.Connection(str(copy))
    try:
        with target.backup("main", connection, "main") as backup:
            backup.step()
    finally:
        target.close()
    return copy
