"""What the service answers, one record per kind of answer; the OpenAPI document is made of them."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from clankers import models


@define
class Health:
    """Whether the service can do its work; `tenants` only with auth none."""

    status: str
    version: str
    auth_mode: str
    database: str
    tenants: int | None = None


@define
class Alive:
    """The process answers; nothing else is said."""

    status: str = "alive"


@define
class SyncStatus:
    """What a tenant has: counts of its live records by table; times are ISO 8601."""

    last_sync: str | None
    total_sessions: int
    total_messages: int
    counts: dict[str, int]
    store: str
    tenant: str


@define
class SessionPage:
    """Some sessions, the newest first, and how many there are in all."""

    sessions: list[models.Session]
    total: int
    limit: int
    offset: int


@define
class SessionStats:
    """Tokens are prompt and completion together, cost is US dollars, null when unpriced."""

    message_count: int
    total_tokens: int
    total_cost: float | None


@define
class SessionDetail:
    session: models.Session
    messages: list[models.Message]
    stats: SessionStats


@define
class Conversation:
    """All that is known of a session, as the dashboard shows it."""

    session: models.Session
    messages: list[models.Message]
    tools: list[models.ToolCall]
    errors: list[models.SessionError]
    compactions: list[models.Compaction]
    subagents: list[models.Session]
    stats: SessionStats


@define
class Hit:
    """One thing that was found; `marks` are where the terms stand in `snippet`."""

    place: str
    id: str
    session_id: str
    title: str | None
    source: str | None
    project: str | None
    at: int | None
    who: str
    snippet: str
    marks: list[list[int]]


@define
class Found:
    hits: list[Hit]
    more: list[str]
    unsearched: list[str]
    suggestions: list[str]


@define
class Total:
    """Sums over usage for one value of a dimension; cost is US dollars, null when unpriced."""

    key: str | None
    sessions: int
    responses: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    cost: float | None
    unpriced: int


@define
class Stats:
    """Usage of a span of time, in all and by dimension; days are UTC."""

    total: Total
    by_day: list[Total]
    by_model: list[Total]
    by_project: list[Total]
    by_source: list[Total]


@define
class TokenInfo:
    """A token as it is listed; the token itself is only ever shown once. Times are epoch ms."""

    id: str
    hint: str
    tenant: str
    name: str
    scopes: list[str]
    created_at: int
    expires_at: int | None = None
    last_used_at: int | None = None
    revoked_at: int | None = None


@define
class TokenList:
    tokens: list[TokenInfo]


@define
class NewToken:
    """A token that was made: `token` is shown here and never again."""

    token: str = field(repr=False)
    info: TokenInfo


@define
class OfferedProfile:
    """A profile as `clankers-cli config profiles add` takes it; the token is shown only here."""

    name: str
    endpoint: str
    auth: str
    token: str = field(repr=False)


@define
class NewProfile:
    """A profile that is ready to be used, and the tenant that was made for it."""

    profile: OfferedProfile
    tenant: str


@define
class Retired:
    """A tenant that was retired; until then it can be had back. Epoch ms."""

    tenant: str
    recoverable_until: int


@define
class SyncAnswer:
    """What became of a batch; see the reference of the protocol."""

    sessions_synced: int
    messages_synced: int
    tools_synced: int
    session_errors_synced: int
    compaction_events_synced: int
    usage_synced: int
    deletes_synced: int
    sync_timestamp: str
    tenant: str
    store: str
    mark: list[Any]
    clock: int
    server_time: int
    rejected: list[dict[str, str]]


@define
class ChangesPage:
    """Records that changed after a revision, the oldest change first."""

    changes: list[dict[str, Any]]
    next: int
    more: bool
    store: str
    mark: list[Any]
    clock: int


@define
class ErrorBody:
    code: str
    message: str
    details: dict[str, Any]


@define
class ErrorAnswer:
    """Every answer that is not 2xx."""

    error: ErrorBody
