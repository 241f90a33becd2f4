"""Takes secrets out of texts before they leave the machine."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from clankers.sync._guesses import is_secret
from clankers.sync._secrets import RULES
from clankers.sync._suspects import is_suspect, suspects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clankers.sync._secrets import Rule

__all__ = ["RULES_VERSION", "redact", "redact_all"]

# To be raised when the code around the table of rules decides differently.
_EDITION = 1
# What is replaced may uncover something else, but no honest text has so many layers.
_LAYERS = 12
_UNSETTLED = "[redacted:text]"
_PATTERNS = tuple((rule, re.compile(rule.pattern, re.ASCII)) for rule in RULES)
# Each key once, with the rules that wait for it.
_BY_KEY = tuple(
    (key, frozenset(n for n, rule in enumerate(RULES) if key in rule.keys))
    for key in sorted({key for rule in RULES for key in rule.keys})
)


def redact(text: str) -> str:
    """The text with each secret replaced by its kind, as in ``[redacted:github-token]``.

    Only the secret goes: the name before it and the quotes around it stay. A text without
    secrets is returned as it is, the same object; a redacted one is not changed any more.

    >>> redact("password = 'correct-horse-7'")
    "password = '[redacted:password]'"
    """
    return _settled(text) if is_suspect(text) else text


def redact_all(texts: Sequence[str]) -> list[str]:
    """What `redact` gives for each, much faster for many texts than one by one."""
    found = list(texts)
    for index in suspects(found):
        found[index] = redact(found[index])
    return found


def _settled(text: str) -> str:
    for _layer in range(_LAYERS):
        redacted = _once(text)
        if redacted == text:
            return text
        text = redacted
    return _UNSETTLED


def _once(text: str) -> str:
    lower = text.lower()
    to_try = frozenset().union(*[numbers for key, numbers in _BY_KEY if key in lower])
    for number in sorted(to_try):
        text = _applied(*_PATTERNS[number], text)
    return text


def _applied(rule: Rule, pattern: re.Pattern[str], text: str) -> str:
    group = "secret" if "secret" in pattern.groupindex else 0
    parts: list[str] = []
    done = at = 0
    while (match := pattern.search(text, at)) is not None:
        start, end = match.span(group)
        if rule.is_guess and not is_secret(match, rule.kind):
            at = max(start, at + 1)
            continue
        parts += (text[done:start], f"[redacted:{rule.kind}]")
        done = at = end
    if not parts:
        return text
    return "".join((*parts, text[done:]))


def _version() -> int:
    table = repr((_EDITION, RULES))
    return int.from_bytes(hashlib.sha256(table.encode()).digest()[:6])


RULES_VERSION = _version()
"""Another number when the rules are others: all that was sent has to be looked at again."""
