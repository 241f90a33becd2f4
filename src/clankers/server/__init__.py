"""The web service: what devices sync with, a database for each tenant.

::

    from clankers.server import Settings, serve

    serve(Settings(port=8750))

Needs the extra ``server``. `create_app` gives the ASGI application for another server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clankers.server._answers import TokenInfo
    from clankers.server._app import create_app
    from clankers.server._operating import Operator
    from clankers.server._registry import Tenant
    from clankers.server._serving import serve
    from clankers.server._settings import Limits, Settings, settings_from
else:
    from clankers._lazy import lazily

    __getattr__ = lazily(
        globals(),
        {
            "Limits": "_settings",
            "Operator": "_operating",
            "Settings": "_settings",
            "Tenant": "_registry",
            "TokenInfo": "_answers",
            "create_app": "_app",
            "serve": "_serving",
            "settings_from": "_settings",
        },
    )

__all__ = [
    "Limits",
    "Operator",
    "Settings",
    "Tenant",
    "TokenInfo",
    "create_app",
    "serve",
    "settings_from",
]
