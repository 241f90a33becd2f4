"""A daemon of its own: started, stopped, asked how it is, and known to the system."""

from __future__ import annotations

import os
import plistlib
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clankers import _paths
from clankers.daemon._client import Client
from clankers.daemon._daemon import prepare, running
from clankers.errors import DaemonError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clankers.daemon._daemon import Options

_SECONDS_TO_START = 20.0
_SECONDS_TO_STOP = 60.0
_PAUSE = 0.05
_OUTPUT = "daemon.out"
_NAME = "clankers-daemon"
_LABEL = "dev.clankers.daemon"
_PROGRAM = """
import sys
from pathlib import Path
from clankers.daemon import Options, run

socket, database, logs, level, watch, config, profile = sys.argv[1:]
run(
    Options(
        Path(socket), Path(database), Path(logs), level, watch == "watch",
        Path(config) if config else None, profile or None,
    )
)
"""


def start(options: Options) -> int:
    """Starts a daemon that outlives this process, and waits until it answers; its process id.

    One that runs already is left as it is, and its id given.

    Raises:
        DaemonError: it ended at once, or does not answer.
    """
    if (owner := running(options.socket)) is not None:
        return owner
    prepare(options.socket)
    _paths.make_private_dir(options.logs)
    words = (options.socket, options.database, options.logs, options.log_level)
    rest = ("watch" if options.watch else "-", options.config or "", options.profile or "")
    output = options.logs / _OUTPUT
    with open(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as said:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-c", _PROGRAM, *map(str, (*words, *rest))],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
            cwd="/",
        )
    until = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < until:
        if process.poll() is not None:
            raise DaemonError("the daemon ended at once", hint=_last_line(output))
        if running(options.socket) == process.pid and _answers(options.socket):
            return process.pid
        time.sleep(_PAUSE)
    raise DaemonError(
        f"the daemon does not answer after {_SECONDS_TO_START:g} s",
        hint="'clankers-cli daemon logs' shows what it does",
    )


def stop(socket: Path) -> bool:
    """Ends the daemon at a socket and waits for that; False where none runs.

    Raises:
        DaemonError: it goes on.
    """
    owner = running(socket)
    if owner is None:
        return False
    if owner:
        os.kill(owner, signal.SIGTERM)
    until = time.monotonic() + _SECONDS_TO_STOP
    while running(socket) is not None:
        if time.monotonic() > until:
            raise DaemonError(f"the daemon, process {owner}, does not end")
        time.sleep(_PAUSE)
    return True


def status(socket: Path) -> dict[str, Any] | None:
    """What the daemon says of its health; None where none runs.

    Raises:
        DaemonError: one runs and does not answer.
    """
    if running(socket) is None:
        return None
    with Client(socket) as client:
        found: dict[str, Any] = client.call("health")
    return found


def unit_file(command: Sequence[str], *, platform: str = sys.platform) -> tuple[Path, str]:
    """Where the system looks for what it starts at login, and what stands there for a daemon.

    A systemd user unit, https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html,
    or on macOS a launch agent.
    """
    if platform == "darwin":
        place = Path.home() / "Library" / "LaunchAgents" / f"{_LABEL}.plist"
        described = {"Label": _LABEL, "ProgramArguments": list(command), "RunAtLoad": True}
        described["KeepAlive"] = {"SuccessfulExit": False}
        return place, plistlib.dumps(described).decode()
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    place = Path(config) / "systemd" / "user" / f"{_NAME}.service"
    # systemd expands % and $ by itself.
    words = shlex.join(command).replace("%", "%%").replace("$", "$$")
    return place, (
        "[Unit]\nDescription=clankers, the flight recorder for AI coding agents\n\n"
        f"[Service]\nExecStart={words}\nRestart=on-failure\nUMask=0077\n\n"
        "[Install]\nWantedBy=default.target\n"
    )


def _answers(socket: Path) -> bool:
    try:
        with Client(socket, timeout=1.0) as client:
            client.call("health")
    except DaemonError:
        return False
    return True


def _last_line(output: Path) -> str:
    lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else f"see {output}"
