"""The tables of a tenant's database, and of the service's own.

A tenant has the tables of the local archive, so that what is asked there can be asked here.
Before the texts, where it is read fast, each row has its revision and its stamp; rows that a
session's tombstone covers wait in `covered`, out of everybody's sight, until it lives again.
"""

from __future__ import annotations

import hashlib
import re
import time
from typing import TYPE_CHECKING, NamedTuple

from clankers import errors, wire
from clankers.server._indexing import add_index
from clankers.server.backends import Statement
from clankers.store._schema import INDEXES, SEARCH, TABLES

if TYPE_CHECKING:
    from clankers.server.backends import Backend, Database

_SYNC_COLUMNS = """
  revision INTEGER,
  changed_at INTEGER,
  device_id TEXT,
  edition INTEGER,
  at TEXT,
  extra TEXT,"""
# The columns of every row that are no fields of it.
STAMP_COLUMNS = ("revision", "changed_at", "device_id", "edition", "at", "extra")
_ID = "  id TEXT NOT NULL UNIQUE,"
_SERVICE = """
CREATE TABLE service(
  one INTEGER PRIMARY KEY CHECK (one = 1),
  store TEXT NOT NULL,
  revision INTEGER NOT NULL,
  expected INTEGER NOT NULL,
  last_sync INTEGER,
  has_index INTEGER NOT NULL,
  CHECK (expected = revision)
);
CREATE TABLE tombstones(
  tbl TEXT NOT NULL,
  id TEXT NOT NULL,
  revision INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  device_id TEXT NOT NULL,
  edition INTEGER NOT NULL,
  purge INTEGER NOT NULL,
  PRIMARY KEY (tbl, id)
) WITHOUT ROWID;
CREATE INDEX tombstones_revision ON tombstones(revision);
CREATE TABLE covered(
  tbl TEXT NOT NULL,
  id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  revision INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  device_id TEXT NOT NULL,
  edition INTEGER NOT NULL,
  at TEXT,
  fields TEXT NOT NULL,
  PRIMARY KEY (tbl, id)
) WITHOUT ROWID;
CREATE INDEX covered_revision ON covered(revision);
CREATE INDEX covered_session ON covered(session_id);
CREATE TABLE marks(
  revision INTEGER PRIMARY KEY,
  nonce TEXT NOT NULL
);
CREATE TABLE batches(
  batch_id TEXT PRIMARY KEY,
  hash TEXT NOT NULL,
  answer TEXT NOT NULL,
  stored_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX batches_stored ON batches(stored_at);
"""
# What of the index any engine can have; without the rest of it nothing is ever marked as indexed.
_PLAIN = ("CREATE TABLE", "INSERT INTO", "CREATE INDEX")
_RECORDED = """
CREATE TABLE schema_migrations(
  version INTEGER PRIMARY KEY,
  applied_at INTEGER NOT NULL,
  checksum TEXT NOT NULL,
  description TEXT NOT NULL
)"""
_REGISTRY = """
CREATE TABLE tenants(
  tenant TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  database TEXT NOT NULL,
  address TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT,
  retired_at INTEGER
);
CREATE TABLE tokens(
  id TEXT PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  hint TEXT NOT NULL,
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  last_used_at INTEGER,
  revoked_at INTEGER
);
CREATE INDEX tokens_tenant ON tokens(tenant);
"""


class Migration(NamedTuple):
    """One numbered step; forward only, and recorded in the transaction that makes it."""

    version: int
    description: str
    statements: tuple[str, ...]


def _statements(script: str) -> tuple[str, ...]:
    """The statements of a script; the body of a trigger has semicolons of its own."""
    parts = re.split(r";\s*\n(?=CREATE|INSERT|ALTER|$)", script.strip() + "\n")
    return tuple(part.strip().rstrip(";") for part in parts if part.strip())


def _tables() -> tuple[str, ...]:
    wanted = {f"CREATE TABLE {table}(" for table in wire.TABLES}
    made = [
        one.replace(_ID, _ID + _SYNC_COLUMNS)
        for one in _statements(TABLES)
        if one.splitlines()[0] in wanted
    ]
    revisions = [f"CREATE INDEX {table}_revision ON {table}(revision)" for table in wire.TABLES]
    plain = [one for one in _statements(SEARCH) if one.startswith(_PLAIN)]
    return (*made, *_statements(INDEXES), *revisions, *plain, *_statements(_SERVICE))


TENANT = (Migration(1, "the records of a tenant", _tables()),)
SERVICE = (Migration(1, "tenants and tokens", _statements(_REGISTRY)),)
_VERSION = Statement("SELECT max(version) FROM schema_migrations")


async def migrate_tenant(backend: Backend, database: Database, store: str) -> None:
    """Brings a tenant's database to the schema of this program; `store` names a new one."""
    made = "INSERT INTO service VALUES (1, ?, 0, 0, NULL, 0) ON CONFLICT DO NOTHING"
    await _migrate(backend, database, TENANT, Statement(made, (store,)))
    await add_index(backend, database)


async def migrate_registry(backend: Backend, database: Database) -> None:
    """Brings the service's own database to the schema of this program."""
    await _migrate(backend, database, SERVICE)


async def _migrate(
    backend: Backend, database: Database, steps: tuple[Migration, ...], *first: Statement
) -> int:
    """Applies the steps that are missing; the version that was found."""
    version = await _version(backend, database)
    if version > steps[-1].version:
        raise errors.BackendError(
            f"{database.name} was written by a newer clankers: schema {version}",
            hint="upgrade this server; the database was left as it is",
        )
    for step in steps:
        if step.version <= version:
            continue
        made = [Statement(sql) for sql in step.statements]
        if version == 0:
            made = [Statement(_RECORDED), *made, *first]
        try:
            await backend.write(database, [*made, _record(step)])
        except errors.BackendError:
            # Another process of the service may have been faster.
            if await _version(backend, database) < step.version:
                raise
    return version


async def _version(backend: Backend, database: Database) -> int:
    there = "SELECT count(*) FROM sqlite_master WHERE name = 'schema_migrations'"
    found = await backend.read(database, [Statement(there)])
    if not found[0][0][0]:
        return 0
    ((version,),) = (await backend.read(database, [_VERSION]))[0]
    return int(version or 0)


def _record(step: Migration) -> Statement:
    checksum = hashlib.sha256("\n".join(step.statements).encode()).hexdigest()
    return Statement(
        "INSERT INTO schema_migrations VALUES (?, ?, ?, ?)",
        (step.version, time.time_ns() // 1_000_000, checksum, step.description),
    )
