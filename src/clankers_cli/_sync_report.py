"""What `clankers-cli sync` shows: where sync stands, what waits, and what a sync did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from clankers.formats import report_table, visible
from clankers.times import short_time
from clankers_cli import _amounts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from clankers.config import Profile
    from clankers.sync import Pending, Progress, Pulled, SyncStatus

HOW_TO_TURN_ON = (
    "'clankers-cli config set endpoint https://...' names a server,"
    " 'clankers-cli config set sync_enabled true' has the daemon sync with it"
)
_HOW_TO_GO_ON = {
    "disabled": "'clankers-cli config set sync_enabled true' has the daemon sync;"
    " 'clankers-cli sync now' syncs once all the same",
    "pending": "a running daemon sends it; 'clankers-cli sync now' sends it now",
    "unauthorized": "'clankers-cli token set' sets another token for this server",
    "error": "'clankers-cli sync now' tries it now",
    "waiting": "'clankers-cli sync now' tries it now",
}
_WIDTH = 12


# Where sync stands


def in_effect(profile: Profile, status: SyncStatus) -> SyncStatus:
    """The status as the settings leave it: what they keep off is disabled."""
    if not profile.sync_enabled and status.state in ("idle", "pending"):
        return evolve(status, state="disabled")
    return status


def status_document(profile: Profile, status: SyncStatus | None) -> dict[str, Any]:
    """The status as JSON has it; without an endpoint there is none, and all is null."""
    document: dict[str, Any] = {
        "profile": profile.name,
        "endpoint": profile.endpoint,
        "enabled": profile.sync_enabled,
        "state": "disabled",
        **dict.fromkeys(("syncing_process", "origin", "tenant", "last_sync", "last_pull")),
        **dict.fromkeys(("next_try", "last_error", "waiting", "local", "server")),
        "server_problem": None,
    }
    if status is not None:
        document |= {name: getattr(status, name) for name in document if hasattr(status, name)}
        document["waiting"] = _counts(status.waiting)
    return document


def status_text(profile: Profile, status: SyncStatus, zone: tzinfo | None) -> str:
    """The status for people: what is the matter, then both sides by table."""
    lines = [f"{name:<{_WIDTH}}{visible(text)}" for name, text in _facts(profile, status, zone)]
    return "\n".join([*lines, "", _sides(status)])


def way_on(status: SyncStatus) -> str:
    """What can be done in this state; "" where nothing needs to be."""
    return _HOW_TO_GO_ON.get(status.state, "")


def _facts(profile: Profile, status: SyncStatus, zone: tzinfo | None) -> Iterator[tuple[str, str]]:
    yield "profile", profile.name
    yield "endpoint", profile.endpoint or ""
    yield "enabled", "yes" if profile.sync_enabled else "no"
    yield "state", _state(status, zone)
    if status.tenant is not None:
        yield "tenant", f"{status.tenant} on {status.origin}"
    yield "last sync", _when(status.last_sync, zone)
    yield "last pull", _when(status.last_pull, zone)
    if status.last_error is not None:
        yield "last error", status.last_error
    if status.next_try is not None:
        yield "next try", _when(status.next_try, zone)
    if status.server_problem is not None:
        yield "server", status.server_problem


def _state(status: SyncStatus, zone: tzinfo | None) -> str:
    if status.state == "syncing":
        return f"syncing by {_process(status.syncing_process)}"
    if status.state == "waiting":
        return f"waiting until {_when(status.next_try, zone)}"
    return status.state


def _process(number: int | None) -> str:
    return f"process {number}" if number else "another process"


def _when(at: int | None, zone: tzinfo | None) -> str:
    return "never" if at is None else short_time(at, zone)


def _sides(status: SyncStatus) -> str:
    server = status.server or {}
    rows = [
        (table, status.local.get(table), server.get(table), one.ready, one.held, one.aside)
        for table, one in status.waiting.items()
    ]
    return report_table(("table", "here", "server", "pending", "held", "refused"), rows)


# What waits


def pending_document(pending: Pending) -> dict[str, Any]:
    """What waits as JSON has it."""
    refused = [one._asdict() for one in pending.refused]
    return {"counts": _counts(pending.counts), "refused": refused}


def pending_text(pending: Pending) -> str:
    """What waits for people, refused rows one by one."""
    rows = [(table, *one) for table, one in pending.counts.items()]
    counts = report_table(("table", "pending", "held", "refused"), rows)
    if not pending.refused:
        return counts
    refused = [(one.table, one.id, one.code, one.tries, one.message) for one in pending.refused]
    return f"{counts}\n\n" + report_table(("table", "id", "code", "tries", "message"), refused)


def ready_rows(pending: Pending) -> dict[str, int]:
    """By table how many rows would go now; tables of which none would are left out."""
    return {table: one.ready for table, one in pending.counts.items() if one.ready}


def left_text(pending: Pending) -> str:
    """What does not go by itself; "" where there is nothing of the kind."""
    parts = []
    if held := _held(pending):
        parts.append(f"{_amounts.counted(held, 'row')} held back by the rules of the profile")
    if aside := _aside(pending):
        parts.append(f"{_amounts.counted(aside, 'row')} refused by the server")
    return " and ".join(parts)


def _held(pending: Pending) -> int:
    return sum(one.held for one in pending.counts.values())


def _aside(pending: Pending) -> int:
    return sum(one.aside for one in pending.counts.values())


def _counts(waiting: Any) -> dict[str, dict[str, int]]:
    return {table: one._asdict() for table, one in waiting.items()}


# What a sync did


def sync_document(sent: Progress | None, pulled: Pulled | None, pending: Pending) -> dict[str, Any]:
    """What was sent and what came as JSON has it, and what is left."""
    return {
        "sent": None if sent is None else sent.sent,
        "batches": None if sent is None else sent.batches,
        "bytes": None if sent is None else sent.bytes,
        "pulled": None if pulled is None else pulled_document(pulled),
        "pending": pending.ready,
        "held": _held(pending),
        "refused": _aside(pending),
    }


def sent_text(sent: Progress) -> str:
    """``sent 1,234 rows in 5 batches (3.4 MB)``."""
    if not sent.batches:
        return "nothing was waiting to be sent"
    batches = f"{sent.batches:,} batch" + ("" if sent.batches == 1 else "es")
    size = _amounts.size(sent.bytes)
    return f"sent {_amounts.counted(sent.sent, 'row')} in {batches} ({size})"


def pulled_document(pulled: Pulled) -> dict[str, int]:
    """What came as JSON has it."""
    return {
        "changes": pulled.changes,
        "added": pulled.added,
        "changed": pulled.changed,
        "removed": pulled.removed,
    }


def pulled_text(pulled: Pulled) -> str:
    """``looked at 12 changes: 3 rows new, 2 changed, 1 removed``."""
    if not pulled.changes:
        return "nothing was new on the server"
    return (
        f"looked at {_amounts.counted(pulled.changes, 'change')}:"
        f" {_amounts.counted(pulled.added, 'row')} new, {pulled.changed:,} changed,"
        f" {pulled.removed:,} removed"
    )
