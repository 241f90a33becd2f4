"""What a mistyped word was perhaps meant to be."""

from __future__ import annotations

from clankers.store._prefix import after_all_with

TYPE_CHECKING = False  # typing itself is slow to import, and a search should not pay for it

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"
_SHORTEST, _LONGEST = 4, 24
_NEAR = 0.75
_SAME_BEGINNING = 2
_MOST_COMPARED = 2_000


def suggestion(connection: apsw.Connection, word: str) -> str | None:
    """A word of the index that is nearly `word`, the most frequent one where there are several.

    None when the index has the word itself, or nothing like it.
    """
    word = word.lower()
    if not _SHORTEST <= len(word) <= _LONGEST or _known(connection, [word]):
        return None
    near = _known(connection, list(_one_edit_from(word))) or _similar(connection, word)
    return max(near, key=lambda one: (_frequency(connection, one), one), default=None)


def is_known(connection: apsw.Connection, word: str) -> bool:
    """True when the index has the word itself."""
    return bool(_known(connection, [word.lower()]))


def _one_edit_from(word: str) -> Iterator[str]:
    """Every word with one letter more, less, changed, or changed with its neighbour."""
    for place in range(len(word) + 1):
        before, after = word[:place], word[place:]
        if after:
            yield before + after[1:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        for letter in _LETTERS:
            yield before + letter + after
            if after:
                yield before + letter + after[1:]


def _known(connection: apsw.Connection, words: list[str]) -> list[str]:
    import json

    found = connection.execute(
        "SELECT t.term FROM json_each(?) j CROSS JOIN search_term t ON t.term = j.value",
        (json.dumps(words),),
    )
    return sorted({str(term) for (term,) in found})


def _similar(connection: apsw.Connection, word: str) -> list[str]:
    """Words with the same beginning and about the same length that are much like it."""
    from difflib import get_close_matches

    beginning = word[:_SAME_BEGINNING]
    found = connection.execute(
        "SELECT term FROM search_term WHERE term >= ? AND term < ?"
        " AND length(term) BETWEEN ? AND ? LIMIT ?",
        (
            beginning,
            after_all_with(beginning),
            len(word) - 2,
            len(word) + 2,
            _MOST_COMPARED,
        ),
    )
    return get_close_matches(word, [str(term) for (term,) in found], n=3, cutoff=_NEAR)


def _frequency(connection: apsw.Connection, word: str) -> int:
    from clankers.store.search._find import rows_with

    return rows_with(connection, "message_search", word) + rows_with(
        connection, "tool_search", word
    )
