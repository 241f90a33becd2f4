"""The settings of one profile as a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import field, frozen

from clankers._settings import origin

if TYPE_CHECKING:
    from pathlib import Path


@frozen(kw_only=True)
class Profile:
    """Named settings as they are in effect; `clankers-cli config list` explains each.

    `sync_interval` is seconds. `db` is the database file whether or not the profile
    names one. `timezone` is None for the system's zone, `archive_after_days` None for
    never. The token does not show in the repr.
    """

    name: str
    endpoint: str | None
    sync_enabled: bool
    sync_interval: int
    sync_mode: Literal["polling", "triggers", "hybrid"]
    sync_batch_size: int
    sync_pull: bool
    auth: Literal["none", "token", "workos"]
    token: str | None = field(repr=False)
    token_origin: str | None
    workos_client_id: str | None
    db: Path
    backup_before_write: bool
    redaction: bool
    metrics_only: bool
    exclude: tuple[str, ...]
    archive_after_days: int | None
    timezone: str | None

    def token_for(self, endpoint: str) -> str | None:
        """The token, if `endpoint` is on the server it was set for; no other may see it."""
        return self.token if self.token_origin == origin(endpoint) else None
