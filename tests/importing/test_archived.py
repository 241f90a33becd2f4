"""Archived sessions: a transcript that grows brings its session back, one that does not leaves it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clankers.importing import import_sessions
from clankers.models import Message, Session
from clankers.store.capture._marks import begin
from clankers.usage import total_usage
from importing._transcripts import OTHER_SESSION, SESSION, answer, contents, prompt, said

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.store import Store


def listed(store: Store) -> list[str]:
    return sorted(one.id for one in store.sessions())


def archived(store: Store) -> list[str]:
    return sorted(one.id for one in store.archived_sessions())


def placeholders(store: Store) -> int:
    return int(store.connection.execute("SELECT count(*) FROM sessions WHERE placeholder").get)


def add_subagent(transcript: Path, *, lines: str) -> Path:
    """Files of Claude Code in which a subagent of the session speaks."""
    folder = transcript.with_suffix("") / "subagents"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "agent-b7.jsonl"
    with file.open("a", encoding="utf-8") as opened:
        for line in lines.splitlines():
            spoken = {**json.loads(line), "isSidechain": True, "agentId": "b7"}
            opened.write(json.dumps(spoken) + "\n")
    return file


def test_it_grows(store: Store, transcript: Path) -> None:
    """What is new joins what was archived, as if it had never been away."""
    import_sessions(store)
    store.archive(session_ids=[SESSION])
    with transcript.open("a", encoding="utf-8") as file:
        file.write(prompt("And now?", minute=6) + answer("Falling.", minute=7))
    import_sessions(store)
    assert listed(store) == [SESSION]
    assert archived(store) == []
    assert said(store.connection)[-2:] == ["And now?", "Falling."]
    assert store.session(SESSION).title == "How high is the tide?"
    assert store.check_index() == []


def test_as_if_it_had_never_been_away(store: Store, transcript: Path, tmp_path: Path) -> None:
    """Archiving between two imports makes no difference to any row."""
    more = prompt("And now?", minute=6) + answer("Falling.", minute=7)
    import_sessions(store)
    store.archive(session_ids=[SESSION])
    with transcript.open("a", encoding="utf-8") as file:
        file.write(more)
    import_sessions(store)
    with type(store).open(tmp_path / "other.db") as other:
        import_sessions(other)
        expected = contents(other.connection)
        found = contents(store.connection)
        for table in ("sessions", "messages", "tools", "usage", "session_errors"):
            assert found[table] == expected[table]


def test_nothing_new(store: Store, transcript: Path) -> None:
    """A transcript that is read again whole leaves its session where it is."""
    import_sessions(store)
    store.archive(session_ids=[SESSION])
    before = total_usage(store)
    import_sessions(store, full=True)
    assert listed(store) == []
    assert placeholders(store) == 0
    assert archived(store) == [SESSION]
    assert store.connection.execute("SELECT count(*) FROM messages").get == 0
    assert total_usage(store) == before


def test_a_better_reading(store: Store, transcript: Path) -> None:
    """A row that is read otherwise now brings its session back."""
    import_sessions(store)
    store.archive(session_ids=[SESSION])
    transcript.write_text(
        transcript.read_text(encoding="utf-8").replace("Two metres.", "Three metres."),
        encoding="utf-8",
    )
    import_sessions(store, full=True)
    assert archived(store) == []
    assert said(store.connection)[-1] == "Three metres."


def test_others_stay(store: Store, transcript: Path, projects: Path) -> None:
    """Of two archived sessions that are read together only the one that grew comes back."""
    other = projects / "-home-ada-engine" / f"{OTHER_SESSION}.jsonl"
    other.write_text(prompt("Other?", minute=1, session=OTHER_SESSION), encoding="utf-8")
    import_sessions(store)
    store.archive(session_ids=[SESSION, OTHER_SESSION])
    with other.open("a", encoding="utf-8") as file:
        file.write(answer("Yes.", minute=2, session=OTHER_SESSION))
    import_sessions(store, full=True)
    assert listed(store) == [OTHER_SESSION]
    assert archived(store) == [SESSION]


def test_a_subagent(store: Store, transcript: Path) -> None:
    """A subagent that goes on, or is new, brings back the session that it works for."""
    import_sessions(store)
    store.archive(session_ids=[SESSION])
    add_subagent(transcript, lines=prompt("Look.", minute=5))
    import_sessions(store)
    assert listed(store) == [SESSION, f"{SESSION}:agent-b7"]
    store.archive(session_ids=[SESSION])
    assert archived(store) == [SESSION, f"{SESSION}:agent-b7"]
    import_sessions(store, full=True)
    assert archived(store) == [SESSION, f"{SESSION}:agent-b7"]
    assert placeholders(store) == 0
    add_subagent(transcript, lines=answer("Seen.", minute=6))
    import_sessions(store)
    assert listed(store) == [SESSION, f"{SESSION}:agent-b7"]


def test_with_sync(store: Store, transcript: Path) -> None:
    """Coming back is no change; only what is new is queued, by the time that it tells of."""
    with store.atomic():
        begin(store.connection)
    import_sessions(store)
    store.connection.execute("UPDATE sync_messages SET seq = NULL, first = NULL")
    store.archive(session_ids=[SESSION])
    with transcript.open("a", encoding="utf-8") as file:
        file.write(answer("Falling.", minute=7))
    import_sessions(store)
    query = (
        "SELECT m.text_content, s.at = m.created_at FROM sync_messages s JOIN messages m USING (n)"
        " WHERE s.first NOTNULL"
    )
    assert store.connection.execute(query).fetchall() == [("Falling.", 1)]


def test_a_deleted_one(store: Store, transcript: Path) -> None:
    """What was deleted from the archive is not imported again."""
    import_sessions(store)
    store.archive(session_ids=[SESSION])
    store.delete([SESSION])
    import_sessions(store, full=True)
    assert listed(store) == []
    assert archived(store) == []


def test_live_rows_meet_the_transcript(store: Store, transcript: Path) -> None:
    """What a plugin reported of an archived session becomes one with what is imported then."""
    store.upsert_live(
        [
            Session(SESSION, source="claude-code"),
            Message(
                f"{SESSION}-user-1",
                SESSION,
                created_at=1_793_610_060_000,
                role="user",
                text_content="How high is the tide?",
            ),
        ]
    )
    store.archive(session_ids=[SESSION])
    import_sessions(store)
    assert archived(store) == []
    texts = "SELECT count(*) FROM messages WHERE text_content = 'How high is the tide?'"
    assert store.connection.execute(texts).get == 1
