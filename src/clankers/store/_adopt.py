"""Taking over a database of the original project: its tables, without our columns.

Every row comes along, ids and NULLs included. SQLite cannot add a primary key to a table,
so each table is built anew and its rows are copied. Columns we do not know are added to
the new table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from clankers.store._schema import COLUMNS

if TYPE_CHECKING:
    import apsw

_RANDOM_ID = (
    "lower(printf('%s-%s-4%s-a%s-%s', hex(randomblob(4)), hex(randomblob(2)),"
    " substr(hex(randomblob(2)), 2), substr(hex(randomblob(2)), 2), hex(randomblob(6))))"
)


class Original(NamedTuple):
    """One table of the original, renamed while the new one takes its name."""

    table: str
    aside: str
    columns: dict[str, str]


def set_aside(connection: apsw.Connection) -> list[Original]:
    """Renames the original's tables and drops its indexes, triggers and views on them."""
    found = []
    for table in COLUMNS:
        described = connection.execute("SELECT name, type FROM pragma_table_info(?)", (table,))
        declared = {str(name): str(kind) for name, kind in described}
        if declared:
            _drop_dependents(connection, table)
            aside = f"original_{table}"
            # Without this, SQLite rewrites the foreign keys of the other tables to the new name.
            connection.pragma("legacy_alter_table", True)
            connection.execute(f"ALTER TABLE {table} RENAME TO {aside}")
            connection.pragma("legacy_alter_table", False)
            found.append(Original(table, aside, declared))
    return found


def _drop_dependents(connection: apsw.Connection, table: str) -> None:
    names = connection.execute(
        "SELECT type, name FROM sqlite_schema"
        " WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL",
        (table,),
    ).fetchall()
    for kind, name in names:
        connection.execute(f'DROP {kind} "{_quoted(str(name))}"')


def copy_back(connection: apsw.Connection, originals: list[Original]) -> None:
    """Copies every row into the new tables and drops the old ones."""
    for original in originals:
        _copy(connection, original)
    for table in ("messages", "tools", "session_errors", "compaction_events"):
        connection.execute(
            "INSERT INTO sessions(id, placeholder) SELECT DISTINCT session_id, 1"
            f" FROM {table} WHERE session_id NOT NULL ON CONFLICT(id) DO NOTHING"
        )
    if originals:
        _estimate_usage(connection)
    for original in originals:
        connection.execute(f"DROP TABLE {original.aside}")


def _copy(connection: apsw.Connection, original: Original) -> None:
    table, aside = original.table, original.aside
    for column, declared in original.columns.items():
        if column not in COLUMNS[table]:
            connection.execute(f'ALTER TABLE {table} ADD COLUMN "{_quoted(column)}" {declared}')
    names = [name for name in original.columns if name != "id"]
    listed = "".join(f', "{_quoted(name)}"' for name in names)
    # An id that stands twice would lose a row; the later ones get a suffix.
    numbered = (
        f"iif(row_number() OVER (PARTITION BY id ORDER BY rowid) = 1, id, id || '#' || rowid)"
        if "id" in original.columns
        else "NULL"
    )
    connection.execute(
        f"INSERT INTO {table}(id{listed})"
        f" SELECT iif(id IS NULL, {_RANDOM_ID}, {numbered}){listed} FROM {aside} ORDER BY rowid"
    )


def _estimate_usage(connection: apsw.Connection) -> None:
    """The totals the original kept become estimated usage: by message, else by session."""
    connection.execute(
        """
        INSERT INTO usage(id, session_id, session_at, message_id, source, project_path, provider,
            model, occurred_at, input_tokens, output_tokens, estimated)
        SELECT 'rpc:' || m.id, s.id, s.created_at, m.id, coalesce(m.source, s.source),
            s.project_path, s.provider, coalesce(m.model, s.model),
            coalesce(m.created_at, s.created_at),
            max(coalesce(m.prompt_tokens, 0), 0), max(coalesce(m.completion_tokens, 0), 0), 1
        FROM messages m JOIN sessions s ON s.id = m.session_id
        WHERE m.prompt_tokens > 0 OR m.completion_tokens > 0;
        INSERT INTO usage(id, session_id, session_at, source, project_path, provider, model,
            occurred_at, input_tokens, output_tokens, cost_reported, estimated)
        SELECT 'rpc:' || s.id, s.id, s.created_at, s.source, s.project_path, s.provider, s.model,
            s.created_at, max(coalesce(s.prompt_tokens, 0), 0),
            max(coalesce(s.completion_tokens, 0), 0),
            iif(s.cost > 0, CAST(round(s.cost * 1000000) AS INTEGER), NULL), 1
        FROM sessions s
        WHERE (s.prompt_tokens > 0 OR s.completion_tokens > 0)
            AND NOT EXISTS (SELECT 1 FROM usage u WHERE u.session_id = s.id);
        UPDATE usage SET cost = cost_reported, cost_source = 'reported'
        WHERE cost_reported NOT NULL;
        UPDATE usage SET origin_device = (SELECT id FROM device);
        UPDATE sessions SET origin_device = (SELECT id FROM device) WHERE origin_device IS NULL;
        """
    )


def _quoted(name: str) -> str:
    return name.replace('"', '""')
