"""One statement under way: started, read in stretches, stopped when its time is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from time import monotonic

import apsw

from clankers import errors
from clankers.query._damaged import readable_rows
from clankers.query._errors import parameter_error, statement_error

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from clankers.formats import Value
    from clankers.query._guard import Guard

    Bindings = tuple[Value, ...] | dict[str, Value]

# Rows are fetched in stretches that take SQLite about this long, so that big rows or a
# slow search arrive one by one and small rows cost no more than the fetching.
_STRETCH_SECONDS = 0.002
_LONGEST_STRETCH = 256
# What SQLite itself skips between statements.
_BETWEEN_STATEMENTS = " \t\n\f\r;"


class Run:
    """A statement and its cursor.

    The time limit counts what SQLite works, not how long the reader takes over the rows.

    Attributes:
        description: name and declared type of each column.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        guard: Guard,
        path: Path,
        sql: str,
        params: Sequence[Value] | Mapping[str, Value],
        *,
        timeout: float | None,
    ) -> None:
        self.description: tuple[tuple[str, str | None], ...] = ()
        self._connection = connection
        self._guard = guard
        self._path = path
        self._sql = sql
        self._bindings = bindings(params)
        self._timeout = timeout
        self._left = timeout
        self._rows: Iterator[tuple[Value, ...]] = iter(())
        self._fetched = 0
        self._stretch = 1
        self._problem: errors.ClankersError | None = None
        self._first = ""
        self._has_statement = False
        self._timed(self._start)

    def fetch(self, most: int | None = None) -> list[tuple[Value, ...]]:
        """The next rows, at most `most`; none at the end."""
        if self._problem is not None:
            raise self._problem
        rows: list[tuple[Value, ...]] = []
        wanted = self._stretch if most is None else min(self._stretch, most)
        try:
            self._timed(lambda: self._read(rows, wanted))
        except errors.ClankersError as problem:
            # The rows before it are the reader's; it is raised when they ask for more.
            self._problem = problem
            if not rows:
                raise
        self._fetched += len(rows)
        return rows

    def close(self) -> None:
        """Ends the statement, and with it the view of the database that it held."""
        self._rows = iter(())
        self._cursor.close(force=True)

    def _start(self) -> None:
        self._cursor = self._connection.cursor()
        self._rows = self._cursor
        self._cursor.exec_trace = self._before_first_step
        try:
            self._execute(self._sql)
        except apsw.ExecTraceAbort:
            if self._guard.refused is not None:
                raise
            self._start_first_of_several(self._first)
        finally:
            self._cursor.exec_trace = None
        if not self._has_statement:
            raise errors.QueryError(
                "there is no statement to run", hint="give one, such as SELECT * FROM sessions"
            )

    def _execute(self, sql: str) -> None:
        self._guard.begin()
        try:
            # Uncached, so that the authorizer is asked every time.
            self._cursor.execute(sql, self._bindings, can_cache=False)
        except (KeyError, OverflowError, TypeError, ValueError) as problem:
            raise parameter_error(problem) from problem

    def _before_first_step(self, cursor: apsw.Cursor, sql: str, _bindings: object) -> bool:
        """Sees each statement when it is prepared; False stops it before it does anything."""
        self._first = sql
        self._has_statement = cursor.has_vdbe
        # Only now does SQLite tell them for a statement that has no rows.
        self.description = cursor.get_description()
        has_more = self._sql[len(sql) :].strip(_BETWEEN_STATEMENTS)
        return self._guard.permits(cursor) and not has_more

    def _start_first_of_several(self, first: str) -> None:
        """Runs `first` when nothing but comments follows it."""
        if _has_statement(self._connection, self._sql[len(first) :]):
            raise errors.QueryRefusedError(
                f"only one statement is run, and a second begins at character {len(first) + 1}",
                operation="second statement",
                hint="run them one after the other",
                offset=len(first),
            )
        self._sql = first
        self._execute(first)

    def _read(self, rows: list[tuple[Value, ...]], wanted: int) -> None:
        """Appends to `rows`, which keep what came before a problem."""
        try:
            rows.extend(islice(self._rows, wanted))
        except UnicodeDecodeError:
            self._rows = self._reread(self._fetched + len(rows))
            rows.extend(islice(self._rows, wanted - len(rows)))

    def _reread(self, skip: int) -> Iterator[tuple[Value, ...]]:
        return readable_rows(
            self._connection,
            self._sql,
            self._bindings,
            columns=[name for name, _ in self.description],
            skip=skip,
        )

    def _timed(self, work: Callable[[], None]) -> None:
        started = monotonic()
        self._guard.deadline = None if self._left is None else started + self._left
        try:
            work()
        except apsw.Error as problem:
            # Without a deadline: looking for the nearest names is quick and must not fail.
            self._guard.deadline = None
            raise statement_error(
                problem,
                self._connection,
                self._guard,
                self._sql,
                path=self._path,
                timeout=self._timeout,
            ) from problem
        finally:
            self._guard.deadline = None
            took = monotonic() - started
            if self._left is not None:
                self._left -= took
            self._adapt(took)

    def _adapt(self, took: float) -> None:
        if took < _STRETCH_SECONDS:
            self._stretch = min(2 * self._stretch, _LONGEST_STRETCH)
        else:
            self._stretch = max(self._stretch // 2, 1)


def bindings(params: Sequence[Value] | Mapping[str, Value]) -> Bindings:
    """Parameters as SQLite takes them."""
    if isinstance(params, Mapping):
        return dict(params)
    # A single string is a sequence too, of its characters.
    if not isinstance(params, str | bytes) and isinstance(params, Sequence):
        return tuple(params)
    raise errors.QueryError(
        f"params is {params!r}, not a list of values",
        hint="write [value], also for a single one",
    )


def _has_statement(connection: apsw.Connection, sql: str) -> bool:
    """Whether `sql` is more than comments; nothing in it is run."""
    cursor = connection.cursor()
    cursor.exec_trace = lambda cursor, _sql, _bindings: not cursor.has_vdbe
    try:
        cursor.execute(sql, can_cache=False)
    except apsw.Error:
        return True
    return False
