"""What a search must find, by looking at every text: no index, no SQL but to read the rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import random

    from clankers.store import Store


class Row(NamedTuple):
    """A row with what it says; a tool call says each text in its JSON, and the JSON itself."""

    place: str
    id: str
    said: list[str]
    written: list[str]


def rows(store: Store) -> list[Row]:
    found = []
    query = "SELECT id, text_content, thinking FROM messages"
    for row_id, *texts in store.connection.execute(query):
        found.append(Row("messages", row_id, [_folded(text) for text in texts if text], []))
    query = "SELECT id, tool_input, tool_output FROM tools"
    for row_id, *written in store.connection.execute(query):
        said = [one for text in written if text for one in _strings(json.loads(text))]
        texts = [_folded(text) for text in written if text]
        found.append(Row("tools", row_id, [_folded(text) for text in said], texts))
    return found


def having(found: list[Row], text: str, *, as_written: bool = False) -> set[tuple[str, str]]:
    """The rows that say `text`; with `as_written` also those whose JSON has it, escaped or not."""
    wanted, escaped = _folded(text), _folded(json.dumps(text, ensure_ascii=False)[1:-1])
    return {
        (row.place, row.id)
        for row in found
        if any(wanted in one for one in row.said)
        or (as_written and any(wanted in one or escaped in one for one in row.written))
    }


def piece(chance: random.Random, found: list[Row], shortest: int, longest: int) -> str:
    """A random part of a random text."""
    while True:
        row = chance.choice(found)
        if not row.said:
            continue
        text = chance.choice(row.said)
        length = chance.randint(shortest, longest)
        if len(text) >= length:
            start = chance.randrange(len(text) - length + 1)
            return text[start : start + length]


def _strings(value: Any) -> list[str]:
    """Every text in a JSON value, names of members included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for one in value for text in _strings(one)]
    if isinstance(value, dict):
        return [*value, *(text for one in value.values() for text in _strings(one))]
    return []


def _folded(text: str) -> str:
    """As LIKE compares: ASCII letters in either case are the same."""
    return "".join(one.lower() if "A" <= one <= "Z" else one for one in text)


def ids(result: Any) -> set[tuple[str, str]]:
    return {(hit.place, hit.id) for hit in result}
