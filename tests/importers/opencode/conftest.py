"""A store, and a database with one session in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clankers.store import Store

from ._sessions import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "clankers.db") as opened:
        yield opened


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """`opencode.db` with an empty session, open in its owner."""
    found = Database(tmp_path / "opencode" / "opencode.db")
    found.session()
    yield found
    found.connection.close()
