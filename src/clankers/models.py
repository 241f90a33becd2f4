"""The records: what a store keeps, one class per table.

Times are integer epoch milliseconds; the `*_datetime` properties give aware UTC
datetimes for people. Token counts follow one shape for every agent: `input_tokens` is
uncached input only, `output_tokens` includes reasoning. Money on `Usage` is integer
microdollars, on `Session` US dollars; unknown is None, never 0.

Field order is column order, so that a row becomes a record by `Record(*row)`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from attrs import define

__all__ = [
    "Attachment",
    "Compaction",
    "Message",
    "Relationship",
    "Session",
    "SessionError",
    "ToolCall",
    "Usage",
]

Relationship = Literal["subagent", "fork", "continuation"]


def _aware(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


@define
class Session:
    """One run of one agent.

    `prompt_tokens`, `completion_tokens` and `cost` follow the usage that is stored;
    `message_count` and `tool_call_count` are counted by imports and `Store.refresh`. A
    value given here only stands until then. `relationship` says what the session is to `parent_id`.
    """

    id: str
    created_at: int | None = None
    updated_at: int | None = None
    ended_at: int | None = None
    source: str | None = None
    status: str | None = None
    title: str | None = None
    project_path: str | None = None
    project_name: str | None = None
    model: str | None = None
    provider: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    message_count: int | None = None
    tool_call_count: int | None = None
    permission_mode: str | None = None
    parent_id: str | None = None
    relationship: str | None = None
    origin_device: str | None = None
    git_branch: str | None = None
    agent_version: str | None = None

    @property
    def created_datetime(self) -> datetime | None:
        return _aware(self.created_at)

    @property
    def updated_datetime(self) -> datetime | None:
        return _aware(self.updated_at)


@define
class Message:
    """One message of a session: a prompt, an answer, or what the agent put in between.

    `seq` orders a session's messages and tool calls together; it only grows, by
    milliseconds where the agent wrote times. `content` is ordered JSON of the blocks
    that `text_content` cannot say, or None when the text says it all. An answer that
    the agent logged over several lines is one message.
    """

    id: str
    session_id: str
    created_at: int | None = None
    completed_at: int | None = None
    seq: int | None = None
    role: str | None = None
    model: str | None = None
    source: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    duration_ms: int | None = None
    native_id: str | None = None
    parent_native_id: str | None = None
    is_sidechain: bool | None = None
    text_content: str | None = None
    thinking: str | None = None
    content: str | None = None

    @property
    def created_datetime(self) -> datetime | None:
        return _aware(self.created_at)


@define
class ToolCall:
    """One tool call with its result.

    `tool_input` and `tool_output` are JSON text. `tool_name` is "" while only the
    result is known. `success` is None until a result arrives. `output_bytes` is the
    true length of an output that is stored shortened, else None. `child_session_id`
    is the session of the subagent that the call started.
    """

    id: str
    session_id: str
    created_at: int
    tool_name: str = ""
    message_id: str | None = None
    seq: int | None = None
    success: bool | None = None
    duration_ms: int | None = None
    file_path: str | None = None
    native_id: str | None = None
    output_bytes: int | None = None
    child_session_id: str | None = None
    error_message: str | None = None
    tool_input: str | None = None
    tool_output: str | None = None

    @property
    def created_datetime(self) -> datetime | None:
        return _aware(self.created_at)


@define
class SessionError:
    """Something that failed in a session: an API error, a refusal, a rate limit."""

    id: str
    session_id: str
    created_at: int
    error_type: str | None = None
    error_message: str | None = None


@define
class Compaction:
    """The agent replaced its context by a summary; None where it did not say how much."""

    id: str
    session_id: str
    created_at: int
    tokens_before: int | None = None
    tokens_after: int | None = None
    messages_before: int | None = None
    messages_after: int | None = None


@define
class Usage:
    """What one model response used; the billable truth all totals are sums of.

    `id` identifies the response archive-wide, so that forks, resumes and copied files
    count once. `session_id` is the earliest session that carries it and `session_at`
    that session's `created_at`. `output_tokens` includes `reasoning_tokens`. `cost` and
    `cost_reported` (what the agent itself said) are microdollars. `estimated` marks
    totals that nobody measured. `raw` is the agent's own JSON.
    """

    id: str
    session_id: str
    session_at: int | None = None
    message_id: str | None = None
    source: str | None = None
    project_path: str | None = None
    git_branch: str | None = None
    origin_device: str | None = None
    provider: str | None = None
    model: str | None = None
    occurred_at: int | None = None
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    web_searches: int = 0
    service_tier: str | None = None
    speed: str | None = None
    is_sidechain: bool = False
    cost_reported: int | None = None
    cost: int | None = None
    cost_source: str | None = None
    price_version: str | None = None
    estimated: bool = False
    raw: str | None = None

    @property
    def occurred_datetime(self) -> datetime | None:
        return _aware(self.occurred_at)


@define
class Attachment:
    """An image or document of a conversation, stored once under its SHA-256 (hex)."""

    sha256: str
    media_type: str | None
    data: bytes
