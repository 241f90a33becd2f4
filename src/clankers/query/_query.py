"""The connection that questions go through."""

from __future__ import annotations

import os
from pathlib import Path

from clankers import errors
from clankers.query._guard import Guard
from clankers.query._result import Result
from clankers.query._run import Run
from clankers.store._connection import open_reader, translated

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from clankers.formats import Value
    from clankers.store import Store


class Query:
    """Asks a database in SQL and can change nothing in it.

    It opens a connection of its own, so that a store in the same process goes on writing.
    One thread at a time may use it.

    Attributes:
        path: the database file.
    """

    def __init__(self, store_or_path: Store | str | os.PathLike[str]) -> None:
        if isinstance(store_or_path, str | os.PathLike):
            self.path = Path(store_or_path)
        else:
            self.path = store_or_path.path
        self._connection = open_reader(self.path)
        with translated(self.path):
            self._guard = Guard(self._connection)

    def query(
        self,
        sql: str,
        params: Sequence[Value] | Mapping[str, Value] = (),
        *,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Result:
        """Runs one statement that reads and gives its rows as they are found.

        Args:
            sql: a SELECT, VALUES, EXPLAIN or one of the PRAGMAs that only tell something.
            params: values for ``?``, or a mapping for ``:name``.
            limit: the most rows to give; `Result.truncated` then says whether there were more.
            timeout: seconds SQLite may work on it, the reader's own time not counted.

        Raises:
            QueryRefusedError: it would do more than read; nothing of it was run.
            QueryTimeoutError: it took longer than `timeout`, here or while rows are read.
            QueryError: it cannot be run; `hint` has the nearest names and the place.
            StoreError: the database is busy, damaged or cannot be read.
        """
        if limit is not None and limit < 0:
            raise errors.QueryError(f"a limit of {limit} rows makes no sense", hint="use 0 or more")
        if timeout is not None and not timeout > 0:
            raise errors.QueryError(
                f"a time limit of {timeout:g} s leaves no time", hint="use None for no limit"
            )
        run = Run(self._connection, self._guard, self.path, sql, params, timeout=timeout)
        return Result(run, limit=limit)

    def close(self) -> None:
        """Ends all results of this query too."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
