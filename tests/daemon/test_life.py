"""Beginning, end, and what may happen between."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clankers._rpc.framing import framed
from clankers.daemon import Client, running, unit_file
from clankers.errors import DaemonError
from clankers.store import Store

if TYPE_CHECKING:
    from daemon.conftest import Daemon

KILLS = int(os.environ.get("CLANKERS_TEST_KILLS", "5"))


def sessions(daemon: Daemon) -> set[str]:
    with Store.open(daemon.database, read_only=True) as store:
        return {one.id for one in store.sessions()}


def test_the_socket_is_private(daemon: Daemon) -> None:
    """For its owner alone, and gone when the daemon ends."""
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o600
    assert daemon.end() == 0
    assert not daemon.socket.exists()
    assert running(daemon.socket) is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_one(daemon: Daemon, number: int) -> None:
    """Is refused by the lock, and the first goes on."""
    command = [sys.executable, "-m", "clankers_cli", "daemon", "--socket", str(daemon.socket)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ran.returncode == 1
    assert daemon.process is not None
    assert f"a daemon runs already, as process {daemon.process.pid}" in ran.stderr
    with Client(daemon.socket) as client:
        assert client.call("health")["ok"]
    assert daemon.end(number) == 0


def test_a_stale_socket(daemon: Daemon) -> None:
    """A killed daemon leaves its socket; the next takes its place."""
    daemon.kill()
    assert daemon.socket.exists()
    with pytest.raises(DaemonError, match="no daemon listens"), Client(daemon.socket) as client:
        client.call("health")
    daemon.start()


def test_a_client_that_outlives_it(daemon: Daemon) -> None:
    """Goes on with the next daemon."""
    with Client(daemon.socket) as client:
        client.call("upsertSession", session={"id": "before"})
        daemon.kill()
        daemon.start()
        client.call("upsertSession", session={"id": "after"})
        daemon.kill()
        with pytest.raises(DaemonError, match="no daemon listens"):
            client.call("health")
    assert sessions(daemon) == {"before", "after"}


def test_a_deleted_socket(daemon: Daemon) -> None:
    """Is made again."""
    daemon.socket.unlink()
    daemon.wait()
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o600


def test_places_that_are_refused(stopped: Daemon, folder: Path) -> None:
    """A folder that others may write in, a path that is too long, a file that is no socket."""

    def refused(socket: Path) -> str:
        command = [sys.executable, "-m", "clankers_cli", "daemon", "--socket", str(socket)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert ran.returncode == 1
        return ran.stderr

    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    assert "others may write in" in refused(shared / "d.sock")
    assert "is too long for a socket: " in refused(folder / ("x" * 120))
    (folder / "file").write_text("mine")
    assert "is no socket" in refused(folder / "file")
    assert (folder / "file").read_text() == "mine"


def test_a_database_that_cannot_be_used(stopped: Daemon) -> None:
    """The daemon says so and ends; nothing is left behind."""
    stopped.database.write_text("not a database")
    stopped.start(wait=False)
    assert stopped.process is not None
    _, said = stopped.process.communicate(timeout=30)
    assert stopped.process.returncode == 1
    assert b"is not a database" in said
    assert not stopped.socket.exists()


def test_a_busy_database(daemon: Daemon) -> None:
    """What another program keeps from being stored waits, and nothing is lost."""
    with Client(daemon.socket) as client:
        client.call("upsertSession", session={"id": "a"})
        blocking = Store.open(daemon.database)
        with blocking.atomic():
            blocking.connection.execute("CREATE TABLE busy(x)")
            waiting = threading.Thread(target=_upsert, args=(daemon, "b"))
            waiting.start()
            time.sleep(0.3)
            assert waiting.is_alive()  # It waits for the database, and is not lost.
        waiting.join(20)
        blocking.close()
        client.call("upsertSession", session={"id": "c"})
    assert sessions(daemon) == {"a", "b", "c"}


def _upsert(daemon: Daemon, name: str) -> None:
    with Client(daemon.socket, timeout=30) as client:
        client.call("upsertSession", session={"id": name})


def test_ends_in_the_middle_of_a_burst(daemon: Daemon) -> None:
    """What was asked before the signal is done and answered."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(daemon.socket))
    for number in range(100):
        connection.sendall(framed(json.dumps(upsert(f"s{number}")).encode()))
    time.sleep(0.2)
    assert daemon.end() == 0
    received = b""
    while piece := connection.recv(65_536):
        received += piece
    connection.close()
    assert received.count(b'"ok":true') == 100
    assert len(sessions(daemon)) == 100


def test_ends_while_much_waits(daemon: Daemon) -> None:
    """More is asked than is worked on at once, and the database is busy when the signal comes."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(daemon.socket))
    connection.settimeout(30)
    with Store.open(daemon.database) as blocking, blocking.atomic():
        blocking.connection.execute("CREATE TABLE busy(x)")
        for number in range(300):
            connection.sendall(framed(json.dumps(upsert(f"s{number}")).encode()))
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.3)
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
    assert daemon.end() == 0
    received = b""
    while piece := connection.recv(65_536):
        received += piece
    connection.close()
    assert received.count(b'"ok":true') == len(sessions(daemon)) >= 128


def test_a_database_that_is_removed(daemon: Daemon) -> None:
    """What is acknowledged is in the file that is there, which is made again."""
    with Client(daemon.socket) as client:
        client.call("upsertSession", session={"id": "before"})
        for file in daemon.folder.glob("clankers.db*"):
            file.unlink()
        client.call("upsertSession", session={"id": "after"})
    daemon.kill()
    assert sessions(daemon) == {"after"}


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "7",
        '{"requests": [{"method": "upsertSession", "params": "x"}]}',
        '{"requests": [{"method": "upsertSession", "params": {"session": {"id": "\\ud83d"}}}]}',
        '{"requests": [{"method": "upsertSession", "params": {"session": {"id": 7}}}]}',
        "[" * 100_000,
    ],
)
def test_a_bad_file_in_the_spool(daemon: Daemon, content: str) -> None:
    """Is set aside or taken; the daemon goes on, and takes what comes after it."""
    spool = daemon.folder / "clankers" / "spool"
    (spool / "0.json").mkdir(parents=True)
    (spool / "1.json").write_text(content)
    good = {"method": "upsertSession", "params": {"session": {"id": "good"}}}
    (spool / "2.json").write_text(json.dumps({"database": None, "requests": [good]}))
    until = time.monotonic() + 20
    while (spool / "2.json").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    with Client(daemon.socket) as client:
        client.call("upsertSession", session={"id": "a"})
    assert {"good", "a"} <= sessions(daemon)
    assert daemon.end() == 0


def upsert(name: str) -> dict[str, Any]:
    params = {"session": {"id": name}}
    return {"jsonrpc": "2.0", "id": name, "method": "upsertSession", "params": params}


def test_killed_under_load(daemon: Daemon) -> None:
    """After kill -9 every upsert that was acknowledged is there."""
    for _kill in range(KILLS):
        acknowledged: list[str] = []
        clients = [
            threading.Thread(target=_hammer, args=(daemon, worker, acknowledged))
            for worker in range(4)
        ]
        for client in clients:
            client.start()
        time.sleep(0.25)
        daemon.kill()
        for client in clients:
            client.join()
        assert acknowledged
        assert set(acknowledged) <= sessions(daemon)
        daemon.start()


def _hammer(daemon: Daemon, worker: int, acknowledged: list[str]) -> None:
    with Client(daemon.socket) as client:
        for number in range(100_000):
            name = f"{time.monotonic_ns()}-{worker}-{number}"
            try:
                client.call("upsertSession", session={"id": name})
            except DaemonError:
                return
            acknowledged.append(name)


class TestClients:
    def test_a_slow_one(self, daemon: Daemon) -> None:
        """Who sends half a message keeps nobody else waiting."""
        slow = [socket.socket(socket.AF_UNIX) for _client in range(50)]
        for one in slow:
            one.connect(str(daemon.socket))
            one.sendall(b"Content-Length: 100\r\n\r\n{")
        with Client(daemon.socket, timeout=5) as client:
            assert client.call("health")["connections"] == 51
        for one in slow:
            one.close()

    def test_too_many(self, daemon: Daemon) -> None:
        """Beyond the most the newest are dropped; the others are served on."""
        first = Client(daemon.socket)
        assert first.call("health")["ok"]
        many = []
        for _client in range(530):
            one = socket.socket(socket.AF_UNIX)
            one.connect(str(daemon.socket))
            many.append(one)
        assert first.call("health")["connections"] <= 512
        for one in many:
            one.close()
        daemon.wait()
        first.close()

    def test_many_at_once(self, daemon: Daemon) -> None:
        """Two hundred clients and all their upserts."""

        def work(worker: int) -> None:
            with Client(daemon.socket, timeout=60) as client:
                for number in range(10):
                    client.call("upsertSession", session={"id": f"{worker}-{number}"})

        workers = [threading.Thread(target=work, args=(worker,)) for worker in range(200)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(sessions(daemon)) == 2_000

    def test_a_large_array(self, daemon: Daemon) -> None:
        """Is refused as a whole, so that nobody waits for it."""
        asked = json.dumps([1] * 1_000_000).encode()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(daemon.socket))
            connection.sendall(framed(asked))
            assert b"more than 1,000 in an array" in connection.recv(65_536)

    def test_a_nul(self, daemon: Daemon) -> None:
        """Is a character as any other, and takes no neighbour along."""
        requests: list[dict[str, Any]] = [upsert(f"s{number}") for number in range(5)]
        requests[2]["params"]["session"]["title"] = "nul\x00"
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(daemon.socket))
        connection.sendall(b"".join(framed(json.dumps(one).encode()) for one in requests))
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65_536):
            received += piece
        connection.close()
        assert received.count(b'"ok":true') == 5
        assert len(sessions(daemon)) == 5


def test_a_full_disk(folder: Path, stopped: Daemon) -> None:
    """What finds no room is answered so; what was acknowledged before is there, and the rest goes on."""
    import resource

    limit = 3_000_000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        stopped.start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    acknowledged: list[str] = []
    with Client(stopped.socket, timeout=30) as client:
        with pytest.raises(DaemonError, match="no room") as caught:
            _fill(client, acknowledged)
        assert caught.value.code == -32603
        assert client.call("health")["ok"]
    stopped.end()
    assert acknowledged
    with Store.open(stopped.database) as store:
        assert [one.id for one in store.tools("s")] == acknowledged


def _fill(client: Client, acknowledged: list[str]) -> None:
    output = json.dumps("y" * 100_000)
    for number in range(100):
        tool = {"id": f"t{number}", "sessionId": "s", "toolName": "x", "toolOutput": output}
        client.call("upsertTool", tool=tool)
        acknowledged.append(f"t{number}")


def test_a_database_that_cannot_be_made(stopped: Daemon) -> None:
    """The daemon says so and ends."""
    stopped.database = Path("/proc/clankers.db")
    stopped.start(wait=False)
    assert stopped.process is not None
    _, said = stopped.process.communicate(timeout=30)
    assert stopped.process.returncode == 1
    assert b"/proc/clankers.db" in said
    assert not stopped.socket.exists()


def test_a_read_only_database(daemon: Daemon) -> None:
    """The daemon says so and ends; the file stays as it is."""
    daemon.end()
    daemon.database.chmod(0o444)
    before = daemon.database.read_bytes()
    # Root may write everything but for this.
    override, drop = 1, 24  # CAP_DAC_OVERRIDE and PR_CAPBSET_DROP of Linux
    library = ctypes.CDLL(None)
    command = [sys.executable, "-m", "clankers_cli", "daemon", "--socket", str(daemon.socket)]
    ran = subprocess.run(
        [*command, "--data-root", str(daemon.folder), "--db-path", str(daemon.database)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        preexec_fn=lambda: getattr(library, "prctl", print)(drop, override, 0, 0, 0),
    )
    assert ran.returncode == 1
    assert str(daemon.database) in ran.stderr
    assert "read-only" in ran.stderr or "cannot be written" in ran.stderr
    assert daemon.database.read_bytes() == before
    assert not daemon.socket.exists()


def test_random_bytes(daemon: Daemon) -> None:
    """Whatever clients send, none of them stays, and the daemon goes on."""
    import random

    chance = random.Random(3)
    assert daemon.process is not None
    files = Path(f"/proc/{daemon.process.pid}/fd")
    before = len(list(files.iterdir())) if files.exists() else 0
    memory = 0
    pieces = [
        b"Content-Length: 2\r\n\r\n{}",
        b"Content-Length: ",
        b"\r\n\r\n",
        b"{",
        b"[]",
        b"9" * 30,
    ]
    for client_ in range(600):
        if client_ == 300:
            memory = _resident(daemon)  # By now everything is loaded.
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(daemon.socket))
        sent = b"".join(
            chance.choice([*pieces, chance.randbytes(20)]) for _piece in range(chance.randint(1, 6))
        )
        try:
            connection.sendall(sent)
            if chance.random() < 0.5:
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(5)
                while connection.recv(4096):
                    pass
        except OSError:
            pass
        connection.close()
    with Client(daemon.socket, timeout=10) as client:
        until = time.monotonic() + 20
        while client.call("health")["connections"] > 1:
            assert time.monotonic() < until
            time.sleep(0.05)
    if files.exists():
        assert len(list(files.iterdir())) <= before + 2
        assert _resident(daemon) < memory + 5_000_000


def _resident(daemon: Daemon) -> int:
    """The bytes of memory that the process has; 0 where the system does not tell."""
    assert daemon.process is not None
    told = Path(f"/proc/{daemon.process.pid}/statm")
    return int(told.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if told.exists() else 0


class TestWatching:
    def test_imports_and_takes_reports(self, folder: Path, daemon: Daemon) -> None:
        """What a transcript says and what a hook reported become one."""
        daemon.end()
        projects = folder / "claude" / "projects" / "-home-ada"
        projects.mkdir(parents=True)
        session = "11111111-2222-4333-8444-555555555555"
        environ = {"CLAUDE_CONFIG_DIR": str(folder / "claude")}
        os.environ.update(environ)
        try:
            daemon.options = ()
            daemon.start()
        finally:
            for name in environ:
                del os.environ[name]
        now = int(time.time() * 1000)
        with Client(daemon.socket) as client:
            message = {"id": f"{session}-user-1", "sessionId": session, "role": "user",
                       "textContent": "one prompt", "createdAt": now}  # fmt: skip
            client.call("upsertMessage", message=message)
            line = {"type": "user", "uuid": "u1", "sessionId": session, "cwd": "/home/ada",
                    "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now / 1000)),
                    "message": {"role": "user", "content": "one prompt"}}  # fmt: skip
            (projects / f"{session}.jsonl").write_text(json.dumps(line) + "\n")
            until = time.monotonic() + 20
            while client.call("health")["watching"] != ["claude-code"]:
                assert time.monotonic() < until
                time.sleep(0.05)
        daemon.end()
        with Store.open(daemon.database, read_only=True) as store:
            assert [one.id for one in store.messages(session)] == [f"{session}:u1"]


class TestCommands:
    def run(self, folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "clankers_cli", *argv]
        environ = {**os.environ, "CLANKERS_DATA_PATH": str(folder)}
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=environ, timeout=60
        )

    def test_a_detached_one(self, folder: Path) -> None:
        """Started, asked, looked at and ended."""
        assert self.run(folder, "daemon", "status").returncode == 1
        started = self.run(folder, "daemon", "--no-watch", "start")
        assert started.returncode == 0, started.stderr
        try:
            assert "started, as process " in started.stdout
            assert "runs already" in self.run(folder, "daemon", "start").stdout
            told = json.loads(self.run(folder, "daemon", "status", "--json").stdout)
            assert told["running"] is True
            assert told["dbPath"] == str(folder / "clankers" / "clankers.db")
            assert "listens at" in self.run(folder, "daemon", "logs").stdout
        finally:
            assert self.run(folder, "daemon", "stop").stdout == "ended\n"
        assert self.run(folder, "daemon", "stop").stdout == "no daemon runs\n"

    def test_unit_files(self, folder: Path) -> None:
        """What the system starts at login."""
        shown = self.run(folder, "daemon", "install", "--print").stdout
        begin = f"ExecStart={sys.executable} -P -m clankers_cli daemon --socket {folder}"
        assert begin in shown
        assert "--db-path" in shown
        given = ("--no-watch", "--log-level", "debug")
        shown = self.run(folder, "daemon", *given, "install", "--print").stdout
        assert "--log-level debug --no-watch\n" in shown
        place, content = unit_file(["/a b/python", "100%"], platform="darwin")
        assert place.name == "dev.clankers.daemon.plist"
        assert "<string>/a b/python</string>" in content
        assert "ExecStart='/a b/python' 100%%\n" in unit_file(["/a b/python", "100%"])[1]
        home = folder / "config"
        environ = {**os.environ, "XDG_CONFIG_HOME": str(home)}
        command = [sys.executable, "-m", "clankers_cli", "daemon", "install"]
        subprocess.run(command, check=True, env=environ, capture_output=True)
        unit = home / "systemd" / "user" / "clankers-daemon.service"
        assert unit.exists()
        subprocess.run([*command, "--remove"], check=True, env=environ, capture_output=True)
        assert not unit.exists()
        unit.write_text("mine")
        for last in ((), ("--remove",)):
            ran = subprocess.run([*command, *last], check=False, env=environ, capture_output=True)
            assert b"is not ours" in ran.stderr
        assert unit.read_text() == "mine"

    def test_a_broken_configuration(self, folder: Path) -> None:
        """Keeps nobody from asking how the daemon is, and from ending it."""
        self.run(folder, "daemon", "start")
        (folder / "clankers" / "clankers.json").write_text("{bad")
        assert "ok" in self.run(folder, "daemon", "status").stdout
        assert "listens at" in self.run(folder, "daemon", "logs").stdout
        assert self.run(folder, "daemon", "stop").stdout == "ended\n"
