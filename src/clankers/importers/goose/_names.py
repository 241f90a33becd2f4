"""How sessions and messages of Goose are told from one another.

Goose counts the sessions of a day in each database, `20251201_1`, and gives a number again
when its session was deleted. What it called a session is kept in front of what never changes.
"""

from __future__ import annotations

import re
from collections import Counter
from hashlib import blake2b
from typing import Any

from clankers.importers import milliseconds, text

# How the native ids of messages in a file begin.
LINE = "line-"
# Files of before were called by the second in which a session began.
_MOMENT = re.compile(r"\d{8}_\d{6}")
_HASH_BYTES = 4


def session_id(key: str, born: Any) -> str:
    """The id of a session: Goose's own and a hash of what never changes, which is `born`.

    A name that is a moment tells sessions apart by itself, in a file and in the database
    that takes the file over.
    """
    if born is None or _MOMENT.fullmatch(key):
        return key
    at = milliseconds(born)
    written = str(born if at is None else at).encode("utf-8", "surrogatepass")
    return f"{key}-{blake2b(written, digest_size=_HASH_BYTES).hexdigest()}"


class Names:
    """Names the messages of one session, where Goose does not.

    Databases before version 8 have no ids of messages, and whenever Goose rewrites a
    conversation, all rows get new numbers. What stays is when a message was made and by
    whom; of several the order counts. Bringing a database up to date makes ids of row
    numbers, which are left out of account, so that a message keeps its name.
    """

    def __init__(self, key: str, beginning: str) -> None:
        self._numbered = re.compile(rf"msg_{re.escape(key)}_\d+")
        self._beginning = beginning
        self._times: Counter[str] = Counter()

    def name(self, own: Any, role: str, created: Any) -> str:
        """A message's id; parts of one answer may share it."""
        native = text(own)
        if native is None or self._numbered.fullmatch(native):
            native = f"{self._beginning}{milliseconds(created) or 0}-{role}"
        self._times[native] += 1
        times = self._times[native]
        return native if times == 1 else f"{native}#{times}"
