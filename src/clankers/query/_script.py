"""A script of several statements, run once within a transaction that others end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import apsw

from clankers import errors
from clankers.query._changes import Changes, Statement
from clankers.query._effects import Effects
from clankers.query._errors import parameter_error, script_error
from clankers.query._statements import pieces
from clankers.query._write_guard import WriteGuard, changes_rows, is_transaction, told

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.formats import Value
    from clankers.query._effects import Snapshot
    from clankers.query._run import Bindings
    from clankers.query._statements import Piece
    from clankers.query._write_guard import Action

_TRANSACTIONS = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})
_MARKING = frozenset({"BEGIN", "SAVEPOINT"})
_ENDING = frozenset({"COMMIT", "RELEASE", "ROLLBACK", "ROLLBACK TO"})


class _Mark(NamedTuple):
    """Where a transaction or savepoint of the user's began, and what had happened by then."""

    name: str
    statement: int
    effects: Snapshot


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
        # Stands for the user's own BEGIN, which cannot begin another transaction.
        self._own = f"clankers {os.urandom(8).hex()}"
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
        effects = Effects(self._connection, shows_internal=self._unsafe)
        guard = WriteGuard(self._connection, effects.count, unsafe=self._unsafe)
        if self._timeout is not None:
            guard.deadline = monotonic() + self._timeout
        with guard:
            statements = self._run_all(guard, effects)
        self._check_references()
        dangers = [danger for one in statements for danger in one.dangers]
        dangers += effects.losses(statements)
        return Changes(tuple(statements), effects.tables(), tuple(dangers))

    def _run_all(self, guard: WriteGuard, effects: Effects) -> list[Statement]:
        statements: list[Statement] = []
        marks: list[_Mark] = []
        for piece in self._pieces:
            statement = self._run_reported(guard, effects, piece)
            if is_transaction(guard.main):
                self._move(statement, piece, statements, marks, effects)
            statements.append(statement)
        if any(mark.name == self._own for mark in marks):
            raise errors.QueryError(
                "the script begins a transaction and does not end it; nothing was changed",
                hint="end it with COMMIT or ROLLBACK",
            )
        return statements

    def _move(
        self,
        statement: Statement,
        piece: Piece,
        statements: list[Statement],
        marks: list[_Mark],
        effects: Effects,
    ) -> None:
        """Follows a BEGIN, a SAVEPOINT, or the end of one, and takes back what it takes back."""
        operation, name = statement.operation, statement.target.lower()
        if operation in _TRANSACTIONS:
            name = self._own
            is_open = any(mark.name == name for mark in marks)
            _check_state(operation, piece, is_open=is_open)
            self._connection.execute(self._substitute(operation))
        if operation in _MARKING:
            marks.append(_Mark(name, len(statements), effects.snapshot()))
        elif operation in _ENDING:
            while marks[-1].name != name:
                marks.pop()
            if operation.startswith("ROLLBACK"):
                since = marks[-1].statement
                statements[since:] = map(_taken_back, statements[since:])
                effects.return_to(marks[-1].effects)
            if operation != "ROLLBACK TO":
                marks.pop()

    def _substitute(self, operation: str) -> str:
        return {
            "BEGIN": f'SAVEPOINT "{self._own}"',
            "COMMIT": f'RELEASE "{self._own}"',
            "ROLLBACK": f'ROLLBACK TO "{self._own}"; RELEASE "{self._own}"',
        }[operation]

    def _check_references(self) -> None:
        """Constraints that are checked at the commit are broken in the trial already."""
        broken, _ = self._connection.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)
        if broken:
            raise errors.QueryError(
                "nothing was changed: FOREIGN KEY constraint failed",
                hint="a row refers to one that is not there when the script is done",
            )

    def _run_reported(self, guard: WriteGuard, effects: Effects, piece: Piece) -> Statement:
        try:
            return self._run_one(guard, effects, piece)
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

    def _run_one(self, guard: WriteGuard, effects: Effects, piece: Piece) -> Statement:
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
            return told(main)[0] not in _TRANSACTIONS

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
        dangers = () if main is None else tuple(effects.dangers(main, piece.sql))
        if main is not None:
            effects.note(main)
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
