"""The store: one SQLite database with our schema, and all SQL that writes it.

Names load when they are touched, so that a query can use a connection without the records.
"""

from __future__ import annotations

from clankers._lazy import lazily

TYPE_CHECKING = False  # typing itself is slow to import, and every query starts here

if TYPE_CHECKING:
    from clankers.store._backup import Backup, backups
    from clankers.store._files import archive_path
    from clankers.store._removal import Removal, RemovedSession
    from clankers.store._restore import Restored, find_backup, restore
    from clankers.store._size import Part, Share, Size
    from clankers.store._store import Store
    from clankers.store._vacuum import Vacuumed
    from clankers.store.archive._archiving import Archived
    from clankers.store.search import Hit, SearchResult

__all__ = [
    "Archived",
    "Backup",
    "Hit",
    "Part",
    "Removal",
    "RemovedSession",
    "Restored",
    "SearchResult",
    "Share",
    "Size",
    "Store",
    "Vacuumed",
    "archive_path",
    "backups",
    "find_backup",
    "restore",
]

if not TYPE_CHECKING:
    _HOMES = {
        "Archived": "archive._archiving",
        "Backup": "_backup",
        "Hit": "search",
        "Part": "_size",
        "Removal": "_removal",
        "RemovedSession": "_removal",
        "Restored": "_restore",
        "SearchResult": "search",
        "Share": "_size",
        "Size": "_size",
        "Store": "_store",
        "Vacuumed": "_vacuum",
        "archive_path": "_files",
        "backups": "_backup",
        "find_backup": "_restore",
        "restore": "_restore",
    }

    __getattr__ = lazily(globals(), _HOMES)
