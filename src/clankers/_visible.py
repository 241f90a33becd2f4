"""Text that a terminal can only show, never obey.

Transcripts carry whatever a model or a web page wrote: escape sequences that set the
clipboard or the title, marks that turn the direction of writing, letters without width.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterator

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
_JOINER = "\u200d"
_DRAW_AS_EMOJI = "\ufe0f"
_LAST_ASCII = "\x7f"
# How much of a shortened text may go so that a word stays whole: a third.
_WORD_SHARE = 3


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


def split_unsafe(text: str) -> list[tuple[str, bool]]:
    """`text` in pieces, and whether a terminal would obey the piece; newlines and tabs it may."""
    pieces: list[tuple[str, bool]] = []
    end = 0
    for found in _unsafe("").finditer(text):
        if _stands_well(found):
            continue
        start = found.start()
        if start > end or not pieces:
            pieces.append((text[end:start], False))
        if start == end and pieces[-1][1]:
            pieces[-1] = (pieces[-1][0] + found[0], True)
        else:
            pieces.append((found[0], True))
        end = found.end()
    if end < len(text) or not pieces:
        pieces.append((text[end:], False))
    return pieces


def display_width(text: str) -> int:
    """How many columns `text` takes in a terminal; wide characters and emoji take two.

    A sequence of emoji that is drawn as one, such as a family, takes two as well.
    """
    return len(text) if text.isascii() else sum(_widths(text))


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` columns, its end replaced by … where it is longer."""
    if text.isascii():
        return text if len(text) <= width else text[: width - 1] + "…"
    if display_width(text) <= width:
        return text
    return text[: _fitting(text, width - 1)] + "…"


def shorten_middle(text: str, width: int) -> str:
    """`text` in at most `width` columns; where it is longer, … stands for its middle.

    Two thirds of what stays are from its beginning. A word is cut in two only where it is
    long.
    """
    if text.isascii():
        if len(text) <= width:
            return text
    elif display_width(text) <= width:
        return text
    room = width - 1
    tail = room // 3
    head = _fitting(text, room - tail)
    start = len(text) - _fitting(text[::-1], tail)
    while start < len(text) and not _character_width(text[start]):
        start += 1  # A mark belongs to the letter before it, which is not shown.
    return text[: _word_end(text, head)] + "…" + text[_word_start(text, start) :]


def _word_end(text: str, end: int) -> int:
    """The end of a word at or a little before `end`."""
    for place in range(end, end - end // _WORD_SHARE, -1):
        if not (text[place - 1].isalnum() and text[place].isalnum()):
            return place
    return end


def _word_start(text: str, start: int) -> int:
    for place in range(start, start + (len(text) - start) // _WORD_SHARE):
        if not (text[place - 1].isalnum() and text[place].isalnum()):
            return place
    return start


def _fitting(text: str, width: int) -> int:
    """How many characters from the beginning take at most so many columns."""
    if text.isascii():
        return min(len(text), width)
    taken = 0
    for index, columns in enumerate(_widths(text)):
        taken += columns
        if taken > width:
            return index
    return len(text)


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


def _widths(text: str) -> Iterator[int]:
    """The columns of each character, where emoji that are drawn as one count once."""
    before, taken = "", 0
    for character in text:
        width = _character_width(character)
        if before == _JOINER or (_is_skin(character) and before > _LAST_ASCII):
            width = 0
        elif character == _DRAW_AS_EMOJI:
            width = int(taken == 1)
        yield width
        before, taken = character, width


def _is_skin(character: str) -> bool:
    return "\U0001f3fb" <= character <= "\U0001f3ff"


@lru_cache(maxsize=4096)
def _character_width(character: str) -> int:
    # Imported here: text that is all ASCII never needs it.
    import unicodedata

    if unicodedata.category(character) in _ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
