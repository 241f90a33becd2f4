"""Transcripts of Claude Code, written by hand, and what a database holds of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import apsw

SESSION = "0b7f7f3e-0000-4000-8000-000000000001"
OTHER_SESSION = "0b7f7f3e-0000-4000-8000-000000000002"

# What is an import's own, or only the order in which rows were made.
_OWN_COLUMNS = {"n", "imported_at", "origin_device"}
_OWN_TABLES = {"device", "sync_author", "schema_migrations", "sqlite_sequence"}
# The search index is built in the order in which rows came; `check_index` says whether it is right.
_INDEXES = ("message_search", "tool_search", "search_")


def prompt(words: str, *, minute: int = 0, session: str = SESSION) -> str:
    """One line: what a person said."""
    return _line("user", f"u{minute}", minute, session, message={"role": "user", "content": words})


def answer(words: str, *, minute: int = 0, output: int = 7, session: str = SESSION) -> str:
    """One line: a whole response of 3 uncached and 20 cached input tokens."""
    return _line(
        "assistant",
        f"a{minute}",
        minute,
        session,
        requestId=f"req_{minute}",
        message={
            "id": f"msg_{session[-2:]}_{minute}",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": words}],
            "usage": {
                "input_tokens": 3,
                "cache_read_input_tokens": 20,
                "cache_creation_input_tokens": 0,
                "output_tokens": output,
            },
        },
    )


def call(name: str, *, minute: int = 0, session: str = SESSION) -> str:
    """Two lines: a tool call and its result."""
    used = {"type": "tool_use", "id": f"toolu_{minute}", "name": name, "input": {"command": "ls"}}
    result = {"type": "tool_result", "tool_use_id": f"toolu_{minute}", "content": "a\nb"}
    return _line(
        "assistant",
        f"c{minute}",
        minute,
        session,
        message={"id": f"msg_call_{minute}", "role": "assistant", "content": [used]},
    ) + _line("user", f"r{minute}", minute, session, message={"role": "user", "content": [result]})


def _line(kind: str, uuid: str, minute: int, session: str, **more: Any) -> str:
    record = {
        "type": kind,
        "uuid": f"{session[-2:]}-{uuid}",
        "parentUuid": None,
        "isSidechain": False,
        "sessionId": session,
        "cwd": "/home/ada/engine",
        "gitBranch": "main",
        "version": "2.1.0",
        "timestamp": f"2026-11-02T{9 + minute // 60:02}:{minute % 60:02}:00.000Z",
        **more,
    }
    return json.dumps(record) + "\n"


def counts(connection: apsw.Connection, path: Path) -> dict[str, int]:
    """What `import_sources` says was counted in a file."""
    names = ("lines", "imported", "noise", "unknown", "malformed")
    row = connection.execute(
        f"SELECT {', '.join(names)} FROM import_sources WHERE path = ?", (str(path.resolve()),)
    ).fetchone()
    assert row is not None, f"{path} was not read"
    return dict(zip(names, row, strict=True))


def said(connection: apsw.Connection) -> list[str]:
    """All texts of all messages, in order."""
    query = "SELECT text_content FROM messages ORDER BY session_id, seq"
    return [text for (text,) in connection.execute(query)]


def contents(connection: apsw.Connection) -> dict[str, list[str]]:
    """Every row of every table, but for what differs between two imports of the same files."""
    tables = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        if name not in _OWN_TABLES and not name.startswith(_INDEXES)
    ]
    return {table: _rows(connection, table) for table in tables}


def _rows(connection: apsw.Connection, table: str) -> list[str]:
    columns = [
        f'"{name}"'
        for _position, name, *_rest in connection.execute(f"PRAGMA table_info({table})")
        if name not in _OWN_COLUMNS
    ]
    return sorted(
        repr(row) for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table}")
    )
