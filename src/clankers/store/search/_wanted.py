"""What a person typed into a search: words, exact texts, beginnings, exclusions, filters.

Nothing of it is ever given to SQLite as syntax: a word may hold quotes, operators or
anything else and is looked for as it stands.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False  # typing itself is slow to import, and a search should not pay for it

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    Kind = Literal["word", "exact", "beginning"]

PLACES = ("titles", "messages", "tools")
# What is longer is no search; the rest of it would only cost time.
LONGEST_TERM = 256
MOST_TERMS = 16
_SHORTEST_BEGINNING = 3
_TERM = re.compile(
    r"""
    (?P<minus>-(?=["\w]))?
    (?:
      (?P<key>[a-z]+):(?:"(?P<quoted_value>[^"]*)"|(?P<value>[^\s"]+))(?=\s|$)
      | "(?P<exact>[^"]*)"?
      | (?P<plain>\S+)
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FILTERS = {
    "agent": "source",
    "source": "source",
    "project": "project",
    "role": "role",
    "tool": "tool",
    "session": "session",
    "in": "places",
    "kind": "places",
    "since": "since",
    "after": "since",
    "before": "before",
    "until": "before",
}
_PLACE_NAMES = {name.rstrip("s"): name for name in PLACES}


class Term:
    """One thing to look for.

    `word` is a whole word, or failing that a part of one; `exact` is a text as it stands,
    a part of words at both ends; `beginning` is that of a word. Case makes no difference.
    """

    __slots__ = ("kind", "text")

    def __init__(self, text: str, kind: Kind) -> None:
        self.text = text
        self.kind = kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Term) and (self.text, self.kind) == (other.text, other.kind)

    def __hash__(self) -> int:
        return hash((self.text, self.kind))

    def __repr__(self) -> str:
        return f"Term({self.text!r}, {self.kind!r})"


class Filters:
    """What a hit must belong to; None where it makes no difference. Times are epoch ms.

    `project` is a name or a whole path, `session` the beginning of an id. Of messages
    `role` is asked, of tool calls `tool`; who asks for either looks for nothing else.
    """

    def __init__(
        self,
        *,
        source: str | None = None,
        project: str | None = None,
        role: str | None = None,
        tool: str | None = None,
        session: str | None = None,
        since: int | None = None,
        before: int | None = None,
    ) -> None:
        self.source = source
        self.project = project
        self.role = role
        self.tool = tool
        self.session = session
        self.since = since
        self.before = before


class Wanted:
    """A search, understood: all of `terms` and none of `excluded`, in `places`."""

    def __init__(self, filters: Filters, places: tuple[str, ...]) -> None:
        self.terms: list[Term] = []
        self.excluded: list[Term] = []
        self.filters = filters
        self.places = places


def understood(
    text: str, filters: Filters, places: tuple[str, ...], moment: Callable[[str], int]
) -> Wanted:
    """Reads a search as it was typed.

    Args:
        text: words; ``"exact text"``; ``beginning*``; ``-excluded``; filters such as
            ``agent:codex``. What looks like a filter and is none stands for itself.
        filters: what is given otherwise; filters in the text win.
        places: where to look, unless the text says.
        moment: reads the times of ``since:`` and ``before:``; raises what is no time.
    """
    found = Wanted(filters, places)
    for match in _TERM.finditer(text.replace("\0", " ")):
        if match["key"] and _filter(found, match, moment):
            continue
        term = _term(match)
        if term is None:
            continue
        kept = found.excluded if match["minus"] else found.terms
        if len(kept) < MOST_TERMS and term not in kept:
            kept.append(term)
    _narrow(found)
    return found


def exactly(text: str, filters: Filters, places: tuple[str, ...]) -> Wanted:
    """A search for one text as it stands, quotes and all."""
    found = Wanted(filters, places)
    if text:
        found.terms.append(Term(text.replace("\0", "")[:LONGEST_TERM], "exact"))
    _narrow(found)
    return found


def _filter(found: Wanted, match: re.Match[str], moment: Callable[[str], int]) -> bool:
    """Takes a filter; False for what is none."""
    name = _FILTERS.get(match["key"].lower())
    value = match["value"] or match["quoted_value"]
    if name is None or not value or match["minus"]:
        return False
    if name == "places":
        named = [_PLACE_NAMES.get(part.lower().rstrip("s")) for part in value.split(",")]
        places = tuple(place for place in PLACES if place in named)
        found.places = places or found.places
        return bool(places)
    if name in ("since", "before"):
        # `before:content` is a selector; a time begins with a digit.
        if not value[0].isdigit():
            return False
        setattr(found.filters, name, moment(value))
    else:
        setattr(found.filters, name, value)
    return True


def _term(match: re.Match[str]) -> Term | None:
    if match["exact"] is not None:
        return Term(match["exact"][:LONGEST_TERM], "exact") if match["exact"].strip() else None
    plain = match[0].removeprefix("-") if match["minus"] else match[0]
    beginning = plain[:-1]
    if plain.endswith("*") and len(beginning) >= _SHORTEST_BEGINNING and is_word(beginning):
        return Term(beginning[:LONGEST_TERM], "beginning")
    return Term(plain[:LONGEST_TERM], "word" if is_word(plain) else "exact")


def is_word(text: str) -> bool:
    """True for letters and digits alone, of a language that puts spaces between words."""
    from clankers.store.search._index import spaced

    return text.isalnum() and " " not in spaced(text)


def _narrow(found: Wanted) -> None:
    """A role is one of messages, a tool one of calls: who asks for it wants nothing else."""
    if found.filters.role is not None:
        found.places = tuple(place for place in found.places if place == "messages")
    if found.filters.tool is not None:
        found.places = tuple(place for place in found.places if place == "tools")
