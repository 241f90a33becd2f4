"""Whether what stands after `password=`, `token:` or `Bearer` is a secret, or code and prose."""

from __future__ import annotations

import re

_MARK = "[redacted:"
# Of a long value the beginning tells what it is.
_ENOUGH = 96
_SHORT_PASSWORD, _SHORT_SECRET, _LONG_TEXT = 6, 8, 16
_KEY_OF = re.compile(
    r"(?:api|access|secret|private|auth|account|encrypt(?:ion)?|signing|master|service|role|shared"
    r"|consumer|subscription|webhook|admin|deploy|license|jwt|hmac|client|app|ssh|bot|write|read"
    r"|management|integration|sdk|live|rest)[_\-. ]?$",
    re.ASCII | re.IGNORECASE,
)
# What is written where a secret would stand.
_STANDS_FOR = re.compile(
    r"\*\*|x{4}|X{4}|\.\.\.|…|[_\-]here\b|^(?:your|my|the|some|any|new|old|fake|dummy|mock)[_\-]"
    r"|example|placeholder|redacted|change.?me|insert|replace.?(?:me|with)|process\.env"
    r"|environ|getenv|undefined"
    r"|^(?:string|text|null|none|nil|true|false|required|optional|boolean|number|integer|hidden"
    r"|unknown|default|enabled|disabled|missing|invalid|empty|value|test)$",
    re.ASCII | re.IGNORECASE,
)
_NAMES_IT = re.compile(
    "pass(?:word|wd|phrase)?|pwd|secret|token|credential|api.?key", re.ASCII | re.IGNORECASE
)
_LOWER_NAME = re.compile(r"[a-z_][A-Za-z0-9_]*|[A-Za-z0-9]*_\w*", re.ASCII)
_VARIABLE = re.compile(
    r"[$%@!#]|\[|~?\.{0,2}/|[a-z]{2,10}://|\\|[^/]{0,80}/\S{0,200}\.[a-z]{2,5}\Z", re.ASCII
)
# `settings.token`, `self->key`, `Auth::token`: a path to a value.
_PATH = re.compile(r"[A-Za-z_]\w*+(?:(?:\??\.|->|::|\?\[)[A-Za-z_]\w*+)+[.:!?]?", re.ASCII)
_WORDS = re.compile(r"[A-Za-z]+(?:[_\-./:+][A-Za-z]+)*(?:[_\-./:+]?[0-9]{1,3})?[.:!?]*", re.ASCII)
_JUMBLE = re.compile(r"(?=[A-Z]*[a-z]+[A-Z])[A-Za-z]{20,}={0,2}\Z", re.ASCII)
_CAMEL = re.compile(r"(?:[A-Z]{0,4}[a-z]{3,}+|To|Of|In|On|By|Id|Is|At|As)++[A-Z]{0,4}", re.ASCII)
_NUMBER = re.compile(r"[0-9][0-9_.,:]*[a-zA-Z%]{0,2}", re.ASCII)
_DIGIT = re.compile("[0-9]", re.ASCII)
_LETTER = re.compile("[A-Za-z]", re.ASCII)
_ENVIRONMENT = re.compile(r"[A-Z][A-Z0-9_]*=", re.ASCII)


def is_secret(match: re.Match[str], kind: str) -> bool:
    """The judgement on one match of a rule that guesses."""
    start = match.start("secret")
    value = match.string[start : min(match.end("secret"), start + _ENOUGH)]
    if value.startswith(_MARK):
        return False
    return _JUDGES.get(kind, _is_credential)(match, value)


def _is_credential(match: re.Match[str], value: str) -> bool:
    """After a scheme of HTTP and the like, where code names no variables."""
    after = match.string[match.end("secret") : match.end("secret") + 1]
    if len(value) < _SHORT_SECRET or _VARIABLE.match(value) or after in {"(", "{"}:
        return False
    return (_DIGIT.search(value) is not None or _is_jumble(value)) and not _stands_for(value)


def _is_jumble(value: str) -> bool:
    """Many letters of both cases that make no names; a random token may have no digit."""
    return _JUMBLE.match(value) is not None and _CAMEL.fullmatch(value) is None


def _is_plain_password(_match: re.Match[str], value: str) -> bool:
    """In an address or in .netrc, where nothing but a password stands."""
    return not (
        value.startswith(("$", "{", "%", "*", "["))
        or _stands_for(value)
        or _NAMES_IT.fullmatch(value)
    )


def _is_cookie(_match: re.Match[str], value: str) -> bool:
    return _DIGIT.search(value) is not None and _LETTER.search(value) is not None


def _is_password(match: re.Match[str], value: str) -> bool:
    if _is_code(match, value) or len(value) < _SHORT_PASSWORD:
        return False
    if _is_quoted(match) or _is_environment(match):
        return True
    return _DIGIT.search(value) is not None


def _is_named_secret(match: re.Match[str], value: str) -> bool:
    if match["name"].lower() == "key" and not _KEY_OF.search(
        match.string, max(0, match.start() - 24), match.start()
    ):
        return False
    if _is_code(match, value) or len(value) < _SHORT_SECRET:
        return False
    if _is_jumble(value):
        return True
    if _WORDS.fullmatch(value):
        return _is_environment(match) and len(value) >= _LONG_TEXT and "_" not in value
    return bool(_DIGIT.search(value) and _LETTER.search(value)) and not _NUMBER.fullmatch(value)


def _is_code(match: re.Match[str], value: str) -> bool:
    """A variable, a call, a type, a path, or words that stand for a secret."""
    end = match.end("secret")
    return (
        match.string[end : end + 1] in {"(", "{", "<", "|"}
        or _VARIABLE.match(value) is not None
        or (not _is_quoted(match) and _PATH.fullmatch(value) is not None)
        or _stands_for(value)
        or _names_it(match, value)
    )


def _stands_for(value: str) -> bool:
    return _STANDS_FOR.search(value) is not None and _LONG_HEX.search(value) is None


def _names_it(match: re.Match[str], value: str) -> bool:
    """`password=user_password`: the name of a secret, not one."""
    if _NAMES_IT.search(value) is None or _LONG_HEX.search(value) is not None:
        return False
    return _DIGIT.search(value) is None or (
        not _is_quoted(match)
        and not _is_environment(match)
        and _LOWER_NAME.fullmatch(value) is not None
    )


def _is_quoted(match: re.Match[str]) -> bool:
    start = match.start("secret")
    return match.string[max(0, start - 1) : start] in {'"', "'", "`"} or match.string.endswith(
        ("u0022", "u0027", "%22"), 0, start
    )


def _is_environment(match: re.Match[str]) -> bool:
    """`DB_PASSWORD=...`: capitals, and no space beside the sign."""
    return (
        _ENVIRONMENT.fullmatch(match.string, match.start("name"), match.start("secret")) is not None
    )


# What has this in it is no phrase, whatever words are beside it.
_LONG_HEX = re.compile(r"[0-9a-f]{16}|(?=[A-Za-z]*[0-9])[A-Za-z0-9]{20}", re.ASCII)
_JUDGES = {
    "url-password": _is_plain_password,
    "netrc-password": _is_plain_password,
    "cookie": _is_cookie,
    "password": _is_password,
    "secret": _is_named_secret,
}
