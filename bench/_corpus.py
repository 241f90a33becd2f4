"""The transcripts that are measured on."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import uuid
from pathlib import Path

GENERATOR = Path(__file__).parents[2] / "shared" / "tools" / "make_claude_corpus.py"
SESSIONS, QUICK_SESSIONS = 2_000, 200
_WORDS = ("the", "file", "a", "test", "of", "import", "state", "line", "fails", "with", "error")


def make(folder: Path, *, quick: bool) -> str:
    """Writes a folder as Claude Code keeps it; a sentence on what it holds."""
    sessions = QUICK_SESSIONS if quick else SESSIONS
    if GENERATOR.exists():
        subprocess.run(
            [sys.executable, GENERATOR, folder, "--sessions", str(sessions)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        made_by = GENERATOR.name
    else:
        _write(folder, sessions // 4)
        made_by = f"the bench's own writer ({GENERATOR.name} is not here)"
    files = list(folder.rglob("*.jsonl"))
    size = sum(file.stat().st_size for file in files) / 1e6
    return f"{size:.0f} MB of Claude Code transcripts in {len(files)} files, by {made_by}"


def _write(folder: Path, sessions: int) -> None:
    chance = random.Random(7)
    for number in range(sessions):
        session = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        project = folder / "projects" / f"-home-dev-project-{number % 40}"
        project.mkdir(parents=True, exist_ok=True)
        lines = [
            json.dumps(record)
            for turn in range(chance.randrange(5, 60))
            for record in _turn(session, turn, chance)
        ]
        (project / f"{session}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _turn(session: str, turn: int, chance: random.Random) -> list[dict[str, object]]:
    """A prompt, a tool call with its result, and an answer."""

    def text(words: int) -> str:
        return " ".join(chance.choices(_WORDS, k=words))

    def line(kind: str, second: int, **more: object) -> dict[str, object]:
        return {
            "type": kind,
            "uuid": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            "parentUuid": None,
            "isSidechain": False,
            "sessionId": session,
            "cwd": f"/home/dev/project-{turn % 40}",
            "gitBranch": "main",
            "version": "2.1.0",
            "timestamp": f"2026-08-{1 + turn % 28:02}T10:{turn % 60:02}:{second:02}.000Z",
            **more,
        }

    def answer(second: int, block: dict[str, object]) -> dict[str, object]:
        message = {
            "id": f"msg_{session[:8]}_{turn}_{second}",
            "role": "assistant",
            "model": "claude-sonnet-4-5-20250929",
            "content": [block],
            "usage": {
                "input_tokens": chance.randrange(1, 12),
                "cache_creation_input_tokens": chance.randrange(50, 6000),
                "cache_read_input_tokens": chance.randrange(10_000, 180_000),
                "output_tokens": chance.randrange(20, 900),
            },
        }
        return line("assistant", second, requestId=f"req_{turn}_{second}", message=message)

    call_id = f"toolu_{session[:8]}_{turn}"
    output = text(chance.randrange(20, 600))
    result = {"type": "tool_result", "tool_use_id": call_id, "content": output}
    command = {"command": text(8)}
    return [
        line("user", 0, message={"role": "user", "content": text(40)}),
        answer(5, {"type": "tool_use", "id": call_id, "name": "Bash", "input": command}),
        line(
            "user",
            9,
            message={"role": "user", "content": [result]},
            toolUseResult={"stdout": output, "stderr": ""},
        ),
        answer(20, {"type": "text", "text": text(90)}),
    ]
