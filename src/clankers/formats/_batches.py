"""Rows some at a time: what is done for many at once is done in C."""

from __future__ import annotations

from itertools import islice

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from clankers.formats._cells import Encoders, Value

    Row = Sequence[Value]

BATCH = 128
# Importing the faster encoder takes as long as it saves on this many rows.
ROWS_WORTH_MSGSPEC = 5_000
_GREATEST = 1.7976931348623157e308


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """`rows` in lists; what came before a problem is given before the problem is raised."""
    stream = iter(rows)
    while True:
        batch: list[Row] = []
        try:
            batch.extend(islice(stream, BATCH))
        except BaseException:
            if batch:
                yield batch
            raise
        if not batch:
            return
        yield batch


def encoded_lines(batch: list[Row], encoders: Encoders) -> Iterator[tuple[str, ...]]:
    """The cells of each row of a batch, encoded column by column."""
    if not batch[0]:
        return iter([()] * len(batch))
    columns = zip(*batch, strict=True)
    return zip(*[encoders.column(column) for column in columns], strict=True)


def encode(
    rows: Iterable[Row],
    slowly: Callable[[list[Row]], str],
    prepare: Callable[[], Callable[[list[Row]], str | None]],
) -> Iterator[str]:
    """The text of each batch: by `slowly`, and after many rows by what `prepare` gives.

    That may answer None for a batch that it cannot write.
    """
    quickly: Callable[[list[Row]], str | None] | None = None
    for number, batch in enumerate(batches(rows)):
        if quickly is None and number * BATCH >= ROWS_WORTH_MSGSPEC:
            quickly = prepare()
        text = None if quickly is None else quickly(batch)
        yield slowly(batch) if text is None else text


def array_encoder() -> Callable[[list[Row]], bytes | None]:
    """Batches as JSON arrays on a line each; None where a blob or an infinite number is in it."""
    import msgspec

    encode_lines = msgspec.json.Encoder().encode_lines
    check = plain_checker()

    def encode_batch(batch: list[Row]) -> bytes | None:
        try:
            return encode_lines(batch) if check(batch) else None
        except UnicodeEncodeError:  # Half of a UTF-16 pair.
            return None

    return encode_batch


def plain_checker() -> Callable[[list[Row]], bool]:
    """Tells whether JSON has a word of its own for all values of a batch."""
    from typing import Annotated

    import msgspec

    finite = Annotated[float, msgspec.Meta(ge=-_GREATEST, le=_GREATEST)]
    shape = list[tuple[int | finite | str | None, ...]]

    def is_plain(batch: list[Row]) -> bool:
        try:
            msgspec.convert(batch, shape)
        except msgspec.ValidationError:
            return False
        return True

    return is_plain
