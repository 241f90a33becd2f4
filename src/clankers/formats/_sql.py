"""SQL: an INSERT for each row."""

from __future__ import annotations

from clankers._visible import split_unsafe
from clankers.formats._batches import array_encoder, encode, encoded_lines
from clankers.formats._cells import Encoders, real_text, unique_names

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TextIO

    from clankers.formats._batches import Row

DEFAULT_TABLE = "result"
# SQLite takes expressions up to a depth of 1,000, and each || is one deeper.
_MOST_JOINED = 200
_MOST_ARGUMENTS = 100
_INFINITE = {"Inf": "9e999", "-Inf": "-9e999"}


def write_sql(
    file: TextIO, columns: Sequence[str], rows: Iterable[Row], *, table: str = DEFAULT_TABLE
) -> None:
    """``INSERT INTO "result"("id","n") VALUES('a',1);`` for each row.

    Run in SQLite on an empty `table` with such columns, they make the same values of the
    same storage classes; repeated names are told apart as `unique_names` says. A character
    that a terminal would obey is written as ``char(27)``. SQLite before 3.43 reads the last
    digit of some very large and very small numbers wrongly.
    """
    if not columns:
        return
    names = ",".join(map(quoted_name, unique_names(columns)))
    start = f"INSERT INTO {quoted_name(table)}({names}) VALUES("
    encoders = Encoders(
        {
            type(None): lambda _value: "NULL",
            int: int.__repr__,
            float: _real,
            str: quoted_text,
            bytes: lambda value: f"X'{value.hex()}'",
        }
    )

    def slowly(batch: list[Row]) -> str:
        return f");\n{start}".join(map(",".join, encoded_lines(batch, encoders)))

    file.writelines(
        f"{start}{rows_text});\n"
        for rows_text in encode(rows, slowly, lambda: _batch_encoder(len(columns), start.encode()))
    )


def quoted_name(name: str) -> str:
    """A name of SQL in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text: str) -> str:
    """A text of SQL, with nothing in it that a terminal or a line reader would change."""
    if text.isascii() and text.isprintable():
        return _literal(text)
    return _joined(
        [
            said
            for piece, is_unsafe in split_unsafe(text)
            for said in (_characters(piece) if is_unsafe else [_literal(piece)])
        ]
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _characters(text: str) -> list[str]:
    numbers = [str(ord(character)) for character in text]
    return [
        f"char({','.join(numbers[start : start + _MOST_ARGUMENTS])})"
        for start in range(0, len(numbers), _MOST_ARGUMENTS)
    ]


def _joined(pieces: list[str]) -> str:
    while len(pieces) > _MOST_JOINED:
        pieces = [
            f"({'||'.join(pieces[start : start + _MOST_JOINED])})"
            for start in range(0, len(pieces), _MOST_JOINED)
        ]
    return "||".join(pieces)


def _real(value: float) -> str:
    text = real_text(value)
    return _INFINITE.get(text, text)


def _batch_encoder(width: int, start: bytes) -> Callable[[list[Row]], str | None]:
    """JSON arrays made into values, where no text has an escape."""
    encode_arrays = array_encoder()
    between = b");\n" + start

    def encode_batch(batch: list[Row]) -> str | None:
        arrays = encode_arrays(batch)
        # An escape in a text; and what is not ASCII may be unsafe.
        if arrays is None or b"\\" in arrays or b"\x7f" in arrays or not arrays.isascii():
            return None
        arrays = b"\n" + arrays
        if b"null" in arrays:
            if arrays.count(b",") != (width - 1) * len(batch):
                return None  # A text has a comma, and null behind it may be part of the text.
            arrays = arrays.replace(b"\n[null", b"\n[NULL").replace(b",null", b",NULL")
        values = arrays[2:-2].replace(b"'", b"''").replace(b'"', b"'")
        return values.replace(b"]\n[", between).decode()

    return encode_batch
