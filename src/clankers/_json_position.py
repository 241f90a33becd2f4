"""Where a value stands in a JSON text, for errors about files that people edit."""

from __future__ import annotations

import re
from json import JSONDecoder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPACE = re.compile(r"[ \t\r\n]*")


def position(text: str, keys: Sequence[str]) -> tuple[int, int]:
    """Line and column, both from 1, of the value at `keys` in a valid JSON text."""
    index = _after_space(text, 0)
    for key in keys:
        index = _member(text, index, key)
    return line_and_column(text, index)


def line_and_column(text: str, index: int) -> tuple[int, int]:
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def _member(text: str, index: int, key: str) -> int:
    """Where the value of `key` begins in the object at `index`; of two, the last counts."""
    decoder = JSONDecoder()
    found = index
    index = _after_space(text, index + 1)
    while text[index] != "}":
        name, index = decoder.raw_decode(text, index)
        index = _after_space(text, _after_space(text, index) + 1)
        if name == key:
            found = index
        index = _after_space(text, decoder.raw_decode(text, index)[1])
        if text[index] == ",":
            index = _after_space(text, index + 1)
    return found


def _after_space(text: str, index: int) -> int:
    match = _SPACE.match(text, index)
    return match.end() if match else index
