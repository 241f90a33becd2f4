"""The README's own commands: from nothing to a session that the server shows."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

README = Path(__file__).parent.parent.parent / "README.md"


def commands() -> tuple[str, str]:
    """The two blocks of the section: for the one terminal and for the other."""
    section = README.read_text(encoding="utf-8").partition("## Your own server")[2]
    first, second = re.findall(r"```bash\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    return first, second


@pytest.fixture
def terminal(tmp_path: Path) -> dict[str, str]:
    """A shell's environment in which `clankers-cli` is this one."""
    scripts = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}


def test_in_under_a_minute(terminal: dict[str, str], tmp_path: Path) -> None:
    """Start, token, push, see: as the README says, but for the port and what is installed."""
    install, serve = commands()[0].strip().splitlines()
    assert install == "pip install -q '.[server]'"
    port = "8757"
    began = time.monotonic()
    with subprocess.Popen(
        f"exec {serve} --port {port}",
        shell=True,
        cwd=tmp_path,
        env=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline() == f"serving at http://127.0.0.1:{port}\n"
        activate, script = commands()[1].split("\n", 1)
        assert activate == ". .venv/bin/activate"
        script = script.replace("8750", port) + '\necho; echo "$TOKEN"'
        said = subprocess.run(
            ["/bin/sh", "-ec", script],
            cwd=tmp_path,
            env=terminal,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert time.monotonic() - began < 60
        pushed, rest = json.JSONDecoder().raw_decode(said)
        assert (pushed["sessions_synced"], pushed["messages_synced"]) == (1, 1)
        listed, _end = json.JSONDecoder().raw_decode(said[rest:].strip())
        assert [one["title"] for one in listed["sessions"]] == ["Hello, server"]
        token = said.split()[-1]
        look_with_a_browser(f"http://127.0.0.1:{port}", token)
        serving.terminate()


def look_with_a_browser(url: str, token: str) -> None:
    """What a browser does: it is asked for a password, and sends it with all that it reads."""
    session = requests.Session()
    session.trust_env = False
    page = {"accept": "text/html,application/xhtml+xml"}
    asked = session.get(f"{url}/api/sessions", headers=page, timeout=10)
    assert asked.status_code == 401
    assert "Basic realm=" in asked.headers["www-authenticate"]
    password = base64.b64encode(f"me:{token}".encode()).decode()
    known = {**page, "authorization": f"Basic {password}"}
    shown = session.get(f"{url}/api/sessions", headers=known, timeout=10)
    assert [one["title"] for one in shown.json()["sessions"]] == ["Hello, server"]
    written = session.post(f"{url}/sync/batch", headers=known, json={}, timeout=10)
    assert written.status_code == 401
    reference = session.get(f"{url}/docs", headers=page, timeout=10)
    assert "POST</span> /sync/batch" in reference.text
