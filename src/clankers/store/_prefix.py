"""Texts that begin alike, as a stretch of an index."""

from __future__ import annotations

_LAST = "\U0010ffff"
_BEFORE_SURROGATES = "\ud7ff"
_AFTER_SURROGATES = "\ue000"


def after_all_with(prefix: str) -> str | None:
    """The smallest text above all that begin with `prefix`; None where there is none.

    SQLite compares bytes of UTF-8, whose order is that of the code points.
    """
    stem = prefix.rstrip(_LAST)
    if not stem:
        return None
    last = stem[-1]
    following = _AFTER_SURROGATES if last == _BEFORE_SURROGATES else chr(ord(last) + 1)
    return stem[:-1] + following
