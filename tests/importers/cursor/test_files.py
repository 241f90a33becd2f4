"""Where Cursor's files are, and which files are Cursor's."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from clankers.importers.cursor import IMPORTER

from ._stores import (
    SESSION,
    Blobs,
    chat,
    composer,
    conversation,
    editor,
    encoded,
    line,
    put,
    said,
    transcript,
    typed,
)


@pytest.fixture
def everywhere(home: Path) -> list[Path]:
    """One file of each kind, in the order in which they are to be found."""
    blobs = Blobs()
    return [
        put(editor(home), conversation(SESSION, composer("u"), {"u": said(1, "Hi", 1)})),
        put(editor(home, "ab12"), {"composer.composerData": {}}, table="ItemTable"),
        chat(home, SESSION, blobs, blobs.state(typed("Hi"))),
        transcript(home, SESSION, line("user", "Hi")),
        transcript(home, "child", line("user", "Hi"), parent=SESSION),
    ]


def test_roots() -> None:
    """Folders of the editor on each platform, then the command line's."""
    home = Path("/home/ada")
    assert IMPORTER.roots({}, home) == [
        Path("/home/ada/Library/Application Support/Cursor/User"),
        Path("/home/ada/.config/Cursor/User"),
        Path("/home/ada/AppData/Roaming/Cursor/User"),
        Path("/home/ada/.cursor"),
    ]
    moved = IMPORTER.roots({"XDG_CONFIG_HOME": "/cfg", "CURSOR_DATA_DIR": "/data"}, home)
    assert moved[3:] == [Path("/cfg/Cursor/User"), Path("/data"), Path("/home/ada/.cursor")]


def test_found_below(home: Path, everywhere: list[Path]) -> None:
    """Everything is found below any folder above, and each file as itself."""
    assert sorted(IMPORTER.find(home)) == sorted(everywhere)
    assert list(IMPORTER.find(home)) == list(IMPORTER.find(home))
    assert list(IMPORTER.find(home / ".cursor")) == everywhere[2:]
    assert list(IMPORTER.find(home / ".config" / "Cursor" / "User")) == everywhere[:2]
    for path in everywhere:
        assert list(IMPORTER.find(path)) == [path]
        assert IMPORTER.recognises(path)


def test_links_among_transcripts(home: Path, everywhere: list[Path]) -> None:
    """A link beside transcripts, which could lead anywhere, is no transcript."""
    private = home / "notes"
    private.write_text("user:\nsecret\n")
    for name in ("link.txt", "link.jsonl"):
        everywhere[3].with_name(name).symlink_to(private)
    assert sorted(IMPORTER.find(home)) == sorted(everywhere)


def test_what_is_passed_by(home: Path, everywhere: list[Path]) -> None:
    """Extensions, and what other extensions keep in the editor's folders, are not looked at."""
    for folder in (home / ".cursor" / "extensions", everywhere[0].parent / "saoud.cline"):
        folder.mkdir()
        (folder / "log.jsonl").write_bytes(encoded(line("user", "Hi")))
    assert sorted(IMPORTER.find(home)) == sorted(everywhere)


def test_other_editors(home: Path) -> None:
    """A database of another editor of the family has neither the table nor the keys."""
    path = home / "Code" / "User" / "globalStorage" / "state.vscdb"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE ItemTable (key TEXT UNIQUE, value BLOB)")
        connection.execute("INSERT INTO ItemTable VALUES ('memento/x', '{}')")
    assert not IMPORTER.recognises(path)
    assert list(IMPORTER.find(home)) == []


@pytest.mark.parametrize(
    "record",
    [
        {"type": "user", "message": {"role": "user", "content": "Hi"}, "sessionId": SESSION},
        {"type": "message", "id": "a", "message": {"role": "user", "content": []}},
        {"role": "user", "content": "Hi"},
        {"role": "user", "message": {"content": []}, "type": "user", "uuid": "x"},
        ["role"],
    ],
)
def test_other_transcripts(home: Path, record: object) -> None:
    """Lines of other agents are not taken for Cursor's."""
    path = home / "some.jsonl"
    path.write_text(json.dumps(record) + "\n")
    assert not IMPORTER.recognises(path)
    assert list(IMPORTER.find(home)) == []


def test_copied_transcripts(home: Path) -> None:
    """A transcript is known by its lines; one that says nothing goes with those beside it."""
    for name, lines in {"a": [line("user", "Hi")], "b": [], "c": [{"type": "error"}]}.items():
        (home / f"{name}.jsonl").write_bytes(encoded(*lines))
    (home / "d.jsonl").write_text('{"type": "session", "id": "x"}\n')
    assert [one.name for one in IMPORTER.find(home)] == ["a.jsonl", "b.jsonl", "c.jsonl"]
