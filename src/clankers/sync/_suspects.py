"""Which of many texts could hold a secret: a few passes over all of them, joined as bytes.

Every pass looks for a byte that is rare in text and code, which the engine finds at the speed of
memory, and only there for more. A pass may be wrong about a text, but must never overlook one:
no pattern here asks what is before its beginning or after its end but for what it names.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# No byte of UTF-8; no pattern below may match it, so no match reaches into the next text.
_BORDER = b"\xff"
# So much stays in the cache of a processor between the passes.
_CHUNK = 96 * 1024


def _table(*folds: tuple[str, str]) -> bytes:
    table = bytearray(bytes(range(256)).lower())
    for characters, one in folds:
        for byte in characters.encode():
            table[byte] = ord(one)
    return bytes(table)


# Lower case; characters that are rare enough to be looked for share a byte: `2` is a `k` here,
# so wherever a digit may stand, `k` may.
_FOLD = _table(("-_", "_"), ("kKwWzZJBG2", "k"), ("&~@$%", "&"))

# From a name to its value, which does not begin like code; a token has a digit somewhere.
_GAP = rb"""[a-z0-9_]{0,8}["'\\`>\])]{0,8}(?:u00k[k7]|&kk)?[ \t]{0,8}(?::|=|&3[ad]|\\u003d)"""
_TOKEN = _GAP + rb"""[^a-z0-9\xff]{0,12}(?=[^\s(),;:\xff\[\]{}<>]{8})[^\s\xff"'`(]{0,512}?[0-9k]"""
_FOLDED_PATTERNS = (
    # After a hyphen or underscore: a long run, or what a key has there.
    rb"_(?:[a-z0-9]{16}(?P<run>)"
    rb"|[aklpstu](?:ekin |ines: |nt_|dmin_|f_|roj_|k_|vcacct_|kn_|s[0-9k]|ass" + _GAP + rb")"
    rb"|(?<=[t1dp]_)(?:(?<=gl.t_)|(?<=gl..t_)|(?<=gl...t_)|(?<=glagent_)|(?<=pat_)|(?<=figd_)|(?<=fo1_)|(?<=csp_)))",
    # token, key, cookie; password, passwd, pwd; authorization; Bearer, Basic; JWTs; names of keys.
    rb"k(?:en" + _TOKEN + rb"|ey" + _TOKEN + rb"|ie[\"'\\]{0,4}:"
    rb"|ord(?<=sskord)(?:[ \t\n\\]|" + _GAP + rb")|d(?<=[sp]kd)" + _GAP + rb"|ation(?<=orikation)"
    rb"|earer[ &+]|asic[ &+]|[a-z0-9]{10}(?<=eyk.{10})|[a-f0-9k]{32}|\.[a-z0-9_]{22}\.|qqk99"
    rb"|u_(?<=hrku_)|[a-z0-9]{43}(?<=oyk.{43}))",
    # A signature in a query, an Azure secret, a hash, a host after its user.
    rb"&(?:s(?:ig|[eprv])=|[a-z0-9_.&]{30}(?P<tilde>)|(?<=[^\s&]&)(?P<host>)"
    rb"|(?:k[abxy]?|apr1|argonki?d?|[156y]|production|sandbox)&)",
)
_RAW_PATTERNS = (
    rb"A(?:KI[AD]|SIA|BIA|CCA|Iza|3T|QVN|GE-SEC|TATT3|TBB|TCTT3|KCp|I[A-Za-z0-9]{12}(?<=LTAI.{12})"
    rb"|[A-Z][\w-]{33}(?<=[:A].{35})|A[A-Za-z0-9_-]{50})",
    # After a dot: a long run, or what a token has there.
    rb"\.(?:[A-Za-z0-9]{32}|[\w-]{6}\.[\w-]{27}|atlasv1\.|(?<=[9sbr]\.)(?:(?<=ya29\.)|(?<=hv.\.)))",
)
# What has no rare byte, and what has to follow.
_LITERALS = (
    (b"secret", rb"secret" + _GAP),
    (b'"auth', rb'"auth'),
    (b"cio", rb"cio[a-z0-9]{32}"),
    (b"dapi", rb"dapi[a-f0-9k]{32}"),
)
# The name of a class or a function, as no token looks.
_NAME = re.compile(rb".(?:[A-Z]{0,4}[a-z]{3,}){1,9}[A-Z]{0,4}[0-9]{0,2}(?![A-Za-z0-9])")
_USER = re.compile(rb"(?:/|%2[Ff])[^\s/@\xff]{0,200}(?::|%3[Aa])[^\s/@\xff]{1,200}\Z", re.ASCII)
_LONGEST_USER = 420

_IN_FOLDED = tuple(map(re.compile, _FOLDED_PATTERNS))
_IN_RAW = tuple(map(re.compile, _RAW_PATTERNS))
_AFTER_LITERALS = tuple((literal, re.compile(pattern)) for literal, pattern in _LITERALS)


def is_suspect(text: str) -> bool:
    """Whether the rules have to be tried on a text."""
    return next(_places(text.encode("utf-8", "surrogatepass")), None) is not None


def suspects(texts: Sequence[str]) -> list[int]:
    """The indexes of all texts on which the rules have to be tried, in order."""
    found: list[int] = []
    start = size = 0
    parts: list[bytes] = []
    for text in texts:
        part = text.encode("utf-8", "surrogatepass")
        parts.append(part)
        size += len(part)
        if size > _CHUNK:
            found += [start + index for index in _in_chunk(parts)]
            start += len(parts)
            parts, size = [], 0
    return found + [start + index for index in _in_chunk(parts)]


def _in_chunk(parts: list[bytes]) -> list[int]:
    places = set(_places(_BORDER.join(parts)))
    if not places:
        return []
    ends = list(accumulate(len(part) + 1 for part in parts))
    return sorted({bisect_right(ends, place) for place in places})


def _places(chunk: bytes) -> Iterator[int]:
    """Where something was found; at least once in each suspect, maybe more often."""
    folded = chunk.translate(_FOLD)
    for pattern in _IN_FOLDED:
        for match in pattern.finditer(folded):
            if _is_confirmed(match, chunk):
                yield match.start()
    for pattern in _IN_RAW:
        for match in pattern.finditer(chunk):
            yield match.start()
    for literal, pattern in _AFTER_LITERALS:
        yield from _literal_places(literal, pattern, folded)


def _is_confirmed(match: re.Match[bytes], chunk: bytes) -> bool:
    """What the fold has hidden is looked up."""
    place = match.start()
    if match.lastgroup == "run":
        return _NAME.match(chunk, place) is None
    if match.lastgroup == "tilde":
        return chunk[place] == ord("~")
    if match.lastgroup == "host":
        return _USER.search(chunk, max(0, place - _LONGEST_USER), place) is not None
    return True


def _literal_places(literal: bytes, pattern: re.Pattern[bytes], chunk: bytes) -> Iterator[int]:
    place = chunk.find(literal)
    while place >= 0:
        if pattern.match(chunk, place) is not None:
            yield place
        place = chunk.find(literal, place + 1)
