"""Opening files of other programs, which may be pipes, links or anything but files."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

HEAD_BYTES = 64 * 1024
LARGEST_BESIDE = 1024 * 1024
# A pipe that nobody writes to is not waited for. No platform has all of these.
_HOW = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def opened(path: Path, how: int = 0) -> BinaryIO:
    """A file for reading; at once, also where nobody would ever write to it.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    descriptor = os.open(path, _HOW | how)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return open(descriptor, "rb")


def beginning(path: Path, size: int = HEAD_BYTES) -> bytes:
    """The first `size` bytes; none of what is no regular file or cannot be read."""
    return _read(path, 0, size) or b""


def beside(path: Path, size: int = LARGEST_BESIDE) -> bytes | None:
    """A small file that an agent keeps beside a session; None for what should not be read.

    That is a link, what is no regular file, what has more than `size` bytes or cannot be
    read: whoever can write beside a session must not get other files into the archive.
    """
    if not _NO_LINK and os.path.islink(path):
        return None
    found = _read(path, _NO_LINK, size + 1)
    return found if found is not None and len(found) <= size else None


def _read(path: Path, how: int, size: int) -> bytes | None:
    try:
        with opened(path, how) as file:
            return file.read(size)
    except OSError:
        return None
