"""What a script did, or would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clankers.formats import Value


class Statement(NamedTuple):
    """One statement of a script.

    Attributes:
        sql: its text.
        operation: what it does, in SQL's words: ``UPDATE``, ``DROP TABLE``, ``SELECT``.
        target: the table, or whatever else it is done to; "" where there is none.
        affected: how many rows it inserted, updated or deleted itself, without triggers and
            cascades; None where that means nothing.
        dangers: why it is destructive; empty where it is not.
        columns: the names of its answer's columns; empty where it has no answer.
        rows: its answer.
    """

    sql: str
    operation: str
    target: str
    affected: int | None
    dangers: tuple[str, ...]
    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]

    @property
    def writes(self) -> bool:
        """Whether it does more than read."""
        return self.operation not in _READING


class TableChange(NamedTuple):
    """How many rows of a table a script inserted, updated and deleted.

    What triggers and cascades do counts, and a REPLACE that meets a row is a delete and an
    insert.
    """

    inserted: int
    updated: int
    deleted: int


class Changes(NamedTuple):
    """What a script changed; or, where it is not `committed`, would change.

    Attributes:
        statements: each statement in its order.
        tables: the tables of which rows changed, by name.
        dangers: why the script is destructive, in sentences; empty where it is not.
        committed: whether it was done. False after a dry run, after a no, and where there was
            nothing to write.
        backup: the copy of the database that was made before, if one was.
    """

    statements: tuple[Statement, ...]
    tables: Mapping[str, TableChange]
    dangers: tuple[str, ...]
    committed: bool = False
    backup: Path | None = None

    @property
    def writes(self) -> bool:
        """Whether any statement does more than read."""
        return any(statement.writes for statement in self.statements)


def is_same(changes: Changes, others: Changes) -> bool:
    """Whether two runs of a script did the same to as many rows."""
    mine, theirs = (
        [(one.operation, one.target, one.affected) for one in run.statements]
        for run in (changes, others)
    )
    return mine == theirs and changes.tables == others.tables


# A transaction of the user's own is no change either.
_READING = frozenset(
    {"SELECT", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "ROLLBACK TO"}
)
