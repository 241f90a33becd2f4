"""Which of many texts could hold a secret: a few passes over all of them, joined as bytes.

Every pass looks for a byte that is rare in text and code, which the engine finds at the speed of
memory, and only there for more. A pass may be wrong about a text, but must never overlook one: a
text beside it may only add to what is found, and no match reaches from one text into the next.
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


# Lower case; characters that are rare enough to be looked for share a byte.
_FOLD = _table(("-_", "_"), ("kKwWzZJBG", "k"), ("&~@$%", "&"))

# From a name to its value, and values: tokens are long or have a digit, passwords that stand
# without quotes and with space before them as well.
_GAP = rb"""[a-z0-9_]{0,8}["'\\`>\])]{0,8}(?:u002[27]|&22)?[ \t]{0,8}(?::|=|&3[ad]|\\u003d)"""
_TOKEN = (
    rb"""[^a-z0-9\xff]{0,12}(?=[^\s(),;:\xff\[\]{}<>]{8})(?:[^\s\xff"'`(]{0,512}?[0-9]|[a-z]{20})"""
)
_WORD = rb"""[ \t]{0,8}(?:[>=]? {0,4}["'`\\&]|[^\s(),;\xff]{6}|[^\s(),;\xff]{0,64}?[0-9])"""
_SPACED = rb"""(?:[ \t\n]|\\n|\\t){1,20}(?:["'`\\]|[^\s\xff"'`(),]{0,64}?[0-9])"""
# Each pass, named by the byte it looks for.
_FOLDED = {
    # After a hyphen or underscore: a long run, or what a key has there.
    "_": rb"_(?:(?=[a-z0-9_]{16})(?:[a-z0-9]{16}(?P<run>)|(?:ant|admin|lf|proj|pk|svcacct|tkn)_"
    rb"|(?<=[t1dpcx]_)(?:(?<=gl.t_)|(?<=gl..t_)|(?<=gl...t_)|(?<=glagent_)|(?<=pat_)|(?<=figd_)"
    rb"|(?<=r_oat_)|(?<=fo1_)|(?<=q0..._)|(?<=tfp_)|(?<=kocspx_)))"
    rb"|(?<=hsec_)|kekin [a-z ]{0,20}private|lines: |us[0-9]|(?:pass|auth)" + _GAP + rb")",
    # token, key, cookie; password, passwd, pwd; authorization; Bearer, Basic; JWTs; names of keys.
    "k": rb"k(?:e(?:n|y(?<=[a-z0-9_. ]key))(?:"
    + _GAP
    + _TOKEN
    + rb"| (?=[^\s(),;:\xff\[\]{}<>]{8})[^\s\xff\"'`(]{0,64}?[0-9])|ie[\"'\\]{0,4}:"
    rb"|ord(?<=sskord)(?:"
    + _GAP
    + _WORD
    + rb"|"
    + _SPACED
    + rb")|d(?<=[sp]kd)"
    + _GAP
    + _WORD
    + rb"|ation(?<=orikation)|earer(?: |&20){1,4}[a-z0-9_.&+/=]{16}|asic {1,4}[a-z0-9+/]{15}"
    rb"|[a-z0-9]{10}(?<=eyk.{10})|[a-f0-9]{32}|\.[a-z0-9_]{22}\.|qqk99|u_(?<=hrku_)"
    rb"|\.com[\\/&]|ebhook(?:s[\\/&]|b2[\\/&]))",
    # A key of NuGet; the port of a line in .pgpass.
    "2": rb"2(?:(?<=oy2)[a-z0-9]{43}|(?<=432):[a-z0-9_*]{1,64}:[a-z0-9_*]{1,64}:)",
    # A signature in a query, an Azure secret, a hash, a host after its user.
    "&": rb"&(?:s(?:ig|[eprv])=|(?:2[abxy]?|apr1|argon2i?d?|[156y]|production|sandbox)&"
    rb"|(?<=[0-9]q&)|(?<=[^\s&]&)(?P<host>))",
}
_RAW = {
    "A": rb"A(?:KI[AD]|SIA|BIA|CCA|Iza|3T|QVN|GE-SEC|TATT3|TBB|TCTT3|KCp"
    rb"|I[A-Za-z0-9]{12}(?<=LTAI.{12})|[A-Z][\w-]{33}(?<=[:A].{35})|A[A-Za-z0-9_-]{50})",
    # After a dot: a long run, or what a token has there.
    ".": rb"\.(?=[\w.-]{20})(?:[A-Za-z0-9]{32}|[\w-]{6}\.[\w-]{27}|atlasv1\."
    rb"|(?<=[9sbrl]\.)(?:(?<=ya29\.)|(?<=hv.\.)|(?<=sl\.)[\w-]{60}))",
}
# What has no rare byte, and what has to follow.
_LITERALS = {
    "secret": rb"secret" + _GAP,
    '"auth': rb'"auth',
    "cio": rb"cio[a-z0-9]{32}",
    "dapi": rb"dapi[a-f0-9]{32}",
}
# The id of a message or a call, or the name of a class or a function: as no token looks.
_NAME = re.compile(
    rb"(?:(?<=toolu)|(?<=msg)|(?<=req)|(?<=call))_[A-Za-z0-9]"
    rb"|.[0-9]{16,}+(?![A-Za-z0-9])|.(?:[A-Z]{0,4}[a-z]{3,}+){1,9}+[A-Z]{0,4}[0-9]{0,2}(?![A-Za-z0-9])"
)
_USER = re.compile(
    rb"(?:/|%2[Ff])[^\s/@\xff]{0,200}(?::|%3[Aa])[^\s/@\xff]{1,200}\Z|/[0-9a-f]{32}\Z", re.ASCII
)
_LONGEST_USER = 420

_IN_FOLDED = {name: re.compile(pattern) for name, pattern in _FOLDED.items()}
_IN_RAW = {name: re.compile(pattern) for name, pattern in _RAW.items()}
_AFTER_LITERAL = {name: (name.encode(), re.compile(pattern)) for name, pattern in _LITERALS.items()}
PASSES = repr((_FOLD, _FOLDED, _RAW, _LITERALS))


def passes_of(text: str) -> set[str]:
    """The passes that find something in a text: only rules that name one of them can match."""
    return {name for name, _place in _places(_encoded(text))}


def suspects(texts: Sequence[str]) -> list[int]:
    """The indexes of all texts in which a pass finds something, in order."""
    found: list[int] = []
    start = size = 0
    parts: list[bytes] = []
    for text in texts:
        part = _encoded(text)
        parts.append(part)
        size += len(part)
        if size > _CHUNK:
            found += [start + index for index in _in_chunk(parts)]
            start += len(parts)
            parts, size = [], 0
    return found + [start + index for index in _in_chunk(parts)]


def _encoded(text: str) -> bytes:
    # Naming an error handler doubles the time.
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _in_chunk(parts: list[bytes]) -> list[int]:
    places = {place for _name, place in _places(_BORDER.join(parts))}
    if not places:
        return []
    ends = list(accumulate(len(part) + 1 for part in parts))
    return sorted({bisect_right(ends, place) for place in places})


def _places(chunk: bytes) -> Iterator[tuple[str, int]]:
    """What found something, and where."""
    folded = chunk.translate(_FOLD)
    for name, pattern in _IN_FOLDED.items():
        for match in pattern.finditer(folded):
            if match.lastgroup is None or _is_confirmed(match, chunk):
                yield name, match.start()
    for name, pattern in _IN_RAW.items():
        for match in pattern.finditer(chunk):
            yield name, match.start()
    for name, (literal, pattern) in _AFTER_LITERAL.items():
        for place in _literal_places(literal, pattern, folded):
            yield name, place


def _is_confirmed(match: re.Match[bytes], chunk: bytes) -> bool:
    """What the fold has hidden is looked up."""
    place = match.start()
    if match.lastgroup == "run":
        return _NAME.match(chunk, place) is None
    if chunk[place] != ord("@") and chunk[place : place + 3] != b"%40":
        return False
    before = chunk[max(0, place - _LONGEST_USER) : place]
    return (b"/" in before or b"%" in before) and _USER.search(before) is not None


def _literal_places(literal: bytes, pattern: re.Pattern[bytes], chunk: bytes) -> Iterator[int]:
    place = chunk.find(literal)
    while place >= 0:
        if pattern.match(chunk, place) is not None:
            yield place
        place = chunk.find(literal, place + 1)
