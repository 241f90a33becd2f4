"""What a statement may do, decided by SQLite's authorizer while it prepares the statement."""

from __future__ import annotations

from time import monotonic

import apsw

from clankers.query._refusals import (
    NAMING_PRAGMAS,
    READABLE_PRAGMAS,
    REFUSED_FUNCTIONS,
    VACUUM,
    describe,
)

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from clankers import errors

LENGTH_LIMIT = 100_000_000
SQL_LENGTH_LIMIT = 1_000_000
# Between two looks at the clock pass this many of SQLite's own steps, about 0.05 ms.
STEPS_PER_LOOK = 1_000

_READING = frozenset({apsw.SQLITE_READ, apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE})
SCHEMA_TABLES = frozenset({"sqlite_master", "sqlite_temp_master"})
_SCHEMA_WRITES = frozenset({apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE})


class Guard:
    """Stands on one connection and lets its statements read, nothing else.

    Attributes:
        refused: what the statement that is being prepared was first denied: the
            authorizer's action and its first two words; None as long as it only reads.
        deadline: when to stop the statement that is running, by the monotonic clock.
    """

    __slots__ = ("_looks_behind", "_saw_pragma", "deadline", "refused")

    def __init__(self, connection: apsw.Connection) -> None:
        self.refused: tuple[int, str, str | None] | None = None
        self.deadline: float | None = None
        self._saw_pragma = False
        self._looks_behind = False
        connection.limit(apsw.SQLITE_LIMIT_LENGTH, LENGTH_LIMIT)
        connection.limit(apsw.SQLITE_LIMIT_SQL_LENGTH, SQL_LENGTH_LIMIT)
        connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_authorizer(self._authorize)
        # Also without a time limit: between two calls Python looks at Ctrl-C.
        connection.set_progress_handler(self._is_too_late, STEPS_PER_LOOK)

    def begin(self) -> None:
        """Forgets what earlier statements were denied."""
        self.refused = None
        self._saw_pragma = False

    def permits(self, cursor: apsw.Cursor) -> bool:
        """Judges a prepared statement before its first step.

        VACUUM is the one statement that SQLite prepares without asking the authorizer.
        `PRAGMA journal_mode` also counts as writing, but was asked for.
        """
        if not cursor.is_readonly and not self._saw_pragma and self.refused is None:
            self.refused = (VACUUM, "", None)
        return self.refused is None

    def refusal(self, connection: apsw.Connection, sql: str) -> errors.QueryRefusedError:
        """The error for what was just denied, named as the user wrote it where SQLite tells."""
        refused = self.refused
        if refused is not None and refused[0] in _SCHEMA_WRITES and refused[1] in SCHEMA_TABLES:
            refused = self._behind_schema_write(connection, sql) or refused
        self.begin()
        return describe(*(refused or (VACUUM, "", None)))

    def _behind_schema_write(
        self, connection: apsw.Connection, sql: str
    ) -> tuple[int, str, str | None] | None:
        """What stands behind a write to the schema table, which DROP and CREATE ask for first.

        The statement is prepared once more, with just that write let through, and is
        always abandoned before its first step.
        """
        self.begin()
        self._looks_behind = True
        cursor = connection.cursor()
        cursor.exec_trace = _abandon
        try:
            cursor.execute(sql, can_cache=False)
        except apsw.Error:
            pass
        finally:
            self._looks_behind = False
        return self.refused

    def _authorize(
        self, action: int, first: str | None, second: str | None, _schema: object, _by: object
    ) -> int:
        if action in _READING or self._is_harmless(action, first or "", second):
            return apsw.SQLITE_OK
        if self.refused is None:
            self.refused = (action, first or "", second)
        return apsw.SQLITE_DENY

    def _is_harmless(self, action: int, first: str, second: str | None) -> bool:
        if action == apsw.SQLITE_FUNCTION:
            return (second or "").lower() not in REFUSED_FUNCTIONS
        if action == apsw.SQLITE_PRAGMA:
            self._saw_pragma = True
            name = first.lower()
            return name in NAMING_PRAGMAS or (second is None and name in READABLE_PRAGMAS)
        return self._looks_behind and action in _SCHEMA_WRITES and first in SCHEMA_TABLES

    def _is_too_late(self) -> bool:
        return self.deadline is not None and monotonic() > self.deadline


def _abandon(*_: object) -> bool:
    return False
