"""Telling that a text is another one without its secrets."""

from __future__ import annotations

import re

MARKER = re.compile(r"\[redacted:[a-z0-9_-]+\]")


def is_redaction_of(sent: str, text: str) -> bool:
    """Whether `sent` is what some version of the rules can have made of `text`.

    Not only of today's: what was sent under older rules comes back, too, and must not take
    the place of the text that it was made from.
    """
    parts = MARKER.split(sent)
    if len(parts) == 1:
        return sent == text
    first, *rest = parts
    if not text.startswith(first) or not text.endswith(rest[-1]):
        return False
    place = len(first)
    for number, part in enumerate(rest, 1):
        is_last = number == len(rest)
        begins = len(text) - len(part) if is_last else text.find(part, place + _SHORTEST)
        if begins < place or not _may_be_secret(text[place:begins]):
            return False
        place = begins + len(part)
    return True


# No secret that rules know is shorter, and only keys that are blocks have spaces in them.
_SHORTEST = 4


def _may_be_secret(gap: str) -> bool:
    return len(gap) >= _SHORTEST and (
        len(gap.split()) == 1 or gap.lstrip().startswith("-----BEGIN")
    )
