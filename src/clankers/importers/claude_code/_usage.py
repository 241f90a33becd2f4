"""What a response used, and which response a line belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from clankers.importers._values import microdollars, tokens
from clankers.importers.claude_code._lines import ABSENT, Stated, decoded
from clankers.importers.claude_code._spoken import AGENT
from clankers.models import Usage

if TYPE_CHECKING:
    from clankers.importers.claude_code._lines import Line, Said
    from clankers.importers.claude_code._spoken import Spoken
    from clankers.importers.claude_code._state import State

PROVIDER = "anthropic"
SYNTHETIC = "<synthetic>"
_NO_REQUEST = "-"
# A message has one response, or two where a side question repeats it.
_MOST_RESPONSES = 16


class Reading(NamedTuple):
    """What a line says a response used, and what was known when it was read.

    Of the line itself nothing is kept, which would keep the whole file in memory.
    """

    prompt: tuple[int, int, int, int]
    output: int
    stated: Stated
    raw: bytes
    model: str | None
    at: int | None
    is_sidechain: bool
    project_path: str | None
    git_branch: str | None
    cost: int | None


class Response(msgspec.Struct, eq=False, gc=False):
    """One response of a message, as known so far.

    `began` is when its session began, as far as the lines up to its last one say.
    """

    request_id: str
    is_sidechain: bool
    reading: Reading
    began: int | None


class Measured:
    """Collects what the lines of a batch say was used, one record per response."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._touched: dict[Response, Spoken] = {}

    def take(self, line: Line, said: Said, spoken: Spoken, at: int | None) -> None:
        """Takes what an answer's line says; nothing is made of answers of no model."""
        if said.usage is ABSENT or said.model == SYNTHETIC:
            return
        stated = decoded(Stated, said.usage)
        if stated is None or _says_nothing(stated):
            return
        output, began = tokens(stated.output_tokens), self._state.created_at
        request_id = line.request_id or _NO_REQUEST
        is_sidechain = line.is_sidechain is True
        known = None
        if spoken.responses:
            known = _joined(spoken.responses, request_id, stated, is_sidechain=is_sidechain)
        if known is None or output > known.reading.output:
            reading = self._reading(line, said, stated, output, at)
            spoken.prompt_tokens = sum(reading.prompt) or spoken.prompt_tokens
            spoken.completion_tokens = max(output, spoken.completion_tokens or 0)
            if known is None:
                known = Response(request_id, is_sidechain, reading, began)
                spoken.responses.append(known)
            known.reading = reading
        elif known.began == began:
            return
        known.began = began
        self._touched[known] = spoken

    def records(self) -> list[Usage]:
        """One record per response that the lines told something new of, by its best line."""
        return [self._record(*pair) for pair in self._touched.items()]

    def _reading(
        self, line: Line, said: Said, stated: Stated, output: int, at: int | None
    ) -> Reading:
        state = self._state
        return Reading(
            _prompt(stated),
            output,
            stated,
            bytes(said.usage),
            said.model or None,
            at,
            line.is_sidechain is True,
            line.cwd or state.project_path,
            line.git_branch or state.git_branch,
            None if line.cost_usd is None else microdollars(line.cost_usd),
        )

    def _record(self, response: Response, message: Spoken) -> Usage:
        prompt, output, stated, raw, model, at, is_sidechain, path, branch, cost = response.reading
        details, tools = stated.output_tokens_details, stated.server_tool_use
        session_id = self._state.session_id
        return Usage(
            f"{AGENT}:{_archive_wide(message.native_id, session_id)}:{response.request_id}",
            session_id,
            response.began,
            f"{session_id}:{message.key}",
            AGENT,
            path,
            branch,
            None,
            PROVIDER,
            model,
            at,
            *prompt,
            output,
            min(tokens(details.get("thinking_tokens")), output) if type(details) is dict else 0,
            tokens(tools.get("web_search_requests")) if type(tools) is dict else 0,
            stated.service_tier,
            stated.speed,
            is_sidechain,
            cost,
            raw=raw.decode("utf-8", "replace"),
        )


def _archive_wide(native_id: str, session_id: str) -> str:
    """An id of the maker's is one of a kind; a line number only within its session."""
    is_place = native_id.startswith("L") and native_id[1:].isdecimal()
    return f"{session_id}:{native_id}" if is_place else native_id


def _joined(
    responses: list[Response], request_id: str, stated: Stated, *, is_sidechain: bool
) -> Response | None:
    """The response of the same message that a line belongs to, if it is not a new one.

    A line without a request id joins one with the same prompt numbers, whichever of the two
    comes first. Another request id is the same response where either is on a sidechain.
    """
    recent = responses[-_MOST_RESPONSES:]
    for known in recent:
        if known.request_id == request_id:
            return known
    for known in recent:
        if known.is_sidechain or is_sidechain:
            return known
        is_unnamed = _NO_REQUEST in (known.request_id, request_id)
        if is_unnamed and known.reading.prompt == _prompt(stated):
            return known
    return None


def _says_nothing(stated: Stated) -> bool:
    return (
        stated.input_tokens is None
        and stated.output_tokens is None
        and stated.cache_read_input_tokens is None
        and stated.cache_creation_input_tokens is None
        and stated.cache_creation is None
    )


def _prompt(stated: Stated) -> tuple[int, int, int, int]:
    """Uncached input, cache reads, and cache writes for five minutes and for an hour.

    Where the parts of the cache writes disagree with their stated total, the total decides.
    """
    parts, total = stated.cache_creation, stated.cache_creation_input_tokens
    five_minutes, hour = tokens(total), 0
    if isinstance(parts, dict):
        hour = tokens(parts.get("ephemeral_1h_input_tokens"))
        if total is None:
            five_minutes = tokens(parts.get("ephemeral_5m_input_tokens"))
        else:
            hour = min(hour, five_minutes)
            five_minutes -= hour
    return tokens(stated.input_tokens), tokens(stated.cache_read_input_tokens), five_minutes, hour
