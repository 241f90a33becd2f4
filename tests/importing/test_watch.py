"""Watching: what is written is stored soon, nothing else is looked at, and nothing ends it."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest
import zstandard
from importers.opencode._sessions import SCHEMA, Storage, text, user

from clankers.errors import StoreError, UnknownAgentError
from clankers.importing import Failure, has_file_events, watch_sessions
from clankers.importing._events import FileEvents, Stop
from clankers.query import Query
from clankers.store import Store
from importing._transcripts import OTHER_SESSION, SESSION, answer, prompt, said
from importing._watched import Watched
from importing.test_discover import ROLLOUT, rollout

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from importing._parrot import Parrot

SOON = 2.0
# A file that was read is looked at once more after a second.
AFTER_LOOKING_AGAIN = 2.0


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "clankers.db"


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def texts(database: Path) -> list[str]:
    """All texts of all messages that are stored now."""
    with Store.open(database, read_only=True) as store:
        return said(store.connection)


class TestEvents:
    """Where the system tells what happened."""

    def test_are_there(self) -> None:
        """The tests below are about them."""
        assert has_file_events()

    def test_the_first_import_is_told(self, database: Path, transcript: Path) -> None:
        """It reads everything, and is told even when there is nothing new."""
        with Watched(database) as watched:
            assert watched.next().lines == 7
        with Watched(database) as watched:
            report = watched.next()
            assert (report.files, report.unchanged, report.lines) == (1, 1, 0)

    def test_a_grown_file(self, database: Path, transcript: Path) -> None:
        """The new line is stored in a fraction of a second, and told with its session."""
        with Watched(database) as watched:
            watched.next()
            append(transcript, prompt("And tomorrow?", minute=9))
            written = time.monotonic()

            report = watched.next()

            assert time.monotonic() - written < SOON
            (source,) = report.sources
            assert (source.agent, source.lines, source.messages) == ("claude-code", 1, 1)
            assert source.sessions == {SESSION}
            assert texts(database)[-1] == "And tomorrow?"

    def test_nothing_but_the_changed_file_is_looked_at(
        self,
        database: Path,
        transcript: Path,
        opened: Callable[[], AbstractContextManager[set[str]]],
    ) -> None:
        """Neither are other files opened, nor any folder listed."""
        for number in range(50):
            beside = transcript.with_name(f"0b7f7f3e-0000-4000-8000-0000000001{number:02}.jsonl")
            beside.write_text(prompt("Beside.", session=beside.stem), encoding="utf-8")
        with Watched(database, agents=["claude-code"]) as watched:
            watched.next()
            with opened() as files:
                append(transcript, prompt("And tomorrow?", minute=9))
                report = watched.next()

        assert report.files == 1
        assert {name for name in files if name.endswith(".jsonl")} == {str(transcript)}
        assert not files & {str(transcript.parent), str(transcript.parent.parent)}

    def test_a_new_file_in_a_new_folder(self, database: Path, projects: Path) -> None:
        """A project that did not exist when the watching began."""
        with Watched(database) as watched:
            watched.next()
            folder = projects / "-home-ada-loom" / "deeper"
            folder.mkdir(parents=True)
            (folder / f"{OTHER_SESSION}.jsonl").write_text(
                prompt("Elsewhere.", session=OTHER_SESSION), encoding="utf-8"
            )
            assert watched.next().sources[0].sessions == {OTHER_SESSION}
            append(
                folder / f"{OTHER_SESSION}.jsonl", prompt("On.", minute=2, session=OTHER_SESSION)
            )
            assert watched.next().lines == 1

    def test_a_root_that_appears_later(self, database: Path, home: Path) -> None:
        """An agent that is installed while we watch, and one that is installed anew."""
        folder = home / ".codex" / "sessions" / "2026" / "11" / "02"
        with Watched(database) as watched:
            watched.next()
            rollout(folder)
            assert watched.next().sources[-1].agent == "codex"

            shutil.rmtree(home / ".codex")
            other = ROLLOUT.replace("0001.jsonl", "0002.jsonl")
            path = rollout(folder, other)
            path.write_text(
                path.read_text("utf-8").replace("000000000001", "000000000002"), "utf-8"
            )
            watched.until(lambda report: any(one.rows_written for one in report.sources))

        assert len(texts(database)) == 2

    def test_renamed_truncated_and_deleted(self, database: Path, transcript: Path) -> None:
        """A file under another name is read there; what was stored of any of them stays."""
        with Watched(database) as watched:
            watched.next()
            before = texts(database)
            moved = transcript.parent.parent / "-elsewhere" / transcript.name
            moved.parent.mkdir()
            transcript.rename(moved)
            append(moved, prompt("Moved.", minute=9))
            watched.until(lambda _report: "Moved." in texts(database))
            moved.write_text(prompt("Cut.", minute=10), encoding="utf-8")
            watched.until(lambda _report: "Cut." in texts(database))
            moved.unlink()
            moved.write_text(prompt("Again.", minute=11), encoding="utf-8")
            watched.until(lambda _report: "Again." in texts(database))

        assert texts(database) == [*before, "Moved.", "Cut.", "Again."]

    def test_compressed_in_place(self, database: Path, home: Path) -> None:
        """Codex compresses a rollout: nothing comes twice, and the rest is read from there."""
        path = rollout(home / ".codex" / "sessions" / "2026" / "11" / "02")
        with Watched(database) as watched:
            watched.next()
            more = path.read_bytes() + path.read_bytes().splitlines(keepends=True)[-1].replace(
                b"Hello", b"Goodbye"
            )
            path.with_suffix(".jsonl.zst").write_bytes(zstandard.compress(more))
            path.unlink()
            watched.until(lambda _report: len(texts(database)) == 2)

        assert texts(database) == ["Hello, Codex.", "Goodbye, Codex."]

    def test_a_database_and_its_log(self, database: Path, home: Path) -> None:
        """What another program commits is in the log beside its database, and is stored soon."""
        path = home / ".local" / "share" / "opencode" / "opencode.db"
        path.parent.mkdir(parents=True)
        writer = ledger(path)
        speak(writer, "One.")
        with Watched(database, agents=["opencode"]) as watched:
            watched.next()
            size = path.stat().st_size
            speak(writer, "Two.")
            watched.until(lambda _report: "Two." in texts(database))
            assert path.stat().st_size == size
        writer.close()

        assert texts(database) == ["One.", "Two."]

    def test_a_file_in_a_folder_of_sessions(self, database: Path, home: Path) -> None:
        """It concerns the folder, of which only the session that changed is read."""
        folder = Storage(home / ".local" / "share" / "opencode" / "storage")
        folder.session(title="Tides")
        folder.message("msg_1", user(0), text("One."))
        folder.session("ses_2", title="Other")
        with Watched(database, agents=["opencode"]) as watched:
            assert watched.next().sources[0].sessions >= {"ses_2"}
            folder.message("msg_2", user(5), text("Two."))
            written = time.monotonic()
            report = watched.until(lambda _report: "Two." in texts(database))[-1]
            assert time.monotonic() - written < SOON
            assert "ses_2" not in report.sources[0].sessions


def ledger(path: Path) -> apsw.Connection:
    """A database of OpenCode with one session, as its owner has it open."""
    # Of two copies of SQLite in one process neither would see the other's locks.
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    connection.execute(SCHEMA)
    connection.execute(
        "INSERT INTO session VALUES"
        " ('ses_1', 'p', NULL, 's', '/home/ada', 'Tides', '1.2.5', 1000, 1000)"
    )
    return connection


def speak(connection: apsw.Connection, words: str) -> None:
    """One more message of the person."""
    number = connection.execute("SELECT count(*) + 1 FROM message").get
    at = 1000 + number
    with connection:
        connection.execute(
            "INSERT INTO message VALUES (?, 'ses_1', ?, ?, ?)",
            (f"msg_{number}", at, at, json.dumps({"role": "user", "time": {"created": at}})),
        )
        connection.execute(
            "INSERT INTO part VALUES (?, ?, 'ses_1', ?, ?, ?)",
            (f"prt_{number}", f"msg_{number}", at, at, json.dumps({"type": "text", "text": words})),
        )
        connection.execute("UPDATE session SET time_updated = ?", (at,))


class TestWithoutEvents:
    def test_all_files_are_looked_at(
        self, database: Path, transcript: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without the package watchfiles it takes some seconds, and nothing is missed."""
        monkeypatch.setitem(sys.modules, "watchfiles", None)
        monkeypatch.setitem(sys.modules, "watchfiles._rust_notify", None)
        assert not has_file_events()
        with Watched(database) as watched:
            assert watched.next().failures == []
            append(transcript, prompt("And tomorrow?", minute=9))
            assert watched.next().lines == 1
            transcript.with_name(f"{OTHER_SESSION}.jsonl").write_text(
                prompt("Elsewhere.", session=OTHER_SESSION), encoding="utf-8"
            )
            assert watched.next().lines == 1
            assert watched.stop() < SOON

    def test_lost_events(self, database: Path, transcript: Path, tmp_path: Path) -> None:
        """A change that no event tells of, behind a link made later, is found by the next scan."""
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        with Watched(database, scan_every=0.5) as watched:
            watched.next()
            (transcript.parent.parent / "-link").symlink_to(elsewhere)
            path = elsewhere / f"{OTHER_SESSION}.jsonl"
            path.write_text(prompt("One.", session=OTHER_SESSION), encoding="utf-8")
            watched.until(lambda _report: "One." in texts(database))
            append(path, prompt("Two.", minute=2, session=OTHER_SESSION))
            watched.until(lambda _report: "Two." in texts(database))

    @pytest.mark.skipif(sys.platform != "linux", reason="names are bytes only here")
    def test_what_others_tell(self, database: Path, transcript: Path, tmp_path: Path) -> None:
        """A change that no event tells of is read at once where somebody says that it is there."""
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        path = elsewhere / f"{OTHER_SESSION}.jsonl"
        path.write_text(prompt("One.", session=OTHER_SESSION), encoding="utf-8")
        changed: queue.Queue[str] = queue.Queue()
        with Watched(database, scan_every=1_000, changed=changed) as watched:
            watched.next()
            (transcript.parent.parent / "-link").symlink_to(elsewhere)
            watched.until(lambda _report: "One." in texts(database))
            time.sleep(AFTER_LOOKING_AGAIN)
            append(path, prompt("Two.", minute=2, session=OTHER_SESSION))
            for said in ("", "/", "/dev/zero", str(tmp_path / "none.jsonl"), str(path)):
                changed.put(said)
            watched.until(lambda _report: "Two." in texts(database))

    def test_a_name_that_is_no_text(self, database: Path, transcript: Path) -> None:
        """File events end at it, and the files are looked at instead."""
        with Watched(database) as watched:
            watched.next()
            name = os.fsencode(transcript.parent) + b"/\xff.jsonl"
            with open(name, "wb") as file:
                file.write(prompt("Odd.", session=OTHER_SESSION).encode())
            watched.until(lambda _report: "Odd." in texts(database))
            append(transcript, prompt("And tomorrow?", minute=9))
            watched.until(lambda _report: "And tomorrow?" in texts(database))

    def test_a_folder_that_may_not_be_read(self) -> None:
        """It keeps its own root from being watched, and no other one."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "good").mkdir()
            (folder / "bad" / "closed").mkdir(parents=True)
            for one in (folder, folder / "good", folder / "bad"):
                one.chmod(0o777)
            (folder / "bad" / "closed").chmod(0)
            command = [sys.executable, "-c", AS_SOMEBODY_ELSE, name]
            found = subprocess.run(command, capture_output=True, text=True, check=False)
            (folder / "bad" / "closed").chmod(0o700)

        assert found.returncode == 0, found.stderr
        refused, seen = found.stdout.splitlines()
        assert refused.startswith("bad: Permission denied")
        assert seen == "True"

    def test_a_very_large_folder(self, tmp_path: Path) -> None:
        """Watching it could take all that the system allows its user."""
        for number in range(10_000):
            (tmp_path / "large" / f"{number}").mkdir(parents=True)
        (tmp_path / "small").mkdir()
        with FileEvents(Stop(lambda: False)) as events:
            refused = events.watch([str(tmp_path / "large"), str(tmp_path / "small")])
        assert refused == {str(tmp_path / "large"): "there are more than 10,000 folders in it"}


AS_SOMEBODY_ELSE = """
import os, sys
from pathlib import Path
from clankers.importing._events import FileEvents, Stop, has_file_events

assert has_file_events()  # somebody else may not be able to load it
folder = Path(sys.argv[1])
if os.geteuid() == 0:
    os.seteuid(65534)
with FileEvents(Stop(lambda: False)) as events:
    for path, why in events.watch([str(folder / name) for name in ("bad", "good")]).items():
        print(f"{Path(path).name}: {why}")
    (folder / "good" / "file").touch()
    print(str(folder / "good" / "file") in events.wait(20))
"""


class TestBursts:
    def test_a_file_that_is_written_all_the_time(self, database: Path, transcript: Path) -> None:
        """It is imported a few times a second, and another file does not wait for it."""
        quiet = transcript.with_name(f"{OTHER_SESSION}.jsonl")
        done = threading.Event()

        def write() -> None:
            with transcript.open("a", encoding="utf-8") as file:
                minute = 100
                while not done.wait(0.001):
                    file.write(prompt("Loud.", minute=minute))
                    file.flush()
                    minute += 1

        with Watched(database) as watched:
            watched.next()
            writer = threading.Thread(target=write)
            writer.start()
            try:
                started = time.monotonic()
                while time.monotonic() - started < 2:
                    report = watched.next()
                taken = 1 + watched.reports.qsize()
                quiet.write_text(prompt("Quiet.", session=OTHER_SESSION), encoding="utf-8")
                written = time.monotonic()
                found = watched.until(
                    lambda report: any(OTHER_SESSION in one.sessions for one in report.sources)
                )
                assert time.monotonic() - written < SOON
                assert taken + len(found) < 12
                assert report.lines > 1
            finally:
                done.set()
                writer.join()

    def test_many_files_at_once(self, database: Path, projects: Path) -> None:
        """A burst is few imports, not one for each file."""
        with Watched(database) as watched:
            watched.next()
            for number in range(300):
                folder = projects / f"-p{number % 7}"
                folder.mkdir(exist_ok=True)
                session = f"0b7f7f3e-0000-4000-8000-000000001{number:03}"
                (folder / f"{session}.jsonl").write_text(
                    prompt("Many.", session=session), encoding="utf-8"
                )
            found = watched.until(lambda _report: len(texts(database)) == 300)
            assert len(found) < 30


def fill(home: Path, **files: str) -> Path:
    folder = home / ".parrot"
    folder.mkdir(exist_ok=True)
    for name, words in files.items():
        (folder / f"{name}.parrot").write_text(words, encoding="utf-8")
    return folder


class TestTrouble:
    def test_a_file_that_fails_is_told_once(
        self, database: Path, home: Path, parrot: Parrot
    ) -> None:
        """It is tried again by itself, told again only when that says something new, and read
        when it can be; the others never wait for it."""
        folder = fill(home, bad="polly\n!fail\n", good="polly\n")
        with Watched(database, agents=["parrot"], scan_every=0.2) as watched:
            first = watched.next()
            assert [one.path for one in first.failures] == [folder / "bad.parrot"]
            append(folder / "good.parrot", "on\n")
            assert watched.next().failures == []
            # More than one try, of which nothing is heard.
            with pytest.raises(queue.Empty):
                watched.reports.get(timeout=2)
            (folder / "bad.parrot").write_text("polly\nbetter\n", encoding="utf-8")
            watched.until(lambda _report: "better" in texts(database))

    def test_a_busy_database(self, database: Path, transcript: Path) -> None:
        """Another process writes for longer than we wait: told once, and stored after it."""
        with Watched(database, prepare=impatient) as watched:
            watched.next()
            other = apsw.Connection(str(database))
            other.execute("BEGIN IMMEDIATE")
            append(transcript, prompt("And tomorrow?", minute=9))
            (failure,) = watched.next().failures
            assert failure.path == str(database)
            assert "is busy" in failure.message
            with pytest.raises(queue.Empty):
                watched.reports.get(timeout=1.5)
            other.execute("COMMIT")
            other.close()
            assert watched.next().lines == 1

    def test_a_full_disk(self, database: Path, transcript: Path) -> None:
        """Nothing is lost but time."""
        stores: list[Store] = []
        with Watched(database, prepare=stores.append) as watched:
            watched.next()
            append(transcript, prompt("x" * 2_000_000, minute=8))
            watched.next()

            def limit(pages: int) -> None:
                # Between two imports nobody uses the connection.
                stores[0].connection.pragma("max_page_count", pages)

            limit(1)
            append(transcript, prompt("y" * 2_000_000, minute=9))
            (failure,) = watched.next().failures
            assert "has no room to grow" in failure.message
            limit(1_000_000)
            assert watched.next().lines == 1
            assert watched.reports.empty()

    def test_the_database_is_free_between_imports(self, database: Path, transcript: Path) -> None:
        """Another process can write, and shorten the log, which an open transaction would hold."""
        with Watched(database) as watched:
            watched.next()
            append(transcript, prompt("And tomorrow?", minute=9))
            watched.next()
            other = apsw.Connection(str(database))
            other.execute("UPDATE sessions SET title = 'Mine'")
            shortened = other.execute("PRAGMA wal_checkpoint(truncate)").fetchone()
            other.close()
            assert shortened == (0, 0, 0)

    def test_a_database_that_is_replaced(self, database: Path, transcript: Path) -> None:
        """Writing on into a file that nobody can open any more would lose everything."""
        with Watched(database) as watched:
            watched.next()
            for side in ("", "-wal", "-shm"):
                database.with_name(database.name + side).unlink()
            watched.wait()
            failure, watched.failure = watched.failure, None
        assert isinstance(failure, StoreError)
        assert "was removed or replaced" in str(failure)

    def test_files_that_vanish(self, database: Path, home: Path, parrot: Parrot) -> None:
        """Gone before it could be read is no failure."""
        folder = fill(home, a="polly\n")
        with Watched(database, agents=["parrot"]) as watched:
            watched.next()
            for _time in range(20):
                fill(home, passing="polly\n")
                (folder / "passing.parrot").unlink()
            append(folder / "a.parrot", "on\n")
            found = watched.until(lambda _report: "on" in texts(database))
        assert [report.failures for report in found] == [[]] * len(found)

    def test_the_first_import_raises(self, database: Path, transcript: Path) -> None:
        """As an import does: who starts something that cannot work hears it at once."""
        Store.open(database).close()
        other = apsw.Connection(str(database))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is busy"), Watched(database, prepare=impatient) as w:
            w.wait()
        other.close()

    def test_an_unknown_agent(self, database: Path) -> None:
        """A name that nobody imports."""
        with Store.open(database) as store, pytest.raises(UnknownAgentError):
            watch_sessions(store, ["cloud"])

    def test_an_importer_that_does_not_list(
        self, database: Path, home: Path, parrot: Parrot
    ) -> None:
        """Its failure is told once, though every scan meets it."""
        folder = fill(home, a="polly\n")
        (folder / "unlistable").touch()
        message = "the parrot importer failed: RuntimeError('the perch broke')"
        with Watched(database, agents=["parrot"], scan_every=0.1) as watched:
            assert watched.next().failures == [Failure(folder, message)]
            append(folder / "a.parrot", "on\n")
            assert watched.next().failures == []
            assert watched.reports.empty()


def impatient(store: Store) -> None:
    store.connection.set_busy_timeout(100)


class TestStop:
    def test_while_nothing_happens(self, database: Path, transcript: Path) -> None:
        """About a tenth of a second; the rest is for a busy machine."""
        with Watched(database) as watched:
            watched.next()
            assert watched.stop() < 1

    def test_in_the_middle_of_a_file(self, database: Path, transcript: Path) -> None:
        """What is being read is left, and read by the next."""
        with transcript.open("w", encoding="utf-8") as file:
            for minute in range(40_000):
                file.write(answer("Long.", minute=minute))
        with Watched(database) as watched:
            while not database.exists():
                time.sleep(0.01)
            assert watched.stop() < SOON
        assert watched.reports.empty()
        with Watched(database) as watched:
            assert watched.next().failures == []
        assert len(texts(database)) == 40_000

    def test_while_the_database_is_busy(self, database: Path, transcript: Path) -> None:
        """Nobody waits for the other writer to end."""
        with Watched(database) as watched:
            watched.next()
            other = apsw.Connection(str(database))
            other.execute("BEGIN IMMEDIATE")
            append(transcript, prompt("And tomorrow?", minute=9))
            time.sleep(0.5)
            assert watched.stop() < 1
            other.close()
        assert watched.reports.empty()

    def test_the_connection_waits_as_before(self, database: Path, transcript: Path) -> None:
        """What was set for the time of the watching is afterwards what it was."""
        with Store.open(database, busy_timeout_ms=1_234) as store:
            watch_sessions(store, on_import=lambda _report: None, stop=lambda: True)
            assert store.connection.pragma("busy_timeout") == 1_234

    def test_an_interrupt(self, database: Path, transcript: Path) -> None:
        """Ctrl-C in a program that does nothing else is the exception that it always is."""
        command = [sys.executable, "-c", IN_THE_MAIN_THREAD, str(database)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "1 files\n"
            child.send_signal(signal.SIGINT)
            assert child.communicate(timeout=20)[0] == "interrupted\n"

    def test_an_exception_of_the_caller(self, database: Path, transcript: Path) -> None:
        """What `on_import` raises ends the watching."""

        def refuse(_report: object) -> None:
            raise ZeroDivisionError

        with Store.open(database) as store, pytest.raises(ZeroDivisionError):
            watch_sessions(store, on_import=refuse)


IN_THE_MAIN_THREAD = """
import sys
import clankers

with clankers.Store.open(sys.argv[1]) as store:
    try:
        clankers.watch_sessions(
            store, on_import=lambda report: print(report.files, "files", flush=True)
        )
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_an_older_price_list_is_replaced(database: Path, transcript: Path, projects: Path) -> None:
    """Responses that another price list priced are priced anew, as by an import."""
    with Watched(database) as watched:
        watched.next()
    with Store.open(database) as store:
        store.connection.execute("UPDATE usage SET cost = 1, price_version = 'genai-prices 0.0.1'")
    append(transcript, prompt("On.", minute=9))
    with Watched(database) as watched:
        watched.next()

    with Query(database) as query:
        assert [row[0] for row in query.query("SELECT cost FROM usage")] == [120]


def test_a_file_is_read_from_where_it_was_left(database: Path, transcript: Path) -> None:
    """Watching and importing know of each other."""
    with Watched(database) as watched:
        watched.next()
    append(transcript, prompt("On.", minute=9))
    status = os.stat(transcript)
    with Watched(database) as watched:
        report = watched.next()
    assert (report.lines, report.updated) == (1, 1)
    assert report.bytes_read < status.st_size
