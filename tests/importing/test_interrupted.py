"""Ctrl-C at any moment of an import: it stays Ctrl-C, and what was committed stays."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from clankers.importing import import_sessions
from clankers.store import Store
from importing._transcripts import contents

if TYPE_CHECKING:
    from pathlib import Path

IMPORT = """
import sys
from clankers_cli.__main__ import main
print("begun", flush=True)
sys.exit(main(["--db", sys.argv[1], "import", "claude-code", "--path", sys.argv[2]]))
"""
TIMES = 8


def written(folder: Path) -> Path:
    """Enough transcripts for several commits."""
    import json

    for number in range(60):
        session = f"00000000-0000-4000-8000-{number:012}"
        lines = [
            json.dumps(
                {
                    "type": "user",
                    "uuid": f"{number}-{line}",
                    "sessionId": session,
                    "isSidechain": False,
                    "timestamp": f"2026-01-05T09:{line % 60:02}:00.000Z",
                    "message": {"role": "user", "content": f"line {line} " + "word " * 200},
                }
            )
            for line in range(700)
        ]
        (folder / f"{session}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_ctrl_c(tmp_path: Path) -> None:
    """Exit code 130 and one word, no fault of ours; the next import brings what was missing."""
    (tmp_path / "projects").mkdir()
    source = written(tmp_path / "projects")
    expected = tmp_path / "expected.db"
    with Store.open(expected) as store:
        started = time.monotonic()
        import_sessions(store, ["claude-code"], path=source)
        seconds = time.monotonic() - started
        whole = contents(store.connection)
    chance = random.Random(7)
    for attempt in range(TIMES):
        database = tmp_path / f"{attempt}.db"
        child = subprocess.Popen(
            [sys.executable, "-c", IMPORT, str(database), str(source)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        time.sleep(chance.uniform(0.05, seconds))
        os.kill(child.pid, signal.SIGINT)
        _out, err = child.communicate(timeout=60)
        assert (child.returncode, err) in {(130, "clankers-cli: interrupted\n"), (0, "")}
        with Store.open(database) as store:
            import_sessions(store, ["claude-code"], path=source)
            assert store.check_index() == []
            assert contents(store.connection) == whole
