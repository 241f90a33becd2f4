"""Text that a terminal can only show, never obey.

Transcripts carry whatever a model or a web page wrote: escape sequences that set the
clipboard or the title, marks that turn the direction of writing, letters without width.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

# Controls, format characters (Unicode's Cf, whole blocks where they are dense), line and
# paragraph separators, surrogates, and letters that are drawn as nothing.
_UNSAFE = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891"
    r"\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff"
)
_JOINERS = "\u200c\u200d"
# The scripts and signs in which a joiner has its work to do: Arabic to Myanmar, emoji.
_JOINING = ((0x0600, 0x109F), (0x2190, 0x2BFF), (0xFE0F, 0xFE0F), (0x1F000, 0x1FAFF))
_ZERO_WIDTH = frozenset({"Mn", "Me", "Cf"})


def visible(text: str, *, keep_newlines: bool = False) -> str:
    r"""`text` with everything a terminal would obey turned into what it says.

    Characters become escapes such as ``\x1b`` or ``\u202e``; a newline becomes ``↵``
    and a tab ``→``, unless `keep_newlines` leaves those two as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    if keep_newlines:
        return _unsafe("").sub(_escape, text)
    return _unsafe(r"\t\n").sub(_escape, text)


def escape_json(text: str) -> str:
    """JSON `text` with the same characters as JSON's own escapes: the same values, harmless."""
    if text.isascii() and "\x7f" not in text:
        return text
    if text.replace("\n", "").isprintable():
        return text
    return _unsafe("").sub(_escape_as_json, text)


def display_width(text: str) -> int:
    """How many columns `text` takes in a terminal; wide characters and emoji take two."""
    return len(text) if text.isascii() else sum(map(_character_width, text))


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` columns, its end replaced by … where it is longer."""
    if text.isascii():
        return text if len(text) <= width else text[: width - 1] + "…"
    if display_width(text) <= width:
        return text
    taken = 0
    for index, character in enumerate(text):
        taken += _character_width(character)
        if taken > width - 1:
            return text[:index] + "…"
    return text


@cache
def _unsafe(more: str) -> re.Pattern[str]:
    """Compiled when first needed: most of what is printed is plain."""
    return re.compile(f"[{_UNSAFE}{more}]")


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if _stands_well(found):
        return character
    if character in "\n\t":
        return "↵" if character == "\n" else "→"
    if character == "\r" and found.string[found.end() : found.end() + 1] == "\n":
        return ""
    return ascii(character)[1:-1]


def _stands_well(found: re.Match[str]) -> bool:
    """A joiner between two characters that it can join, as in family emoji or Persian."""
    if found[0] not in _JOINERS:
        return False
    start, end = found.span()
    return _joins(found.string[max(start - 1, 0) : start]) and _joins(found.string[end : end + 1])


def _joins(character: str) -> bool:
    if not character or not character.isprintable():
        return False
    return any(low <= ord(character) <= high for low, high in _JOINING)


def _escape_as_json(found: re.Match[str]) -> str:
    if _stands_well(found):
        return found[0]
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


@lru_cache(maxsize=4096)
def _character_width(character: str) -> int:
    # Imported here: text that is all ASCII never needs it.
    import unicodedata

    if unicodedata.category(character) in _ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
