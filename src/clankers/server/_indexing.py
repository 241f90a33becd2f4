"""Texts into the search index of a tenant, and the index itself.

libSQL has no function of ours, so a text that must be prepared is prepared here and travels as
a parameter; what is the same prepared or not is taken from its row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers import errors
from clankers.server.backends import Statement, in_parts
from clankers.store._schema import SEARCH
from clankers.store.search._index import INDEXED, indexed_text, unescaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clankers.server.backends import Backend, Database
    from clankers.store.search._index import Indexed

# All words of an index, straight from it; in the archive they are made when they are needed.
_VOCABULARIES = {"message_vocabulary": "message_search", "tool_vocabulary": "tool_search"}
_NO_FTS = "no such module"
_STATE = Statement("SELECT revision, has_index FROM service")


async def add_index(backend: Backend, database: Database) -> None:
    """The index, where there is none and the engine has full-text tables.

    A new database has no rows. Another one was left by a program that ended in between, or is
    written to without an index: it is built of all rows, in one transaction that fails when
    more come meanwhile; then it is tried again when the tenant is next made ready.
    """
    ((revision, has_index),) = (await backend.read(database, [_STATE]))[0]
    if has_index:
        return
    made = [Statement("UPDATE service SET expected = ?, has_index = 1", (revision,))]
    made += [Statement(sql) for sql in _tables()]
    for indexed in INDEXED:
        columns = ", ".join(("id", *indexed.columns))
        rows = await backend.read(database, [Statement(f"SELECT {columns} FROM {indexed.table}")])
        made += index_rows(indexed, rows[0], backend.largest_value)  # type: ignore[arg-type]
    try:
        await backend.write(database, made)
    except errors.ConstraintError:
        return
    except errors.BackendError as problem:
        if _NO_FTS not in str(problem):
            raise


def _tables() -> list[str]:
    virtual = "CREATE VIRTUAL TABLE "
    made = [f"DROP TABLE IF EXISTS {name}" for name in (*_VOCABULARIES, *_VOCABULARIES.values())]
    parts = [part.strip() for part in SEARCH.split(";\n")]
    made += [part for part in parts if part.startswith(virtual)]
    made += [
        f"{virtual}{name} USING fts5vocab({index}, row)" for name, index in _VOCABULARIES.items()
    ]
    return made


def index_rows(
    indexed: Indexed, rows: Sequence[tuple[str, str | None, str | None]], largest: int
) -> list[Statement]:
    """Puts the texts of rows, by their ids, into the index and moves its mark to the last row."""
    as_stored: list[str] = []
    prepared: list[tuple[str, str | None, str | None]] = []
    for record_id, one, other in rows:
        if _is_plain(one) and _is_plain(other):
            if one is not None or other is not None:
                as_stored.append(record_id)
        else:
            prepared.append((record_id, indexed_text(indexed, one), indexed_text(indexed, other)))
    first, second = indexed.columns
    into = f"INSERT INTO {indexed.index}(rowid, {first}, {second})"
    made = []
    if as_stored:
        values = f"{unescaped(indexed, first)}, {unescaped(indexed, second)}"
        sql = (
            f"{into} SELECT n, {values} FROM {indexed.table}"
            " WHERE id IN (SELECT value FROM json_each(?))"
        )
        made += in_parts(sql, as_stored, largest)
    if prepared:
        sql = (
            f"{into} SELECT t.n, j.value->>1, j.value->>2 FROM json_each(?) j"
            f" CROSS JOIN {indexed.table} t ON t.id = j.value->>0"
        )
        made += in_parts(sql, prepared, largest)
    mark = (
        f"UPDATE search_mark SET n = (SELECT coalesce(max(n), 0) FROM {indexed.table})"
        " WHERE source = ?"
    )
    return [*made, Statement(mark, (indexed.table,))]


def _is_plain(text: str | None) -> bool:
    """SQL prepares it as Python does; GLOB, which it does so with, sees nothing behind a NUL."""
    return text is None or (text.isascii() and "\0" not in text)
