"""What a statement may do, decided by SQLite's authorizer while it prepares the statement."""

from __future__ import annotations

from time import monotonic

import apsw

from clankers import errors

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTH_LIMIT = 100_000_000
SQL_LENGTH_LIMIT = 1_000_000
# Between two looks at the clock pass this many of SQLite's own steps, about 0.05 ms.
STEPS_PER_LOOK = 1_000

_READING = frozenset({apsw.SQLITE_READ, apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE})
_SCHEMA_TABLES = frozenset({"sqlite_master", "sqlite_temp_master"})
_SCHEMA_WRITES = frozenset({apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE})

# Functions that reach outside the database, by SQLite, its shell or its usual extensions.
REFUSED_FUNCTIONS = frozenset(
    {
        "edit",
        "eval",
        "fts3_tokenizer",
        "load_extension",
        "lsdir",
        "lsmode",
        "optimize",
        "readfile",
        "sqlite_log",
        "sqlite_dbpage",
        "writefile",
    }
)
# `data_version` and `page_size` are also what full-text tables ask for on their own.
READABLE_PRAGMAS = frozenset(
    {
        "application_id",
        "auto_vacuum",
        "automatic_index",
        "busy_timeout",
        "cache_size",
        "cell_size_check",
        "collation_list",
        "compile_options",
        "data_version",
        "database_list",
        "encoding",
        "foreign_keys",
        "freelist_count",
        "function_list",
        "journal_mode",
        "journal_size_limit",
        "locking_mode",
        "max_page_count",
        "mmap_size",
        "module_list",
        "page_count",
        "page_size",
        "pragma_list",
        "query_only",
        "recursive_triggers",
        "schema_version",
        "secure_delete",
        "synchronous",
        "temp_store",
        "threads",
        "trusted_schema",
        "user_version",
        "wal_autocheckpoint",
    }
)
# What stands behind these is the name of a table or index, or how many errors to list.
NAMING_PRAGMAS = frozenset(
    {
        "foreign_key_check",
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
    }
)
_COPY_HINT = "to change rows, work on a copy of the database with another SQLite program"


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
            self.refused = (_VACUUM, "", None)
        return self.refused is None

    def refusal(self, connection: apsw.Connection, sql: str) -> errors.QueryRefusedError:
        """The error for what was just denied, named as the user wrote it where SQLite tells."""
        refused = self.refused
        if refused is not None and refused[0] in _SCHEMA_WRITES and refused[1] in _SCHEMA_TABLES:
            refused = self._behind_schema_write(connection, sql) or refused
        self.begin()
        return _describe(*(refused or (_VACUUM, "", None)))

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
        return self._looks_behind and action in _SCHEMA_WRITES and first in _SCHEMA_TABLES

    def _is_too_late(self) -> bool:
        return self.deadline is not None and monotonic() > self.deadline


_VACUUM = -1


def _abandon(*_: object) -> bool:
    return False


def _describe(action: int, first: str, second: str | None) -> errors.QueryRefusedError:
    describe = _DESCRIBERS.get(action, _writing)
    operation, message, hint = describe(action, first, second)
    return errors.QueryRefusedError(message, operation=operation, hint=hint)


_Description = tuple[str, str, str]


def _writing(action: int, first: str, second: str | None) -> _Description:
    if action == apsw.SQLITE_CREATE_TABLE and first.startswith("sqlite_stat"):
        action = apsw.SQLITE_ANALYZE  # Only ANALYZE can make these tables.
    operation = _operation(action)
    subject = "" if action in _OF_EVERYTHING else first
    if action == apsw.SQLITE_ALTER_TABLE:
        subject = second or ""
    words = " ".join(filter(None, [operation, _PREPOSITIONS.get(action), subject]))
    return operation, f"this would {words}; query only reads", _COPY_HINT


def _transaction(action: int, first: str, _second: str | None) -> _Description:
    operation = first
    if action == apsw.SQLITE_SAVEPOINT:
        operation = {"BEGIN": "SAVEPOINT", "ROLLBACK": "ROLLBACK TO"}.get(first, first)
    hint = "leave it out: each statement already reads one consistent state"
    return operation, f"{operation} is refused; query runs single statements that read", hint


def _pragma(_action: int, first: str, second: str | None) -> _Description:
    name = first.lower()
    operation = f"PRAGMA {name}"
    if second is None:
        message = f"PRAGMA {name} is not one that only tells something"
        return operation, message, "those that do may be read, such as PRAGMA table_info(sessions)"
    shows = f"'PRAGMA {name}' without a value shows it" if name in READABLE_PRAGMAS else ""
    return operation, f"this would set PRAGMA {name}; query only reads", shows


def _function(_action: int, _first: str, second: str | None) -> _Description:
    name = (second or "").lower()
    message = f"{name}() is refused: it reaches outside what query reads"
    return f"{name}()", message, "read tables with the other functions of SQLite"


def _operation(action: int) -> str:
    if action == _VACUUM:
        return "VACUUM"
    name = apsw.mapping_authorizer_function[action]
    return str(name).removeprefix("SQLITE_").replace("_", " ").replace("VTABLE", "VIRTUAL TABLE")


_OF_EVERYTHING = frozenset({apsw.SQLITE_ANALYZE, apsw.SQLITE_REINDEX})
_PREPOSITIONS = {apsw.SQLITE_DELETE: "from", apsw.SQLITE_INSERT: "into"}
_DESCRIBERS: dict[int, Callable[[int, str, str | None], _Description]] = {
    apsw.SQLITE_TRANSACTION: _transaction,
    apsw.SQLITE_SAVEPOINT: _transaction,
    apsw.SQLITE_PRAGMA: _pragma,
    apsw.SQLITE_FUNCTION: _function,
}


def refused_function(name: str) -> errors.QueryRefusedError:
    """The error for a refused function that this SQLite does not even have."""
    return _describe(apsw.SQLITE_FUNCTION, "", name)
