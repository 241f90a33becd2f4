"""Other programs that do the same work; one that is not here is left out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bench._measure import CommandError, run

if TYPE_CHECKING:
    from bench._measure import Command

_SECONDS_TO_START = 60.0


def script(name: str) -> Path:
    """A program installed beside this Python."""
    return Path(sysconfig.get_path("scripts")) / name


def sqlite3_shell() -> str | None:
    return shutil.which("sqlite3")


def sqlite_utils() -> Path | None:
    found = script("sqlite-utils")
    return found if found.exists() else None


def has_duckdb() -> bool:
    return find_spec("duckdb") is not None


def ccusage() -> str | None:
    return shutil.which("ccusage")


class AgentsView:
    """kenn-io/agentsview, whose wheel carries its program; measured without its wrapper."""

    def __init__(self, program: Path, corpus: Path, home: Path) -> None:
        self.program = program
        self.home = home
        self.env = {
            "HOME": str(home),
            "CLAUDE_CONFIG_DIR": str(corpus),
            "CODEX_HOME": str(home / "none"),
            "AGENTSVIEW_NO_DAEMON": "1",
            "AGENTSVIEW_DISABLE_UPDATE_CHECK": "1",
            "AGENTSVIEW_TELEMETRY_ENABLED": "0",
        }

    @classmethod
    def find(cls, corpus: Path, home: Path) -> AgentsView | None:
        spec = find_spec("agentsview")
        if spec is None or spec.origin is None:
            return None
        program = Path(spec.origin).parent / "bin" / "agentsview"
        home.mkdir(parents=True, exist_ok=True)
        try:
            run([program, "--version"], {"HOME": str(home)})
        except CommandError:
            return None
        return cls(program, corpus, home)

    def start_daemon(self) -> subprocess.Popen[bytes]:
        """Its server, without which each of its searches would begin by opening the database."""
        command: Command = [self.program, "serve", "--no-browser", "--no-sync", "--port", "0"]
        log = self.home / "serve.log"
        with log.open("wb") as out:
            daemon = subprocess.Popen(
                command, env={**os.environ, **self.daemon_env}, stdout=out, stderr=out
            )
        deadline = time.monotonic() + _SECONDS_TO_START
        while b"listening" not in log.read_bytes() and time.monotonic() < deadline:
            time.sleep(0.05)
        return daemon

    @property
    def daemon_env(self) -> dict[str, str]:
        return {key: value for key, value in self.env.items() if key != "AGENTSVIEW_NO_DAEMON"}

    def size(self) -> int:
        return sum(file.stat().st_size for file in (self.home / ".agentsview").glob("sessions.db*"))
