"""Conversations among the settings of a workspace, where old versions kept them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers._documents import damaged
from clankers.importers._rows import Memory, Rows, objects
from clankers.importers._sqlite import snapshot
from clankers.importers._tally import Tally
from clankers.importers._values import milliseconds, text
from clankers.importers.cursor._composers import (
    AGENT,
    Piece,
    describe,
    finish,
    inline_pieces,
    take_pieces,
)
from clankers.importers.cursor._places import folder_in, folder_of_workspace
from clankers.importers.cursor._shape import has_values
from clankers.importers.cursor._values import has_words, is_told, value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clankers.importers._batch import Batch

_TIMES = ("createdAt", "lastSendTime", "lastUpdatedAt")


def read_item(path: Path, key: str) -> Iterator[Batch]:
    """What one of the settings says: whole conversations, or only their names and place."""
    with snapshot(path) as connection:
        record = value(connection, key, "ItemTable")
    if not isinstance(record, dict):
        yield damaged()
        return
    folder = folder_of_workspace(path)
    for tab in objects(record.get("tabs")):
        yield from _tab(tab, folder)
    yield from _composers(path, objects(record.get("allComposers")), folder)


def _tab(tab: dict[str, Any], folder: str | None) -> Iterator[Batch]:
    """A chat of the versions before composers."""
    native_id = text(tab.get("tabId")) or text(tab.get("id"))
    bubbles = objects(tab.get("bubbles")) or objects(tab.get("messages"))
    if native_id is None or not bubbles:
        return
    rows, tally = Rows(AGENT, Memory()), Tally()
    rows.identify(native_id)
    rows.place(folder)
    rows.name(text(tab.get("chatTitle")) or text(tab.get("title")))
    times = [at for name in _TIMES if (at := milliseconds(tab.get(name))) is not None]
    rows.date(min(times, default=None))
    pieces = (Piece(_id(one) or str(number), one) for number, one in enumerate(bubbles))
    yield from take_pieces(pieces, rows, tally)
    rows.date(max(times, default=None))
    yield tally.batch(rows)


def _id(bubble: dict[str, Any]) -> str | None:
    return text(bubble.get("id")) or text(bubble.get("bubbleId"))


def _composers(path: Path, records: list[dict[str, Any]], folder: str | None) -> Iterator[Batch]:
    """Conversations that are here; of those in the editor's own table, where they belong."""
    known = {native_id for one in records if (native_id := text(one.get("composerId")))}
    elsewhere = path.parent.parent.parent / "globalStorage" / "state.vscdb"
    told = _told_in(path, known) | (_told_in(elsewhere, known) if elsewhere.is_file() else set())
    for record in records:
        native_id = text(record.get("composerId"))
        if native_id and (native_id in told or has_words(record)):
            yield from _composer(native_id, record, folder, only_named=native_id in told)


def _composer(
    native_id: str, record: dict[str, Any], folder: str | None, *, only_named: bool
) -> Iterator[Batch]:
    rows, tally = Rows(AGENT, Memory()), Tally()
    rows.identify(native_id)
    rows.place(folder_in(record) or folder)
    describe(rows, record, {})
    tally.add("imported")
    if not only_named:
        yield from take_pieces(inline_pieces(record), rows, tally)
    finish(rows, record, {})
    batch = tally.batch(rows)
    if not batch.sessions:
        batch.sessions.append(rows.session)
    yield batch


def _told_in(path: Path, composers: set[str]) -> set[str]:
    """Those of the conversations that a database tells in its own table."""
    with snapshot(path) as connection:
        if not has_values(connection):
            return set()
        return {one for one in composers if is_told(connection, one)}
