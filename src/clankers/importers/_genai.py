"""The parts and token counts of the Gemini API, which the agents built on it write down as they are.

Learned from the types of @google/genai as google-gemini/gemini-cli and QwenLM/qwen-code
record them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from clankers.importers._blocks import TEXT, THINKING, Block
from clankers.importers._rows import flat, member
from clankers.importers._values import text, tokens

if TYPE_CHECKING:
    from clankers.importers._attachments import Attachments

_IMAGE, _FILE = "image", "file"


class Spent(NamedTuple):
    """Tokens of one response in the shape of all agents."""

    input_tokens: int
    cache_read_tokens: int
    output_tokens: int
    reasoning_tokens: int

    @property
    def prompt(self) -> int:
        return self.input_tokens + self.cache_read_tokens


def spent(
    *, prompt: Any, cached: Any, output: Any, thoughts: Any, tool: Any, total: Any
) -> Spent | None:
    """What a response used, by the counts as the API names them; None when nothing was counted.

    The API's prompt includes what was cached, its output leaves the thoughts out, and what
    tools put into the prompt stands beside it. Where the total says that a service in
    between counted otherwise, the total is believed.
    """
    prompt, cached, output, thoughts, tool, total = map(
        tokens, (prompt, cached, output, thoughts, tool, total)
    )
    if not (prompt or cached or output or thoughts or tool):
        return None
    outside = inside = False
    for is_outside, is_inside in ((False, False), (False, True), (True, False), (True, True)):
        outer, inner = cached * is_outside, thoughts * is_inside
        if prompt + tool + outer + output + thoughts - inner == total:
            outside, inside = is_outside, is_inside
            break
    uncached = prompt if outside else max(0, prompt - cached)
    return Spent(
        uncached + tool,
        cached,
        max(output, thoughts) if inside else output + thoughts,
        thoughts,
    )


def parts_of(content: Any) -> list[Any]:
    """The parts of a content: it may be a text, a part, or a list of both."""
    if isinstance(content, dict) and isinstance(content.get("parts"), list):
        content = content["parts"]
    return content if isinstance(content, list) else [] if content is None else [content]


def blocks_of(content: Any, attachments: Attachments) -> list[Block]:
    """What a content says or shows; calls and their results are no part of it."""
    blocks = []
    for part in parts_of(content):
        if isinstance(part, str):
            blocks.append(Block(TEXT, part))
        elif isinstance(part, dict) and (found := _block(part, attachments)):
            blocks.append(found)
    return blocks


def _block(part: dict[str, Any], attachments: Attachments) -> Block | None:
    if words := text(part.get("text")):
        return Block(THINKING if part.get("thought") is True else TEXT, words)
    if reference := _carried(part, attachments):
        media = str(reference.get("media_type") or "")
        return Block(_IMAGE if media.startswith("image/") else _FILE, reference=reference)
    return None


def _carried(part: dict[str, Any], attachments: Attachments) -> dict[str, Any] | None:
    inline, linked = member(part, "inlineData"), member(part, "fileData")
    if data := text(inline.get("data")):
        return attachments.encoded(data, text(inline.get("mimeType")))
    if address := text(linked.get("fileUri")):
        reference = attachments.address(address)
        return {"media_type": text(linked.get("mimeType")), **reference}
    return None


class Response(NamedTuple):
    """The result of a call: its output, and why it failed if it says so."""

    output: Any
    error: str | None


def response_of(result: Any, call: str | None, attachments: Attachments) -> Response:
    """What a call gave back; `result` may hold the results of calls beside it."""
    parts = parts_of(result)
    answers = [found for part in parts if (found := member(part, "functionResponse"))]
    answer = next((one for one in answers if one.get("id") == call), None) or next(
        iter(answers), None
    )
    said = [] if answer is None else [answer.get("response")]
    rest = [
        part
        for part in (*parts, *parts_of((answer or {}).get("parts")))
        if not member(part, "functionResponse")
    ]
    output, error = _unwrapped(said[0]) if said else (None, None)
    shown = [_shown(block) for block in blocks_of(rest, attachments)]
    if not shown:
        return Response(output, error)
    if output is None and all(isinstance(one, str) for one in shown):
        return Response("\n\n".join(shown), error)
    return Response([one for one in (output, *shown) if one is not None], error)


def _unwrapped(response: Any) -> tuple[Any, str | None]:
    if not isinstance(response, dict):
        return response, None
    error = response.get("error")
    if "output" in response:
        return response["output"], flat(error) or None
    if error is not None and len(response) == 1:
        return error, flat(error) or None
    return response or None, flat(error) or None


def _shown(block: Block) -> Any:
    return block.text or {"type": block.type, **(block.reference or {})}
