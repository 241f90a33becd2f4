"""A daemon in a process of its own, with a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clankers.daemon import Client, running
from clankers.errors import DaemonError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 20.0
_CLIENT = Path(__file__).parent / "client.mjs"


class Daemon:
    """A daemon process; `kill` ends it as a power cut would."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.socket = folder / "d.sock"
        self.database = folder / "clankers.db"
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, wait: bool = True) -> None:
        command = [
            *(sys.executable, "-m", "clankers_cli", "daemon", "--socket", str(self.socket)),
            *("--data-root", str(self.folder), "--db-path", str(self.database)),
            *(*self.options, *options),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if wait:
            self.wait()

    def wait(self) -> None:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            assert self.process is not None
            if self.process.poll() is not None:
                assert self.process.stderr is not None
                pytest.fail(f"the daemon ended: {self.process.stderr.read().decode()}")
            try:
                with Client(self.socket, timeout=5) as client:
                    client.call("health")
            except DaemonError:
                time.sleep(0.02)
                continue
            return
        pytest.fail("the daemon does not answer")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Asks it to end; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.communicate(timeout=_PATIENCE)
        return self.process.returncode

    def node(self, steps: list[dict[str, Any]]) -> list[Any]:
        """What a client in JavaScript gets for these steps."""
        if (node := shutil.which("node")) is None:
            if os.environ.get("CI") == "true":
                pytest.fail("node is missing")
            pytest.skip("needs node: apt-get install nodejs")
        ran = subprocess.run(
            [node, str(_CLIENT), str(self.socket)],
            input=json.dumps(steps),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        answers: list[Any] = json.loads(ran.stdout)
        return answers

    def log(self) -> list[dict[str, Any]]:
        files = sorted((self.folder / "clankers" / "logs").glob("clankers-*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: a socket's may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="clk") as made:
        yield Path(made)


@pytest.fixture
def stopped(folder: Path) -> Iterator[Daemon]:
    """A daemon that is not started; ended after the test."""
    daemon = Daemon(folder, "--no-watch")
    yield daemon
    if daemon.process is not None and daemon.process.poll() is None:
        daemon.kill()
    assert running(daemon.socket) is None


@pytest.fixture
def daemon(stopped: Daemon) -> Daemon:
    stopped.start()
    return stopped
