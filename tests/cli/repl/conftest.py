"""A database that a prompt is opened on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clankers.store import Store
from clankers.testing import make_message, make_session

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "kept.db"
    with Store.open(path) as store:
        store.upsert_many([make_session(n) for n in range(1, 4)])
        store.upsert_many([make_message(n) for n in range(60)])
        store.upsert(make_session(4, source="codex"))
    return path
