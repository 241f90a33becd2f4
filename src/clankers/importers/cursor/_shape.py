"""Which databases are Cursor's: the editor's by a table, the command line's by two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers.errors import ImporterError
from clankers.importers._sqlite import columns, snapshot
from clankers.importers._sqlite_header import is_sqlite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import apsw

# Before there was a table of its own, Cursor kept conversations among the editor's settings.
ITEMS = (
    "composer.composerData",
    "composer.composerHeaders",
    "workbench.panel.aichat.view.aichat.chatdata",
)


def is_database(path: Path) -> bool:
    return is_editor_database(path) or is_chat_database(path)


def is_editor_database(path: Path) -> bool:
    """A `state.vscdb` of Cursor; those of other editors have neither the table nor the keys."""
    return _has(path, lambda connection: has_values(connection) or bool(items(connection)))


def is_chat_database(path: Path) -> bool:
    """A `store.db` of the command line."""
    return _has(path, _has_blobs)


def has_values(connection: apsw.Connection) -> bool:
    return {"key", "value"} <= columns(connection, "cursorDiskKV")


def items(connection: apsw.Connection) -> list[tuple[str, int, int]]:
    """Key, row number and length of what the settings hold of conversations."""
    if not {"key", "value"} <= columns(connection, "ItemTable"):
        return []
    found = connection.execute(
        "SELECT key, rowid, octet_length(value) FROM ItemTable"
        " WHERE key IN (?, ?, ?) AND value NOT NULL ORDER BY key",
        ITEMS,
    )
    return [(str(key), int(row), int(length)) for key, row, length in found]


def _has_blobs(connection: apsw.Connection) -> bool:
    return {"id", "data"} == columns(connection, "blobs") and {"key", "value"} == columns(
        connection, "meta"
    )


def _has(path: Path, shape: Callable[[apsw.Connection], bool]) -> bool:
    try:
        if not is_sqlite(path):
            return False
        with snapshot(path) as connection:
            return shape(connection)
    except ImporterError:
        return False
