"""`clankers-cli hook`: to the daemon, into the database, or into the spool; never a word."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from daemon.conftest import Daemon, daemon, folder, stopped  # noqa: F401  # fixtures
from importing._transcripts import prompt, said

from clankers.hooks import plan, spool_folder, take_in
from clankers.store import Store
from clankers_cli.__main__ import main
from hooks.test_events import CALL, SESSION, event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def hook(given: object, *argv: str, **environ: str) -> None:
    """Runs the hook; it must say nothing and end with 0."""
    text = given if isinstance(given, str) else json.dumps(given)
    ran = subprocess.run(
        [sys.executable, "-m", "clankers_cli", "hook", *argv],
        input=text.encode(),
        capture_output=True,
        check=False,
        env={**os.environ, **environ},
        timeout=30,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")


def spooled() -> list[Path]:
    return sorted(spool_folder().glob("*.json"))


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def texts(path: Path) -> list[str]:
    with Store.open(path, read_only=True) as store:
        return said(store.connection)


@pytest.fixture
def watching(folder: Path) -> Iterator[Daemon]:  # noqa: F811
    """A daemon that watches, not started."""
    daemon = Daemon(folder)  # noqa: F811
    yield daemon
    daemon.end()


@pytest.fixture
def database(home: Path) -> Path:
    with Store.open() as store:
        return store.path


def calls(path: Path) -> list[tuple[str, bool | None]]:
    with Store.open(path, read_only=True) as store:
        return [(one.id, one.success) for one in store.tools(SESSION)]


def test_to_the_daemon(daemon: Daemon) -> None:  # noqa: F811
    """Which has stored it before the hook ends."""
    socket = {"CLANKERS_SOCKET_PATH": str(daemon.socket)}
    hook(event("SessionStart"), **socket)
    hook(event("PreToolUse", **CALL), **socket)
    hook(event("PostToolUse", **CALL, tool_response="done"), **socket)
    assert calls(daemon.database) == [(f"{SESSION}-toolu_1", True)]
    assert spooled() == []


def test_without_a_daemon(database: Path) -> None:
    """It writes by itself."""
    hook(event("PostToolUse", **CALL, tool_response="done"))
    assert calls(database) == [(f"{SESSION}-toolu_1", True)]
    assert spooled() == []


def test_a_transcript_that_has_grown(home: Path, tmp_path: Path, watching: Daemon) -> None:
    """The daemon reads it at once, even where nothing else tells it of the change."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = elsewhere / f"{SESSION}.jsonl"
    path.write_text(prompt("One.", session=SESSION), encoding="utf-8")
    (home / ".claude" / "projects").mkdir(parents=True)
    watching.start()
    (home / ".claude" / "projects" / "-link").symlink_to(elsewhere)
    until(lambda: "One." in texts(watching.database))
    time.sleep(2.0)  # Until it has looked at the file once more.
    with path.open("a", encoding="utf-8") as file:
        file.write(prompt("Two.", minute=2, session=SESSION))
    given = event("UserPromptSubmit", prompt="Two.", transcript_path=str(path))
    hook(given, CLANKERS_SOCKET_PATH=str(watching.socket))
    # Less than until all files are looked at, which is every thirty seconds.
    until(lambda: "Two." in texts(watching.database))


def test_a_prompt_without_a_daemon(database: Path) -> None:
    """Is left to the import."""
    hook(event("UserPromptSubmit", prompt="Two."))
    assert spooled() == []


def test_a_database_that_is_busy(database: Path) -> None:
    """The event waits in the spool, private to its owner, and the next import takes it."""
    with Store.open(database) as store, store.atomic():
        store.connection.execute("CREATE TABLE busy(x)")
        hook(event("PostToolUse", **CALL, tool_response="done"))
        (waiting,) = spooled()
        assert waiting.stat().st_mode & 0o777 == 0o600
    with Store.open(database) as store:
        assert take_in(store) == 1
        assert take_in(store) == 0
    assert calls(database) == [(f"{SESSION}-toolu_1", True)]
    assert spooled() == []


@pytest.mark.parametrize("state", ["missing", "older"])
def test_a_database_that_is_not_there_yet(home: Path, state: str) -> None:
    """A hook makes no database and brings none up to date."""
    path = home / ".local" / "share" / "clankers" / "clankers.db"
    if state == "older":
        with Store.open() as store:
            store.connection.execute("DELETE FROM schema_migrations WHERE version = 4")
    before = path.read_bytes() if path.exists() else None
    hook(event("SessionStart"))
    assert (path.read_bytes() if path.exists() else None) == before
    assert len(spooled()) == 1


def test_a_daemon_that_does_not_answer(database: Path, stopped: Daemon) -> None:  # noqa: F811
    """It is not waited for, and nothing is lost; what comes twice is one."""
    stopped.start()
    socket = {"CLANKERS_SOCKET_PATH": str(stopped.socket)}
    with Store.open(stopped.database) as store, store.atomic():
        store.connection.execute("CREATE TABLE busy(x)")
        hook(event("PostToolUse", **CALL, tool_response="done"), **socket)
        assert len(spooled()) == 1
    until(lambda: calls(stopped.database) != [])
    with Store.open(stopped.database) as store:
        take_in(store, of_daemon=True)
    assert calls(stopped.database) == [(f"{SESSION}-toolu_1", True)]


def test_the_daemon_takes_the_spool(daemon: Daemon) -> None:  # noqa: F811
    """Soon after something for its database is in it."""
    data = daemon.folder / "clankers"
    environ = {
        "CLANKERS_DATA_PATH": str(daemon.folder),
        "CLANKERS_SOCKET_PATH": str(data / "none.sock"),
    }
    with Store.open(daemon.database) as store, store.atomic():
        store.connection.execute("CREATE TABLE busy(x)")
        hook(event("SessionStart"), **environ, CLANKERS_DB_PATH=str(daemon.database))
        assert len(list((data / "spool").glob("*.json"))) == 1
    until(lambda: not list((data / "spool").glob("*.json")))
    with Store.open(daemon.database, read_only=True) as store:
        assert store.session(SESSION).project_name == "tidewatch"


def test_a_broken_configuration(database: Path) -> None:
    """Keeps the event in the spool."""
    (database.parent / "clankers.json").write_text("{bad")
    hook(event("SessionStart"))
    assert len(spooled()) == 1


def test_a_database_that_nobody_may_read_now(home: Path) -> None:
    """One without a write-ahead log is locked for readers, too; a hook does not wait for it."""
    with Store.open() as store:
        path = store.path
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        hook(event("SessionStart"))
        # Far less than the five seconds that others wait for a database.
        assert time.monotonic() - began < 4
    assert len(spooled()) == 1


@pytest.mark.parametrize("name", ["json.py", "socket.py", "argparse.py", "clankers_cli.py"])
def test_the_projects_own_files(home: Path, tmp_path: Path, name: str) -> None:
    """Are not run, although an agent runs hooks in the project's folder."""
    (tmp_path / name).write_text("raise SystemExit(2)")
    settings = home / ".claude" / "settings.json"
    settings.parent.mkdir()
    plan("claude-code").apply()
    command = json.loads(settings.read_text())["hooks"]["Stop"][0]["hooks"][0]["command"]
    ran = subprocess.run(
        shlex.split(command), input=b"{}", cwd=tmp_path, capture_output=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")


@pytest.mark.parametrize("more", [["extra"], ["--bogus"], ["--db"]])
def test_words_that_it_does_not_know(database: Path, more: list[str]) -> None:
    """Claude Code takes an exit code of 2 for a veto, so that nothing may end with it."""
    hook(event("SessionStart"), "claude-code", *more)


@pytest.mark.parametrize("given", ["", "{nope", "[]", "7", "\x00", '{"session_id": 1}'])
def test_nonsense(given: str) -> None:
    """Is passed over without a word."""
    hook(given)
    assert spooled() == []


def test_another_database(database: Path, tmp_path: Path) -> None:
    """What belongs into one is not put into another."""
    other = tmp_path / "other.db"
    hook(event("SessionStart"), "--db", str(other))
    assert len(spooled()) == 1
    with Store.open(database) as store:
        assert take_in(store) == 0
    with Store.open(other) as store:
        assert take_in(store) == 1
        assert store.session(SESSION).source == "claude-code"
    hook(event("SessionEnd"), "--db", str(other))
    assert spooled() == []
    with Store.open(other) as store:
        assert store.session(SESSION).ended_at is not None


def test_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The doctor says what waits, and an import that it has taken it in."""
    hook(event("SessionStart"))
    hook(event("SessionEnd"))
    (spool_folder() / "bad").mkdir()
    (spool_folder() / "bad" / "1.json").write_text("{")
    main(["doctor"])
    said_ = capsys.readouterr().out
    assert "2 events of hooks wait in" in said_
    assert "1 files in" in said_
    assert "none runs" in said_
    main(["import"])
    assert "took in 2 events that hooks had left" in capsys.readouterr().err


def test_when_it_happened(home: Path) -> None:
    """What waits in the spool is as old as it was; a session does not end before it begins."""
    before = time.time_ns() // 1_000_000
    hook(event("SessionStart"))
    after = time.time_ns() // 1_000_000
    time.sleep(0.05)
    with Store.open() as store:
        assert take_in(store) == 1
        began = store.session(SESSION).created_at
        assert began is not None
        assert before <= began <= after


def test_a_spool_that_is_damaged(database: Path) -> None:
    """A file that holds no event is set aside; the others are taken."""
    folder_ = spool_folder()
    folder_.mkdir()
    (folder_ / "1-broken.json").write_text("{")
    (folder_ / "2-other.json").write_text(
        '{"requests": [{"method": "upsertSession", "params": {}}]}'
    )
    (folder_ / "3-unfinished.partial").write_text("[")
    (folder_ / "4-good.json").write_text(
        '{"requests": [{"method": "upsertSession", "params": {"session": {"id": "s"}}}]}'
    )
    with Store.open(database) as store:
        assert take_in(store) == 1
    assert {path.name for path in (folder_ / "bad").iterdir()} == {"1-broken.json", "2-other.json"}


def test_starts_light() -> None:
    """The road to the daemon loads no record, no SQLite and no slow library."""
    program = (
        "import sys, io\n"
        "sys.stdin = io.TextIOWrapper(io.BytesIO(sys.argv[1].encode()))\n"
        "import clankers.hooks._deliver as d; d._asked = lambda requests, answers: True\n"
        "from clankers_cli.__main__ import main\n"
        "assert main(['hook']) == 0\n"
        "print(*({'apsw', 'attr', 'attrs', 'asyncio', 'clankers.models', 'msgspec', 'typing',\n"
        "    'subprocess', 'clankers.store'} & sys.modules.keys()))"
    )
    given: Any = json.dumps(event("SessionStart"))
    ran = subprocess.run(
        [sys.executable, "-c", program, given], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "\n"
