"""Images and documents of a conversation."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from clankers.importers._values import text
from clankers.models import Attachment

MEDIA = frozenset({"image", "document"})
LARGEST_ATTACHMENT = 5 * 1024 * 1024


class Attachments:
    """Collects what the blocks of a batch carry, each thing once."""

    def __init__(self) -> None:
        self.found: dict[str, Attachment] = {}

    def reference(self, source: Any, title: Any = None) -> dict[str, Any]:
        """Stores what a block's `source` carries; the reference that stands for it.

        What is not carried, too large or damaged is only described.
        """
        named = {"title": title} if text(title) else {}
        if not isinstance(source, dict) or not isinstance(source.get("data"), str):
            return {**named, "source": source}
        described = {**named, "media_type": text(source.get("media_type"))}
        data = _carried(source)
        if data is None:
            return {**described, "unreadable": len(source["data"])}
        if len(data) > LARGEST_ATTACHMENT:
            return {**described, "bytes": len(data)}
        key = hashlib.sha256(data).hexdigest()
        self.found[key] = Attachment(key, described["media_type"], data)
        return {"attachment": key, **described}

    def without_bytes(self, part: Any) -> Any:
        """A part of a tool's output, its image or document stored and referred to."""
        if isinstance(part, dict) and part.get("type") in ("image", "document"):
            return {"type": part["type"], **self.reference(part.get("source"), part.get("title"))}
        return part


def _carried(source: dict[str, Any]) -> bytes | None:
    try:
        if source.get("type") == "text":
            return str(source["data"]).encode()
        return base64.b64decode("".join(source["data"].split()), validate=True)
    except (binascii.Error, ValueError):
        return None
