"""One row per response, whatever tells of it and in whatever order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clankers.models import Session, Usage
from clankers.testing import make_message, make_session, make_tool, make_usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from clankers.store import Store

    Undone = Callable[[], AbstractContextManager[None]]

# When the sessions began; nobody knows of the last one.
BEGAN = {"s1": 10, "s2": 20, "s3": 20, "s4": None}


class Reading(NamedTuple):
    """One telling of a response. Readings of one response with equal output say the same."""

    id: str
    session_id: str
    output: int
    estimated: bool = False
    is_sidechain: bool = False

    def record(self, *, dated: bool = True) -> Usage:
        return Usage(
            self.id,
            self.session_id,
            session_at=BEGAN[self.session_id] if dated else None,
            message_id=f"{self.session_id}:m",
            source="claude-code",
            input_tokens=100 * self.output + self.estimated,
            output_tokens=self.output,
            is_sidechain=self.is_sidechain,
            estimated=self.estimated,
        )


class Response(NamedTuple):
    """What is stored of a response."""

    id: str
    session_id: str
    session_at: int | None
    message_id: str
    input_tokens: int
    output_tokens: int
    is_sidechain: bool
    estimated: bool


def expected(readings: list[Reading]) -> list[Response]:
    """The responses that these readings tell of, whatever their order."""
    groups: dict[str, list[Reading]] = {}
    for reading in readings:
        groups.setdefault(response_of(reading, readings), []).append(reading)
    found = []
    for shared, group in groups.items():
        best = max(group, key=lambda one: (not one.estimated, one.output))
        owner = min((one.session_id for one in group), key=by_beginning)
        found.append(
            Response(
                shared,
                owner,
                BEGAN[owner],
                f"{owner}:m",
                100 * best.output + best.estimated,
                best.output,
                any(one.is_sidechain for one in group),
                best.estimated,
            )
        )
    return sorted(found)


def by_beginning(session_id: str) -> tuple[bool, int, str]:
    at = BEGAN[session_id]
    return at is None, at or 0, session_id


def response_of(reading: Reading, readings: list[Reading]) -> str:
    """The id its response has: its own, or the smallest of the message's where it is shared."""
    message, _, request = reading.id.rpartition(":")
    if not message.startswith("claude-code:"):
        return reading.id
    siblings = [one for one in readings if one.id.rpartition(":")[0] == message]
    if any(one.is_sidechain for one in siblings):
        return min(one.id for one in siblings)
    return f"{message}:{request}"


SESSIONS = [Session(name, created_at=at) for name, at in BEGAN.items()]
SESSION_IDS = st.sampled_from(sorted(BEGAN))
OUTPUTS = st.integers(0, 3)
ESTIMATES = st.builds(
    Reading, st.sampled_from(["codex:a:1", "rpc:b"]), SESSION_IDS, OUTPUTS, st.booleans()
)
CHAINS = st.builds(
    Reading,
    st.sampled_from(
        [f"claude-code:{tail}" for tail in ("m:r1", "m:r2", "m:-", "m:x:r1", "n:r1", "n:r2")]
    ),
    SESSION_IDS,
    OUTPUTS,
    st.just(False),
    st.booleans(),
)


def responses(store: Store) -> list[Response]:
    rows = store.connection.execute(f"SELECT {', '.join(Response._fields)} FROM usage")
    return sorted(Response(*row) for row in rows)


class TestAnyOrder:
    @settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        readings=st.lists(ESTIMATES | CHAINS, max_size=10),
        together=st.integers(1, 10),
        dated=st.booleans(),
    )
    def test_makes_the_same_rows_and_totals(
        self,
        shared: Store,
        undone: Undone,
        *,
        readings: list[Reading],
        together: int,
        dated: bool,
    ) -> None:
        """Measured beats estimated, then the greater output; the earliest session owns it.

        A reading on a sidechain is one with every other of its message. All that holds
        whether the records say when their session began or leave it to the store. The
        totals of a session are sums over what it owns in the end.
        """
        with undone():
            shared.upsert_many(SESSIONS)
            for start in range(0, len(readings), together):
                group = readings[start : start + together]
                shared.upsert_many([one.record(dated=dated) for one in group])
            stored = expected(readings)
            assert responses(shared) == stored
            assert {one.id: one.completion_tokens or 0 for one in shared.sessions()} == sums(stored)

    @settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(readings=st.lists(ESTIMATES | CHAINS, max_size=6))
    def test_read_again_changes_nothing(
        self, shared: Store, undone: Undone, readings: list[Reading]
    ) -> None:
        """The same readings once more write no row, not even with the same values."""
        records = [one.record() for one in readings]
        with undone():
            shared.upsert_many([*SESSIONS, *records])
            before = shared.connection.total_changes()
            assert shared.upsert_many(records) == 0
            assert shared.connection.total_changes() == before


def sums(stored: list[Response]) -> dict[str, int]:
    """Output by session, of its measured responses where it has any."""
    found = {}
    for session_id in BEGAN:
        own = [one for one in stored if one.session_id == session_id]
        measured = [one for one in own if not one.estimated]
        found[session_id] = sum(one.output_tokens for one in measured or own)
    return found


class TestMerge:
    def test_equal_output_replaces_only_when_the_importer_improved(self, store: Store) -> None:
        """A newer importer's word on the same output stands, and is no change the next time."""
        better = make_usage(model="claude-opus-4-5")
        store.upsert(make_usage())
        with store.atomic():
            store.write_usage([better])
            assert next(store.usage("session-1")).model == "claude-sonnet-4-5"
            store.write_usage([better], improved=True)
            assert next(store.usage("session-1")).model == "claude-opus-4-5"
            before = store.connection.total_changes()
            store.write_usage([better], improved=True)
            assert store.connection.total_changes() == before

    def test_smaller_output_never_replaces(self, store: Store) -> None:
        """An improved importer that saw less of a streamed response loses."""
        store.upsert(make_usage(output_tokens=100))
        with store.atomic():
            store.write_usage([make_usage(output_tokens=99, model="x")], improved=True)
        assert [(one.output_tokens, one.model) for one in store.usage("session-1")] == [
            (100, "claude-sonnet-4-5")
        ]

    def test_answers_every_session_that_may_change(self, store: Store) -> None:
        """The one that loses a response is among them, and so is one that loses a sidechain."""
        store.upsert_many([make_session(1), make_session(2), make_session(3)])
        with store.atomic():
            store.write_usage([make_usage(7, session_id="session-3")])
            assert store.write_usage([make_usage(7, session_id="session-2")]) == {
                "session-2",
                "session-3",
            }
            aside = make_usage(id="claude-code:response-7:-", is_sidechain=True)
            assert store.write_usage([aside]) == {"session-1", "session-2"}

    def test_a_late_sidechain_joins_what_was_apart(self, store: Store) -> None:
        """Two requests of one message, of two sessions, become one; both totals follow."""
        store.upsert_many([make_session(1), make_session(2)])
        store.upsert_many(
            [
                make_usage(1, id="claude-code:m:-", session_id="session-2", output_tokens=1),
                make_usage(1, id="claude-code:m:r1", output_tokens=2),
            ]
        )
        assert {key: tokens for key, (_in, tokens, _cost) in totals(store).items()} == {
            "session-1": 2,
            "session-2": 1,
        }
        store.upsert(make_usage(1, id="claude-code:m:r1", output_tokens=2, is_sidechain=True))
        assert [one.id for one in store.usage("session-1")] == ["claude-code:m:-"]
        assert {key: tokens for key, (_in, tokens, _cost) in totals(store).items()} == {
            "session-1": 2,
            "session-2": 0,
        }

    def test_a_message_is_no_other_that_begins_alike(self, store: Store) -> None:
        """Sidechains join by the whole message id, of Claude Code alone."""
        ids = ["claude-code:a:r1", "claude-code:a:b:r2", "codex:a:1", "codex:a:2"]
        store.upsert_many([make_usage(id=one, is_sidechain=True) for one in ids])
        assert sorted(one.id for one in store.usage("session-1")) == sorted(ids)


class TestRefresh:
    def test_a_response_moves_to_an_earlier_session(self, store: Store) -> None:
        """It enters the totals of the earlier and leaves those of the later, to the last one."""
        store.upsert_many([make_session(2), make_usage(1, session_id="session-2")])
        assert totals(store) == {"session-2": (1_110, 100, 0.002345)}
        store.upsert_many([make_session(1), make_usage(1)])
        assert totals(store) == {
            "session-1": (1_110, 100, 0.002345),
            "session-2": (0, 0, None),
        }

    def test_a_copy_that_comes_second_leaves_the_same_totals(self, store: Store) -> None:
        """The other order of the two sessions ends alike."""
        store.upsert_many([make_session(1), make_usage(1)])
        store.upsert_many([make_session(2), make_usage(1, session_id="session-2")])
        assert totals(store) == {
            "session-1": (1_110, 100, 0.002345),
            "session-2": (0, 0, None),
        }

    def test_counts_the_rows_of_a_session(self, store: Store) -> None:
        """Messages and tool calls are counted; where there are none, what was said stands."""
        store.upsert_many(
            [make_session(1), make_message(1), make_message(2), make_tool(1), make_session(2)]
        )
        store.upsert(make_session(2, message_count=7))
        store.refresh(["session-1", "session-2", "never seen"])
        assert {one.id: (one.message_count, one.tool_call_count) for one in store.sessions()} == {
            "session-1": (2, 1),
            "session-2": (7, 0),
        }

    def test_estimates_count_until_something_is_measured(self, store: Store) -> None:
        """One measured response takes the place of all estimates of its session."""
        store.upsert_many([make_session(), estimate(1), estimate(2)])
        assert totals(store) == {"session-1": (20, 40, None)}
        assert [one.id for one in store.usage("session-1")] == ["rpc:1", "rpc:2"]
        store.upsert(make_usage(3))
        assert totals(store) == {"session-1": (1_110, 100, 0.002345)}
        assert [one.message_id for one in store.usage("session-1")] == ["session-1:message-3"]

    def test_a_cost_that_was_said_stands_against_estimates_without_one(self, store: Store) -> None:
        """Nobody else knows it; once responses are measured, an unknown price is unknown."""
        store.upsert_many([make_session(cost=1.5), estimate(1)])
        assert totals(store) == {"session-1": (10, 20, 1.5)}
        store.upsert(make_usage(2, cost=None))
        assert totals(store) == {"session-1": (1_110, 100, None)}

    def test_what_is_measured_stands_against_what_is_said(self, store: Store) -> None:
        """A plugin's totals are its own; the store knows better once it has usage."""
        store.upsert_many([make_session(), make_usage()])
        store.upsert(Session("session-1", prompt_tokens=5, completion_tokens=6, cost=7.0))
        assert totals(store) == {"session-1": (1_110, 100, 0.002345)}

    def test_usage_follows_when_a_session_began_earlier(self, store: Store) -> None:
        """session_at is the session's created_at; an unknown one takes nothing away."""
        store.upsert_many([make_session(created_at=500), make_usage(1)])
        store.upsert(make_session(created_at=400))
        assert [one.session_at for one in store.usage("session-1")] == [400]
        store.upsert(make_usage(2, session_id="unknown", session_at=300))
        with store.atomic():
            store.add_placeholders(["unknown"])
            store.refresh(["unknown"])
        assert [one.session_at for one in store.usage("unknown")] == [300]

    def test_claims_beyond_all_numbers_do_no_harm(self, store: Store) -> None:
        """Token counts that no sum can hold stop neither the import nor other sessions."""
        most = 2**63 - 1
        store.upsert_many(
            [
                make_session(),
                *(make_usage(n, input_tokens=most, output_tokens=most) for n in range(3)),
            ]
        )
        assert totals(store)["session-1"][:2] == (most, most)

    def test_writes_only_what_changes(self, store: Store) -> None:
        """A second refresh writes no row."""
        store.upsert_many([make_session(), make_message(), make_usage(), estimate(2)])
        store.refresh(["session-1"])
        before = store.connection.total_changes()
        store.refresh(["session-1"])
        assert store.connection.total_changes() == before


def estimate(number: int) -> Usage:
    return make_usage(
        number,
        id=f"rpc:{number}",
        estimated=True,
        input_tokens=10,
        cache_read_tokens=0,
        cache_write_5m_tokens=0,
        output_tokens=20,
        cost=None,
    )


def totals(store: Store) -> dict[str, tuple[int | None, int | None, float | None]]:
    return {
        one.id: (one.prompt_tokens, one.completion_tokens, one.cost) for one in store.sessions()
    }
