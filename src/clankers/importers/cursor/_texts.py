"""Transcripts of earlier versions: plain text, with a line for each change of who speaks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clankers.errors import ImporterError
from clankers.importers._batch import Batch
from clankers.importers._blocks import TEXT, THINKING, Block
from clankers.importers._documents import LARGEST_DOCUMENT, WHOLE
from clankers.importers._rows import Memory, Rows, unfolded
from clankers.importers._tally import Tally
from clankers.importers.cursor._elsewhere import LINE, is_in_better_store
from clankers.importers.cursor._prompts import unwrapped
from clankers.importers.cursor._transcripts import AGENT, date_by_file, identify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TURN = re.compile(r"^(user|assistant|A):[ \t]*$", re.MULTILINE)
_MARK = re.compile(r"^\[(Thinking|Tool call|Tool result)\][ \t]*(.*)$")


def read_text(path: Path) -> Iterator[Batch]:
    """What a `.txt` transcript says; its records are what each side said in turn."""
    if path.stat().st_size > LARGEST_DOCUMENT:
        raise ImporterError(f"{path.name} is too large to be a transcript")
    written = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
    rows, tally = Rows(AGENT, Memory()), Tally()
    identify(rows, path)
    _, *turns = _TURN.split(written)
    if not turns or is_in_better_store(path, rows.session.id):
        yield Batch(WHOLE, noise=len(turns) // 2)
        return
    rows.date(date_by_file(rows, path))
    for number, (who, said) in enumerate(zip(turns[::2], turns[1::2], strict=True), 1):
        native_id = f"{LINE}{number}"
        if who == "user":
            prompt = unwrapped(said.strip())
            role, blocks, at = prompt.role, prompt.blocks, prompt.at
        else:
            role, blocks, at = "assistant", _answer(rows, native_id, said), None
        if blocks:
            rows.say(native_id, role, blocks, at)
        tally.add("imported" if blocks else "noise")
        if tally.is_enough(rows):
            yield tally.batch(rows)
    yield tally.batch(rows)


def _answer(rows: Rows, native_id: str, said: str) -> list[Block]:
    blocks: list[Block] = []
    waiting: list[str] = []
    for mark, name, body in _parts(said):
        if mark == "Thinking":
            blocks.append(Block(THINKING, "\n".join(filter(None, (name, body)))))
        elif mark == "Tool call":
            call_id = f"{native_id}.{len(blocks)}"
            waiting.append(call_id)
            blocks.append(rows.call(call_id, name or None, _given(body), None, message=native_id))
        elif mark == "Tool result":
            if waiting and body:
                rows.answer(waiting.pop(0), body, None, success=None)
        elif body:
            blocks.append(Block(TEXT, body))
    return [block for block in blocks if block.text or block.reference]


def _parts(said: str) -> Iterator[tuple[str, str, str]]:
    """Mark, words behind it, and what is indented below it; without a mark what was said."""
    mark, name, body = "", "", list[str]()
    for line in said.splitlines():
        found = _MARK.match(line)
        ends = mark and line.strip() and not line.startswith((" ", "\t"))
        if found or ends:
            yield mark, name, "\n".join(body).strip()
            mark, name, body = (found[1], found[2].strip(), []) if found else ("", "", [])
        if not found:
            body.append(line)
    yield mark, name, "\n".join(body).strip()


def _given(body: str) -> object:
    """The input of a call: JSON, or a name and a value on each line."""
    found = unfolded(body)
    if not isinstance(found, str):
        return found
    pairs = [line.partition("=") for line in body.splitlines() if line.strip()]
    if pairs and all(mark for _, mark, _ in pairs):
        return {name.strip(): value.strip() for name, _, value in pairs}
    return body or None
