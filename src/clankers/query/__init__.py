"""Read-only SQL over the archive.

::

    with Query(store) as query:
        for row in query.query("SELECT id, title FROM sessions WHERE source = ?", ["codex"]):
            print(row)

That a statement only reads is held by SQLite itself: by how the file is opened and by
its authorizer, which knows what a statement does whatever its text looks like.
"""

from __future__ import annotations

from clankers.query._query import Query
from clankers.query._result import Result

__all__ = ["Query", "Result"]
