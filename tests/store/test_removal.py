"""Pruning, deleting, purging: what goes, what stays, and that nothing happens by half."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from clankers.errors import DatabaseBusyError, StoreError, UnknownSessionError
from clankers.store import Store
from clankers.store.search import check_index, update_index
from clankers.testing import (
    make_attachment,
    make_compaction,
    make_error,
    make_message,
    make_session,
    make_tool,
    make_usage,
)
from clankers.usage import total_usage
from store._children import Child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.conftest import Rows

DAY = 86_400_000
SECRET = "zanzibarine"
# Everything that belongs to a session, and is counted by table.
NOTHING = {
    "sessions": 0,
    "messages": 0,
    "tools": 0,
    "session_errors": 0,
    "compaction_events": 0,
    "attachments": 0,
}


def ids(store: Store) -> set[str]:
    return {one.id for one in store.sessions()}


def refer(digest: str) -> str:
    return json.dumps([{"type": "image", "attachment": digest}], separators=(",", ":"))


def add_family(store: Store) -> None:
    """Session 1 with a subagent that has one of its own, and a fork of it."""
    store.upsert_many(
        [
            make_session(1),
            make_session(2, parent_id="session-1", relationship="subagent"),
            make_session(3, parent_id="session-2", relationship="subagent"),
            make_session(4, parent_id="session-1", relationship="fork"),
            *(make_message(1, session_id=f"session-{n}") for n in range(1, 5)),
        ]
    )


class TestWhatGoes:
    def test_subagents_go_along(self, store: Store) -> None:
        """Those of subagents too; a fork is a conversation of its own and stays."""
        add_family(store)
        removal = store.delete(["session-1"])
        assert [one.id for one in removal.sessions] == ["session-1", "session-2", "session-3"]
        assert ids(store) == {"session-4"}

    def test_a_session_below_itself(self, store: Store) -> None:
        """A ring of parents, which only a broken file can say, ends."""
        store.upsert_many(
            [make_session(1, parent_id="session-2"), make_session(2, parent_id="session-1")]
        )
        assert len(store.delete(["session-1"]).sessions) == 2

    def test_all_that_belongs_to_it(self, store: Store, ask: Callable[..., Rows]) -> None:
        """Its rows in all tables, counted; those of others stay."""
        for number in (1, 2):
            session_id = f"session-{number}"
            store.upsert_many(
                [
                    make_session(number),
                    make_message(1, session_id=session_id),
                    make_message(2, session_id=session_id),
                    make_tool(1, session_id=session_id),
                    make_error(1, session_id=session_id),
                    make_compaction(1, session_id=session_id),
                ]
            )
        removal = store.delete(["session-1"])
        assert removal.rows == {
            "sessions": 1,
            "messages": 2,
            "tools": 1,
            "session_errors": 1,
            "compaction_events": 1,
            "attachments": 0,
        }
        for table in ("messages", "tools", "session_errors", "compaction_events"):
            assert ask(f"SELECT DISTINCT session_id FROM {table}") == [("session-2",)]
        assert ask("PRAGMA foreign_key_check") == []

    def test_bytes_are_those_of_the_text(self, store: Store) -> None:
        """In UTF-8: two of them for an ä."""
        store.upsert_many(
            [make_session(), make_message(text_content="äb", thinking="c", content="[]")]
        )
        assert store.delete(["session-1"], dry_run=True).bytes == 6

    def test_images_that_nothing_else_shows(self, store: Store, ask: Callable[..., Rows]) -> None:
        """An image goes with the last message or tool call that refers to it."""
        mine, ours, tooled = (make_attachment(name) for name in (b"mine", b"ours", b"tooled"))
        alone = make_attachment(b"nobody ever referred to it")
        store.upsert_many(
            [
                make_session(1),
                make_session(2),
                make_message(1, content=refer(mine.sha256)),
                make_message(2, content=refer(ours.sha256)),
                make_tool(1, tool_output=refer(tooled.sha256)),
                make_tool(1, session_id="session-2", tool_output=refer(ours.sha256)),
                mine,
                ours,
                tooled,
                alone,
            ]
        )
        assert store.delete(["session-1"]).rows["attachments"] == 2
        left = {digest for (digest,) in ask("SELECT sha256 FROM attachments")}
        assert left == {ours.sha256, alone.sha256}

    def test_usage_stays(self, store: Store, ask: Callable[..., Rows]) -> None:
        """No total changes; a deleted session's usage only loses what the agent wrote."""
        store.upsert_many([make_session(), make_usage(1, raw="{}"), make_usage(2, raw="{}")])
        before = total_usage(store)
        store.delete(["session-1"])
        assert total_usage(store) == before
        assert ask("SELECT session_id, raw FROM usage") == [("session-1", None)] * 2

    def test_prune_is_quiet_about_usage(self, store: Store, ask: Callable[..., Rows]) -> None:
        """It changes no row of usage at all."""
        store.upsert_many([make_session(), make_usage(1, raw='{"a":1}')])
        store.prune(source="claude-code")
        assert ask("SELECT raw FROM usage") == [('{"a":1}',)]

    def test_other_sessions_keep_their_totals(self, store: Store) -> None:
        """Also when they are derived anew afterwards."""
        store.upsert_many(
            [
                make_session(1),
                make_session(2),
                make_usage(1),
                make_usage(2, session_id="session-2"),
                make_message(1, session_id="session-2"),
            ]
        )
        store.refresh(["session-2"])
        before = store.session("session-2")
        store.delete(["session-1"])
        store.refresh(["session-1", "session-2"])
        assert store.session("session-2") == before
        assert before.message_count == 1


class TestFilters:
    def test_all_of_them_must_fit(self, store: Store) -> None:
        """Agent, project by name or path, model by its beginning."""
        store.upsert_many(
            [
                make_session(1),
                make_session(2, source="codex", model="gpt-5-codex"),
                make_session(3, project_name="ledger", project_path="/home/dev/ledger"),
            ]
        )

        def fitting(**filters: str) -> set[str]:
            return {one.id for one in store.prune(dry_run=True, **filters).sessions}  # type: ignore[arg-type]

        assert fitting(source="codex") == {"session-2"}
        assert fitting(project="shop") == {"session-1", "session-2"}
        assert fitting(project="/home/dev/ledger") == {"session-3"}
        assert fitting(model="gpt-5") == {"session-2"}
        assert fitting(model="gpt-5", project="ledger") == set()

    def test_age_is_that_of_the_newest_subagent(self, store: Store) -> None:
        """A session in which something happened at the limit stays, as do those without a time."""
        store.upsert_many(
            [
                make_session(1, created_at=1, updated_at=2 * DAY - 1),
                make_session(2, created_at=1, updated_at=2 * DAY),
                make_session(3, created_at=1, updated_at=1, ended_at=3 * DAY),
                make_session(4, created_at=1, updated_at=1),
                make_session(
                    5,
                    created_at=1,
                    updated_at=3 * DAY,
                    parent_id="session-4",
                    relationship="subagent",
                ),
                make_session(6, created_at=None, updated_at=None),
            ]
        )
        store.prune(before=2 * DAY)
        assert ids(store) == {"session-2", "session-3", "session-4", "session-5", "session-6"}

    def test_empty_is_without_any_message(self, store: Store) -> None:
        """In its subagents neither; a placeholder is no session yet, and is left alone."""
        store.upsert_many(
            [
                make_session(1),
                make_session(2),
                make_session(3, parent_id="session-2", relationship="subagent"),
                make_message(1, session_id="session-3"),
                make_error(1, session_id="only-spoken-of"),
            ]
        )
        store.prune(empty=True)
        assert ids(store) == {"session-2", "session-3"}
        assert len(list(store.errors("only-spoken-of"))) == 1

    def test_a_subagent_goes_by_its_session_alone(self, store: Store) -> None:
        """Its own age, model or emptiness takes it out of no session that stays."""
        store.upsert_many(
            [
                make_session(1, created_at=1, updated_at=9 * DAY),
                make_session(
                    2,
                    created_at=1,
                    updated_at=2 * DAY,
                    model="haiku",
                    parent_id="session-1",
                    relationship="subagent",
                ),
                make_message(1),
                make_session(
                    3, model="haiku", parent_id="gone", relationship="subagent", updated_at=9 * DAY
                ),
            ]
        )
        assert store.prune(before=5 * DAY, dry_run=True).sessions == []
        assert {one.id for one in store.prune(empty=True, dry_run=True).sessions} == {"session-3"}
        # One whose session is not there stands for itself.
        assert {one.id for one in store.prune(model="haiku").sessions} == {"session-3"}

    def test_a_session_is_as_old_as_its_last_row(self, store: Store) -> None:
        """A row that came live moves no time of its session."""
        store.upsert_many(
            [
                make_session(1, created_at=1, updated_at=2),
                make_message(1, created_at=9 * DAY),
                make_session(2, created_at=1, updated_at=2),
                make_tool(1, session_id="session-2", created_at=9 * DAY),
            ]
        )
        assert store.prune(before=5 * DAY, dry_run=True).sessions == []
        assert len(store.prune(before=10 * DAY, dry_run=True).sessions) == 2

    def test_only_what_was_shown(self, store: Store) -> None:
        """What fits by now and was not shown stays."""
        store.upsert_many([make_session(1), make_session(2)])
        store.prune(source="claude-code", among=["session-1"])
        assert ids(store) == {"session-2"}

    def test_one_is_needed(self, store: Store) -> None:
        """Without a filter everything would go."""
        store.upsert(make_session())
        with pytest.raises(StoreError, match="no filter"):
            store.prune()
        assert ids(store) == {"session-1"}

    def test_a_dry_run_changes_nothing(self, path: Path, store: Store) -> None:
        """It says what would go, and needs no right to write."""
        add_family(store)
        with Store.open(path, read_only=True) as reader:
            planned = reader.prune(source="claude-code", dry_run=True)
            assert reader.delete(["session-1"], dry_run=True).rows["messages"] == 3
        assert planned.rows == {**NOTHING, "sessions": 4, "messages": 4}
        assert len(ids(store)) == 4
        assert store.prune(source="claude-code") == planned


class TestNames:
    def test_a_beginning_is_enough(self, store: Store) -> None:
        """As everywhere, when only one session's id begins so."""
        store.upsert_many([make_session(1, id="5a3c-1"), make_session(2, id="c41d-2")])
        store.delete(["5a"])
        assert ids(store) == {"c41d-2"}

    def test_one_wrong_name_stops_all(self, store: Store) -> None:
        """Nothing is removed when one of the ids is unknown or fits several."""
        add_family(store)
        for wrong in ("nobody", "session-"):
            with pytest.raises(UnknownSessionError):
                store.delete(["session-1", wrong])
        assert len(ids(store)) == 4

    def test_forgetting(self, store: Store, ask: Callable[..., Rows]) -> None:
        """A removed id, or a beginning of one, with the subagents that are named after it."""
        store.upsert_many([make_session(n, id=x) for n, x in enumerate(("ab", "ab:agent-1", "ac"))])
        store.prune(source="claude-code")
        with pytest.raises(UnknownSessionError, match="more than one"):
            store.forget_pruned("a")
        with pytest.raises(UnknownSessionError, match="no session 'x' was removed"):
            store.forget_pruned("x")
        assert store.forget_pruned("ab") == ["ab", "ab:agent-1"]
        assert ask("SELECT session_id FROM pruned") == [("ac",)]


class TestIndex:
    def test_it_loses_the_words_at_once(self, store: Store, ask: Callable[..., Rows]) -> None:
        """What was deleted is not found, what is left is, and the index is sound."""
        store.upsert_many(
            [
                make_session(1),
                make_session(2),
                make_message(1, text_content=f"{SECRET} tides"),
                make_message(1, session_id="session-2", text_content="other tides"),
            ]
        )
        with store.atomic():
            update_index(store.connection)
        find = "SELECT count(*) FROM message_search WHERE message_search MATCH ?"
        assert ask(find, SECRET) == [(1,)]
        store.delete(["session-1"])
        assert ask(find, SECRET) == [(0,)]
        assert ask(find, "tides") == [(1,)]
        assert ask("SELECT count(*) FROM search_stale") == [(0,)]
        assert check_index(store.connection) == []


class TestPurge:
    def fill(self, store: Store) -> None:
        """The secret in every column that a session has, in the index, and in states."""
        image = make_attachment(f"{SECRET} in an image".encode())
        store.upsert_many(
            [
                make_session(1, title=f"About {SECRET}"),
                make_session(2),
                make_session(3, parent_id="session-1", relationship="subagent"),
                make_message(
                    1,
                    text_content=f"{SECRET} {'long ' * 20_000}",
                    thinking=SECRET,
                    content=refer(image.sha256),
                ),
                make_message(1, session_id="session-3", text_content=f"{SECRET}s"),
                make_message(1, session_id="session-2", text_content="kept word"),
                make_tool(1, tool_input=f'"{SECRET}"', tool_output=f'"{SECRET}"'),
                make_error(1, error_message=SECRET),
                make_usage(1, raw=f'"{SECRET}"'),
                image,
            ]
        )
        # An older text of a message leaves its words in pages that nothing uses any more.
        store.upsert(make_message(1, text_content=f"{SECRET} again"))
        with store.atomic():
            update_index(store.connection)
        store.connection.execute(
            "INSERT INTO search_term VALUES (?1) ON CONFLICT DO NOTHING;"
            "INSERT INTO search_term_run(terms) VALUES (?1 || char(10))",
            (SECRET, SECRET),
        )
        store.connection.execute(
            "INSERT INTO import_sources(path, agent, importer_version, state, watermark)"
            " VALUES ('/a.jsonl', 'claude-code', 1, ?, 7)",
            (json.dumps({"session_id": "session-1", "title": SECRET}).encode(),),
        )

    def traces(self, path: Path) -> int:
        files = (path, path.with_name(f"{path.name}-wal"))
        return sum(file.read_bytes().count(SECRET.encode()) for file in files if file.exists())

    def test_no_byte_is_left(self, path: Path, ask: Callable[..., Rows], store: Store) -> None:
        """Neither in the tables, the index and its words, nor in unused pages or the log."""
        self.fill(store)
        assert self.traces(path) > 0
        removal = store.delete(["session-1"], purge=True)
        assert removal.is_erased is True
        assert self.traces(path) == 0
        assert check_index(store.connection) == []
        assert ask("SELECT text_content FROM messages") == [("kept word",)]
        assert ask("SELECT rowid FROM message_search WHERE message_search MATCH 'kept'") != []
        assert ask("SELECT count(*), sum(output_tokens) FROM usage") == [(1, 100)]
        # A file without its state is read from the start when it grows.
        assert ask("SELECT state, watermark FROM import_sources") == [(None, 0)]
        store.close()
        assert self.traces(path) == 0

    def test_after_other_purges(self, path: Path, store: Store) -> None:
        """Merging an index may keep the words of what is gone; so it is built anew."""
        many = [make_message(n, text_content=f"word{n} and{n} more{n}") for n in range(2_000)]
        store.upsert_many(make_session(n) for n in range(1, 5))
        for start in range(0, 2_000, 100):
            store.upsert_many(many[start : start + 100])
            store.update_index()
        for number in (2, 3):
            store.upsert(make_message(1, session_id=f"session-{number}"))
            store.delete([f"session-{number}"], purge=True)
        store.upsert(make_message(1, session_id="session-4", text_content=SECRET))
        store.update_index()
        assert store.delete(["session-4"], purge=True).is_erased is True
        assert self.traces(path) == 0
        assert SECRET[1:].encode() not in path.read_bytes()

    def test_a_session_that_only_rows_speak_of(self, path: Path, store: Store) -> None:
        """It is in no list, and can be purged by its whole id all the same."""
        store.upsert(make_message(1, session_id="unnamed", text_content=SECRET))
        removal = store.delete(["unnamed"], purge=True)
        assert [one.id for one in removal.sessions] == ["unnamed"]
        assert self.traces(path) == 0

    def test_deleting_alone_leaves_traces(self, path: Path, store: Store) -> None:
        """That is what purge is for; it also takes what was only deleted before."""
        self.fill(store)
        store.delete(["session-1"])
        assert self.traces(path) > 0
        assert store.delete(["session-1"], purge=True).sessions == []
        assert self.traces(path) == 0

    def test_a_reader_in_the_way(self, path: Path, store: Store) -> None:
        """While another process reads an older state, the rows are gone and the traces said."""
        self.fill(store)
        store.connection.set_busy_timeout(10)
        code = """
with Store.open(sys.argv[1], read_only=True) as store:
    rows = store.connection.execute("SELECT n FROM messages")
    next(rows)
    say("reading")
    told()
    rows.close()
say("done")
told()
"""
        with Child(code, path) as child:
            assert child.said() == "reading"
            assert store.delete(["session-1"], purge=True).is_erased is False
            assert "session-1" not in ids(store)
            child.tell()
            assert child.said() == "done"
            assert store.vacuum().is_complete
            assert self.traces(path) == 0

    def test_not_inside_a_transaction(self, store: Store) -> None:
        """The file could not be written anew there."""
        self.fill(store)
        with store.atomic(), pytest.raises(StoreError, match="inside a transaction"):
            store.delete(["session-1"], purge=True)
        assert "session-1" in ids(store)

    def test_only_one_writes(self, path: Path, store: Store) -> None:
        """While another process writes nothing is removed, and the error says so."""
        self.fill(store)
        store.connection.set_busy_timeout(10)
        code = """
with Store.open(sys.argv[1]) as store, store.atomic():
    say("writing")
    told()
"""
        with Child(code, path) as child:
            assert child.said() == "writing"
            with pytest.raises(DatabaseBusyError):
                store.delete(["session-1"], purge=True)
        assert "session-1" in ids(store)


REMOVE = """
with Store.open(sys.argv[1]) as store:
    seen = []
    def look(kind, database, table, row):
        seen.append(table)
        if seen.count("messages") == 40:
            say("in the middle")
            told()
    store.connection.set_update_hook(look)
    {removal}
    store.connection.set_update_hook(None)
    say("removed")
    told()
"""


class TestKilled:
    @pytest.mark.parametrize(
        "removal", ["store.prune(source='claude-code')", "store.delete(['session-1'])"]
    )
    def test_in_the_middle(self, path: Path, store: Store, removal: str) -> None:
        """After kill -9 while rows are going, everything is as it was."""
        store.upsert_many([make_session(), *(make_message(n) for n in range(100)), make_usage()])
        with Child(REMOVE.format(removal=removal), path) as child:
            assert child.said() == "in the middle"
            child._process.send_signal(signal.SIGKILL)
            child.ended()
        assert len(list(store.messages("session-1"))) == 100
        assert store.connection.execute("SELECT count(*) FROM pruned").get == 0
        with store.atomic():
            update_index(store.connection)
        assert check_index(store.connection) == []

    def test_after_it(self, path: Path, store: Store) -> None:
        """Once it has returned, everything is gone and remembered, whatever comes next."""
        store.upsert_many([make_session(), *(make_message(n) for n in range(30)), make_usage()])
        with Child(REMOVE.format(removal="store.delete(['session-1'])"), path) as child:
            assert child.said() == "removed"
            child._process.send_signal(signal.SIGKILL)
            child.ended()
        assert ids(store) == set()
        assert store.connection.execute("SELECT session_id FROM pruned").get == "session-1"
        assert check_index(store.connection) == []
