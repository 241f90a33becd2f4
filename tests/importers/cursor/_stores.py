"""Hand-written stores of Cursor as it lays them out, written by a connection of their own."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from clankers.importers import Batch, Resume
from clankers.importers.cursor import IMPORTER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Record = dict[str, Any]

SESSION = "11111111-2222-4333-8444-000000000001"
OTHER = "11111111-2222-4333-8444-000000000002"
NOON = 1_785_585_600_000  # 2026-08-01T12:00:00Z
TABLES = """
CREATE TABLE IF NOT EXISTS ItemTable (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB);
CREATE TABLE IF NOT EXISTS cursorDiskKV (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB);
"""
HEADS = """
CREATE TABLE IF NOT EXISTS composerHeaders (composerId TEXT PRIMARY KEY, workspaceId TEXT,
  createdAt INTEGER, lastUpdatedAt INTEGER, isSubagent INTEGER, value TEXT);
"""


def at(second: int) -> str:
    return f"2026-08-01T12:00:{second:02}.000Z"


def said(second: int, words: str, kind: int = 2, **more: Any) -> Record:
    """A bubble of the assistant, or with `kind` 1 of the user."""
    return {"_v": 3, "type": kind, "text": words, "createdAt": at(second), **more}


def called(second: int, **former: Any) -> Record:
    return said(second, "", capabilityType=15, toolFormerData=former)


def composer(*bubbles: str, **more: Any) -> Record:
    """A conversation's record, with the list of its bubbles."""
    headers = [{"bubbleId": one, "type": 1 if one.startswith("u") else 2} for one in bubbles]
    return {
        "_v": 16,
        "name": "Tides",
        "createdAt": NOON,
        "lastUpdatedAt": NOON + 60_000,
        "fullConversationHeadersOnly": headers,
        **more,
    }


def editor(home: Path, workspace: str | None = None) -> Path:
    """The path of an editor's database, with its folder."""
    user = home / ".config" / "Cursor" / "User"
    folder = user / "workspaceStorage" / workspace if workspace else user / "globalStorage"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "state.vscdb"


def put(path: Path, values: Record, *, table: str = "cursorDiskKV") -> Path:
    """Writes values as the editor does: what is there under a key is replaced."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(TABLES)
        for key, value in values.items():
            written = value if isinstance(value, bytes | None) else json.dumps(value)
            connection.execute(f"INSERT INTO {table} VALUES (?, ?)", (key, written))
    return path


def conversation(session: str, record: Any, bubbles: Record) -> Record:
    """The values of one conversation."""
    stored = {f"bubbleId:{session}:{name}": bubble for name, bubble in bubbles.items()}
    return {**stored, f"composerData:{session}": record}


def put_head(path: Path, session: str, **more: Any) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(HEADS)
        row = (session, more.pop("workspaceId", None), NOON, NOON + 90_000, 0, json.dumps(more))
        connection.execute("INSERT OR REPLACE INTO composerHeaders VALUES (?, ?, ?, ?, ?, ?)", row)


# The command line's store


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def field(number: int, value: bytes | int) -> bytes:
    """One field of a protobuf message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


class Blobs(dict[str, bytes]):
    """Blobs by the hash of what is in them."""

    def keep(self, blob: bytes | Record) -> bytes:
        """The raw hash of a blob, which is kept."""
        written = blob if isinstance(blob, bytes) else json.dumps(blob).encode()
        digest = sha256(written)
        self[digest.hexdigest()] = written
        return digest.digest()

    def state(self, *messages: Record, turns: Iterable[tuple[str, int]] = ()) -> bytes:
        """A root with these messages; `turns` are requests with the times of their prompts."""
        root = b"".join(field(1, self.keep(one)) for one in messages)
        for request, moment in turns:
            prompt = self.keep(field(1, b"words") + field(25, moment))
            turn = field(1, field(1, prompt) + field(3, request.encode()))
            root += field(8, self.keep(turn))
        checkout = field(1, b"/home/ada/engine") + field(2, b"tides")
        return root + field(9, b"file:///home/ada/my%20engine") + field(21, checkout)


def typed(words: str, request: str = "r1", **options: Any) -> Record:
    text = f"<user_query>\n{words}\n</user_query>"
    cursor = {"requestId": request, **options}
    content = [{"type": "text", "text": text}]
    return {"role": "user", "content": content, "providerOptions": {"cursor": cursor}}


def answered(*parts: Record) -> Record:
    return {"role": "assistant", "id": "1", "content": list(parts)}


def text(words: str, model: str | None = None) -> Record:
    options = {"providerOptions": {"cursor": {"modelName": model}}} if model else {}
    return {"type": "text", "text": words, **options}


def call(call_id: str, name: str, **given: Any) -> Record:
    return {"type": "tool-call", "toolCallId": call_id, "toolName": name, "args": given}


def result(call_id: str, name: str, told: str, **outcome: Any) -> Record:
    part = {"type": "tool-result", "toolCallId": call_id, "toolName": name, "result": told}
    options = {"cursor": {"highLevelToolCallResult": outcome}}
    return {"role": "tool", "id": call_id, "content": [part], "providerOptions": options}


def chat(home: Path, session: str, blobs: Blobs, root: bytes, **meta: Any) -> Path:
    """The command line's store of one conversation."""
    folder = home / ".cursor" / "chats" / "0d265392dfc786bc1af0df28bb21fea3" / session
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "agentId": session,
        "latestRootBlobId": blobs.keep(root).hex(),
        "name": "Tides",
        "mode": "default",
        "createdAt": NOON,
        "lastUsedModel": "default",
        **meta,
    }
    path = folder / "store.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS blobs (id TEXT PRIMARY KEY, data BLOB)")
        connection.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT)")
        connection.executemany("INSERT OR REPLACE INTO blobs VALUES (?, ?)", blobs.items())
        encoded = json.dumps(told).encode().hex()
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('0', ?)", (encoded,))
    return path


# Transcripts


def line(role: str, *parts: Record | str, **more: Any) -> Record:
    content = [{"type": "text", "text": one} if isinstance(one, str) else one for one in parts]
    return {"role": role, "message": {"content": content}, **more}


def encoded(*records: Record | str) -> bytes:
    lines = [one if isinstance(one, str) else json.dumps(one) for one in records]
    return "".join(f"{one}\n" for one in lines).encode()


def transcript(home: Path, session: str, *records: Record | str, parent: str = "") -> Path:
    folder = home / ".cursor" / "projects" / "home-ada-engine" / "agent-transcripts"
    folder = folder / parent / "subagents" if parent else folder / session
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{session}.jsonl"
    path.write_bytes(encoded(*records))
    return path


# What is read


def everything(path: Path) -> Batch:
    """All that a file says, as one batch."""
    entries = IMPORTER.entries(path)
    if entries is None:
        return joined(IMPORTER.read(path, Resume()))
    keys = [one.key for one in entries]
    return joined(batch for key in keys for batch in IMPORTER.read_entry(path, key))


def joined(batches: Iterable[Batch]) -> Batch:
    whole = Batch(Resume())
    for batch in batches:
        for name in ("sessions", "mentions", "messages", "tools", "errors", "compactions"):
            getattr(whole, name).extend(getattr(batch, name))
        whole.usage += batch.usage
        whole.attachments += batch.attachments
        whole.malformed += batch.malformed
        whole.imported += batch.imported
        whole.noise += batch.noise
        whole.unknown += batch.unknown
    return whole


def counted(batch: Batch) -> tuple[int, int, int, int]:
    return batch.imported, batch.noise, batch.unknown, len(batch.malformed)
