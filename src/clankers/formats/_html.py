"""A table of HTML, with nothing in it that a browser would obey."""

from __future__ import annotations

import re
from html import escape

from clankers._visible import visible
from clankers.formats._batches import batches
from clankers.formats._cells import Encoders, cell_text, real_text

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TextIO

    from clankers.formats._batches import Row

_PLAIN = re.compile(r"[\w \-./:,;()]*", re.ASCII).fullmatch
_END = "</td>"
# Notebooks turn text to the right unless told otherwise.
_NUMBER = ('<td align="right">', _END)
_TEXT = ('<td style="text-align:left;white-space:pre-wrap">', _END)
_ABSENT = ("<td><em>", f"</em>{_END}")


def write_html(
    file: TextIO, columns: Sequence[str], rows: Iterable[Row], *, longest: int | None = None
) -> None:
    """One ``<table>``, to stand in a page; what is not ASCII comes as character references.

    So it is right in a page of any encoding. NULL and blobs are emphasised. `longest` is how
    many characters of a text are shown at most; by default all.
    """

    def text(value: str) -> str:
        if longest is not None and len(value) > longest:
            value = value[:longest] + "…"
        return _escaped(value)

    encoders = Encoders(
        {
            type(None): lambda _value: "NULL",
            int: int.__repr__,
            float: real_text,
            str: text,
            bytes: lambda value: _escaped(cell_text(value)),
        }
    )
    if longest is None:
        encoders.plain = _PLAIN
    head = "".join(f"<th>{_escaped(name)}</th>" for name in columns)
    file.write(f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n")
    file.writelines("".join(_lines(batch, encoders)) for batch in batches(rows))
    file.write("</tbody>\n</table>\n")


def _lines(batch: list[Row], encoders: Encoders) -> Iterator[str]:
    """The rows of a batch; what stands around the cells of a column of one kind is said once."""
    line, columns = [], []
    for values in zip(*batch, strict=True):
        kinds = set(map(type, values))
        cells = encoders.column(values)
        if len(kinds) == 1:
            line.append("%s".join(_around(kinds.pop())))
        else:
            line.append("%s")
            cells = [
                cell.join(_around(type(value))) for cell, value in zip(cells, values, strict=True)
            ]
        columns.append(cells)
    if not columns:
        return iter(["<tr></tr>\n"] * len(batch))
    return map(f"<tr>{''.join(line)}</tr>\n".__mod__, zip(*columns, strict=True))


def _around(kind: type) -> tuple[str, str]:
    if issubclass(kind, str):
        return _TEXT
    return _NUMBER if issubclass(kind, int | float) else _ABSENT


def _escaped(text: str) -> str:
    if _PLAIN(text):
        return text
    safe = escape(visible(text, keep_newlines=True))
    return safe if safe.isascii() else safe.encode("ascii", "xmlcharrefreplace").decode("ascii")
