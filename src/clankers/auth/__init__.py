"""How a client shows a server who it is: objects for the `auth` of requests.

::

    auth = TokenAuth("clk_...", endpoint="https://sync.example.com")
    requests.get("https://sync.example.com/sync/status", auth=auth)

Always give one, `NoAuth` where there is nothing to show: without any, requests would look
into the user's netrc file and send a password from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clankers.auth._modes import NoAuth, TokenAuth
    from clankers.auth._tokens import is_token, new_token
else:
    from clankers._lazy import lazily

    __getattr__ = lazily(
        globals(),
        {
            "NoAuth": "_modes",
            "TokenAuth": "_modes",
            "is_token": "_tokens",
            "new_token": "_tokens",
        },
    )

__all__ = ["NoAuth", "TokenAuth", "is_token", "new_token"]
