"""What is read again of a database that others write to, and what not."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from clankers.importers.cursor import IMPORTER
from clankers.importing import import_sessions
from clankers.store import Store
from importers._stored import stored

from ._stores import (
    OTHER,
    SESSION,
    composer,
    conversation,
    editor,
    everything,
    put,
    put_head,
    said,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "clankers.db") as opened:
        yield opened


@pytest.fixture
def database(home: Path) -> Path:
    """Two conversations of one prompt each."""
    path = editor(home)
    for session in (SESSION, OTHER):
        put(path, conversation(session, composer("u"), {"u": said(1, "Hi", 1)}))
    return path


def keys(path: Path) -> dict[str, tuple[int, int]]:
    return {one.key: one[1:] for one in IMPORTER.entries(path) or ()}


def changed(path: Path, before: dict[str, tuple[int, int]]) -> list[str]:
    return [key for key, entry in keys(path).items() if before.get(key) != entry]


def test_only_what_changed_is_read(store: Store, database: Path) -> None:
    """A conversation that grew is read again, the other one is not."""
    assert import_sessions(store, ["cursor"]).imported == 4
    assert import_sessions(store, ["cursor"]).imported == 0

    put(database, conversation(SESSION, composer("u", "b"), {"b": said(2, "Ho")}))
    assert import_sessions(store, ["cursor"]).imported == 3
    assert store.session(SESSION).message_count == 2


def test_a_bubble_replaced(database: Path) -> None:
    """A bubble that is written again with as many letters is noticed, by its new row."""
    before = keys(database)
    put(database, {f"bubbleId:{SESSION}:u": said(1, "Ho", 1)})
    assert changed(database, before) == [f"composerData:{SESSION}"]


def test_a_bubble_changed_in_place(database: Path) -> None:
    """So is one that keeps its row, by its length."""
    before = keys(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "UPDATE cursorDiskKV SET value = ? WHERE key = ?",
            (json.dumps(said(1, "Hello", 1)), f"bubbleId:{SESSION}:u"),
        )
    assert changed(database, before) == [f"composerData:{SESSION}"]


def test_a_bubble_deleted(database: Path) -> None:
    """And so is one that is gone."""
    put(database, {f"bubbleId:{SESSION}:v": said(2, "Ho")})
    before = keys(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM cursorDiskKV WHERE key = ?", (f"bubbleId:{SESSION}:v",))
    assert changed(database, before) == [f"composerData:{SESSION}"]


def test_a_new_name(store: Store, database: Path) -> None:
    """A name as long as the old one is noticed in the newer table."""
    put_head(database, SESSION, name="Tides")
    import_sessions(store, ["cursor"])
    before = keys(database)
    put_head(database, SESSION, name="Ebbes")
    assert changed(database, before) == [f"composerData:{SESSION}"]
    import_sessions(store, ["cursor"])
    assert store.session(SESSION).title == "Ebbes"


def test_without_lengths(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a large database no bubble is touched, and one that is replaced is still noticed."""
    monkeypatch.setattr("clankers.importers.cursor._entries._LENGTHS_UP_TO", 0)
    before = keys(database)
    put(database, {f"bubbleId:{SESSION}:u": said(1, "Ho", 1)})
    assert changed(database, before) == [f"composerData:{SESSION}"]


def test_while_it_is_written(database: Path) -> None:
    """A transaction that goes on is neither waited for nor seen."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO cursorDiskKV VALUES (?, ?)",
            (f"bubbleId:{SESSION}:u", json.dumps(said(1, "Half", 1))),
        )
        assert [one.text_content for one in everything(database).messages] == ["Hi", "Hi"]
        connection.rollback()


def test_written_between_two_batches(database: Path) -> None:
    """Whoever reads lets the editor write: no transaction is open while rows are stored."""
    names = [f"b{number}" for number in range(5_000)]
    put(database, conversation(SESSION, composer(*names), {one: said(2, "Ho") for one in names}))
    batches = IMPORTER.read_entry(database, f"composerData:{SESSION}")
    first = next(batches)
    with closing(sqlite3.connect(database, timeout=0)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        put(database, {"unrelated": {}})
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    rest = list(batches)
    messages = [one for batch in (first, *rest) for one in batch.messages]
    assert len(messages) == 5_001
    assert [one.native_id for one in messages if one.is_sidechain] == ["u"]


def test_read_before_or_after_an_undo(home: Path, tmp_path: Path) -> None:
    """What was undone is beside the conversation, whenever it was read; and may come back."""
    bubbles = {
        "u": said(1, "Hi", 1),
        "gone": said(2, "Wrong", tokenCount={"inputTokens": 5, "outputTokens": 7}),
        "b": said(3, "Ho"),
    }
    before, after = composer("u", "gone"), composer("u", "b")
    path = put(editor(home), conversation(SESSION, before, bubbles))
    first = stored("cursor", path, tmp_path / "twice.db")
    assert [one.is_sidechain for one in first.messages] == [False, False, True]

    put(path, conversation(SESSION, after, {}))
    twice = stored("cursor", path, tmp_path / "twice.db")
    once = stored("cursor", path, tmp_path / "once.db")
    assert twice == once
    assert [(one.native_id, one.is_sidechain) for one in once.messages] == [
        ("u", False),
        ("b", False),
        ("gone", True),
    ]
    assert [one.message_id for one in once.usage] == [f"{SESSION}:gone"]

    put(path, conversation(SESSION, composer("u", "gone", "b"), {}))
    back = stored("cursor", path, tmp_path / "twice.db")
    assert [one.is_sidechain for one in back.messages] == [False, False, False]
