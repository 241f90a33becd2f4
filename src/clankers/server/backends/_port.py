"""What the service asks of a tenant's database, wherever it is.

Statements go in, rows come out. Nobody holds a transaction or a handle between two calls, so
that the same code works on a file and over HTTP, and a slow caller never blocks another.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from clankers import errors

SqlValue = str | int | float | bytes | None
Rows = list[tuple[SqlValue, ...]]

# The service's own database, which no tenant's name can lead to: theirs are longer.
REGISTRY = "ck-registry"
_NAME_LENGTH = 24


class Statement(NamedTuple):
    """One SQL statement with the values of its parameters, in their order."""

    sql: str
    values: tuple[SqlValue, ...] = ()


class Database(NamedTuple):
    """Where a database is: its name, and the address that the backend gave when it made it."""

    name: str
    address: str = ""


# Yields statements that read, is sent their rows, and returns the statements that write.
Work = Generator[Sequence[Statement], list[Rows], Sequence[Statement]]


class Backend(Protocol):
    """Where tenant databases live.

    Calls raise `NoSuchTenantError`, `ConstraintError`, `BackendUnavailableError` or another
    `BackendError`, and have then changed nothing, unless the error says that it is unknown.

    Attributes:
        name: what people call it.
        largest_value: bytes of one parameter or one row; more is refused by the engine.
    """

    name: str
    largest_value: int

    async def create(self, name: str) -> Database:
        """Makes an empty database; one that is there already stays as it is."""

    async def drop(self, database: Database) -> None:
        """Deletes a database with all its rows; one that is gone already is fine."""

    async def write(self, database: Database, statements: Sequence[Statement]) -> list[Rows]:
        """Runs statements in one transaction that is on disk when this returns."""

    async def read(self, database: Database, statements: Sequence[Statement]) -> list[Rows]:
        """Runs statements that only read, all on one snapshot."""

    async def update(self, database: Database, work: Work) -> None:
        """Runs the reads that `work` asks for, one list after the other, then what it returns.

        Somebody else may write in between: what is returned must fail then, by a constraint.
        The work runs in a thread, so it may take its time.
        """

    async def ping(self) -> None:
        """Returns when databases can be reached; raises otherwise."""

    async def close(self) -> None:
        """Lets go of files and connections."""


def database_name(tenant: str) -> str:
    """The name of a tenant's database: ``ck-`` and 24 letters and digits of its hash.

    Hosting services allow lower case letters, digits and dashes, and make a host name of it,
    of which one label has at most 63 characters. A hash also keeps a tenant's name from being
    read as a path.
    """
    digest = hashlib.sha256(tenant.encode()).digest()
    return "ck-" + base64.b32encode(digest).decode().lower()[:_NAME_LENGTH]


def in_parts(sql: str, rows: Sequence[Any], largest: int) -> list[Statement]:
    """One statement where the rows fit one parameter, as they nearly always do, or several."""
    whole = msgspec.json.encode(rows)
    if len(whole) <= largest:
        return [Statement(sql, (whole.decode(),))]
    if len(rows) == 1:
        raise errors.BackendError(f"a row of {len(whole):,} bytes is too large for this database")
    middle = len(rows) // 2
    return [*in_parts(sql, rows[:middle], largest), *in_parts(sql, rows[middle:], largest)]
