"""SQL over the archive: questions that only read, and scripts that write with care.

::

    with Query(store) as query:
        for row in query.query("SELECT id, title FROM sessions WHERE source = ?", ["codex"]):
            print(row)
        query.execute("UPDATE sessions SET title = 'Spike' WHERE id = 's1'", write=True)

That a question only reads is held by SQLite itself: by how the file is opened and by
its authorizer, which knows what a statement does whatever its text looks like.
"""

from __future__ import annotations

from clankers._lazy import lazily
from clankers.query._query import Query
from clankers.query._result import Result

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from clankers.query._changes import Changes, Statement, TableChange
    from clankers.query._completion import Completion
    from clankers.query._saved import (
        Parameter,
        SavedQuery,
        history_file,
        parameter_value,
        queries_folder,
        saved_queries,
        saved_query,
    )
    from clankers.query._statements import Piece, is_complete, next_statement, split_script

else:
    # A question needs none of them.
    _HOMES = {
        "Changes": "_changes",
        "Completion": "_completion",
        "Parameter": "_saved",
        "Piece": "_statements",
        "SavedQuery": "_saved",
        "Statement": "_changes",
        "TableChange": "_changes",
        "history_file": "_saved",
        "is_complete": "_statements",
        "next_statement": "_statements",
        "parameter_value": "_saved",
        "queries_folder": "_saved",
        "saved_queries": "_saved",
        "saved_query": "_saved",
        "split_script": "_statements",
    }

    __getattr__ = lazily(globals(), _HOMES)


__all__ = [
    "Changes",
    "Completion",
    "Parameter",
    "Piece",
    "Query",
    "Result",
    "SavedQuery",
    "Statement",
    "TableChange",
    "history_file",
    "is_complete",
    "next_statement",
    "parameter_value",
    "queries_folder",
    "saved_queries",
    "saved_query",
    "split_script",
]
