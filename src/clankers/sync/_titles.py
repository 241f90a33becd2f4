"""Titles that are the beginning of a prompt: cut where a secret stands, it is none to any rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clankers.sync._local import Database
    from clankers.sync._outgoing import Record

_FIRST = """
SELECT text_content FROM messages
WHERE session_id = ? AND role = 'user' AND text_content NOT NULL ORDER BY seq, n LIMIT 3
"""
_SHORTEST = 12
_ENDS = ("…", "...")


def whole_titles(database: Database, records: Sequence[Record]) -> list[tuple[Record, str, int]]:
    """Sessions with a title that goes on in their prompt: the text from there, and how much is the title."""
    found = []
    for one in records:
        title = one.fields.get("title") if one.local.table == "sessions" else None
        if title and len(title) >= _SHORTEST:
            text = _source(database, one.local.id, title)
            if text is not None:
                found.append((one, text, len(title)))
    return found


def _source(database: Database, session_id: str, title: str) -> str | None:
    beginning = " ".join(title.split())
    for end in _ENDS:
        beginning = beginning.removesuffix(end).rstrip()
    for (text,) in database.connection.execute(_FIRST, (session_id,)):
        spaced = " ".join(text[: 4 * len(title) + 2_000].split())
        if (place := spaced.find(beginning)) >= 0 and len(spaced) > place + len(beginning):
            return spaced[place : place + len(beginning) + 1_000]
    return None
