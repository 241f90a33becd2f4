"""Batches of the size that the protocol allows, on a service whose tenants a libSQL server has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server._running import Service

if TYPE_CHECKING:
    from pathlib import Path

    from server._running import Sqld


def test_batch_of_more_than_a_value_may_hold(sqld: Sqld, tmp_path: Path) -> None:
    """Six megabytes of messages in one batch are stored, although no value may have five."""
    messages = [
        {
            "id": f"m{n}",
            "session_id": "s",
            "role": "user",
            "text_content": f"{n} " + "word " * 20_000,
        }
        for n in range(60)
    ]
    with Service(tmp_path / "served", *sqld.options, variables=sqld.variables) as service:
        answer = service.post("/sync/batch", {"sessions": [{"id": "s"}], "messages": messages})
        assert answer.status_code == 200, answer.text
        assert answer.json()["messages_synced"] == 60
        assert service.get("/sync/status").json()["total_messages"] == 60
