"""Titles that are the beginning of a prompt: cut where a secret stands, it is none to any rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers.sync.redaction._recognition import MARKER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clankers.store.capture._rows import Local
    from clankers.sync._local import Database
    from clankers.sync._outgoing import Record

    Clean = Callable[[Sequence[str]], Sequence[str]]

_FIRST = """
SELECT text_content FROM messages
WHERE session_id = ? AND role = 'user' AND text_content NOT NULL ORDER BY seq, n LIMIT 3
"""
_SHORTEST = 12
# So much more of a prompt is looked at: a secret is seldom longer.
_MORE = 1_000
_ENDS = ("…", "...")


def clean_ends(database: Database, records: Sequence[Record], clean: Clean) -> None:
    """Takes the beginning of a secret from the end of titles whose prompts go on with the rest."""
    for one in records:
        title = one.local.fields()["title"] if one.local.table == "sessions" else None
        if title and len(title) >= _SHORTEST and "title" in one.fields:
            begins = _begins(title)
            for text in _prompts(database, one.local, begins):
                if (found := _cut_secret(begins, text, clean([text])[0])) is not None:
                    place, marker = found
                    one.fields["title"] = clean([title[:place]])[0] + marker
                    break


def _begins(title: str) -> str:
    for end in _ENDS:
        title = title.removesuffix(end)
    return title.rstrip()


def _prompts(database: Database, session: Local, begins: str) -> list[str]:
    """The session's first prompts, from where they say what the title says; wherever they are."""
    archive = database.archive() if session.is_archived else None
    connection = database.connection if archive is None else archive.connection
    found = []
    for (text,) in connection.execute(_FIRST, (session.id,)):
        one_line = " ".join(text[: 4 * len(begins) + 2 * _MORE].split())
        place = one_line.find(begins)
        if place >= 0 and len(one_line) > place + len(begins):
            found.append(one_line[place : place + len(begins) + _MORE])
    return found


def _cut_secret(begins: str, text: str, cleaned: str) -> tuple[int, str] | None:
    """Where in the title a secret begins that goes on behind its end, and what stands for it."""
    if cleaned == text:
        return None
    parts, markers = MARKER.split(cleaned), MARKER.findall(cleaned)
    place = 0
    for part, marker, following in zip(parts, markers, parts[1:], strict=False):
        secret_at = place + len(part)
        if secret_at >= len(begins):
            return None
        place = text.find(following, secret_at + 1) if following else len(text)
        if place < 0 or place > len(begins):
            return secret_at, marker
    return None
