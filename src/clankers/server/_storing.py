"""The statements that write what a merging came to: one parameter a table, however many rows.

The rows of a table travel as one JSON text, which is the cheapest way over HTTP and nearly so
to a file; the same statements run on any SQLite from 3.45 on.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from clankers import wire
from clankers.server._held import COLUMNS, COVERED, SHOWN, Held, row_of
from clankers.server._indexing import index_rows
from clankers.server._schema import STAMP_COLUMNS
from clankers.server.backends import Statement, in_parts
from clankers.store.search._index import INDEXED, UNCOLLECTED_ROWS, indexed_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clankers.server._held import Key
    from clankers.server._merging import Merging
    from clankers.store.search._index import Indexed

ANSWERS_KEPT_MS = 7 * 24 * 3_600_000
_COLLECTED_SHARE = 0.2
_NEVER_EMPTY = {
    "usage": frozenset(name for name, one in wire.FIELDS["usage"].items() if not one.is_nullable)
}


def statements(merging: Merging, now: int) -> list[Statement]:
    """Everything that must be written, in its order; the first fails when others wrote meanwhile.

    No parameter is longer than the database takes.
    """
    made = [Statement("UPDATE service SET expected = ?", (merging.expected,))]
    plan = _Plan(merging)
    for indexed in INDEXED if merging.head.has_index else ():
        made += plan.unindexed(indexed)
    made += plan.removals()
    made += plan.rows()
    made += plan.covered()
    made += plan.tombstones()
    if merging.head.has_index:
        for indexed in INDEXED:
            made += plan.indexed(indexed)
        made += plan.words()
    made += _history(merging, now)
    made.append(
        Statement(
            "UPDATE service SET revision = ?1, expected = ?1, last_sync = ?2",
            (merging.head.revision, now),
        )
    )
    return made


class _Plan:
    """Which rows go where."""

    def __init__(self, merging: Merging) -> None:
        self._merging = merging
        self._largest = merging.largest
        self._rows: dict[str, list[tuple[str, Held]]] = {table: [] for table in wire.TABLES}
        self._gone: dict[str, list[tuple[str, Held]]] = {table: [] for table in wire.TABLES}
        self._covered: list[tuple[Key, Held]] = []
        self._uncovered: list[Key] = []
        self._dead: list[tuple[Key, Held]] = []
        for key, held in merging.records.items():
            self._sort(key, held)

    def _sort(self, key: Key, held: Held) -> None:
        table, record_id = key
        place = self._merging.place(table, held)
        if place == held.was_in and not held.is_changed:
            return
        if place == SHOWN:
            self._rows[table].append((record_id, held))
        elif held.was_in == SHOWN:
            self._gone[table].append((record_id, held))
        if place == COVERED:
            self._covered.append((key, held))
        elif held.was_in == COVERED:
            self._uncovered.append(key)
        if held.is_changed and held.version.deleted_at > wire.ZERO:
            self._dead.append((key, held))

    def removals(self) -> list[Statement]:
        """Rows that are deleted or covered; a session stays as a placeholder for those of others."""
        made = []
        for table in wire.TABLES:
            if not (gone := self._gone[table]):
                continue
            ids = [record_id for record_id, _held in gone]
            among = "WHERE id IN (SELECT value FROM json_each(?))"
            if table == "sessions":
                emptied = ", ".join(f"{name} = NULL" for name in (*STAMP_COLUMNS, *COLUMNS[table]))
                sql = f"UPDATE sessions SET {emptied}, placeholder = 1 {among}"
            else:
                sql = f"DELETE FROM {table} {among}"
            made += in_parts(sql, ids, self._largest)
        return made

    def rows(self) -> list[Statement]:
        """Placeholders of sessions that nobody told of yet, then the rows of each table."""
        made = []
        if missing := self._missing_sessions():
            placeholders = (
                "INSERT INTO sessions(id, placeholder) SELECT value, 1 FROM json_each(?) WHERE 1"
                " ON CONFLICT(id) DO NOTHING"
            )
            made += in_parts(placeholders, sorted(missing), self._largest)
        for table, rows in self._rows.items():
            if rows:
                values = [row_of(table, record_id, held) for record_id, held in rows]
                made += in_parts(_upsert_sql(table), values, self._largest)
        return made

    def _missing_sessions(self) -> set[str]:
        told = {record_id for record_id, _held in self._rows["sessions"]}
        records = self._merging.records
        missing = set()
        for table in wire.CHILDREN:
            for _id, held in self._rows[table]:
                session_id = held.version.fields["session_id"]
                session = records.get(("sessions", session_id))
                if session_id not in told and (session is None or not session.has_row):
                    missing.add(session_id)
        return missing

    def covered(self) -> list[Statement]:
        made = []
        if self._uncovered:
            by_table: dict[str, list[str]] = {}
            for table, record_id in self._uncovered:
                by_table.setdefault(table, []).append(record_id)
            sql = "DELETE FROM covered WHERE tbl = '{}' AND id IN (SELECT value FROM json_each(?))"
            for table, ids in by_table.items():
                made += in_parts(sql.format(table), ids, self._largest)
        if self._covered:
            rows = [_covered_row(*one) for one in self._covered]
            made += in_parts(_COVERED_SQL, rows, self._largest)
        return made

    def tombstones(self) -> list[Statement]:
        if not self._dead:
            return []
        rows = [
            [*key, held.revision, *held.version.deleted_at, int(held.version.purge)]
            for key, held in self._dead
        ]
        return in_parts(_TOMBSTONES_SQL, rows, self._largest)

    # The search index

    def unindexed(self, indexed: Indexed) -> list[Statement]:
        """Takes old texts out of the index; they must be given as they went in."""
        first, second = indexed.columns
        gone = [held for _id, held in self._gone[indexed.table]]
        changed = [
            held
            for _id, held in self._rows[indexed.table]
            if held.was_in == SHOWN and _texts(held.was, indexed) != _texts(held.version, indexed)
        ]
        rows = [
            [held.n, *(indexed_text(indexed, text) for text in _texts(held.was, indexed))]
            for held in (*gone, *changed)
            if _texts(held.was, indexed) != (None, None)
        ]
        if not rows:
            return []
        sql = (
            f"INSERT INTO {indexed.index}({indexed.index}, rowid, {first}, {second})"
            " SELECT 'delete', value->>0, value->>1, value->>2 FROM json_each(?)"
        )
        return in_parts(sql, rows, self._largest)

    def indexed(self, indexed: Indexed) -> list[Statement]:
        """Puts new texts into the index, straight from the rows where that is the same."""
        rows = [
            (record_id, *_texts(held.version, indexed))
            for record_id, held in self._rows[indexed.table]
            if held.was_in != SHOWN or _texts(held.was, indexed) != _texts(held.version, indexed)
        ]
        if not self._rows[indexed.table]:
            return []
        changed = [held.n for _id, held in self._rows[indexed.table] if held.was_in == SHOWN]
        made = index_rows(indexed, rows, self._largest)
        if changed := [n for n in changed if n is not None]:
            # The words of a changed row are not known: a search looks through it and all behind.
            known = "UPDATE search_mark SET terms_n = min(terms_n, ?) WHERE source = ?"
            made.append(Statement(known, (min(changed) - 1, indexed.table)))
        return made

    def words(self) -> list[Statement]:
        """Collects the words of the index when those of many rows are not known yet."""
        head = self._merging.head
        new = sum(
            1 for one in INDEXED for _id, held in self._rows[one.table] if held.was_in != SHOWN
        )
        waiting = head.uncollected + new
        if waiting <= max(UNCOLLECTED_ROWS, _COLLECTED_SHARE * (head.indexed + new)):
            return []
        return [Statement(sql) for sql in COLLECT]


def _texts(version: wire.Version, indexed: Indexed) -> tuple[str | None, str | None]:
    first, second = indexed.columns
    return version.fields.get(first), version.fields.get(second)


def _covered_row(key: Key, held: Held) -> list[Any]:
    version = held.version
    newest = version.newest
    at = {name: one for name, one in version.stamps().items() if one != newest}
    session_id = version.fields["session_id"]
    stamps = msgspec.json.encode(at).decode() if at else None
    fields = msgspec.json.encode(version.fields).decode()
    return [*key, session_id, held.revision, *newest, stamps, fields]


def _history(merging: Merging, now: int) -> list[Statement]:
    """The marks and answers of the batches; answers that are too old to be asked for go."""
    made = []
    if merging.marks:
        sql = "INSERT INTO marks(revision, nonce) SELECT value->>0, value->>1 FROM json_each(?)"
        made.append(Statement(sql, (_json(list(merging.marks.items())),)))
    answers = [
        [one.batch.batch_id, one.batch.body_hash, one.answer.decode(), now]
        for one in merging.applied
        if one.batch.batch_id is not None
    ]
    if answers:
        made += in_parts(_ANSWERS_SQL, answers, merging.largest)
        old = now - ANSWERS_KEPT_MS
        made.append(Statement("DELETE FROM batches WHERE stored_at < ?", (old,)))
    return made


@cache
def _upsert_sql(table: str) -> str:
    columns = ("id", *STAMP_COLUMNS, *COLUMNS[table])
    defaults = _NEVER_EMPTY.get(table, frozenset())
    values = [
        f"coalesce(value->>{place}, 0)" if name in defaults else f"value->>{place}"
        for place, name in enumerate(columns)
    ]
    updates = [f"{name} = excluded.{name}" for name in columns[1:]]
    if table == "sessions":
        updates.append("placeholder = 0")
    return (
        f"INSERT INTO {table}({', '.join(columns)})"
        f" SELECT {', '.join(values)} FROM json_each(?) WHERE 1"
        f" ON CONFLICT(id) DO UPDATE SET {', '.join(updates)}"
    )


_COVERED_SQL = """
INSERT INTO covered(tbl, id, session_id, revision, changed_at, device_id, edition, at, fields)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
  value->>8
FROM json_each(?) WHERE 1
ON CONFLICT(tbl, id) DO UPDATE SET session_id = excluded.session_id, revision = excluded.revision,
  changed_at = excluded.changed_at, device_id = excluded.device_id, edition = excluded.edition,
  at = excluded.at, fields = excluded.fields
"""
_TOMBSTONES_SQL = """
INSERT INTO tombstones(tbl, id, revision, changed_at, device_id, edition, purge)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6
FROM json_each(?) WHERE 1
ON CONFLICT(tbl, id) DO UPDATE SET revision = excluded.revision, changed_at = excluded.changed_at,
  device_id = excluded.device_id, edition = excluded.edition, purge = excluded.purge
"""
_ANSWERS_SQL = """
INSERT INTO batches(batch_id, hash, answer, stored_at)
SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?) WHERE 1
ON CONFLICT(batch_id) DO NOTHING
"""
# A word that is cut at the index's limit may end within a character; nobody looks for those.
_NEW_WORDS = """
SELECT term FROM (SELECT term FROM message_vocabulary UNION SELECT term FROM tool_vocabulary) v
WHERE length(term) < 1000 AND NOT EXISTS (SELECT 1 FROM search_term t WHERE t.term = v.term)
"""
COLLECT = (
    # libSQL's parser knows no HAVING without GROUP BY.
    f"""INSERT INTO search_term_run(terms) SELECT terms
FROM (SELECT group_concat(term, char(10)) || char(10) AS terms FROM ({_NEW_WORDS}))
WHERE terms IS NOT NULL""",
    f"INSERT INTO search_term(term) {_NEW_WORDS}",
    "UPDATE search_mark SET terms_n = n",
)


def _json(value: Sequence[Any]) -> str:
    return msgspec.json.encode(value).decode()
