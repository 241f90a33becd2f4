"""A table as GitHub's Markdown has it."""

from __future__ import annotations

import re
from itertools import chain

from clankers._visible import visible
from clankers.formats._batches import batches, encoded_lines
from clankers.formats._cells import Encoders, cell_text, real_text

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from clankers.formats._batches import Row

# What would begin a cell's end, code, emphasis, a link, HTML or an entity. An underscore
# within a word begins nothing.
_ACTIVE = re.compile(r"[\\|`*\[\]<>~&]|(?<!\w)_|_(?!\w)")

_PLAIN = re.compile(r"[A-Za-z0-9 \-./:,;()]*").fullmatch


def write_markdown(file: TextIO, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """A table of https://github.github.com/gfm/#tables-extension-, numbers to the right.

    Every cell is shown as the text that it is, a newline as ``<br>``. Whether a column holds
    numbers is decided by the first 128 rows.
    """
    if not columns:
        return
    encoders = Encoders(
        {
            type(None): lambda _value: "NULL",
            int: int.__repr__,
            float: real_text,
            str: _escaped,
            bytes: lambda value: _escaped(cell_text(value)),
        }
    )
    encoders.plain = _PLAIN
    stream = batches(rows)
    first = next(stream, [])
    file.write(f"| {' | '.join(map(_escaped, columns))} |\n")
    file.write(f"|{'|'.join(_rule(first, number) for number in range(len(columns)))}|\n")
    for batch in chain([first] if first else [], stream):
        lines = " |\n| ".join(map(" | ".join, encoded_lines(batch, encoders)))
        file.write(f"| {lines} |\n")


def _rule(rows: list[Row], number: int) -> str:
    kinds = {type(row[number]) for row in rows} - {type(None)}
    return " ---: " if kinds and kinds <= {int, float} else " --- "


def _escaped(text: str) -> str:
    if _PLAIN(text):
        return text
    shown = _ACTIVE.sub(r"\\\g<0>", visible(text, keep_newlines=True))
    return shown.replace("\n", "<br>").replace("\t", " ")
