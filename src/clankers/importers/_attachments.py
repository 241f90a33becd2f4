"""Images and documents inside a transcript: taken out of it, stored once, and referred to.

Only bytes that stand in the transcript itself are taken; a path or an address stays what it
is, for a transcript may name any file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

from clankers.models import Attachment

LARGEST_ATTACHMENT = 5 * 1024 * 1024
_DATA_URL = re.compile(r"data:([\w.+/-]*)(;[^,]*)?,")
_ADDRESS_CHARACTERS = 2_000


class Attachments:
    """What a batch carries, each thing once.

    The methods give the reference that stands for a thing in a message's `content` or a
    tool's output. What is too large, damaged or not carried is only described.
    """

    def __init__(self) -> None:
        self._by_hash: dict[str, Attachment] = {}

    def all(self) -> list[Attachment]:
        return list(self._by_hash.values())

    def encoded(self, written: str, media_type: str | None) -> dict[str, Any]:
        """What is written as base64."""
        if len(written) > 2 * LARGEST_ATTACHMENT:
            return {"media_type": media_type, "bytes": len(written) // 4 * 3}
        try:
            carried = base64.b64decode("".join(written.split()), validate=True)
        except (binascii.Error, ValueError):
            return {"media_type": media_type, "unreadable": len(written)}
        return self.carried(carried, media_type)

    def carried(self, data: bytes, media_type: str | None) -> dict[str, Any]:
        if len(data) > LARGEST_ATTACHMENT:
            return {"media_type": media_type, "bytes": len(data)}
        digest = hashlib.sha256(data).hexdigest()
        self._by_hash[digest] = Attachment(digest, media_type, data)
        return {"attachment": digest, "media_type": media_type}

    def address(self, url: str | None) -> dict[str, Any]:
        """A data URL, which is stored, or any other address, which is not."""
        if url is None:
            return {}
        found = _DATA_URL.match(url)
        if found is None:
            return {"url": url[:_ADDRESS_CHARACTERS]}
        if ";base64" not in (found[2] or ""):
            return {"media_type": found[1] or None, "unreadable": len(url)}
        return self.encoded(url[found.end() :], found[1] or None)
