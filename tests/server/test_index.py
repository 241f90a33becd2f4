"""The search index of a tenant: what goes in comes out again, whatever the texts are."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clankers.server import _schema
from clankers.server._batches import read_batch
from clankers.server._writer import Writer
from clankers.server.backends import SqliteBackend, Statement, database_name

if TYPE_CHECKING:
    from pathlib import Path

# Escapes behind a NUL, letters of languages without spaces, and what ends a word.
PARTS = st.sampled_from(
    ["a", "nb", " ", "\\n", "\\\\", "\0", "\0\\na", "é", "日", "\U0001f600", '"']
)
TEXTS = st.one_of(st.none(), st.lists(PARTS, max_size=6).map("".join))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "write", "delete", "cover", "uncover"]),
        st.sampled_from("xy"),
        TEXTS,
        TEXTS,
    ),
    max_size=8,
)
FOLDERS = iter(range(10**9))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(steps=STEPS)
def test_no_word_is_left_behind(steps: list[Any], tmp_path: Path) -> None:
    """Rows are written, changed, deleted, covered and brought back; when all are gone, so are all words."""
    asyncio.run(lived_through(steps, tmp_path / str(next(FOLDERS))))


async def lived_through(steps: list[Any], folder: Path) -> None:
    backend = SqliteBackend(folder)
    database = await backend.create(database_name("t"))
    await _schema.migrate_tenant(backend, database, "store")
    writer = Writer(backend, database, "t")
    for number, (act, row, first, second) in enumerate(steps, 1):
        await writer.store(read_batch(json.dumps(batch(act, row, first, second, number)).encode()))
    everything = [
        {"table": table, "id": row, **stamp(99)} for table in ("messages", "tools") for row in "xy"
    ]
    await writer.store(read_batch(json.dumps({"deletes": everything}).encode()))
    left = await backend.read(
        database,
        [
            Statement("SELECT term FROM message_vocabulary"),
            Statement("SELECT term FROM tool_vocabulary"),
            Statement("SELECT id FROM messages UNION ALL SELECT id FROM tools"),
        ],
    )
    await backend.close()
    assert left == [[], [], []]


def batch(act: str, row: str, first: str | None, second: str | None, number: int) -> dict[str, Any]:
    if act == "delete":
        return {"deletes": [{"table": "messages", "id": row, **stamp(number)}]}
    if act == "cover":
        return {"deletes": [{"table": "sessions", "id": "s", **stamp(number)}]}
    if act == "uncover":
        return {"sessions": [{"id": "s", "title": "T", **stamp(number)}]}
    prose = {"id": row, "session_id": "s", "text_content": first, "thinking": second}
    call = {
        "id": row,
        "session_id": "s",
        "tool_name": "x",
        "created_at": 0,
        "tool_input": first,
        "tool_output": second,
    }
    return {"messages": [{**prose, **stamp(number)}], "tools": [{**call, **stamp(number)}]}


def stamp(number: int) -> dict[str, Any]:
    return {"changed_at": 1_790_000_000_000 + number, "device_id": "d", "edition": 1}
