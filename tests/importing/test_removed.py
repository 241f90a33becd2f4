"""What was pruned or deleted does not come back with the next import, unless it goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clankers.importers import Batch, Resume
from clankers.importing import SAMPLE_SESSIONS, import_sessions
from clankers.importing._removed import Removed
from clankers.models import Attachment, Message, Session, ToolCall, Usage
from clankers.usage import total_usage
from importing._transcripts import OTHER_SESSION, SESSION, answer, call, prompt, said

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.store import Store

# An image of one pixel.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


def now_is(store: Store, minute: int) -> None:
    """Makes all removals of that time: `minute` on the clock of the transcripts."""
    store.connection.execute(
        "UPDATE pruned SET pruned_at = (unixepoch('2026-11-02T09:00:00') + 60 * ?) * 1000",
        (minute,),
    )


def rows(store: Store, table: str) -> int:
    return int(store.connection.execute(f"SELECT count(*) FROM {table}").get)


class TestPruned:
    def test_an_import_leaves_it_out(self, store: Store, transcript: Path) -> None:
        """Also one that reads everything again; usage stays what it was."""
        import_sessions(store)
        before = total_usage(store)
        store.prune(source="claude-code")
        report = import_sessions(store, full=True)
        assert report.left_out == {SESSION}
        for table in ("sessions", "messages", "tools", "session_errors"):
            assert rows(store, table) == 0
        assert total_usage(store) == before
        assert rows(store, "import_sources") == 1

    def test_usage_that_was_not_known_is_still_counted(
        self, store: Store, transcript: Path
    ) -> None:
        """What a removed session used in a part that was never read counts as well."""
        import_sessions(store)
        store.prune(source="claude-code")
        with transcript.open("a", encoding="utf-8") as file:
            file.write(answer("More.", minute=4, output=100))
        now_is(store, 5)
        import_sessions(store)
        assert rows(store, "messages") == 0
        assert sum(one.output_tokens for one in total_usage(store)) == 107

    def test_it_goes_on(self, store: Store, transcript: Path) -> None:
        """What happened after it was removed comes; what was before stays away, its title too."""
        import_sessions(store)
        store.prune(source="claude-code")
        now_is(store, 5)
        with transcript.open("a", encoding="utf-8") as file:
            file.write(prompt("And now?", minute=6) + answer("Falling.", minute=7))
        report = import_sessions(store)
        assert report.left_out == set()
        assert said(store.connection) == ["And now?", "Falling."]
        assert store.session(SESSION).title in (None, "")

    def test_other_sessions_are_imported(
        self, store: Store, transcript: Path, projects: Path
    ) -> None:
        """New ones and old ones, in the same run."""
        import_sessions(store)
        store.prune(source="claude-code")
        other = transcript.with_name(f"{OTHER_SESSION}.jsonl")
        other.write_text(prompt("Another one", minute=1, session=OTHER_SESSION), encoding="utf-8")
        import_sessions(store, full=True)
        assert [one.id for one in store.sessions()] == [OTHER_SESSION]

    def test_a_subagent_that_turns_up_later(self, store: Store, transcript: Path) -> None:
        """Its session is gone, and so it stays away; a fork of the session comes."""
        import_sessions(store)
        store.delete([SESSION])
        folder = transcript.with_suffix("") / "subagents"
        folder.mkdir(parents=True)
        line = json.loads(prompt("A task", minute=2)) | {"isSidechain": True, "agentId": "b7"}
        (folder / "agent-b7.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
        import_sessions(store)
        assert rows(store, "sessions") == 0

    def test_forgotten_it_comes_back(self, store: Store, transcript: Path) -> None:
        """As it was, when its transcript is still there."""
        import_sessions(store)
        before = said(store.connection)
        store.delete([SESSION])
        store.forget_pruned(SESSION)
        import_sessions(store, full=True)
        assert said(store.connection) == before
        assert [one.id for one in store.sessions()] == [SESSION]

    def test_its_images_stay_away(self, store: Store, transcript: Path) -> None:
        """Nothing refers to them any more."""
        image = {"type": "base64", "media_type": "image/png", "data": PNG}
        line = json.loads(prompt("", minute=4))
        line["message"]["content"] = [{"type": "image", "source": image}]
        with transcript.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        import_sessions(store)
        assert rows(store, "attachments") == 1
        store.delete([SESSION])
        assert rows(store, "attachments") == 0
        import_sessions(store, full=True)
        assert rows(store, "attachments") == 0


class TestPurged:
    def test_no_words_of_it_are_stored_again(self, store: Store) -> None:
        """Not even in what the importer keeps to go on reading, which has the title."""
        import_sessions(store, ["codex"], path=SAMPLE_SESSIONS)
        (session,) = store.sessions()
        state = "SELECT count(*) FROM import_sources WHERE instr(state, CAST(? AS BLOB))"
        assert session.title == "Add a --json flag to the tides command."
        assert store.connection.execute(state, (session.title,)).get == 1
        store.delete([session.id], purge=True)
        assert store.connection.execute(state, (session.title,)).get == 0
        import_sessions(store, ["codex"], path=SAMPLE_SESSIONS, full=True)
        assert store.connection.execute(state, (session.title,)).get == 0

    def test_the_counts_of_the_file_stay_right(self, store: Store, transcript: Path) -> None:
        """It is read from its start when it grows, and every line is counted once."""
        import_sessions(store)
        store.delete([SESSION], purge=True)
        with transcript.open("a", encoding="utf-8") as file:
            file.write(call("Bash", minute=5))
        import_sessions(store)
        counted = "SELECT lines, imported + noise + unknown + malformed FROM import_sources"
        assert store.connection.execute(counted).fetchall() == [(9, 9)]


def test_rows_of_a_batch_are_judged_one_by_one(store: Store) -> None:
    """A batch may tell of several sessions, one of which was removed."""
    store.upsert(Session("gone", 0))
    store.delete(["gone"])
    shown, unseen = ("11" * 32, "22" * 32)
    given = Batch(
        Resume(),
        sessions=[Session("gone", 1), Session("here", 1)],
        mentions=[Session("gone:agent-1", parent_id="gone"), Session("here:agent-1")],
        messages=[Message("gone:m", "gone", 1), Message("here:m", "here", 1, content=shown)],
        tools=[ToolCall("gone:t", "gone", 1, tool_output=unseen)],
        usage=[Usage("u", "gone", raw="{}"), Usage("v", "here", raw="{}")],
        attachments=[Attachment(one, "image/png", b"") for one in (shown, unseen)],
    )
    assert Removed(store.connection).rest_of(given) == Batch(
        Resume(),
        sessions=[Session("here", 1)],
        mentions=[Session("here:agent-1")],
        messages=[Message("here:m", "here", 1, content=shown)],
        usage=[Usage("u", "gone"), Usage("v", "here", raw="{}")],
        attachments=[Attachment(shown, "image/png", b"")],
    )


def test_a_batch_of_other_sessions_is_not_touched(store: Store) -> None:
    """It is the same object, however many sessions were removed."""
    store.upsert(Session("gone", 0))
    store.delete(["gone"])
    given = Batch(Resume(), sessions=[Session("here", 1, parent_id="there")])
    assert Removed(store.connection).rest_of(given) is given
