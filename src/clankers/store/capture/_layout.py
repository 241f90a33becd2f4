"""The side tables and their triggers, made from the lists of columns."""

from __future__ import annotations

from clankers.store._schema import COLUMNS, USAGE_COLUMNS

_DERIVED = frozenset(
    {"prompt_tokens", "completion_tokens", "cost", "message_count", "tool_call_count"}
)
# Every table that is synced, and the columns that are sent beside the id. Its place in this
# order is the number of a table in `sync_deleted`.
SYNCED = {
    table: tuple(
        name for name in columns if name != "id" and not (table == "sessions" and name in _DERIVED)
    )
    for table, columns in {**COLUMNS, "usage": USAGE_COLUMNS}.items()
}
TABLES = tuple(SYNCED)
NUMBER = {table: number for number, table in enumerate(TABLES)}
CHILDREN = ("messages", "tools", "session_errors", "compaction_events")
# When what a row says happened, for imports; the columns that say it, the best first.
EVENT_TIMES = {
    "sessions": ("updated_at", "ended_at", "created_at"),
    "messages": ("completed_at", "created_at"),
    "tools": ("created_at",),
    "session_errors": ("created_at",),
    "compaction_events": ("created_at",),
    "usage": ("occurred_at",),
}
# Why a row is not sent: the rules keep it here, a server refused it, or it stands in the archive
# because it was deleted elsewhere.
HELD, ASIDE, DEAD = 1, 2, 3
# A stamp in one integer: the time above, the number of its author below.
AUTHOR_BITS = 16
AUTHOR_MASK = (1 << AUTHOR_BITS) - 1

# julianday is there in every SQLite that other programs may bring along.
WALL = "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"

_CORE = f"""
CREATE TABLE sync_core(
  one INTEGER PRIMARY KEY CHECK (one = 1),
  capturing INTEGER NOT NULL DEFAULT 0,
  quiet INTEGER NOT NULL DEFAULT 0,
  import INTEGER NOT NULL DEFAULT 0,
  author INTEGER NOT NULL DEFAULT 1,
  seq INTEGER NOT NULL DEFAULT 0,
  clock_floor INTEGER NOT NULL DEFAULT 0,
  clock_offset INTEGER NOT NULL DEFAULT 0,
  edition INTEGER NOT NULL DEFAULT 1,
  {" ".join(f"m_{table} INTEGER NOT NULL DEFAULT 0," for table in TABLES)}
  policy TEXT,
  examined TEXT,
  machine_hash TEXT,
  origin TEXT,
  tenant TEXT,
  store TEXT,
  mark TEXT,
  unproved TEXT NOT NULL DEFAULT '[]',
  watermark INTEGER NOT NULL DEFAULT 0,
  server_version TEXT,
  last_sync INTEGER,
  last_pull INTEGER,
  failing_since INTEGER,
  next_try INTEGER,
  problem TEXT,
  last_error TEXT,
  to_erase TEXT NOT NULL DEFAULT '[]'
);
INSERT INTO sync_core(one) VALUES (1);
CREATE TABLE sync_author(
  k INTEGER PRIMARY KEY,
  device TEXT NOT NULL,
  edition INTEGER NOT NULL,
  UNIQUE (device, edition)
);
INSERT INTO sync_author SELECT 1, id, 1 FROM device;
INSERT INTO sync_author VALUES (0, '', 0);
CREATE TABLE sync_deleted(
  tbl INTEGER NOT NULL,
  id TEXT NOT NULL,
  at INTEGER NOT NULL,
  by INTEGER NOT NULL,
  purge INTEGER NOT NULL DEFAULT 0,
  importable INTEGER NOT NULL DEFAULT 0,
  seq INTEGER,
  first INTEGER,
  state INTEGER,
  project TEXT,
  PRIMARY KEY (tbl, id)
) WITHOUT ROWID;
CREATE INDEX sync_deleted_queue ON sync_deleted(state, first) WHERE first IS NOT NULL;
CREATE TABLE sync_aside(
  tbl INTEGER NOT NULL,
  id TEXT NOT NULL,
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  tries INTEGER NOT NULL,
  tried_at INTEGER NOT NULL,
  PRIMARY KEY (tbl, id)
) WITHOUT ROWID;
"""
_SIDE = """
CREATE TABLE sync_{table}(
  n INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  by INTEGER NOT NULL,
  seq INTEGER,
  first INTEGER,
  state INTEGER,
  hash BLOB,
  acked INTEGER,
  edition INTEGER
);
CREATE INDEX sync_{table}_queue ON sync_{table}(state, first) WHERE first IS NOT NULL;
CREATE TABLE sync_{table}_fields(n INTEGER PRIMARY KEY, base INTEGER NOT NULL, {fields});
"""
_TOLD = "FROM sync_core"
_SEQ = f"(SELECT seq {_TOLD})"


def _now(table: str, row: str) -> str:
    """When a change is said to have happened; the caller keeps it above earlier stamps."""
    clock = f"(SELECT max(clock_floor, {WALL} + clock_offset) {_TOLD})"
    event = event_time(table, f"{row}.", clock)
    # Not iif, which other programs' SQLite may be too old for.
    return f"CASE WHEN (SELECT import {_TOLD}) THEN {event} ELSE {clock} END"


def event_time(table: str, prefix: str, clock: str) -> str:
    """The time of what a row tells of; never of the future, and never before all time."""
    told = ", ".join(f"{prefix}{name}" for name in EVENT_TIMES[table])
    return f"max(1, min(coalesce({told}, 1), {clock}))"


def _restamped(table: str, *, more: str = "") -> str:
    """A side row whose record was said just now."""
    return (
        f"UPDATE sync_{table} SET at = max({_now(table, 'NEW')}, at + 1,"
        f" coalesce((SELECT at + 1 FROM sync_deleted WHERE tbl = {NUMBER[table]}"
        f" AND id = NEW.id), 0)), by = (SELECT author {_TOLD}), seq = {_SEQ},"
        f" first = coalesce(first, {_SEQ}), state = NULL{more} WHERE n = OLD.n;"
    )


_NEXT = "UPDATE sync_core SET seq = seq + 1;"


def _gone(table: str) -> str:
    project = "OLD.project_path" if table == "sessions" else "NULL"
    return (
        f"INSERT INTO sync_deleted(tbl, id, at, by, seq, first, importable, project)"
        f" SELECT {NUMBER[table]}, OLD.id, max({_now(table, 'OLD')},"
        f" 1 + coalesce((SELECT at FROM sync_{table} WHERE n = OLD.n), 0)),"
        f" author, seq, seq, import, {project} FROM sync_core WHERE 1"
        " ON CONFLICT(tbl, id) DO UPDATE SET at = max(excluded.at, at + 1), by = excluded.by,"
        " purge = 0, importable = excluded.importable, seq = excluded.seq, first = coalesce(first, excluded.first), state = NULL,"
        " project = coalesce(excluded.project, project);"
    )


def delete_trigger(table: str) -> str:
    """Notes every deletion, from the beginning: a server may have got the row elsewhere."""
    return f"""
CREATE TRIGGER sync_{table}_gone AFTER DELETE ON {table}
WHEN NOT (SELECT quiet {_TOLD})
BEGIN
  {_NEXT}
  {_gone(table)}
  DELETE FROM sync_{table} WHERE n = OLD.n;
  DELETE FROM sync_{table}_fields WHERE n = OLD.n;
END;
"""


def update_triggers(table: str) -> str:
    """Stamp each field that really changes; a row above the mark is stamped whole later."""
    noted = f"(SELECT NOT quiet AND OLD.n <= m_{table} {_TOLD})"
    differs = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in SYNCED[table])
    is_real = " AND NOT OLD.placeholder AND NOT NEW.placeholder" if table == "sessions" else ""
    stamped = _stamp_fields(table) if table != "usage" else _restamped(table) + _whole(table)
    return f"""
CREATE TRIGGER sync_{table}_changed AFTER UPDATE OF {", ".join(SYNCED[table])} ON {table}
WHEN {noted}{is_real} AND OLD.id IS NEW.id AND ({differs})
BEGIN
  {_NEXT}
  {stamped}
END;
CREATE TRIGGER sync_{table}_renamed AFTER UPDATE OF id ON {table}
WHEN {noted}{is_real} AND OLD.id IS NOT NEW.id
BEGIN
  {_NEXT}
  {_gone(table)}
  {_restamped(table, more=", hash = NULL, acked = NULL, edition = NULL")}
  {_whole(table)}
  {_revived(table)}
END;
{_became_real() if table == "sessions" else ""}"""


def _whole(table: str) -> str:
    return f"DELETE FROM sync_{table}_fields WHERE n = NEW.n;"


def _stamp_fields(table: str) -> str:
    stamp = f"(SELECT (at << {AUTHOR_BITS}) | by FROM sync_{table} WHERE n = NEW.n)"
    fields = ", ".join(
        f"s_{name} = CASE WHEN OLD.{name} IS NOT NEW.{name} THEN {stamp} ELSE s_{name} END"
        for name in SYNCED[table]
    )
    return f"""INSERT INTO sync_{table}_fields(n, base)
    SELECT n, (at << {AUTHOR_BITS}) | by FROM sync_{table} WHERE n = NEW.n ON CONFLICT(n) DO NOTHING;
  {_restamped(table)}
  UPDATE sync_{table}_fields SET {fields} WHERE n = NEW.n;"""


def _revived(table: str) -> str:
    """A record whose id was deleted before says all fields, and needs no tombstone."""
    every = ", ".join(f"s_{name}" for name in SYNCED[table])
    stamp = f"(at << {AUTHOR_BITS}) | by"
    stamps = ", ".join(stamp for _name in SYNCED[table])
    return f"""INSERT INTO sync_{table}_fields(n, base, {every})
    SELECT n, {stamp}, {stamps} FROM sync_{table}
    WHERE n = NEW.n AND EXISTS
      (SELECT 1 FROM sync_deleted WHERE tbl = {NUMBER[table]} AND id = NEW.id);
  UPDATE sync_deleted SET seq = NULL, first = NULL, state = NULL
    WHERE tbl = {NUMBER[table]} AND id = NEW.id AND NOT purge;"""


def _became_real() -> str:
    """A placeholder that is filled says all it has; of one that was deleted before, all fields."""
    return f"""
CREATE TRIGGER sync_sessions_real AFTER UPDATE OF placeholder ON sessions
WHEN (SELECT NOT quiet AND OLD.n <= m_sessions {_TOLD}) AND OLD.placeholder AND NOT NEW.placeholder
BEGIN
  {_NEXT}
  {_restamped("sessions")}
  {_whole("sessions")}
  {_revived("sessions")}
END;
"""


def _side(table: str) -> str:
    fields = ", ".join(f"s_{name} INTEGER" for name in SYNCED[table])
    return _SIDE.format(table=table, fields=fields)


_STATES = f"CASE {{state}} WHEN {HELD} THEN 'held' WHEN {ASIDE} THEN 'aside' ELSE 'ready' END"


def _stamp_json(packed: str) -> str:
    return (
        f"json_array({packed} >> {AUTHOR_BITS},"
        f" (SELECT device FROM sync_author WHERE k = {packed} & {AUTHOR_MASK}),"
        f" (SELECT edition FROM sync_author WHERE k = {packed} & {AUTHOR_MASK}))"
    )


def _newest(side: str) -> str:
    return f"(({side}.at << {AUTHOR_BITS}) | {side}.by)"


def _versions(table: str) -> str:
    newest = _newest("s")
    stamps = {name: f"coalesce(f.s_{name}, f.base, {newest})" for name in SYNCED[table]}
    fields = ", ".join(f"'{name}', json({_stamp_json(at)})" for name, at in stamps.items())
    return f"""
SELECT '{table}' AS tbl, t.id, json_object({fields}) AS stamps,
  CASE WHEN d.id IS NOT NULL THEN {_stamp_json(_newest("d"))} END AS deleted_at, coalesce(d.purge, 0) AS purge,
  d.project
FROM {table} t JOIN sync_{table} s ON s.n = t.n LEFT JOIN sync_{table}_fields f ON f.n = t.n
LEFT JOIN sync_deleted d ON d.tbl = {NUMBER[table]} AND d.id = t.id
WHERE s.at > 0"""


def _queue(table: str) -> str:
    return f"""
SELECT '{table}' AS tbl, t.id, 'put' AS op, s.seq, s.first AS first_seq,
  {_STATES.format(state="s.state")} AS state, a.message AS error, coalesce(a.tries, 0) AS tries
FROM sync_{table} s LEFT JOIN {table} t ON t.n = s.n
LEFT JOIN sync_aside a ON a.tbl = {NUMBER[table]} AND a.id = t.id
WHERE s.first IS NOT NULL"""


def _status(table: str) -> str:
    return f"""
SELECT '{table}' AS tbl, t.id, lower(hex(s.hash)) AS hash, {_stamp_json("s.acked")} AS stamps,
  s.edition
FROM sync_{table} s LEFT JOIN {table} t ON t.n = s.n WHERE s.hash IS NOT NULL"""


_NAMES = " ".join(f"WHEN {number} THEN '{table}'" for table, number in NUMBER.items())
# What the side tables mean, for those who ask in SQL; rows that were archived have no id here.
VIEWS = f"""
CREATE VIEW sync_state AS SELECT (SELECT id FROM device) AS device_id, machine_hash, seq,
  clock_floor, clock_offset, edition, quiet, import, origin, tenant, store, mark, unproved,
  watermark FROM sync_core;
CREATE VIEW sync_versions AS {" UNION ALL ".join(map(_versions, TABLES))}
UNION ALL SELECT CASE d.tbl {_NAMES} END, d.id, '{{}}', {
    _stamp_json(_newest("d"))
}, d.purge, d.project
FROM sync_deleted d WHERE NOT EXISTS ({
    " UNION ALL ".join(
        f"SELECT 1 FROM {table} t WHERE d.tbl = {NUMBER[table]} AND t.id = d.id" for table in TABLES
    )
});
CREATE VIEW sync_queue AS {" UNION ALL ".join(map(_queue, TABLES))}
UNION ALL SELECT CASE d.tbl {_NAMES} END, d.id, 'delete', d.seq, d.first,
  {_STATES.format(state="d.state")}, a.message, coalesce(a.tries, 0)
FROM sync_deleted d LEFT JOIN sync_aside a ON a.tbl = d.tbl AND a.id = d.id
WHERE d.first IS NOT NULL;
CREATE VIEW sync_status AS {" UNION ALL ".join(map(_status, TABLES))};
"""

# The fourth step of the schema; frozen, as every step that was ever released.
CAPTURE = _CORE + "".join(_side(table) + delete_trigger(table) for table in TABLES) + VIEWS
UPDATE_TRIGGERS = "".join(map(update_triggers, TABLES))
