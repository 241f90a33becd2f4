"""What is refused, and how that is said."""

from __future__ import annotations

import apsw

from clankers import errors

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Callable

# An action that SQLite's authorizer knows nothing of.
VACUUM = -1

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
_WRITE_HINT = (
    "with --write it is done, and --dry-run shows what it would change;"
    " from Python: Query.execute(sql, write=True)"
)


def describe(action: int, first: str, second: str | None) -> errors.QueryRefusedError:
    """The error for an action that only reading allows for, in words a user knows."""
    describer = _DESCRIBERS.get(action, _writing)
    operation, message, hint = describer(action, first, second)
    # Not even a script that writes may have these.
    hint = _OUTSIDE.get(operation, hint)
    return errors.QueryRefusedError(message, operation=operation, hint=hint)


_Description = tuple[str, str, str]


def _writing(action: int, first: str, second: str | None) -> _Description:
    if action == apsw.SQLITE_CREATE_TABLE and first.startswith("sqlite_stat"):
        action = apsw.SQLITE_ANALYZE  # Only ANALYZE can make these tables.
    operation = operation_name(action)
    subject = "" if action in _OF_EVERYTHING else first
    if action == apsw.SQLITE_ALTER_TABLE:
        subject = second or ""
    words = " ".join(filter(None, [operation, PREPOSITIONS.get(action), subject]))
    return operation, f"this would {words}; query only reads", _WRITE_HINT


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


# What a script is told that asks for one of these, and how to have it done.
_OUTSIDE = {
    "VACUUM": "'clankers-cli vacuum' does it; 'clankers-cli backup create' makes a copy",
    "ATTACH": "'clankers-cli --db FILE query' asks another database",
    "DETACH": "only the one database is open",
    "PRAGMA journal_mode": "the archive stays in WAL mode, so that others can read and write",
    "PRAGMA wal_checkpoint": "'clankers-cli vacuum' does it",
    "PRAGMA optimize": "'clankers-cli vacuum' renews the statistics",
    "PRAGMA incremental_vacuum": "'clankers-cli vacuum' gives free room back",
    "PRAGMA auto_vacuum": "'clankers-cli vacuum' gives free room back",
}


def outside_transaction(action: int, first: str, second: str | None) -> errors.QueryRefusedError:
    """The error for what no script may do, because it cannot be tried and rolled back."""
    if action == apsw.SQLITE_FUNCTION:
        return describe(action, first, second)
    operation = operation_name(action)
    if action == apsw.SQLITE_PRAGMA:
        operation = f"PRAGMA {first.lower()}"
        shows = (
            f"'{operation}' without a value shows it" if first.lower() in READABLE_PRAGMAS else ""
        )
        hint = _OUTSIDE.get(operation, shows)
        return errors.QueryRefusedError(
            f"{operation} cannot be set in a transaction that may be rolled back",
            operation=operation,
            hint=hint,
        )
    return errors.QueryRefusedError(
        f"{operation} cannot stand in a transaction that may be rolled back",
        operation=operation,
        hint=_OUTSIDE.get(operation, ""),
    )


def kept_by_clankers(action: int, name: str) -> errors.QueryRefusedError:
    """The error for a change of what clankers keeps for itself."""
    operation = operation_name(action)
    words = " ".join(filter(None, [operation, PREPOSITIONS.get(action), name]))
    return errors.QueryRefusedError(
        f"this would {words}, which clankers relies on",
        operation=operation,
        hint="--unsafe does it all the same; from Python: execute(..., unsafe=True)",
    )


def operation_name(action: int) -> str:
    """An action of the authorizer in the words of SQL."""
    if action == VACUUM:
        return "VACUUM"
    name = apsw.mapping_authorizer_function[action]
    return str(name).removeprefix("SQLITE_").replace("_", " ").replace("VTABLE", "VIRTUAL TABLE")


_OF_EVERYTHING = frozenset({apsw.SQLITE_ANALYZE, apsw.SQLITE_REINDEX})
PREPOSITIONS = {apsw.SQLITE_DELETE: "from", apsw.SQLITE_INSERT: "into"}
_DESCRIBERS: dict[int, Callable[[int, str, str | None], _Description]] = {
    apsw.SQLITE_TRANSACTION: _transaction,
    apsw.SQLITE_SAVEPOINT: _transaction,
    apsw.SQLITE_PRAGMA: _pragma,
    apsw.SQLITE_FUNCTION: _function,
}


def refused_function(name: str) -> errors.QueryRefusedError:
    """The error for a refused function that this SQLite does not even have."""
    return describe(apsw.SQLITE_FUNCTION, "", name)
