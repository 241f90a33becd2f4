"""What people, models and Codex itself say, each once.

A rollout tells most messages twice: as the response item that the model saw or wrote, and
as the event that was shown. Old files have only events, some have only items, and either
may come first. The first of the two makes the message; the other one adds what it lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers._blocks import TEXT, THINKING, Block
from clankers.importers._values import text
from clankers.importers.codex._attachments import is_image
from clankers.importers.codex._lines import elements, objects
from clankers.importers.codex._state import PROMPTED
from clankers.importers.codex._wording import (
    images_key,
    is_image_tag,
    is_programs,
    key,
    stated_authors,
    titled,
)

if TYPE_CHECKING:
    from clankers.importers.codex._records import Records
    from clankers.importers.codex._state import Origin

_CONTEXT = "context"
_ENCRYPTED = frozenset({"encrypted_content", "encrypted"})


class Conversation:
    """Turns what lines say into the messages of a batch."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._state = records.state

    def item(self, payload: dict[str, Any], origin: Origin) -> bool:
        """A message as a response item; True when it adds something."""
        role = text(payload.get("role"))
        if role == "assistant":
            return self.answer(_words(payload.get("content")), origin)
        blocks = self._blocks(payload)
        if role == "user":
            return self._hear_user(blocks, origin)
        if not blocks:
            return False
        role = "developer" if role == "developer" else "system"
        self._records.say(origin.native_id, role, [_spoken(block) for block in blocks])
        return True

    def user_event(self, payload: dict[str, Any], origin: Origin) -> bool:
        """A prompt as an event: its text, and what came with it."""
        blocks = [self._text_block(words)] if (words := text(payload.get("message"))) else []
        attachments = self._records.attachments
        addresses = [*elements(payload.get("images")), *elements(payload.get("local_images"))]
        blocks += [Block("image", reference=attachments.address(text(one))) for one in addresses]
        return self._hear_user(blocks, origin)

    def user_item(self, item: dict[str, Any], origin: Origin) -> bool:
        """A prompt as a completed item."""
        return self._hear_user(self._blocks(item), origin)

    def answer(self, words: str, origin: Origin) -> bool:
        """Text of the model's answer."""
        return self._add(TEXT, words, origin)

    def think(self, words: str, origin: Origin) -> bool:
        """A piece of the model's reasoning, as far as it is readable."""
        return self._add(THINKING, words, origin)

    def reasoning(self, payload: dict[str, Any], origin: Origin) -> bool:
        """Reasoning as a response item; what is encrypted is not text and is left out."""
        pieces = [text(one.get("text")) for one in objects(payload.get("summary"))]
        pieces += [text(one.get("text")) for one in objects(payload.get("content"))]
        return self._think_all(pieces, origin)

    def reasoning_item(self, item: dict[str, Any], origin: Origin) -> bool:
        """Reasoning as a completed item."""
        listed = [*elements(item.get("summary_text")), *elements(item.get("raw_content"))]
        pieces = [text(one) for one in [item.get("text"), *listed]]
        return self._think_all(pieces, origin)

    def _think_all(self, pieces: list[str | None], origin: Origin) -> bool:
        heard = [self.think(one, origin) for one in dict.fromkeys(pieces) if one]
        return True in heard

    def note(self, words: str | None, number: int, *, role: str = "system") -> bool:
        """Text of Codex itself, or of another agent, that stands in the conversation."""
        if not words:
            return False
        self._records.say(self._state.place(number), role, [Block(TEXT, words)])
        return True

    def relay(self, payload: dict[str, Any], origin: Origin) -> bool:
        """A message from one agent to another."""
        words = _words(payload.get("content"))
        route = {name: payload.get(name) for name in ("author", "recipient")}
        blocks = [Block(TEXT, words)] if words else []
        blocks.append(Block("agent_message", reference=route))
        self._records.say(origin.native_id, "system", blocks)
        return True

    def _add(self, type_: str, words: str, origin: Origin) -> bool:
        if not words:
            return False
        said = key(words)
        if self._state.is_repeat(type_, said, origin):
            if origin.layer == "item":
                self._records.restate(type_, said, words)
            return False
        self._records.answer(origin.native_id).blocks.append(Block(type_, words, said))
        return True

    def _hear_user(self, blocks: list[Block], origin: Origin) -> bool:
        if not blocks:
            return False
        spoken = [block for block in blocks if block.type != _CONTEXT]
        said = key("".join(one.text for one in spoken or blocks)) or images_key(
            [one.reference for one in spoken if one.type == "image"]
        )
        before = self._state.is_repeat("user", said, origin)
        if before is not None and origin.layer == "event":
            return False
        native_id = before.native_id if before else origin.native_id
        if spoken:
            self._suggest_title(spoken)
            self._records.say(native_id, "user", blocks, is_new=before is None)
        else:
            context = [_spoken(block) for block in blocks]
            self._records.say(native_id, "system", context, is_new=before is None)
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
    """The text of a message's blocks; a text alone is one too."""
    if isinstance(content, str):
        return content
    pieces = (text(one.get("text")) or text(one.get("refusal")) for one in objects(content))
    return "\n\n".join(piece for piece in pieces if piece)
