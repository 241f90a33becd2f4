"""Sync with a server of one's choice: nothing lost, nothing twice, whatever breaks.

`SyncManager` sends what changed and takes in what other devices said; the daemon does it in
the background. What leaves is decided by a `Policy`: secrets never do, unless they are let.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clankers.sync._exchange import Progress
    from clankers.sync._manager import Pending, SyncManager
    from clankers.sync._policy import Policy
    from clankers.sync._pull import Pulled
    from clankers.sync._status import SyncStatus
    from clankers.sync.redaction import redact
else:
    from clankers._lazy import lazily

    __getattr__ = lazily(
        globals(),
        {
            "Pending": "_manager",
            "Policy": "_policy",
            "Progress": "_exchange",
            "Pulled": "_pull",
            "SyncManager": "_manager",
            "SyncStatus": "_status",
            "redact": "redaction",
        },
    )

__all__ = [
    "Pending",
    "Policy",
    "Progress",
    "Pulled",
    "SyncManager",
    "SyncStatus",
    "redact",
]
