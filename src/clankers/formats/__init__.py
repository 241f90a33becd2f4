"""One writer per output format; each streams, so that a million rows take no more memory.

A writer takes the file, the names of the columns and the rows::

    with open("sessions.csv", "w", newline="", encoding="utf-8") as file:
        writer("csv")(file, result.columns, result)

`Result.write` and `Result.to_csv` do the same. What each format makes of NULL, blobs and
numbers that it lacks stands in docs/reference/formats.md.
"""

from __future__ import annotations

from importlib import import_module

from clankers._lazy import lazily
from clankers._visible import display_width, shorten, visible
from clankers.formats._cells import Value, cell_text, unique_names

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Protocol, TextIO

    from clankers.formats._delimited import write_csv, write_tsv
    from clankers.formats._html import write_html
    from clankers.formats._human import human_times
    from clankers.formats._json import write_json, write_ndjson, write_report_json
    from clankers.formats._markdown import write_markdown
    from clankers.formats._output import terminal_file, whole_file
    from clankers.formats._sql import write_sql
    from clankers.formats._table import report_table, write_table

    class Writer(Protocol):
        def __call__(
            self, file: TextIO, columns: Sequence[str], rows: Iterable[Sequence[Value]], /
        ) -> None: ...

else:
    # A command uses one of them, and loads no other.
    _HOMES = {
        "human_times": "_human",
        "report_table": "_table",
        "terminal_file": "_output",
        "whole_file": "_output",
        "write_csv": "_delimited",
        "write_html": "_html",
        "write_json": "_json",
        "write_markdown": "_markdown",
        "write_ndjson": "_json",
        "write_report_json": "_json",
        "write_sql": "_sql",
        "write_table": "_table",
        "write_tsv": "_delimited",
    }

    __getattr__ = lazily(globals(), _HOMES)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "FORMATS",
    "Value",
    "cell_text",
    "display_width",
    "human_times",
    "report_table",
    "shorten",
    "terminal_file",
    "unique_names",
    "visible",
    "whole_file",
    "write_csv",
    "write_html",
    "write_json",
    "write_markdown",
    "write_ndjson",
    "write_report_json",
    "write_sql",
    "write_table",
    "write_tsv",
    "writer",
]

FORMATS = ("table", "json", "ndjson", "csv", "tsv", "sql", "html", "markdown")


def writer(name: str) -> Writer:
    """The writer of one of `FORMATS`: `write_csv` for ``csv``, and so on.

    Raises:
        KeyError: there is no such format.
    """
    if name not in FORMATS:
        raise KeyError(name)
    found: Writer = getattr(import_module(__name__), f"write_{name}")
    return found
