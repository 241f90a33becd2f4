"""What a response used, and which response a line belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clankers.importers._values import count, json_text, text
from clankers.models import Usage

if TYPE_CHECKING:
    from clankers.importers.claude_code._lines import Line

NO_REQUEST = "-"
_MICRODOLLARS = 1_000_000
_KEPT_RESPONSES = 64


class Response(msgspec.Struct, eq=False):
    """One response as known so far: its id parts and the numbers that do not grow.

    `stored` says that an earlier reading has given its id away already.
    """

    message_id: str
    request_id: str
    prompt: tuple[int, int, int]
    is_sidechain: bool
    stored: bool = False

    @property
    def usage_id(self) -> str:
        return f"claude-code:{self.message_id}:{self.request_id}"


class Responses:
    """Tells which response a line belongs to, by the rules of deduplication.

    A line without a request id joins a line of the same file with the same message id
    and the same prompt numbers, whichever of the two comes first. The same message id
    under another request id is the same response where either is on a sidechain.
    """

    def __init__(self, recent: list[Response]) -> None:
        self._by_message: dict[str, list[Response]] = {}
        for response in recent:
            response.stored = True
            self._by_message.setdefault(response.message_id, []).append(response)

    def recent(self) -> list[Response]:
        """What the next reading of the file must still know."""
        known = [one for group in self._by_message.values() for one in group]
        return known[-_KEPT_RESPONSES:]

    def join(self, found: Response) -> Response:
        """The response that `found` is, which is `found` itself when it is new."""
        group = self._by_message.setdefault(found.message_id, [])
        for known in group:
            if known.request_id == found.request_id:
                return known
        for known in group:
            if _is_same(known, found):
                if not known.stored and (known.request_id == NO_REQUEST or not found.is_sidechain):
                    known.request_id = _named(found.request_id, known.request_id)
                return known
        group.append(found)
        return found


def _is_same(known: Response, found: Response) -> bool:
    if known.is_sidechain or found.is_sidechain:
        return True
    return known.prompt == found.prompt and NO_REQUEST in (known.request_id, found.request_id)


def _named(first: str, second: str) -> str:
    return second if first == NO_REQUEST else first


def response_of(message_id: str, request_id: str | None, usage: Usage) -> Response:
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    prompt = (usage.input_tokens, usage.cache_read_tokens, written)
    return Response(message_id, request_id or NO_REQUEST, prompt, usage.is_sidechain)


def measured(line: Line, message: dict[str, Any]) -> Usage | None:
    """The usage a line states, its ids still empty; None when it states none."""
    stated = message.get("usage")
    if not isinstance(stated, dict):
        return None
    write_5m, write_1h = _cache_writes(stated)
    searches = stated.get("server_tool_use")
    return Usage(
        "",
        "",
        source="claude-code",
        provider="anthropic",
        model=text(message.get("model")),
        input_tokens=count(stated.get("input_tokens")),
        cache_read_tokens=count(stated.get("cache_read_input_tokens")),
        cache_write_5m_tokens=write_5m,
        cache_write_1h_tokens=write_1h,
        output_tokens=count(stated.get("output_tokens")),
        web_searches=count(searches.get("web_search_requests"))
        if isinstance(searches, dict)
        else 0,
        service_tier=text(stated.get("service_tier")),
        speed=text(stated.get("speed")),
        cost_reported=_microdollars(line.costUSD),
        raw=json_text(stated),
    )


def _cache_writes(stated: dict[str, Any]) -> tuple[int, int]:
    """Five-minute and one-hour cache writes; the stated total decides where they disagree."""
    parts = stated.get("cache_creation")
    if not isinstance(parts, dict):
        return count(stated.get("cache_creation_input_tokens")), 0
    write_5m = count(parts.get("ephemeral_5m_input_tokens"))
    write_1h = count(parts.get("ephemeral_1h_input_tokens"))
    if "cache_creation_input_tokens" not in stated:
        return write_5m, write_1h
    total = count(stated["cache_creation_input_tokens"])
    write_1h = min(write_1h, total)
    return total - write_1h, write_1h


def _microdollars(dollars: Any) -> int | None:
    if type(dollars) is not float and type(dollars) is not int:
        return None
    return round(dollars * _MICRODOLLARS) if 0 < dollars < _MICRODOLLARS else None
