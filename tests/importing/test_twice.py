"""Importing again: nothing for what did not change, the tail of what grew, all of what is new."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from clankers.importing import import_sessions
from importing._transcripts import (
    OTHER_SESSION,
    SESSION,
    answer,
    contents,
    counts,
    prompt,
    said,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from clankers.store import Store
    from importing._parrot import Parrot

FIRST = {"lines": 7, "imported": 4, "noise": 1, "unknown": 1, "malformed": 1}


def test_the_first_import(store: Store, transcript: Path) -> None:
    """Every line of a new file is in exactly one counter, and its rows are there."""
    report = import_sessions(store)

    assert {key: value for key, value in report.to_dict().items() if key != "sources"} == {
        "files": 1,
        "read": 1,
        "new": 1,
        "updated": 0,
        "unchanged": 0,
        **FIRST,
        "left_out": 0,
    }
    assert report.bytes_read == transcript.stat().st_size
    assert counts(store.connection, transcript) == FIRST
    assert said(store.connection) == ["How high is the tide?", None, "Two metres."]
    (session,) = store.sessions()
    assert (session.id, session.message_count, session.tool_call_count) == (SESSION, 3, 1)
    assert (session.prompt_tokens, session.completion_tokens) == (23, 7)


def test_nothing_changed(
    store: Store,
    transcript: Path,
    opened: Callable[[], AbstractContextManager[set[str]]],
) -> None:
    """The second import opens no transcript, parses 0 bytes and writes 0 rows."""
    import_sessions(store)
    before = store.connection.total_changes()

    with opened() as files:
        report = import_sessions(store)

    assert (report.read, report.unchanged, report.bytes_read, report.lines) == (0, 1, 0, 0)
    assert report.rows_written == 0
    assert store.connection.total_changes() == before
    assert not {name for name in files if name.endswith(".jsonl")}


AGAIN = """
import sys
from clankers.importing import import_sessions
from clankers.store import Store

with Store.open(sys.argv[1]) as store:
    assert import_sessions(store).unchanged == 1
print(*sys.modules)
"""


def test_nothing_changed_needs_no_records(store: Store, transcript: Path) -> None:
    """Finding out that there is nothing to do loads nothing that reads or writes."""
    import_sessions(store)

    command = [sys.executable, "-c", AGAIN, str(store.path)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)

    loaded = set(found.stdout.split())
    assert "clankers.importing._run" in loaded
    assert not loaded & {
        *("attr", "attrs", "msgspec", "threading", "clankers.models", "clankers.usage"),
        *("clankers.importing._reading", "clankers.importing._writer"),
        "clankers.importers.claude_code._reading",
    }


def test_a_grown_file(store: Store, transcript: Path) -> None:
    """Only the tail is read and counted."""
    import_sessions(store)
    line = prompt("And tomorrow?", minute=9)
    with transcript.open("a", encoding="utf-8") as file:
        file.write(line)

    report = import_sessions(store)

    assert (report.new, report.updated, report.bytes_read) == (0, 1, len(line))
    assert (report.lines, report.imported) == (1, 1)
    assert counts(store.connection, transcript) == {**FIRST, "lines": 8, "imported": 5}
    assert said(store.connection)[-1] == "And tomorrow?"
    assert store.session(SESSION).message_count == 4


def test_full_reads_everything_and_changes_nothing(store: Store, transcript: Path) -> None:
    """--full parses every byte again; the rows stay what they were."""
    import_sessions(store)
    before = contents(store.connection)

    report = import_sessions(store, full=True)

    assert (report.updated, report.bytes_read) == (1, transcript.stat().st_size)
    assert report.rows_written == 0
    assert contents(store.connection) == before


@pytest.mark.parametrize("pieces", [1, 2, 3, 7])
def test_growing_in_pieces_is_reading_once(store: Store, transcript: Path, pieces: int) -> None:
    """However a file grew between imports, torn lines included, the rows are the same."""
    whole = transcript.read_bytes()
    import_sessions(store)
    expected = contents(store.connection)
    # As if nothing had been there: what is deleted else does not come back.
    with store.quietly():
        for table in ("import_sources", "usage", "sessions"):
            store.connection.execute(f"DELETE FROM {table}")

    transcript.write_bytes(b"")
    for piece in range(1, pieces + 1):
        with transcript.open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(whole[file.tell() : len(whole) * piece // pieces])
        import_sessions(store)

    found = contents(store.connection)
    # Only the time of its last change can tell the files apart.
    del found["import_sources"], expected["import_sources"]
    assert found == expected
    assert counts(store.connection, transcript) == FIRST


class TestTornLines:
    """A last line without newline."""

    def test_is_pending_while_it_does_not_parse(self, store: Store, transcript: Path) -> None:
        """Half a line is neither malformed nor counted; completed it is read once."""
        line = prompt("And tomorrow?", minute=9)
        with transcript.open("a", encoding="utf-8") as file:
            file.write(line[:40])
        import_sessions(store)
        assert counts(store.connection, transcript) == FIRST

        with transcript.open("a", encoding="utf-8") as file:
            file.write(line[40:])
        report = import_sessions(store)

        assert (report.imported, report.bytes_read) == (1, len(line))
        assert counts(store.connection, transcript) == {**FIRST, "lines": 8, "imported": 5}

    def test_is_counted_once_when_it_parses(self, store: Store, transcript: Path) -> None:
        """A whole record without newline is imported; when the file grows it is read again."""
        with transcript.open("a", encoding="utf-8") as file:
            file.write(prompt("And tomorrow?", minute=9).rstrip("\n"))
        import_sessions(store)
        grown = {**FIRST, "lines": 8, "imported": 5}
        assert counts(store.connection, transcript) == grown
        assert said(store.connection)[-1] == "And tomorrow?"
        assert import_sessions(store).unchanged == 1

        with transcript.open("a", encoding="utf-8") as file:
            file.write("\n")
        import_sessions(store)
        assert counts(store.connection, transcript) == grown

        with transcript.open("a", encoding="utf-8") as file:
            file.write(answer("Three.", minute=10))
        import_sessions(store)
        assert counts(store.connection, transcript) == {**FIRST, "lines": 9, "imported": 6}
        assert said(store.connection)[-2:] == ["And tomorrow?", "Three."]

    def test_may_turn_out_to_be_something_else(self, store: Store, transcript: Path) -> None:
        """What parsed as a record may become a malformed line: it moves to that counter."""
        with transcript.open("a", encoding="utf-8") as file:
            file.write(prompt("And tomorrow?", minute=9).rstrip("\n"))
        import_sessions(store)

        with transcript.open("a", encoding="utf-8") as file:
            file.write("}}\n")
        import_sessions(store)

        assert counts(store.connection, transcript) == {**FIRST, "lines": 8, "malformed": 2}
        numbers = "SELECT malformed_lines FROM import_sources"
        assert store.connection.execute(numbers).get == "[[5,5],[8,8]]"


class TestRewrittenFiles:
    """A file that is not what was read before with something added is read from its start.

    What changes stands between two long prompts, so that beginning and end are the same.
    """

    @pytest.fixture
    def transcript(self, transcript: Path) -> Path:
        long = "Look at the tide table. " * 100
        text = transcript.read_text(encoding="utf-8")
        transcript.write_text(
            prompt(long, minute=0) + text + prompt(long, minute=30), encoding="utf-8"
        )
        return transcript

    def test_truncated(self, store: Store, transcript: Path) -> None:
        """Fewer bytes than were read: what is left is counted, what is gone stays stored."""
        import_sessions(store)
        first = transcript.read_text(encoding="utf-8").splitlines(keepends=True)[0]
        transcript.write_text(first, encoding="utf-8")

        report = import_sessions(store)

        assert report.bytes_read == len(first)
        assert counts(store.connection, transcript)["lines"] == 1
        assert len(said(store.connection)) == 5

    def test_replaced_by_a_file_of_the_same_size(self, store: Store, transcript: Path) -> None:
        """Another file under the name, as large and as old: told by its inode."""
        import_sessions(store)
        status = transcript.stat()
        text = transcript.read_text(encoding="utf-8")
        beside = transcript.with_suffix(".new")
        beside.write_text(text.replace("Two metres.", "Six metres."), encoding="utf-8")
        os.utime(beside, ns=(status.st_atime_ns, status.st_mtime_ns))
        beside.replace(transcript)
        assert transcript.stat().st_size == status.st_size

        report = import_sessions(store)

        assert report.bytes_read == status.st_size
        assert "Six metres." in said(store.connection)
        assert counts(store.connection, transcript) == {**FIRST, "lines": 9, "imported": 6}

    def test_replaced_by_a_longer_file(self, store: Store, transcript: Path) -> None:
        """Another file that begins alike and is longer is not a grown one."""
        import_sessions(store)
        text = transcript.read_text(encoding="utf-8")
        beside = transcript.with_suffix(".new")
        beside.write_text(text.replace("Two", "Six") + answer("No.", minute=40), encoding="utf-8")
        beside.replace(transcript)

        import_sessions(store)

        assert "Six metres." in said(store.connection)
        assert said(store.connection)[-1] == "No."

    def test_rewritten_in_place(self, store: Store, transcript: Path) -> None:
        """The same file with the same size and another time of change."""
        import_sessions(store)
        text = transcript.read_text(encoding="utf-8")
        with transcript.open("r+", encoding="utf-8") as file:
            file.write(text.replace("Two metres.", "Six metres."))
        os.utime(transcript, ns=(1, 1))

        report = import_sessions(store)

        assert report.bytes_read == len(text)
        assert "Six metres." in said(store.connection)

    def test_shrunk_and_grown_again(self, store: Store, transcript: Path) -> None:
        """Cut after its first line, then longer than ever: the same beginning, another end."""
        import_sessions(store)
        size = transcript.stat().st_size
        with transcript.open("r+", encoding="utf-8") as file:
            file.truncate(len(file.readline()))
            file.seek(0, os.SEEK_END)
            for minute in range(40, 60):
                file.write(answer("Low.", minute=minute))
        assert transcript.stat().st_size > size

        import_sessions(store)

        assert counts(store.connection, transcript)["lines"] == 21
        assert said(store.connection).count("Low.") == 20

    def test_written_over_right_after_it_was_read(
        self, store: Store, home: Path, parrot: Parrot
    ) -> None:
        """What stands in the file when it is marked as read is not what was read."""
        folder = home / ".parrot"
        folder.mkdir()
        (folder / "a.parrot").write_text("polly\none\ntwo\n", encoding="utf-8")
        (folder / "a.next").write_text("polly\nthree\nfour\nfive\n", encoding="utf-8")
        import_sessions(store)
        assert said(store.connection) == ["polly", "one", "two"]

        report = import_sessions(store)

        assert (report.lines, report.malformed) == (4, 0)
        assert said(store.connection)[-3:] == ["three", "four", "five"]

    def test_under_the_number_of_another(self, store: Store, transcript: Path) -> None:
        """An inode that is used again for another file, which may even be as large."""
        import_sessions(store)
        number, size = transcript.stat().st_ino, transcript.stat().st_size
        first = prompt("Another tide.", minute=50)
        room = size - len(first) - len(prompt("", minute=51))
        with transcript.open("w", encoding="utf-8") as file:
            file.write(first + prompt("x" * room, minute=51))
        assert (transcript.stat().st_ino, transcript.stat().st_size) == (number, size)

        report = import_sessions(store)

        assert (report.lines, report.bytes_read) == (2, size)
        assert "Another tide." in said(store.connection)

    def test_rotated(self, store: Store, transcript: Path) -> None:
        """The old lines under another name, new ones under the old: nothing twice or lost."""
        import_sessions(store)
        before = said(store.connection)
        transcript.rename(transcript.with_name("rotated.jsonl"))
        transcript.write_text(prompt("Fresh.", minute=50), encoding="utf-8")

        import_sessions(store)

        assert sorted(map(str, said(store.connection))) == sorted(map(str, [*before, "Fresh."]))
        assert [one.id for one in store.sessions()] == [SESSION]

    def test_moved_to_another_folder(self, store: Store, transcript: Path) -> None:
        """It is read again under its new place, which changes no row."""
        import_sessions(store)
        before = contents(store.connection)
        moved = transcript.parent.parent / "-home-ada-loom" / transcript.name
        moved.parent.mkdir()
        transcript.rename(moved)

        report = import_sessions(store)

        assert (report.new, report.bytes_read) == (1, moved.stat().st_size)
        after = contents(store.connection)
        del before["import_sources"], after["import_sources"]
        assert after == before

    def test_touched(self, store: Store, transcript: Path) -> None:
        """A newer time alone makes it be read again, and changes no row."""
        import_sessions(store)
        before = contents(store.connection)
        os.utime(transcript, ns=(1, 1))

        assert import_sessions(store).rows_written == 0

        del before["import_sources"]
        after = contents(store.connection)
        del after["import_sources"]
        assert after == before


def test_a_vanished_file_removes_nothing(store: Store, transcript: Path) -> None:
    """The agents delete their files; the archive keeps what it has."""
    import_sessions(store)
    before = contents(store.connection)
    transcript.unlink()

    report = import_sessions(store)

    assert (report.files, report.failures) == (0, [])
    assert contents(store.connection) == before


def test_a_file_that_other_files_join(store: Store, transcript: Path) -> None:
    """A new file beside an old one is the only one read."""
    import_sessions(store)
    line = prompt("Elsewhere.", session=OTHER_SESSION)
    transcript.with_name(f"{OTHER_SESSION}.jsonl").write_text(line, encoding="utf-8")

    report = import_sessions(store)

    assert (report.files, report.new, report.unchanged) == (2, 1, 1)
    assert report.bytes_read == len(line)


class TestDryRun:
    def test_counts_and_writes_nothing(self, store: Store, transcript: Path) -> None:
        """A dry run reports what an import would, and no byte of the database changes."""
        import_sessions(store)
        with transcript.open("a", encoding="utf-8") as file:
            file.write(prompt("And tomorrow?", minute=9))
        store.close()
        before = store.path.read_bytes()

        with type(store).open(store.path) as again:
            report = import_sessions(again, dry_run=True)

        assert (report.updated, report.read, report.imported) == (1, 1, 1)
        assert report.rows_written == 0
        assert store.path.read_bytes() == before
        assert [path.name for path in store.path.parent.glob("clankers.db*")] == ["clankers.db"]

    def test_needs_no_right_to_write(self, store: Store, transcript: Path) -> None:
        """A store that is only read can be asked what an import would do."""
        with type(store).open(store.path, read_only=True) as reader:
            assert import_sessions(reader, dry_run=True).imported == 4


def test_inside_a_transaction_of_the_caller(store: Store, transcript: Path) -> None:
    """An import may be a part of something larger, and goes with it."""

    def begin() -> None:
        with store.atomic():
            import_sessions(store)
            assert len(said(store.connection)) == 3
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        begin()

    assert said(store.connection) == []
    assert import_sessions(store).new == 1


def test_settings_come_back(store: Store, transcript: Path) -> None:
    """What is set for the time of an import is afterwards what it was before."""
    usual = gc.get_threshold()
    gc.set_threshold(701, 11, 12)
    try:
        before = store.connection.pragma("cache_size")
        import_sessions(store)
        assert (gc.get_threshold(), store.connection.pragma("cache_size")) == (
            (701, 11, 12),
            before,
        )
    finally:
        gc.set_threshold(*usual)
