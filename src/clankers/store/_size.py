"""How large a database is, and what in it takes the room."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from clankers.store._backup import backups
from clankers.store._files import archive_path, log_of

if TYPE_CHECKING:
    from pathlib import Path

    import apsw

# What SQLite makes for a full-text table bears its name and one of these.
_SHADOW = re.compile(r"(.+)_(?:data|idx|docsize|config|content)")
_NO_SUCH_TABLE = "no such table: dbstat"
# octet_length() needs the head of a row only, not the pages that a long text goes on in.
_MESSAGE_BYTES = (
    "coalesce(octet_length(text_content), 0) + coalesce(octet_length(thinking), 0)"
    " + coalesce(octet_length(content), 0)"
)
_TOOL_BYTES = "coalesce(octet_length(tool_input), 0) + coalesce(octet_length(tool_output), 0)"
TEXT_BYTES = f"""(
  coalesce((SELECT sum({_MESSAGE_BYTES}) FROM messages WHERE session_id = s.id), 0)
  + coalesce((SELECT sum({_TOOL_BYTES}) FROM tools WHERE session_id = s.id), 0))"""
_PAGES = "SELECT name, sum(pgsize) FROM dbstat WHERE aggregate = 1 GROUP BY name"
_SHARES = f"""
WITH texts(session_id, bytes) AS (
  SELECT session_id, {_MESSAGE_BYTES} FROM messages
  UNION ALL SELECT session_id, {_TOOL_BYTES} FROM tools
),
sized(session_id, bytes) AS MATERIALIZED (
  SELECT session_id, sum(bytes) FROM texts GROUP BY session_id
)
SELECT s.id, s.source, coalesce(s.project_path, s.project_name), s.title, t.bytes
FROM sized t JOIN sessions s ON s.id = t.session_id
ORDER BY t.bytes DESC, s.id
"""


class Part(NamedTuple):
    """A table or an index, and the bytes of its pages.

    `table` is the one that it belongs to: an index to its table, what SQLite keeps for a
    full-text table to that.
    """

    name: str
    table: str
    bytes: int


class Share(NamedTuple):
    """The bytes of text of one session, project or agent; `title` only of a session."""

    name: str | None
    sessions: int
    bytes: int
    title: str | None = None


class Size(NamedTuple):
    """What a database takes on the disk, in bytes.

    `free` is what `vacuum` would give back at least. `log` is the write-ahead log beside
    the file, `backups` all copies in the folder beside it, and `disk_free` what the disk
    has left. `parts` come the largest first, and are empty where SQLite was built without
    its `dbstat` table. `sessions`, `projects` and `agents` count the text of messages and
    tool calls. `archive` is the file of archived sessions, with its log; 0 where there is none.
    """

    database: int
    log: int
    free: int
    backups: int
    disk_free: int
    parts: list[Part]
    sessions: list[Share]
    projects: list[Share]
    agents: list[Share]
    archive: int = 0

    def tables(self) -> list[tuple[str, int, int]]:
        """(table, bytes of its rows, bytes of its indexes), the largest first."""
        found: dict[str, list[int]] = {}
        for part in self.parts:
            of_table = found.setdefault(part.table, [0, 0])
            of_table[_is_index(part)] += part.bytes
        rows = [(table, rows, indexes) for table, (rows, indexes) in found.items()]
        return sorted(rows, key=lambda row: (-row[1] - row[2], row[0]))


def measure(connection: apsw.Connection, path: Path, *, largest: int) -> Size:
    """The size of the database that `connection` is open on; at most so many shares of a kind."""
    sessions, projects, agents = _shares(connection, largest) if largest else ([], [], [])
    return Size(
        database=path.stat().st_size,
        log=log_size(path),
        free=connection.pragma("freelist_count") * connection.pragma("page_size"),
        backups=sum(one.bytes for one in backups(path)),
        disk_free=shutil.disk_usage(os.path.dirname(os.path.realpath(path))).free,
        parts=_parts(connection),
        sessions=sessions,
        projects=projects,
        agents=agents,
        archive=_archive_size(path),
    )


def _archive_size(path: Path) -> int:
    archive = archive_path(path)
    return archive.stat().st_size + log_size(archive) if archive.exists() else 0


def log_size(path: Path) -> int:
    try:
        return log_of(path).stat().st_size
    except OSError:
        return 0


def _is_index(part: Part) -> bool:
    # Of a full-text table everything is an index: its rows are another table's.
    return part.name != part.table


def _parts(connection: apsw.Connection) -> list[Part]:
    import apsw

    tables = {
        str(name): str(table)
        for name, table in connection.execute("SELECT name, tbl_name FROM sqlite_schema")
    }
    try:
        sizes: list[tuple[Any, ...]] = connection.execute(_PAGES).fetchall()
    except apsw.SQLError as problem:
        if _NO_SUCH_TABLE not in str(problem):
            raise
        return []
    found = [Part(str(name), _owner(str(name), tables), int(size)) for name, size in sizes]
    return sorted(found, key=lambda part: (-part.bytes, part.name))


def _owner(name: str, tables: dict[str, str]) -> str:
    table = tables.get(name, name)
    shadow = _SHADOW.fullmatch(table)
    return shadow[1] if shadow and shadow[1] in tables else table


def _shares(
    connection: apsw.Connection, largest: int
) -> tuple[list[Share], list[Share], list[Share]]:
    sessions: list[Share] = []
    projects: dict[str | None, Share] = {}
    agents: dict[str | None, Share] = {}
    for session_id, source, project, title, size in connection.execute(_SHARES):
        if len(sessions) < largest:
            sessions.append(Share(session_id, 1, size, title))
        for name, shares in ((project, projects), (source, agents)):
            before = shares.get(name, Share(name, 0, 0))
            shares[name] = Share(name, before.sessions + 1, before.bytes + size)
    return sessions, _largest(projects, largest), _largest(agents, largest)


def _largest(shares: dict[str | None, Share], number: int) -> list[Share]:
    return sorted(shares.values(), key=lambda one: (-one.bytes, one.name or ""))[:number]
