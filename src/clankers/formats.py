"""One writer per output format; each streams, so that a million rows take no more memory.

A writer takes the file, the names of the columns and the rows. What it writes is safe on
a terminal: nothing in the rows can move its cursor, set its clipboard or turn its text.
"""

from __future__ import annotations

from itertools import chain, islice

from clankers._visible import display_width, escape_json, shorten, visible

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Protocol, TextIO

    class Writer(Protocol):
        def __call__(
            self, file: TextIO, columns: Sequence[str], rows: Iterable[Sequence[Value]], /
        ) -> None: ...


__all__ = [
    "FORMATS",
    "Value",
    "cell_text",
    "display_width",
    "report_table",
    "shorten",
    "unique_names",
    "visible",
    "write_json",
    "write_report_json",
    "write_table",
]

Value = None | int | float | str | bytes

# The widths of a table come from its first rows; what follows is written as it comes.
MEASURED_ROWS = 500
WIDEST_CELL = 120
NARROWEST_CELL = 8
_BATCH = 128
_GAP = "  "
# Importing the faster encoder takes as long as it saves on this many rows.
_ROWS_WORTH_MSGSPEC = 10_000


def unique_names(columns: Sequence[str]) -> list[str]:
    """`columns` with repeated names told apart: id, id becomes id, id_2."""
    names: dict[str, None] = {}
    for column in columns:
        name, number = column, 1
        while name in names or (number > 1 and name in columns):
            number += 1
            name = f"{column}_{number}"
        names[name] = None
    return list(names)


def cell_text(value: Value) -> str:
    """A value as people read it: NULL, <blob 12 bytes>, or itself in full and not yet safe."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"<blob {len(value)} {'byte' if len(value) == 1 else 'bytes'}>"
    return str(value)


def write_table(
    file: TextIO,
    columns: Sequence[str],
    rows: Iterable[Sequence[Value]],
    *,
    width: int | None = None,
) -> None:
    """Aligned columns for people; a cell that is too long ends in …, numbers never do.

    `width` is how many columns a line may take, where that is possible; without it only
    single cells are limited, to 120. A longer value below the first 500 rows pushes its
    line out of alignment instead of being cut to the width of those above.
    """
    if not columns:
        return
    widest = max(WIDEST_CELL, width or 0)
    stream = (_cells(row, widest) for row in rows)
    sample = list(islice(stream, MEASURED_ROWS))
    names = [shorten(visible(name), WIDEST_CELL) for name in columns]
    plan = _plan(names, sample, widest, width)
    file.write(
        _line([(name, column.right) for name, column in zip(names, plan, strict=True)], plan)
    )
    file.write(_line([("-" * column.width, False) for column in plan], plan))
    file.writelines(_line(cells, plan) for cells in chain(sample, stream))


def write_json(
    file: TextIO,
    columns: Sequence[str],
    rows: Iterable[Sequence[Value]],
    *,
    pretty: bool = False,
) -> None:
    """An array of objects, one on a line unless `pretty`; repeated names as `unique_names` says.

    A blob is ``{"$blob": "<base64>"}``, an infinite number null. Characters that a
    terminal would obey are written as JSON's escapes, which changes no value.
    """
    names = unique_names(columns)
    before = "[\n"
    for objects in _pretty_objects(names, rows) if pretty else _objects(names, rows):
        file.write(before + escape_json(objects))
        before = ",\n"
    file.write("[]\n" if before == "[\n" else "\n]\n")


def write_report_json(file: TextIO, report: Mapping[str, Any] | Sequence[Any]) -> None:
    """One report as indented JSON, safe on a terminal."""
    import json

    text = json.dumps(report, ensure_ascii=False, indent=2, allow_nan=False)
    file.write(escape_json(text) + "\n")


def report_table(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    """A small table as text: nothing is cut, unknown is -, numbers stand right."""
    # Imported here: tabulate takes longer to import than a query to run.
    from tabulate import tabulate

    held = list(rows)
    numeric = [_is_numeric(column) for column in _columns_of(held, len(columns))]
    return tabulate(
        [["-" if value is None else visible(cell_text(value)) for value in row] for row in held],
        headers=[visible(name) for name in columns],
        tablefmt="simple",
        disable_numparse=True,
        colalign=["right" if right else "left" for right in numeric] if held else None,
    )


FORMATS: dict[str, Writer] = {"table": write_table, "json": write_json}


def _columns_of(rows: list[Any], count: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * count


def _is_numeric(values: Sequence[Value]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float) for value in known)


class _Column:
    """How one column of a table is laid out; `right` is for columns of numbers."""

    __slots__ = ("limit", "right", "width")

    def __init__(self, width: int, limit: int, *, right: bool) -> None:
        self.width = width
        self.limit = limit
        self.right = right


# The text of a cell, safe to print, and whether it is a number.
_Cell = tuple[str, bool]


def _cells(row: Sequence[Value], widest: int) -> list[_Cell]:
    cells = []
    for value in row:
        if type(value) is str:
            is_plain = len(value) <= widest and value.isascii() and value.isprintable()
            cells.append((value if is_plain else _safe_cell(value, widest), False))
        else:
            cells.append((cell_text(value), isinstance(value, int | float)))
    return cells


def _safe_cell(text: str, widest: int) -> str:
    # Only so much is looked at: a cell can hold megabytes.
    start = visible(text[: 4 * widest])
    return shorten(start if len(text) <= 4 * widest else start + "…" * widest, widest)


def _plan(
    names: list[str], sample: list[list[_Cell]], widest: int, width: int | None
) -> list[_Column]:
    columns = _columns_of(sample, len(names))
    numeric = [_holds_numbers(column) for column in columns]
    widths = [
        max(display_width(name), *(display_width(text) for text, _ in column), 0)
        for name, column in zip(names, columns, strict=True)
    ]
    limit = widest if width is None else _limit(widths, numeric, width)
    return [
        _Column(wide, widest, right=right)
        if right or wide <= limit
        else _Column(limit, limit, right=False)
        for wide, right in zip(widths, numeric, strict=True)
    ]


def _holds_numbers(column: Sequence[_Cell]) -> bool:
    known = [is_number for text, is_number in column if is_number or text != "NULL"]
    return bool(known) and all(known)


def _limit(widths: list[int], numeric: list[bool], width: int) -> int:
    """How wide text may be for a line to fit; the widest columns give way first."""
    room = width - len(_GAP) * (len(widths) - 1)
    limit = max(NARROWEST_CELL, *widths)
    while limit > NARROWEST_CELL and room < sum(
        wide if right else min(wide, limit) for wide, right in zip(widths, numeric, strict=True)
    ):
        limit -= 1
    return limit


def _line(cells: list[_Cell], plan: list[_Column]) -> str:
    padded = []
    for (text, is_number), column in zip(cells, plan, strict=True):
        shown = text if is_number else shorten(text, column.limit)
        blank = " " * (column.width - display_width(shown))
        padded.append(blank + shown if is_number or column.right else shown + blank)
    return _GAP.join(padded).rstrip(" ") + "\n"


def _objects(names: list[str], rows: Iterable[Sequence[Value]]) -> Iterator[str]:
    """Stretches of the array, one object on a line."""
    stream = iter(rows)
    encode = _object_encoder(names)
    yield from map(encode, islice(stream, _ROWS_WORTH_MSGSPEC))
    batches = iter(lambda: list(islice(stream, _BATCH)), [])
    if (batch := next(batches, None)) is not None:
        yield from map(_batch_encoder(names, encode), chain([batch], batches))


def _pretty_objects(names: list[str], rows: Iterable[Sequence[Value]]) -> Iterator[str]:
    encode = _object_encoder(names, indent=2)
    return ("  " + encode(row).replace("\n", "\n  ") for row in rows)


def _object_encoder(
    names: list[str], *, indent: int | None = None
) -> Callable[[Sequence[Value]], str]:
    import json

    encode = json.JSONEncoder(
        ensure_ascii=False,
        allow_nan=False,
        default=_blob_object,
        indent=indent,
        separators=(",", ": " if indent else ":"),
    ).encode

    def encode_row(row: Sequence[Value]) -> str:
        fields = dict(zip(names, row, strict=True))
        try:
            return encode(fields)
        except ValueError:
            return encode({name: _finite(value) for name, value in fields.items()})

    return encode_row


def _batch_encoder(
    names: list[str], encode: Callable[[Sequence[Value]], str]
) -> Callable[[list[Sequence[Value]]], str]:
    """The same by msgspec, many times as fast; what it would write otherwise is left to `encode`."""
    import msgspec

    def encode_rows(batch: list[Sequence[Value]]) -> str:
        return ",\n".join(map(encode, batch))

    fields = [f"c{number}" for number in range(len(names))]
    renamed = dict(zip(fields, names, strict=True))
    try:
        shape = msgspec.defstruct("Row", fields, rename=renamed, gc=False)
    except ValueError:
        return encode_rows  # A name with a quote or a control character in it.
    encode_lines = msgspec.json.Encoder().encode_lines

    def encode_batch(batch: list[Sequence[Value]]) -> str:
        try:
            msgspec.convert(batch, list[tuple[int | float | str | None, ...]])
        except msgspec.ValidationError:
            return encode_rows(batch)  # There is a blob among them.
        lines = encode_lines([shape(*row) for row in batch])
        return lines[:-1].replace(b"\n", b",\n").decode()

    return encode_batch


def _blob_object(value: object) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} is not a value of SQLite")
    import binascii

    return {"$blob": binascii.b2a_base64(value, newline=False).decode()}


def _finite(value: Value) -> Value:
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return None
    return value
