"""Reading lines that another program may be writing."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clankers.importers import Resume
from clankers.importers._jsonl import Chunk, decode_line, decode_value, is_blank, read_chunks


class Shape(msgspec.Struct):
    a: Any = None


SHAPE = msgspec.json.Decoder(Shape)
DEEP = b"[" * 10_000 + b"]" * 10_000


def chunks(content: bytes, *, size: int = 8, resume: Resume | None = None) -> list[Chunk]:
    resume = resume or Resume()
    stream = io.BytesIO(content)
    stream.seek(resume.offset)
    return list(read_chunks(stream, resume, size=size))


def test_lines_come_in_chunks_with_their_numbers() -> None:
    """A chunk holds the complete lines of about `size` bytes, and says where the next begins."""
    assert chunks(b"one\ntwo\nthree\nfour\n", size=8) == [
        Chunk([b"one", b"two"], 1, Resume(8, 2)),
        Chunk([b"three"], 3, Resume(14, 3)),
        Chunk([b"four"], 4, Resume(19, 4), is_last=True),
    ]


def test_a_line_may_be_longer_than_a_chunk() -> None:
    """Then the chunk is longer as well."""
    assert chunks(b"a" * 50 + b"\nb\n", size=8) == [
        Chunk([b"a" * 50, b"b"], 1, Resume(53, 2), is_last=True)
    ]


def test_what_follows_the_last_newline_is_torn() -> None:
    """It is on the last chunk, and behind its watermark."""
    assert chunks(b"one\ntw", size=100) == [
        Chunk([b"one"], 1, Resume(4, 1), is_last=True, torn=b"tw")
    ]
    assert chunks(b"tw", size=1) == [Chunk([], 1, Resume(0, 0), is_last=True, torn=b"tw")]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_there_is_always_a_last_chunk(size: int) -> None:
    """Also of nothing."""
    assert chunks(b"", size=size) == [Chunk([], 1, Resume(), is_last=True)]


def test_blank_lines_have_numbers_too() -> None:
    """Numbers are those an editor shows; other line ends are part of a line."""
    (chunk,) = chunks(b"\n\r\none\r\n\x0b\n", size=100)
    assert chunk.lines == [b"", b"\r", b"one\r", b"\x0b"]
    assert [is_blank(line) for line in chunk.lines] == [True, True, False, True]
    assert chunk.resume == Resume(10, 4)


def test_reading_goes_on_where_it_stopped() -> None:
    """Offsets and numbers count from the beginning of the file."""
    content = b"one\ntwo\nthree\n"
    assert chunks(content, size=100, resume=Resume(4, 1)) == [
        Chunk([b"two", b"three"], 2, Resume(14, 3), is_last=True)
    ]


@given(content=st.binary(max_size=60), size=st.integers(1, 70))
@example(content=b"ab\n", size=3)
@example(content=b"ab\ncd\n", size=3)
def test_any_bytes_in_any_size(content: bytes, size: int) -> None:
    """Nothing is lost, invented or numbered twice, and only the last chunk is the last."""
    found = chunks(content.replace(b"x", b"\n"), size=size)
    content = content.replace(b"x", b"\n")
    lines = [line for chunk in found for line in chunk.lines]
    assert b"".join(line + b"\n" for line in lines) + found[-1].torn == content
    numbers = [chunk.first + place for chunk in found for place in range(len(chunk.lines))]
    assert numbers == list(range(1, len(lines) + 1))
    assert [chunk.is_last for chunk in found] == [False] * (len(found) - 1) + [True]
    offset = 0
    for chunk in found:
        offset += sum(len(line) + 1 for line in chunk.lines)
        assert chunk.resume == Resume(offset, chunk.first - 1 + len(chunk.lines))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"a":1}', 1),
        (b' {"a" : 1}\r', 1),
        (b"{}", None),
        (b'{"b":1}', None),
        (b'\xef\xbb\xbf{"a":1}', 1),
        (b'{"a":"x\xffy"}', "x\ufffdy"),
        (b'{"b":"\xff","a":1}', 1),
        (b'{"a":"x\\ud800y"}', "x?y"),
        (b'{"a":"x\xed\xa0\x80y"}', "x\ufffd\ufffd\ufffdy"),
        (b'{"a":NaN}', None),
        (b'{"a":[-Infinity,1e999]}', [None, None]),
        (b'{"a":123456789012345678901234567890}', 123456789012345678901234567890),
    ],
)
def test_a_line_is_mended_where_it_can_be(line: bytes, expected: object) -> None:
    """What other programs write and strict readers refuse."""
    found = decode_line(SHAPE, line)
    assert found is not None
    assert found.a == expected


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[1]",
        b'"text"',
        b"1",
        b"null",
        b"{",
        b'{"a":1',
        b'{"a":1}}',
        b"{'a':1}",
        b"\0",
        b"\xff",
        b'{"a":' + DEEP + b"}",
        b'{"b":' + DEEP + b"}",
        b'{"a":NaN,"b":' + b"9" * 5_000 + b"}",
    ],
)
def test_what_is_no_object_is_none(line: bytes) -> None:
    """And what is beyond reading."""
    assert decode_line(SHAPE, line) is None


@given(st.binary(max_size=30))
def test_any_line(line: bytes) -> None:
    """Nothing raises."""
    found: Shape | None = decode_line(SHAPE, line)
    assert found is None or isinstance(found, Shape)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"[1,2]", [1, 2]),
        (b'"text"', "text"),
        (b"null", None),
        (b'"\xff"', "\ufffd"),
        (b'"\\ud800"', "?"),
        (b"[NaN,1e999]", [None, None]),
        (b"{", None),
        (DEEP, None),
    ],
)
def test_decode_value(raw: bytes, expected: object) -> None:
    """Any JSON, mended in the same way; the same where it is a part of a line."""
    assert decode_value(raw) == expected
    assert decode_value(msgspec.Raw(raw)) == expected


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=6,
    )
)
def test_what_is_mended_can_be_written_again(value: Any) -> None:
    """As the text that a database takes."""
    found = decode_value(json.dumps(value).encode())
    written = msgspec.json.encode(found).decode()
    assert isinstance(written, str)
    if not (isinstance(value, float) and not math.isfinite(value)):
        assert (found is None) == (value is None)
