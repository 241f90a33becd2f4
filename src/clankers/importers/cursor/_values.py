"""Values of the editor's one large table, always by exact key or by a range of keys.

The table may have 50 GB and more. Text is taken as bytes, since not all of it is UTF-8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers._jsonl import decode_value

if TYPE_CHECKING:
    import apsw

COMPOSER, BUBBLE, BLOB = "composerData:", "bubbleId:", "agentKv:blob:"


def raw_value(connection: apsw.Connection, key: str, table: str = "cursorDiskKV") -> bytes | None:
    found = connection.execute(
        f"SELECT CAST(value AS BLOB) FROM {table} WHERE key = ?",
        (key,),
    ).fetchone()
    return found[0] if found else None


def value(connection: apsw.Connection, key: str, table: str = "cursorDiskKV") -> Any:
    """A value as JSON has it; None where there is none, or it is damaged.

    Some versions wrote JSON as text inside of JSON.
    """
    return decoded(raw_value(connection, key, table))


def decoded(written: bytes | None) -> Any:
    found = decode_value(written) if written else None
    return decode_value(found.encode()) if isinstance(found, str) else found


def bubble_range(composer: str) -> tuple[str, str]:
    """All keys of one conversation's bubbles: `;` comes after `:`."""
    return f"{BUBBLE}{composer}:", f"{BUBBLE}{composer};"


def bubble_ids(connection: apsw.Connection, composer: str) -> list[str]:
    """The ids of a conversation's bubbles, as they were written; from the index alone."""
    first, last = bubble_range(composer)
    found = connection.execute(
        "SELECT rowid, CAST(key AS BLOB) FROM cursorDiskKV WHERE key >= ? AND key < ?",
        (first, last),
    )
    keys = [key.decode("utf-8", "replace") for _row, key in sorted(found)]
    return [key[len(first) :] for key in keys]


def has_bubbles(connection: apsw.Connection, composer: str) -> bool:
    found = connection.execute(
        "SELECT 1 FROM cursorDiskKV WHERE key >= ? AND key < ? AND value NOT NULL LIMIT 1",
        bubble_range(composer),
    )
    return found.fetchone() is not None


def is_told(connection: apsw.Connection, composer: str) -> bool:
    """True when the table has the conversation and not only its empty draft."""
    found = connection.execute(
        "SELECT 1 FROM cursorDiskKV WHERE key = ? AND value NOT NULL", (COMPOSER + composer,)
    ).fetchone()
    if found is None:
        return False
    return has_bubbles(connection, composer) or has_words(value(connection, COMPOSER + composer))


def has_words(composer: Any) -> bool:
    """True when a conversation's own record holds what was said, as in old and newest versions."""
    if not isinstance(composer, dict):
        return False
    state = composer.get("conversationState")
    has_state = isinstance(state, str) and len(state) > 1
    return bool(composer.get("conversation") or composer.get("conversationMap") or has_state)
