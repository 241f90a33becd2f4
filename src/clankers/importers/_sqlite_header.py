"""Whether a file is a database, for those who only want to know that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers.importers._files import beginning

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC = b"SQLite format 3\0"


def is_sqlite(path: Path) -> bool:
    """True when a file begins as an SQLite database does; asking does not load SQLite."""
    return beginning(path, len(_MAGIC)) == _MAGIC
