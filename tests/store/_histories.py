"""Random lives of a database, each step compared with the rules of capture."""

from __future__ import annotations

import random
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import apsw

from clankers import Store, models, wire
from clankers.errors import StoreError
from clankers.importers import Batch, Resume
from clankers.importing._removed import Removed
from clankers.store.capture import _marks as marks
from clankers.store.capture import _queue as queue
from clankers.store.capture._authors import Authors
from clankers.store.capture._deleted import note_purged, sequence
from clankers.store.capture._state import change_state
from store._capture import Reference, Row, differences, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Fault = Callable[[apsw.Connection], None]

# How much of what is written is taken back.
UNDONE = 0.12
# When they begin.
BEGINNING = 1_767_603_600_000
SESSIONS = ("s1", "s2", "s3")
KINDS: dict[str, tuple[str, type[Any]]] = {
    "messages": ("m", models.Message),
    "tools": ("t", models.ToolCall),
    "session_errors": ("e", models.SessionError),
    "compaction_events": ("c", models.Compaction),
    "usage": ("u", models.Usage),
}
GROUPS = {"session_errors": "errors", "compaction_events": "compactions"}
# Columns that are changed, and what to: few values, so that many changes change nothing.
TEXTS = ("one", "two", "three")
NUMBERS = (1, 2, 3)
CHANGED: dict[str, dict[str, tuple[Any, ...]]] = {
    "sessions": {
        "title": (*TEXTS, "Untitled Session", None),
        "project_path": ("/a", "/b", None),
        "status": (*TEXTS, None),
        "git_branch": (*TEXTS, None),
    },
    "messages": {
        "text_content": (*TEXTS, None),
        "role": ("user", "assistant", None),
        "duration_ms": (*NUMBERS, None),
        "thinking": (*TEXTS, None),
    },
    "tools": {
        "tool_output": (*TEXTS, None),
        "tool_name": TEXTS,
        "success": (0, 1, None),
    },
    "session_errors": {"error_message": (*TEXTS, None)},
    "compaction_events": {"tokens_after": (*NUMBERS, None)},
    "usage": {"output_tokens": NUMBERS, "raw": (*TEXTS, None), "model": (*TEXTS, None)},
}
WAYS = {
    "live": 8,
    "import": 5,
    "foreign": 7,
    "quiet": 3,
    "prune": 1,
    "acknowledge": 4,
    "hold": 1,
    "floor": 1,
    "edition": 1,
}
LIVE = {
    "upsert": 8,
    "update": 6,
    "no change": 2,
    "delete": 3,
    "delete session": 1,
    "purge session": 1,
    "rename": 2,
}
IMPORT = {"import": 8, "update": 3, "delete": 1}
QUIET = {"refill": 3, "insert": 3, "delete": 1}
FOREIGN = {"update": 5, "no change": 2, "insert": 4, "replace": 4, "delete": 3, "rename": 2}


class WrongError(AssertionError):
    """The database shows something else than the rules say."""


class Undone(Exception):  # noqa: N818  # nothing is wrong
    """Rolls back what was written."""


def julianday(at: int) -> float:
    return 2440587.5 + at / 86_400_000


class History:
    """One database on disk, another program that writes it, and the reference beside them.

    Args:
        path: an empty database of our schema.
        seed: what happens.
        fault: breaks capture as soon as it has begun.
    """

    def __init__(self, path: Path, seed: int, *, fault: Fault | None = None) -> None:
        self._chance = random.Random(seed)
        self._fault = fault
        self.done: list[str] = []
        self.store = Store.open(path)
        self.connection = self.store.connection
        self.connection.pragma("synchronous", "off")
        self.connection.create_scalar_function(
            "julianday", self._julianday, 1, flags=apsw.SQLITE_INNOCUOUS
        )
        self.other = sqlite3.connect(path, isolation_level=None)
        self.other.create_function("julianday", 1, self._julianday)
        self.reference = Reference(self.store.device_id)
        self.reference.now = BEGINNING
        self._sequence = 0

    def close(self) -> None:
        self.other.close()
        self.store.close()

    def _julianday(self, *_now: Any) -> float:
        return julianday(self.reference.now)

    def live(self, steps: int) -> None:
        """Lives so many steps; capture begins first, or somewhere among them.

        Raises:
            WrongError: the database and the rules differ.
        """
        begins = self._chance.choice((0, 0, self._chance.randrange(steps // 2)))
        begun = begins + self._chance.choice((0, 0, 2))
        for step in range(steps):
            if step == begins:
                self._begin()
            if step == begun:
                self._note_old()
            self._pass_time()
            way = self._one_of(WAYS)
            self._note(f"{way}:")
            getattr(self, f"_{way}")()
            self._compare()

    # What is compared

    def _compare(self) -> None:
        if found := differences(self.connection, self.reference):
            raise WrongError("\n".join(found))

    def _compare_sequence(self) -> None:
        """The number of the newest change never goes back once it was committed."""
        sequence = self.connection.execute("SELECT seq FROM sync_state").get
        if sequence < self._sequence:
            raise WrongError(f"seq went back from {self._sequence} to {sequence}")
        self._sequence = sequence

    def _wrote(self, how: str, connection: Any = None, **more: Any) -> None:
        rows = rows_of(self.connection if connection is None else connection)
        self.reference.wrote(rows, how=how, **more)
        if connection is None:
            self._compare()

    # What happens

    def _pass_time(self) -> None:
        self.reference.now += self._chance.choice((0, 1, 7, 1_000, 60_000, -5_000, -90_000))

    def _begin(self) -> None:
        self._note("begin")
        with self.store.atomic():
            marks.begin(self.connection)
            if self._fault is not None:
                self._fault(self.connection)
            self.reference.begin()
        self.reference.note_new()
        self._compare()

    def _note_old(self) -> None:
        self._note("note_chunk")
        with self.store.atomic():
            marks.note_chunk(self.connection)
            self.reference.note_old()
        self.reference.note_new()
        self._compare()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A transaction that is sometimes rolled back, here and in the reference."""
        before = self.reference.copied()
        try:
            with self.store.atomic():
                yield
                self._perhaps_undo("ROLLBACK")
            self.reference.note_new()
        except Undone:
            before.now = self.reference.now
            self.reference = before
        self._compare()
        self._compare_sequence()

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        """A part of a transaction, which SQLite may refuse, and which is sometimes taken back."""
        before = self.reference.copied()
        try:
            with self.store.atomic():
                yield
                self._perhaps_undo("ROLLBACK TO")
        except (Undone, StoreError, apsw.ConstraintError):
            before.now = self.reference.now
            self.reference = before

    def _perhaps_undo(self, what: str) -> None:
        if self._chance.random() < UNDONE:
            self._note(what)
            raise Undone

    def _several(self, ways: dict[str, int], how: str) -> None:
        for _time in range(self._chance.randrange(1, 4)):
            with self._savepoint():
                self._act(self._one_of(ways), how)

    def _live(self) -> None:
        with self._transaction():
            self._several(LIVE, "live")

    def _import(self) -> None:
        with self._transaction(), self.store.by_event():
            self.reference.note_new()
            self._several(IMPORT, "import")
            # As the store does at its end, before anything else is written.
            self.reference.note_new(by_event=True)

    def _quiet(self) -> None:
        before = self.reference.copied()
        try:
            with self.store.quietly():
                self.reference.note_old()
                self.reference.note_new()
                self._several(QUIET, "quiet")
                self.reference.note_unsaid()
                self._perhaps_undo("ROLLBACK")
        except Undone:
            before.now = self.reference.now
            self.reference = before
        self._compare_sequence()

    def _prune(self) -> None:
        session, unsent = self._chance.choice(SESSIONS), self._chance.random() < 0.5
        self._note(f"{session} unsent={unsent}")
        self.reference.note_old()
        self.reference.note_new()
        waiting = {
            self._session_of(key[0], key[1])
            for key in self.reference.queue()
            if key[2] == "put" and key[0] != "usage"
        }
        before = rows_of(self.connection)
        self.store.prune(before=2**60, among=[session], unsent=unsent)
        after = rows_of(self.connection)
        if session in waiting and not unsent and before != after:
            raise WrongError(f"{session} was pruned, which waits")
        self.reference.wrote(after, how="quiet")

    def _session_of(self, table: str, record_id: str) -> str:
        for (name, _n), row in self.reference.rows.items():
            if (name, row.id) == (table, record_id):
                return record_id if name == "sessions" else str(row.fields["session_id"])
        return ""

    def _acknowledge(self) -> None:
        """A server has a row; of an older state of it that changes nothing."""
        with self._transaction():
            if (found := self._waiting()) is not None:
                table, n, seq = found
                is_stale = self._chance.random() < 0.3
                self._note(f"{table} {n}{' stale' * is_stale}")
                sent = queue.Acknowledged(n, seq - is_stale, b"hash", 1, 1)
                queue.acknowledge(self.connection, table, [sent])
                if not is_stale:
                    self.reference.acknowledged((table, n))

    def _hold(self) -> None:
        with self._transaction():
            if (found := self._waiting()) is not None:
                table, n, _seq = found
                queue.hold(self.connection, table, [n])
                self.reference.held((table, n))

    def _waiting(self) -> tuple[str, int, int] | None:
        places = [place for place, one in self.reference.noted.items() if one.waiting is not None]
        if not places:
            return None
        table, n = self._chance.choice(places)
        return table, n, self.connection.execute(f"SELECT seq FROM sync_{table} WHERE n = {n}").get

    def _floor(self) -> None:
        """Another device's clock is ahead."""
        floor = self.reference.now + self._chance.choice((0, 5_000, 600_000))
        with self.store.atomic():
            change_state(self.connection, clock_floor=floor)
            self.reference.floor = floor
        self.reference.note_new()

    def _edition(self) -> None:
        edition = self.reference.edition + 1
        with self.store.atomic():
            number = Authors(self.connection).number(self.reference.device, edition)
            self.connection.execute(
                "UPDATE sync_core SET edition = ?, author = ?", (edition, number)
            )
            self.reference.edition = edition
        self.reference.note_new()

    # Statements of ours

    def _act(self, what: str, how: str) -> None:
        match what:
            case "upsert" | "import":
                self._write(how)
            case "insert":
                self._insert_quietly()
            case "delete session":
                self._delete_session()
            case "purge session":
                before, step = sequence(self.connection), self.reference.step
                self._delete_session()
                note_purged(self.connection, before)
                self.reference.purged(step)
                self._compare()
            case _:
                self._change(what, how)

    def _write(self, how: str) -> None:
        record = self._record()
        self._note(f"{how} {record}")
        if how == "import":
            self._import_record(record)
        elif isinstance(record, models.Usage):
            # In two steps, for each stamps what it changes.
            touched = self.store.write_usage([record])
            self._wrote(how)
            self.store.refresh(touched)
        else:
            self.store.upsert(record)
        self._wrote(how)

    def _import_record(self, record: Any) -> None:
        table, before = self._table_of(record), self.reference.rows
        batch = Batch(Resume())
        group = GROUPS.get(table, table)
        getattr(batch, group).append(record)
        kept = getattr(Removed(self.connection).rest_of(batch), group)
        if table == "usage":
            self.store.write_usage(kept)
        else:
            if table != "sessions":
                self.store.add_placeholders([one.session_id for one in kept])
            self.store.write(table, kept)
        if self._is_buried(table, record) and rows_of(self.connection) != before:
            raise WrongError(f"an import brought back {record}")

    def _is_buried(self, table: str, record: Any) -> bool:
        """Whether what an import tells is not newer than the deletion of the record or its session."""
        keys = [(table, record.id)]
        if table not in ("sessions", "usage"):
            keys.append(("sessions", record.session_id))
        times = {
            "usage": ("occurred_at",),
            "sessions": ("updated_at", "created_at"),
        }.get(table, ("created_at",))
        event = max(getattr(record, name) or 0 for name in times)
        found = (self.reference.tombstones.get(key) for key in keys)
        return any(
            one is not None and not one.is_importable and event <= one.at[0] for one in found
        )

    def _table_of(self, record: Any) -> str:
        found = (table for table, (_letter, kind) in KINDS.items() if isinstance(record, kind))
        return next(found, "sessions")

    def _record(self) -> Any:
        session, table = self._chance.choice(SESSIONS), self._chance.choice(("sessions", *KINDS))
        at = self.reference.now + self._chance.choice((-600_000, -5_000, -10, 0, 5_000))
        given = {
            name: self._chance.choice(values)
            for name, values in CHANGED[table].items()
            if self._chance.random() < 0.6
        }
        if table == "sessions":
            updated = self._chance.choice((None, at + 3))
            created = self._chance.choice((at, at, None))
            return models.Session(session, created_at=created, updated_at=updated, **given)
        letter, kind = KINDS[table]
        record_id = f"{session}:{letter}{self._chance.randrange(1, 3)}"
        if table == "usage":
            return kind(id=record_id, session_id=session, occurred_at=at, **given)
        if table == "tools":
            given.setdefault("tool_name", "one")
        return kind(id=record_id, session_id=session, created_at=at, **given)

    def _insert_quietly(self) -> None:
        session = self._chance.choice(SESSIONS)
        record_id = f"{session}:m{self._chance.randrange(1, 3)}"
        self._note(f"quiet {record_id}")
        self.connection.execute(
            "INSERT INTO sessions(id, placeholder) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (session, self._chance.randrange(2)),
        )
        self.connection.execute(
            "INSERT INTO messages(id, session_id, role) VALUES (?, ?, 'user')"
            " ON CONFLICT DO NOTHING",
            (record_id, session),
        )
        self._wrote("quiet")

    def _delete_session(self) -> None:
        session = self._chance.choice(SESSIONS)
        self._note(f"delete {session}")
        if ("sessions", session) in {(t, row.id) for (t, _n), row in self.reference.rows.items()}:
            self.store.delete([session])
            self._wrote("live")

    def _change(self, what: str, how: str) -> None:
        found = self._statement(what)
        if found is not None:
            sql, values = found
            self._note(f"{sql} {values}")
            self.connection.execute(sql, values)
            self._wrote(how)

    # SQL that anybody may write

    def _statement(self, what: str) -> tuple[str, tuple[Any, ...]] | None:
        if not self.reference.rows:
            return None
        (table, n), row = self._chance.choice(sorted(self.reference.rows.items(), key=_place))
        if what == "delete":
            return f"DELETE FROM {table} WHERE n = ?", (n,)
        if what == "rename":
            ids = [one.id for (name, _n), one in self.reference.rows.items() if name == table]
            return f"UPDATE {table} SET id = ? WHERE n = ?", (self._free(row.id, ids), n)
        name = self._chance.choice(sorted(CHANGED[table]))
        if what == "no change":
            return f"UPDATE {table} SET {name} = {name}, n = n", ()
        values = [one for one in CHANGED[table][name] if one != row.fields[name]]
        if what == "refill":
            values = [one for one in values if one is not None and one != "Untitled Session"]
            if row.fields[name] in (None, "Untitled Session"):
                return None
        return f"UPDATE {table} SET {name} = ? WHERE n = ?", (self._chance.choice(values), n)

    def _free(self, record_id: str, ids: list[str]) -> str:
        """Another id, perhaps one that was deleted."""
        if ":" not in record_id:
            wanted = [*SESSIONS, "s9"]
        else:
            stem = record_id[:-1]
            wanted = [f"{stem}{number}" for number in (1, 2, 9)]
        return self._chance.choice([one for one in wanted if one not in ids] or ["s99:x1"])

    # Statements of another program

    def _foreign(self) -> None:
        before = self.reference.copied()
        self.other.execute(f"PRAGMA foreign_keys = {self._chance.choice(('ON', 'OFF'))}")
        is_recursive = self._chance.random() < 0.5
        self.other.execute(f"PRAGMA recursive_triggers = {'ON' if is_recursive else 'OFF'}")
        self.other.execute("BEGIN IMMEDIATE")
        for _time in range(self._chance.randrange(1, 3)):
            self._foreign_statement(self._one_of(FOREIGN), is_recursive=is_recursive)
        if self._chance.random() < UNDONE:
            self._note("ROLLBACK")
            self.other.execute("ROLLBACK")
            before.now = self.reference.now
            self.reference = before
        else:
            self.other.execute("COMMIT")
        self._compare_sequence()

    def _foreign_statement(self, what: str, *, is_recursive: bool) -> None:
        found = self._foreign_row(what) if what in ("insert", "replace") else self._statement(what)
        if found is None:
            return
        sql, values = found
        self._note(f"{sql} {values} {'recursive' * is_recursive}")
        try:
            self.other.execute(sql, values)
        except sqlite3.IntegrityError:
            return
        replaced = []
        if what == "replace" and not is_recursive:
            after = rows_of(self.other)  # type: ignore[arg-type]
            new = {
                (t, row.id) for (t, n), row in after.items() if (t, n) not in self.reference.rows
            }
            replaced = [
                (t, row.id)
                for (t, n), row in self.reference.rows.items()
                if (t, n) not in after and (t, row.id) in new
            ]
        self._wrote("live", self.other, replaced=replaced)

    def _foreign_row(self, what: str) -> tuple[str, tuple[Any, ...]]:
        record = self._record()
        table = self._table_of(record)
        required = {"session_id", "created_at", "occurred_at"} & wire.FIELDS[table].keys()
        names = sorted({"id", *required, *CHANGED[table]})
        values = tuple(getattr(record, name) for name in names)
        if table == "usage":
            values = tuple(
                one if one is not None or name == "raw" else 1
                for name, one in zip(names, values, strict=True)
            )
        verb = "INSERT OR IGNORE" if what == "insert" else "REPLACE"
        sql = f"{verb} INTO {table}({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        return sql, values

    # Chance

    def _one_of(self, weights: dict[str, int]) -> str:
        return self._chance.choices(list(weights), list(weights.values()))[0]

    def _note(self, what: str) -> None:
        self.done.append(what)


def _place(item: tuple[tuple[str, int], Row]) -> tuple[str, int]:
    return item[0]


# Faults that are planted to see whether histories find them


def rewritten(what: str, old: str, new: str) -> Fault:
    """Triggers of a name `sync_<what>`, % for any table, that say something else."""

    def plant(connection: apsw.Connection) -> None:
        found = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name LIKE ?",
            (f"sync_{what}",),
        ).fetchall()
        changed = [(name, str(sql)) for name, sql in found if old in str(sql)]
        assert changed, f"no trigger {what} says {old}"
        for name, sql in changed:
            connection.execute(f"DROP TRIGGER {name}")
            connection.execute(sql.replace(old, new))

    return plant


def without(name: str) -> Fault:
    """No trigger of a name."""
    return executing(f"DROP TRIGGER sync_{name}")


def besides(sql: str) -> Fault:
    """One more trigger, which undoes what the others do."""
    return executing(f"CREATE TRIGGER fault {sql}")


def executing(sql: str) -> Fault:
    def plant(connection: apsw.Connection) -> None:
        connection.execute(sql)

    return plant


FAULTS: dict[str, Fault] = {
    "<> for IS NOT": rewritten("%_changed", "IS NOT NEW.", "<> NEW."),
    "a stamp is not above the one before": rewritten("%_changed", ", at + 1,", ", 0,"),
    "a stamp is not above the tombstone": rewritten(
        "%", "(SELECT at + 1 FROM sync_deleted", "(SELECT 0 FROM sync_deleted"
    ),
    "whole rows are stamped": rewritten(
        "messages_changed", "\nEND", "\nDELETE FROM sync_messages_fields WHERE n = NEW.n; END"
    ),
    "no delete trigger": without("messages_gone"),
    "a tombstone is not above the row": rewritten("%_gone", "1 + coalesce(", "0 * coalesce("),
    "a tombstone is not above the one before": rewritten(
        "%_gone", "max(excluded.at, at + 1)", "excluded.at"
    ),
    "the project is forgotten": rewritten("sessions_gone", "OLD.project_path FROM", "NULL FROM"),
    "a waiting row goes to the end": rewritten(
        "%_changed", "first = coalesce(first, ", "first = ("
    ),
    "a change leaves a row held": rewritten("%_changed", ", state = NULL", ""),
    "quiet changes are noted": rewritten("%_changed", "NOT quiet AND", ""),
    "quiet deletions are noted": rewritten("%_gone", "WHEN NOT (SELECT quiet FROM sync_core)", ""),
    "clock_floor is ignored": rewritten("%_changed", "max(clock_floor, ", "max(0, "),
    "imports are stamped now": rewritten("%_changed", "(SELECT import FROM sync_core)", "0"),
    "a column is forgotten": rewritten("sessions_changed", " OR OLD.status IS NOT NEW.status", ""),
    "the edition is forgotten": rewritten(
        "%_changed", "by = (SELECT author FROM sync_core)", "by = 1"
    ),
    "a number is used twice": rewritten("%_changed", "UPDATE sync_core SET seq = seq + 1;", ""),
    "no trigger for placeholders": without("sessions_real"),
    "placeholders are stamped": rewritten(
        "sessions_%", "AND NOT OLD.placeholder AND NOT NEW.placeholder", ""
    ),
    "no trigger for new ids": without("messages_renamed"),
    "the mark is forgotten": besides(
        "AFTER UPDATE OF m_messages ON sync_core WHEN NEW.m_messages > OLD.m_messages"
        " BEGIN UPDATE sync_core SET m_messages = OLD.m_messages; END"
    ),
    "new rows are not queued": besides(
        "AFTER INSERT ON sync_tools WHEN NEW.first NOT NULL"
        " BEGIN UPDATE sync_tools SET first = NULL WHERE n = NEW.n; END"
    ),
    "what lives again waits to be deleted": besides(
        "BEFORE UPDATE OF first ON sync_deleted WHEN NEW.first IS NULL"
        " BEGIN SELECT RAISE(IGNORE); END"
    ),
    "what lives again says only what it has": besides(
        "BEFORE INSERT ON sync_messages_fields WHEN NEW.s_session_id NOT NULL"
        " BEGIN SELECT RAISE(IGNORE); END"
    ),
}
