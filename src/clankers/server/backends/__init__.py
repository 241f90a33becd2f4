"""Where tenant databases live: files of this machine, or a database server."""

from __future__ import annotations

from clankers.server.backends._port import (
    REGISTRY,
    Backend,
    Database,
    Rows,
    SqlValue,
    Statement,
    Work,
    database_name,
    in_parts,
)
from clankers.server.backends._sqlite import OPEN_DATABASES, SqliteBackend

__all__ = [
    "OPEN_DATABASES",
    "REGISTRY",
    "Backend",
    "Database",
    "Rows",
    "SqlValue",
    "SqliteBackend",
    "Statement",
    "Work",
    "database_name",
    "in_parts",
]
