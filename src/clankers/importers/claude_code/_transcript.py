"""Reading one transcript, from its beginning or from where an earlier reading stopped."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from clankers.importers import Resume
from clankers.importers._jsonl import is_blank, read_chunks
from clankers.importers.claude_code._identity import first_state, session_folders
from clankers.importers.claude_code._memory import Memory
from clankers.importers.claude_code._reading import Reading
from clankers.importers.claude_code._state import State, state_decoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from clankers.importers._batch import Batch
    from clankers.importers._jsonl import Chunk
    from clankers.importers.claude_code._spoken import Spoken

# An answer's lines come within so many lines of each other.
WINDOW_LINES = 64


def read_transcript(path: Path, resume: Resume) -> Iterator[Batch]:
    """The batches of one transcript, see `Importer.read`."""
    with path.open("rb") as stream:
        transcript = Transcript(path, resume)
        transcript.go_back(stream, resume)
        for chunk in read_chunks(stream, resume):
            yield transcript.batch(chunk)
            if not is_blank(chunk.torn):
                yield from transcript.tail(chunk)


class Checkpoint(NamedTuple):
    """What was known before some line, as JSON, and where that line is."""

    offset: int
    line: int
    state: bytes


class Transcript:
    """Goes over the lines of a file, and knows where a later reading must begin.

    Messages go on over several lines, so the state that is kept with a watermark is that of
    some lines before it. The next reading goes over those lines again, without counting
    them or making rows of them, and so knows what was being said.
    """

    def __init__(self, path: Path, resume: Resume) -> None:
        self._path = path
        self._state = state = _state_at(path, resume)
        look_back = partial(_messages_before, path, state.session_id, state.parent_id)
        self._memory = Memory(state.offset, state.newest_at, state.begun, look_back)
        # What a tool wrote elsewhere is not read where no rows are made.
        self._reading = Reading(self._state, [], self._memory)
        self._older = self._newer = self._checkpoint()

    def go_back(self, stream: BinaryIO, resume: Resume) -> None:
        """Goes over the lines before the watermark that may go on behind it."""
        start = self._older
        stream.seek(start.offset)
        lines = stream.read(resume.offset - start.offset).split(b"\n")[:-1]
        self._go_over(lines, start.offset, start.line)
        self._memory.end_going_back(resume.offset)
        self._reading.batch()
        self._reading.forget(session_folders(self._path, self._state))

    def batch(self, chunk: Chunk) -> Batch:
        """What the complete lines of a chunk say."""
        length = sum(map(len, chunk.lines)) + len(chunk.lines)
        self._go_over(chunk.lines, chunk.resume.offset - length, chunk.first - 1)
        batch = self._reading.batch()
        batch.resume = self._resume(chunk)
        return batch

    def tail(self, chunk: Chunk) -> Iterator[Batch]:
        """The batch of a last line that has no newline yet; none while it does not parse."""
        outcome = self._reading.take(chunk.resume.line + 1, chunk.torn)
        if outcome is not None:
            batch = self._reading.batch()
            batch.resume, batch.tail = self._resume(chunk), outcome
            yield batch

    def _go_over(self, lines: Sequence[bytes], offset: int, number: int) -> None:
        take = self._reading.take
        for start in range(0, len(lines), WINDOW_LINES):
            self._pass(offset, number)
            group = lines[start : start + WINDOW_LINES]
            for line in group:
                number += 1
                if not is_blank(line):
                    take(number, line)
            offset += sum(map(len, group)) + len(group)

    def _pass(self, offset: int, line: int) -> None:
        """Notes what is known at a place, when it is far enough from the last such place."""
        if line - self._newer.line >= WINDOW_LINES:
            self._state.offset, self._state.line = offset, line
            self._older, self._newer = self._newer, self._checkpoint()
            self._memory.grow_older(offset, self._state.newest_at)

    def _checkpoint(self) -> Checkpoint:
        state = self._state
        return Checkpoint(state.offset, state.line, msgspec.json.encode(state))

    def _resume(self, chunk: Chunk) -> Resume:
        kept, begun = self._older.state, self._memory.begun()
        is_settled = self._state.is_guess and self._state.is_real
        if begun or is_settled:
            state = state_decoder.decode(kept)
            state.begun = begun
            # Rows under an id of our own are there for good.
            state.is_real = state.is_real or is_settled
            kept = msgspec.json.encode(state)
        return Resume(chunk.resume.offset, chunk.resume.line, kept)


def _messages_before(
    path: Path, session_id: str, parent_id: str | None, offset: int
) -> dict[str, Spoken]:
    """Every message of the lines before an offset."""
    memory = Memory()
    reading = Reading(State(session_id, parent_id), [], memory)
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            offset -= len(line)
            if offset < 0:
                break
            if not is_blank(line):
                reading.take(number, line)
            if number % WINDOW_LINES == 0:
                reading.forget([])
    return memory.everything()


def _state_at(path: Path, resume: Resume) -> State:
    if resume.state is None:
        return first_state(path)
    state = state_decoder.decode(resume.state)
    if state.is_guess and not state.is_real:
        # The name may have come with a line that was not there yet.
        found = first_state(path)
        state.session_id, state.is_guess = found.session_id, found.is_guess
        state.parent_id, state.relationship = found.parent_id, found.relationship
    return state
