"""Images inside lines: taken out of them, stored once, and referred to.

Only bytes that stand in the line itself are taken; a path or an address stays what it is,
for a transcript may name any file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

from clankers.importers._values import text
from clankers.models import Attachment

LARGEST_ATTACHMENT = 5 * 1024 * 1024
_DATA_URL = re.compile(r"data:([\w.+/-]*)(;[^,]*)?,")
_NAME_CHARACTERS = 2_000
_IMAGE_TYPES = frozenset({"image", "input_image", "inputImage", "local_image", "localImage"})


class Attachments:
    """The images of one batch, each once."""

    def __init__(self) -> None:
        self._by_hash: dict[str, Attachment] = {}

    def all(self) -> list[Attachment]:
        return list(self._by_hash.values())

    def image(self, block: dict[str, Any]) -> dict[str, Any]:
        """The reference that stands for an image block of any of Codex's shapes."""
        data = text(block.get("data")) or text(block.get("result"))
        if data:
            given = text(block.get("mimeType")) or text(block.get("mime_type"))
            return self._decoded(data, given or "image/png")
        url = block.get("image_url")
        if isinstance(url, dict):
            url = url.get("url")
        return self.address(text(url) or text(block.get("imageUrl")) or text(block.get("path")))

    def address(self, url: str | None) -> dict[str, Any]:
        """The reference for a data URL, which is stored, or for any other address, which is not."""
        if url is None:
            return {}
        found = _DATA_URL.match(url)
        if found is None:
            return {"url": url[:_NAME_CHARACTERS]}
        if ";base64" not in (found[2] or ""):
            return {"media_type": found[1] or None, "unreadable": len(url)}
        return self._decoded(url[found.end() :], found[1] or None)

    def without_bytes(self, output: Any) -> Any:
        """A tool's output with references in place of its images."""
        if isinstance(output, list):
            return [self._without_bytes(block) for block in output]
        if isinstance(output, dict) and isinstance(output.get("content"), list):
            content = [self._without_bytes(block) for block in output["content"]]
            return {**output, "content": content}
        return self._without_bytes(output)

    def _without_bytes(self, block: Any) -> Any:
        if isinstance(block, dict) and is_image(block):
            return {"type": "image", **self.image(block)}
        return block

    def _decoded(self, written: str, media_type: str | None) -> dict[str, Any]:
        if len(written) > LARGEST_ATTACHMENT // 3 * 4 + 4:
            return {"media_type": media_type, "bytes": len(written) // 4 * 3}
        try:
            carried = base64.b64decode(written, validate=True)
        except (binascii.Error, ValueError):
            return {"media_type": media_type, "unreadable": len(written)}
        digest = hashlib.sha256(carried).hexdigest()
        self._by_hash[digest] = Attachment(digest, media_type, carried)
        return {"attachment": digest, "media_type": media_type}


def is_image(block: dict[str, Any]) -> bool:
    return text(block.get("type")) in _IMAGE_TYPES
