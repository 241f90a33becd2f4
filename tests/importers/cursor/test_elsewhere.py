"""A session that several stores tell is read from one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clankers.importing import import_sessions
from clankers.store import Store

from ._stores import (
    SESSION,
    Blobs,
    answered,
    chat,
    composer,
    conversation,
    editor,
    encoded,
    line,
    put,
    said,
    text,
    transcript,
    typed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "clankers.db") as opened:
        yield opened


def in_editor(home: Path) -> Path:
    bubbles = {"u": said(1, "Hi", 1), "b": said(2, "from the editor")}
    return put(editor(home), conversation(SESSION, composer("u", "b"), bubbles))


def in_store(home: Path) -> Path:
    blobs = Blobs()
    root = blobs.state(typed("Hi"), answered(text("from the store")))
    return chat(home, SESSION, blobs, root)


def in_transcript(home: Path) -> Path:
    return transcript(home, SESSION, line("user", "Hi"), line("assistant", "from the transcript"))


def answers(store: Store) -> list[str]:
    query = "SELECT text_content FROM messages WHERE role = 'assistant' ORDER BY seq"
    return [words for (words,) in store.connection.execute(query)]


def test_all_three(store: Store, home: Path) -> None:
    """The editor comes before the command line, and that before the transcript."""
    for written in (in_transcript, in_store, in_editor):
        written(home)
    report = import_sessions(store, ["cursor"])
    assert answers(store) == ["from the editor"]
    assert (report.files, report.noise, report.failures) == (3, 3, [])


def test_without_the_editor(store: Store, home: Path) -> None:
    """A session the editor does not know, or only as a draft, is the command line's."""
    in_transcript(home)
    in_store(home)
    put(editor(home), conversation(SESSION, composer(isDraft=True), {}))
    import_sessions(store, ["cursor"])
    assert answers(store) == ["from the store"]


def test_an_empty_store(store: Store, home: Path) -> None:
    """A store whose messages cannot be read hides no transcript."""
    in_transcript(home)
    chat(home, SESSION, Blobs(), b"", latestRootBlobId="deadbeef")
    import_sessions(store, ["cursor"])
    assert answers(store) == ["from the transcript"]


def test_a_store_that_is_emptied(store: Store, home: Path) -> None:
    """When the better store is gone, what it said is not told again by the worse one."""
    in_transcript(home)
    path = in_editor(home)
    import_sessions(store, ["cursor"])
    path.unlink()
    import_sessions(store, ["cursor"])
    assert answers(store) == ["from the editor"]


def test_a_better_store_that_comes_later(store: Store, home: Path) -> None:
    """It takes the place of what worse ones said of its sessions, and they say nothing more."""
    path = in_transcript(home)
    import_sessions(store, ["cursor"])
    assert answers(store) == ["from the transcript"]
    in_store(home)
    import_sessions(store, ["cursor"])
    assert answers(store) == ["from the store"]
    in_editor(home)
    path.write_bytes(path.read_bytes() + encoded(line("assistant", "once more")))
    import_sessions(store, ["cursor"])
    assert answers(store) == ["from the editor"]
    assert import_sessions(store, ["cursor"]).lines == 0
    import_sessions(store, ["cursor"], full=True)
    assert answers(store) == ["from the editor"]


def test_an_empty_store_that_comes_later(store: Store, home: Path) -> None:
    """A store that says nothing takes nothing away."""
    in_transcript(home)
    import_sessions(store, ["cursor"])
    chat(home, SESSION, Blobs(), b"", latestRootBlobId="deadbeef")
    put(editor(home), conversation(SESSION, composer(isDraft=True), {}))
    import_sessions(store, ["cursor"])
    assert answers(store) == ["from the transcript"]


def test_a_damaged_editor(store: Store, home: Path) -> None:
    """What is damaged for good keeps no transcript back."""
    in_transcript(home)
    editor(home).write_bytes(b"no database at all" * 100)
    report = import_sessions(store, ["cursor"])
    assert answers(store) == ["from the transcript"]
    assert [one.path for one in report.failures] == [editor(home)]


def test_another_home(store: Store, home: Path, tmp_path: Path) -> None:
    """What another installation has says nothing about this one."""
    in_transcript(home)
    in_editor(tmp_path / "other")
    import_sessions(store, ["cursor"])
    assert answers(store) == ["from the transcript"]
