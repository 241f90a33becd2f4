"""JSON: an array of objects, or an object on each line."""

from __future__ import annotations

from itertools import starmap

from clankers._visible import escape_json
from clankers.formats._batches import batches, encode, plain_checker
from clankers.formats._cells import unique_names

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, TextIO

    from clankers.formats._batches import Row
    from clankers.formats._cells import Value

_INFINITY = float("inf")


def write_json(
    file: TextIO, columns: Sequence[str], rows: Iterable[Row], *, pretty: bool = False
) -> None:
    """An array of objects, one on a line unless `pretty`; repeated names as `unique_names` says.

    A blob is ``{"$blob": "<base64>"}``, an infinite number ``9e999``, which parsers read as
    infinite. Integers are exact; JavaScript rounds those beyond 2**53. Characters that a
    terminal would obey are written as JSON's escapes, which changes no value.
    """
    names = unique_names(columns)
    before = "[\n"
    for objects in _pretty_objects(names, rows) if pretty else _objects(names, rows, ",\n"):
        file.write(before + escape_json(objects))
        before = ",\n"
    file.write("[]\n" if before == "[\n" else "\n]\n")


def write_ndjson(file: TextIO, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """One object on each line, with values as `write_json` writes them."""
    file.writelines(
        escape_json(objects) + "\n" for objects in _objects(unique_names(columns), rows, "\n")
    )


def write_report_json(file: TextIO, report: Mapping[str, Any] | Sequence[Any]) -> None:
    """One report as indented JSON, safe on a terminal."""
    import json

    text = json.dumps(report, ensure_ascii=False, indent=2, allow_nan=False)
    file.write(escape_json(text) + "\n")


def _objects(names: list[str], rows: Iterable[Row], between: str) -> Iterator[str]:
    """Stretches of the objects, one on a line."""
    encode_row = _object_encoder(names)
    return encode(
        rows,
        lambda batch: between.join(map(encode_row, batch)),
        lambda: _batch_encoder(names, between.encode()),
    )


def _pretty_objects(names: list[str], rows: Iterable[Row]) -> Iterator[str]:
    encode_row = _object_encoder(names, indent=2)
    for batch in batches(rows):
        for row in batch:
            yield "  " + encode_row(row).replace("\n", "\n  ")


def _object_encoder(names: list[str], *, indent: int | None = None) -> Callable[[Row], str]:
    import json

    encode_value = json.JSONEncoder(
        ensure_ascii=False,
        allow_nan=False,
        default=_blob_object,
        indent=indent,
        separators=(",", ": " if indent else ":"),
    ).encode

    def encode_row(row: Row) -> str:
        fields = dict(zip(names, row, strict=True))
        try:
            return encode_value(fields)
        except ValueError:
            return _with_infinity(fields, encode_value, indent)

    return encode_row


def _with_infinity(
    fields: dict[str, Value], encode_value: Callable[[Any], str], indent: int | None
) -> str:
    """An object with numbers that JSON can only say by being too large."""
    start, between, colon = ("\n" + " " * indent, "\n", ": ") if indent else ("", "", ":")
    members = []
    for name, value in fields.items():
        if isinstance(value, float) and not -_INFINITY < value < _INFINITY:
            number = {_INFINITY: "9e999", -_INFINITY: "-9e999"}.get(value, "null")
        else:
            number = encode_value(value).replace("\n", start)
        members.append(f"{start}{encode_value(name)}{colon}{number}")
    return f"{{{','.join(members)}{between}}}"


def _batch_encoder(names: list[str], between: bytes) -> Callable[[list[Row]], str | None]:
    """By msgspec, many times as fast, where it would write the same values."""
    import msgspec

    fields = [f"c{number}" for number in range(len(names))]
    renamed = dict(zip(fields, names, strict=True))
    try:
        shape = msgspec.defstruct("Row", fields, rename=renamed, gc=False)
    except ValueError:
        return lambda _batch: None  # A name with a quote or a control character in it.
    encode_lines = msgspec.json.Encoder().encode_lines
    is_plain = plain_checker()

    def encode_batch(batch: list[Row]) -> str | None:
        if not is_plain(batch):
            return None
        try:
            lines = encode_lines(list(starmap(shape, batch)))[:-1]
        except UnicodeEncodeError:  # Half of a UTF-16 pair.
            return None
        return (lines if between == b"\n" else lines.replace(b"\n", between)).decode()

    return encode_batch


def _blob_object(value: object) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} is not a value of SQLite")
    import binascii

    return {"$blob": binascii.b2a_base64(value, newline=False).decode()}
