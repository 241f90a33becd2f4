"""The rows of one statement, as they come."""

from __future__ import annotations

import io
import os
from collections import deque
from itertools import chain

from clankers import errors
from clankers.formats import FORMATS, unique_names, writer

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from clankers.formats import Value, Writer
    from clankers.query._run import Run

    Row = tuple[Value, ...]

_SHOWN_ROWS = 100
_LONGEST_CELL = 1_000


class Result:
    """The answer to one statement: its columns, and its rows once.

    Iterating gives each row as a tuple while SQLite finds it, so that an answer of any
    size fits into memory. Rows are there once: a second loop goes on where the first
    stopped. Text that is not valid UTF-8 arrives with � in the wrong places.

    Attributes:
        columns: the names of the columns, which SQL allows to repeat.
        declared_types: what the table says of each column; None for an expression.
    """

    def __init__(self, run: Run, *, limit: int | None) -> None:
        self.columns = tuple(name for name, _ in run.description)
        self.declared_types = tuple(declared for _, declared in run.description)
        self._stretches = _Stretches(run, limit)
        self._rows = chain.from_iterable(self._stretches)

    @property
    def truncated(self) -> bool:
        """Whether the limit left rows out; known when the last row was read."""
        return self._stretches.truncated

    def __iter__(self) -> Iterator[Row]:
        return self._rows

    def to_dicts(self) -> list[dict[str, Value]]:
        """The rows that are left, by column name; a repeated name gets a number: id, id_2."""
        names = unique_names(self.columns)
        return [dict(zip(names, row, strict=True)) for row in self]

    def write(
        self,
        file: TextIO | str | os.PathLike[str],
        format: str | Writer = "table",  # noqa: A002  # the word for it
    ) -> None:
        """Writes the rows that are left, in one of `clankers.formats.FORMATS`.

        A path becomes a whole file, or stays what it was where something goes wrong. A writer
        with options is given as such: ``partial(write_csv, escape_formulas=True)``.

        Raises:
            QueryError: there is no such format; or what `Query.query` raises, with the rows
                before it written.
            OSError: the file cannot be written.
        """
        write = _writer(format) if isinstance(format, str) else format
        if not isinstance(file, str | os.PathLike):
            write(file, self.columns, self)
            return
        from clankers.formats import whole_file

        with whole_file(file) as opened:
            write(opened, self.columns, self)

    def to_text(self, format: str | Writer = "table") -> str:  # noqa: A002
        """The rows that are left as text; see `write`."""
        text = io.StringIO(newline="")
        self.write(text, format)
        return text.getvalue()

    def to_csv(self) -> str:
        """The rows that are left as CSV, see `clankers.formats.write_csv`."""
        return self.to_text("csv")

    def to_json(self) -> str:
        """The rows that are left as a JSON array of objects, see `clankers.formats.write_json`."""
        return self.to_text("json")

    def to_html(self) -> str:
        """The rows that are left as a ``<table>``, see `clankers.formats.write_html`."""
        return self.to_text("html")

    def to_markdown(self) -> str:
        """The rows that are left as a table of Markdown, see `clankers.formats.write_markdown`."""
        return self.to_text("markdown")

    def close(self) -> None:
        """Leaves the rest unread, so that the database is no longer held as it was."""
        self._stretches.close()

    def __repr__(self) -> str:
        return f"<Result columns={self.columns!r}>"

    def _repr_html_(self) -> str:
        """The first 100 rows for a notebook; none of them is lost to a loop that follows."""
        from clankers.formats import write_html

        head = self._stretches.head(_SHOWN_ROWS + 1)
        text = io.StringIO()
        write_html(text, self.columns, head[:_SHOWN_ROWS], longest=_LONGEST_CELL)
        if len(head) > _SHOWN_ROWS:
            text.write("<p>only the first rows are shown</p>\n")
        return text.getvalue()


class _Stretches:
    """The rows in lists, as they are fetched, cut at the limit.

    Apart from the result, so that a result nobody holds any more ends at once and with
    it its hold on the database.
    """

    def __init__(self, run: Run, limit: int | None) -> None:
        self.truncated = False
        self._run = run
        self._left = limit
        self._head: list[Row] = []
        self._ahead: deque[list[Row]] = deque()
        self._current: list[Row] = []
        self._is_complete = False

    def __iter__(self) -> Iterator[list[Row]]:
        return self

    def __next__(self) -> list[Row]:
        self._current = self._ahead.popleft() if self._ahead else self._fetch()
        if not self._current:
            raise StopIteration
        return self._current

    def head(self, count: int) -> list[Row]:
        """The first rows of all, read or not; `count` is at most `_SHOWN_ROWS` + 1."""
        while len(self._head) < count and (rows := self._fetch()):
            self._ahead.append(rows)
        return self._head[:count]

    def close(self) -> None:
        self._is_complete = True
        self._ahead.clear()
        self._current.clear()
        self._run.close()

    def _fetch(self) -> list[Row]:
        if self._is_complete:
            return []
        rows = self._run.fetch(None if self._left is None else self._left + 1)
        if self._left is not None:
            self.truncated = len(rows) > self._left
            rows = rows[: self._left]
            self._left -= len(rows)
        if not rows or self.truncated:
            self._is_complete = True
            self._run.close()
        self._head += rows[: max(0, _SHOWN_ROWS + 1 - len(self._head))]
        return rows


def _writer(name: str) -> Writer:
    if name not in FORMATS:
        raise errors.QueryError(
            f"there is no format {name!r}", hint=f"the formats are {', '.join(FORMATS)}"
        )
    return writer(name)
