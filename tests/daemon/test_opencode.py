"""Our plugin for OpenCode, run as OpenCode runs it, against a real daemon."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clankers import hooks
from clankers.store import Store

if TYPE_CHECKING:
    from daemon.conftest import Daemon

PLUGIN = Path(hooks.__file__).with_name("opencode.js")
PROGRAM = """
import { copyFileSync } from "node:fs";
copyFileSync(process.argv[2], process.argv[3]);
const { Clankers } = await import(process.argv[3]);
const plugin = await Clankers({});
const info = { id: "ses_1", title: "Spike", directory: "/home/ada/x", time: { created: 1000, updated: 2000 } };
await plugin["tool.execute.before"]({ tool: "bash", sessionID: "ses_1", callID: "call_1" }, { args: { command: "ls" } });
await plugin["tool.execute.after"]({ tool: "bash", sessionID: "ses_1", callID: "call_1" }, { output: "a\\nb" });
await plugin.event({ event: { type: "session.updated", properties: { info } } });
await plugin["tool.execute.before"]({ tool: "read", sessionID: "ses_1", callID: "call_2" }, { args: {} });
await plugin["tool.execute.after"]({ tool: "read", sessionID: "ses_1", callID: "call_2" }, { output: "é".repeat(20000) });
await plugin.event({ event: { type: "other", properties: {} } });
"""


def run(folder: Path, socket: str) -> None:
    if (node := shutil.which("node")) is None:
        if os.environ.get("CI") == "true":
            pytest.fail("node is missing")
        pytest.skip("needs node: apt-get install nodejs")
    program = folder / "opencode.mjs"
    program.write_text(PROGRAM)
    command = [node, str(program), str(PLUGIN), str(folder / "clankers.mjs")]
    environ = {**os.environ, "CLANKERS_SOCKET_PATH": socket}
    ran = subprocess.run(
        command, check=False, env=environ, capture_output=True, text=True, timeout=30
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_reports(daemon: Daemon) -> None:
    """Sessions and calls, under ids that meet what is imported."""
    run(daemon.folder, str(daemon.socket))
    with Store.open(daemon.database, read_only=True) as store:
        session = store.session("ses_1")
        assert (session.title, session.project_name, session.created_at) == ("Spike", "x", 1000)
        tool, long = sorted(store.tools("ses_1"), key=lambda one: one.id)
        assert tool.id == "ses_1-bash-call_1"
        assert json.loads(tool.tool_input or "") == {"command": "ls"}
        assert json.loads(tool.tool_output or "") == "a\nb"
        assert tool.success is True
        assert json.loads(long.tool_output or "").startswith('"éé')
        assert long.output_bytes == 40_002


def test_without_a_daemon(folder: Path) -> None:
    """Nothing happens, and nothing is said."""
    run(folder, str(folder / "none.sock"))
