"""Images and documents in Claude Code's shape."""

from __future__ import annotations

from typing import Any

from clankers.importers import _attachments
from clankers.importers._values import text

MEDIA = frozenset({"image", "document"})


class Attachments(_attachments.Attachments):
    """The images and documents of one batch, each once."""

    def reference(self, source: Any, title: Any = None) -> dict[str, Any]:
        """The reference that stands for what a block's `source` carries."""
        named = {"title": title} if text(title) else {}
        if not isinstance(source, dict) or not isinstance(source.get("data"), str):
            return {**named, "source": source}
        media_type = text(source.get("media_type"))
        if source.get("type") == "text":
            return {**named, **self.carried(source["data"].encode("utf-8", "replace"), media_type)}
        return {**named, **self.encoded(source["data"], media_type)}

    def without_bytes(self, part: Any) -> Any:
        """A part of a tool's output, its image or document stored and referred to."""
        if isinstance(part, dict) and text(part.get("type")) in MEDIA:
            return {"type": part["type"], **self.reference(part.get("source"), part.get("title"))}
        return part
