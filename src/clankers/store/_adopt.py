"""Taking over a database of the original project: its tables, without our columns.

Every row comes along, ids and NULLs included. SQLite cannot add a primary key to a table,
so each table is built anew and its rows are copied. Columns we do not know become columns
of the new table, tables we do not know stay as they are. Indexes and triggers on the five
tables are dropped: ours take their place, and theirs would act on our writes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from clankers.store._schema import COLUMNS, TABLES

if TYPE_CHECKING:
    import apsw

_CHILDREN = ("messages", "tools", "session_errors", "compaction_events")
_OURS = frozenset(re.findall(r"CREATE TABLE (\w+)", TABLES))
# One of these beside `id` tells our sessions from those of, say, a web application.
_TELLING = frozenset(COLUMNS["sessions"]) - {"id", "created_at", "updated_at", "status"}
_ROWID = frozenset({"rowid", "oid", "_rowid_"})
_PLAIN_TYPE = re.compile(r"[A-Za-z_ ]+(\(\d+\))?")


class Original(NamedTuple):
    """A table of the original, renamed while the new one takes its name.

    `columns` leads from each name to its declared type, generated columns included.
    """

    table: str
    aside: str
    columns: dict[str, str]


def is_original(connection: apsw.Connection) -> bool:
    """True for a database whose `sessions` are sessions of agents."""
    if "sessions" not in _kinds(connection, "table"):
        return False
    names = {name.lower() for name in _columns(connection, "sessions")}
    return "id" in names and not names.isdisjoint(_TELLING)


def set_aside(connection: apsw.Connection) -> list[Original]:
    """Makes room for our tables; gives those whose rows are to be copied back."""
    for kind in ("index", "view"):
        for name in _kinds(connection, kind) & _our_names():
            connection.execute(f"DROP {kind} {_quoted(name)}")
    found = []
    for table in sorted(_kinds(connection, "table") & _OURS):
        aside = _rename(connection, table)
        if table in COLUMNS:
            found.append(Original(table, aside, _columns(connection, aside)))
    return found


def copy_back(connection: apsw.Connection, originals: list[Original]) -> None:
    """Copies every row into the new tables and drops the old ones."""
    if not originals:
        return
    for original in originals:
        _copy(connection, original)
        connection.execute(f"DROP TABLE {_quoted(original.aside)}")
    for table in _CHILDREN:
        source = "max(source)" if "source" in COLUMNS[table] else "NULL"
        connection.execute(
            f"INSERT INTO sessions(id, source, placeholder) SELECT session_id, {source}, 1"
            f" FROM {table} WHERE session_id NOT NULL GROUP BY session_id"
            " ON CONFLICT(id) DO NOTHING"
        )
    connection.execute(_ESTIMATE)


def _rename(connection: apsw.Connection, table: str) -> str:
    """Gives a table a name that nothing has; what refers to it goes on naming the new one."""
    aside = f"original_{table}"
    while connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (aside,)).get:
        aside += "_"
    # Without this, SQLite rewrites views and the foreign keys of other tables to the new name.
    connection.pragma("legacy_alter_table", True)
    connection.execute(f"ALTER TABLE {table} RENAME TO {_quoted(aside)}")
    connection.pragma("legacy_alter_table", False)
    return aside


def _copy(connection: apsw.Connection, original: Original) -> None:
    needed = dict(_needed(connection, original.table))
    named = {name.lower(): name for name in original.columns}
    values = {"id": f"adopted_id({_quoted(named['id']) if 'id' in named else 'NULL'})"}
    for name, declared in original.columns.items():
        column = name.lower()
        if column not in COLUMNS[original.table]:
            column = _add_column(connection, original.table, name, declared)
        if column != "id":
            empty = needed.pop(column, "NULL")
            values[_quoted(column)] = f"coalesce({_quoted(name)}, {empty})"
    values.update((column, empty) for column, empty in needed.items() if column != "id")
    connection.create_scalar_function("adopted_id", _Ids(connection, original, named.get("id")), 1)
    try:
        # NOT INDEXED walks the table in its own order, which is the order of n from now on.
        connection.execute(
            f"INSERT INTO {original.table}({', '.join(values)})"
            f" SELECT {', '.join(values.values())} FROM {_quoted(original.aside)} NOT INDEXED"
        )
    finally:
        connection.create_scalar_function("adopted_id", None, 1)


class _Ids:
    """Gives each row its id: its own, a UUID for NULL, `<id>#2` for the second of equals."""

    def __init__(self, connection: apsw.Connection, original: Original, column: str | None) -> None:
        self._seen: dict[str, int] = {}
        self._taken: set[str] = set()
        if column is None:
            return
        text, aside = f"CAST({_quoted(column)} AS TEXT)", _quoted(original.aside)
        repeated = connection.execute(
            f"SELECT {text} FROM {aside} WHERE {text} NOT NULL GROUP BY 1 HAVING count(*) > 1"
        )
        self._seen = {str(value): 0 for (value,) in repeated}
        if self._seen:
            marked = connection.execute(f"SELECT {text} FROM {aside} WHERE instr({text}, '#')")
            self._taken = {str(value) for (value,) in marked}

    def __call__(self, *values: apsw.SQLiteValue) -> apsw.SQLiteValue:
        (value,) = values
        if value is None:
            return str(uuid4())
        key = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        if key not in self._seen:
            return value
        self._seen[key] += 1
        if self._seen[key] == 1:
            return value
        while (found := f"{key}#{self._seen[key]}") in self._taken:
            self._seen[key] += 1
        self._taken.add(found)
        return found


def _add_column(connection: apsw.Connection, table: str, name: str, declared: str) -> str:
    """Adds a column we do not know; `n` and the like, which are ours, keep their meaning."""
    taken = _ROWID.union(one.lower() for one in _columns(connection, table))
    column = name
    while column.lower() in taken:
        column = f"original_{column}"
    kind = declared if _PLAIN_TYPE.fullmatch(declared) else ""
    connection.execute(f"ALTER TABLE {table} ADD COLUMN {_quoted(column)} {kind}")
    return column


def _needed(connection: apsw.Connection, table: str) -> list[tuple[str, str]]:
    """Columns of ours that are never NULL and have no default, with what stands for nothing."""
    described = connection.execute(
        'SELECT name, type FROM pragma_table_info(?) WHERE "notnull" AND dflt_value IS NULL',
        (table,),
    )
    return [(str(name), "0" if kind == "INTEGER" else "''") for name, kind in described]


def _columns(connection: apsw.Connection, table: str) -> dict[str, str]:
    described = connection.execute("SELECT name, type FROM pragma_table_xinfo(?)", (table,))
    return {str(name): str(kind) for name, kind in described}


def _kinds(connection: apsw.Connection, kind: str) -> set[str]:
    found = connection.execute("SELECT lower(name) FROM sqlite_schema WHERE type = ?", (kind,))
    return {str(name) for (name,) in found}


def _our_names() -> frozenset[str]:
    from clankers.store._schema import INDEXES

    return _OURS | frozenset(re.findall(r"INDEX IF NOT EXISTS (\w+)", INDEXES))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# The totals that the original kept become estimated usage: by message, else by session. A
# cost so great that sums would overflow is nobody's, and is left out.
_ESTIMATE = """
INSERT INTO usage(id, session_id, session_at, message_id, source, project_path, provider,
    model, occurred_at, input_tokens, output_tokens, estimated)
SELECT 'rpc:' || m.id, coalesce(m.session_id, ''), s.created_at, m.id,
    coalesce(m.source, s.source), s.project_path, s.provider, coalesce(m.model, s.model),
    coalesce(m.created_at, s.created_at), m.prompt, m.completion, 1
FROM (SELECT *, max(coalesce(CAST(prompt_tokens AS INTEGER), 0), 0) AS prompt,
    max(coalesce(CAST(completion_tokens AS INTEGER), 0), 0) AS completion FROM messages) m
LEFT JOIN sessions s ON s.id = m.session_id
WHERE m.prompt > 0 OR m.completion > 0;
INSERT INTO usage(id, session_id, session_at, source, project_path, provider, model,
    occurred_at, input_tokens, output_tokens, cost_reported, estimated)
SELECT 'rpc:' || s.id, s.id, s.created_at, s.source, s.project_path, s.provider, s.model,
    s.created_at, s.prompt, s.completion, nullif(s.reported, 0), 1
FROM (SELECT *, max(coalesce(CAST(prompt_tokens AS INTEGER), 0), 0) AS prompt,
    max(coalesce(CAST(completion_tokens AS INTEGER), 0), 0) AS completion,
    iif(cost > 0 AND cost < 1e9, CAST(round(cost * 1e6) AS INTEGER), 0) AS reported
    FROM sessions) s
WHERE (s.prompt > 0 OR s.completion > 0 OR s.reported > 0)
    AND NOT EXISTS (SELECT 1 FROM usage u WHERE u.session_id = s.id)
ON CONFLICT(id) DO NOTHING;
UPDATE usage SET cost = cost_reported, cost_source = 'reported' WHERE cost_reported NOT NULL;
UPDATE usage SET origin_device = (SELECT id FROM device);
UPDATE sessions SET origin_device = (SELECT id FROM device) WHERE origin_device IS NULL;
"""
