"""Reports take a store, or the path of a database that they open for themselves."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from clankers.store._connection import open_reader, translated
from clankers.store._schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clankers.store import Store


@contextmanager
def reading(store_or_path: Store | str | os.PathLike[str]) -> Iterator[apsw.Connection]:
    """A connection on which all that is read is of one moment."""
    if not isinstance(store_or_path, str | os.PathLike):
        with translated(store_or_path.path), store_or_path.connection as connection:
            yield connection
        return
    path = Path(store_or_path)
    connection = open_reader(path)
    try:
        with translated(path), connection, _of_our_schema(connection, path):
            yield connection
    finally:
        connection.close()


@contextmanager
def _of_our_schema(connection: apsw.Connection, path: Path) -> Iterator[None]:
    """Says what is wrong with a database of another schema, or without the tables it should have."""
    try:
        version = connection.execute("SELECT max(version) FROM schema_migrations").get
        if version != SCHEMA_VERSION:
            _check(connection, path)
        yield
    except apsw.SQLError:
        _check(connection, path)
        raise


def _check(connection: apsw.Connection, path: Path) -> None:
    # Imported here: migrations take 9 ms to load, and a good database needs none.
    from clankers.store._migrations import check_version

    check_version(connection, path)
