"""Images in any of Codex's shapes."""

from __future__ import annotations

from typing import Any

from clankers.importers import _attachments
from clankers.importers._values import text

_IMAGE_TYPES = frozenset({"image", "input_image", "inputImage", "local_image", "localImage"})


class Attachments(_attachments.Attachments):
    """The images of one batch, each once."""

    def image(self, block: dict[str, Any]) -> dict[str, Any]:
        """The reference that stands for an image block of any of Codex's shapes."""
        data = text(block.get("data")) or text(block.get("result"))
        if data:
            given = text(block.get("mimeType")) or text(block.get("mime_type"))
            return self.encoded(data, given or "image/png")
        url = block.get("image_url")
        if isinstance(url, dict):
            url = url.get("url")
        return self.address(text(url) or text(block.get("imageUrl")) or text(block.get("path")))

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


def is_image(block: dict[str, Any]) -> bool:
    return text(block.get("type")) in _IMAGE_TYPES
