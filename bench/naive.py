"""What one writes in an evening: json.loads on every line, sqlite3, no deduplication.

usage: naive.py TRANSCRIPTS DATABASE
"""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE messages(id TEXT PRIMARY KEY, session TEXT, role TEXT, at TEXT, text TEXT);
CREATE TABLE tools(id TEXT PRIMARY KEY, session TEXT, name TEXT, input TEXT, output TEXT);
CREATE TABLE usage(id TEXT PRIMARY KEY, session TEXT, model TEXT, input INTEGER, output INTEGER);
"""


def main(transcripts: Path, database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.executescript(_TABLES)
    for path in sorted(transcripts.rglob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for line in file:
                add(connection, json.loads(line), path.stem)
        connection.commit()
    connection.close()


def add(connection: sqlite3.Connection, record: dict[str, Any], session: str) -> None:
    message = record.get("message")
    if record["type"] not in ("user", "assistant") or not isinstance(message, dict):
        return
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    text = "\n".join(block.get("text") or "" for block in blocks)
    connection.execute(
        "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?)",
        (record["uuid"], session, message.get("role"), record.get("timestamp"), text),
    )
    for block in blocks:
        if block["type"] == "tool_use":
            connection.execute(
                "INSERT OR REPLACE INTO tools VALUES (?, ?, ?, ?, NULL)",
                (block["id"], session, block["name"], json.dumps(block["input"])),
            )
        elif block["type"] == "tool_result":
            connection.execute(
                "UPDATE tools SET output = ? WHERE id = ?",
                (json.dumps(block.get("content")), block["tool_use_id"]),
            )
    if usage := message.get("usage"):
        connection.execute(
            "INSERT OR REPLACE INTO usage VALUES (?, ?, ?, ?, ?)",
            (
                message["id"],
                session,
                message.get("model"),
                usage["input_tokens"],
                usage["output_tokens"],
            ),
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
