"""Where Cursor's files are below a folder, and what a transcript looks like."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TRANSCRIPTS = "agent-transcripts"
_HEAD_BYTES = 64 * 1024
# Of folders that hold much else, what is worth going into.
_OF_COMMAND_LINE = ("acp-sessions", "chats", "projects")
_OF_EDITOR = ("globalStorage", "workspaceStorage")
# What transcripts of other agents have on every line.
_FOREIGN = ("type", "sessionId", "uuid", "timestamp", "id")
_EVENTS = ("error", "turn_ended")


def find_files(root: Path) -> Iterator[Path]:
    """Databases of the editor, stores of the command line, transcripts; each group by path."""
    if root.is_file():
        yield root
        return
    editors: list[Path] = []
    stores: list[Path] = []
    transcripts: list[Path] = []
    for folder, names in _walk(root):
        editors += [folder / name for name in names if _is_editor_name(folder, name)]
        stores += [folder / name for name in names if _is_store_name(folder, name)]
        transcripts += _transcripts_in(folder, names)
    yield from editors
    yield from stores
    yield from transcripts


def is_transcript_name(path: Path) -> bool:
    return path.suffix in (".jsonl", ".txt")


def looks_like_transcript(path: Path) -> bool:
    """True when a file's first record is one of an agent transcript."""
    if path.suffix == ".txt":
        return TRANSCRIPTS in path.parts
    record = _first_record(path)
    if record is None:
        return False
    if TRANSCRIPTS in path.parts and record.get("type") in _EVENTS:
        return True
    has_role = record.get("role") in ("user", "assistant", "system")
    return has_role and _is_bare(record)


def _is_bare(record: dict[str, object]) -> bool:
    message = record.get("message")
    if not isinstance(message, dict) or "content" not in message or "role" in message:
        return False
    return not any(name in record for name in _FOREIGN)


def _walk(root: Path) -> Iterator[tuple[Path, list[str]]]:
    for path, folders, files in os.walk(root):
        folder = Path(path)
        folders[:] = sorted(_worth_entering(folder, folders))
        yield folder, sorted(files)


def _worth_entering(folder: Path, names: list[str]) -> list[str]:
    for ours in (_OF_COMMAND_LINE, _OF_EDITOR):
        known = [name for name in names if name in ours]
        # The folder may be called anything: then it is known by two of ours in it.
        if len(known) >= (1 if folder.name == ".cursor" else 2):
            return known
    if folder.name == "globalStorage" or folder.parent.name == "workspaceStorage":
        return []
    is_project = folder.parent.name == "projects"
    if is_project and (TRANSCRIPTS in names or folder.parent.parent.name == ".cursor"):
        return [name for name in names if name == TRANSCRIPTS]
    return names


def _is_editor_name(folder: Path, name: str) -> bool:
    if not name.endswith(".vscdb"):
        return False
    if "Cursor" in folder.parts:
        return True
    # Every editor of that family calls its databases so.
    from clankers.importers.cursor._shape import is_editor_database

    return is_editor_database(folder / name)


def _is_store_name(folder: Path, name: str) -> bool:
    if not name.endswith("store.db"):
        return False
    if name == "store.db" and folder.parent.parent.name == "chats":
        return True
    from clankers.importers.cursor._shape import is_chat_database

    return is_chat_database(folder / name)


def _transcripts_in(folder: Path, names: list[str]) -> list[Path]:
    if TRANSCRIPTS in folder.parts:
        named = [folder / name for name in names if name.endswith((".jsonl", ".txt"))]
        # Cursor makes no links, and one could lead to any file.
        return [path for path in named if not path.is_symlink()]
    found = [folder / name for name in names if name.endswith(".jsonl")]
    known = [path for path in found if looks_like_transcript(path)]
    # One that only says how it failed cannot be told from others, but by its neighbours.
    return [path for path in found if path in known or _says_nothing(path)] if known else []


def _says_nothing(path: Path) -> bool:
    record = _first_record(path)
    if record is not None:
        return record.get("type") in _EVENTS and "message" not in record
    return path.is_file() and path.stat().st_size == 0


def _first_record(path: Path) -> dict[str, object] | None:
    import json

    head = _beginning(path)
    line, _, rest = head.lstrip().partition(b"\n")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        is_cut = not rest and len(head) == _HEAD_BYTES
        return _beginning_of_record(line) if is_cut else None
    return found if isinstance(found, dict) else None


def _beginning_of_record(line: bytes) -> dict[str, object] | None:
    """What can be told of a first line that is longer than what was read of it."""
    role, _, message = line[:200].replace(b" ", b"").partition(b',"message":{"content":')
    if not message or role not in (b'{"role":"user"', b'{"role":"assistant"'):
        return None
    return {"role": "user", "message": {"content": None}}


def _beginning(path: Path) -> bytes:
    # Opening a pipe would wait for a writer that never comes.
    if not path.is_file():
        return b""
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD_BYTES)
    except OSError:
        return b""
