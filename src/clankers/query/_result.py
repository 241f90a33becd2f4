"""The rows of one statement, as they come."""

from __future__ import annotations

from collections import deque
from itertools import chain

from clankers.formats import unique_names

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clankers.formats import Value
    from clankers.query._run import Run

    Row = tuple[Value, ...]

_SHOWN_ROWS = 100


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

    def close(self) -> None:
        """Leaves the rest unread, so that the database is no longer held as it was."""
        self._stretches.close()

    def __repr__(self) -> str:
        return f"<Result columns={self.columns!r}>"

    def _repr_html_(self) -> str:
        """The first 100 rows for a notebook; none of them is lost to a loop that follows."""
        # Imported here: only notebooks need it.
        from clankers.query._html import html_table

        head = self._stretches.head(_SHOWN_ROWS + 1)
        return html_table(self.columns, head[:_SHOWN_ROWS], has_more=len(head) > _SHOWN_ROWS)


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
