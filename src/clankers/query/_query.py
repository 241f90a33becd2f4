"""The connections that questions and scripts go through."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from clankers import errors
from clankers.query._guard import Guard
from clankers.query._result import Result
from clankers.query._run import Run, bindings
from clankers.store._connection import open_reader, translated

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from clankers.formats import Value
    from clankers.query._changes import Changes
    from clankers.query._completion import Completer, Completion
    from clankers.query._writing import Writing
    from clankers.store import Store


class Query:
    """Asks a database in SQL; only `execute` with ``write=True`` can change anything in it.

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
        self._writing: Writing | None = None
        self._completer: Completer | None = None

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
        _check_timeout(timeout)
        run = Run(self._connection, self._guard, self.path, sql, params, timeout=timeout)
        return Result(run, limit=limit)

    def execute(
        self,
        script: str,
        params: Sequence[Value] | Mapping[str, Value] = (),
        *,
        write: bool = False,
        confirm: Callable[[Changes], bool] | None = None,
        dry_run: bool = False,
        unsafe: bool = False,
        backup: bool | None = None,
        timeout: float | None = None,
    ) -> Changes:
        """Runs a script of one or more statements as one transaction; what it changed.

        A script that writes is tried first: every statement runs, what it does is counted, and
        all is rolled back. It is destructive when it drops something, updates or deletes
        without WHERE, or takes more than a tenth of a table's rows away. Then `confirm` is
        asked, while no transaction is open, and a copy of the database is made. At last it runs again and is
        committed, if it changes as many rows of the same tables as in its trial. Each writing
        statement leaves a line in ``logs/writes.jsonl``.

        A BEGIN and COMMIT of the script's own make no difference; what it rolls back stays
        rolled back. The answers of its statements are kept in memory.

        Args:
            script: statements with semicolons between them.
            params: values for ``?`` of a single statement, or a mapping for ``:name``.
            write: without it only what reads is run.
            confirm: is given what a destructive script would change; True lets it go on.
            dry_run: tries the script, and leaves it at that.
            unsafe: lets it change what clankers keeps for itself, such as the search index.
            backup: makes a copy before the first write of this query: True before any, False
                never, None only before destructive ones.
            timeout: seconds for the script, the trial and the run each.

        Raises:
            QueryRefusedError: it writes without `write`, or does what cannot be rolled back,
                or changes what clankers keeps for itself.
            ConfirmationError: it is destructive and there is no `confirm`.
            WriteConflictError: it would change other rows than in its trial.
            QueryTimeoutError: it took longer than `timeout`.
            QueryError: a statement cannot be run.
            StoreError: the database is busy, full, or cannot be written.

        After any of them nothing is changed.
        """
        _check_timeout(timeout)
        if not (write or dry_run):
            return self._read_all(script, params, timeout)
        return self._writer(changes_schema=not dry_run).execute(
            script,
            bindings(params),
            confirm=confirm,
            dry_run=dry_run,
            unsafe=unsafe,
            backup=backup,
            timeout=timeout,
        )

    def complete(self, sql: str, position: int | None = None) -> list[Completion]:
        """What can be written at a place, by default the end; the likeliest first.

        Tables after FROM and JOIN, after most other words the columns of the tables that the
        statement names, aliases, functions and keywords; within quotes the values of a column
        that has few.
        """
        from clankers.query._completion import Completer

        if self._completer is None:
            self._completer = Completer(self._connection, self._guard)
        with translated(self.path):
            return self._completer.complete(sql, len(sql) if position is None else position)

    def _writer(self, *, changes_schema: bool = True) -> Writing:
        """The writing connection, opened when it is first needed; it brings the schema up to date.

        Without `changes_schema` an older one is refused, as a dry run changes nothing.
        """
        if self._writing is None:
            from clankers.query._writing import Writing
            from clankers.store._migrations import check_version, open_current

            if not changes_schema:
                with closing(open_reader(self.path)) as reader:
                    check_version(reader, self.path)
            self._writing = Writing(open_current(self.path), self.path)
        return self._writing

    def _read_all(
        self,
        script: str,
        params: Sequence[Value] | Mapping[str, Value],
        timeout: float | None,
    ) -> Changes:
        from clankers.query._changes import Changes, Statement
        from clankers.query._statements import pieces

        statements = []
        for piece in pieces(script):
            result = self.query(piece.sql, params, timeout=timeout)
            answer = Statement(piece.sql, "SELECT", "", None, (), result.columns, list(result))
            statements.append(answer)
        return Changes(tuple(statements), {}, ())

    def close(self) -> None:
        """Ends all results of this query too."""
        self._connection.close()
        if self._writing is not None:
            self._writing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _check_timeout(timeout: float | None) -> None:
    if timeout is not None and not timeout > 0:
        raise errors.QueryError(
            f"a time limit of {timeout:g} s leaves no time", hint="use None for no limit"
        )
