"""Messages in a stream of bytes, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankers._rpc.framing import MOST_HEADER_BYTES, FrameError, Frames, framed


@given(st.lists(st.binary(max_size=50), max_size=5), st.lists(st.integers(1, 40)))
def test_however_they_are_cut(bodies: list[bytes], sizes: list[int]) -> None:
    """The same messages come out, whole."""
    stream = b"".join(map(framed, bodies))
    frames = Frames()
    found: list[bytes] = []
    place = 0
    for size in [*sizes, len(stream) or 1]:
        found += frames.feed(stream[place : place + size])
        place += size
    assert found == bodies
    assert not frames.is_within


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Are messages, wait for more, or are refused."""
    try:
        list(Frames().feed(data))
    except FrameError:
        return


def test_what_came_before() -> None:
    """A message is taken, whatever follows it."""
    frames = Frames().feed(framed(b"{}") + b"\n")
    assert next(frames) == b"{}"
    with pytest.raises(FrameError):
        next(frames)


@pytest.mark.parametrize(
    "data",
    [
        b"X",
        b"Content-Length: 1234567890\r\n\r\n",
        b"Content-Length: a\r\n\r\n",
        b"content-length: 1",
    ],
)
def test_refused(data: bytes) -> None:
    """As soon as it can be seen."""
    with pytest.raises(FrameError):
        list(Frames().feed(data))


def test_limits() -> None:
    """A kilobyte of headers, and as many bytes as were agreed."""
    with pytest.raises(FrameError, match="too many bytes of headers"):
        list(Frames().feed(b"Content-Length: 1\r\nContent-Type: " + b"x" * MOST_HEADER_BYTES))
    with pytest.raises(FrameError, match="names 11 bytes, of which 10 may be"):
        list(Frames(most_bytes=10).feed(b"Content-Length: 11\r\n\r\n"))
