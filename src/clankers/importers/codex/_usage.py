"""What each response used, out of counters that repeat, restart and are copied."""

from __future__ import annotations

from typing import Any

import msgspec

from clankers.importers._values import count, json_text, text
from clankers.importers.codex._lines import member
from clankers.models import Usage

# What is more than this is no count of tokens, and would overflow the sums.
_MOST_TOKENS = 10**12


class Tokens(msgspec.Struct, array_like=True):
    """One reading of Codex's counters; `input` includes what was cached and written to cache."""

    input: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    reasoning: int = 0

    def minus(self, other: Tokens) -> Tokens:
        return Tokens(
            self.input - other.input,
            self.cached - other.cached,
            self.written - other.written,
            self.output - other.output,
            self.reasoning - other.reasoning,
        )

    @property
    def is_nothing(self) -> bool:
        return not (self.input or self.cached or self.written or self.output or self.reasoning)

    @property
    def is_negative(self) -> bool:
        return min(self.input, self.cached, self.written, self.output, self.reasoning) < 0

    @property
    def prompt(self) -> int:
        """Everything sent: uncached, read from cache and written to it."""
        return max(self.input, self.cached + self.written)


def tokens_of(stated: Any) -> Tokens | None:
    """The counters of a usage object, None when it is not one."""
    if not isinstance(stated, dict) or not ("input_tokens" in stated or "output_tokens" in stated):
        return None
    return Tokens(
        _tokens(stated.get("input_tokens")),
        _tokens(stated.get("cached_input_tokens")),
        _tokens(stated.get("cache_write_input_tokens")),
        _tokens(stated.get("output_tokens")),
        _tokens(stated.get("reasoning_output_tokens")),
    )


class Counter(msgspec.Struct):
    """The running counters of one file.

    `responses` numbers what the file reports, copied history included, so that a response
    keeps its number whether or not the file it was copied from can be found. `is_recorded`
    says that a usage record already told of the response the next counter reports.
    `context` is what the last response had before it, `estimate` what Codex computed to be
    left after it made room.
    """

    responses: int = 0
    total: Tokens | None = None
    last: Tokens | None = None
    is_recorded: bool = False
    context: int = 0
    estimate: int = 0

    def observe(self, info: dict[str, Any]) -> Tokens | None:
        """What a token count adds, or None when it adds nothing."""
        total, last = tokens_of(info.get("total_token_usage")), _last(info)
        self._note_context(info, last)
        if total is None and last is None:
            return None
        is_repeat = total == self.total if total else last == self.last
        used = None if is_repeat else self._used(total, last)
        self.total, self.last = total or self.total, last
        if is_repeat:
            return None
        if self.is_recorded:
            self.is_recorded = False
            return None
        return self._numbered(used)

    def record(self, stated: Any) -> Tokens | None:
        """What a usage record adds; the counter that follows reports the same response."""
        used = tokens_of(stated)
        if used is None:
            return None
        self.is_recorded = True
        self.context = _tokens(stated.get("total_tokens")) or self.context
        return self._numbered(used)

    def skip_record(self) -> None:
        """Takes note of another thread's usage record, copied here with its counter."""
        self.is_recorded = True

    def add(self, stated: Any) -> Tokens | None:
        """What one usage object of its own adds, such as that of a whole turn."""
        return self._numbered(tokens_of(stated))

    def _used(self, total: Tokens | None, last: Tokens | None) -> Tokens | None:
        if total is None:
            return last
        # Without a counter before it a total may hold what another file has told already.
        if self.total is None:
            return last or total
        difference = total.minus(self.total)
        restarted = difference.is_negative or total == last
        return (last or total) if restarted else difference

    def _numbered(self, used: Tokens | None) -> Tokens | None:
        if used is None or used.is_nothing:
            return None
        self.responses += 1
        return used

    def _note_context(self, info: dict[str, Any], last: Tokens | None) -> None:
        size = _tokens(member(info, "last_token_usage").get("total_tokens"))
        if last is not None and last.is_nothing:
            self.estimate = size
        elif size:
            self.context, self.estimate = size, 0


def _last(info: dict[str, Any]) -> Tokens | None:
    """The last response's counters; the first versions wrote them without an envelope."""
    return tokens_of(info.get("last_token_usage")) or tokens_of(info)


def _tokens(value: Any) -> int:
    found = count(value)
    return found if found <= _MOST_TOKENS else 0


def usage_of(used: Tokens, stated: dict[str, Any], raw: dict[str, Any]) -> Usage:
    """The row of a response, its ids and its place still empty."""
    return Usage(
        "",
        "",
        source="codex",
        model=text(stated.get("model")),
        input_tokens=max(used.input - used.cached - used.written, 0),
        cache_read_tokens=used.cached,
        cache_write_5m_tokens=used.written,
        output_tokens=used.output,
        reasoning_tokens=used.reasoning,
        service_tier=text(stated.get("service_tier")),
        raw=json_text(raw),
    )
