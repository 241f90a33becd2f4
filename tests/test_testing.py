"""The helpers for tests of those who embed the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clankers import testing
from clankers.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", sorted(set(testing.__all__) - {"make_attachment"}))
def test_numbers_make_records_that_differ(name: str) -> None:
    """The same call gives the same record, another number another one."""
    make = getattr(testing, name)
    assert make(1) == make() == make(1)
    assert make(1).id != make(2).id


def test_any_field_can_be_given(tmp_path: Path) -> None:
    """Ids and session too; a field that does not exist is an error."""
    assert testing.make_tool(3, session_id="s", tool_name="Bash").tool_name == "Bash"
    assert testing.make_message(id="m", role="assistant").id == "m"
    with pytest.raises(TypeError, match="colour"):
        testing.make_session(colour="red")


def test_they_fit_together(tmp_path: Path) -> None:
    """All of them are one session, whose totals are what its usage says."""
    records: list[Any] = [
        testing.make_session(),
        testing.make_message(1),
        testing.make_message(2, role="assistant"),
        testing.make_tool(),
        testing.make_error(),
        testing.make_compaction(),
        testing.make_usage(2),
        testing.make_attachment(),
    ]
    with Store.open(tmp_path / "clankers.db") as store:
        assert store.upsert_many(records) == len(records)
        (session,) = store.sessions()
        assert (session.prompt_tokens, session.completion_tokens) == (1_110, 100)
        assert (session.message_count, session.cost) == (2, 0.002345)
        assert session.created_datetime is not None
        assert session.created_datetime.isoformat() == "2026-01-05T09:00:00+00:00"
