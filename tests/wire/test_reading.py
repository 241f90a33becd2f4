"""Reading records of the wire: what is taken, and each way to be refused."""

from __future__ import annotations

from typing import Any

import pytest

from clankers.wire import (
    Change,
    Delete,
    Rejection,
    Stamp,
    Version,
    read_change,
    read_delete,
    read_mark,
)

STAMPED = {"changed_at": 1_790_000_000_000, "device_id": "d", "edition": 2}
STAMP = Stamp(1_790_000_000_000, "d", 2)
NOW = 1_790_000_000_000


class TestChanges:
    def test_a_whole_record(self) -> None:
        """Fields with another stamp are listed; one that was not sent has none."""
        payload = {
            "id": "m",
            "session_id": "s",
            "text_content": "Hi",
            "is_sidechain": True,
            "seq": 12.0,
            **STAMPED,
            "at": {"text_content": [5, "e", 1], "role": [9, "x", 1]},
        }
        assert read_change("messages", payload) == Change(
            "messages",
            "m",
            Version(
                {"session_id": "s", "text_content": "Hi", "is_sidechain": 1, "seq": 12},
                STAMP,
                {"text_content": Stamp(5, "e", 1)},
            ),
        )

    def test_a_delta(self) -> None:
        """The hash of what it changes, and nothing but the changes."""
        payload = {"id": "s", "base": "ab", "changes": {"title": "T"}, **STAMPED}
        assert read_change("sessions", payload) == Change(
            "sessions", "s", Version({"title": "T"}, STAMP), base="ab"
        )

    def test_a_script_sends_no_stamp(self) -> None:
        """Totals are kept apart: they are no fields."""
        found = read_change("sessions", {"id": "s", "title": "T", "prompt_tokens": 5, "cost": 1})
        assert found == Change(
            "sessions",
            "s",
            Version({"title": "T"}),
            is_stamped=False,
            totals={"prompt_tokens": 5, "cost": 1.0},
        )

    def test_unknown_fields_are_kept(self) -> None:
        """Those of a newer program; what is local to a database is not one of them."""
        found = read_change("sessions", {"id": "s", "mood": ["x", {"y": 1}], "n": 5, **STAMPED})
        assert isinstance(found, Change)
        assert found.version.fields == {"mood": ["x", {"y": 1}]}

    @pytest.mark.parametrize(
        ("table", "payload", "code"),
        [
            ("sessions", 5, "invalid_record"),
            ("sessions", None, "invalid_record"),
            ("sessions", ["a"], "invalid_record"),
            ("sessions", {}, "missing_field"),
            ("sessions", {"id": ""}, "missing_field"),
            ("sessions", {"id": None}, "missing_field"),
            ("sessions", {"id": 5}, "invalid_field"),
            ("sessions", {"id": "x" * 1_025}, "invalid_field"),
            ("sessions", {"id": "a\0b"}, "invalid_field"),
            ("sessions", {"id": "s", "title": 5}, "invalid_field"),
            ("sessions", {"id": "s", "title": ["x"]}, "invalid_field"),
            ("sessions", {"id": "s", "created_at": "2026-01-01"}, "invalid_field"),
            ("sessions", {"id": "s", "created_at": 1_790_000_000}, "invalid_field"),
            ("sessions", {"id": "s", "created_at": -NOW}, "invalid_field"),
            ("sessions", {"id": "s", "created_at": NOW * 1_000}, "invalid_field"),
            ("sessions", {"id": "s", "created_at": 1.5}, "invalid_field"),
            ("sessions", {"id": "s", "created_at": True}, "invalid_field"),
            ("sessions", {"id": "s", "cost": "1"}, "invalid_field"),
            ("sessions", {"id": "s", "cost": -1}, "invalid_field"),
            ("sessions", {"id": "s", "prompt_tokens": -1}, "invalid_field"),
            ("sessions", {"id": "s", "changed_at": "now"}, "invalid_field"),
            ("sessions", {"id": "s", "changed_at": -1}, "invalid_field"),
            ("sessions", {"id": "s", "changed_at": 5, "device_id": 5}, "invalid_field"),
            ("sessions", {"id": "s", "changed_at": 5, "edition": "x"}, "invalid_field"),
            ("sessions", {"id": "s", **STAMPED, "at": ["x"]}, "invalid_field"),
            ("sessions", {"id": "s", **STAMPED, "at": {"title": [5, "e"]}}, "invalid_field"),
            ("sessions", {"id": "s", "base": 5, "changes": {}, **STAMPED}, "invalid_field"),
            ("sessions", {"id": "s", "base": "a", "changes": [], **STAMPED}, "invalid_field"),
            ("sessions", {"id": "s", "base": "a", **STAMPED}, "invalid_field"),
            ("sessions", {"id": "s", "base": "a", "changes": {}}, "missing_field"),
            ("sessions", {"id": "s", "": 1}, "invalid_field"),
            ("messages", {"id": "m", **STAMPED}, "missing_field"),
            ("messages", {"id": "m", "session_id": None, **STAMPED}, "invalid_field"),
            ("tools", {"id": "t", "session_id": "s", "tool_name": "", **STAMPED}, "missing_field"),
            ("tools", {"id": "t", "success": 2}, "invalid_field"),
            ("tools", {"id": "t", "duration_ms": 2**63}, "invalid_field"),
            ("usage", {"id": "u", **STAMPED}, "missing_field"),
            ("usage", {"id": "u", "session_id": "s", "output_tokens": -5}, "invalid_field"),
            ("usage", {"id": "u", "session_id": "s", "input_tokens": None}, "invalid_field"),
        ],
    )
    def test_refused(self, table: str, payload: Any, code: str) -> None:
        """With the code, the id where there is one, and no text that was sent."""
        found = read_change(table, payload)
        assert isinstance(found, Rejection)
        assert (found.table, found.code) == (table, code)

    def test_too_deep(self) -> None:
        """Sixty-four levels in all are allowed."""
        value: Any = "bottom"
        for _level in range(70):
            value = [value]
        found = read_change("sessions", {"id": "s", "mood": value})
        assert isinstance(found, Rejection)
        assert found.code == "invalid_field"

    def test_no_text_in_a_message(self) -> None:
        """What a record says may be a secret."""
        found = read_change("sessions", {"id": "s", "created_at": "hunter2"})
        assert isinstance(found, Rejection)
        assert found.message == "created_at must be an integer, not a text"


class TestDeletes:
    def test_a_tombstone(self) -> None:
        payload = {"table": "sessions", "id": "s", **STAMPED, "purge": True}
        assert read_delete(payload) == Delete("sessions", "s", STAMP, purge=True)
        assert read_delete({"table": "tools", "id": "t"}) == Delete("tools", "t", None, purge=False)

    @pytest.mark.parametrize(
        ("payload", "code"),
        [
            ("x", "invalid_record"),
            ({"id": "s"}, "unknown_table"),
            ({"table": "tokens", "id": "s"}, "unknown_table"),
            ({"table": ["sessions"], "id": "s"}, "unknown_table"),
            ({"table": "sessions"}, "missing_field"),
            ({"table": "sessions", "id": "s", "purge": "yes"}, "invalid_field"),
            ({"table": "sessions", "id": "s", "changed_at": "x"}, "invalid_field"),
        ],
    )
    def test_refused(self, payload: Any, code: str) -> None:
        found = read_delete(payload)
        assert isinstance(found, Rejection)
        assert found.code == code


@pytest.mark.parametrize(
    "value",
    [None, 5, [], [1], [1, "a", 2], ["1", "a"], [-1, "a"], [1, 2], [True, "a"], [1, "a" * 129]],
)
def test_a_mark_is_two(value: Any) -> None:
    """A revision and a text."""
    with pytest.raises(ValueError, match="a mark is"):
        read_mark(value)
    assert read_mark([7, "ab"]) == (7, "ab")
