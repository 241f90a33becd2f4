"""Reading the body of a request: never more than allowed, packed or unpacked."""

from __future__ import annotations

import asyncio
import io
import zlib
from typing import TYPE_CHECKING

import zstandard
from litestar.exceptions import HTTPException

from clankers.server._problems import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

LARGEST_PACKED = 8 * 1024 * 1024
LARGEST_UNPACKED = 64 * 1024 * 1024
# zlib's word for a gzip header and trailer.
_GZIP = 16 + zlib.MAX_WBITS
# A frame may ask for a larger window, and so for more memory, than any sender needs.
_LARGEST_WINDOW = 16 * 1024 * 1024
# What is packed most can be a thousand times as large.
_UNPACKED_AT_ONCE = 2 * 1024
ENCODINGS = ("identity", "gzip", "zstd")


async def read_body(
    chunks: AsyncIterator[bytes],
    *,
    encoding: str,
    length: str | None,
    take: Callable[[int], None],
) -> bytes:
    """The unpacked body; `take` is told of all bytes before there is room for them.

    Raises:
        Problem: it is too large, in an unknown encoding, or does not unpack.
    """
    if encoding not in ENCODINGS:
        raise Problem.invalid(f"content-encoding must be one of {', '.join(ENCODINGS)}", status=415)
    largest = LARGEST_UNPACKED if encoding == "identity" else LARGEST_PACKED
    if length is not None and length.isascii() and length.isdecimal() and int(length) > largest:
        raise _too_large()
    packed = bytearray()
    try:
        async for chunk in chunks:
            take(len(chunk))
            packed += chunk
            if len(packed) > largest:
                raise _too_large()
    except HTTPException:
        # The framework's word for a client that hung up; nobody hears the answer.
        raise Problem.invalid("the body ended too early") from None
    if encoding == "identity":
        return bytes(packed)
    unpack = _from_gzip if encoding == "gzip" else _from_zstd
    if len(packed) <= _UNPACKED_AT_ONCE:
        body = unpack(bytes(packed))
    else:
        body = await asyncio.to_thread(unpack, bytes(packed))
    take(len(body))
    return body


def _from_gzip(packed: bytes) -> bytes:
    stream = zlib.decompressobj(_GZIP)
    try:
        body = stream.decompress(packed, LARGEST_UNPACKED + 1)
    except zlib.error as problem:
        raise Problem.invalid(f"the body is no gzip: {problem}") from None
    if len(body) > LARGEST_UNPACKED:
        raise _too_large()
    if not stream.eof or stream.unused_data:
        raise Problem.invalid("the body is no whole gzip stream")
    return body


def _from_zstd(packed: bytes) -> bytes:
    # One for each body: two threads must not share one.
    unpacker = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    try:
        # The reader gives no more than is asked for, but says nothing of an end that is missing.
        with unpacker.stream_reader(io.BytesIO(packed)) as stream:
            if len(stream.read(LARGEST_UNPACKED + 1)) > LARGEST_UNPACKED:
                raise _too_large()
        whole = unpacker.decompressobj()
        body = whole.decompress(packed)
    except zstandard.ZstdError as problem:
        raise Problem.invalid(f"the body is no zstd: {problem}") from None
    if not whole.eof or whole.unused_data:
        raise Problem.invalid("the body is no whole zstd frame")
    return body


def _too_large() -> Problem:
    return Problem.too_large(
        f"a body has at most {LARGEST_PACKED:,} bytes packed and {LARGEST_UNPACKED:,} unpacked"
    )
