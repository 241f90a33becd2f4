"""Prompts typed while the agent was busy.

Typing one logs that it is queued. When it reaches the agent it is logged again, as a line
of the user or as an attachment, alone or joined with others; versions before 2.1.246 often
logged only that it left the queue. So each is a message from the time it was typed on, and
the line that delivers it is the same message.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from clankers.importers.claude_code._state import Waiting

if TYPE_CHECKING:
    from clankers.importers.claude_code._state import State

_MOST_WAITING = 16
# A prompt that left the queue is delivered at once, or by a line that we never see.
_DELIVERED_WITHIN_MS = 60_000
_MOST_LINES_JOINED = 256
_LONGEST_JOINED = 64 * 1024


class Delivered(NamedTuple):
    """A prompt that reaches the agent: its key, when it was typed, and its words."""

    key: str
    typed_at: int | None
    words: str


def put(state: State, words: str, at: int | None) -> str:
    """Queues a prompt; its key, the same whenever the line is read."""
    key = f"queued-{at or 0}-{_digest(words)}"
    if all(one.key != key for one in state.waiting):
        state.waiting = [*state.waiting[1 - _MOST_WAITING :], Waiting(key)]
    return key


def leave(state: State, words: str, at: int | None) -> None:
    """Takes note that a prompt left the queue; the oldest one where none is named."""
    digest = _digest(words) if words else None
    for one in state.waiting:
        if one.left_at is None and (digest is None or one.key.endswith(digest)):
            one.left_at = at
            return


def deliver(state: State, words: str, at: int | None) -> list[Delivered]:
    """The queued prompts that these words are, in their order; empty when they are others."""
    state.waiting = [one for one in state.waiting if not _is_over(one, at)]
    keys: dict[str, list[str]] = {}
    for one in reversed(state.waiting):
        keys.setdefault(one.key.rpartition("-")[2], []).append(one.key)
    found = _cut(words.strip(), keys)
    gone = {one.key for one in found}
    state.waiting = [one for one in state.waiting if one.key not in gone]
    return found


def _cut(words: str, keys: dict[str, list[str]]) -> list[Delivered]:
    """Words that are wholly made of queued prompts, each of one line or several.

    Args:
        words: what was delivered.
        keys: by their digests the prompts that wait, of equal ones the oldest last.
    """
    if same := keys.get(_digest(words)):
        return [_delivered(same.pop(), words)]
    lines = words.split("\n")
    if len(lines) > _MOST_LINES_JOINED or len(words) > _LONGEST_JOINED:
        return []
    found, start = [], 0
    for end in range(1, len(lines) + 1):
        part = "\n".join(lines[start:end])
        if same := keys.get(_digest(part)):
            found.append(_delivered(same.pop(), part))
            start = end
    return found if start == len(lines) else []


def _delivered(key: str, words: str) -> Delivered:
    return Delivered(key, int(key.split("-")[1]) or None, words)


def _is_over(one: Waiting, at: int | None) -> bool:
    return one.left_at is not None and at is not None and at > one.left_at + _DELIVERED_WITHIN_MS


def _digest(words: str) -> str:
    return hashlib.blake2b(words.strip().encode("utf-8", "replace"), digest_size=6).hexdigest()
