"""What stricter rules for sync mean for what was sent under others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers.auth import NoAuth
from clankers.errors import StoreError
from clankers.store import Store
from clankers.sync import SyncManager
from clankers_cli import _context

if TYPE_CHECKING:
    from argparse import Namespace

    from clankers.config import Value

_STAYS = (
    "what was sent before stays on the server as it was; 'clankers-cli delete ID...' takes"
    " sessions back: with the next sync the server erases them, and they are gone here, too"
)
_IS_REPLACED = (
    "what was sent before is on the server as it was until the next sync, which puts the redacted"
    " form in its place; change secrets that went there. 'clankers-cli delete ID...' takes whole"
    " sessions back, and they are gone here, too"
)


def meaning(args: Namespace, key: str, before: Value, now: Value) -> str:
    """What to know after such a change; "" where less was not wanted, or nothing was sent."""
    if not (_holds_more_back(before, now) and _was_sent(args)):
        return ""
    return _IS_REPLACED if key == "redaction" else _STAYS


def _holds_more_back(before: Value, now: Value) -> bool:
    if isinstance(now, list):
        known = before if isinstance(before, list) else []
        return not set(now) <= set(known)
    return bool(now) and not before


def _was_sent(args: Namespace) -> bool:
    """Whether the database ever met a server; what was cut off in between may have arrived."""
    path = _context.database_path(args)
    if not path.exists():
        return False
    try:
        with Store.open(path, read_only=True) as store:
            return SyncManager(store, NoAuth(), "").status(ask_server=False).tenant is not None
    except StoreError:
        return False  # The setting is made all the same.
