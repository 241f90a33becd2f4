"""Which fields are sent."""

from __future__ import annotations

from clankers import wire
from clankers.store._schema import READ_COLUMNS


def test_every_column_is_sent() -> None:
    """But for the id, which names the record, and what the server derives."""
    derived = {
        "prompt_tokens",
        "completion_tokens",
        "cost",
        "message_count",
        "tool_call_count",
    }
    for table in wire.TABLES:
        expected = [name for name in READ_COLUMNS[table] if name != "id"]
        if table == "sessions":
            expected = [name for name in expected if name not in derived]
        assert list(wire.FIELDS[table]) == expected


def test_tables_are_in_the_order_of_storing() -> None:
    """Sessions come before what belongs to them."""
    assert wire.TABLES == (
        "sessions",
        "messages",
        "tools",
        "session_errors",
        "compaction_events",
        "usage",
    )


def test_kinds() -> None:
    """A flag is 0 or 1 on the wire, a count an integer that is never null in usage."""
    assert wire.FIELDS["tools"]["success"] == ("flag", True)
    assert wire.FIELDS["tools"]["tool_name"] == ("text", False)
    assert wire.FIELDS["messages"]["session_id"] == ("text", False)
    assert wire.FIELDS["messages"]["duration_ms"] == ("integer", True)
    assert wire.FIELDS["usage"]["input_tokens"] == ("integer", False)
    assert wire.FIELDS["usage"]["cost"] == ("integer", True)
