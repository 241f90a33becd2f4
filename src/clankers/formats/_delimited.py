"""CSV by RFC 4180, and the same with tabs."""

from __future__ import annotations

import re

from clankers.formats._batches import array_encoder, encode, encoded_lines
from clankers.formats._cells import Encoders, real_text

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TextIO

    from clankers.formats._batches import Row

# What a spreadsheet takes for the beginning of a formula, by OWASP's list.
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def write_csv(
    file: TextIO, columns: Sequence[str], rows: Iterable[Row], *, escape_formulas: bool = False
) -> None:
    """Lines that end in CR LF, names first; open `file` with ``newline=""``.

    NULL is empty and an empty text ``""``; a blob is its bytes in hexadecimal, an infinite
    number Inf. With `escape_formulas` a text that a spreadsheet would run gets a ' before it.
    """
    _write(file, columns, rows, ",", "\r\n", escape_formulas=escape_formulas)


def write_tsv(
    file: TextIO, columns: Sequence[str], rows: Iterable[Row], *, escape_formulas: bool = False
) -> None:
    """As `write_csv`, with tabs between cells, and lines that end in LF alone."""
    _write(file, columns, rows, "\t", "\n", escape_formulas=escape_formulas)


def _write(
    file: TextIO,
    columns: Sequence[str],
    rows: Iterable[Row],
    between: str,
    end: str,
    *,
    escape_formulas: bool,
) -> None:
    if not columns:
        return
    quote = _quoter(between)
    text = (lambda value: quote(_defused(value))) if escape_formulas else quote
    encoders = Encoders(
        {
            type(None): lambda _value: "",
            int: int.__repr__,
            float: real_text,
            str: text,
            bytes: lambda value: value.hex() or '""',
        }
    )

    def slowly(batch: list[Row]) -> str:
        return end.join(map(between.join, encoded_lines(batch, encoders)))

    def prepare() -> Callable[[list[Row]], str | None]:
        if escape_formulas:
            return lambda _batch: None
        return _batch_encoder(len(columns), between.encode(), end.encode())

    file.write(between.join(map(text, columns)) + end)
    file.writelines(lines + end for lines in encode(rows, slowly, prepare))


def _quoter(between: str) -> Callable[[str], str]:
    must_quote = re.compile(rf'[{between}"\r\n]|^\s|\s$').search

    def quote(text: str) -> str:
        if text and not must_quote(text):
            return text
        return '"' + text.replace('"', '""') + '"'

    return quote


def _defused(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _batch_encoder(width: int, between: bytes, end: bytes) -> Callable[[list[Row]], str | None]:
    """JSON arrays made into lines, where no text has anything to quote."""
    encode_arrays = array_encoder()

    def encode_batch(batch: list[Row]) -> str | None:
        arrays = encode_arrays(batch)
        if arrays is None or not arrays.isascii():
            return None
        if b"\\" in arrays or b'""' in arrays or b'" ' in arrays or b' "' in arrays:
            return None  # An escape, an empty text, one with a space at its edge.
        if arrays.count(b",") != (width - 1) * len(batch):
            return None  # There is one in a text.
        cells = (b"\n" + arrays).replace(b"\n[null", b"\n[").replace(b",null", b",")
        cells = cells.replace(b'"', b"").replace(b",", between)
        return cells[2:-2].replace(b"]\n[", end).decode()

    return encode_batch
