"""What a session used, told by the counts at the end of each of its runs.

Old versions count anew in each run; newer ones carry the counts of the runs before on. No
field says which, so that it is told by the counts themselves. In doubt they are taken as
carried on, so that nothing counts twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers import count, member, microdollars, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

Counts = dict[str, int]
_NANO = "totalNanoAiu"
_USAGE = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "reasoningTokens")
_DETAILS = ("input", "output", "cache_read", "cache_write")
# A credit is worth a cent.
_NANO_IN_A_DOLLAR = 10**11
# From here on, 2026-06-01, credits are what is paid for.
_CREDITS_SINCE = 1_780_272_000_000


def counted(shutdown: dict[str, Any]) -> dict[str, Counts]:
    """The counts of each model as the event has them, where input includes what was cached."""
    models = member(shutdown, "modelMetrics")
    details = member(shutdown, "tokenDetails") if len(models) == 1 else {}
    found = {name: _counts(metric, details) for name, metric in models.items()}
    return {name: counts for name, counts in found.items() if any(counts.values())}


def grown(before: Mapping[str, Counts], now: Mapping[str, Counts], said: int) -> dict[str, Counts]:
    """What was used since the last shutdown; `said` is the output of the messages since then."""
    if not _is_carried_on(before, now, said):
        return dict(now)
    return {
        name: {key: count - before.get(name, {}).get(key, 0) for key, count in counts.items()}
        for name, counts in now.items()
    }


def shape(counts: Counts) -> dict[str, Any]:
    """Tokens in the shape of all agents."""
    cached = counts["cacheReadTokens"] + counts["cacheWriteTokens"]
    return {
        "input_tokens": max(0, counts["inputTokens"] - cached),
        "cache_read_tokens": counts["cacheReadTokens"],
        "cache_write_5m_tokens": counts["cacheWriteTokens"],
        "output_tokens": counts["outputTokens"],
        "reasoning_tokens": min(counts["reasoningTokens"], counts["outputTokens"]),
    }


def cost(nano_credits: int, at: int | None) -> int | None:
    """Microdollars of nano-credits, if credits were what was paid for by then."""
    if at is None or at < _CREDITS_SINCE:
        return None
    return microdollars(nano_credits / _NANO_IN_A_DOLLAR)


def nano(said: Any) -> int:
    """The nano-credits that an event or a part of it names."""
    return count(said.get(_NANO)) if isinstance(said, dict) else 0


def _is_carried_on(before: Mapping[str, Counts], now: Mapping[str, Counts], said: int) -> bool:
    for name, counts in before.items():
        later = now.get(name, {})
        if any(later.get(key, 0) < count for key, count in counts.items()):
            return False
    # A run uses no less than its messages say, and that must come on top.
    return _output(now) >= _output(before) + said


def _output(models: Mapping[str, Counts]) -> int:
    return sum(counts["outputTokens"] for counts in models.values())


def _counts(metric: Any, shared: dict[str, Any]) -> Counts:
    usage = member(metric, "usage")
    if usage:
        found = {name: tokens(usage.get(name)) for name in _USAGE}
    else:
        details = member(metric, "tokenDetails") or shared
        fresh, output, read, written = (
            tokens(member(details, name).get("tokenCount")) for name in _DETAILS
        )
        values = (fresh + read + written, output, read, written, 0)
        found = dict(zip(_USAGE, values, strict=True))
    found[_NANO] = nano(metric)
    return found
