"""One model response while its lines are still coming in."""

from __future__ import annotations

import msgspec

from clankers.importers._blocks import Block  # noqa: TC001 - msgspec resolves it


class Answer(msgspec.Struct):
    """One model response while its lines are still coming in.

    Reasoning, text and tool calls that follow each other are one response; what is said
    to the model next (a tool's output, a prompt) closes it.
    """

    native_id: str
    created_at: int | None
    completed_at: int | None
    seq: int
    is_sidechain: bool
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    blocks: list[Block] = msgspec.field(default_factory=list)

    @property
    def characters(self) -> int:
        return sum(len(block.text) for block in self.blocks)
