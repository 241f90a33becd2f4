"""What cannot be read is reported, costs nobody else, and is tried again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clankers.errors import ImporterError, UnknownAgentError
from clankers.importing import Failure, Progress, import_sessions
from clankers.store import Store
from importing._transcripts import OTHER_SESSION, contents, counts, prompt, said
from importing.conftest import install

if TYPE_CHECKING:
    from importing._parrot import Parrot


def write(home: Path, **files: str) -> Path:
    folder = home / ".parrot"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.parrot").write_text(text, encoding="utf-8")
    return folder


class TestOtherPackages:
    def test_an_entry_point_adds_an_agent(self, store: Store, home: Path, parrot: Parrot) -> None:
        """An installed package that names our group is imported with the built-in agents."""
        folder = write(home, ada="polly\nwants\n")

        report = import_sessions(store)

        (source,) = report.sources
        assert (source.agent, source.path, source.lines) == ("parrot", folder, 2)
        assert said(store.connection) == ["polly", "wants"]
        assert store.session("ada").source == "parrot"
        assert import_sessions(store, ["parrot"]).unchanged == 1

    def test_one_that_does_not_load_is_reported(
        self, store: Store, tmp_path: Path, transcript: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A broken package costs its own agent only, unless that one is asked for."""
        install(tmp_path / "broken", "magpie", "no_such_module:IMPORTER", monkeypatch)

        report = import_sessions(store)

        (failure,) = report.failures
        assert failure.path == "magpie"
        assert "No module named 'no_such_module'" in failure.message
        assert report.read == 1
        with pytest.raises(ImporterError, match="importer for 'magpie'"):
            import_sessions(store, ["magpie"])

    def test_one_whose_module_is_no_python(
        self, store: Store, tmp_path: Path, transcript: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever it fails with while it loads is that package's own trouble."""
        install(tmp_path / "broken", "magpie", "importing_magpie:IMPORTER", monkeypatch)
        (tmp_path / "broken" / "importing_magpie.py").write_text("def", encoding="utf-8")

        report = import_sessions(store)

        assert [failure.path for failure in report.failures] == ["magpie"]
        assert "SyntaxError" in report.failures[0].message
        assert report.read == 1

    def test_one_that_fails_to_list(self, store: Store, home: Path, parrot: Parrot) -> None:
        """What it listed before is imported."""
        folder = write(home, ada="polly\n")
        (folder / "unlistable").touch()

        report = import_sessions(store)

        assert said(store.connection) == ["polly"]
        assert report.failures == [
            Failure(folder, "the parrot importer failed: RuntimeError('the perch broke')")
        ]

    def test_an_unknown_agent(self, store: Store) -> None:
        """A name that nobody imports is an error that lists those there are."""
        with pytest.raises(UnknownAgentError, match="no importer for 'cloud'") as caught:
            import_sessions(store, ["claude-code", "cloud"])
        assert {"claude-code", "codex"} <= set(caught.value.hint.replace(",", "").split())

    def test_one_agent_as_a_string(self, store: Store, transcript: Path) -> None:
        """A single name may stand for a list of one."""
        assert import_sessions(store, "claude-code").read == 1


class TestInTheMiddle:
    """A file on which the importer fails after some batches."""

    def test_keeps_what_came_before(self, store: Store, home: Path, parrot: Parrot) -> None:
        """Rows and watermark stop at the last good batch; the other files are whole."""
        folder = write(home, a="polly\none\n!fail\ntwo\n", b="polly\nthree\n")

        report = import_sessions(store)

        assert said(store.connection) == ["polly", "one", "polly", "three"]
        assert (report.files, report.new, report.read) == (2, 2, 1)
        (failure,) = report.failures
        assert failure.path == folder / "a.parrot"
        assert failure.message.startswith("the parrot importer failed: AttributeError(")
        assert counts(store.connection, folder / "a.parrot")["lines"] == 2
        query = "SELECT last_error FROM import_sources ORDER BY path"
        assert [row[0] for row in store.connection.execute(query)] == [failure.message, None]

    def test_is_tried_again_from_there(self, store: Store, home: Path, parrot: Parrot) -> None:
        """Each import tries the rest again, writes nothing while that fails, then all of it."""
        folder = write(home, a="polly\none\n!fail\ntwo\n")
        import_sessions(store)
        before = store.connection.total_changes()

        report = import_sessions(store)
        assert (len(report.failures), report.bytes_read) == (1, 0)
        assert store.connection.total_changes() == before

        text = (folder / "a.parrot").read_text(encoding="utf-8")
        (folder / "a.parrot").write_text(text.replace("!fail", "flies"), encoding="utf-8")
        report = import_sessions(store)
        assert (report.failures, report.bytes_read) == ([], len("flies\ntwo\n"))
        assert said(store.connection) == ["polly", "one", "flies", "two"]
        assert counts(store.connection, folder / "a.parrot")["lines"] == 4

    def test_rows_that_no_table_takes(self, store: Store, home: Path, parrot: Parrot) -> None:
        """A file with a row that the schema refuses is left out whole; the others are not."""
        folder = write(home, a="polly\n", b="polly\none\n!bad\n", c="polly\ntwo\n")

        report = import_sessions(store)

        assert said(store.connection) == ["polly", "polly", "two"]
        (failure,) = report.failures
        assert failure.path == folder / "b.parrot"
        assert "the parrot importer made rows that cannot be stored" in failure.message
        assert counts(store.connection, folder / "b.parrot")["lines"] == 0
        assert (report.files, report.read, report.lines) == (3, 2, 3)
        assert [session.id for session in store.sessions()] == ["a", "c"]
        assert store.session("c").message_count == 2

        (folder / "b.parrot").write_text("polly\none\nwell\n", encoding="utf-8")
        assert import_sessions(store).failures == []
        assert said(store.connection) == ["polly", "polly", "one", "well", "polly", "two"]

    def test_a_large_file_is_stored_in_parts(
        self, store: Store, home: Path, parrot: Parrot
    ) -> None:
        """What was committed of a long file stays when a later part fails, and is not read again."""
        folder = write(home, a="*9000 polly\n*9000 one\n*9000 two\n!bad\n*9000 three\n")

        import_sessions(store)

        assert counts(store.connection, folder / "a.parrot")["lines"] == 3
        assert store.session("a").message_count == 27_000
        text = (folder / "a.parrot").read_text(encoding="utf-8")
        (folder / "a.parrot").write_text(text.replace("!bad", "good"), encoding="utf-8")
        assert import_sessions(store).bytes_read == len("good\n*9000 three\n")
        assert store.session("a").message_count == 36_001

    def test_nothing_is_stored_behind_a_row_that_was_refused(
        self, store: Store, home: Path, parrot: Parrot
    ) -> None:
        """A long file whose early part cannot be stored waits as a whole for a better importer."""
        folder = write(home, a="!bad\n*21000 one\n*9000 two\n*21000 three\n", b="polly\n")

        report = import_sessions(store)

        assert [failure.path for failure in report.failures] == [folder / "a.parrot"]
        assert said(store.connection) == ["polly"]
        assert counts(store.connection, folder / "a.parrot")["lines"] == 0


class TestInterrupted:
    def test_in_a_large_file(self, store: Store, home: Path, parrot: Parrot) -> None:
        """The next import goes on in the middle of the file, after what was committed."""
        folder = write(home, a="*21000 one\n*9000 two\n!stop\n")
        with pytest.raises(KeyboardInterrupt):
            import_sessions(store)
        assert store.connection.execute("SELECT count(*) FROM messages").get == 21_000

        text = (folder / "a.parrot").read_text(encoding="utf-8")
        (folder / "a.parrot").write_text(text.replace("!stop", "three"), encoding="utf-8")

        assert import_sessions(store).bytes_read == len("*9000 two\nthree\n")
        assert store.session("a").message_count == 30_001

    def test_keeps_what_was_committed(self, store: Store, home: Path, parrot: Parrot) -> None:
        """Ctrl-C loses the files since the last commit; the next import reads just those."""
        names = {f"f{number:03}": "polly\n" for number in range(250)}
        folder = write(home, **names | {"f230": "polly\n!stop\n"})

        with pytest.raises(KeyboardInterrupt):
            import_sessions(store)

        assert not store.connection.in_transaction
        done = store.connection.execute("SELECT count(*) FROM import_sources").get
        assert 0 < done < 230
        assert store.connection.execute("SELECT count(*) FROM messages").get == done
        assert store.connection.execute("SELECT sum(message_count) FROM sessions").get == done

        (folder / "f230.parrot").write_text("polly\n", encoding="utf-8")
        assert import_sessions(store).unchanged == done
        assert store.connection.execute("SELECT sum(message_count) FROM sessions").get == 250

    def test_by_what_watches_it(self, store: Store, home: Path, parrot: Parrot) -> None:
        """An exception in on_progress ends the import, and nothing is left open."""
        write(home, a="polly\n", b="polly\n")

        def give_up(progress: Progress) -> None:
            raise TimeoutError

        with pytest.raises(TimeoutError):
            import_sessions(store, on_progress=give_up)

        assert not store.connection.in_transaction
        assert said(store.connection) == []


class TestImproved:
    """An importer that says it reads better now."""

    def test_reads_files_again(self, store: Store, home: Path, parrot: Parrot) -> None:
        """Files that still exist are read whole; rows get the better reading, none is removed."""
        folder = write(home, a="polly\n", b="polly\nbye\n")
        import_sessions(store)
        (folder / "b.parrot").unlink()
        parrot.version = 2

        report = import_sessions(store)

        assert (report.updated, report.bytes_read) == (1, len("polly\n"))
        query = "SELECT session_id, model FROM usage ORDER BY id"
        assert store.connection.execute(query).fetchall() == [
            ("a", "parrot-2"),
            ("b", "parrot-1"),
            ("b", "parrot-1"),
        ]
        assert said(store.connection) == ["polly", "polly", "bye"]
        assert import_sessions(store).unchanged == 1

    def test_is_still_the_better_one_after_an_interruption(
        self, store: Store, home: Path, parrot: Parrot
    ) -> None:
        """A better reading that breaks off begins anew, so that no row keeps the older one."""
        folder = write(home, a="polly\n*30000 one\ntwo\nthree\n")
        import_sessions(store)
        parrot.version = 2
        text = (folder / "a.parrot").read_text(encoding="utf-8")
        (folder / "a.parrot").write_text(text.replace("three", "!fail"), encoding="utf-8")
        assert len(import_sessions(store).failures) == 1

        (folder / "a.parrot").write_text(text, encoding="utf-8")
        import_sessions(store)

        models = "SELECT DISTINCT model FROM usage"
        assert store.connection.execute(models).fetchall() == [("parrot-2",)]
        assert counts(store.connection, folder / "a.parrot")["lines"] == 4

    def test_an_older_program_leaves_it_alone(
        self, store: Store, home: Path, parrot: Parrot
    ) -> None:
        """Two versions on one machine do not read everything in turns."""
        write(home, a="polly\n")
        parrot.version = 2
        import_sessions(store)
        parrot.version = 1

        assert import_sessions(store).unchanged == 1


def test_a_file_that_vanishes_meanwhile(store: Store, home: Path, parrot: Parrot) -> None:
    """Gone between listing and reading: reported, and the others are read."""
    folder = write(home, a="polly\n", b="polly\n", c="polly\n")

    report = import_sessions(
        store, on_progress=lambda _progress: (folder / "b.parrot").unlink(missing_ok=True)
    )

    assert report.failures == [Failure(folder / "b.parrot", "No such file or directory")]
    assert [session.id for session in store.sessions()] == ["a", "c"]


def test_what_is_no_file(store: Store, home: Path, parrot: Parrot) -> None:
    """A folder, a pipe and a dangling link that an importer lists are reported, not opened."""
    folder = write(home, good="polly\n")
    (folder / "a.parrot").mkdir()
    os.mkfifo(folder / "b.parrot")
    (folder / "c.parrot").symlink_to(folder / "nowhere")

    report = import_sessions(store)

    assert (report.files, report.read) == (1, 1)
    assert report.failures == [
        Failure(folder / "a.parrot", "is not a regular file"),
        Failure(folder / "b.parrot", "is not a regular file"),
        Failure(folder / "c.parrot", "No such file or directory"),
    ]


def test_a_folder_named_as_a_transcript(store: Store, transcript: Path) -> None:
    """It is looked into like any other."""
    (transcript.parent / "folder.jsonl").mkdir()
    inside = transcript.parent / "folder.jsonl" / f"{OTHER_SESSION}.jsonl"
    inside.write_text(prompt("Inside.", session=OTHER_SESSION), encoding="utf-8")

    assert import_sessions(store).read == 2


AS_SOMEBODY_ELSE = """
import json, os, sys
from clankers.importing import import_sessions
from clankers.store import Store

with Store.open(sys.argv[1]) as store:
    import_sessions(store, path=sys.argv[2] + "/warm")
    if os.geteuid() == 0:
        os.seteuid(65534)
    report = import_sessions(store, ["claude-code", "codex"])
    print(json.dumps([report.read, [[str(one.path), one.message] for one in report.failures]]))
"""


def test_what_may_not_be_read(tmp_path: Path) -> None:
    """A file and a root without the right to read them are reported; the others are read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        known = folder / "claude" / "projects"
        for place in (known, folder / "warm", folder / "closed" / "home"):
            place.mkdir(parents=True)
        (folder / "warm" / "x.jsonl").write_text(prompt("Warm."), encoding="utf-8")
        (known / "a.jsonl").write_text(prompt("Secret."), encoding="utf-8")
        (known / "b.jsonl").write_text(prompt("Known."), encoding="utf-8")
        folder.chmod(0o755)
        (known / "a.jsonl").chmod(0)
        (folder / "closed").chmod(0)
        found = subprocess.run(
            [sys.executable, "-c", AS_SOMEBODY_ELSE, str(tmp_path / "a.db"), name],
            env={**os.environ, "XDG_CONFIG_HOME": name, "HOME": f"{name}/closed/home"},
            capture_output=True,
            text=True,
            check=False,
        )
        (folder / "closed").chmod(0o700)

    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout) == [
        1,
        [
            [f"{name}/closed/home/.claude/projects", "Permission denied"],
            [f"{name}/closed/home/.codex", "Permission denied"],
            [str(known / "a.jsonl"), "Permission denied"],
        ],
    ]


def test_a_broken_archive_of_codex(store: Store, home: Path, transcript: Path) -> None:
    """A rollout named as compressed that is not costs nobody else."""
    folder = home / ".codex" / "sessions" / "2026" / "11" / "02"
    folder.mkdir(parents=True)
    broken = folder / "rollout-2026-11-02T09-00-00-01990000-0000-7000-8000-000000000001.jsonl.zst"
    broken.write_bytes(b"no zstd")

    report = import_sessions(store)

    assert report.read == 1
    (failure,) = report.failures
    assert failure.path == broken
    assert "not a readable zstd file" in failure.message


def test_the_rest_is_what_an_import_without_it_gives(
    store: Store, home: Path, tmp_path: Path, parrot: Parrot
) -> None:
    """A file that fails leaves no trace in the rows of the others."""
    folder = write(home, a="polly\none\n", c="polly\ntwo\n")
    with Store.open(tmp_path / "other.db") as other:
        import_sessions(other)
        expected = contents(other.connection)
    (folder / "b.parrot").write_text("!bad\n", encoding="utf-8")

    import_sessions(store)

    store.connection.execute("DELETE FROM import_sources WHERE path LIKE '%b.parrot'")
    assert contents(store.connection) == expected
