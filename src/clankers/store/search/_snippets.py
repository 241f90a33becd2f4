"""The few words around what was found."""

from __future__ import annotations

import re

from clankers.store.search._terms import as_json

TYPE_CHECKING = False  # typing itself is slow to import, and a search should not pay for it

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clankers.store.search._wanted import Term

_BEFORE, _AFTER = 60, 100
_ESCAPE = re.compile(r"\\(.)")
_MEANT = {"n": " ", "r": " ", "t": " ", '"': '"', "\\": "\\", "/": "/"}


def snippet(
    texts: Iterable[str | None], terms: Sequence[Term], *, escaped: bool
) -> tuple[str, list[tuple[int, int]]]:
    """A line of the first text that has one of the terms, and where in it the terms stand.

    Without any of them, as where a word is spelled with other accents, it is the beginning
    of the first text.
    """
    present = [text for text in texts if text]
    for term in terms:
        for spelling in _spellings(term, escaped=escaped):
            for text in present:
                place = _folded(text).find(_folded(spelling))
                if place >= 0:
                    return _cut(text, place, place + len(spelling), terms, escaped=escaped)
    return _cut(present[0], 0, 0, terms, escaped=escaped) if present else ("", [])


def _spellings(term: Term, *, escaped: bool) -> list[str]:
    return list(dict.fromkeys([as_json(term.text), term.text])) if escaped else [term.text]


def _folded(text: str) -> str:
    """Lower case, letter by letter: places stay what they are."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(one.lower()[:1] or one for one in text)


def _cut(
    text: str, start: int, end: int, terms: Sequence[Term], *, escaped: bool
) -> tuple[str, list[tuple[int, int]]]:
    first = max(0, start - _BEFORE)
    last = min(len(text), end + _AFTER)
    # Not in the middle of a word, if its end is near.
    first = _word_start(text, first, start)
    piece = text[first:last].strip()
    if escaped:
        piece = _ESCAPE.sub(lambda found: _MEANT.get(found[1], found[0]), piece)
    line = " ".join(piece.split())
    line = ("…" if first > 0 else "") + line + ("…" if last < len(text) else "")
    return line, _marks(line, terms)


def _word_start(text: str, place: int, before: int) -> int:
    if place == 0:
        return 0
    space = text.find(" ", place, min(place + 20, before))
    return place if space < 0 else space + 1


def _marks(line: str, terms: Sequence[Term]) -> list[tuple[int, int]]:
    """Where terms stand in a line, in order; those that lie in another are left out."""
    folded = _folded(line)
    found: list[tuple[int, int]] = []
    for term in terms:
        words = _folded(" ".join(term.text.split()))
        place = folded.find(words) if words else -1
        while place >= 0:
            found.append((place, place + len(words)))
            place = folded.find(words, place + len(words))
    marks: list[tuple[int, int]] = []
    for mark in sorted(found, key=lambda one: (one[0], -one[1])):
        if not marks or mark[0] >= marks[-1][1]:
            marks.append(mark)
    return marks
