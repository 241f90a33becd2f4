"""Messages in a stream of bytes, framed as in the Language Server Protocol.

https://microsoft.github.io/language-server-protocol/specifications/base/0.9/specification/#headerPart,
as strict as the daemon's contract: libraries for it take headers that it forbids, or read
without any limit.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False  # typing itself is slow to import, and a hook frames its message

if TYPE_CHECKING:
    from collections.abc import Iterator

# One header of length, perhaps one of type, and an empty line.
_HEADERS = re.compile(rb"Content-Length: ?([0-9]{1,8})\r\n(?:Content-Type: ?[\x20-\x7e]*\r\n)?\r\n")
_BEGINNING = b"Content-Length:"
MOST_HEADER_BYTES = 1_024
MOST_BODY_BYTES = 16 * 1024 * 1024


class FrameError(Exception):
    """The bytes are no message; nothing that follows on the connection can be trusted."""


class Frames:
    """Cuts what arrives into messages, however the pieces arrive."""

    def __init__(self, *, most_bytes: int = MOST_BODY_BYTES) -> None:
        self._most_bytes = most_bytes
        self._held = bytearray()
        self._length: int | None = None

    @property
    def is_within(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._length is not None or bool(self._held)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies that are whole now, each as soon as it is asked for.

        Raises:
            FrameError: a header is none of those that are known, or names too many bytes;
                after the bodies that come before it.
        """
        self._held += data
        while self._has_headers() and self._length is not None:
            if len(self._held) < self._length:
                break
            body = bytes(self._held[: self._length])
            del self._held[: self._length]
            self._length = None
            yield body

    def _has_headers(self) -> bool:
        if self._length is not None:
            return True
        beginning = bytes(self._held[: MOST_HEADER_BYTES + 1])
        if not beginning.startswith(_BEGINNING[: len(beginning)]):
            raise FrameError("does not begin with Content-Length")
        end = beginning.find(b"\r\n\r\n")
        if end < 0:
            if len(beginning) > MOST_HEADER_BYTES:
                raise FrameError("has too many bytes of headers")
            return False
        if (found := _HEADERS.fullmatch(beginning[: end + 4])) is None:
            raise FrameError("has headers that are not known")
        self._length = int(found[1])
        if self._length > self._most_bytes:
            raise FrameError(f"names {self._length:,} bytes, of which {self._most_bytes:,} may be")
        del self._held[: end + 4]
        return True


def framed(body: bytes) -> bytes:
    """A body with its header."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
