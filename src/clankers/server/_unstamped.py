"""Records of scripts: no stamps, so the server stamps what they say by the rules of an upsert.

An absent, null or empty field changes nothing; a present one replaces. `created_at` keeps the
smallest, the other times the greatest. Tokens that nobody measured make estimated usage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.store._upserts import UNTITLED
from clankers.wire import Stamp, Version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clankers import wire

_GREATEST = frozenset({"updated_at", "ended_at", "completed_at"})
_ZERO_IS_ABSENT = frozenset({"prompt_tokens", "completion_tokens", "tokens_before", "tokens_after"})
_MICRO = 1_000_000


def stamped(change: wire.Change, stored: Version, now: int, device_id: str) -> Version:
    """What a script's record says that is new, with a stamp newer than all that is stored.

    A version without fields says nothing new.
    """
    is_new = not stored.is_alive
    said = {
        name: value
        for name, value in change.version.fields.items()
        if _changes(name, value, None if is_new else stored.fields.get(name), is_new=is_new)
    }
    if is_new:
        if change.table == "sessions":
            said.setdefault("title", UNTITLED)
        if change.table != "usage":
            said.setdefault("created_at", now)
    return Version(said, stamp_after(stored, now, device_id))


def stamp_after(stored: Version, now: int, device_id: str) -> Stamp:
    newest = max(stored.newest, stored.deleted_at)
    return Stamp(max(now, newest.changed_at + 1), device_id, 0)


def _changes(name: str, value: Any, old: Any, *, is_new: bool) -> bool:
    if value is None or value == "":
        return False
    if is_new or old is None:
        return True
    if name == "created_at":
        return bool(value < old)
    if name in _GREATEST:
        return bool(value > old)
    is_default = (name == "title" and value == UNTITLED) or (name in _ZERO_IS_ABSENT and not value)
    return bool(value != old) and not is_default


def message_estimate(
    message_id: str, message: Mapping[str, Any], session: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Estimated usage of a message that says tokens; None when it says none."""
    prompt, completion = message.get("prompt_tokens") or 0, message.get("completion_tokens") or 0
    if not prompt + completion:
        return None
    return {
        **_estimate(message["session_id"], session),
        "message_id": message_id,
        "source": session.get("source") or message.get("source"),
        "model": message.get("model") or session.get("model"),
        "occurred_at": message.get("created_at"),
        "input_tokens": prompt,
        "output_tokens": completion,
    }


def session_estimate(
    session_id: str,
    session: Mapping[str, Any],
    totals: Mapping[str, Any],
    before: Mapping[str, Any],
) -> dict[str, Any] | None:
    """Estimated usage of a session by its own totals; None when they are nothing.

    A total that is not said, or 0, stays as it was `before`.
    """
    prompt = totals.get("prompt_tokens") or before.get("input_tokens") or 0
    completion = totals.get("completion_tokens") or before.get("output_tokens") or 0
    cost = round((totals.get("cost") or 0) * _MICRO) or before.get("cost") or 0
    if not prompt + completion + cost:
        return None
    return {
        **_estimate(session_id, session),
        "message_id": None,
        "source": session.get("source"),
        "model": session.get("model"),
        "occurred_at": session.get("updated_at") or session.get("created_at"),
        "input_tokens": prompt,
        "output_tokens": completion,
        "cost": cost or None,
        "cost_reported": cost or None,
        "cost_source": "reported" if cost else None,
    }


def _estimate(session_id: str, session: Mapping[str, Any]) -> dict[str, Any]:
    taken = ("project_path", "git_branch", "origin_device", "provider")
    return {
        "session_id": session_id,
        "session_at": session.get("created_at"),
        **{name: session.get(name) for name in taken},
        **dict.fromkeys(_COUNTS, 0),
        "estimated": 1,
    }


_COUNTS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "web_searches",
    "is_sidechain",
)
