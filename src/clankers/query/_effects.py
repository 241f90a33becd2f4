"""What a script does to the tables, counted row by row, and what of it is destructive."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from clankers.query._changes import TableChange
from clankers.query._statements import has_where
from clankers.query._write_guard import told
from clankers.store._schema import INTERNAL_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import apsw

    from clankers.query._changes import Statement
    from clankers.query._write_guard import Action

# A script that takes more than this part of a table's rows away is destructive.
LARGEST_SHARE = 0.1
_COUNTED = ("INSERT", "UPDATE", "DELETE")
_EVERY_ROW = {
    "UPDATE": "changes every row of {}: there is no WHERE",
    "DELETE": "removes every row of {}: there is no WHERE",
}
_NAMES = "SELECT name FROM main.sqlite_schema"
_KINDS = "SELECT name, type FROM pragma_table_list WHERE schema = 'main'"


class Snapshot(NamedTuple):
    """What had happened up to some moment of a script."""

    counts: Counter[tuple[str, str]]
    made: frozenset[str]
    names: frozenset[str]


class Effects:
    """Collects what the statements of one run do.

    Rows of a table that is renamed go by its last name; what the script itself made may go
    without a word.
    """

    def __init__(self, connection: apsw.Connection, *, shows_internal: bool) -> None:
        self._connection = connection
        self._shows_internal = shows_internal
        self._counts: Counter[tuple[str, str]] = Counter()
        self._made: set[str] = set()
        self._names = self._read_names()

    def count(self, change: apsw.PreUpdate) -> None:
        """SQLite's hook: a row is inserted, updated or deleted, by whomever."""
        if change.database_name == "main":
            self._counts[change.table_name, change.op] += 1

    def note(self, main: Action) -> None:
        """Follows a statement that made, dropped or renamed something."""
        operation, target = told(main)
        if main.is_temporary or not operation.startswith(("CREATE", "DROP", "ALTER")):
            return
        names = self._read_names()
        came, went = names - self._names, self._names - names
        self._names = names
        if operation.startswith("CREATE"):
            self._made |= came
        elif operation == "ALTER TABLE" and target in went:
            # Its own indexes are renamed with it.
            self._rename(target, next(name for name in came if not name.startswith("sqlite_")))

    def _rename(self, old: str, new: str) -> None:
        for operation in _COUNTED:
            self._counts[new, operation] += self._counts.pop((old, operation), 0)
        if old in self._made:
            self._made.add(new)

    def snapshot(self) -> Snapshot:
        return Snapshot(self._counts.copy(), frozenset(self._made), self._names)

    def return_to(self, before: Snapshot) -> None:
        """What happened since then was rolled back."""
        self._counts, self._made = before.counts.copy(), set(before.made)
        self._names = before.names

    def dangers(self, main: Action, sql: str) -> Iterator[str]:
        """Why a statement is destructive, whatever the rows."""
        operation, target = told(main)
        if main.is_temporary or target in self._made:
            return
        if operation.startswith("DROP") and "TEMP" not in operation:
            yield f"drops the {operation.removeprefix('DROP ').lower()} {target}"
        elif main.dropped_column is not None:
            yield f"drops the column {main.dropped_column} of {target}"
        elif operation in _EVERY_ROW and not has_where(sql):
            yield _EVERY_ROW[operation].format(target)

    def tables(self) -> dict[str, TableChange]:
        """The changes of each table, without those behind virtual ones and clankers' own."""
        kinds = self._kinds()
        names = {name: None for name, _ in self._counts if self._is_shown(name, kinds)}
        changes = {name: self._change(name) for name in names}
        return {name: change for name, change in changes.items() if any(change)}

    def losses(self, statements: Sequence[Statement]) -> Iterator[str]:
        """Tables that lose more than a share of their rows, or of which every row is changed."""
        known = {danger for one in statements for danger in one.dangers}
        kinds = self._kinds()
        virtual = {
            name: TableChange(0, 0, _deleted(statements, name))
            for name, kind in kinds.items()
            if kind == "virtual"
        }
        for name, change in {**self.tables(), **virtual}.items():
            if name in self._made or name not in kinds or not (change.deleted or change.updated):
                continue
            if not any(every.format(name) in known for every in _EVERY_ROW.values()):
                yield from self._loss(name, change)

    def _loss(self, name: str, change: TableChange) -> Iterator[str]:
        quoted = name.replace('"', '""')
        after = int(self._connection.execute(f'SELECT count(*) FROM main."{quoted}"').get)
        before = after + change.deleted - change.inserted
        if before > 0 and change.deleted > LARGEST_SHARE * before:
            lost = min(change.deleted, before)
            yield f"removes {lost:,} of the {before:,} rows of {name}"
        elif change.updated >= before > 1:
            yield f"changes all {before:,} rows of {name}"

    def _is_shown(self, name: str, kinds: Mapping[str, str]) -> bool:
        if name.startswith("sqlite_") or kinds.get(name) == "shadow":
            return False
        return self._shows_internal or name not in INTERNAL_TABLES

    def _change(self, name: str) -> TableChange:
        return TableChange(*(self._counts[name, operation] for operation in _COUNTED))

    def _kinds(self) -> dict[str, str]:
        return {str(name): str(kind) for name, kind in self._connection.execute(_KINDS)}

    def _read_names(self) -> frozenset[str]:
        return frozenset(str(name) for (name,) in self._connection.execute(_NAMES))


def _deleted(statements: Sequence[Statement], name: str) -> int:
    """The rows that went from a virtual table, of which SQLite's hook knows nothing."""
    return sum(
        one.affected or 0 for one in statements if one.operation == "DELETE" and one.target == name
    )
