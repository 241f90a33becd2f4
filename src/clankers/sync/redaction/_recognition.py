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
    first, *middle, last = parts
    if not text.startswith(first) or not text.endswith(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in middle:
        place = text.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return place <= end
