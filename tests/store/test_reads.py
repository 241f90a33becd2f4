"""Typed reads: what is found, in which order, and by which way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import apsw
import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clankers import models
from clankers.errors import UnknownSessionError
from clankers.models import Message, Session
from clankers.store._prefix import after_all_with
from clankers.store._schema import READ_COLUMNS
from clankers.testing import (
    make_attachment,
    make_compaction,
    make_error,
    make_message,
    make_session,
    make_tool,
    make_usage,
)

if TYPE_CHECKING:
    from clankers.store import Store
    from store.conftest import Undone

RECORDS = {
    "sessions": models.Session,
    "messages": models.Message,
    "tools": models.ToolCall,
    "session_errors": models.SessionError,
    "compaction_events": models.Compaction,
    "usage": models.Usage,
    "attachments": models.Attachment,
}


class TestColumns:
    @pytest.mark.parametrize("table", RECORDS)
    def test_a_row_becomes_a_record_by_position(self, store: Store, table: str) -> None:
        """The fields of a record are the columns read, in one order, and all of them exist."""
        fields = [field.name for field in attrs.fields(RECORDS[table])]
        assert fields == list(READ_COLUMNS[table])
        described = store.connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
        columns = [name for (name,) in described]
        ours = [name for name in columns if name not in {"n", "archived_at", "placeholder"}]
        assert ours == fields

    def test_what_is_written_is_read(self, store: Store) -> None:
        """A record comes back equal, device and time of its session filled in."""
        session, usage = make_session(origin_device="d"), make_usage(origin_device="d")
        records: list[Any] = [
            session,
            make_message(is_sidechain=False),
            make_message(2, is_sidechain=None),
            make_tool(success=None),
            make_error(),
            make_compaction(),
            usage,
            make_attachment(b"\x00\xff"),
        ]
        store.upsert_many(records)
        usage.session_at = session.created_at
        assert list(store.messages("session-1")) == records[1:3]
        assert list(store.tools("session-1")) == [records[3]]
        assert list(store.errors("session-1")) == [records[4]]
        assert list(store.compactions("session-1")) == [records[5]]
        assert list(store.usage("session-1")) == [usage]
        assert store.attachment(records[7].sha256) == records[7]
        assert store.attachment("0" * 64) is None

    def test_truth_is_bool(self, store: Store) -> None:
        """SQLite knows numbers only; a record says True and False."""
        store.upsert_many(
            [
                make_message(is_sidechain=True),
                make_tool(success=False),
                make_usage(1, is_sidechain=True),
                make_usage(2, estimated=True, session_id="other"),
            ]
        )
        assert [one.is_sidechain for one in store.messages("session-1")] == [True]
        values = [next(store.tools()).success]
        values += [next(store.usage("session-1")).is_sidechain]
        values += [next(store.usage("other")).estimated]
        assert all(type(value) is bool for value in values)

    def test_an_image_is_stored_once(self, store: Store) -> None:
        assert store.upsert(make_attachment()) is True
        assert store.upsert(make_attachment()) is False


class TestSession:
    @pytest.fixture(autouse=True)
    def sessions(self, store: Store) -> None:
        ids = ["abc", "abc-1", "abd-1", "x%", "x_y", "xay", "\U0010ffff\U0010ffff"]
        store.upsert_many([Session(one) for one in ids])
        store.upsert(make_message(session_id="unseen"))

    @pytest.mark.parametrize(
        ("given", "found"),
        [
            ("abc", "abc"),
            ("abc-", "abc-1"),
            ("abd", "abd-1"),
            ("x%", "x%"),
            ("x_", "x_y"),
            ("\U0010ffff", "\U0010ffff\U0010ffff"),
        ],
    )
    def test_by_id_or_its_beginning(self, store: Store, given: str, found: str) -> None:
        """An id is that id even where others begin so; signs of LIKE mean themselves."""
        assert store.session(given).id == found

    @pytest.mark.parametrize("given", ["", "nothing", "ABC", "a%", "unseen", "bc", "\udcff", "x\0"])
    def test_there_is_none(self, store: Store, given: str) -> None:
        """Neither the empty beginning of all nor a placeholder is a session."""
        with pytest.raises(UnknownSessionError, match="no session"):
            store.session(given)

    def test_there_are_several(self, store: Store) -> None:
        """The error names some of them, and says when there are more."""
        with pytest.raises(
            UnknownSessionError, match=r"'ab' begins more than one id: abc, abc-1, abd-1$"
        ):
            store.session("ab")
        store.upsert_many([Session(f"m{number}") for number in range(6)])
        with pytest.raises(UnknownSessionError, match=r"m0, m1, m2, m3, m4, \.\.\.$"):
            store.session("m")

    def test_subagents_stand_behind_their_session(self, store: Store) -> None:
        """The beginning of a session's id means it and not its subagents, which have longer ones."""
        children = [Session(f"5a3c-1:agent-{n}", parent_id="5a3c-1") for n in range(9)]
        store.upsert_many([Session("5a3c-1"), *children])

        assert store.session("5a3c").id == "5a3c-1"
        assert store.session("5a3c-1:agent-7").id == "5a3c-1:agent-7"
        with pytest.raises(UnknownSessionError, match="begins more than one id"):
            store.session("5a3c-1:")
        store.upsert(Session("5a3d-2"))
        with pytest.raises(UnknownSessionError, match=r"5a3c-1, 5a3d-2$"):
            store.session("5a3")

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        ids=st.sets(st.text("ab\ud7ff\ue000\U0010ffff%", min_size=1, max_size=3)),
        prefix=st.text("ab\ud7ff\ue000\U0010ffff%", min_size=1, max_size=2),
    )
    def test_finds_what_begins_so(
        self, shared: Store, undone: Undone, ids: set[str], prefix: str
    ) -> None:
        """The stretch of the index is exactly the ids that begin with the prefix."""
        with undone():
            shared.upsert_many([Session(one) for one in ids])
            wanted = sorted(one for one in ids if one.startswith(prefix))
            exact = [one for one in wanted if one == prefix]
            if exact or len(wanted) == 1:
                assert shared.session(prefix).id == (exact or wanted)[0]
            else:
                said = "begins more than one id" if wanted else "no session"
                with pytest.raises(UnknownSessionError, match=said):
                    shared.session(prefix)

    def test_nothing_stands_above_the_last_character(self) -> None:
        assert after_all_with("\U0010ffff") is None


def sessions_found(store: Store, **filters: Any) -> list[str]:
    return [one.id for one in store.sessions(**filters)]


class TestSessions:
    @pytest.fixture(autouse=True)
    def sessions(self, store: Store) -> None:
        store.upsert_many(
            [
                Session("a", created_at=100, updated_at=900, source="codex", model="gpt-5-codex",
                        project_name="shop", project_path="/w/shop", title="Fix the Cart"),
                Session("b", created_at=200, ended_at=250, source="claude-code",
                        model="claude-opus", project_path="/w/shop", title="100% done"),
                Session("c", created_at=200, source="codex", model="gpt-5", project_name="blog"),
                Session("d"),
            ]
        )  # fmt: skip
        store.upsert(make_message(session_id="unseen", source="codex"))

    def test_by_what_happened_last_then_by_id(self, store: Store) -> None:
        """One whose time nobody knows comes last; placeholders are not listed."""
        store.upsert(Session("aa", created_at=900))
        assert sessions_found(store) == ["a", "aa", "b", "c", "d"]

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({"source": "codex"}, ["a", "c"]),
            ({"source": "Codex"}, []),
            ({"project": "shop"}, ["a"]),
            ({"project": "/w/shop"}, ["a", "b"]),
            ({"model": "gpt-5"}, ["a", "c"]),
            ({"model": "gpt-5-"}, ["a"]),
            ({"model": "gpt%"}, []),
            ({"title": "CART"}, ["a"]),
            ({"title": "0%"}, ["b"]),
            ({"title": "_"}, []),
            ({"since": 900}, ["a"]),
            ({"since": 250}, ["a", "b"]),
            ({"since": 251}, ["a"]),
            ({"until": 200}, ["a"]),
            ({"until": 201}, ["a", "b", "c"]),
            ({"since": 150, "until": 201, "source": "codex"}, ["a", "c"]),
            ({"limit": 2}, ["a", "b"]),
            ({"limit": 0}, []),
            ({"limit": 2, "offset": 1}, ["b", "c"]),
            ({"offset": 3}, ["d"]),
            ({"source": "codex", "limit": 1, "offset": 1}, ["c"]),
            ({"source": "\udcff"}, []),
        ],
    )
    def test_filters(self, store: Store, filters: dict[str, Any], found: list[str]) -> None:
        """since is inclusive and asks when a session last went on, until is exclusive."""
        assert sessions_found(store, **filters) == found


class TestOrder:
    def test_messages_and_tools_by_their_place(self, store: Store) -> None:
        """Not by time, which may be equal, nor as they came."""
        for number in (3, 1, 2):
            store.upsert_many([make_message(number, created_at=7), make_tool(number, created_at=7)])
        assert [one.seq for one in store.messages("session-1")] == [1, 2, 3]
        assert [one.seq for one in store.tools("session-1")] == [1, 2, 3]

    def test_live_ones_by_their_time(self, store: Store) -> None:
        """A plugin tells no place; its messages stand among the others by their time."""
        for key, at, seq in (("b", 30, None), ("c", 40, 41), ("a", 10, None), ("d", 20, 20)):
            store.upsert(Message(key, "s", created_at=at, seq=seq))
        assert [one.id for one in store.messages("s")] == ["a", "d", "b", "c"]

    def test_tools_of_all_sessions(self, store: Store) -> None:
        """By name, by success, by both, or all as they came."""
        store.upsert_many(
            [
                make_tool(2, session_id="s2"),
                make_tool(1, session_id="s1", success=False),
                make_tool(3, session_id="s1", success=None, tool_name="Bash"),
            ]
        )
        assert [one.id for one in store.tools()] == ["s2:tool-2", "s1:tool-1", "s1:tool-3"]
        assert [one.id for one in store.tools(name="Read")] == ["s2:tool-2", "s1:tool-1"]
        assert [one.id for one in store.tools(success=False)] == ["s1:tool-1"]
        assert [one.id for one in store.tools("s1", name="Bash", success=True)] == []

    def test_errors_and_compactions_by_time(self, store: Store) -> None:
        for number in (2, 1):
            store.upsert_many([make_error(number), make_compaction(number)])
        assert [one.id[-1] for one in store.errors("session-1")] == ["1", "2"]
        assert [one.id[-1] for one in store.compactions("session-1")] == ["1", "2"]

    def test_rows_are_read_as_they_are_asked_for(self, store: Store) -> None:
        """Nothing is gathered before the first is given: an interrupt stops the rest."""
        store.upsert_many([make_message(number) for number in range(1_000)])
        reading = store.messages("session-1")
        assert next(reading).seq == 0
        steps = 0

        def count() -> bool:
            nonlocal steps
            steps += 1
            return False

        store.connection.set_progress_handler(count, 100)
        assert next(reading).seq == 1
        assert steps <= 1
        store.connection.set_progress_handler(None)
        reading.close()  # type: ignore[attr-defined]


# Statements as the store runs them, with the way SQLite must find their rows.
WAYS = {
    "session": ("SEARCH u USING INDEX sqlite_autoindex_sessions_1 (id>? AND id<?)",),
    "sessions": ("SCAN u USING INDEX sessions_last",),
    "messages": ("SEARCH u USING INDEX messages_session (session_id=?)",),
    "tools": ("SEARCH u USING INDEX tools_session (session_id=?)",),
    "errors": ("SEARCH u USING INDEX session_errors_session (session_id=?)",),
    "compactions": ("SEARCH u USING INDEX compaction_events_session (session_id=?)",),
    "usage": ("SEARCH u USING INDEX usage_session (session_id=?)",),
}


def plans(store: Store, act: Any) -> list[str]:
    """How SQLite finds the rows of every statement that runs on tables of ours."""
    statements: list[str] = []

    def seen(event: Any) -> None:
        if not event["trigger"] and event["sql"].lstrip().startswith(
            ("SELECT", "UPDATE", "WITH", "INSERT", "DELETE")
        ):
            statements.append(event["sql"])

    store.connection.trace_v2(apsw.SQLITE_TRACE_STMT, seen)
    act()
    store.connection.trace_v2(0, None)
    found = []
    for sql in dict.fromkeys(statements):
        values = (None,) * sql.count("?")
        rows = store.connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        found += [str(row[3]) for row in rows]
    return found


class TestWays:
    @pytest.mark.parametrize("read", WAYS)
    def test_reads_use_their_index(self, store: Store, read: str) -> None:
        """No read walks a whole table, or sorts what an index has in order."""
        store.upsert_many([make_session(), make_message(), make_tool(), make_usage()])
        given = [] if read == "sessions" else ["session-1"]

        def act() -> None:
            found = getattr(store, read)(*given)
            if read != "session":
                list(found)

        found = plans(store, act)
        assert set(WAYS[read]) <= set(found)
        scans = [line for line in found if line.startswith("SCAN") and line not in WAYS[read]]
        assert scans == []
        if read in {"messages", "tools"}:
            assert not [line for line in found if "TEMP B-TREE" in line]

    def test_writes_find_their_rows_by_index(self, store: Store) -> None:
        """Merging and deriving look up what they are given: no step walks all usage."""
        store.upsert_many([make_session(1), make_session(2), make_usage(1)])

        def act() -> None:
            side = make_usage(1, id="claude-code:response-1:-", is_sidechain=True)
            store.upsert_many([make_session(1), make_usage(1, session_id="session-2"), side])
            store.refresh(["session-1", "session-2"])

        scanned = {line.split()[1] for line in plans(store, act) if line.startswith("SCAN")}
        # json_each and what was derived from it, and a table of one row; no other.
        assert scanned <= {"j", "json_each", "w", "by_kind", "d", "sync_core"}

    def test_many_estimates_are_no_square(self, store: Store) -> None:
        """Deriving from n estimates takes steps in proportion to n."""

        def steps(count: int) -> int:
            session_id = f"of-{count}"
            store.upsert_many(
                [
                    make_session(id=session_id),
                    *(
                        make_usage(n, id=f"rpc:{count}-{n}", session_id=session_id, estimated=True)
                        for n in range(count)
                    ),
                ]
            )
            taken = 0

            def step() -> bool:
                nonlocal taken
                taken += 1
                return False

            store.connection.set_progress_handler(step, 10)
            store.refresh([session_id])
            assert sum(1 for _one in store.usage(session_id)) == count
            store.connection.set_progress_handler(None)
            return taken

        assert steps(2_000) < 6 * steps(500)
