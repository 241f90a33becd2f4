"""Answers that are logged over several lines, put together as one message each."""

from __future__ import annotations

from typing import Any

import msgspec

from clankers.importers._values import json_text
from clankers.models import Message

SEPARATOR = "\n\n"


class Block(msgspec.Struct, array_like=True):
    """One content block: its type, its text, or what it refers to."""

    type: str
    text: str = ""
    reference: Any = None


class Spoken(msgspec.Struct):
    """A message while its lines are still coming in; small enough to keep with the watermark."""

    native_id: str
    role: str
    created_at: int | None
    completed_at: int | None
    seq: int
    parent_native_id: str | None
    is_sidechain: bool
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    blocks: list[Block] = msgspec.field(default_factory=list)

    def add(self, block: Block) -> None:
        """Takes a block, unless it repeats one; a text that begins with the last one replaces it."""
        if block in self.blocks:
            return
        last = self.blocks[-1] if self.blocks else None
        if last and last.type == block.type and last.text and block.text.startswith(last.text):
            last.text = block.text
            return
        self.blocks.append(block)

    def message(self, session_id: str) -> Message:
        return Message(
            f"{session_id}:{self.native_id}",
            session_id,
            self.created_at,
            self.completed_at,
            self.seq,
            self.role,
            self.model,
            "claude-code",
            self.prompt_tokens,
            self.completion_tokens,
            None,
            self.native_id,
            self.parent_native_id,
            self.is_sidechain,
            self._joined("text"),
            self._joined("thinking"),
            self._layout(),
        )

    def _joined(self, kind: str) -> str | None:
        return SEPARATOR.join(b.text for b in self.blocks if b.type == kind and b.text) or None

    def _layout(self) -> str | None:
        """The order of the blocks, where the columns cannot say it."""
        kinds = [block.type for block in self.blocks]
        if kinds in (["text"], ["thinking"], ["thinking", "text"]) and all(
            block.text for block in self.blocks
        ):
            return None
        several = {kind for kind in ("text", "thinking") if kinds.count(kind) > 1}
        return json_text([_described(block, several) for block in self.blocks])


def _described(block: Block, several: set[str]) -> dict[str, Any]:
    """A block without its text, which stands in a column; `chars` cuts a joined column apart."""
    found: dict[str, Any] = {"type": block.type}
    if block.type in several:
        found["chars"] = len(block.text)
    if isinstance(block.reference, dict):
        found.update(block.reference)
    return found
