"""From what is looked for to what the full-text tables understand.

A word of the index is a run of letters and digits. A text is looked for by the words it is
made of; where it may begin or end within a word, by every word of the index that fits.
What the index finds in this way is at least what is wanted, and LIKE decides.
"""

from __future__ import annotations

from clankers.store.search._index import spaced, without_escapes

TYPE_CHECKING = False  # typing itself is slow to import, and a search should not pay for it

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import apsw

    from clankers.store.search._index import Indexed
    from clankers.store.search._wanted import Term

# A part that more words than these have is common: looking through the rows ends sooner.
MOST_EXPANSIONS = 256
_SHORTEST_PART = 3


class Tokens:
    """The words of a text as an index sees them, and whether its ends are ends of words."""

    def __init__(self, words: list[str], *, starts_word: bool, ends_word: bool) -> None:
        self.words = words
        self.starts_word = starts_word
        self.ends_word = ends_word


class Words:
    """The words of both indexes, looked through once for each part that is asked for."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._found: dict[str, list[str]] = {}

    def with_part(self, part: str, *, after: bool) -> list[str]:
        """Words with `part` somewhere in them, or at their end; not many more than are of use."""
        pattern = part if after else f"{part}\n"
        if pattern not in self._found:
            self._found[pattern] = self._look(pattern)
        return self._found[pattern]

    def _look(self, pattern: str) -> list[str]:
        found: list[str] = []
        for (run,) in self._connection.execute("SELECT terms FROM search_term_run"):
            found += _words_with(pattern, str(run))
            if len(found) >= 4 * MOST_EXPANSIONS:
                break
        return found


class Vocabulary:
    """Cuts texts into words and finds the words that a part may belong to."""

    def __init__(self, connection: apsw.Connection, indexed: Indexed, words: Words) -> None:
        self._words = words
        self._indexed = indexed
        name, *options = indexed.tokenizer.split()
        self._tokenizer = connection.fts5_tokenizer(name, [option.strip("'") for option in options])

    def whole(self, term: Term) -> str | None:
        """Rows that have the term as whole words, the last of which may go on.

        None when the term has no words at all.
        """
        return _either([self._whole(tokens, term) for tokens in self._spellings(term.text)])

    def parts(self, term: Term) -> str | None:
        """Rows that may have the term anywhere, also within words.

        None when the index cannot narrow it down; "" when no word fits, so that no row has
        the term.
        """
        return _either([self._parts(tokens) for tokens in self._spellings(term.text)])

    def _spellings(self, text: str) -> list[Tokens]:
        """What `text` is made of; for JSON as it stands, and as a text inside of it."""
        if not self._indexed.escaped:
            return [self._tokens(text)]
        spellings = dict.fromkeys(without_escapes(one) for one in (text, as_json(text)))
        return [self._tokens(one) for one in spellings]

    def _tokens(self, text: str) -> Tokens:
        encoded = spaced(text).encode("utf-8", "replace")
        # Each is where it begins, where it ends, and what the index calls it.
        found: list[Any] = list(self._tokenizer(encoded, _QUERY, None))
        if not found:
            return Tokens([], starts_word=False, ends_word=False)
        return Tokens(
            [one[2] for one in found],
            starts_word=found[0][0] > 0,
            ends_word=found[-1][1] < len(encoded),
        )

    def _whole(self, tokens: Tokens, term: Term) -> str | None:
        if not tokens.words:
            return None
        if term.kind == "word":
            return " AND ".join(map(quoted, tokens.words))
        goes_on = "" if tokens.ends_word else "*"
        if self._indexed.escaped or term.kind == "beginning":
            *others, last = tokens.words
            return " AND ".join([*map(quoted, others), quoted(last) + goes_on])
        return quoted(" ".join(tokens.words)) + goes_on

    def _parts(self, tokens: Tokens) -> str | None:
        if not tokens.words:
            return None
        first, last = tokens.words[0], tokens.words[-1]
        if len(tokens.words) == 1:
            return self._any(first, before=not tokens.starts_word, after=not tokens.ends_word)
        groups = [self._any(first, before=not tokens.starts_word, after=False)]
        groups += [quoted(word) for word in tokens.words[1:-1]]
        groups.append(quoted(last) + ("" if tokens.ends_word else "*"))
        if "" in groups:
            return ""
        # What cannot be narrowed down is left to LIKE.
        return " AND ".join(filter(None, groups))

    def _any(self, part: str, *, before: bool, after: bool) -> str | None:
        """Any of the words that `part` is a part of."""
        if not before:
            return quoted(part) + ("*" if after else "")
        if len(part) < _SHORTEST_PART and part.isascii():
            return None
        words = self._words.with_part(part, after=after)
        is_whole = len(words) < 4 * MOST_EXPANSIONS
        if not self._indexed.escaped:
            # In prose an underscore ends a word, in what tools say it is a part of one.
            words = [word for word in words if "_" not in word]
        if not is_whole or len(words) > MOST_EXPANSIONS:
            return None
        return f"({' OR '.join(map(quoted, words))})" if words else ""


def _words_with(pattern: str, run: str) -> Iterator[str]:
    """The words of a run in which `pattern` is; each has a line feed behind it."""
    at = run.find(pattern)
    while at >= 0:
        end = run.index("\n", at)
        yield run[run.rfind("\n", 0, at) + 1 : end]
        at = run.find(pattern, end)


# FTS5_TOKENIZE_QUERY
_QUERY = 1


def _either(ways: list[str | None]) -> str | None:
    """Rows found in one of these ways; a way that narrows nothing down makes the others idle."""
    if None in ways:
        return None
    possible = list(dict.fromkeys(way for way in ways if way))
    return possible[0] if len(possible) == 1 else " OR ".join(f"({way})" for way in possible)


def as_json(text: str) -> str:
    """`text` as it stands inside a JSON string."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    import json

    return json.dumps(text, ensure_ascii=False)[1:-1]


def quoted(words: str) -> str:
    """A string of the full-text syntax, in which nothing is an operator."""
    return '"' + words.replace('"', '""') + '"'


def like(text: str) -> str:
    r"""`text` for a LIKE pattern with ESCAPE '\'."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
