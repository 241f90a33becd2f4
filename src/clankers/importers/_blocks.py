"""Messages as blocks: the text and thinking columns, and the layout they cannot say."""

from __future__ import annotations

from typing import Any

import msgspec

from clankers.importers._values import json_text

SEPARATOR = "\n\n"
TEXT, THINKING = "text", "thinking"


class Block(msgspec.Struct, array_like=True):
    """One part of a message: its type, its text, or what it refers to.

    `key` is for whoever must know a text again that another record tells too.
    """

    type: str
    text: str = ""
    key: str = ""
    reference: Any = None


def joined(blocks: list[Block], type_: str) -> str | None:
    return SEPARATOR.join(b.text for b in blocks if b.type == type_ and b.text) or None


def layout(blocks: list[Block]) -> str | None:
    """The order of the blocks, where the columns cannot say it."""
    kinds = [block.type for block in blocks]
    if kinds in ([TEXT], [THINKING], [THINKING, TEXT]):
        return None
    several = {kind for kind in (TEXT, THINKING) if kinds.count(kind) > 1}
    return json_text([_described(block, several) for block in blocks]) if blocks else None


def _described(block: Block, several: set[str]) -> dict[str, Any]:
    """A block without its text, which stands in a column; `chars` cuts a joined column apart."""
    found: dict[str, Any] = {"type": block.type}
    if block.type in several:
        found["chars"] = len(block.text)
    elif block.type not in (TEXT, THINKING) and block.text:
        found["text"] = block.text
    if isinstance(block.reference, dict):
        found.update(block.reference)
    return found
