"""Text that a terminal can only show, never obey.

Transcripts carry whatever a model or a web page wrote: escape sequences that set the
clipboard or the title, marks that turn the direction of writing, letters without width.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Controls, format characters (Unicode's Cf, whole blocks where they are dense), line and
# paragraph separators, surrogates, and letters that are drawn as nothing. The joiners
# U+200C and U+200D stay where scripts and emoji need them: between two of their own.
_JOINED = "[\u0600-\u109f\u2190-\u2bff\ufe0f\U0001f000-\U0001faff]"
_HIDDEN = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891"
    "\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
_STRAY_JOINER = f"(?<!{_JOINED})[\u200c\u200d]|[\u200c\u200d](?!{_JOINED})"
_UNSAFE_IN_LINES = re.compile(f"\r\n|\r|[{_HIDDEN}]|{_STRAY_JOINER}")
_UNSAFE = re.compile(f"\r\n|[\t\n\r{_HIDDEN}]|{_STRAY_JOINER}")
_ZERO_WIDTH = frozenset({"Mn", "Me", "Cf"})


def visible(text: str, *, keep_newlines: bool = False) -> str:
    """`text` with everything a terminal would obey turned into what it says.

    Characters become escapes such as ``\\x1b`` or ``\\u202e``; a newline becomes ``↵``
    and a tab ``→``, unless `keep_newlines` leaves those two as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    if keep_newlines:
        return _UNSAFE_IN_LINES.sub(_escape_in_lines, text)
    return _UNSAFE.sub(_escape, text)


def escape_json(text: str) -> str:
    """JSON `text` with the same characters as JSON's own escapes: the same values, harmless."""
    if text.isascii() and "\x7f" not in text:
        return text
    if text.replace("\n", "").isprintable():
        return text
    return _UNSAFE_IN_LINES.sub(_escape_as_json, text)


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


def _escape(found: re.Match[str]) -> str:
    return {"\n": "↵", "\r\n": "↵", "\t": "→"}.get(found[0]) or _escaped(found[0])


def _escape_in_lines(found: re.Match[str]) -> str:
    return "\n" if found[0] == "\r\n" else _escaped(found[0])


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escape_as_json(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


@lru_cache(maxsize=4096)
def _character_width(character: str) -> int:
    # Imported here: text that is all ASCII never needs it.
    import unicodedata

    if unicodedata.category(character) in _ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
