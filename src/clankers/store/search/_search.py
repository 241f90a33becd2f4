"""One search from the text that was typed to the hits that are shown."""

from __future__ import annotations

from clankers import errors
from clankers.store._schema import SCHEMA_VERSION
from clankers.store.search._find import Finder, Found, titled
from clankers.store.search._index import INDEXED, PROSE, is_behind
from clankers.store.search._snippets import snippet
from clankers.store.search._suggest import is_known, suggestion
from clankers.store.search._terms import Words
from clankers.store.search._wanted import PLACES, Filters, exactly, understood

TYPE_CHECKING = False  # typing itself is slow to import, and a search should not pay for it

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Any, Literal

    import apsw

    from clankers.store.search._index import Indexed
    from clankers.store.search._wanted import Wanted

    Order = Literal["best", "newest"]

DEFAULT_LIMIT = 20
LONGEST_SEARCH = 2_000
_MOST_HITS = 1_000_000
_AROUND_WORDS = ".,;:!?()[]{}\"'`*<>"
# Whoever holds the lock for longer is importing; the search looks at the new rows itself.
_UPDATE_PATIENCE_MS = 100


class Hit:
    """One thing that was found.

    Attributes:
        place: where: ``titles``, ``messages`` or ``tools``.
        id: the id of the message or tool call; of a title the session's.
        session_id: the session it is in.
        title: that session's title.
        source: the agent.
        project: the project's name.
        at: when, in epoch ms; None where nobody knows.
        who: a message's role, a tool's name; "" for a title.
        snippet: the line of text around what was found.
        marks: where in `snippet` the terms stand, as pairs of first and behind-the-last.
    """

    __slots__ = (
        "at",
        "id",
        "marks",
        "place",
        "project",
        "session_id",
        "snippet",
        "source",
        "title",
        "who",
    )

    def __init__(
        self,
        place: str,
        id: str,  # noqa: A002 - the column's name
        session_id: str,
        *,
        title: str | None,
        source: str | None,
        project: str | None,
        at: int | None,
        who: str,
        snippet: str,
        marks: list[tuple[int, int]],
    ) -> None:
        self.place = place
        self.id = id
        self.session_id = session_id
        self.title = title
        self.source = source
        self.project = project
        self.at = at
        self.who = who
        self.snippet = snippet
        self.marks = marks

    def __repr__(self) -> str:
        return f"Hit({self.place!r}, {self.id!r}, {self.snippet!r})"

    def to_dict(self) -> dict[str, Any]:
        names = ("place", "id", "session_id", "title", "source", "project", "at", "who")
        found = {name: getattr(self, name) for name in names}
        return {**found, "snippet": self.snippet, "marks": [list(mark) for mark in self.marks]}


class SearchResult:
    """What was found, place by place, the best of each first.

    Attributes:
        hits: sessions by their titles, then messages, then tool calls; of each at most
            `limit`.
        more: the places that have more hits than are shown.
        unsearched: sentences on what was not looked at, which `everything` is for; empty
            when the result is whole.
        suggestions: what mistyped words may have meant, where nothing was found.
    """

    def __init__(self) -> None:
        self.hits: list[Hit] = []
        self.more: list[str] = []
        self.unsearched: list[str] = []
        self.suggestions: list[str] = []

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def to_dict(self) -> dict[str, Any]:
        return {
            "hits": [hit.to_dict() for hit in self.hits],
            "more": self.more,
            "unsearched": self.unsearched,
            "suggestions": self.suggestions,
        }


def search(
    connection: apsw.Connection,
    text: str,
    *,
    source: str | None = None,
    project: str | None = None,
    role: str | None = None,
    tool: str | None = None,
    session: str | None = None,
    since: int | None = None,
    before: int | None = None,
    places: Iterable[str] = PLACES,
    order: Order = "best",
    exact: bool = False,
    everything: bool = False,
    limit: int = DEFAULT_LIMIT,
) -> SearchResult:
    """See `Store.search`; the index is taken as it is, what it lacks is looked through."""
    _check(text, limit)
    text, limit = _whole(text), min(limit, _MOST_HITS)
    given = Filters(
        source=source and _whole(source),
        project=project and _whole(project),
        role=role and _whole(role),
        tool=tool and _whole(tool),
        session=session and _whole(session),
        since=since,
        before=before,
    )
    chosen = _places(places)
    wanted = exactly(text, given, chosen) if exact else understood(text, given, chosen, _moment)
    result = SearchResult()
    # Otherwise the index and the rows could be of two moments.
    with connection:
        words = Words(connection)
        if "titles" in wanted.places:
            _add_titles(connection, wanted, result, limit)
        for indexed in INDEXED:
            if indexed.table in wanted.places:
                finder = Finder(
                    connection,
                    indexed,
                    wanted,
                    words,
                    limit=limit,
                    by_rank=order == "best",
                    everything=everything,
                )
                _add_rows(connection, indexed, wanted, finder.find(), result)
        if not result.hits:
            _suggest(connection, wanted, result)
    return result


def search_file(path: Path, text: str, **more: Any) -> SearchResult:
    """As `search`, on a database file; what the index lacks is added first if nobody is writing.

    An older schema is upgraded, after a copy.

    Raises:
        StoreError: there is no such database, or it cannot be read.
    """
    from clankers.store._connection import open_reader, translated

    reader = open_reader(path)
    try:
        with translated(path):
            is_ready = _is_current(reader) and not is_behind(reader)
        if not is_ready:
            _bring_up_to_date(path, reader)
        with translated(path):
            return search(reader, text, **more)
    finally:
        reader.close()


def _is_current(reader: apsw.Connection) -> bool:
    """True for the schema of this program; what else it may be is found out with more care."""
    import apsw

    try:
        return bool(
            reader.execute("SELECT max(version) = ? FROM schema_migrations", (SCHEMA_VERSION,)).get
        )
    except apsw.SQLError:
        return False


def _bring_up_to_date(path: Path, reader: apsw.Connection) -> None:
    from clankers.store._migrations import check_version
    from clankers.store._store import Store

    try:
        with Store.open(path, busy_timeout_ms=_UPDATE_PATIENCE_MS) as store:
            store.update_index()
    except (errors.DatabaseBusyError, errors.ReadOnlyError, errors.DiskFullError):
        # What the index lacks is looked through instead, unless there is no index at all.
        check_version(reader, path)


def _check(text: str, limit: int) -> None:
    if limit < 1:
        raise errors.QueryError(f"a limit of {limit} shows nothing", hint="use 1 or more")
    if len(text) > LONGEST_SEARCH:
        raise errors.QueryError(
            f"a search of {len(text):,} characters is too long",
            hint=f"use at most {LONGEST_SEARCH:,}: a part of the text finds it as well",
        )


def _whole(text: str) -> str:
    """`text` without halves of characters, as an argument that is no UTF-8 has them."""
    return text.encode("utf-8", "replace").decode()


def _places(given: Iterable[str]) -> tuple[str, ...]:
    named = [given] if isinstance(given, str) else list(given)
    unknown = [place for place in named if place not in PLACES]
    if unknown or not named:
        raise errors.QueryError(
            f"{unknown[0]!r} is no place to search in" if unknown else "no place to search in",
            hint=f"places are {', '.join(PLACES)}",
        )
    return tuple(place for place in PLACES if place in named)


def _moment(text: str) -> int:
    from clankers.times import parse_when, zone

    return parse_when(text, zone=zone())


def _add_titles(
    connection: apsw.Connection, wanted: Wanted, result: SearchResult, limit: int
) -> None:
    rows, has_more = titled(connection, wanted, limit)
    found = connection.execute(
        "SELECT x.id, x.title, x.source, x.project_name, coalesce(x.updated_at, x.created_at)"
        " FROM json_each(?) j CROSS JOIN sessions x ON x.n = j.value",
        (_as_json(rows),),
    )
    for session_id, title, source, project, at in found:
        line, marks = snippet([title], wanted.terms, escaped=False)
        result.hits.append(
            Hit(
                "titles",
                session_id,
                session_id,
                title=title,
                source=source,
                project=project,
                at=at,
                who="",
                snippet=line,
                marks=marks,
            )
        )
    if has_more:
        result.more.append("titles")


def _add_rows(
    connection: apsw.Connection,
    indexed: Indexed,
    wanted: Wanted,
    found: Found,
    result: SearchResult,
) -> None:
    table, who = indexed.table, "role" if indexed is PROSE else "tool_name"
    rows = connection.execute(
        f"SELECT r.id, r.session_id, x.title, x.source, x.project_name, r.created_at, r.{who},"
        f" r.{indexed.columns[0]}, r.{indexed.columns[1]}"
        f" FROM json_each(?) j CROSS JOIN {table} r ON r.n = j.value"
        f" LEFT JOIN sessions x ON x.id = r.session_id ORDER BY {_page_order(found)}",
        (_as_json(found.rows),),
    )
    for row_id, session_id, title, source, project, at, name, *texts in rows:
        line, marks = snippet(texts, wanted.terms, escaped=indexed.escaped)
        result.hits.append(
            Hit(
                table,
                row_id,
                session_id,
                title=title,
                source=source,
                project=project,
                at=at,
                who=name or "",
                snippet=line,
                marks=marks,
            )
        )
    if found.has_more:
        result.more.append(table)
    _add_unsearched(indexed, found, result)


def _page_order(found: Found) -> str:
    """Ranked as they were found; by time otherwise, for rows stand as they were imported."""
    return "j.key" if found.is_ranked else "r.created_at IS NULL, r.created_at DESC, j.key"


def _add_unsearched(indexed: Indexed, found: Found, result: SearchResult) -> None:
    what = "messages" if indexed is PROSE else "tool calls"
    if found.too_many_to_rank and found.has_more:
        result.unsearched.append(
            f"more {what} match than are ranked, so these are the last that were stored; more"
            " words or a filter narrow it down"
        )
    if found.parts_left_out:
        result.unsearched.append(f"{what} with longer words that have these in them were left out")
    if found.looked_through:
        result.unsearched.append(
            f"only the {found.looked_through:,} {what} that were stored last were looked through"
        )


def _suggest(connection: apsw.Connection, wanted: Wanted, result: SearchResult) -> None:
    for term in wanted.terms:
        bare = term.text.strip(_AROUND_WORDS)
        if term.kind == "exact" and bare != term.text and is_known(connection, bare):
            # Out of a sentence a word may bring its punctuation along.
            result.suggestions.append(bare)
        elif term.kind == "word" and (near := suggestion(connection, term.text)):
            result.suggestions.append(near)


def _as_json(numbers: list[int]) -> str:
    # The json module takes 2 ms to load.
    return f"[{','.join(map(str, numbers))}]"
