"""Hand-written sessions, in a database as OpenCode makes it and in the folder it used before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import apsw

from clankers.importers.opencode import IMPORTER
from clankers.importing import import_sessions

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.importers import Batch, Importer
    from clankers.importing import ImportReport
    from clankers.store import Store

Record = dict[str, Any]

BEGAN = 1_771_200_000_000
SESSION = "ses_engine"
PROJECT = "p1"
FOLDER = "/home/ada/engine"
# As of 1.2.5, and of a later version that has more columns and other indexes.
SCHEMA = """
CREATE TABLE project (id text PRIMARY KEY, worktree text NOT NULL, time_updated integer);
CREATE TABLE session (id text PRIMARY KEY, project_id text NOT NULL, parent_id text,
    slug text, directory text NOT NULL, title text NOT NULL, version text NOT NULL,
    time_created integer NOT NULL, time_updated integer NOT NULL);
CREATE TABLE message (id text PRIMARY KEY, session_id text NOT NULL,
    time_created integer NOT NULL, time_updated integer NOT NULL, data text NOT NULL);
CREATE TABLE part (id text PRIMARY KEY, message_id text NOT NULL, session_id text NOT NULL,
    time_created integer NOT NULL, time_updated integer NOT NULL, data text NOT NULL);
CREATE INDEX message_session_idx ON message (session_id);
CREATE INDEX part_message_idx ON part (message_id);
CREATE INDEX part_session_idx ON part (session_id);
"""
LATER = """
ALTER TABLE session ADD COLUMN workspace_id text;
ALTER TABLE session ADD COLUMN cost real NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN model text;
DROP INDEX message_session_idx;
CREATE INDEX message_session_time_created_id_idx ON message (session_id, time_created, id);
CREATE TABLE session_message (id text PRIMARY KEY, session_id text NOT NULL, type text NOT NULL,
    time_created integer, time_updated integer, data text NOT NULL);
INSERT INTO session_message VALUES ('sm', 'ses_engine', 'user', 1, 1, '{"text":"Hello"}');
"""


def at(second: float) -> int:
    return BEGAN + round(second * 1000)


def user(second: float = 1, **more: Any) -> Record:
    model = {"providerID": "openai", "modelID": "gpt-5.3-codex"}
    return {"role": "user", "time": {"created": at(second)}, "model": model, **more}


def answer(
    second: float = 2, spent: Record | None = None, *, ended: float | None = None, **more: Any
) -> Record:
    time = {"created": at(second), "completed": at(second + 3 if ended is None else ended)}
    return {
        "role": "assistant",
        "time": time,
        "parentID": "msg_1",
        "modelID": "gpt-5.3-codex",
        "providerID": "openai",
        "mode": "build",
        "path": {"cwd": FOLDER, "root": FOLDER},
        "cost": 0,
        "tokens": spent or tokens(),
        **more,
    }


def tokens(
    input_: int = 0, output: int = 0, reasoning: int = 0, read: int = 0, write: int = 0, **more: Any
) -> Record:
    cache = {"read": read, "write": write}
    return {"input": input_, "output": output, "reasoning": reasoning, "cache": cache, **more}


def text(words: str, **more: Any) -> Record:
    return {"type": "text", "text": words, **more}


def tool(call: str, name: str = "bash", **state: Any) -> Record:
    time = {"start": at(3), "end": at(4)}
    described = {"status": "completed", "input": {"command": "ls"}, "output": "a.txt", "time": time}
    return {"type": "tool", "callID": call, "tool": name, "state": {**described, **state}}


class Database:
    """An OpenCode database whose owner is still at work: its rows are in the log."""

    def __init__(self, path: Path, schema: str = SCHEMA) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = apsw.Connection(str(path))
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute(schema)
        self.connection.execute("INSERT INTO project VALUES (?, ?, 0)", (PROJECT, FOLDER))

    def session(self, key: str = SESSION, second: float = 0, **more: Any) -> None:
        row = {
            "id": key,
            "project_id": PROJECT,
            "directory": FOLDER,
            "title": "Build the engine",
            "version": "1.2.5",
            "time_created": at(second),
            "time_updated": at(second),
            **more,
        }
        self._insert("session", row)

    def message(self, key: str, data: Record | str, *parts: Record, session: str = SESSION) -> None:
        """Adds a message with its parts, whose ids are `<message>-prt<n>`."""
        second = data["time"]["created"] if isinstance(data, dict) else at(1)
        times = {"time_created": second, "time_updated": second}
        self._insert("message", {"id": key, "session_id": session, **times, "data": written(data)})
        for number, part in enumerate(parts, 1):
            self.part(f"{key}-prt{number}", key, part, session=session, **times)

    def part(
        self, key: str, message: str, data: Record | str, *, session: str = SESSION, **times: int
    ) -> None:
        times = times or {"time_created": at(5), "time_updated": at(5)}
        row = {"id": key, "message_id": message, "session_id": session, **times}
        self._insert("part", {**row, "data": written(data)})

    def run(self, query: str, *values: Any) -> None:
        self.connection.execute(query, values)

    def _insert(self, table: str, row: Record) -> None:
        marks = ", ".join("?" * len(row))
        self.run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *row.values())


class Storage:
    """The folder `storage` as versions before 1.2 write it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def session(self, key: str = SESSION, **more: Any) -> None:
        info = {
            "id": key,
            "projectID": PROJECT,
            "directory": FOLDER,
            "title": "Old title",
            "version": "0.15.0",
            "time": {"created": at(0), "updated": at(0)},
            **more,
        }
        self.write(f"session/{PROJECT}/{key}.json", info)

    def message(self, key: str, data: Record, *parts: Record, session: str = SESSION) -> None:
        self.write(f"message/{session}/{key}.json", {"id": key, "sessionID": session, **data})
        for number, part in enumerate(parts, 1):
            name = f"{key}-prt{number}"
            self.write(
                f"part/{key}/{name}.json",
                {"id": name, "messageID": key, "sessionID": session, **part},
            )

    def write(self, name: str, data: Record | str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written(data), encoding="utf-8")


def written(data: Record | str) -> str:
    return data if isinstance(data, str) else json.dumps(data)


def batches_of(path: Path, importer: Importer = IMPORTER) -> list[Batch]:
    """All that is read of every session."""
    entries = importer.entries(path)  # type: ignore[attr-defined]
    return [
        batch
        for entry in entries
        for batch in importer.read_entry(path, entry.key)  # type: ignore[attr-defined]
    ]


def imported(store: Store, path: Path, agent: str = "opencode") -> ImportReport:
    report = import_sessions(store, [agent], path=path)
    assert report.failures == []
    return report


def rows(store: Store, query: str) -> list[tuple[Any, ...]]:
    return list(store.connection.execute(query))
