"""One database as sync sees it: rows of both its files, stamps, and how far it is."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from clankers import errors
from clankers.store.archive._archive import ROW_COLUMNS, note_inserted
from clankers.store.capture import _marks as marks
from clankers.store.capture import _queue as queue
from clankers.store.capture import _received as received
from clankers.store.capture import _rows
from clankers.store.capture._authors import Authors
from clankers.store.capture._layout import CHILDREN, EVENT_TIMES, SYNCED
from clankers.store.capture._state import State, change_state, read_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import apsw

    from clankers.store import Store
    from clankers.store.archive._archive import Archive
    from clankers.store.capture._rows import Local, Tombstone


_CHUNK = 50_000


class Database:
    """A store with its archive, while it is synced."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.connection: apsw.Connection = store.connection
        self.authors = Authors(store.connection)
        # Rows that are back in the main file, and go from the archive when that is committed.
        self._returned: dict[str, list[int]] = {}
        self._moved: set[str] = set()
        self._in_archive = ExitStack()
        self._is_writing = False

    @property
    def state(self) -> State:
        return read_state(self.connection)

    @property
    def edition(self) -> int:
        """The edition of the rules of what leaves."""
        return int(self.connection.execute("SELECT edition FROM sync_core").get)

    def change(self, **values: Any) -> None:
        """Changes the state, in a transaction of its own or in the one that is open."""
        with self.store.atomic():
            change_state(self.connection, **values)

    # Reading

    def numbered(self, table: str, ns: Sequence[int]) -> Iterator[Local]:
        """Rows by number, in their order; archived ones too. Those that are nowhere are left out."""
        for found in _rows.of_numbers(self.connection, table, ns):
            if not isinstance(found, int):
                yield found
            elif (archive := self.archive()) is not None:
                yield from self._noted(table, archive.rows_by_n(table, [found]).values())

    def identified(self, table: str, ids: Iterable[str]) -> dict[str, Local]:
        """Rows by id; an archived one only where there is no other, or only a placeholder."""
        wanted = list(ids)
        found = _rows.of_ids(self.connection, table, wanted)
        archive = self.archive()
        if archive is not None:
            missing = [one for one in wanted if one not in found or found[one].is_placeholder]
            rows = archive.rows(table, missing).values()
            found.update((one.id, one) for one in self._noted(table, rows))
        return found

    def known(self, table: str, ids: Sequence[str]) -> set[str]:
        """Those of the ids that a row has, in either file."""
        query = f"SELECT t.id FROM json_each(?) j CROSS JOIN {table} t ON t.id = j.value"
        found = {str(one) for (one,) in self.connection.execute(query, (json.dumps(ids),))}
        archive = self.archive()
        return found if archive is None else found | archive.rows(table, ids).keys()

    def archived_sessions(self, ids: Iterable[str]) -> set[str]:
        """Those of the sessions that are in the archive."""
        archive = self.archive()
        return set() if archive is None else set(archive.rows("sessions", ids))

    def children(self, table: str, session_id: str) -> list[Local]:
        """What belongs to a session, in both files."""
        ns = received.numbers_of(self.connection, table, session_id)
        here = [
            one for one in _rows.of_numbers(self.connection, table, ns) if not isinstance(one, int)
        ]
        # After a move that was broken off one may stand in both, and the one here counts.
        ids = {one.id for one in here}
        return here + [one for one in self.archived_of(table, session_id) if one.id not in ids]

    def release_held_of(self, session_ids: Sequence[str]) -> None:
        """Looks once more at what is held of sessions: more may be known of them than before."""
        if not queue.has_held(self.connection):
            return
        archive = self.archive()
        away = {} if archive is None else archive.children_of(session_ids)
        for table in (*CHILDREN, "usage"):
            for one in session_ids:
                queue.release(
                    self.connection, table, received.numbers_of(self.connection, table, one)
                )
            queue.release(self.connection, table, away.get(table, []))

    def archived_of(self, table: str, session_id: str) -> list[Local]:
        """What belongs to a session in the archive."""
        archive = self.archive()
        if archive is None:
            return []
        ns = archive.children_of([session_id])[table]
        returned = self._returned.get(table, [])
        rows = archive.rows_by_n(table, [n for n in ns if n not in returned])
        return self._noted(table, rows.values())

    def tombstones(self, table: str, ids: Iterable[str]) -> dict[str, Tombstone]:
        return _rows.tombstones(self.connection, table, ids)

    def _noted(self, table: str, rows: Iterable[tuple[Any, ...]]) -> list[Local]:
        columns = ROW_COLUMNS[table]
        places = [columns.index(name) for name in SYNCED[table]]
        found = {row[0]: (row[1], [row[place] for place in places]) for row in rows}
        return _rows.archived(self.connection, table, found)

    def note_archived(self) -> None:
        """Has what was archived before there was any sync sent too."""
        archive = self.archive()
        if archive is None:
            return
        for table in ROW_COLUMNS:
            told = ", ".join(EVENT_TIMES[table])
            rows: list[Any] = archive.connection.execute(
                f"SELECT n, coalesce({told}, 1) FROM {table}"
                + (" WHERE NOT placeholder" if table == "sessions" else "")
            ).fetchall()
            for begin in range(0, len(rows), _CHUNK):
                with self.store.atomic():
                    marks.note_put_away(self.connection, table, rows[begin : begin + _CHUNK])

    # Between the two files

    @property
    def has_archive(self) -> bool:
        """Whether the file of the archive is there."""
        return self.store.has_archive

    def archive(self, *, create: bool = False) -> Archive | None:
        """The archive; None where there is none and none is to be made."""
        return self.store.opened_archive(create=create)

    @contextmanager
    def moving(self) -> Iterator[None]:
        """A quiet transaction in which rows may go from one file to the other.

        What goes to the archive is committed there first, what comes back goes from there
        last: whatever happens in between, it is in one of them.
        """
        self._returned, self._moved = {}, set()
        try:
            with self.store.quietly(), ExitStack() as self._in_archive:
                self._is_writing = False
                yield
                if self._is_writing:
                    self._writing().note_moving(self._moved)
        except BaseException:
            self.authors.forget()
            raise
        finally:
            self._in_archive = ExitStack()
        if self._moved:
            self._settle()

    def give_number(self, local: Local) -> None:
        """Gives an archived row of which nothing is noted a number that no other row has."""
        archive = self._writing()
        (row,) = archive.rows_by_n(local.table, [local.n]).values()
        local.n = received.new_number(self.connection, local.table)
        archive.put(local.table, [(local.n, *row[1:])])

    def put_archived(self, local: Local, values: dict[str, Any]) -> None:
        """Changes an archived row, there."""
        archive = self._writing()
        row = dict(
            zip(
                ROW_COLUMNS[local.table],
                archive.rows_by_n(local.table, [local.n])[local.n],
                strict=True,
            )
        )
        row.update(values)
        archive.put(local.table, [tuple(row.values())])

    def move_to_archive(self, table: str, ns: Sequence[int]) -> None:
        """Takes rows to the archive; what is noted of them stays here."""
        archive = self._writing()
        columns = ", ".join(ROW_COLUMNS[table]).replace("archived_at", "coalesce(archived_at, 0)")
        rows = [
            row
            for n in ns
            for row in self.connection.execute(f"SELECT {columns} FROM {table} WHERE n = ?", (n,))
        ]
        self._note(table, rows)
        archive.put(table, rows)
        if table == "sessions":
            received.take_sessions(self.connection, ns)
        else:
            received.delete_rows(self.connection, table, ns)

    def return_archived(self, table: str, ns: Sequence[int]) -> None:
        """Brings rows back under the numbers they have."""
        archive = self._writing()
        columns = ROW_COLUMNS[table]
        rows = list(archive.rows_by_n(table, ns).values())
        self._note(table, rows)
        for row in rows:
            here = [
                None if name == "archived_at" else value
                for name, value in zip(columns, row, strict=True)
            ]
            received.put_back(self.connection, table, columns, here)
        note_inserted(self.connection, table, ns)
        self._returned.setdefault(table, []).extend(ns)

    def erase(self, local: Local) -> None:
        """Takes a row away for ever, wherever it is."""
        if local.is_archived:
            self._writing().remove(local.table, [local.n])
        elif local.table == "sessions":
            received.take_sessions(self.connection, [local.n])
        else:
            received.delete_rows(self.connection, local.table, [local.n])
        received.forget_rows(self.connection, local.table, [local.n])

    def _writing(self) -> Archive:
        """The archive, in the transaction that ends before that of the store."""
        archive = self.archive(create=True)
        if archive is None:
            raise errors.StoreError(f"the archive of {self.store.path} cannot be opened")
        if not self._is_writing:
            self._in_archive.enter_context(archive.transaction())
            self._is_writing = True
        return archive

    def _note(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        place = ROW_COLUMNS[table].index("id" if table == "sessions" else "session_id")
        self._moved.update(str(row[place]) for row in rows)

    def _settle(self) -> None:
        """Takes from the archive what is back, now that this is certain."""
        archive = self.archive()
        if archive is None:
            return
        if self._returned:
            # A power cut must not take back what was committed, once it is gone from there.
            self.store.make_durable()
        with self.store.quietly(), archive.transaction():
            for table, ns in self._returned.items():
                archive.remove(table, ns)
            archive.forget_moving(self._moved)
        archive.update_index()
        self._returned, self._moved = {}, set()
