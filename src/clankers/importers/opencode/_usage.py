"""What a response used, by its message and by the steps in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from clankers.importers import member, microdollars, milliseconds, text, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence


class Tokens(NamedTuple):
    """Counts in the shape of all agents: uncached input, output with reasoning in it."""

    input: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int

    @property
    def prompt(self) -> int:
        return self.input + self.cache_read + self.cache_write


class Used(NamedTuple):
    """What one message used.

    `identity` is the same for the copies of a response and for no other response.
    """

    tokens: Tokens
    identity: str
    cost: int | None
    raw: dict[str, Any]


def used(native_id: str, message: dict[str, Any], steps: Sequence[dict[str, Any]]) -> Used | None:
    """What a message used, None before its first response has ended.

    `steps` are the `step-finish` parts of the message. Older versions make several requests
    within one message, whose own `tokens` are those of the last one; its `cost` is the sum.
    """
    stated = counted(message.get("tokens"))
    finished = [one for step in steps if any(one := counted(step.get("tokens")))]
    if not any(stated) and not finished:
        return None
    together = Tokens(*map(sum, zip(*finished, strict=True))) if finished else stated
    raw = {"tokens": message.get("tokens"), "cost": message.get("cost")}
    if len(finished) > 1:
        raw["steps"] = [{"tokens": one.get("tokens"), "cost": one.get("cost")} for one in steps]
    return Used(
        Tokens(*map(max, stated, together)),
        _identity(message, finished[:1]) or native_id,
        microdollars(message.get("cost")) or _cost_of(steps),
        raw,
    )


def counted(written: Any) -> Tokens:
    """The counts of a message or step.

    OpenCode takes reasoning out of `output`. Versions that did not yet, as 1.2.5, are known
    by `total`, which is then reached without it: added, reasoning would count twice.
    """
    found = written if isinstance(written, dict) else {}
    cache = member(found, "cache")
    prompt = tokens(found.get("input")), tokens(cache.get("read")), tokens(cache.get("write"))
    output, reasoning = tokens(found.get("output")), tokens(found.get("reasoning"))
    total = tokens(found.get("total"))
    if not total or total != sum(prompt) + output:
        output += reasoning
    return Tokens(*prompt, output, min(reasoning, output))


def model_of(message: dict[str, Any]) -> tuple[str | None, str | None]:
    """The provider and the model of a message; prompts have them in an object."""
    chosen = member(message, "model")
    return (
        text(message.get("providerID")) or text(chosen.get("providerID")),
        text(message.get("modelID")) or text(chosen.get("modelID")),
    )


def _identity(message: dict[str, Any], first: Sequence[Tokens]) -> str | None:
    """Tells a response from every other one by what its copies have too.

    A fork copies messages under new ids and does not say from where. The original may be
    in another session that is read later, in the older storage, or deleted since, so that
    looking for it would give one response several names. What a copy keeps is the moment
    when the response began, the model, and what was counted; of that the `first` step only,
    since more is added to a message while it grows. Without a step nothing of it stands
    still: then the moment and the model must do. The end of the response is left out,
    for it is written after the counts, and the project too: sessions move to another one
    when a repository is made.
    """
    began = milliseconds(member(message, "time").get("created"))
    if not began:
        return None
    return "-".join(map(str, (began, *model_of(message), *(one for step in first for one in step))))


def _cost_of(steps: Sequence[dict[str, Any]]) -> int | None:
    return sum(microdollars(step.get("cost")) or 0 for step in steps) or None
