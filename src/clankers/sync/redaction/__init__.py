"""Takes secrets out of texts before they leave the machine."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from clankers.sync.redaction._guesses import is_secret
from clankers.sync.redaction._rules import REST_OF_WORD, RULES, ends_in_word
from clankers.sync.redaction._suspects import PASSES, passes_of, suspects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clankers.sync.redaction._rules import Rule

__all__ = ["RULES_VERSION", "redact", "redact_all"]

# To be raised when the code around the table of rules decides differently.
_EDITION = 2
# What is replaced may uncover something else, but no honest text has so many layers.
_LAYERS = 12
_UNSETTLED = "[redacted:text]"
_REST_OF_WORD = re.compile(REST_OF_WORD, re.ASCII)
_PATTERNS = tuple((rule, re.compile(rule.pattern, re.ASCII)) for rule in RULES)


def redact(text: str) -> str:
    """The text with each secret replaced by its kind, as in ``[redacted:github-token]``.

    Only the secret goes: the name before it and the quotes around it stay. A text without
    secrets is returned as it is, the same object; a redacted one is not changed any more.

    >>> redact("password = 'correct-horse-7'")
    "password = '[redacted:password]'"
    """
    for _layer in range(_LAYERS):
        redacted = _once(text)
        if redacted is text:
            return text
        text = redacted
    return _UNSETTLED


def redact_all(texts: Sequence[str]) -> list[str]:
    """What `redact` gives for each, much faster for many texts than one by one."""
    found = list(texts)
    for index in suspects(found):
        found[index] = redact(found[index])
    return found


def _once(text: str) -> str:
    passes = passes_of(text)
    if not passes:
        return text
    lower = text.lower()
    for rule, pattern in _PATTERNS:
        if not passes.isdisjoint(rule.found_by) and _has_any(lower, rule.keys):
            text = _applied(rule, pattern, text)
    return text


def _has_any(text: str, keys: tuple[str, ...]) -> bool:
    return any(key in text for key in keys)


def _applied(rule: Rule, pattern: re.Pattern[str], text: str) -> str:
    group = "secret" if "secret" in pattern.groupindex else 0
    parts: list[str] = []
    done = at = 0
    while (match := pattern.search(text, at)) is not None:
        start, end = match.span(group)
        if rule.is_guess and not is_secret(match, rule.kind):
            at = max(start, at + 1)
            continue
        if ends_in_word(rule) and (rest := _REST_OF_WORD.match(text, end)):
            end = rest.end()
        parts += (text[done:start], f"[redacted:{rule.kind}]")
        done = at = end
    if not parts:
        return text
    return "".join((*parts, text[done:]))


def _version() -> int:
    table = repr((_EDITION, RULES, PASSES))
    return int.from_bytes(hashlib.sha256(table.encode()).digest()[:6])


RULES_VERSION = _version()
"""Another number when the rules are others: all that was sent has to be looked at again."""
