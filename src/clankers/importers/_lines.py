"""Reading JSON Lines record by record, for importers that go on where they stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import msgspec

from clankers.importers import Resume
from clankers.importers._files import opened
from clankers.importers._jsonl import decode_line, is_blank, read_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from clankers.importers._batch import Batch
    from clankers.importers._rows import Rows

Outcome: TypeAlias = Literal["imported", "noise", "unknown"]

_DECODER = msgspec.json.Decoder(dict[str, Any])
# With more the rows of a chunk would take more memory than its bytes.
_LINES_TOGETHER = 4_000


class LineReader(Protocol):
    """What an importer must bring: where rows go, and what a record means.

    Attributes:
        rows: collects what the records say; its memory is kept between readings.
    """

    rows: Rows

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        """Takes the record of a line (counted from 1) and says what it was.

        `imported`: it added something; `noise`: a known kind deliberately left out;
        `unknown`: a kind nobody told us of.
        """


def read_lines(path: Path, resume: Resume, reader: LineReader) -> Iterator[Batch]:
    """The batches of a file of JSON Lines, from `resume` on; see `Importer.read`.

    The reader's memory must be that of `resume.state`.
    """
    with opened(path) as stream:
        stream.seek(resume.offset)
        for chunk in read_chunks(stream, resume):
            end = chunk.resume.offset - sum(map(len, chunk.lines)) - len(chunk.lines)
            number = chunk.first - 1
            for start in range(0, len(chunk.lines) or 1, _LINES_TOGETHER):
                lines = chunk.lines[start : start + _LINES_TOGETHER]
                end += sum(map(len, lines)) + len(lines)
                number += len(lines)
                yield _batch(lines, Resume(end, number), reader)
            if chunk.is_last and not is_blank(chunk.torn):
                yield from _tail(chunk.torn, chunk.resume, reader)


def _batch(lines: Sequence[bytes], resume: Resume, reader: LineReader) -> Batch:
    counts = {"imported": 0, "noise": 0, "unknown": 0}
    malformed = []
    for number, line in enumerate(lines, resume.line - len(lines) + 1):
        if is_blank(line):
            continue
        record = decode_line(_DECODER, line)
        if record is None:
            malformed.append(number)
        else:
            counts[_outcome(reader, record, number)] += 1
    rows = reader.rows
    batch = rows.batch(resume._replace(state=rows.memory.encoded()))
    batch.imported, batch.noise, batch.unknown = counts.values()
    batch.malformed = malformed
    return batch


def _outcome(reader: LineReader, record: dict[str, Any], number: int) -> Outcome:
    try:
        return reader.take(record, number)
    except RecursionError:
        # What is nested so deeply nobody wrote to be read, and others must not be lost for it.
        return "unknown"


def _tail(torn: bytes, resume: Resume, reader: LineReader) -> Iterator[Batch]:
    """The batch of a last line that has no newline yet; none while it does not parse."""
    record = decode_line(_DECODER, torn)
    if record is None:
        return
    before = reader.rows.memory.encoded()
    outcome = _outcome(reader, record, resume.line + 1)
    # The line is read again when it is whole, from what was known before it.
    batch = reader.rows.batch(resume._replace(state=before))
    setattr(batch, outcome, 1)
    batch.tail = outcome
    yield batch
