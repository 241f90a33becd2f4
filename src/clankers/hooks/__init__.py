"""Hooks: what an agent says of its session the moment it happens.

`clankers-cli hook` reads one event of an agent and hands it to the daemon. Where none listens it
writes by itself, and where that cannot be done at once it leaves the event in the spool, from
which the daemon and the next import take it. An agent is never kept waiting, and never told of
an error.
"""

from __future__ import annotations

from clankers._lazy import lazily

TYPE_CHECKING = False  # typing itself is slow to import, and a hook is waited for

if TYPE_CHECKING:
    from clankers.hooks._deliver import deliver
    from clankers.hooks._events import requests_of
    from clankers.hooks._install import INSTALLABLE, Installation, plan
    from clankers.hooks._spool import spool_folder, take_in

else:
    _HOMES = {
        "INSTALLABLE": "_install",
        "Installation": "_install",
        "deliver": "_deliver",
        "plan": "_install",
        "requests_of": "_events",
        "spool_folder": "_spool",
        "take_in": "_spool",
    }

    __getattr__ = lazily(globals(), _HOMES)


__all__ = [
    "INSTALLABLE",
    "Installation",
    "deliver",
    "plan",
    "requests_of",
    "spool_folder",
    "take_in",
]
