"""What capture has to note, in plain Python: stamps, queue and tombstones by the rules of sync.

The reference is shown the rows before and after every statement and told who wrote them; it
looks at no trigger and at no side table.
"""

from __future__ import annotations

import copy
import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from attrs import Factory, define, evolve, frozen

from clankers import wire
from clankers.store.capture._authors import Authors
from clankers.store.capture._rows import of_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import apsw

Stamp = tuple[int, str, int]
Key = tuple[str, str]
NEVER: Stamp = (0, "", 0)
UNTITLED = "Untitled Session"
# What an import goes by, the best first.
TIMES = {
    "sessions": ("updated_at", "ended_at", "created_at"),
    "messages": ("completed_at", "created_at"),
    "tools": ("created_at",),
    "session_errors": ("created_at",),
    "compaction_events": ("created_at",),
    "usage": ("occurred_at",),
}


@frozen
class Row:
    id: str
    fields: Mapping[str, Any]
    is_placeholder: bool


Rows = dict[tuple[str, int], Row]


def rows_of(connection: apsw.Connection) -> Rows:
    """All rows that sync, by table and number."""
    found: Rows = {}
    for table, fields in wire.FIELDS.items():
        placeholder = "placeholder" if table == "sessions" else "0"
        names = list(fields)
        for n, record_id, is_placeholder, *values in connection.execute(
            f"SELECT n, id, {placeholder}, {', '.join(names)} FROM {table}"
        ):
            given = dict(zip(names, values, strict=True))
            found[table, n] = Row(record_id, given, bool(is_placeholder))
    return found


@define
class Waiting:
    """When a change that waits was made: the newest, and the first that was not sent."""

    seq: int
    first: int
    state: str = "ready"


@define
class Noted:
    """What is known of one row."""

    newest: Stamp = NEVER
    said: dict[str, Stamp] = Factory(dict)
    waiting: Waiting | None = None


@define
class Tombstone:
    at: Stamp
    is_importable: bool
    project: str | None
    purge: bool = False
    waiting: Waiting | None = None


@define
class Reference:
    """The rules. `step` counts statements and commits: later ones are sent later."""

    device: str
    edition: int = 1
    now: int = 0
    floor: int = 0
    is_capturing: bool = False
    is_beginning: bool = False
    step: int = 0
    rows: Rows = Factory(dict)
    noted: dict[tuple[str, int], Noted] = Factory(dict)
    tombstones: dict[Key, Tombstone] = Factory(dict)

    def copied(self) -> Reference:
        """As it is now, for a transaction that may be rolled back."""
        return evolve(
            self,
            rows=dict(self.rows),
            noted=copy.deepcopy(self.noted),
            tombstones=copy.deepcopy(self.tombstones),
        )

    # What happens

    def wrote(self, after: Rows, *, how: str = "live", replaced: Iterable[Key] = ()) -> None:
        """A statement was executed: "live", by an "import", or "quiet".

        Rows that were `replaced` went without any trigger, as REPLACE does it.
        """
        self.step += 1
        before, self.rows = self.rows, after
        for place, row in before.items():
            if place not in after:
                is_told = how != "quiet" and (place[0], row.id) not in set(replaced)
                self._deleted(place, row, is_import=how == "import", is_told=is_told)
            elif after[place] != row and how != "quiet" and place in self.noted:
                self._changed(place, row, after[place], is_import=how == "import")

    def begin(self) -> None:
        """Capture begins; what is there is not new, and waits to be noted by its own times."""
        self.is_capturing = True
        self.is_beginning = bool(self.rows)

    def note_old(self) -> None:
        if self.is_beginning:
            self.is_beginning = False
            self.note_new(by_event=True)

    def note_new(self, *, by_event: bool = False) -> None:
        """What nobody has noted is new; all of it is one step."""
        self.step += 1
        if not self.is_capturing or self.is_beginning:
            return
        for place, row in self.rows.items():
            if place in self.noted:
                continue
            self.noted[place] = Noted()
            if not row.is_placeholder:
                self._say_whole(place, row, is_import=by_event)

    def note_unsaid(self) -> None:
        """New rows of a quiet write were never said."""
        if self.is_capturing:
            for place in self.rows:
                self.noted.setdefault(place, Noted())

    def acknowledged(self, place: tuple[str, int]) -> None:
        self.noted[place].waiting = None

    def held(self, place: tuple[str, int]) -> None:
        waiting = self.noted[place].waiting
        assert waiting is not None
        waiting.state = "held"

    def purged(self, after: int) -> None:
        """The tombstones that were made after a step erase wherever they arrive."""
        for one in self.tombstones.values():
            if one.waiting is not None and one.waiting.seq > after:
                one.purge = True

    # The rules

    def _clock(self, place: tuple[str, int], row: Row, *, is_import: bool) -> int:
        wall = max(self.now, self.floor)
        if not is_import:
            return wall
        told = (row.fields[name] for name in TIMES[place[0]])
        event = next((at for at in told if at is not None), 1)
        return max(1, min(event, wall))

    def _stamp(self, place: tuple[str, int], row: Row, *, is_import: bool) -> Stamp:
        tombstone = self.tombstones.get((place[0], row.id))
        at = max(
            self._clock(place, row, is_import=is_import),
            self.noted[place].newest[0] + 1,
            0 if tombstone is None else tombstone.at[0] + 1,
        )
        return at, self.device, self.edition

    def _changed(self, place: tuple[str, int], old: Row, new: Row, *, is_import: bool) -> None:
        if new.is_placeholder:
            return
        if old.id != new.id and not old.is_placeholder:
            self._bury(place, old, is_import=is_import)
        is_change = old.id == new.id and not old.is_placeholder
        if not is_change or place[0] == "usage":
            self._say_whole(place, new, is_import=is_import, is_change=is_change)
            return
        noted = self.noted[place]
        noted.newest = self._stamp(place, new, is_import=is_import)
        for name, value in new.fields.items():
            if value != old.fields[name]:
                noted.said[name] = noted.newest
        self._queue(noted)

    def _say_whole(
        self, place: tuple[str, int], row: Row, *, is_import: bool, is_change: bool = False
    ) -> None:
        noted, tombstone = self.noted[place], self.tombstones.get((place[0], row.id))
        noted.newest = self._stamp(place, row, is_import=is_import)
        comes_back = tombstone is not None and not is_change
        noted.said = {
            name: noted.newest
            for name, value in row.fields.items()
            if value is not None or comes_back
        }
        self._queue(noted)
        if tombstone is not None and not tombstone.purge:
            tombstone.waiting = None

    def _queue(self, one: Noted | Tombstone) -> None:
        first = self.step if one.waiting is None else one.waiting.first
        one.waiting = Waiting(self.step, first)

    def _deleted(self, place: tuple[str, int], row: Row, *, is_import: bool, is_told: bool) -> None:
        if is_told:
            self.noted.setdefault(place, Noted())
            self._bury(place, row, is_import=is_import)
        self.noted.pop(place, None)

    def _bury(self, place: tuple[str, int], row: Row, *, is_import: bool) -> None:
        table = place[0]
        at = self._clock(place, row, is_import=is_import)
        at = max(at, self.noted[place].newest[0] + 1)
        project = row.fields["project_path"] if table == "sessions" else None
        before = self.tombstones.get((table, row.id))
        if before is None:
            made = Tombstone((at, self.device, self.edition), is_import, project)
        else:
            stamp = (max(at, before.at[0] + 1), self.device, self.edition)
            made = Tombstone(stamp, is_import, project or before.project, waiting=before.waiting)
        self._queue(made)
        self.tombstones[table, row.id] = made

    # What the database has to show

    def said(self) -> dict[Key, dict[str, Stamp]]:
        """The stamps of what each record says; an unknown title or beginning says nothing."""
        return {
            (place[0], row.id): {
                name: stamp
                for name, stamp in self.noted[place].said.items()
                if not (name == "title" and row.fields[name] == UNTITLED)
                and not (name == "created_at" and row.fields[name] is None)
            }
            for place, row in self.rows.items()
            if place in self.noted and self.noted[place].newest != NEVER
        }

    def queue(self) -> dict[tuple[str, str, str], Waiting]:
        puts = {
            (place[0], row.id, "put"): self.noted[place].waiting
            for place, row in self.rows.items()
            if place in self.noted
        }
        deletes = {(*key, "delete"): one.waiting for key, one in self.tombstones.items()}
        return {key: one for key, one in {**puts, **deletes}.items() if one is not None}


# The database against the reference


def differences(connection: apsw.Connection, reference: Reference) -> list[str]:
    """What the views show that the rules do not say, and the other way round."""
    return [
        *_versions(connection, reference),
        *_read(connection, reference),
        *_queued(connection, reference),
    ]


def _read(connection: apsw.Connection, reference: Reference) -> Iterable[str]:
    """What sync reads to send it: unlike the view, it leaves out what was never said."""
    authors = Authors(connection)
    found: dict[Key, dict[str, Stamp]] = {}
    for table in wire.TABLES:
        ids = [row.id for (place, _n), row in reference.rows.items() if place == table]
        for local in of_ids(connection, table, ids).values():
            if local.at:
                said = {name: authors.unpack(at) for name, at in local.stamps().items()}
                found[table, local.id] = said
    yield from _compared("read", reference.said(), found)


def _versions(connection: apsw.Connection, reference: Reference) -> Iterable[str]:
    said = reference.said()
    shown: dict[Key, dict[str, Stamp]] = {}
    buried: dict[Key, Any] = {}
    for table, record_id, stamps, at, purge, project in connection.execute(
        "SELECT tbl, id, stamps, deleted_at, purge, project FROM sync_versions"
    ):
        key = table, record_id
        found = {name: tuple(stamp) for name, stamp in json.loads(stamps).items()}
        if found:
            shown[key] = found
        if at is not None:
            buried[key] = (tuple(json.loads(at)), bool(purge), project)
    yield from _compared("records", set(said), set(shown))
    for key in said.keys() & shown.keys():
        # The view has one stamp for fields that were never said, which nobody asks for.
        yield from _compared(key, said[key], {name: shown[key][name] for name in said[key]})
    expected = {
        key: (one.at, one.purge, one.project)
        for key, one in reference.tombstones.items()
        if key in said or key not in _living(reference)
    }
    yield from _compared("tombstones", expected, buried)


def _living(reference: Reference) -> set[Key]:
    """Ids that stand in a table; of those that nothing was said of, the view says nothing."""
    return {(table, row.id) for (table, _n), row in reference.rows.items()}


def _queued(connection: apsw.Connection, reference: Reference) -> Iterable[str]:
    expected = reference.queue()
    found = {
        (table, record_id, op): (seq, first, state)
        for table, record_id, op, seq, first, state in connection.execute(
            "SELECT tbl, id, op, seq, first_seq, state FROM sync_queue WHERE id NOT NULL"
        )
    }
    yield from _compared(
        "queue",
        {key: one.state for key, one in expected.items()},
        {key: state for key, (_seq, _first, state) in found.items()},
    )
    both = expected.keys() & found.keys()
    yield from _ordered("seq", [(expected[key].seq, found[key][0], key) for key in both])
    yield from _ordered("first", [(expected[key].first, found[key][1], key) for key in both])


def _ordered(what: str, pairs: list[tuple[int, int, Any]]) -> Iterable[str]:
    """What was done in one step comes in any order; a later step has greater numbers."""
    pairs.sort()
    for (step, number, key), (next_step, next_number, next_key) in pairwise(pairs):
        if step < next_step and not number < next_number:
            yield f"{what} of {key} is {number}, of the later {next_key} {next_number}"


def _compared(what: Any, expected: Any, found: Any) -> Iterable[str]:
    if expected == found:
        return
    if not isinstance(expected, dict):
        yield f"{what}: expected {expected}, found {found}"
        return
    for key in sorted(expected.keys() | found.keys()):
        if expected.get(key) != found.get(key):
            yield f"{what}, {key}: expected {expected.get(key)}, found {found.get(key)}"
