"""The search of the archive, on a tenant's database wherever it is.

The search asks a few short questions of a connection, one after the other; here each goes
through the backend. An engine without full-text tables is looked through instead.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

import apsw

from clankers import errors
from clankers.server import _answers
from clankers.server._problems import Problem
from clankers.server.backends import Statement
from clankers.store.search._search import search
from clankers.store.search._terms import like

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clankers.server.backends import Backend, Database, Rows

_LONGEST_SECONDS = 20
# A search waits in its thread for what it asks: others need theirs meanwhile.
_THREADS = ThreadPoolExecutor(4, thread_name_prefix="searches")
_AROUND = 80


async def find(
    backend: Backend, database: Database, text: str, *, limit: int, everything: bool
) -> _answers.Found:
    """What was found, place by place.

    Raises:
        Problem: the search cannot be understood.
    """
    ((has_index,),) = (await backend.read(database, [Statement("SELECT has_index FROM service")]))[
        0
    ]
    if not has_index:
        return await _looked_through(backend, database, text, limit)
    asked = _Asked(backend, database, asyncio.get_running_loop())
    searching = partial(
        search, cast("apsw.Connection", asked), text, limit=limit, everything=everything
    )
    try:
        found = await asyncio.get_running_loop().run_in_executor(_THREADS, searching)
    except (errors.QueryError, errors.ConfigError) as problem:
        raise Problem.invalid(str(problem)) from None
    return _answers.Found(
        hits=[_answers.Hit(**hit.to_dict()) for hit in found.hits],
        more=found.more,
        unsearched=found.unsearched,
        suggestions=found.suggestions,
    )


class _Rows:
    """What a question came to, read as one reads a cursor."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    @property
    def get(self) -> Any:
        """The first row; its value where it has but one; None without rows."""
        if not self._rows:
            return None
        first = self._rows[0]
        return first[0] if len(first) == 1 else first


class _Asked:
    """As much of a connection as a search needs, from a thread beside the event loop."""

    def __init__(
        self, backend: Backend, database: Database, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._backend = backend
        self._database = database
        self._loop = loop
        self._tokenizers = apsw.Connection(":memory:")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        self._tokenizers.close()

    def execute(self, sql: str, values: Any = ()) -> _Rows:
        asked = self._backend.read(self._database, [Statement(sql, tuple(values))])
        waiting = asyncio.run_coroutine_threadsafe(asked, self._loop)
        try:
            return _Rows(waiting.result(_LONGEST_SECONDS)[0])
        except TimeoutError:
            waiting.cancel()
            raise errors.BackendUnavailableError("a search took too long") from None

    def fts5_tokenizer(self, name: str, options: list[str]) -> apsw.FTS5Tokenizer:
        return self._tokenizers.fts5_tokenizer(name, options)


_LOOKED = """
SELECT '{place}', r.id, r.session_id, x.title, x.source, x.project_name, r.created_at, r.{who},
  r.{column}
FROM {table} r LEFT JOIN sessions x ON x.id = r.session_id
WHERE r.{column} LIKE ? ESCAPE '\\' ORDER BY r.n DESC LIMIT ?
"""
_LOOKED_AT = (
    ("messages", "messages", "role", "text_content"),
    ("tools", "tools", "tool_name", "tool_input"),
    ("tools", "tools", "tool_name", "tool_output"),
)


async def _looked_through(
    backend: Backend, database: Database, text: str, limit: int
) -> _answers.Found:
    """The rows that have the text as it stands, the last stored first."""
    values = (f"%{like(text)}%", limit)
    found = await backend.read(
        database,
        [
            Statement(_LOOKED.format(place=place, table=table, who=who, column=column), values)
            for place, table, who, column in _LOOKED_AT
        ],
    )
    hits = [_hit(row, text) for rows in found for row in rows]
    return _answers.Found(
        hits=hits,
        more=[],
        unsearched=["this database has no full-text index: only the text as it stands was found"],
        suggestions=[],
    )


def _hit(row: Any, text: str) -> _answers.Hit:
    place, row_id, session_id, title, source, project, created_at, who, whole = row
    found = max(0, whole.lower().find(text.lower()))
    start = max(0, found - _AROUND)
    snippet = whole[start : found + len(text) + _AROUND].replace("\n", " ")
    mark = [found - start, found - start + len(text)]
    return _answers.Hit(
        place, row_id, session_id, title, source, project, created_at, who or "", snippet, [mark]
    )
