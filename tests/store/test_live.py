"""What plugins report, and how it becomes one with what transcripts tell."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clankers.models import Compaction, Message, Session, SessionError, ToolCall, Usage
from clankers.store import Store
from clankers.usage import price_usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

NOW = 1_793_613_600_000


def session(**fields: Any) -> Session:
    return Session(**{"id": "s", "created_at": NOW, "source": "claude-code", **fields})


def prompt(id: str = "s-user-1", text: str = "hello", at: int = NOW, **fields: Any) -> Message:  # noqa: A002
    return Message(id, "s", at, role="user", text_content=text, **fields)


def told(native: str, text: str, at: int = NOW, **fields: Any) -> Message:
    """A message as an import stores it."""
    message = prompt(f"s:{native}", text, at, native_id=native)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def imported(store: Store, *records: Any) -> None:
    with store.atomic():
        store.upsert_many(records)
        store.meet({"s"})
        store.refresh({"s"})


def texts(store: Store) -> dict[str, str | None]:
    return {one.id: one.text_content for one in store.messages("s")}


def rows(store: Store) -> list[tuple[Any, ...]]:
    """All rows, without their place in the file and the time of the test."""
    found: list[tuple[Any, ...]] = []
    for table in ("sessions", "messages", "tools", "session_errors", "compaction_events", "usage"):
        names = [
            str(name)
            for (name,) in store.connection.execute(
                "SELECT name FROM pragma_table_info(?)", (table,)
            )
            if name not in {"n", "origin_device"}
        ]
        query = f"SELECT '{table}', {', '.join(names)} FROM {table} ORDER BY id"
        found += store.connection.execute(query).fetchall()
    return found


class TestInserting:
    def test_a_new_session(self, store: Store) -> None:
        """Has a title and totals, which count as absent later."""
        store.upsert_live([session()])
        found = store.session("s")
        assert (found.title, found.prompt_tokens, found.cost) == ("Untitled Session", 0, 0.0)
        store.upsert_live([session(title="Named")])
        store.upsert_live([session()])
        assert store.session("s").title == "Named"

    def test_before_its_session(self, store: Store) -> None:
        """A placeholder stands in, and takes the first upsert as its insert."""
        store.upsert_live([ToolCall("s-t1", "s", NOW, "Bash")])
        assert store.connection.execute(
            "SELECT placeholder, created_at FROM sessions"
        ).fetchall() == [(1, None)]
        store.upsert_live([session(created_at=NOW + 5)])
        assert store.connection.execute(
            "SELECT placeholder, created_at FROM sessions"
        ).fetchall() == [(0, NOW + 5)]


class TestNumberedIds:
    def test_a_number_that_begins_anew(self, store: Store) -> None:
        """Each distinct text is a message of its own."""
        for text in ("first", "second", "third", "second"):
            store.upsert_live([prompt(text=text)])
        assert texts(store) == {
            "s-user-1": "first",
            "s-user-1#2": "second",
            "s-user-1#3": "third",
        }

    @pytest.mark.parametrize("order", list(itertools.permutations(["He", "Hello", "Hello you"])))
    def test_one_that_grows(self, store: Store, order: Iterable[str]) -> None:
        """A text that goes on is the same message, in whichever order it comes."""
        for text in order:
            store.upsert_live([prompt(text=text)])
        assert texts(store) == {"s-user-1": "Hello you"}

    def test_a_shorter_one(self, store: Store) -> None:
        """Late it is the same message; minutes later it is another prompt."""
        store.upsert_live([prompt(text="yes, do it"), prompt(text="yes", at=NOW + 120_000)])
        assert texts(store) == {"s-user-1": "yes, do it"}
        store.upsert_live([prompt(text="yes", at=NOW + 120_001)])
        assert texts(store) == {"s-user-1": "yes, do it", "s-user-1#2": "yes"}

    def test_without_a_role(self, store: Store) -> None:
        """The id says it."""
        store.upsert_live([prompt(text="first")])
        store.upsert_live([Message("s-user-1", "s", NOW, text_content="second")])
        assert texts(store) == {"s-user-1": "first", "s-user-1#2": "second"}

    def test_after_one_has_met(self, store: Store) -> None:
        """A number that another text has is not given again."""
        for text in ("first", "second", "third"):
            store.upsert_live([prompt(text=text)])
        imported(store, told("u1", "first"))
        store.upsert_live([prompt(text="fourth")])
        assert sorted(filter(None, texts(store).values())) == ["first", "fourth", "second", "third"]

    def test_the_callers_records(self, store: Store) -> None:
        """Stay as they are."""
        given = [session(), prompt(text="first"), prompt(text="second")]
        store.upsert_live(given)
        assert given == [session(), prompt(text="first"), prompt(text="second")]

    def test_other_ids(self, store: Store) -> None:
        """An id that is no such number is one message, whose text is replaced."""
        for text in ("first", "second"):
            store.upsert_live([prompt("msg_1", text)])
        assert texts(store) == {"msg_1": "second"}

    def test_within_one_batch(self, store: Store) -> None:
        """Together as one after the other."""
        store.upsert_live([prompt(text="first"), prompt(text="second"), prompt(text="first!")])
        assert texts(store) == {"s-user-1": "first!", "s-user-1#2": "second"}


class TestMeeting:
    @pytest.mark.parametrize("live_first", [True, False])
    def test_a_message(self, store: Store, live_first: bool) -> None:  # noqa: FBT001
        """One row is left, the transcript's, with what only the plugin knew."""
        live = [prompt(text=" hello ", at=NOW + 90_000, duration_ms=7)]
        transcript = [told("u1", "hello", model="m")]
        if live_first:
            store.upsert_live(live)
            imported(store, *transcript)
        else:
            imported(store, *transcript)
            store.upsert_live(live)
        (found,) = store.messages("s")
        assert (found.id, found.text_content, found.created_at) == ("s:u1", "hello", NOW)
        assert (found.duration_ms, found.model) == (7, "m")

    @pytest.mark.parametrize(
        ("live", "kept"),
        [
            (prompt(text="hello", at=NOW + 120_001), 2),
            (prompt(text="hello there"), 2),
            (Message("s-assistant-1", "s", NOW, role="assistant", text_content="hello"), 2),
            (prompt(text="hello", at=NOW - 120_000), 1),
        ],
    )
    def test_what_is_the_same(self, store: Store, live: Message, kept: int) -> None:
        """Role, text and two minutes."""
        imported(store, told("u1", "hello"))
        store.upsert_live([live])
        assert len(list(store.messages("s"))) == kept

    @pytest.mark.parametrize("live_first", [True, False])
    @pytest.mark.parametrize("text", [None, "Hel", "Hello"])
    def test_an_agents_own_id(self, store: Store, live_first: bool, text: str | None) -> None:  # noqa: FBT001
        """As OpenCode's plugin sends it: the same message, whatever of it is there."""
        live = Message("m1", "s", NOW + 999_999, role="assistant", text_content=text, duration_ms=7)
        store.upsert(session())
        if live_first:
            store.upsert_live([live])
            imported(store, told("m1", "Hello", role="assistant"))
        else:
            imported(store, told("m1", "Hello", role="assistant"))
            store.upsert_live([live])
        (found,) = store.messages("s")
        assert (found.id, found.text_content, found.duration_ms) == ("s:m1", "Hello", 7)

    @pytest.mark.parametrize("live_first", [True, False])
    def test_what_points_to_a_message(self, store: Store, live_first: bool) -> None:  # noqa: FBT001
        """Its calls and its estimate go along, and the next of that number has its own."""
        live = [
            prompt(text="hello", prompt_tokens=10),
            ToolCall("s-t1", "s", NOW, "Bash", message_id="s-user-1"),
        ]
        transcript = told("u1", "hello")
        store.upsert_live([session()])
        if live_first:
            store.upsert_live(live)
            imported(store, transcript)
        else:
            imported(store, transcript)
            store.upsert_live(live[1:])
            store.upsert_live(live[:1])
        store.upsert_live([prompt(text="more", prompt_tokens=3)])
        (tool,) = store.tools("s")
        assert tool.message_id == "s:u1"
        query = "SELECT id, message_id, input_tokens FROM usage ORDER BY id"
        assert store.connection.execute(query).fetchall() == [
            ("rpc:s-user-1", "s-user-1", 3),
            ("rpc:s:u1", "s:u1", 10),
        ]
        assert store.session("s").prompt_tokens == 13

    def test_a_session(self, store: Store) -> None:
        """What its transcript told stays; what that does not know is taken."""
        imported(store, session(project_path="/home/ada/x", project_name="x"), told("u1", "hello"))
        store.upsert_live(
            [session(project_path="/home/ada/x/sub", project_name="sub", model="m", ended_at=NOW)]
        )
        found = store.session("s")
        assert (found.project_path, found.project_name) == ("/home/ada/x", "x")
        assert (found.model, found.ended_at) == ("m", NOW)

    def test_two_of_one_text(self, store: Store) -> None:
        """Said twice, they are two."""
        imported(store, told("u1", "go on"), told("u2", "go on", NOW + 60_000))
        store.upsert_live([prompt("s-user-1", "go on", NOW + 1_000)])
        store.upsert_live([prompt("s-user-2", "go on", NOW + 61_000)])
        assert texts(store) == {"s:u1": "go on", "s:u2": "go on"}

    @pytest.mark.parametrize(
        "live_id", ["s-toolu_1", "s-bash-toolu_1", "s-my-tool-toolu_1", "s:toolu_1"]
    )
    @pytest.mark.parametrize("live_first", [True, False])
    def test_a_tool_call(self, store: Store, live_id: str, live_first: bool) -> None:  # noqa: FBT001
        """Claude Code's and OpenCode's ids for one call mean the transcript's."""
        live = [ToolCall(live_id, "s", NOW, "bash", success=True, duration_ms=12)]
        transcript = ToolCall("s:toolu_1", "s", NOW, "bash", native_id="toolu_1", tool_output='"x"')
        store.upsert(session())
        if live_first:
            store.upsert_live(live)
            imported(store, transcript)
        else:
            imported(store, transcript)
            store.upsert_live(live)
        (found,) = store.tools("s")
        assert (found.id, found.tool_output) == ("s:toolu_1", '"x"')
        assert (found.success, found.duration_ms) == (True, 12)
        assert store.session("s").tool_call_count == 1

    def test_another_session(self, store: Store) -> None:
        """The same call id in a fork is another call."""
        imported(store, ToolCall("s:toolu_1", "s", NOW, "bash", native_id="toolu_1"))
        store.upsert_live([ToolCall("t-toolu_1", "t", NOW, "bash")])
        assert [one.id for one in store.tools("t")] == ["t-toolu_1"]

    @pytest.mark.parametrize("live_first", [True, False])
    def test_of_a_subagent(self, store: Store, live_first: bool) -> None:  # noqa: FBT001
        """A plugin says the parent's id; the call is the subagent's, and no second one."""
        child = session(id="s:agent-a", parent_id="s", relationship="subagent")
        own = ToolCall("s:toolu_1", "s", NOW, "Task", native_id="toolu_1")
        call = ToolCall("s:agent-a:toolu_2", "s:agent-a", NOW, "bash", native_id="toolu_2")
        live = [ToolCall("s-toolu_2", "s", NOW, "bash", duration_ms=12)]
        imported(store, session(), own)
        if live_first:
            store.upsert_live(live)
            assert store.session("s").tool_call_count == 2
        with store.atomic():
            store.upsert_many([child, call])
            store.refresh({"s:agent-a"} | store.meet({"s:agent-a"}))
        if not live_first:
            store.upsert_live(live)
        assert [one.id for one in store.tools("s")] == ["s:toolu_1"]
        (found,) = store.tools("s:agent-a")
        assert (found.id, found.duration_ms) == ("s:agent-a:toolu_2", 12)
        counts = [store.session(one).tool_call_count for one in ("s", "s:agent-a")]
        assert counts == [1, 1]


class TestEstimates:
    def usage(self, store: Store) -> list[tuple[Any, ...]]:
        query = "SELECT id, input_tokens, output_tokens, cost, estimated FROM usage ORDER BY id"
        return store.connection.execute(query).fetchall()

    def test_of_messages(self, store: Store) -> None:
        """Each message that says tokens is a row; the session is their sum."""
        store.upsert_live([session(prompt_tokens=900, cost=1.5)])
        assert self.usage(store) == [("rpc:s", 900, 0, 1_500_000, 1)]
        store.upsert_live([prompt(prompt_tokens=10, completion_tokens=2)])
        store.upsert_live([prompt("s-user-2", "more", prompt_tokens=5)])
        assert self.usage(store) == [
            ("rpc:s-user-1", 10, 2, None, 1),
            ("rpc:s-user-2", 5, 0, None, 1),
        ]
        assert store.session("s").prompt_tokens == 15
        store.upsert_live([prompt(prompt_tokens=7)])
        assert self.usage(store)[0] == ("rpc:s-user-1", 7, 2, None, 1)

    def test_a_cost_that_was_reported(self, store: Store) -> None:
        """Is still there when usage is priced anew."""
        store.upsert_live([session(prompt_tokens=900)])
        store.upsert_live([session(cost=1.5, model="m", provider="p")])
        query = "SELECT cost, cost_source, cost_reported FROM usage"
        assert store.connection.execute(query).fetchall() == [(1_500_000, "reported", 1_500_000)]
        price_usage(store)
        assert store.connection.execute(query).fetchall() == [(1_500_000, "reported", 1_500_000)]

    def test_what_is_measured_counts(self, store: Store) -> None:
        """An estimate stays and counts in no total."""
        store.upsert_live([session(prompt_tokens=900), prompt(prompt_tokens=10)])
        imported(store, Usage("claude-code:m:r", "s", NOW, output_tokens=3))
        store.upsert_live([session(prompt_tokens=1_000)])
        found = store.session("s")
        assert (found.prompt_tokens, found.completion_tokens) == (0, 3)
        assert {row[0] for row in self.usage(store)} == {"claude-code:m:r", "rpc:s-user-1"}


EVENTS: list[Any] = [
    lambda: session(title="Spike", model="m"),
    lambda: session(updated_at=NOW + 9, prompt_tokens=50),
    lambda: prompt(text="hel"),
    lambda: prompt(text="hello", prompt_tokens=4),
    lambda: Message("s-assistant-1", "s", NOW + 1, role="assistant", text_content="hi"),
    lambda: ToolCall("s-t1", "s", NOW + 2, "Bash", tool_input="{}"),
    lambda: ToolCall("s-t1", "s", NOW + 3, "Bash", success=True, tool_output='"x"'),
    lambda: SessionError("e1", "s", NOW + 4, "rate_limit", "slow down"),
    lambda: Compaction("c1", "s", NOW + 5, 100, 10),
]


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(order=st.permutations(range(len(EVENTS))), cuts=st.lists(st.integers(1, 8), max_size=3))
def test_every_order_is_the_same(tmp_path: Path, order: list[int], cuts: list[int]) -> None:
    """Events that do not contradict each other end in the same rows, however they come."""

    def stored(name: str, batches: list[list[Callable[[], Any]]]) -> list[tuple[Any, ...]]:
        path = tmp_path / name
        path.unlink(missing_ok=True)
        with Store.open(path) as store:
            for batch in batches:
                store.upsert_live([event() for event in batch])
            return rows(store)

    straight = stored("straight.db", [[event] for event in EVENTS])
    ends = [0, *sorted(set(cuts)), len(order)]
    batches = [
        [EVENTS[place] for place in order[begin:end]] for begin, end in itertools.pairwise(ends)
    ]
    assert stored("mixed.db", batches) == straight


def test_each_order_of_one_of_each_kind(tmp_path: Path) -> None:
    """All hundred and twenty of them."""
    kinds = [0, 3, 6, 7, 8]
    found = []
    with Store.open(tmp_path / "clankers.db") as store:
        for order in itertools.permutations(kinds):
            with suppress(_UndoneError), store.atomic():
                for place in order:
                    store.upsert_live([EVENTS[place]()])
                found.append(rows(store))
                raise _UndoneError
    assert len(found) == 120
    assert all(one == found[0] for one in found)
    assert len(found[0]) == 6  # one row of each kind, and an estimate


class _UndoneError(Exception):
    """Takes back what a test has written."""


def test_of_contradicting_ones_the_last_wins(store: Store) -> None:
    """As any upsert does."""
    store.upsert_live([ToolCall("s-t1", "s", NOW, "Bash", success=False)])
    store.upsert_live([ToolCall("s-t1", "s", NOW, "Bash", success=True)])
    (found,) = store.tools("s")
    assert found.success is True
