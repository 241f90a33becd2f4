"""Reading JSON Lines that another program may be writing: chunks, line numbers, torn tails."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import msgspec
from attrs import define

from clankers.importers import Resume

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

CHUNK_BYTES = 4 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@define
class Chunk:
    """Some complete lines of a file.

    `lines` are without their newline; `first` is the physical number of the first one.
    `resume` (its `state` left empty) is where the next chunk begins. `torn` is what
    stands after the last newline of the file, on the last chunk only.
    """

    lines: list[bytes]
    first: int
    resume: Resume
    is_last: bool = False
    torn: bytes = b""


def read_chunks(stream: BinaryIO, resume: Resume, *, size: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """Chunks of about `size` bytes from a stream that stands at `resume.offset`.

    A line longer than `size` makes its chunk longer. There is always a last chunk, which
    has no lines when nothing was added.
    """
    end, number = resume.offset, resume.line
    torn: list[bytes] = []
    block = stream.read(size)
    while block:
        ahead = stream.read(size)
        end += len(block)
        first, *lines = block.split(b"\n")
        torn.append(first)
        if lines:
            last = lines.pop()
            lines.insert(0, b"".join(torn))
            torn = [last]
            here = Resume(end - len(last), number + len(lines))
            if not ahead:
                yield Chunk(lines, number + 1, here, is_last=True, torn=last)
                return
            yield Chunk(lines, number + 1, here)
            number = here.line
        block = ahead
    rest = b"".join(torn)
    yield Chunk([], number + 1, Resume(end - len(rest), number), is_last=True, torn=rest)


def is_blank(line: bytes) -> bool:
    return not line or line.isspace()


def decode_line(decoder: msgspec.json.Decoder[T], line: bytes) -> T | None:
    """One line as the decoder's type, or None when it is not a JSON object.

    What strict decoding refuses but other programs do write (bytes that are not UTF-8,
    lone surrogates, NaN, a byte order mark) is mended and read again.
    """
    try:
        return decoder.decode(line)
    # Bytes that are not UTF-8 are a ValueError here.
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _decode_mended(decoder, line)


def _decode_mended(decoder: msgspec.json.Decoder[T], line: bytes) -> T | None:
    try:
        found = _loads(line)
        if not isinstance(found, dict):
            return None
        return decoder.decode(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError, msgspec.DecodeError):
        return None


def decode_value(raw: bytes | msgspec.Raw) -> Any:
    """Any JSON value, mended where need be like a line; None when it is beyond mending."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        try:
            found = json.dumps(_loads(bytes(raw)), ensure_ascii=False)
            return msgspec.json.decode(found.encode("utf-8", "replace"))
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None


def _loads(written: bytes) -> Any:
    return _TOLERANT.decode(written.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "replace"))


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


_TOLERANT = json.JSONDecoder(parse_constant=lambda _name: None, parse_float=_finite)
