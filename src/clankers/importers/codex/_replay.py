"""Which lines of a fork are copies of its parent's.

A fork, and a subagent that is started with its parent's history, begins with the parent's
lines, some filtered out, often under new times. Copies are told by what they name: turns
and threads, else by counters and prompts that stand in the parent's own file. Where that
file is not found everything is kept: the history is shown, and its usage counted again.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from attrs import define

from clankers.importers import Resume
from clankers.importers._jsonl import decode_line, read_chunks
from clankers.importers._values import count, milliseconds, text
from clankers.importers.codex._lines import (
    EVENT,
    RESPONSE_ITEM,
    TURN_CONTEXT,
    Line,
    line_decoder,
    member,
    objects,
    opened,
)
from clankers.importers.codex._stream import open_rollout
from clankers.importers.codex._threads import Relatives, created_at
from clankers.importers.codex._usage import Tokens, tokens_of
from clankers.importers.codex._wording import key

if TYPE_CHECKING:
    from collections.abc import Iterator

_TELLING = (
    b'"turn_context"',
    b'"task_started"',
    b'"token_count"',
    b'"user"',
    b"ser_message",
    b"UserMessage",
)


class Replay(msgspec.Struct):
    """How far telling copies from own lines has got.

    ``own`` is final: after a fork's first own turn nothing is copied any more, unless
    another thread's header follows.
    """

    phase: Literal["own", "copied"] = "own"
    parent: str = ""
    began_at: int | None = None
    starts_at: int | None = None
    is_copy: bool = False
    has_turns: bool = False
    is_fork: bool = False


@define
class Facts:
    """What identifies the lines of one thread."""

    turns: frozenset[str]
    totals: frozenset[tuple[int, ...]]
    prompts: frozenset[str]


class ReplayGate:
    """Says of each line whether it is a copy; asks for the parent's file only when one is named."""

    def __init__(self, replay: Replay, path: Path) -> None:
        self._replay = replay
        self._path = path.absolute()
        self._relatives = Relatives(self._path)
        self._facts: Facts | None = None

    def begin(self, header: dict[str, Any]) -> None:
        """Takes from the session's own header when it began and where its own lines start."""
        began_at = created_at(text(header.get("id")) or "")
        self._replay.began_at = began_at or milliseconds(header.get("timestamp"))
        self._replay.starts_at = count(header.get("subagent_history_start_ordinal")) or None
        self._replay.is_fork = "forked_from_id" in header

    def arm(self, parent: str, *, is_copied_header: bool) -> None:
        """Expects copies of `parent` from here on, if its file is there to have counted them."""
        replay = self._replay
        if replay.phase == "copied":
            replay.is_copy = replay.is_copy or is_copied_header
            return
        self._facts = facts_of(parent, self._path, self._relatives)
        if self._facts is not None:
            replay.phase, replay.parent = "copied", parent
            replay.is_copy = is_copied_header
            replay.has_turns = False

    def disarm(self) -> None:
        self._replay.phase = "own"

    def is_copy(self, line: Line, session_id: str) -> bool:
        replay = self._replay
        if replay.phase == "own":
            return False
        if turn := line.turn_id:
            replay.has_turns = True
            return self._decide(is_copy=self._is_parents_turn(turn, line))
        if thread := line.thread_id:
            return self._decide(is_copy=thread != session_id)
        if replay.starts_at is not None and type(line.ordinal) is int:
            return self._decide(is_copy=line.ordinal < replay.starts_at)
        return self._is_known(line)

    def _decide(self, *, is_copy: bool) -> bool:
        self._replay.is_copy = is_copy
        if not is_copy:
            self._replay.phase = "own"
        return is_copy

    def _is_parents_turn(self, turn: str, line: Line) -> bool:
        if turn in self._parent().turns:
            return True
        # A grandparent's turn, or one of a page of the parent that is gone: older than the fork.
        began_at = self._replay.began_at
        started_at = created_at(turn) or milliseconds(line.payload.get("started_at"))
        return began_at is not None and started_at is not None and started_at < began_at

    def _is_known(self, line: Line) -> bool:
        """Lines that name nothing: copied as what stands around them, unless the parent lacks them."""
        replay, parent = self._replay, self._parent()
        if (prompt := prompt_key(line)) and prompt not in parent.prompts:
            # Where turns are named, a prompt may stand before the line that names its turn.
            return False if replay.has_turns else self._decide(is_copy=False)
        if prompt and replay.is_fork and not replay.has_turns:
            replay.is_copy = True
        if not replay.has_turns and (total := total_of(line)) is not None:
            return self._decide(is_copy=total in parent.totals)
        return replay.is_copy

    def _parent(self) -> Facts:
        if self._facts is None:
            nothing: frozenset[Any] = frozenset()
            found = facts_of(self._replay.parent, self._path, self._relatives)
            self._facts = found or Facts(nothing, nothing, nothing)
        return self._facts


def facts_of(thread: str, beside: Path, relatives: Relatives) -> Facts | None:
    """What is known of a thread from its files, None when none is found or readable."""
    turns: set[str] = set()
    totals: set[tuple[int, ...]] = set()
    prompts: set[str] = set()
    is_found = False
    for path in relatives.rollouts_of(thread):
        if path == beside:
            continue
        try:
            status = path.stat()
            facts = _facts_in(str(path), status.st_size, status.st_mtime_ns)
        except OSError:
            continue
        is_found = True
        turns |= facts.turns
        totals |= facts.totals
        prompts |= facts.prompts
    return Facts(frozenset(turns), frozenset(totals), frozenset(prompts)) if is_found else None


@lru_cache(maxsize=16)
def _facts_in(path: str, _size: int, _mtime_ns: int) -> Facts:
    """One file's facts; a parent of many forks is read once while it does not change."""
    turns: set[str] = set()
    totals: set[tuple[int, ...]] = set()
    prompts: set[str] = set()
    for line in _telling_lines(Path(path)):
        if line.kind == TURN_CONTEXT or line.type in ("task_started", "turn_started"):
            if turn := line.turn_id:
                turns.add(turn)
        elif (total := total_of(line)) is not None:
            totals.add(total)
        elif prompt := prompt_key(line):
            prompts.add(prompt)
    return Facts(frozenset(turns), frozenset(totals), frozenset(prompts))


def _telling_lines(path: Path) -> Iterator[Line]:
    with open_rollout(path) as stream:
        for chunk in read_chunks(stream, Resume()):
            for raw in chunk.lines:
                if any(mark in raw for mark in _TELLING):
                    record = decode_line(line_decoder, raw)
                    if record is not None:
                        yield opened(record)


def total_of(line: Line) -> tuple[int, ...] | None:
    """The cumulative counters of a token count."""
    if line.kind != EVENT or line.type != "token_count":
        return None
    total = tokens_of(member(line.payload, "info").get("total_token_usage"))
    return None if total is None else as_key(total)


def as_key(total: Tokens) -> tuple[int, ...]:
    return total.input, total.cached, total.written, total.output, total.reasoning


def prompt_key(line: Line) -> str:
    """What a user's message says, in the form that is compared; "" for any other line."""
    payload = line.payload
    if line.kind == EVENT and line.type == "user_message":
        return key(text(payload.get("message")) or "")
    if line.kind == RESPONSE_ITEM and line.type == "message" and payload.get("role") == "user":
        return _joined_key(payload.get("content"))
    if line.kind == EVENT and line.type == "item_completed":
        item = member(payload, "item")
        return _joined_key(item.get("content")) if item.get("type") == "UserMessage" else ""
    return ""


def _joined_key(content: Any) -> str:
    if isinstance(content, str):
        return key(content)
    return key("".join(words for one in objects(content) if (words := text(one.get("text")))))
