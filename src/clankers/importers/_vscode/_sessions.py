"""Sessions of Cline 4.1 and later: the messages in one file, who and where in another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from clankers import importers
from clankers.importers import (
    Block,
    Memory,
    Rows,
    _anthropic,
    member,
    microdollars,
    milliseconds,
    text,
    tokens,
)
from clankers.importers._documents import ROWS_TOGETHER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clankers.importers import Batch

_AGENT = "cline"
_INPUT = re.compile(r"\s*<user_input[^>]*>(.*?)</user_input>\s*", re.DOTALL)
_NOTICE = re.compile(r"<mode_notice[^>]*>.*?</mode_notice>\s*", re.DOTALL)


def read_session(folder: Path, key: str) -> Iterator[Batch]:
    """What the files of a session, or of a subagent in its folder, say now."""
    try:
        found = importers.load_document(folder / f"{key}.messages.json")
    except FileNotFoundError:
        return
    if found is None:
        yield importers.damaged()
        return
    session = _Session(folder, key, found)
    yield from session.batches()


class _Session:
    def __init__(self, folder: Path, key: str, found: dict[str, Any] | list[Any]) -> None:
        self.rows = rows = Rows(_AGENT, Memory())
        self._found = found
        header: dict[str, Any] = found if isinstance(found, dict) else {}
        if key == folder.name:
            rows.identify(key)
        else:
            rows.identify(f"{folder.name}:agent-{key}")
            rows.belongs_to(folder.name, "subagent")
        self._describe(_manifest(folder, key) or _manifest(folder, folder.name))
        rows.session.agent_version = text(member(header, "origin").get("version"))
        self._ids: dict[str, int] = {}

    def batches(self) -> Iterator[Batch]:
        listed = self._found.get("messages") if isinstance(self._found, dict) else self._found
        counts = {"imported": 0, "unknown": 0}
        for number, message in enumerate(listed if isinstance(listed, list) else []):
            counts[self._message(message, number)] += 1
            if self.rows.waiting >= ROWS_TOGETHER:
                yield importers.give(self.rows, **counts)
                counts = dict.fromkeys(counts, 0)
        yield importers.give(self.rows, **counts)

    def _describe(self, manifest: dict[str, Any]) -> None:
        rows, more = self.rows, member(manifest, "metadata")
        rows.place(text(manifest.get("cwd")) or text(manifest.get("workspace_root")))
        rows.session.git_branch = text(member(more, "git").get("branch"))
        rows.session.provider = text(manifest.get("provider"))
        rows.session.status = text(manifest.get("status"))
        rows.memory.model = rows.session.model = text(manifest.get("model"))
        if not rows.session.parent_id:
            rows.name(_typed(text(more.get("title")) or ""))
            rows.session.ended_at = milliseconds(manifest.get("ended_at"))
            rows.date(rows.session.ended_at)
            rows.date(milliseconds(manifest.get("started_at")))

    def _message(self, message: Any, number: int) -> str:
        role = text(message.get("role")) if isinstance(message, dict) else None
        if role not in ("user", "assistant"):
            return "unknown"
        native, at = self._native_id(message, number), milliseconds(message.get("ts"))
        more, rows = member(message, "metadata"), self.rows
        seq = rows.next_seq(at)
        said = self._blocks(message.get("content"), native, role, at)
        if more.get("kind") == "compaction_summary":
            role = "system"
            rows.compact(native, at, tokens_before=tokens(more.get("tokensBefore")) or None)
        elif more.get("displayOnly") is True:
            role = "system"
        model = text(member(message, "modelInfo").get("id"))
        if said:
            model_ = model if role == "assistant" else None
            rows.say(native, role, said, at, seq=seq, model=model_)
        self._use(message, native, at, model)
        return "imported"

    def _native_id(self, message: dict[str, Any], number: int) -> str:
        native = text(message.get("id")) or str(number)
        self._ids[native] = times = self._ids.get(native, 0) + 1
        return native if times == 1 else f"{native}#{times}"

    def _use(self, message: dict[str, Any], native: str, at: int | None, model: str | None) -> None:
        used = member(message, "metrics")
        given, output = tokens(used.get("inputTokens")), tokens(used.get("outputTokens"))
        cached, written = tokens(used.get("cacheReadTokens")), tokens(used.get("cacheWriteTokens"))
        cost = microdollars(used.get("cost"))
        if not (given or output or cached or written or cost):
            return
        # Input is the whole of the prompt.
        fresh = given - cached - written if given >= cached + written else given
        self.rows.use(
            f"{self.rows.session.id}:{native}",
            at,
            raw=used,
            message=native,
            model=model,
            provider=text(member(message, "modelInfo").get("provider")),
            input_tokens=fresh,
            output_tokens=output,
            cache_read_tokens=cached,
            cache_write_5m_tokens=written,
            cost_reported=cost,
        )

    def _blocks(self, content: Any, native: str, role: str, at: int | None) -> list[Block]:
        rows, said = self.rows, []
        for number, part in enumerate(_anthropic.parts(content)):
            kind, words = text(part.get("type")), text(part.get("text")) or ""
            if kind == "text":
                said.append(Block("text", _typed(words) if role == "user" else words))
            elif kind == "thinking":
                said.append(Block("thinking", text(part.get("thinking")) or ""))
            elif kind == "image":
                said.append(_anthropic.image(rows, part))
            elif kind == "tool_use":
                call, name = text(part.get("id")) or f"{native}-{number}", text(part.get("name"))
                said.append(rows.call(call, name, part.get("input"), at, message=native))
            elif kind == "tool_result":
                call, found = (
                    text(part.get("tool_use_id")) or f"{native}-{number}",
                    part.get("content"),
                )
                success = _anthropic.succeeded(found, is_error=part.get("is_error"))
                rows.answer(call, _anthropic.output(rows, found), at, success=success)
        return [block for block in said if block.text or block.reference is not None]


def _manifest(folder: Path, key: str) -> dict[str, Any]:
    found = importers.decode_value(importers.beside(folder / f"{key}.json") or b"{}")
    return found if isinstance(found, dict) else {}


def _typed(words: str) -> str:
    """A prompt without what the program wraps it in."""
    found = _INPUT.fullmatch(words)
    return _NOTICE.sub("", found[1] if found else words).strip()
