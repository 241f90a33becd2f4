"""Messages while their lines come in: an answer is logged over several lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clankers.importers._values import json_text
from clankers.models import Message

if TYPE_CHECKING:
    from clankers.importers.claude_code._usage import Response

AGENT = "claude-code"
SEPARATOR = "\n\n"
_MANY_PIECES = 64


class Piece(msgspec.Struct, gc=False):
    """One content block: its type, its text, or what it refers to.

    The type `system` is for what the program put into a message of the user.
    """

    type: str
    text: str = ""
    reference: dict[str, Any] | None = None


class Spoken(msgspec.Struct, eq=False, gc=False):
    """A message as known so far. `key` is its row's id within the session.

    `generation` is for `Memory`.
    """

    key: str
    native_id: str
    role: str
    created_at: int | None
    seq: int
    parent_native_id: str | None
    is_sidechain: bool
    completed_at: int | None = None
    generation: int = 0
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    pieces: list[Piece] = msgspec.field(default_factory=list)
    responses: list[Response] = msgspec.field(default_factory=list)
    seen: set[tuple[str, str, str]] | None = None

    def add(self, piece: Piece) -> bool:
        """Takes a piece unless it is there; a text that goes on where the last ended replaces it."""
        pieces = self.pieces
        if pieces:
            if self._has(piece):
                return False
            last = pieces[-1]
            if last.text and last.type == piece.type and piece.text.startswith(last.text):
                last.text = piece.text
                return True
        pieces.append(piece)
        return True

    def _has(self, piece: Piece) -> bool:
        if len(self.pieces) < _MANY_PIECES:
            return piece in self.pieces
        # No conversation is like this, but a file that is must not take hours to compare.
        if self.seen is None:
            self.seen = {_identity(one) for one in self.pieces}
        before = len(self.seen)
        self.seen.add(_identity(piece))
        return len(self.seen) == before

    def date(self, at: int | None) -> None:
        """Takes in that a line of the message was written then."""
        if at is not None:
            if self.created_at is None or at < self.created_at:
                self.created_at = at
            if self.completed_at is None or at > self.completed_at:
                self.completed_at = at

    def message(self, session_id: str) -> Message:
        return Message(
            f"{session_id}:{self.key}",
            session_id,
            self.created_at,
            self.completed_at if self.role == "assistant" else None,
            self.seq,
            self.role,
            self.model,
            AGENT,
            self.prompt_tokens,
            self.completion_tokens,
            None,
            self.native_id,
            self.parent_native_id,
            self.is_sidechain,
            *self._texts(),
        )

    def _texts(self) -> tuple[str | None, str | None, str | None]:
        """What was said, what was thought, and the layout that neither can say."""
        pieces = self.pieces
        if len(pieces) == 1:
            piece = pieces[0]
            if piece.text and piece.type == "text":
                return piece.text, None, None
            if piece.text and piece.type == "thinking":
                return None, piece.text, None
        said = [piece.text for piece in pieces if piece.type == "text"]
        thought = [piece.text for piece in pieces if piece.type == "thinking"]
        return (
            SEPARATOR.join(filter(None, said)) or None,
            SEPARATOR.join(filter(None, thought)) or None,
            self._layout({"text": len(said) > 1, "thinking": len(thought) > 1}),
        )

    def _layout(self, is_cut: dict[str, bool]) -> str | None:
        """The order of the pieces, where the columns cannot say it."""
        pieces = self.pieces
        is_usual = [piece.type for piece in pieces] == ["thinking", "text"]
        if not pieces or (is_usual and pieces[0].text and pieces[1].text):
            return None
        return json_text([_described(piece, is_cut) for piece in pieces])


def _identity(piece: Piece) -> tuple[str, str, str]:
    return piece.type, piece.text, json_text(piece.reference) if piece.reference else ""


def _described(piece: Piece, is_cut: dict[str, bool]) -> dict[str, Any]:
    """A piece without the text that stands in a column; `chars` cuts a joined column apart."""
    kind = piece.type
    if kind in is_cut:
        return {"type": kind, "chars": len(piece.text)} if is_cut[kind] else {"type": kind}
    found: dict[str, Any] = {"type": kind}
    if piece.text:
        found["text"] = piece.text
    if piece.reference:
        found.update(piece.reference)
    return found
