"""A store of its own for every test, and short ways to put usage into it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from clankers.models import Usage
from clankers.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "clankers.db") as opened:
        yield opened


def ms(text: str) -> int:
    """Epoch milliseconds of an ISO time, UTC unless it says otherwise."""
    moment = datetime.fromisoformat(text if "+" in text or text.endswith("Z") else f"{text}+00:00")
    return round(moment.timestamp() * 1000)


def used(name: str, **fields: Any) -> Usage:
    """One response; by default of Claude Sonnet 4.5 in session s1 on 2026-11-02."""
    given: dict[str, Any] = {
        "session_id": "s1",
        "source": "claude-code",
        "provider": "anthropic",
        "model": "claude-sonnet-4-5-20250929",
        "occurred_at": ms("2026-11-02T10:00"),
        **fields,
    }
    return Usage(name, **given)
