"""A connection to one database, and its transactions."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from clankers import errors
from clankers.store._connection import BUSY_TIMEOUT_MS, translated
from clankers.store._schema import READ_COLUMNS
from clankers.store.capture._marks import note_new, quietly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    import apsw


class Opened:
    """An open database; see `Store`."""

    def __init__(self, connection: apsw.Connection, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.connection = connection
        self._read_only = read_only
        self._busy_timeout_ms = BUSY_TIMEOUT_MS
        self._depth = 0
        self._device_id: str | None = None
        # How many there were so far, and what waits for the end of the one that is open.
        self._transactions = 0
        self._afterwards: list[Callable[[], None]] = []

    def close(self) -> None:
        self.connection.close()

    @property
    def is_read_only(self) -> bool:
        """Whether it was opened for reading only."""
        return self._read_only

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def device_id(self) -> str:
        """The random id this database got when it was made; new rows carry it as `origin_device`."""
        if self._device_id is None:
            with translated(self.path):
                self._device_id = str(self.connection.execute("SELECT id FROM device").get)
        return self._device_id

    def forget_device(self) -> None:
        """Asks anew for the id, which another one has changed."""
        self._device_id = None

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All writes inside become one transaction, or none of them happens.

        Takes the write lock at once. Nested uses are savepoints of the outermost.

        Raises:
            ReadOnlyError: the store was opened for reading only.
            DatabaseBusyError: another process kept the lock for the whole timeout.
        """
        connection = self._writing()
        with translated(self.path):
            nested = connection.in_transaction
            if self._depth and not nested:
                raise errors.StoreError(
                    f"the transaction on {self.path} was rolled back",
                    hint="let its error end the outermost atomic() before writing again",
                )
            self._depth += 1
            try:
                connection.execute("SAVEPOINT nested" if nested else "BEGIN IMMEDIATE")
                self._transactions += not nested
                yield
                if not nested:
                    # What was inserted is queued with what it belongs to, or not at all.
                    note_new(connection)
                connection.execute("RELEASE nested" if nested else "COMMIT")
            except BaseException:
                # A full disk may make SQLite roll back by itself.
                if connection.in_transaction:
                    connection.execute(
                        "ROLLBACK TO nested; RELEASE nested" if nested else "ROLLBACK"
                    )
                if not nested:
                    self._afterwards.clear()
                raise
            finally:
                self._depth -= 1
        while self._afterwards and not nested:
            self._afterwards.pop(0)()

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """All that is read inside is of one state of the database, whatever others commit."""
        with translated(self.path):
            self.connection.execute("SAVEPOINT moment")
            try:
                yield
            finally:
                # A full disk makes SQLite end the transaction by itself.
                if self.connection.in_transaction:
                    self.connection.execute("RELEASE moment")

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """A transaction of which sync is told nothing: what moves here is no news elsewhere."""
        with self.atomic(), quietly(self.connection):
            yield

    def _writing(self) -> apsw.Connection:
        if self._read_only:
            raise errors.ReadOnlyError(
                f"the store at {self.path} was opened for reading only",
                hint="open it without read_only to write",
            )
        return self.connection

    def _records(self, table: str, rest: str, values: Sequence[Any]) -> Iterator[Any]:
        # Records cost 30 ms to load, which an import that finds nothing new can save.
        from clankers.store._rows import BUILDERS

        build = BUILDERS[table]
        # COUNTED calls the row u.
        for row in self._rows(
            f"SELECT {', '.join(READ_COLUMNS[table])} FROM {table} u {rest}", values
        ):
            yield build(*row)

    def _rows(self, sql: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        with translated(self.path):
            try:
                cursor = self.connection.execute(sql, values)
            except UnicodeEncodeError:
                # Half of a UTF-16 pair, from a name that is not UTF-8, is in no stored text.
                return
            yield from cursor
