"""Waiting for commits of others, against real processes and files."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import apsw
import pytest

from clankers.sync.waking._commits import Commits

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = 60.0
# Longer than all looks after an event, and than the slowest poll.
NOTHING = 1.3
HAS_EVENTS = sys.platform in {"linux", "darwin"}
OTHER = Path(__file__).with_name("_other.py")
ADD = "INSERT INTO t(at) VALUES (1)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clankers.db"


@pytest.fixture
def connection(path: Path) -> Iterator[apsw.Connection]:
    """Ours, in WAL mode."""
    connection = opened(path)
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, at REAL)")
    yield connection
    connection.close()


@pytest.fixture(params=["events", "polling"])
def commits(
    connection: apsw.Connection, path: Path, request: pytest.FixtureRequest
) -> Iterator[Commits]:
    """In both ways; tests without it use events where there are any."""
    with Commits(connection, path, uses_events=request.param == "events") as commits:
        assert commits.has_events == (request.param == "events" and HAS_EVENTS)
        yield commits


def opened(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(60_000)
    connection.pragma("journal_mode", "wal")
    return connection


class Other:
    """Another process with a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(OTHER), str(path), "0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        self.process.communicate()

    def start(self, sql: str) -> None:
        """Does not wait for its end."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{sql}\n")
        self.process.stdin.flush()

    def finish(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "done\n"

    def run(self, sql: str) -> None:
        self.start(sql)
        self.finish()


class Waiting:
    """A wait in another thread."""

    def __init__(self, commits: Commits) -> None:
        self.found: list[bool] = []
        self._thread = threading.Thread(target=lambda: self.found.append(commits.wait(LONG)))
        self._thread.start()

    def result(self) -> bool:
        self._thread.join()
        return self.found[0]


class TestWhatWakes:
    def test_a_commit_of_another_process(
        self, connection: apsw.Connection, path: Path, commits: Commits
    ) -> None:
        """Ends the wait; and then there is nothing new until the next one."""
        with Other(path) as other:
            for _turn in range(3):
                waiting = Waiting(commits)
                other.run(ADD)
                assert waiting.result()
                assert not commits.wait(NOTHING)

    def test_another_connection_of_this_process(
        self, connection: apsw.Connection, path: Path, commits: Commits
    ) -> None:
        """Is somebody else as well."""
        second = opened(path)
        waiting = Waiting(commits)
        second.execute(ADD)
        assert waiting.result()
        second.close()

    def test_own_commits(self, connection: apsw.Connection, commits: Commits) -> None:
        """Wake nobody, however they reach the files."""
        connection.execute(ADD)
        with connection:
            connection.executemany(ADD, [()] * 10)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        connection.execute(ADD)
        assert not commits.wait(NOTHING)

    def test_a_commit_between_two_waits(
        self, connection: apsw.Connection, path: Path, commits: Commits
    ) -> None:
        """Is seen by the next one, though our connection has read and written since."""
        with Other(path) as other:
            assert not commits.wait(0)
            other.run(ADD)
            assert connection.execute("SELECT count(*) FROM t").get == 1
            connection.execute(ADD)
            assert commits.wait(0)
            assert not commits.wait(0)

    def test_what_is_not_committed(self, connection: apsw.Connection, path: Path) -> None:
        """A transaction that fills the log wakes nobody before its end, nor when taken back."""
        with Commits(connection, path) as commits, Other(path) as other:
            other.run("PRAGMA cache_size = 10")
            other.run("BEGIN IMMEDIATE")
            other.run(
                "INSERT INTO t(at) WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL"
                " SELECT n + 1 FROM c LIMIT 200000) SELECT n FROM c"
            )
            assert path.with_name("clankers.db-wal").stat().st_size > 1_000_000
            assert not commits.wait(NOTHING)
            other.run("ROLLBACK")
            assert not commits.wait(NOTHING)

    def test_a_long_write(self, connection: apsw.Connection, path: Path) -> None:
        """Is seen at its commit, after thousands of events."""
        with Commits(connection, path) as commits, Other(path) as other:
            other.run("PRAGMA cache_size = 10")
            other.start(
                "INSERT INTO t(at) WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL"
                " SELECT n + 1 FROM c LIMIT 500000) SELECT n FROM c"
            )
            assert commits.wait(LONG)
            assert connection.execute("SELECT count(*) FROM t").get == 500_000
            other.finish()

    @pytest.mark.slow
    def test_no_commit_of_thousands_is_missed(
        self, connection: apsw.Connection, path: Path
    ) -> None:
        """Each row is seen within a few seconds of its writing, in whatever rhythm they come."""
        rows, late = 0, []
        command = [sys.executable, str(OTHER), str(path), "2000"]
        with Commits(connection, path) as commits, subprocess.Popen(command) as other:
            while rows < 2_000 and commits.wait(LONG):
                now = time.monotonic()
                new = connection.execute(
                    "SELECT ? - at > 5 FROM t WHERE n > ?", (now, rows)
                ).fetchall()
                late += [is_late for (is_late,) in new if is_late]
                rows += len(new)
            assert not commits.wait(0)
        assert (rows, late, other.returncode) == (2_000, [], 0)


LATE = """
import sys, time, apsw

class Vfs(apsw.VFS):
    def __init__(self):
        super().__init__("late", "")
    def xOpen(self, name, flags):
        return File(name, flags)

class File(apsw.VFSFile):
    def __init__(self, name, flags):
        self.is_log = flags[0] & apsw.SQLITE_OPEN_WAL
        super().__init__("", name, flags)
    def xWrite(self, data, offset):
        super().xWrite(data, offset)
        if self.is_log:
            time.sleep(0.03)

vfs = Vfs()
connection = apsw.Connection(sys.argv[1], vfs="late")
connection.set_busy_timeout(60_000)
for line in sys.stdin:
    connection.execute("INSERT INTO t(at) VALUES (1)")
    print("done", flush=True)
"""


class TestTheLogBeforeItsIndex:
    def test_a_commit_that_shows_after_its_last_event(
        self, connection: apsw.Connection, path: Path
    ) -> None:
        """Is looked for again soon, not only when the next event or the slow poll comes."""
        started = time.monotonic()
        with (
            Commits(connection, path) as commits,
            subprocess.Popen(
                [sys.executable, "-c", LATE, str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as other,
        ):
            assert other.stdin is not None
            assert other.stdout is not None
            for _turn in range(40):
                other.stdin.write("\n")
                other.stdin.flush()
                assert commits.wait(LONG)
                assert other.stdout.readline() == "done\n"
            other.stdin.close()
        # By the slow poll alone it takes 40 seconds.
        assert not HAS_EVENTS or time.monotonic() - started < 25


class TestEndingAWait:
    def test_wake_from_another_thread(
        self, connection: apsw.Connection, path: Path, commits: Commits
    ) -> None:
        """Ends it, without a commit."""
        waiting = Waiting(commits)
        commits.wake()
        assert not waiting.result()
        started = time.monotonic()
        assert not commits.wait(NOTHING)
        assert time.monotonic() - started >= NOTHING

    def test_wake_before_the_wait(
        self, connection: apsw.Connection, path: Path, commits: Commits
    ) -> None:
        """Is not lost; two of them are one."""
        commits.wake()
        commits.wake()
        assert not commits.wait(LONG)
        started = time.monotonic()
        assert not commits.wait(NOTHING)
        assert time.monotonic() - started >= NOTHING

    def test_a_commit_and_wake(self, connection: apsw.Connection, path: Path) -> None:
        """The commit is said first, then the wake still ends the next wait."""
        second = opened(path)
        with Commits(connection, path) as commits:
            second.execute(ADD)
            commits.wake()
            assert commits.wait(LONG)
            assert not commits.wait(LONG)
        second.close()

    def test_wake_after_close(self, connection: apsw.Connection, path: Path) -> None:
        """Whoever stops late hurts nobody: the files of the watch may be others' by then."""
        commits = Commits(connection, path)
        commits.close()
        first, second = os.pipe()
        os.set_blocking(first, False)
        commits.wake()
        with pytest.raises(BlockingIOError):
            os.read(first, 1)
        os.close(first)
        os.close(second)
        commits.close()
        assert not commits.has_events

    @pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
    def test_close_gives_files_back(self, connection: apsw.Connection, path: Path) -> None:
        """A daemon makes a new one whenever its settings change."""
        before = len(os.listdir("/proc/self/fd"))
        for _turn in range(5):
            Commits(connection, path).close()
        assert len(os.listdir("/proc/self/fd")) == before


class TestFilesThatComeAndGo:
    def test_the_log_is_made_later(self, path: Path) -> None:
        """A connection that has read nothing yet has no log; events come once there is one."""
        opened(path).close()
        connection = apsw.Connection(str(path))
        log = path.with_name("clankers.db-wal")
        log.unlink(missing_ok=True)
        with Commits(connection, path) as commits, Other(path) as other:
            other.run("CREATE TABLE t (n INTEGER PRIMARY KEY, at REAL)")
            assert commits.wait(LONG)
            assert log.exists()
            other.run(ADD)
            assert commits.wait(LONG)
        connection.close()

    def test_the_log_is_emptied(self, connection: apsw.Connection, path: Path) -> None:
        """Another process may cut it to nothing and begin anew."""
        with Commits(connection, path) as commits, Other(path) as other:
            for _turn in range(3):
                other.run(ADD)
                assert commits.wait(LONG)
                other.run("PRAGMA wal_checkpoint(TRUNCATE)")
                commits.wait(0)

    def test_the_database_is_replaced(self, connection: apsw.Connection, path: Path) -> None:
        """The connection stays with the file it has; waiting goes on, with events."""
        new = path.with_name("new.db")
        replacement = opened(new)
        replacement.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, at REAL)")
        replacement.close()
        with Commits(connection, path) as commits:
            for end in ("-wal", "-shm"):
                path.with_name(f"clankers.db{end}").unlink()
            new.replace(path)
            with Other(path) as other:
                other.run(ADD)
                assert not commits.wait(NOTHING)
                assert commits.has_events == HAS_EVENTS
            reopened = opened(path)
            with Commits(reopened, path) as later, Other(path) as other:
                other.run(ADD)
                assert later.wait(LONG)
            reopened.close()

    @pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be moved there")
    def test_the_folder_moves_away(self, tmp_path: Path) -> None:
        """Then it looks by itself, until the folder is back."""
        folder = tmp_path / "one"
        folder.mkdir()
        connection = opened(folder / "clankers.db")
        connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, at REAL)")
        with Commits(connection, folder / "clankers.db") as commits:
            folder.rename(tmp_path / "two")
            assert not commits.wait(NOTHING)
            assert not commits.has_events
            with Other(tmp_path / "two" / "clankers.db") as other:
                other.run(ADD)
                assert commits.wait(LONG)
            (tmp_path / "two").rename(folder)
            assert not commits.wait(NOTHING)
            assert commits.has_events == HAS_EVENTS
        connection.close()

    @pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
    def test_a_link_to_the_database(self, tmp_path: Path) -> None:
        """SQLite has the log beside the real file, and that folder is watched."""
        real, links = tmp_path / "real", tmp_path / "links"
        real.mkdir()
        links.mkdir()
        connection = opened(real / "clankers.db")
        connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, at REAL)")
        (links / "link.db").symlink_to(real / "clankers.db")
        with Commits(connection, links / "link.db") as commits:
            with Other(links / "link.db") as other:
                other.run(ADD)
                assert commits.wait(LONG)
            assert commits.has_events == HAS_EVENTS
            real.rename(tmp_path / "moved")
            assert not commits.wait(NOTHING)
            assert not commits.has_events
        connection.close()


WITHOUT_FILES = """
import os, resource, sys
from pathlib import Path
import apsw, ctypes, select
import clankers.sync.waking._inotify
from clankers.sync.waking._commits import Commits

path = Path(sys.argv[1])
connection = apsw.Connection(str(path))
connection.execute("SELECT * FROM t").fetchall()
spare = os.dup(0)
os.close(spare)
resource.setrlimit(resource.RLIMIT_NOFILE, (spare + int(sys.argv[2]), 1024))
commits = Commits(connection, path)
print(commits.has_events, flush=True)
print(commits.wait(60), flush=True)
commits.close()
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
print(os.dup(0) == spare)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="makes inotify fail")
class TestNoFilesLeft:
    @pytest.mark.parametrize("left", [0, 1, 2])
    def test_falls_back_to_looking(
        self, connection: apsw.Connection, path: Path, left: int
    ) -> None:
        """A process at its limit of open files, wherever it meets it, polls, and leaks none."""
        with subprocess.Popen(
            [sys.executable, "-c", WITHOUT_FILES, str(path), str(left)],
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "False\n"
            connection.execute(ADD)
            assert child.stdout.readline() == "True\n"
            assert child.stdout.readline() == "True\n"
        assert child.returncode == 0

    def test_enough_left(self, connection: apsw.Connection, path: Path) -> None:
        """The same process with three files more has events."""
        with subprocess.Popen(
            [sys.executable, "-c", WITHOUT_FILES, str(path), "3"],
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "True\n"
            connection.execute(ADD)
            assert child.stdout.readline() == "True\n"
            assert child.stdout.readline() == "True\n"
        assert child.returncode == 0


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="reads /proc/locks")
def test_locks_of_this_process_stay(connection: apsw.Connection, path: Path) -> None:
    """Watching opens no file whose closing would end the locks that SQLite has on it."""
    with connection:
        connection.execute(ADD)
        before = locks(path)
        Commits(connection, path).close()
        assert locks(path) == before
        # The log has none, so that macOS may open it.
        assert before["clankers.db-shm"] > 0
        assert before["clankers.db-wal"] == 0


def locks(path: Path) -> dict[str, int]:
    ours = str(os.getpid())
    held = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return {
        file.name: sum(
            ours in one and any(word.endswith(f":{file.stat().st_ino}") for word in one)
            for one in held
        )
        for file in path.parent.glob("clankers.db*")
    }
