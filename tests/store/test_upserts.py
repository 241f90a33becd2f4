"""The one upsert rule for every column of the five tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clankers.errors import StoreError
from clankers.models import Compaction, Message, Session, SessionError, ToolCall
from clankers.store import Store
from clankers.testing import make_message, make_session, make_tool, make_usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

    Undone = Callable[[], AbstractContextManager[None]]
    Rows = list[tuple[Any, ...]]

Record = Session | Message | ToolCall | SessionError | Compaction
Row = dict[str, Any]
TABLES: dict[type[Any], str] = {
    Session: "sessions",
    Message: "messages",
    ToolCall: "tools",
    SessionError: "session_errors",
    Compaction: "compaction_events",
}
TOKENS_AND_COST = {
    "prompt_tokens",
    "completion_tokens",
    "cost",
    "tokens_before",
    "tokens_after",
}
LATEST_TIMES = {"updated_at", "ended_at", "completed_at"}


class Model:
    """What the five tables hold after some upserts, by the words of the data model alone."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.tables: dict[str, dict[str, Row]] = {name: {} for name in TABLES.values()}

    def upsert(self, record: Record) -> None:
        row = attrs.asdict(record)
        sessions = self.tables["sessions"]
        if isinstance(record, Session):
            row["origin_device"] = row["origin_device"] or self.device
            row["placeholder"] = 0
        elif record.session_id not in sessions:
            sessions[record.session_id] = self.placeholder(record)
        table = self.tables[TABLES[type(record)]]
        table[record.id] = merged(table[record.id], row) if record.id in table else row

    def placeholder(self, child: Message | ToolCall | SessionError | Compaction) -> Row:
        nothing = dict.fromkeys(attrs.fields_dict(Session))
        source = child.source if isinstance(child, Message) else None
        known = {"id": child.session_id, "source": source, "origin_device": self.device}
        return {**nothing, **known, "placeholder": 1}


def merged(old: Row, new: Row) -> Row:
    was_placeholder = bool(old.get("placeholder"))
    found = {name: merged_value(name, old[name], new[name], was_placeholder) for name in new}
    return {**found, "placeholder": 0} if "placeholder" in new else found


def merged_value(name: str, old: Any, new: Any, was_placeholder: bool) -> Any:  # noqa: FBT001
    known = [value for value in (old, new) if value is not None]
    if name == "created_at":
        return min(known, default=None)
    if name in LATEST_TIMES:
        return max(known, default=None)
    if name == "origin_device":
        return old
    if not is_empty(name, new):
        return new
    return new if was_placeholder and old is None else old


def is_empty(name: str, value: Any) -> bool:
    if name in TOKENS_AND_COST:
        return value is None or value == 0
    return value is None or value == "" or (name == "title" and value == "Untitled Session")


VALUES: dict[str, SearchStrategy[Any]] = {
    "str": st.sampled_from(["", "a", "b"]),
    "int": st.integers(0, 3),
    "bool": st.booleans(),
    "float": st.sampled_from([0.0, 0.25, 1.5]),
}
NAMED: dict[str, SearchStrategy[Any]] = {
    "id": st.sampled_from(["s1", "s2", "s3"]),
    "session_id": st.sampled_from(["s1", "s2", "s3"]),
    "title": st.sampled_from(["", "Untitled Session", "a", "b", None]),
}


def records_of(kind: type[Any]) -> SearchStrategy[Any]:
    """Records with any of their fields given, absent or empty."""
    fields = {}
    for field in attrs.fields(kind):
        name, _, optional = str(field.type).partition(" | ")
        values = VALUES[name] if not optional else st.none() | VALUES[name]
        fields[field.name] = NAMED.get(field.name, values)
    return st.builds(kind, **fields)


KINDS = {kind: records_of(kind) for kind in TABLES}
# Of all kinds together, or of one kind, whose rows then meet more often.
ANY_RECORDS: SearchStrategy[list[Record]] = st.lists(st.one_of(*KINDS.values()), max_size=14)
ANY_RECORDS |= st.sampled_from(list(KINDS)).flatmap(lambda kind: st.lists(KINDS[kind], max_size=8))


def stored(store: Store) -> dict[str, dict[str, Row]]:
    """All rows of the five tables by id, without what is no part of a record."""
    found: dict[str, dict[str, Row]] = {}
    for kind, table in TABLES.items():
        names = [*attrs.fields_dict(kind), *(["placeholder"] if kind is Session else [])]
        rows = store.connection.execute(f"SELECT {', '.join(names)} FROM {table}")
        found[table] = {str(row[0]): dict(zip(names, row, strict=True)) for row in rows}
    return found


class TestAnySequence:
    @settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(records=ANY_RECORDS, together=st.integers(1, 14))
    def test_ends_as_the_rule_says(
        self, shared: Store, undone: Undone, records: list[Record], together: int
    ) -> None:
        """Partial records in any order, written singly or in bulk, merge column by column."""
        model = Model(shared.device_id)
        with undone():
            for start in range(0, len(records), together):
                # In bulk, a kind keeps its order; between kinds order makes no difference.
                group = records[start : start + together]
                shared.upsert_many(group)
                for record in in_written_order(group):
                    model.upsert(record)
            assert stored(shared) == model.tables

    @settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(records=ANY_RECORDS)
    def test_written_again_changes_no_row(
        self, shared: Store, undone: Undone, records: list[Record]
    ) -> None:
        """What was just written changes nothing, by the answer and by SQLite's own count."""
        with undone():
            for record in records:
                shared.upsert(record)
                before = shared.connection.total_changes()
                assert shared.upsert(record) is False
                assert shared.connection.total_changes() == before


def in_written_order(records: list[Record]) -> list[Record]:
    """Records by kind, the kinds in the order in which they first appear."""
    kinds = list(dict.fromkeys(type(record) for record in records))
    return sorted(records, key=lambda record: kinds.index(type(record)))


# What a column holds at first, what comes then, and what it holds in the end.
TEXT = [("a", "b", "b"), ("a", "", "a"), ("a", None, "a"), (None, "b", "b")]
NUMBER = [(1, 2, 2), (2, 1, 1), (1, None, 1), (None, 2, 2)]
PLAIN_NUMBER = [*NUMBER, (1, 0, 0)]
TOKENS = [*NUMBER, (1, 0, 1), (None, 0, None)]
TRUTH = [(1, 0, 0), (0, 1, 1), (1, None, 1)]
EARLIEST = [(1, 2, 1), (2, 1, 1), (1, None, 1), (None, 2, 2)]
LATEST = [(1, 2, 2), (2, 1, 2), (1, None, 1), (None, 2, 2)]
COLUMN_CASES: dict[type[Any], dict[str, list[tuple[Any, Any, Any]]]] = {
    Session: {
        "created_at": EARLIEST,
        "updated_at": LATEST,
        "ended_at": LATEST,
        "source": TEXT,
        "status": TEXT,
        "title": [*TEXT, ("a", "Untitled Session", "a"), ("Untitled Session", "b", "b")],
        "project_path": TEXT,
        "project_name": TEXT,
        "model": TEXT,
        "provider": TEXT,
        "prompt_tokens": TOKENS,
        "completion_tokens": TOKENS,
        "cost": TOKENS,
        "message_count": PLAIN_NUMBER,
        "tool_call_count": PLAIN_NUMBER,
        "permission_mode": TEXT,
        "parent_id": TEXT,
        "relationship": TEXT,
        "origin_device": [("a", "b", "a"), ("a", None, "a")],
        "git_branch": TEXT,
        "agent_version": TEXT,
    },
    Message: {
        "session_id": [("s", "t", "t"), ("s", "", "s")],
        "created_at": EARLIEST,
        "completed_at": LATEST,
        "seq": PLAIN_NUMBER,
        "role": TEXT,
        "model": TEXT,
        "source": TEXT,
        "prompt_tokens": TOKENS,
        "completion_tokens": TOKENS,
        "duration_ms": PLAIN_NUMBER,
        "native_id": TEXT,
        "parent_native_id": TEXT,
        "is_sidechain": TRUTH,
        "text_content": TEXT,
        "thinking": TEXT,
        "content": TEXT,
    },
    ToolCall: {
        "session_id": [("s", "t", "t")],
        "created_at": EARLIEST[:2],
        "tool_name": TEXT[:2],
        "message_id": TEXT,
        "seq": PLAIN_NUMBER,
        "success": TRUTH,
        "duration_ms": PLAIN_NUMBER,
        "file_path": TEXT,
        "native_id": TEXT,
        "output_bytes": PLAIN_NUMBER,
        "child_session_id": TEXT,
        "error_message": TEXT,
        "tool_input": TEXT,
        "tool_output": TEXT,
    },
    SessionError: {
        "session_id": [("s", "t", "t")],
        "created_at": EARLIEST[:2],
        "error_type": TEXT,
        "error_message": TEXT,
    },
    Compaction: {
        "session_id": [("s", "t", "t")],
        "created_at": EARLIEST[:2],
        "tokens_before": TOKENS,
        "tokens_after": TOKENS,
        "messages_before": PLAIN_NUMBER,
        "messages_after": PLAIN_NUMBER,
    },
}


class TestEveryColumn:
    @pytest.mark.parametrize("kind", TABLES)
    def test_has_cases(self, kind: type[Any]) -> None:
        """A column that is added must say how it merges."""
        assert set(COLUMN_CASES[kind]) == set(attrs.fields_dict(kind)) - {"id"}

    @pytest.mark.parametrize(
        ("kind", "column"),
        [(kind, column) for kind, columns in COLUMN_CASES.items() for column in columns],
    )
    def test_merges_as_the_rule_says(
        self, shared: Store, undone: Undone, kind: type[Any], column: str
    ) -> None:
        """Absent and empty keep what is stored, the rest replaces it; times go their own way."""
        given: dict[str, Any] = {} if kind is Session else {"session_id": "s"}
        if kind not in {Session, Message}:
            given["created_at"] = 1
        for first, second, found in COLUMN_CASES[kind][column]:
            with undone():
                shared.upsert(kind(**{"id": "x", **given, column: first}))
                changed = shared.upsert(kind(**{"id": "x", **given, column: second}))
                assert stored(shared)[TABLES[kind]]["x"][column] == found
                assert changed == (first != found)


class TestRule:
    def test_answers_how_many_rows_changed(self, store: Store) -> None:
        """A new row and a changed one count, one that stays does not."""
        store.upsert_many([make_session(1), make_session(2)])
        assert (
            store.upsert_many([make_session(1), make_session(2, title="x"), make_session(3)]) == 2
        )

    def test_order_of_a_batch_counts(self, store: Store) -> None:
        """Of two values for one field the later one stays, in one call too."""
        store.upsert_many([make_session(model="a"), make_session(model="b")])
        assert store.session("session-1").model == "b"

    def test_more_records_than_are_written_together(self, store: Store) -> None:
        """A long iterable of mixed kinds arrives whole, children before their session too."""
        records: list[Record] = [make_message(number) for number in range(2_500)]
        assert store.upsert_many(iter([*records, make_session()])) == 2_501
        assert sum(1 for _message in store.messages("session-1")) == 2_500

    def test_nothing_stays_of_a_call_that_fails(self, store: Store) -> None:
        """All records of a call are written or none."""
        records: list[Any] = [make_session(), make_message(), make_tool(created_at=None)]
        with pytest.raises(StoreError, match="NOT NULL"):
            store.upsert_many(records)
        assert list(store.sessions()) == []

    def test_false_is_a_value(self, store: Store) -> None:
        """A call that failed after it seemed to succeed has failed."""
        store.upsert(make_tool(success=True))
        store.upsert(make_tool(success=False))
        assert [tool.success for tool in store.tools()] == [False]

    def test_says_what_is_no_record(self, store: Store) -> None:
        with pytest.raises(TypeError, match="dict is no record"):
            store.upsert({"id": "s1"})  # type: ignore[arg-type]

    def test_leaves_the_records_alone(self, store: Store, tmp_path: Path) -> None:
        """A record written to two stores gets the device of each."""
        session, usage = make_session(), make_usage()
        with Store.open(tmp_path / "other.db") as other:
            store.upsert_many([session, usage])
            other.upsert_many([session, usage])
            assert other.session("session-1").origin_device == other.device_id
            assert next(other.usage("session-1")).origin_device == other.device_id
        assert session == make_session()
        assert usage == make_usage()

    def test_half_a_character_is_replaced(self, store: Store) -> None:
        """JSON may escape half of a UTF-16 pair; that costs its character and nothing else."""
        store.upsert_many([make_message(1), make_message(2, text_content="a\ud800b \ud83d\ude00")])
        assert [one.text_content for one in store.messages("session-1")] == [
            "Text of message 1",
            "a\ufffdb \U0001f600",
        ]


class TestPlaceholder:
    def test_stands_for_a_session_that_has_not_come(
        self, store: Store, ask: Callable[..., Rows]
    ) -> None:
        """It has id and source alone, and is no session that anybody sees."""
        store.upsert(make_message(source="codex"))
        columns = "id, source, origin_device, placeholder, created_at, title, prompt_tokens"
        assert ask(f"SELECT {columns} FROM sessions") == [
            ("session-1", "codex", store.device_id, 1, None, None, None)
        ]
        assert list(store.sessions()) == []

    def test_is_a_session_once_it_is_named(self, store: Store) -> None:
        """What comes first after its messages counts as its insert, defaults included."""
        store.upsert(make_message())
        store.upsert(Session("session-1", title="Untitled Session", prompt_tokens=0, cost=0.0))
        assert [
            (one.title, one.prompt_tokens, one.cost, one.created_at, one.source)
            for one in store.sessions()
        ] == [("Untitled Session", 0, 0.0, None, "claude-code")]

    def test_naming_it_may_say_nothing_else(self, store: Store) -> None:
        """An id alone is enough to make it a session."""
        store.upsert(make_message())
        assert store.upsert(Session("session-1")) is True
        assert store.upsert(Session("session-1")) is False
        assert [one.id for one in store.sessions()] == ["session-1"]

    def test_naming_it_loses_nothing_that_was_known(self, store: Store) -> None:
        """Parent and relationship that a mention told stay; so does the device."""
        with store.atomic():
            store.mention([Session("child", parent_id="session-1", relationship="subagent")])
        assert list(store.sessions()) == []
        store.upsert(Session("child", title="Work", origin_device="elsewhere"))
        found = store.session("child")
        assert (found.parent_id, found.relationship) == ("session-1", "subagent")
        assert found.origin_device == store.device_id

    def test_a_mention_changes_no_known_parent(self, store: Store) -> None:
        """The session's own word on its parent stands."""
        store.upsert(make_session(parent_id="a", relationship="fork"))
        with store.atomic():
            store.mention([Session("session-1", parent_id="b", relationship="subagent")])
        found = store.session("session-1")
        assert (found.parent_id, found.relationship) == ("a", "fork")

    def test_a_mention_of_a_parent_alone_keeps_the_relationship(self, store: Store) -> None:
        store.upsert(make_session(relationship="fork"))
        with store.atomic():
            store.mention([Session("session-1", parent_id="b")])
        found = store.session("session-1")
        assert (found.parent_id, found.relationship) == ("b", "fork")

    def test_source_is_the_first_that_is_said(self, store: Store) -> None:
        """Placeholders made in bulk take the source of their first message."""
        store.upsert_many([make_message(1, source="codex"), make_message(2, source=None)])
        with store.atomic():
            store.add_placeholders(["other"], source="gemini")
        rows = store.connection.execute("SELECT id, source FROM sessions ORDER BY id").fetchall()
        assert rows == [("other", "gemini"), ("session-1", "codex")]
