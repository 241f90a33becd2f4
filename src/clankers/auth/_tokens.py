"""The form of a token: ``clk_``, 32 random letters and digits, and a checksum of six.

190 random bits cannot be guessed, so a server may keep a plain hash. The checksum tells a
mistyped token from a wrong one before anything is looked up; the fixed beginning lets secret
scanners find a token that was committed by accident.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib

_PREFIX = "clk_"
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECK = 32, 6
_FORM = re.compile(rf"{_PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECK}}}", re.ASCII)


def new_token() -> str:
    """A token that nobody has."""
    body = _PREFIX + "".join(secrets.choice(_DIGITS) for _place in range(_RANDOM))
    return body + _checksum(body)


def is_token(text: str) -> bool:
    """True for the form of a token with the right checksum; whether it is known is another matter."""
    return _FORM.fullmatch(text) is not None and text[-_CHECK:] == _checksum(text[:-_CHECK])


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _place in range(_CHECK):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
