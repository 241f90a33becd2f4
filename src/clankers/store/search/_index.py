"""The search index: filling it, keeping it true to the rows, checking it, building it anew.

Two full-text tables stand over `messages` and `tools`, which keep the text; `search_term`
has every word of either, so that any part of a word can be found by the words it is in. A
mark says up to which row the index goes, a second one up to which row the words are known.

Text is prepared before it is indexed: characters of languages that write no spaces become
words of their own, and the escapes of JSON become spaces. The prepared text is never
stored, so whatever takes text out of the index must prepare the old text in the same way.
"""

from __future__ import annotations

import re
from functools import cache

TYPE_CHECKING = False  # typing itself is slow to import, and a search should not pay for it

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    import apsw


class Indexed:
    """A table with text: its index, its two columns, and whether they hold JSON."""

    def __init__(
        self, table: str, index: str, columns: tuple[str, str], *, tokenizer: str, escaped: bool
    ) -> None:
        self.table = table
        self.index = index
        self.columns = columns
        self.tokenizer = tokenizer
        self.escaped = escaped


PROSE = Indexed(
    "messages",
    "message_search",
    ("text_content", "thinking"),
    tokenizer="unicode61 remove_diacritics 2",
    escaped=False,
)
TOOLS = Indexed(
    "tools",
    "tool_search",
    ("tool_input", "tool_output"),
    tokenizer="unicode61 remove_diacritics 2 tokenchars '_'",
    escaped=True,
)
INDEXED = (PROSE, TOOLS)

# Below this many rows it is cheaper to look through new rows than to collect their words.
UNCOLLECTED_ROWS = 2_000
_REBUILT_SHARE = 0.2
# A run of words grows to about this many bytes.
_RUN_BYTES = 65_536
_RUN_WORDS = 5_000
_MAXIMUM = 2**63 - 1
# Of languages that write no spaces, by their blocks in Unicode.
_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Myanmar
    "\u1100-\u11ff"  # Hangul letters
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3031-\u3035\u303b"  # ideographic marks
    "\u3040-\u31ff"  # kana, bopomofo, Hangul letters
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Chinese characters
    "\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    "\uff66-\uffdc"  # half-width kana and Hangul
    "\U00020000-\U0003ffff"
)
_ESCAPES = ("\\\\", "\\n", "\\r", "\\t")


def spaced(text: str) -> str:
    """Text in which every character that stands for itself has spaces around it."""
    return text if text.isascii() else _unspaced().sub(r" \1 ", text)


@cache
def _unspaced() -> re.Pattern[str]:
    # Takes 4 ms to compile, which most searches do without.
    return re.compile(f"([{_UNSPACED}])")


def has_unspaced(text: str | None) -> bool:
    """True when `spaced` would change the text."""
    return text is not None and not text.isascii() and _unspaced().search(text) is not None


def without_escapes(text: str) -> str:
    """JSON text with spaces for the escapes that would stick to the word behind them."""
    for escape in _ESCAPES:
        text = text.replace(escape, " ")
    return text


def update_index(
    connection: apsw.Connection,
    *,
    uncollected: int = UNCOLLECTED_ROWS,
    unspaced: Collection[str] | None = None,
) -> bool:
    """Brings the index up to the rows; False when it already was.

    The caller has a transaction open.

    Args:
        connection: one that writes.
        uncollected: the words of so many new rows may stay uncollected; those rows a search
            looks through itself.
        unspaced: the ids of new rows of which `has_unspaced` is true, from a caller who
            has written all the new rows there are. By default each is looked at, which
            needs Python.
    """
    changed = False
    for indexed in INDEXED:
        changed |= _drain(connection, indexed)
        changed |= _add_new(connection, indexed, unspaced)
    _collect(connection, uncollected)
    return changed


def is_behind(connection: apsw.Connection) -> bool:
    """True when rows are not in the index yet, or no longer as it has them."""
    found = connection.execute(
        "SELECT (SELECT max(n) FROM messages) > (SELECT n FROM search_mark WHERE source = 'messages')"
        " OR (SELECT max(n) FROM tools) > (SELECT n FROM search_mark WHERE source = 'tools')"
        " OR EXISTS (SELECT 1 FROM search_stale)"
        " OR (SELECT sum(n - terms_n) FROM search_mark) > ?",
        (UNCOLLECTED_ROWS,),
    ).get
    return bool(found)


def check_index(connection: apsw.Connection) -> list[str]:
    """What is wrong with the index, in words; nothing when all is well.

    Writes nothing that lasts, and needs a writing connection all the same: the check is a
    command to the full-text tables. The caller has no transaction open.
    """
    import apsw

    problems = []
    for indexed in INDEXED:
        command = (
            f"INSERT INTO {indexed.index}({indexed.index}, rank) VALUES ('integrity-check', 0)"
        )
        try:
            connection.execute(command)
        except (apsw.CorruptError, apsw.SQLError) as problem:
            problems.append(f"{indexed.index} is damaged: {problem}")
    return problems or [*_missing(connection), *_missing_words(connection)]


def rebuild_index(connection: apsw.Connection) -> None:
    """Builds the whole index anew from the rows; the caller has a transaction open."""
    for indexed in INDEXED:
        connection.execute(f"INSERT INTO {indexed.index}({indexed.index}) VALUES ('delete-all')")
    connection.execute(
        "DELETE FROM search_term; DELETE FROM search_term_run; DELETE FROM search_stale;"
        "UPDATE search_mark SET n = 0, terms_n = 0"
    )
    update_index(connection, uncollected=0)
    optimize_index(connection)


def optimize_index(connection: apsw.Connection) -> None:
    """Merges what many small additions left, so that the index is small and fast again."""
    for indexed in INDEXED:
        connection.execute(f"INSERT INTO {indexed.index}({indexed.index}) VALUES ('optimize')")


def prepare_connection(connection: apsw.Connection) -> None:
    """Gives a writing connection what the index needs; not possible while a statement runs."""
    connection.create_scalar_function("clankers_spaced", _spaced_value, 1, deterministic=True)


def _spaced_value(*values: apsw.SQLiteValue) -> apsw.SQLiteValue:
    (value,) = values
    return spaced(value) if isinstance(value, str) else value


# Whether a text must be spaced: found out for all that are not ASCII, or known by the rows' ids.
_UNKNOWN = "octet_length({column}) > length({column})"
_KNOWN = "id IN (SELECT value FROM json_each(:unspaced))"


@cache
def _prepared(indexed: Indexed, column: str, unspaced: str = _UNKNOWN) -> str:
    """SQL for a column's text as it is indexed."""
    text = unescaped(indexed, column)
    return f"iif({unspaced.format(column=column)}, clankers_spaced({text}), {text})"


def unescaped(indexed: Indexed, column: str) -> str:
    """SQL for the text of a column as it is indexed where nothing in it must be spaced.

    Any SQLite runs it. GLOB looks for an escape much faster than replace does.
    """
    text = column
    if indexed.escaped:
        for escape in _ESCAPES:
            replaced = f"replace({text}, '{escape}', ' ')"
            text = f"iif({column} GLOB '*{escape}*', {replaced}, {text})"
    return text


def indexed_text(indexed: Indexed, text: str | None) -> str | None:
    """A text as it is indexed, for an engine that has no function of ours."""
    if text is None:
        return None
    return spaced(without_escapes(text) if indexed.escaped else text)


def _insert(indexed: Indexed, condition: str, unspaced: str = _UNKNOWN) -> str:
    first, second = indexed.columns
    return (
        f"INSERT INTO {indexed.index}(rowid, {first}, {second})"
        f" SELECT n, {_prepared(indexed, first, unspaced)}, {_prepared(indexed, second, unspaced)}"
        f" FROM {indexed.table} WHERE {condition} AND coalesce({first}, {second}) NOT NULL"
        " ORDER BY n"
    )


def _drain(connection: apsw.Connection, indexed: Indexed) -> bool:
    """Takes the old text of changed and deleted rows out, and puts the new text in."""
    source = (indexed.table,)
    waiting = connection.execute("SELECT 1 FROM search_stale WHERE source = ? LIMIT 1", source)
    if waiting.get is None:
        return False
    first, second = indexed.columns
    connection.execute(
        f"INSERT INTO {indexed.index}({indexed.index}, rowid, {first}, {second})"
        f" SELECT 'delete', n, {_prepared(indexed, 'first_text')},"
        f" {_prepared(indexed, 'second_text')} FROM search_stale"
        " WHERE source = ? AND coalesce(first_text, second_text) NOT NULL",
        source,
    )
    changed = "n IN (SELECT n FROM search_stale WHERE source = ?)"
    connection.execute(_insert(indexed, changed), source)
    _collect_from(connection, indexed, changed, source)
    connection.execute("DELETE FROM search_stale WHERE source = ?", source)
    return True


def _add_new(
    connection: apsw.Connection, indexed: Indexed, unspaced: Collection[str] | None
) -> bool:
    mark, top = _marks(connection, indexed)
    if top <= mark:
        return False
    values: dict[str, apsw.SQLiteValue] = {"mark": mark, "top": top}
    how = _UNKNOWN
    if unspaced is not None:
        import json  # most searches do without

        how, values["unspaced"] = _KNOWN, json.dumps(list(unspaced))
    connection.execute(_insert(indexed, "n > :mark AND n <= :top", how), values)
    connection.execute("UPDATE search_mark SET n = ? WHERE source = ?", (top, indexed.table))
    return True


def _marks(connection: apsw.Connection, indexed: Indexed) -> tuple[int, int]:
    """The last row that is in the index, and the last one that there is."""
    found: list[Any] = connection.execute(
        f"SELECT n, (SELECT coalesce(max(n), 0) FROM {indexed.table})"
        " FROM search_mark WHERE source = ?",
        (indexed.table,),
    ).fetchall()
    mark, top = found[0]
    return mark, top


def _collect(connection: apsw.Connection, uncollected: int) -> None:
    """Adds the words of new rows, unless they are too few to be worth it."""
    waiting, total = connection.execute("SELECT sum(n - terms_n), sum(n) FROM search_mark").get
    if waiting <= uncollected:
        return
    for indexed in INDEXED:
        if waiting > _REBUILT_SHARE * total:
            _collect_all(connection, indexed)
        else:
            since = connection.execute(
                "SELECT terms_n FROM search_mark WHERE source = ?", (indexed.table,)
            ).get
            _collect_from(connection, indexed, "n > ? AND n <= ?", (since, _MAXIMUM))
    connection.execute("UPDATE search_mark SET terms_n = n")


def _collect_all(connection: apsw.Connection, indexed: Indexed) -> None:
    """The words of a whole index, straight from it."""
    vocabulary = f"temp.{indexed.index}_vocabulary"
    connection.execute(
        f"CREATE VIRTUAL TABLE IF NOT EXISTS {vocabulary}"
        f" USING fts5vocab('main', '{indexed.index}', 'row')"
    )
    _learn(connection, vocabulary)
    connection.execute(f"DROP TABLE {vocabulary}")


def _collect_from(
    connection: apsw.Connection, indexed: Indexed, condition: str, values: tuple[object, ...]
) -> None:
    """The words of some rows, by an index of them alone that lasts no longer than this."""
    first, second = indexed.columns
    connection.execute(
        "CREATE VIRTUAL TABLE temp.search_passing USING fts5("
        f"first, second, content='', detail=none, tokenize=\"{indexed.tokenizer}\");"
        "CREATE VIRTUAL TABLE temp.search_passing_vocabulary"
        " USING fts5vocab('temp', 'search_passing', 'row')"
    )
    try:
        connection.execute(
            "INSERT INTO temp.search_passing(rowid, first, second)"
            f" SELECT n, {_prepared(indexed, first)}, {_prepared(indexed, second)}"
            f" FROM {indexed.table} WHERE {condition}",
            values,
        )
        _learn(connection, "temp.search_passing_vocabulary")
    finally:
        connection.execute(
            "DROP TABLE temp.search_passing_vocabulary; DROP TABLE temp.search_passing"
        )


def _learn(connection: apsw.Connection, vocabulary: str) -> None:
    """Adds the words of a table that are not known yet."""
    rows: list[Any] = connection.execute(
        f"INSERT INTO search_term SELECT term FROM {vocabulary} WHERE 1"
        " ON CONFLICT DO NOTHING RETURNING CAST(term AS BLOB)"
    ).fetchall()
    new = []
    for (term,) in rows:
        try:
            new.append(f"{term.decode()}\n")
        except UnicodeDecodeError:
            # The index cuts a word at 32 KB, also within a character; nobody looks for that.
            connection.execute("DELETE FROM search_term WHERE term = CAST(? AS TEXT)", (term,))
    last = connection.execute(
        "SELECT n FROM search_term_run WHERE n = (SELECT max(n) FROM search_term_run)"
        " AND octet_length(terms) < ?",
        (_RUN_BYTES,),
    ).get
    for start in range(0, len(new), _RUN_WORDS):
        run = "".join(new[start : start + _RUN_WORDS])
        if start or last is None:
            connection.execute("INSERT INTO search_term_run(terms) VALUES (?)", (run,))
        else:
            connection.execute(
                "UPDATE search_term_run SET terms = terms || ? WHERE n = ?", (run, last)
            )


def _missing(connection: apsw.Connection) -> list[str]:
    """Rows that the index does not have although it should, by counting both."""
    problems = []
    for indexed in INDEXED:
        first, second = indexed.columns
        rows, indexed_rows = connection.execute(
            f"SELECT (SELECT count(*) FROM {indexed.table} WHERE n <= m.n"
            f" AND coalesce({first}, {second}) NOT NULL),"
            f" (SELECT count(*) FROM {indexed.index}_docsize)"
            f" - (SELECT count(*) FROM search_stale s WHERE s.source = m.source"
            f" AND coalesce(first_text, second_text) NOT NULL"
            f" AND NOT EXISTS (SELECT 1 FROM {indexed.table} t WHERE t.n = s.n"
            f" AND coalesce(t.{first}, t.{second}) NOT NULL))"
            " FROM search_mark m WHERE source = ?",
            (indexed.table,),
        ).fetchall()[0]
        if rows != indexed_rows:
            problems.append(
                f"{indexed.index} has {indexed_rows:,} of {rows:,} rows of {indexed.table}"
            )
    return problems


def _missing_words(connection: apsw.Connection) -> list[str]:
    """Whether the words are as many in their runs as they are alone; it only counts."""
    words, in_runs = connection.execute(
        "SELECT (SELECT count(*) FROM search_term), (SELECT"
        " coalesce(sum(length(terms) - length(replace(terms, char(10), ''))), 0)"
        " FROM search_term_run)"
    ).get
    return [] if words == in_runs else [f"search_term_run has {in_runs:,} of {words:,} words"]
