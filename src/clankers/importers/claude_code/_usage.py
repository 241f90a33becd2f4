"""What a response used, and which response a line belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clankers.importers._jsonl import decode_line
from clankers.importers._values import count, text
from clankers.importers.claude_code._lines import stated_decoder
from clankers.models import Usage

if TYPE_CHECKING:
    from clankers.importers.claude_code._lines import Line, Said, Stated

NO_REQUEST = "-"
_MICRODOLLARS = 1_000_000
_KEPT_RESPONSES = 8


class Response(msgspec.Struct, eq=False, array_like=True):
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


def stated_usage(said: Said) -> Stated | None:
    """What an answer says it used; None when it says nothing."""
    return decode_line(stated_decoder, bytes(said.usage))


def response_of(
    message_id: str, request_id: str | None, stated: Stated, *, is_sidechain: bool
) -> Response:
    prompt = (
        count(stated.input_tokens),
        count(stated.cache_read_input_tokens),
        sum(_cache_writes(stated)),
    )
    return Response(message_id, request_id or NO_REQUEST, prompt, is_sidechain)


def measured(line: Line, said: Said, stated: Stated) -> Usage:
    """The usage a line states; what it belongs to is left to the caller."""
    write_5m, write_1h = _cache_writes(stated)
    searches = stated.server_tool_use
    return Usage(
        "",
        "",
        source="claude-code",
        provider="anthropic",
        model=text(said.model),
        input_tokens=count(stated.input_tokens),
        cache_read_tokens=count(stated.cache_read_input_tokens),
        cache_write_5m_tokens=write_5m,
        cache_write_1h_tokens=write_1h,
        output_tokens=count(stated.output_tokens),
        web_searches=count(searches.get("web_search_requests"))
        if isinstance(searches, dict)
        else 0,
        service_tier=text(stated.service_tier),
        speed=text(stated.speed),
        is_sidechain=line.isSidechain is True,
        cost_reported=_microdollars(line.costUSD),
        raw=bytes(said.usage).decode("utf-8", "replace"),
    )


def _cache_writes(stated: Stated) -> tuple[int, int]:
    """Five-minute and one-hour cache writes; the stated total decides where they disagree."""
    parts = stated.cache_creation
    if not isinstance(parts, dict):
        return count(stated.cache_creation_input_tokens), 0
    write_1h = count(parts.get("ephemeral_1h_input_tokens"))
    if stated.cache_creation_input_tokens is None:
        return count(parts.get("ephemeral_5m_input_tokens")), write_1h
    total = count(stated.cache_creation_input_tokens)
    write_1h = min(write_1h, total)
    return total - write_1h, write_1h


def _microdollars(dollars: Any) -> int | None:
    if type(dollars) is not float and type(dollars) is not int:
        return None
    return round(dollars * _MICRODOLLARS) if 0 < dollars < _MICRODOLLARS else None
