"""A conversation of Cursor's command line: one database for each, and a small file beside it."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from clankers.importers._batch import Batch
from clankers.importers._documents import WHOLE
from clankers.importers._jsonl import decode_value
from clankers.importers._rows import Memory, Rows, member
from clankers.importers._sqlite import snapshot
from clankers.importers._tally import Tally
from clankers.importers._values import is_uuid, milliseconds, text
from clankers.importers.cursor._bubbles import name_model
from clankers.importers.cursor._composers import AGENT
from clankers.importers.cursor._elsewhere import LINE, MESSAGE, is_in_editor, read_beside
from clankers.importers.cursor._places import folder_of
from clankers.importers.cursor._spoken import take_state
from clankers.importers.cursor._state import described, has_messages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import apsw

    from clankers.importers.cursor._state import Fetch


def read_chat(path: Path) -> Iterator[Batch]:
    """What a `store.db` says; nothing when the editor has the same conversation."""
    with snapshot(path) as connection:
        meta = read_meta(connection)
        if meta is None:
            yield Batch(WHOLE, malformed=[1])
            return
        native_id = path.parent.name if is_uuid(path.parent.name) else text(meta.get("agentId"))
        if native_id is not None and is_in_editor(path, native_id):
            yield Batch(WHOLE, noise=1)
            return
        fetch = blobs_of(connection)
        root = fetch(text(meta.get("latestRootBlobId")) or "") or b""
        rows, tally = Rows(AGENT, Memory()), Tally()
        rows.identify(native_id or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{AGENT}:{path}")))
        beside = read_beside(path)
        if has_messages(root, fetch):
            rows.replace(LINE)
        tally.add("imported")
        _describe(rows, meta, beside, root, fetch)
        yield from take_state(root, fetch, rows, tally, named=MESSAGE)
    rows.date(milliseconds(beside.get("updatedAtMs")))
    yield tally.batch(rows)


def read_meta(connection: apsw.Connection) -> dict[str, Any] | None:
    """What the store says of its conversation: JSON, written as hexadecimal digits."""
    found = connection.execute("SELECT CAST(value AS BLOB) FROM meta WHERE key = '0'").fetchone()
    written = found[0] if found else None
    if not written:
        return None
    # Some are written as they are.
    with suppress(ValueError):
        written = bytes.fromhex(written.decode())
    meta = decode_value(written)
    return meta if isinstance(meta, dict) else None


def blobs_of(connection: apsw.Connection) -> Fetch:
    def fetch(name: str) -> bytes | None:
        found = connection.execute(
            "SELECT CAST(data AS BLOB) FROM blobs WHERE id = ?", (name,)
        ).fetchone()
        return found[0] if found else None

    return fetch


def _describe(
    rows: Rows, meta: dict[str, Any], beside: dict[str, Any], root: bytes, fetch: Fetch
) -> None:
    created = milliseconds(meta.get("createdAt"))
    rows.date(milliseconds(beside.get("createdAtMs")) if created is None else created)
    rows.name(text(beside.get("title")) or text(meta.get("name")))
    name_model(rows, meta.get("lastUsedModel"))
    rows.session.model = rows.memory.model
    rows.session.permission_mode = text(meta.get("mode"))
    state = described(root, fetch)
    rows.place(text(beside.get("cwd")) or folder_of(state.workspace) or state.folder)
    info = member(meta, "subagentInfo")
    rows.belongs_to(text(info.get("parentAgentId")), "subagent")
