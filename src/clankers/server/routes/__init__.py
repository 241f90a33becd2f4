"""What can be asked of the service, one module a subject."""

from __future__ import annotations

from clankers.server.routes._api import api_search, api_session, api_sessions, api_stats
from clankers.server.routes._health import health, health_head, live, live_head, metrics
from clankers.server.routes._profiles import create_profile, retire_profile
from clankers.server.routes._query import query_session, query_sessions
from clankers.server.routes._sync import sync_batch, sync_changes, sync_status
from clankers.server.routes._tokens import Tokens, revoke_token, rotate_token

ROUTES = (
    health,
    health_head,
    live,
    live_head,
    metrics,
    sync_batch,
    sync_changes,
    sync_status,
    query_sessions,
    query_session,
    api_sessions,
    api_session,
    api_search,
    api_stats,
    Tokens,
    rotate_token,
    revoke_token,
    create_profile,
    retire_profile,
)

__all__ = ["ROUTES"]
