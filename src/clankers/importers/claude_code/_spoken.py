"""Messages while their lines come in: an answer is logged over several lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clankers.importers._values import json_text
from clankers.models import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from clankers.importers.claude_code._usage import Response

AGENT = "claude-code"
SEPARATOR = "\n\n"
_TEXTS = ("text", "thinking")


class Piece(msgspec.Struct, gc=False):
    """One content block: its type, its text, or what it refers to.

    The type `system` is for what the program put into a message of the user.
    """

    type: str
    text: str = ""
    reference: dict[str, Any] | None = None


class Spoken(msgspec.Struct, eq=False, gc=False):
    """A message as known so far. `key` is its row's id within the session."""

    key: str
    native_id: str
    role: str
    created_at: int | None
    seq: int
    parent_native_id: str | None
    is_sidechain: bool
    completed_at: int | None = None
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    pieces: list[Piece] = msgspec.field(default_factory=list)
    responses: list[Response] = msgspec.field(default_factory=list)

    def add(self, piece: Piece) -> bool:
        """Takes a piece unless it is there; a text that goes on where the last ended replaces it."""
        pieces = self.pieces
        if pieces:
            if piece in pieces:
                return False
            last = pieces[-1]
            if last.text and last.type == piece.type and piece.text.startswith(last.text):
                last.text = piece.text
                return True
        pieces.append(piece)
        return True

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
        if len(self.pieces) == 1:
            piece = self.pieces[0]
            if piece.type == "text" and piece.text:
                return piece.text, None, None
            if piece.type == "thinking" and piece.text:
                return None, piece.text, None
        return self._joined("text"), self._joined("thinking"), self._layout()

    def _joined(self, kind: str) -> str | None:
        return SEPARATOR.join([p.text for p in self.pieces if p.type == kind and p.text]) or None

    def _layout(self) -> str | None:
        """The order of the pieces, where the columns cannot say it."""
        pieces = self.pieces
        kinds = [piece.type for piece in pieces]
        if not kinds or (kinds == ["thinking", "text"] and all(piece.text for piece in pieces)):
            return None
        is_cut = {kind: kinds.count(kind) > 1 for kind in _TEXTS}
        return json_text([_described(piece, is_cut) for piece in pieces])


class Memory:
    """The messages of the last lines, for those that go on or come again.

    A message that is known here keeps its place and its other pieces. What was said long
    before is forgotten, so that a large file costs no more memory than a small one; only
    when a line is dated so early that it may repeat something forgotten, everything is
    read again by `look_back` and from then on kept.
    """

    def __init__(
        self, forgotten_at: int | None, look_back: Callable[[], dict[str, Spoken]] | None
    ) -> None:
        self._recent: dict[str, Spoken] = {}
        self._before: dict[str, Spoken] = {}
        self._forgotten_at = self._before_at = forgotten_at
        self._look_back = look_back
        self._kept: dict[str, Spoken] | None = None if look_back else {}

    def remember(self, spoken: Spoken, key: str) -> None:
        self._recent[key] = spoken

    def recall(self, key: str, at: int | None) -> Spoken | None:
        """The message under that key, of which a line was written at `at`."""
        known = self._recent.get(key) or self._before.get(key)
        if known is None:
            if self._kept is None and self._may_repeat(at):
                self._kept = self._look_back() if self._look_back else {}
            if self._kept is not None:
                known = self._kept.get(key)
        return known

    def grow_older(self, newest_at: int | None) -> None:
        """Forgets what was not spoken of since the last call but one.

        Args:
            newest_at: the latest time any line had so far.
        """
        if self._kept is None:
            self._forgotten_at = self._before_at
        else:
            self._kept.update(self._before)
        self._before, self._recent = self._recent, {}
        self._before_at = newest_at

    def everything(self) -> dict[str, Spoken]:
        return {**(self._kept or {}), **self._before, **self._recent}

    def _may_repeat(self, at: int | None) -> bool:
        return at is not None and self._forgotten_at is not None and at <= self._forgotten_at


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
