"""What a statement of a script does, told by SQLite's authorizer and counted as it happens."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import apsw

from clankers.query._guard import SCHEMA_TABLES, STEPS_PER_LOOK
from clankers.query._refusals import (
    NAMING_PRAGMAS,
    READABLE_PRAGMAS,
    REFUSED_FUNCTIONS,
    VACUUM,
    kept_by_clankers,
    operation_name,
    outside_transaction,
)
from clankers.query._statements import opening_words
from clankers.store._schema import ARCHIVE_TABLES, COLUMNS, INTERNAL_TABLES, INTERNAL_TRIGGERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from clankers import errors

_READING = frozenset({apsw.SQLITE_READ, apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE})
_ROW_WRITES = frozenset({apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE})
_TRANSACTIONS = frozenset({apsw.SQLITE_TRANSACTION, apsw.SQLITE_SAVEPOINT})
_SHAPES = frozenset({apsw.SQLITE_DROP_TABLE, apsw.SQLITE_DROP_VTABLE, apsw.SQLITE_ALTER_TABLE})
_OTHER_FILES = frozenset({apsw.SQLITE_ATTACH, apsw.SQLITE_DETACH})
# What is made over a table, whose name is the second of the authorizer's words.
_OVER_TABLES = frozenset(
    {
        apsw.SQLITE_CREATE_INDEX,
        apsw.SQLITE_CREATE_TEMP_INDEX,
        apsw.SQLITE_CREATE_TRIGGER,
        apsw.SQLITE_CREATE_TEMP_TRIGGER,
    }
)
# Numbers in the header of the file that SQLite leaves to its users.
_FREE_PRAGMAS = frozenset({"application_id", "user_version"})
_ADDRESS = "n"


class Action(NamedTuple):
    """One thing that a statement does: the authorizer's code and its two names, lower down.

    `trigger` is the trigger that does it; None for the statement itself.
    """

    code: int
    first: str
    second: str | None
    schema: str | None
    trigger: str | None

    @property
    def name(self) -> str:
        """What it is done to."""
        return (self.second or "") if self.code == apsw.SQLITE_ALTER_TABLE else self.first

    @property
    def is_temporary(self) -> bool:
        """Whether it is done to what lasts as long as the connection."""
        schema = self.first if self.code == apsw.SQLITE_ALTER_TABLE else self.schema
        return schema == "temp"

    @property
    def dropped_column(self) -> str | None:
        """The column that ALTER TABLE drops; SQLite names it in place of the schema."""
        return self.schema if self.code == apsw.SQLITE_ALTER_TABLE else None


class WriteGuard:
    """Stands on one writing connection while a script runs.

    `count` is called for each row that is touched, also by triggers, cascades and REPLACE.

    Attributes:
        deadline: when to stop, by the monotonic clock.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        count: Callable[[apsw.PreUpdate], None],
        *,
        unsafe: bool,
    ) -> None:
        self.deadline: float | None = None
        self._connection = connection
        self._count = count
        self._unsafe = unsafe
        self._actions: list[Action] = []
        self._refused: Action | None = None
        self._judges = False

    def __enter__(self) -> None:
        connection = self._connection
        self._attached = connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_authorizer(self._authorize)
        connection.set_progress_handler(self._is_too_late, STEPS_PER_LOOK)
        connection.preupdate_hook(self._count)
        if self._unsafe:
            connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)

    def __exit__(self, *_: object) -> None:
        connection = self._connection
        connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        connection.preupdate_hook(None)
        connection.set_progress_handler(None)
        connection.set_authorizer(None)
        connection.limit(apsw.SQLITE_LIMIT_ATTACHED, self._attached)

    def begin(self) -> None:
        """From now on what is prepared is the next statement."""
        self._actions = []
        self._refused = None
        self._judges = True

    def end(self) -> None:
        """What is prepared from now on is not the user's."""
        self._judges = False

    @property
    def main(self) -> Action | None:
        """What the statement is about; None where it only reads."""
        shaping = (action for action in self._actions if action.code not in _ROW_WRITES)
        return next(shaping, None) or next(iter(self._actions), None)

    def refusal(self, cursor: apsw.Cursor | None, sql: str) -> errors.QueryRefusedError | None:
        """Why the statement that was just prepared may not run; None where it may."""
        if (refused := self._refused) is not None:
            return outside_transaction(refused.code, refused.first, refused.second)
        if cursor is None or cursor.is_explain:
            return None
        if not self._actions and not cursor.is_readonly and "VACUUM" in opening_words(sql):
            return outside_transaction(VACUUM, "", None)
        if self._unsafe:
            return None
        main = self.main
        for action in self._actions:
            # A change of shape also writes into SQLite's own tables.
            if (action is main or changes_rows(main)) and _is_kept(action):
                return kept_by_clankers(action.code, action.name)
        return None

    def _authorize(
        self,
        code: int,
        first: str | None,
        second: str | None,
        schema: str | None,
        trigger: str | None,
    ) -> int:
        if code in _READING:
            return apsw.SQLITE_OK
        action = Action(code, first or "", second, schema, trigger)
        # Also of what a statement prepares while it runs, as SELECT * FROM pragma_optimize does.
        if not _is_allowed(action):
            self._refused = self._refused or action
            return apsw.SQLITE_DENY
        if self._judges and _is_change(action):
            self._actions.append(action)
        return apsw.SQLITE_OK

    def _is_too_late(self) -> bool:
        return self.deadline is not None and monotonic() > self.deadline


def is_transaction(action: Action | None) -> bool:
    """Whether a statement begins or ends a transaction or savepoint."""
    return action is not None and action.code in _TRANSACTIONS


def changes_rows(action: Action | None) -> bool:
    """Whether SQLite counts the rows that such a statement changes."""
    return action is not None and action.code in _ROW_WRITES


def told(action: Action | None) -> tuple[str, str]:
    """Operation and what it is done to, in SQL's words; SELECT and nothing for reading."""
    if action is None:
        return "SELECT", ""
    operation, target = operation_name(action.code), action.name
    if action.code == apsw.SQLITE_PRAGMA:
        operation, target = f"PRAGMA {action.first.lower()}", ""
    elif action.code == apsw.SQLITE_SAVEPOINT:
        operation, target = _SAVEPOINTS[action.first], action.second or ""
    elif action.code == apsw.SQLITE_TRANSACTION:
        operation, target = action.first, ""
    elif action.code == apsw.SQLITE_ANALYZE or action.first.startswith("sqlite_stat"):
        operation, target = "ANALYZE", ""  # Only ANALYZE can make these tables.
    return operation, target


_SAVEPOINTS = {"BEGIN": "SAVEPOINT", "RELEASE": "RELEASE", "ROLLBACK": "ROLLBACK TO"}


def _is_allowed(action: Action) -> bool:
    """Whether it can be rolled back and stays within the database."""
    if action.code == apsw.SQLITE_FUNCTION:
        return (action.second or "").lower() not in REFUSED_FUNCTIONS
    if action.code == apsw.SQLITE_PRAGMA:
        name = action.first.lower()
        is_told = action.second is None and name in READABLE_PRAGMAS
        return is_told or name in NAMING_PRAGMAS or name in _FREE_PRAGMAS
    return action.code not in _OTHER_FILES


def _is_change(action: Action) -> bool:
    if action.code == apsw.SQLITE_PRAGMA:
        return action.second is not None and action.first.lower() in _FREE_PRAGMAS
    return action.code != apsw.SQLITE_FUNCTION


def _is_kept(action: Action) -> bool:
    """Whether a change is of something that only clankers itself should change."""
    name = action.name
    if name in INTERNAL_TRIGGERS:
        return True
    if action.trigger in INTERNAL_TRIGGERS or action.is_temporary:
        return action.code in _OVER_TABLES and _is_internal(action.second or "")
    if action.code == apsw.SQLITE_UPDATE and name in COLUMNS and action.second == _ADDRESS:
        return True  # The search index goes by it.
    if action.code in _ROW_WRITES:
        return name not in SCHEMA_TABLES and _is_internal(name)
    if action.code in _SHAPES:
        return _is_internal(name) or name in ARCHIVE_TABLES
    return action.code in _OVER_TABLES and _is_internal(action.second or "")


def _is_internal(name: str) -> bool:
    return name in INTERNAL_TABLES or name.startswith("sqlite_")
