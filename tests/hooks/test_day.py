"""A day of real sessions: hooks and growing transcripts end in the rows of the import alone."""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from clankers._rpc.upserts import UPSERTS
from clankers.hooks import requests_of
from clankers.importing import import_sessions
from clankers.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STEPS = 6
# When a session ended, only the hook knows.
TABLES = {
    "sessions": {"n", "origin_device", "ended_at", "permission_mode"},
    "messages": {"n"},
    "tools": {"n"},
    "usage": {"n", "origin_device"},
}


def rows(store: Store) -> list[tuple[Any, ...]]:
    # A session that is reported has a title and a cost, by the contract of the daemon.
    store.connection.execute("UPDATE sessions SET title = NULL WHERE title = 'Untitled Session'")
    store.connection.execute("UPDATE sessions SET cost = NULL WHERE cost = 0")
    found: list[tuple[Any, ...]] = []
    for table, without in TABLES.items():
        query = "SELECT name FROM pragma_table_info(?)"
        names = [str(name) for (name,) in store.connection.execute(query, (table,))]
        kept = ", ".join(name for name in names if name not in without)
        found += store.connection.execute(f"SELECT '{table}', {kept} FROM {table} ORDER BY id")
    return found


def events(store: Store, *, names_subagents: bool) -> Iterator[dict[str, Any]]:
    """What Claude Code's hooks would have said of these sessions.

    Args:
        names_subagents: what newer versions do; older ones only say whose subagent it is.
    """
    for session in store.sessions():
        common = {"session_id": session.id}
        if session.project_path is not None:
            common["cwd"] = f"{session.project_path}/src"  # It may stand elsewhere by then.
        if session.relationship == "subagent":
            parent, _, agent = session.id.partition(":agent-")
            common["session_id"] = parent
            if names_subagents:
                common["agent_id"] = agent
        else:
            yield {**common, "hook_event_name": "SessionStart"}
        for tool in store.tools(session.id):
            if not tool.tool_name:
                continue  # A result without its call, which hooks always name.
            call = {
                **common,
                "tool_use_id": tool.native_id,
                "tool_name": tool.tool_name,
                "tool_input": json.loads(tool.tool_input or "null"),
            }
            yield {**call, "hook_event_name": "PreToolUse"}
            if tool.success is True and tool.tool_output:
                answer = {"stdout": "another shape"}
                yield {**call, "hook_event_name": "PostToolUse", "tool_response": answer}
            elif tool.success is False and tool.error_message:
                yield {**call, "hook_event_name": "PostToolUseFailure", "error": "other words"}
        if session.relationship != "subagent":
            yield {**common, "hook_event_name": "SessionEnd"}


def grown(source: Path, target: Path, share: float) -> None:
    """The transcripts as they are when so much of them is written."""
    for file in source.rglob("*"):
        place = target / file.relative_to(source)
        if file.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        elif file.suffix == ".jsonl" and share < 1:
            lines = file.read_bytes().splitlines(keepends=True)
            place.write_bytes(b"".join(lines[: int(len(lines) * share)]))
        else:
            shutil.copyfile(file, place)


@pytest.mark.parametrize("seed", range(3))
def test_hooks_change_nothing_that_transcripts_tell(
    corpus: Path, tmp_path: Path, seed: int
) -> None:
    """In whichever order they come: of a tool call, a message, a total there is one row."""
    source = tmp_path / "all"
    for project in sorted((corpus / "claude-code").iterdir()):
        shutil.copytree(project, source / project.name)
    growing = tmp_path / "growing"
    with Store.open(tmp_path / "alone.db") as store:
        for step in range(STEPS + 1):
            grown(source, growing, step / STEPS)
            import_sessions(store, ["claude-code"], path=growing)
        alone = rows(store)
        said = list(events(store, names_subagents=seed % 2 == 0))
    shutil.rmtree(growing)
    chance = random.Random(seed)
    moments = sorted((chance.uniform(0, STEPS), number) for number in range(len(said)))
    with Store.open(tmp_path / "both.db") as store:
        for step in range(STEPS + 1):
            grown(source, growing, step / STEPS)
            import_sessions(store, ["claude-code"], path=growing)
            now = [said[number] for at, number in moments if step <= at < step + 1]
            for event in now:
                for request in requests_of("claude-code", event):
                    store.upsert_live([UPSERTS[request["method"]].read(request["params"])])
        import_sessions(store, ["claude-code"], path=growing)
        both = rows(store)
    assert len(said) > 100
    assert both == alone
