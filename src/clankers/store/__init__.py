"""The store: one SQLite database with our schema, and all SQL that writes it.

Names load when they are touched, so that a query can use a connection without the records.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself is slow to import, and every query starts here

if TYPE_CHECKING:
    from clankers.store._store import Store

__all__ = ["Store"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name == "Store":
            from clankers.store._store import Store

            return Store
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
