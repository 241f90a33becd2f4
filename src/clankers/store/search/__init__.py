"""Search: finding what was said, done and titled, by words or by any part of a text."""

from __future__ import annotations

from clankers.store.search._index import (
    check_index,
    has_unspaced,
    is_behind,
    optimize_index,
    rebuild_index,
    update_index,
)
from clankers.store.search._search import Hit, SearchResult, search, search_file
from clankers.store.search._wanted import PLACES

__all__ = [
    "PLACES",
    "Hit",
    "SearchResult",
    "check_index",
    "has_unspaced",
    "is_behind",
    "optimize_index",
    "rebuild_index",
    "search",
    "search_file",
    "update_index",
]
