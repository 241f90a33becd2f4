"""What people, models and Codex itself say, each once.

A rollout tells most messages twice: as the response item that the model saw or wrote, and
as the event that was shown. Old files have only events, some have only items, and either
may come first. The first of the two makes the message; the other one adds what it lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers._values import text
from clankers.importers.codex._attachments import is_image
from clankers.importers.codex._blocks import TEXT, THINKING, Block
from clankers.importers.codex._lines import elements, objects
from clankers.importers.codex._state import PROMPTED
from clankers.importers.codex._wording import (
    is_image_tag,
    is_programs,
    key,
    stated_authors,
    titled,
)

if TYPE_CHECKING:
    from clankers.importers.codex._records import Records
    from clankers.importers.codex._state import Layer

_CONTEXT = "context"
_ENCRYPTED = frozenset({"encrypted_content", "encrypted"})


class Conversation:
    """Turns what lines say into the messages of a batch."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._state = records.state

    def item(self, payload: dict[str, Any], number: int) -> bool:
        """A message as a response item; True when it adds something."""
        role = text(payload.get("role"))
        native_id = text(payload.get("id")) or self._state.place(number)
        if role == "assistant":
            return self.answer(_words(payload.get("content")), native_id, "item", number)
        blocks = self._blocks(payload)
        if not blocks:
            return False
        if role == "user":
            return self._hear_user(blocks, native_id, "item", number)
        role = "developer" if role == "developer" else "system"
        self._records.say(native_id, role, [_spoken(block) for block in blocks])
        return True

    def user_event(self, payload: dict[str, Any], number: int) -> bool:
        """A prompt as an event: its text, and what came with it."""
        blocks = [self._text_block(text(payload.get("message")) or "")]
        blocks = [block for block in blocks if block.text]
        attachments = self._records.attachments
        for url in elements(payload.get("images")):
            blocks.append(Block("image", reference=attachments.address(text(url))))
        for path in elements(payload.get("local_images")):
            blocks.append(Block("image", reference=attachments.address(text(path))))
        return self.user_blocks(blocks, self._state.place(number), number)

    def user_item(self, item: dict[str, Any], number: int) -> bool:
        """A prompt as a completed item."""
        native_id = text(item.get("id")) or self._state.place(number)
        return self.user_blocks(self._blocks(item), native_id, number)

    def user_blocks(self, blocks: list[Block], native_id: str, number: int) -> bool:
        return bool(blocks) and self._hear_user(blocks, native_id, "event", number)

    def answer(self, words: str, native_id: str, layer: Layer, number: int) -> bool:
        """Text of the model's answer."""
        return self._add(TEXT, "assistant", words, native_id, layer, number)

    def think(self, words: str, native_id: str, layer: Layer, number: int) -> bool:
        """A piece of the model's reasoning, as far as it is readable."""
        return self._add(THINKING, THINKING, words, native_id, layer, number)

    def reasoning(self, payload: dict[str, Any], number: int) -> bool:
        """Reasoning as a response item; what is encrypted is not text and is left out."""
        native_id = text(payload.get("id")) or self._state.place(number)
        pieces = [text(one.get("text")) for one in objects(payload.get("summary"))]
        pieces += [text(one.get("text")) for one in objects(payload.get("content"))]
        added = [self.think(one, native_id, "item", number) for one in dict.fromkeys(pieces) if one]
        return any(added)

    def reasoning_item(self, item: dict[str, Any], number: int) -> bool:
        """Reasoning as a completed item."""
        native_id = text(item.get("id")) or self._state.place(number)
        pieces = [text(item.get("text"))]
        pieces += [text(one) for one in elements(item.get("summary_text"))]
        pieces += [text(one) for one in elements(item.get("raw_content"))]
        added = [self.think(one, native_id, "event", number) for one in pieces if one]
        return any(added)

    def note(self, words: str | None, number: int, *, role: str = "system") -> bool:
        """Text of Codex itself, or of another agent, that stands in the conversation."""
        if not words:
            return False
        self._records.say(self._state.place(number), role, [Block(TEXT, words)])
        return True

    def relay(self, payload: dict[str, Any], number: int) -> bool:
        """A message from one agent to another."""
        content = payload.get("content")
        words = content if isinstance(content, str) else _words(content)
        route = {name: payload.get(name) for name in ("author", "recipient")}
        blocks = [Block(TEXT, words)] if words else []
        blocks.append(Block("agent_message", reference=route))
        native_id = text(payload.get("id")) or self._state.place(number)
        self._records.say(native_id, "system", blocks)
        return True

    def _add(
        self, type_: str, speaker: str, words: str, native_id: str, layer: Layer, number: int
    ) -> bool:
        if not words:
            return False
        said = key(words)
        if self._state.is_repeat(speaker, layer, said, native_id, number):
            answer = self._state.answer
            if answer is not None and layer == "item":
                answer.restate(type_, said, words)
            return False
        self._records.answer(native_id).blocks.append(Block(type_, words, said))
        return True

    def _hear_user(self, blocks: list[Block], native_id: str, layer: Layer, number: int) -> bool:
        spoken = [block for block in blocks if block.type != _CONTEXT]
        role = "user" if spoken else "system"
        said = key("".join(block.text for block in blocks))
        before = self._state.is_repeat("user", layer, said, native_id, number)
        if before is not None and layer == "event":
            return False
        if role == "system":
            blocks = [_spoken(block) for block in blocks]
        else:
            self._suggest_title(spoken)
        self._records.say(
            before.native_id if before else native_id, role, blocks, is_new=before is None
        )
        return True

    def _suggest_title(self, blocks: list[Block]) -> None:
        for block in blocks:
            if block.type == TEXT and (words := titled(block.text)):
                self._state.suggest_title(words, PROMPTED)
                return

    def _blocks(self, payload: dict[str, Any]) -> list[Block]:
        """The blocks of a message that is not the model's; tags around images are left out."""
        content = payload.get("content")
        if isinstance(content, str):
            return [self._text_block(content)] if content else []
        authors = stated_authors(payload) or []
        found = []
        for index, block in enumerate(elements(content)):
            if isinstance(block, dict):
                is_context = authors[index] if authors else None
                if (taken := self._block(block, is_context=is_context)) is not None:
                    found.append(taken)
        return found

    def _block(self, block: dict[str, Any], *, is_context: bool | None) -> Block | None:
        if is_image(block):
            return Block("image", reference=self._records.attachments.image(block))
        words = text(block.get("text")) or text(block.get("refusal"))
        kind = text(block.get("type")) or "unknown"
        if words is None:
            return None if kind in _ENCRYPTED or kind.lower().endswith("text") else Block(kind)
        if is_image_tag(words):
            return None
        return self._text_block(words, is_context=is_context)

    def _text_block(self, words: str, *, is_context: bool | None = None) -> Block:
        if is_context is None:
            is_context = is_programs(words)
        return Block(_CONTEXT if is_context else TEXT, words)


def _spoken(block: Block) -> Block:
    """Context on its own is the text of its message."""
    return Block(TEXT, block.text) if block.type == _CONTEXT else block


def _words(content: Any) -> str:
    """The text of an answer's blocks; a text alone is one too."""
    if isinstance(content, str):
        return content
    pieces = (text(one.get("text")) or text(one.get("refusal")) for one in objects(content))
    return "\n\n".join(piece for piece in pieces if piece)
