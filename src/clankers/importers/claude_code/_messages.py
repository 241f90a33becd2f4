"""What was said: by people, by the program, and by the model over several lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from clankers.importers._values import row_id
from clankers.importers.claude_code import _queued
from clankers.importers.claude_code._attachments import MEDIA, Attachments
from clankers.importers.claude_code._envelopes import is_command, new_name, spoken_parts
from clankers.importers.claude_code._lines import blocks_of, whole_blocks
from clankers.importers.claude_code._spoken import SEPARATOR, Piece, Spoken
from clankers.importers.claude_code._state import COMMANDED, PROMPTED, RENAMED
from clankers.importers.claude_code._tools import ToolCalls
from clankers.importers.claude_code._usage import SYNTHETIC, Measured

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.importers.claude_code._envelopes import Role
    from clankers.importers.claude_code._lines import Block, Content, Line, Said
    from clankers.importers.claude_code._memory import Memory
    from clankers.importers.claude_code._state import State


class Written(NamedTuple):
    """A line and where it stands: its bytes, when it was written, its own id in the file.

    `is_dated` is False where the line does not say when, and `at` is that of the one before.
    """

    line: Line
    raw: bytes
    at: int | None
    native_id: str
    is_dated: bool


class Messages:
    """Collects the messages of a batch, with their tool calls, attachments and usage."""

    def __init__(self, state: State, folders: list[Path], memory: Memory) -> None:
        self._state = state
        self._memory = memory
        self.spoken: dict[str, Spoken] = {}
        self.attachments = Attachments()
        self.tools = ToolCalls(state, folders, self.attachments)
        self.measured = Measured(state)
        self._whole: tuple[bytes, list[dict[str, Any]]] = b"", []

    def answer(self, written: Written, said: Said) -> None:
        """Takes a line of the model's answer; all lines with its message id are one message."""
        spoken = self._spoken_as(said.id or written.native_id, "assistant", written)
        model = said.model
        if model and model != SYNTHETIC:
            spoken.model = self._state.model = model
        self.measured.take(written.line, said, spoken, written.at)
        for index, block in enumerate(blocks_of(said.content)):
            self._add_block(spoken, block, index, written)

    def results(self, written: Written, blocks: list[Block]) -> None:
        """Takes tool results; what the program noted beside them is about a single one."""
        line = written.line
        alone = line if len(blocks) == 1 else None
        for index, block in enumerate(blocks):
            native_id = block.tool_use_id or line.source_tool_use_id
            native_id = native_id or f"{written.native_id}#{index}"
            self.tools.result(block, native_id, written.at, alone)

    def say(
        self, written: Written, blocks: list[tuple[int, Block]], speaker: Role | None = None
    ) -> bool:
        """Takes a message of the user, or of the program in the user's name.

        Args:
            written: the line.
            blocks: those of its blocks that are said, by their place.
            speaker: who speaks; by default found out from the text.

        Returns:
            False when there was nothing to take.
        """
        parts = self._parts(written, blocks, speaker)
        if not parts:
            return False
        is_users = any(role == "user" for role, _piece in parts)
        spoken = self._said_by_user(written, parts) if is_users else None
        if spoken is None:
            spoken = self._spoken_as(written.native_id, "user" if is_users else "system", written)
        for role, piece in parts:
            if role == "system" and is_users:
                piece.type = "system"
            elif role == "system" and piece.type == "text":
                self.tools.link_task(piece.text, written.at)
            spoken.add(piece)
        return True

    def queue(self, written: Written, content: Content) -> bool:
        """Takes a prompt that waits for the agent; False when it is none of the user's."""
        parts = self._parts(written, list(enumerate(blocks_of(content))), None)
        parts = [part for part in parts if part[0] == "user"]
        if not parts:
            return False
        words = _words(parts)
        key = _queued.put(self._state, words, written.at)
        spoken = self._spoken_as(key, "user", written)
        for _role, piece in parts:
            spoken.add(piece)
        self._suggest_title(written.line, words)
        return True

    def _parts(
        self, written: Written, blocks: list[tuple[int, Block]], speaker: Role | None
    ) -> list[tuple[Role, Piece]]:
        """What is said, cut by who says it; pictures are the user's."""
        parts: list[tuple[Role, Piece]] = []
        for index, block in blocks:
            if block.type != "text":
                parts.append((speaker or "user", self._piece(block, index, written)))
            elif block.text and not block.text.isspace():
                if speaker is None:
                    said = spoken_parts(block.text)
                    parts.extend([(role, Piece("text", words)) for role, words in said])
                else:
                    parts.append((speaker, Piece("text", block.text)))
        return parts

    def _said_by_user(self, written: Written, parts: list[tuple[Role, Piece]]) -> Spoken | None:
        """The message of the user that a line delivers, if it was queued before."""
        words = _words(parts)
        self._suggest_title(written.line, words)
        if not self._state.waiting:
            return None
        spoken = None
        for one in _queued.deliver(self._state, words, written.at):
            spoken = self._spoken_as(one.key, "user", written)
            spoken.date(one.typed_at)
            spoken.seq = self._state.next_seq(written.at)
            spoken.parent_native_id = _parent(written.line)
            spoken.native_id = written.native_id
            if not any(piece.type == "text" for piece in spoken.pieces):
                spoken.add(Piece("text", one.words))
        if spoken is not None:
            # A line that comes again does so without the one that queued it.
            self._memory.remember(spoken, row_id(written.native_id))
            parts[:] = [part for part in parts if not _is_users_text(part)]
        return spoken

    def _spoken_as(self, native_id: str, role: str, written: Written) -> Spoken:
        """The message under that id, begun now if no line before was part of it."""
        key = row_id(native_id)
        spoken = self.spoken.get(key) or self._recalled(key, written)
        if spoken is None:
            line = written.line
            spoken = Spoken(
                key,
                native_id,
                role,
                written.at,
                self._state.next_seq(written.at),
                _parent(line),
                line.is_sidechain is True,
            )
            self._memory.begin(spoken)
        spoken.date(written.at)
        self._memory.remember(spoken, spoken.key)
        self.spoken[spoken.key] = spoken
        return spoken

    def _recalled(self, key: str, written: Written) -> Spoken | None:
        # A line that does not say when it was written may be as old as any.
        return self._memory.recall(key, written.at if written.is_dated else 0)

    def _add_block(self, spoken: Spoken, block: Block, index: int, written: Written) -> None:
        kind = block.type or ""
        if kind == "text":
            if block.text:
                spoken.add(Piece("text", block.text))
        elif kind == "thinking":
            spoken.add(Piece("thinking", block.thinking or ""))
        elif kind.endswith("tool_use"):
            self.tools.call(spoken, block, index, written.at)
        elif kind.endswith("tool_result"):
            native_id = block.tool_use_id or f"{spoken.native_id}#{index}"
            self.tools.result(block, native_id, written.at, None)
        else:
            spoken.add(self._piece(block, index, written))

    def _piece(self, block: Block, index: int, written: Written) -> Piece:
        """A block that is no text: a picture, a document, or something nobody told us of."""
        if block.type in MEDIA:
            return Piece(
                block.type or "", "", self.attachments.reference(block.source, block.title)
            )
        # What it holds is for the API alone.
        if block.type == "redacted_thinking":
            return Piece("redacted_thinking")
        if self._whole[0] is not written.raw:
            self._whole = written.raw, whole_blocks(written.raw)
        whole, kind = self._whole[1], block.type or "unknown"
        return Piece(kind, "", {**(whole[index] if index < len(whole) else {}), "type": kind})

    def _suggest_title(self, line: Line, words: str) -> None:
        state = self._state
        if not words or (line.is_sidechain is True and state.relationship != "subagent"):
            return
        if name := new_name(words):
            state.suggest_title(name, RENAMED)
        else:
            state.suggest_title(words, COMMANDED if is_command(words) else PROMPTED)


def _parent(line: Line) -> str | None:
    return line.parent_uuid or line.logical_parent_uuid or None


def _words(parts: list[tuple[Role, Piece]]) -> str:
    return SEPARATOR.join([part[1].text for part in parts if _is_users_text(part)])


def _is_users_text(part: tuple[Role, Piece]) -> bool:
    return part[0] == "user" and part[1].type == "text"
