"""Finding rows: first by whole words, then by parts of words, then by looking through them.

Each way gives rows that are certain to have what is wanted; a later one only adds to an
earlier one, so it is not gone when enough was found. The last way has a budget of time
unless the caller wants everything, and says where it stopped.
"""

from __future__ import annotations

import time

from clankers.store.search._terms import Vocabulary, as_json, like, quoted

TYPE_CHECKING = False  # typing itself is slow to import, and a search should not pay for it

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import apsw

    from clankers.store.search._index import Indexed
    from clankers.store.search._terms import Words
    from clankers.store.search._wanted import Filters, Term, Wanted

# Ranking compares every match; of more than these the newest are shown.
MOST_RANKED = 5_000
# With so many rows that have the words themselves, those with parts of words are not looked for.
ENOUGH_WHOLE = 5
SCAN_SECONDS = 0.012
_SCANNED_TOGETHER = 500
# A thought is worth less than a word that was said.
_WEIGHTS = "1.0, 0.5"
_Condition = tuple[str, list["apsw.SQLiteValue"]]


class Found:
    """The rows of one table, the best first, and what was not looked at.

    `rows` are their `n`. `parts_left_out` says that rows which have the words only as parts
    of others were not looked for, `looked_through` how many rows were looked through where
    that ended early, else 0.
    """

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.has_more = False
        self.is_ranked = False
        self.too_many_to_rank = False
        self.parts_left_out = False
        self.looked_through = 0


class Finder:
    """Looks through one table for one search."""

    def __init__(
        self,
        connection: apsw.Connection,
        indexed: Indexed,
        wanted: Wanted,
        words: Words,
        *,
        limit: int,
        by_rank: bool,
        everything: bool,
    ) -> None:
        self._connection = connection
        self._indexed = indexed
        self._wanted = wanted
        self._limit = limit
        self._by_rank = by_rank
        self._everything = everything
        self._vocabulary = Vocabulary(connection, indexed, words)
        self._filters = filters(wanted.filters, indexed.table)
        self._mark, self._words_mark, self._has_stale = self._marks()
        self.found = Found()

    def find(self) -> Found:
        found = self.found
        if self._has_no_session():
            return found
        # One more than is shown tells that there are more.
        if self._wanted.terms:
            self._scan_unindexed()
            self._by_whole_words()
            if not self._has_enough():
                self._by_parts()
            else:
                found.parts_left_out = len(found.rows) <= self._limit
        else:
            self._scan(self._slices(0), is_indexed=False, condition=self._says_something())
        found.has_more = len(found.rows) > self._limit
        del found.rows[self._limit :]
        return found

    def _has_enough(self) -> bool:
        """True when parts of words need not be looked for; an exact text may be anywhere."""
        is_plain = all(term.kind == "word" for term in self._wanted.terms)
        enough = ENOUGH_WHOLE if is_plain and not self._everything else self._limit + 1
        return len(self.found.rows) >= enough

    def _has_no_session(self) -> bool:
        """True when no session at all passes the filters, which saves looking for their rows."""
        sql, values = _of_session(self._wanted.filters)
        if not sql:
            return False
        query = f"SELECT 1 FROM sessions x WHERE 1{sql} LIMIT 1"
        return self._connection.execute(query, values).get is None

    def _marks(self) -> tuple[int, int, bool]:
        """The last row in the index, the last whose words are known, and whether rows changed."""
        found: list[Any] = self._connection.execute(
            "SELECT n, terms_n, EXISTS (SELECT 1 FROM search_stale WHERE source = m.source)"
            " FROM search_mark m WHERE source = ?",
            (self._indexed.table,),
        ).fetchall()
        mark, words_mark, has_stale = found[0]
        return mark, words_mark, bool(has_stale)

    # By the index

    def _by_whole_words(self) -> None:
        terms = self._wanted.terms
        match = self._match([self._vocabulary.whole(term) for term in terms])
        if not match:
            return
        exact = [term for term in terms if term.kind == "exact"]
        if self._by_rank and not exact and not self._indexed.escaped:
            self.found.is_ranked = self._is_rankable(match)
            self.found.too_many_to_rank = not self.found.is_ranked
        self._take(match, self._containing(exact), by_rank=self.found.is_ranked)

    def _by_parts(self) -> None:
        terms = self._wanted.terms
        groups = [
            self._vocabulary.whole(term)
            if term.kind == "beginning"
            else self._vocabulary.parts(term)
            for term in terms
        ]
        self._scan(self._slices(self._words_mark, self._mark), limitless=True)
        if "" in groups:
            return
        match = self._match(groups)
        if match:
            self._take(match, self._having(terms), by_rank=False)
        else:
            self._scan(self._slices(0))

    def _match(self, groups: list[str | None]) -> str:
        """The full-text expression for all of these; "" when nothing narrows the rows down."""
        return " AND ".join(f"({group})" for group in groups if group)

    def _is_rankable(self, match: str) -> bool:
        if self._everything:
            return True
        index = self._indexed.index
        count = self._connection.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM {index} WHERE {index} MATCH ?"
            f" LIMIT {MOST_RANKED + 1})",
            (match,),
        ).get
        return int(count) <= MOST_RANKED

    def _take(self, match: str, contained: _Condition, *, by_rank: bool) -> None:
        index, table = self._indexed.index, self._indexed.table
        order = f"bm25({index}, {_WEIGHTS})" if by_rank else "i.rowid DESC"
        # Texts last: they are what costs.
        conditions = [
            self._filters,
            self._up_to_date(),
            contained,
            self._without(self._wanted.excluded),
        ]
        sql = "".join(one[0] for one in conditions)
        values = [value for one in conditions for value in one[1]]
        known = set(self.found.rows)
        rows = self._connection.execute(
            f"SELECT r.n FROM {index} i JOIN {table} r ON r.n = i.rowid"
            f" WHERE {index} MATCH ?{sql} ORDER BY {order} LIMIT ?",
            (match, *values, self._limit + 1 + len(known)),
        )
        for (n,) in rows:
            if n not in known:
                self.found.rows.append(n)
            if len(self.found.rows) > self._limit:
                break

    # By looking

    def _scan_unindexed(self) -> None:
        """Looks through rows that the index does not have, or not as they are now."""
        self._scan(self._slices(self._mark), limitless=True, is_indexed=False)
        if self._has_stale:
            stale: list[Any] = self._connection.execute(
                "SELECT n FROM search_stale WHERE source = ? AND n <= ? ORDER BY n DESC",
                (self._indexed.table, self._mark),
            ).fetchall()
            self._scan(((n, n) for (n,) in stale), limitless=True, is_indexed=False)

    def _slices(self, above: int, top: int | None = None) -> Iterator[tuple[int, int]]:
        """Ranges of rows up to `top`, by default the last, the newest first."""
        if top is None:
            table = self._indexed.table
            top = int(self._connection.execute(f"SELECT coalesce(max(n), 0) FROM {table}").get)
        while top > above:
            bottom = max(above + 1, top - _SCANNED_TOGETHER + 1)
            yield bottom, top
            top = bottom - 1

    def _says_something(self) -> str:
        first, second = self._indexed.columns
        return f" AND coalesce(r.{first}, r.{second}) NOT NULL"

    def _scan(
        self,
        slices: Iterator[tuple[int, int]],
        *,
        limitless: bool = False,
        is_indexed: bool = True,
        condition: str = "",
    ) -> None:
        """Looks through rows from the newest on, until enough is found or time is up."""
        wanted, known = self._wanted, set(self.found.rows)
        conditions = [self._filters, self._without(wanted.excluded)]
        if is_indexed:
            conditions += [self._up_to_date(), self._having(wanted.terms)]
        else:
            conditions.append(self._containing(wanted.terms))
        sql = (
            f"SELECT r.n FROM {self._indexed.table} r WHERE r.n BETWEEN ? AND ?"
            + condition
            + "".join(one[0] for one in conditions)
            + " ORDER BY r.n DESC"
        )
        values = [value for one in conditions for value in one[1]]
        deadline = time.monotonic() + SCAN_SECONDS
        looked_through = 0
        for bottom, top in slices:
            looked_through += top - bottom + 1
            for (n,) in self._connection.execute(sql, (bottom, top, *values)):
                if n not in known:
                    self.found.rows.append(n)
            if len(self.found.rows) > self._limit:
                return
            if not (limitless or self._everything) and time.monotonic() > deadline and bottom > 1:
                self.found.looked_through = looked_through
                return

    # Conditions

    def _containing(self, terms: list[Term]) -> _Condition:
        pairs = [self._contains(term) for term in terms]
        return "".join(f" AND {sql}" for sql, _values in pairs), [
            value for _sql, values in pairs for value in values
        ]

    def _up_to_date(self) -> _Condition:
        """That a row is as the index has it; the others were looked through."""
        if not self._has_stale:
            return "", []
        sql = " AND r.n NOT IN (SELECT n FROM search_stale WHERE source = ?)"
        return sql, [self._indexed.table]

    def _having(self, terms: list[Term]) -> _Condition:
        """That a row has each term as a text, or a word as a word, accents or not."""
        index = self._indexed.index
        sql, values = "", []
        for term in terms:
            contains, found = self._contains(term)
            whole = self._vocabulary.whole(term) if term.kind != "exact" else None
            if whole:
                contains = (
                    f"({contains} OR r.n IN (SELECT rowid FROM {index} WHERE {index} MATCH ?))"
                )
                found = [*found, whole]
            sql += f" AND {contains}"
            values += found
        return sql, values

    def _without(self, terms: list[Term]) -> _Condition:
        pairs = [self._contains(term) for term in terms]
        return "".join(f" AND NOT {sql}" for sql, _values in pairs), [
            value for _sql, values in pairs for value in values
        ]

    def _contains(self, term: Term) -> _Condition:
        """That a row has the text; JSON has some of it escaped."""
        spellings = [term.text]
        if self._indexed.escaped and (escaped := as_json(term.text)) != term.text:
            spellings.append(escaped)
        ways = [
            (f"ifnull(r.{column} LIKE ? ESCAPE '\\', 0)", f"%{like(spelling)}%")
            for column in self._indexed.columns
            for spelling in spellings
        ]
        return f"({' OR '.join(sql for sql, _value in ways)})", [value for _sql, value in ways]


def filters(given: Filters, table: str) -> _Condition:
    """SQL for the filters on rows `r` of `messages` or `tools`."""
    conditions: list[tuple[str, apsw.SQLiteValue]] = [
        ("r.created_at >= ?", given.since),
        ("r.created_at < ?", given.before),
        ("r.role = ?", given.role if table == "messages" else None),
        ("r.tool_name = ? COLLATE NOCASE", given.tool if table == "tools" else None),
    ]
    sql, values = _joined(conditions)
    of_session, more = _of_session(given)
    if of_session:
        sql += f" AND r.session_id IN (SELECT id FROM sessions x WHERE 1{of_session})"
    return sql, values + more


def _of_session(given: Filters) -> _Condition:
    return _joined(
        [
            ("x.source = ?", given.source),
            ("? IN (x.project_name, x.project_path)", given.project),
            ("substr(x.id, 1, length(?)) = ?", given.session),
        ]
    )


def _joined(conditions: list[tuple[str, apsw.SQLiteValue]]) -> _Condition:
    given = [(sql, value) for sql, value in conditions if value is not None]
    return "".join(f" AND {sql}" for sql, _value in given), [
        value for sql, value in given for _mark in range(sql.count("?"))
    ]


def titled(connection: apsw.Connection, wanted: Wanted, limit: int) -> tuple[list[int], bool]:
    """Sessions whose title has everything, the newest first; and whether there are more.

    There are few enough sessions to look at each.
    """
    sql, values = _of_session(wanted.filters)
    dated, moments = _joined(
        [
            ("coalesce(x.updated_at, x.created_at) >= ?", wanted.filters.since),
            ("x.created_at < ?", wanted.filters.before),
        ]
    )
    sql, values = sql + dated, values + moments
    for negated, terms in (("", wanted.terms), ("NOT ", wanted.excluded)):
        for term in terms:
            sql += f" AND {negated}ifnull(x.title LIKE ? ESCAPE '\\', 0)"
            values.append(f"%{like(term.text)}%")
    found: list[Any] = connection.execute(
        f"SELECT n FROM sessions x WHERE title <> '' AND NOT placeholder{sql}"
        " ORDER BY coalesce(updated_at, created_at) DESC, n DESC LIMIT ?",
        (*values, limit + 1),
    ).fetchall()
    return [n for (n,) in found[:limit]], len(found) > limit


def rows_with(connection: apsw.Connection, index: str, word: str) -> int:
    """In how many rows a word stands, counted no further than to 1,000."""
    found = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {index} WHERE {index} MATCH ? LIMIT 1000)",
        (quoted(word),),
    ).get
    return int(found)
