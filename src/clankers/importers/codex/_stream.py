"""Opening rollouts, plain or compressed, at a place in their uncompressed text."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from clankers.importers._files import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SKIP_BYTES = 1024 * 1024


@contextmanager
def open_rollout(path: Path, offset: int = 0) -> Iterator[BinaryIO]:
    """A stream that stands `offset` bytes into the text of a rollout.

    A compressed file that ends within a frame (Codex is still writing it) ends where its
    readable text does.

    Raises:
        OSError: the file cannot be read, or is named as compressed and is not.
    """
    with opened(path) as file:
        if path.suffix != ".zst":
            file.seek(offset)
            yield file
            return
        # Nine of ten installations have no compressed rollout, so its library waits till now.
        from zstandard import ZstdDecompressor, ZstdError

        reader = ZstdDecompressor().stream_reader(file, read_across_frames=True)
        stream = cast("BinaryIO", reader)
        try:
            _skip(stream, offset)
            yield stream
        except ZstdError as problem:
            raise OSError(
                errno.EIO, f"not a readable zstd file ({problem})", str(path)
            ) from problem


def _skip(stream: BinaryIO, offset: int) -> None:
    while offset > 0:
        skipped = len(stream.read(min(offset, _SKIP_BYTES)))
        if not skipped:
            return
        offset -= skipped
