"""A script of several statements, run once within a transaction that others end."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import apsw

from clankers import errors
from clankers.query._changes import Changes, Statement, TableChange
from clankers.query._errors import parameter_error, script_error
from clankers.query._statements import has_where, pieces
from clankers.query._write_guard import WriteGuard, changes_rows, is_transaction, told
from clankers.store._schema import INTERNAL_TABLES

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    from clankers.formats import Value
    from clankers.query._run import Bindings
    from clankers.query._statements import Piece
    from clankers.query._write_guard import Action

# A script that takes more than this part of a table's rows away is destructive.
LARGEST_SHARE = 0.1
# Stands for the user's own BEGIN, which cannot begin another transaction.
_OWN = '"the transaction of the script"'
_SUBSTITUTES = {
    "BEGIN": f"SAVEPOINT {_OWN}",
    "COMMIT": f"RELEASE {_OWN}",
    "ROLLBACK": f"ROLLBACK TO {_OWN}; RELEASE {_OWN}",
}


class _Mark(NamedTuple):
    """Where a transaction or savepoint of the user's began, and what was counted by then."""

    name: str
    statement: int
    counts: Counter[tuple[str, str]]


class Script:
    """The text of a script and how to run it on a writing connection."""

    def __init__(
        self,
        connection: apsw.Connection,
        path: Path,
        text: str,
        bindings: Bindings,
        *,
        unsafe: bool,
        timeout: float | None,
    ) -> None:
        self._connection = connection
        self._path = path
        self._text = text
        self._bindings = bindings
        self._unsafe = unsafe
        self._timeout = timeout
        self._existing: frozenset[str] = frozenset()
        self._pieces = list(pieces(text))
        if not self._pieces:
            raise errors.QueryError(
                "there is no statement to run", hint="give one, such as SELECT * FROM sessions"
            )
        if len(self._pieces) > 1 and bindings and not isinstance(bindings, Mapping):
            raise errors.QueryError(
                "values by place fit one statement, and this script has several",
                hint="give a mapping for :names",
            )

    def run(self) -> Changes:
        """Runs every statement; what it changed. The transaction around it stays open.

        Raises:
            QueryError: a statement cannot be run, or may not.
        """
        guard = WriteGuard(self._connection, unsafe=self._unsafe)
        if self._timeout is not None:
            guard.deadline = monotonic() + self._timeout
        self._existing = _names(self._connection)
        with guard:
            statements = tuple(self._run_all(guard))
        tables = self._by_table(guard.counts)
        dangers = [danger for one in statements for danger in one.dangers]
        dangers += self._losses(tables, dangers)
        return Changes(statements, tables, tuple(dangers))

    def _run_all(self, guard: WriteGuard) -> list[Statement]:
        statements: list[Statement] = []
        marks: list[_Mark] = []
        for piece in self._pieces:
            statement = self._run_reported(guard, piece)
            operation, name = statement.operation, statement.target.lower()
            if operation in _SUBSTITUTES:
                name = _OWN
                _check_state(operation, piece, is_open=any(mark.name == _OWN for mark in marks))
                self._connection.execute(_SUBSTITUTES[operation])
            if operation in {"BEGIN", "SAVEPOINT"}:
                marks.append(_Mark(name, len(statements), guard.counts.copy()))
            elif operation in {"COMMIT", "RELEASE", "ROLLBACK", "ROLLBACK TO"}:
                while marks[-1].name != name:
                    marks.pop()
                if operation.startswith("ROLLBACK"):
                    guard.counts = marks[-1].counts.copy()
                    since = marks[-1].statement
                    statements[since:] = map(_taken_back, statements[since:])
                if operation != "ROLLBACK TO":
                    marks.pop()
            statements.append(statement)
        if any(mark.name == _OWN for mark in marks):
            raise errors.QueryError(
                "the script begins a transaction and does not end it; nothing was changed",
                hint="end it with COMMIT, or leave BEGIN out: a script is one transaction anyway",
            )
        return statements

    def _run_reported(self, guard: WriteGuard, piece: Piece) -> Statement:
        try:
            return self._run_one(guard, piece)
        except apsw.Error as problem:
            guard.deadline = None
            raise script_error(
                problem,
                self._connection,
                self._text,
                piece,
                path=self._path,
                timeout=self._timeout,
            ) from problem

    def _run_one(self, guard: WriteGuard, piece: Piece) -> Statement:
        columns: tuple[str, ...] = ()
        main: Action | None = None

        def judge(cursor: apsw.Cursor, sql: str, _bindings: object) -> bool:
            """Sees the statement when it is prepared; False stops it before it does anything."""
            nonlocal columns, main
            guard.end()
            if len(sql.rstrip()) < len(piece.sql.rstrip()):
                raise errors.QueryError(
                    "this is more than one statement", hint="end each with a semicolon"
                )
            if (refusal := guard.refusal(cursor, piece.sql)) is not None:
                raise refusal
            main = None if cursor.is_explain else guard.main
            columns = () if is_transaction(main) else _columns(cursor)
            return told(main)[0] not in _SUBSTITUTES

        cursor = self._connection.cursor()
        cursor.exec_trace = judge
        guard.begin()
        try:
            rows = self._answer(cursor, piece)
        except apsw.ExecTraceAbort:
            rows = []
        except apsw.Error as problem:
            if (refusal := guard.refusal(None, piece.sql)) is not None:
                raise refusal from problem
            raise
        finally:
            guard.end()
        affected = self._connection.changes() if changes_rows(main) else None
        dangers = tuple(self._dangers(guard, main, piece.sql))
        return Statement(piece.sql, *told(main), affected, dangers, columns, rows)

    def _answer(self, cursor: apsw.Cursor, piece: Piece) -> list[tuple[Value, ...]]:
        try:
            # Uncached, so that the authorizer is asked every time.
            return list(cursor.execute(piece.sql, self._bindings, can_cache=False))
        except UnicodeDecodeError as problem:
            raise errors.QueryError(
                "text that is not valid UTF-8 stands in the answer",
                hint="read it as bytes with CAST(column AS BLOB)",
            ) from problem
        except (KeyError, OverflowError, TypeError, ValueError) as problem:
            raise parameter_error(problem) from problem

    def _dangers(self, guard: WriteGuard, main: Action | None, sql: str) -> Iterator[str]:
        operation, target = told(main)
        if main is None or main.schema == "temp":
            return
        if operation.startswith("DROP") and "TEMP" not in operation:
            if target in self._existing:
                yield f"drops the {operation.removeprefix('DROP ').lower()} {target}"
        elif guard.drops_column:
            yield f"drops the column {main.schema} of {target}"
        elif operation in _EVERY_ROW and not has_where(sql):
            yield _EVERY_ROW[operation].format(target)

    def _losses(self, tables: Mapping[str, TableChange], known: list[str]) -> Iterator[str]:
        """Tables that lose more than a share of their rows; those that are gone were named."""
        present = _names(self._connection)
        for table, change in tables.items():
            is_known = _EVERY_ROW["DELETE"].format(table) in known
            if not change.deleted or table not in present or is_known:
                continue
            quoted = table.replace('"', '""')
            after = int(self._connection.execute(f'SELECT count(*) FROM "{quoted}"').get)
            before = after + change.deleted - change.inserted
            if before > 0 and change.deleted > LARGEST_SHARE * before:
                lost = min(change.deleted, before)
                yield f"removes {lost:,} of the {before:,} rows of {table}"

    def _by_table(self, counts: Counter[tuple[str, str]]) -> dict[str, TableChange]:
        """Without what lies behind virtual tables, and what clankers keeps for itself."""
        hidden = {str(name) for (name,) in self._connection.execute(_HIDDEN_TABLES)}
        if not self._unsafe:
            hidden |= INTERNAL_TABLES
        names = {table: None for table, _ in counts if table not in hidden}
        return {
            table: TableChange(*(counts[table, operation] for operation in _COUNTED))
            for table in names
            if any(counts[table, operation] for operation in _COUNTED)
        }


_COUNTED = ("INSERT", "UPDATE", "DELETE")
_EVERY_ROW = {
    "UPDATE": "changes every row of {}: there is no WHERE",
    "DELETE": "removes every row of {}: there is no WHERE",
}
_HIDDEN_TABLES = """
SELECT name FROM pragma_table_list
WHERE type = 'shadow' OR schema = 'temp' OR name LIKE 'sqlite@_%' ESCAPE '@'
"""


def _names(connection: apsw.Connection) -> frozenset[str]:
    return frozenset(str(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema"))


def _check_state(operation: str, piece: Piece, *, is_open: bool) -> None:
    if (operation == "BEGIN") == is_open:
        raise errors.QueryError(
            "cannot start a transaction within a transaction"
            if is_open
            else f"cannot {operation.lower()}: no transaction is active",
            offset=piece.start,
        )


def _taken_back(statement: Statement) -> Statement:
    return statement._replace(affected=statement.affected and 0, dangers=())


def _columns(cursor: apsw.Cursor) -> tuple[str, ...]:
    return tuple(name for name, _ in cursor.get_description())
