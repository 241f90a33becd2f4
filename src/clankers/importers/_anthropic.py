"""Parts of messages in the shape of Anthropic's API, which several agents keep as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers._blocks import Block
from clankers.importers._rows import flat, member
from clankers.importers._values import text

if TYPE_CHECKING:
    from clankers.importers._rows import Rows

_REFUSED = (
    "Error",
    "[ERROR]",
    "The tool execution failed",
    "The user denied",
    "Command execution was not successful",
    '{"status":"error"',
    '{"status":"denied"',
)


def parts(content: Any) -> list[dict[str, Any]]:
    """The parts of a message's content, which may be a text; what is no part is left out."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, dict):
        return [content]
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []


def image(rows: Rows, part: dict[str, Any]) -> Block:
    """The block of an image part, whose bytes go to the attachments."""
    return Block("image", reference=_reference(rows, part))


def output(rows: Rows, content: Any) -> Any:
    """The output of a tool, with references where it holds images."""
    if not isinstance(content, list):
        return content
    return [
        {"type": "image", **_reference(rows, one)}
        if isinstance(one, dict) and one.get("type") == "image"
        else one
        for one in content
    ]


def succeeded(content: Any, *, is_error: Any = None) -> bool:
    """Whether a tool did what it was asked, by its flag or, without one, by how it begins."""
    if isinstance(is_error, bool) and is_error:
        return False
    return not flat(content).lstrip().startswith(_REFUSED)


def _reference(rows: Rows, part: dict[str, Any]) -> dict[str, Any]:
    source = member(part, "source") or part
    media_type = text(source.get("media_type")) or text(source.get("mimeType"))
    media_type = media_type or text(part.get("mediaType"))
    data = text(source.get("data")) or text(part.get("image"))
    if data is None or data.startswith(("data:", "http:", "https:")):
        return rows.attachments.address(data or text(source.get("url")))
    return rows.attachments.encoded(data, media_type)
