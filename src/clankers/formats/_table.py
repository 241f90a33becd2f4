"""Tables for people: of a query's rows, and of a report."""

from __future__ import annotations

from itertools import chain, islice

from clankers._visible import display_width, shorten_middle, visible
from clankers.formats._cells import cell_text

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, TextIO

    from clankers.formats._cells import Value

# The widths of a table come from its first rows; what follows is written as it comes.
MEASURED_ROWS = 500
WIDEST_CELL = 120
NARROWEST_CELL = 8
# On less room neither a table nor a list is easy to read.
LEAST_RECORD_WIDTH = 40
_GAP = "  "


def write_table(
    file: TextIO,
    columns: Sequence[str],
    rows: Iterable[Sequence[Value]],
    *,
    width: int | None = None,
    full: bool = False,
) -> None:
    """Aligned columns for people; of a text that is too long … stands for the middle.

    Numbers are never cut. `width` is how many columns a line may take; where there are too many
    columns for it, each row is written as a list of its cells. Without it only single cells are
    limited, to 120, and with `full` nothing is. A longer value below the first 500 rows pushes
    its line out of alignment instead of being cut to the width of those above.
    """
    if not columns:
        return
    widest = None if full else max(WIDEST_CELL, width or 0)
    stream = (_cells(row, widest) for row in rows)
    sample = list(islice(stream, MEASURED_ROWS))
    names = [_fitted(visible(name), None if full else WIDEST_CELL) for name in columns]
    plan = _plan(names, sample, widest, width)
    if width is not None and not full and _is_too_wide(plan, width):
        _write_records(file, names, chain(sample, stream), width)
        return
    file.write(
        _line([(name, column.right) for name, column in zip(names, plan, strict=True)], plan)
    )
    file.write(_line([("-" * column.width, False) for column in plan], plan))
    file.writelines(_line(cells, plan) for cells in chain(sample, stream))


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


def _columns_of(rows: list[Any], count: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * count


def _is_numeric(values: Sequence[Value]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float) for value in known)


class _Column:
    """How one column of a table is laid out; `right` is for columns of numbers."""

    __slots__ = ("limit", "right", "width")

    def __init__(self, width: int, limit: int | None, *, right: bool) -> None:
        self.width = width
        self.limit = limit
        self.right = right


# The text of a cell, safe to print, and whether it is a number.
_Cell = tuple[str, bool]


def _cells(row: Sequence[Value], widest: int | None) -> list[_Cell]:
    cells = []
    for value in row:
        if type(value) is str:
            is_short = widest is None or len(value) <= widest
            is_plain = is_short and value.isascii() and value.isprintable()
            cells.append((value if is_plain else _safe_cell(value, widest), False))
        else:
            cells.append((cell_text(value), isinstance(value, int | float)))
    return cells


def _safe_cell(text: str, widest: int | None) -> str:
    if widest is None or len(text) <= 4 * widest:
        return _fitted(visible(text), widest)
    # Only so much is looked at: a cell can hold megabytes.
    start, end = visible(text[: 2 * widest]), visible(text[-2 * widest :])
    return _fitted(f"{start}{'…' * widest}{end}", widest)


def _fitted(text: str, limit: int | None) -> str:
    return text if limit is None else shorten_middle(text, limit)


def _plan(
    names: list[str], sample: list[list[_Cell]], widest: int | None, width: int | None
) -> list[_Column]:
    columns = _columns_of(sample, len(names))
    numeric = [_holds_numbers(column) for column in columns]
    widths = [
        max(display_width(name), *(display_width(text) for text, _ in column), 0)
        for name, column in zip(names, columns, strict=True)
    ]
    limit = widest if width is None or widest is None else _limit(widths, numeric, width)
    return [
        _Column(wide, widest, right=right)
        if right or limit is None or wide <= limit
        else _Column(limit, limit, right=False)
        for wide, right in zip(widths, numeric, strict=True)
    ]


def _is_too_wide(plan: list[_Column], width: int) -> bool:
    taken = sum(column.width for column in plan) + len(_GAP) * (len(plan) - 1)
    return taken > width >= LEAST_RECORD_WIDTH


def _write_records(file: TextIO, names: list[str], rows: Iterable[list[_Cell]], width: int) -> None:
    """Each row as a list of names and cells, below a rule that counts them."""
    label = min(max(map(display_width, names)), width // 3)
    shown = [shorten_middle(name, label) for name in names]
    heads = [f"{name}{' ' * (label - display_width(name))}{_GAP}" for name in shown]
    for number, cells in enumerate(rows, 1):
        file.write(f"-- {number:,} ".ljust(width, "-") + "\n")
        file.writelines(
            head + (text if is_number else shorten_middle(text, width - label - len(_GAP))) + "\n"
            for head, (text, is_number) in zip(heads, cells, strict=True)
        )


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
        shown = text if is_number else _fitted(text, column.limit)
        blank = " " * (column.width - display_width(shown))
        padded.append(blank + shown if is_number or column.right else shown + blank)
    return _GAP.join(padded).rstrip(" ") + "\n"
