"""pi: the trees of entries that it appends to one file for each session.

Learned from the source of badlogic/pi-mono (packages/coding-agent: session-manager.ts,
messages.ts, docs/session.md), from a real session of the first version of the format, and
from the readers of other open-source tools. oh-my-pi writes the same format elsewhere.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clankers import importers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clankers.importers import Batch, Block, Outcome, Resume

# As pi names its files; others are opened to see what they are.
_NAME = re.compile(r"\d{4}-\d\d-\d\dT[\d-]+Z_[\w-]+\.jsonl")
_HEADER_NAMES = (b'"id"', b'"cwd"', b'"timestamp"')
_HEADER = re.compile(rb'\s*\{[^\n]*"type"\s*:\s*"session"[^\n]*')
# It embeds pi and writes the same format: only the folder tells whose a session is.
_OPENCLAW = frozenset({".openclaw", "openclaw", ".clawdbot", ".moltbot"})
_NOISE = frozenset(
    {
        "context_transform",
        "custom",
        "ephemeral",
        "label",
        "leaf",
        "mcp_tool_selection",
        "mode_change",
        "service_tier_change",
        "session",
        "session_init",
        "thinking_level_change",
        "ttsr_injection",
    }
)


class Pi:
    """The importer of pi's sessions.

    Which branch of a session is the conversation is told by its last entry, so that a file
    is read whole whenever it has grown.
    """

    agent = "pi"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """`sessions` in `$PI_CODING_AGENT_DIR` or `$PI_AGENT_DIR`, else in pi's and oh-my-pi's folders."""
        for name in ("PI_CODING_AGENT_DIR", "PI_AGENT_DIR"):
            if given := environ.get(name):
                return [Path(given).expanduser() / "sessions"]
        return [home / ".pi/agent/sessions", home / ".omp/agent/sessions"]

    def find(self, root: Path) -> Iterator[Path]:
        """Every session below `root`, or `root` itself; by time in each folder, parents before forks."""
        if root.is_file():
            yield root
            return
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if name.endswith(".jsonl") and (_NAME.fullmatch(name) or _is_session(path)):
                    yield path

    def recognises(self, path: Path) -> bool:
        return _is_session(path)

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:  # noqa: ARG002 - always whole
        reader = _Entries(path, _aside(path))
        for batch in importers.read_lines(path, importers.WHOLE, reader):
            batch.resume = importers.WHOLE
            yield batch


def _is_session(path: Path) -> bool:
    if not _OPENCLAW.isdisjoint(path.parts):
        return False
    header = _HEADER.match(importers.beginning(path))
    return header is not None and all(name in header[0] for name in _HEADER_NAMES)


def _aside(path: Path) -> frozenset[str]:
    """The ids of entries that are on no way from the last entry to the first.

    An entry whose parent is nowhere in the file goes on from the one before it.
    """
    parents: dict[str, str | None] = {}
    before = None
    for entry, parent in _places(path):
        is_known = parent is None or parent in parents
        parents.setdefault(entry, parent if is_known else before)
        before = entry
    active: set[str] = set()
    while before is not None and before not in active:
        active.add(before)
        before = parents[before]
    return frozenset(parents.keys() - active)


def _places(path: Path) -> Iterator[tuple[str, str | None]]:
    """The id of each entry and of its parent, without looking at what it says."""
    import msgspec

    from clankers.importers._files import opened
    from clankers.importers._jsonl import decode_line, read_chunks

    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    with opened(path) as stream:
        for chunk in read_chunks(stream, importers.WHOLE):
            for line in (*chunk.lines, chunk.torn):
                entry = decode_line(decoder, line)
                if entry is None or "id" not in entry:
                    continue
                kind, found, parent = (
                    importers.text(importers.decode_value(entry[name])) if name in entry else None
                    for name in ("type", "id", "parentId")
                )
                if found is not None and kind != "session":
                    yield found, parent


class _Entries:
    """Takes the entries of a session."""

    def __init__(self, path: Path, aside: frozenset[str]) -> None:
        self.rows = importers.Rows("pi", importers.Memory())
        self._aside = aside
        self._stem = path.stem.rpartition("_")[2]
        self._has_begun = False
        # When a session began that starts with entries of another one.
        self._branched_at: int | None = None

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        kind = importers.text(record.get("type"))
        if kind == "session" and not self._has_begun:
            self._has_begun = True
            return self._begin(record)
        # Only the first line says what a session is.
        self._has_begun = True
        self.rows.identify(self._stem)
        native_id = importers.text(record.get("id")) or f"line-{number}"
        outcome = self._take(kind, record, native_id)
        self._leave_out_the_past()
        return outcome

    def _leave_out_the_past(self) -> None:
        """Takes back that what a fork copied happened in it."""
        session = self.rows.session
        if self._branched_at is not None and session.created_at != self._branched_at:
            session.created_at, session.relationship = self._branched_at, "fork"

    def _begin(self, record: dict[str, Any]) -> Outcome:
        rows = self.rows
        rows.identify(importers.text(record.get("id")) or self._stem)
        at = rows.date(importers.milliseconds(record.get("timestamp")))
        rows.place(importers.text(record.get("cwd")))
        rows.name(importers.text(record.get("title")))
        self._change_model(record)
        if parent := importers.text(record.get("branchedFrom") or record.get("parentSession")):
            is_fork = "branchedFrom" in record
            rows.belongs_to(_session_of(parent), "fork" if is_fork else "continuation")
            self._branched_at = at
        return "imported"

    def _take(self, kind: str | None, record: dict[str, Any], native_id: str) -> Outcome:
        at = importers.milliseconds(record.get("timestamp"))
        if kind == "message":
            return self._message(importers.member(record, "message"), native_id, record, at)
        if kind == "custom_message":
            self._say(native_id, "system", self._blocks(record.get("content")), record, at)
        elif kind in ("compaction", "branch_summary"):
            self._summary(kind, native_id, record, at)
        elif kind == "model_change":
            self._change_model(record)
        elif kind == "session_info":
            self.rows.name(importers.text(record.get("name")))
        else:
            return "noise" if kind in _NOISE else "unknown"
        return "imported"

    def _message(
        self, message: dict[str, Any], native_id: str, record: dict[str, Any], at: int | None
    ) -> Outcome:
        # Copied entries may be written anew, what they say keeps its time.
        at = importers.milliseconds(message.get("timestamp")) or at
        role = importers.text(message.get("role"))
        if role == "assistant":
            self._answer(message, native_id, record, at)
        elif role == "toolResult":
            self._result(message, native_id, at)
        elif role == "bashExecution":
            self._shell(message, native_id, record, at)
        elif role == "user":
            self._say(native_id, "user", self._blocks(message.get("content")), record, at)
        elif role in ("custom", "hookMessage", "system"):
            self._say(native_id, "system", self._blocks(message.get("content")), record, at)
        elif role in ("branchSummary", "compactionSummary"):
            self._say(native_id, "system", self._blocks(message.get("summary")), record, at)
        else:
            return "unknown"
        return "imported"

    # What was said

    def _answer(
        self, message: dict[str, Any], native_id: str, record: dict[str, Any], at: int | None
    ) -> None:
        rows = self.rows
        self._change_model(message)
        seq = rows.next_seq(rows.date(at))
        blocks = self._blocks(message.get("content"), native_id, at)
        counts = _counts(message.get("usage"))
        prompt = sum(counts[name] for name in _PROMPT)
        ended = importers.milliseconds(record.get("timestamp"))
        is_whole = self._branched_at is None and at is not None and ended is not None
        self._say(
            native_id,
            "assistant",
            blocks,
            record,
            at,
            seq=seq,
            prompt_tokens=prompt or None,
            completion_tokens=counts["output_tokens"] or None,
            completed_at=ended if is_whole else None,
            duration_ms=max(0, ended - at) if is_whole and ended and at else None,
        )
        self._use(message.get("usage"), native_id, at)
        reason = importers.text(message.get("stopReason"))
        if reason in ("error", "aborted"):
            rows.fail(native_id, at, reason, importers.text(message.get("errorMessage")))

    def _result(self, message: dict[str, Any], native_id: str, at: int | None) -> None:
        failed = message.get("isError")
        tool = self.rows.answer(
            importers.text(message.get("toolCallId")) or native_id,
            self._output(message.get("content")),
            at,
            success=not failed if isinstance(failed, bool) else None,
        )
        tool.tool_name = importers.text(message.get("toolName")) or tool.tool_name

    def _shell(
        self, message: dict[str, Any], native_id: str, record: dict[str, Any], at: int | None
    ) -> None:
        """A command that the user ran."""
        command = importers.text(message.get("command")) or ""
        seq = self.rows.next_seq(self.rows.date(at))
        ran = self.rows.call(native_id, "bash", {"command": command}, at, message=native_id)
        code = message.get("exitCode")
        is_known = type(code) is int or message.get("cancelled") is True
        self.rows.answer(
            native_id,
            importers.text(message.get("output")),
            at,
            success=(code == 0 and message.get("cancelled") is not True) if is_known else None,
        )
        typed = importers.Block("text", f"!{command}")
        self._say(native_id, "user", [typed, ran], record, at, seq=seq)

    def _summary(self, kind: str, native_id: str, record: dict[str, Any], at: int | None) -> None:
        self._say(native_id, "system", self._blocks(record.get("summary")), record, at)
        self._use(record.get("usage"), native_id, at)
        if kind == "compaction":
            tokens = importers.tokens(record.get("tokensBefore"))
            self.rows.compact(native_id, at, tokens_before=tokens or None)

    def _say(
        self,
        native_id: str,
        role: str,
        blocks: list[Block],
        record: dict[str, Any],
        at: int | None,
        **more: Any,
    ) -> None:
        self.rows.say(
            native_id,
            role,
            blocks,
            at,
            parent_native_id=importers.text(record.get("parentId")),
            is_sidechain=native_id in self._aside,
            **more,
        )

    def _blocks(
        self, content: Any, message: str | None = None, at: int | None = None
    ) -> list[Block]:
        if isinstance(content, str):
            return [importers.Block("text", content)]
        return [
            self._call(one, f"{message}-{place}", message, at)
            if message is not None and one.get("type") == "toolCall"
            else self._block(one)
            for place, one in enumerate(importers.objects(content))
        ]

    def _call(self, block: dict[str, Any], otherwise: str, message: str, at: int | None) -> Block:
        call, name = importers.text(block.get("id")) or otherwise, importers.text(block.get("name"))
        return self.rows.call(call, name, block.get("arguments"), at, message=message)

    def _block(self, block: dict[str, Any]) -> Block:
        kind = importers.text(block.get("type"))
        if kind == "image":
            return importers.Block("image", reference=self._image(block))
        if kind == "thinking":
            return importers.Block("thinking", importers.text(block.get("thinking")) or "")
        return importers.Block("text", importers.text(block.get("text")) or "")

    def _output(self, content: Any) -> Any:
        """What a tool gave; its text alone unless there are images."""
        blocks = importers.objects(content)
        if not any(one.get("type") == "image" for one in blocks):
            return importers.flat(content)
        return [
            {"type": "image", **self._image(one)} if one.get("type") == "image" else one
            for one in blocks
        ]

    def _image(self, block: dict[str, Any]) -> dict[str, Any]:
        media_type = importers.text(block.get("mimeType"))
        return self.rows.attachments.encoded(importers.text(block.get("data")) or "", media_type)

    # What it cost

    def _use(self, usage: Any, native_id: str, at: int | None) -> None:
        counts = _counts(usage)
        cost = importers.microdollars(importers.member(usage, "cost").get("total"))
        if not any(counts.values()) and cost is None:
            return
        # Forks copy answers, and a migration of old files gives them new ids.
        numbers = "-".join(str(counts[name]) for name in (*_PROMPT, "output_tokens"))
        moment = at if at is not None else self.rows.row(native_id)
        used = self.rows.use(
            f"{moment}:{self.rows.memory.model or '-'}:{numbers}",
            at,
            raw=usage,
            message=native_id,
            cost_reported=cost,
            **counts,
        )
        if self._branched_at is not None:
            used.session_at = self._branched_at

    def _change_model(self, said: dict[str, Any]) -> None:
        rows = self.rows
        model = importers.text(said.get("model")) or importers.text(said.get("modelId"))
        rows.memory.model = model or rows.memory.model
        rows.session.provider = importers.text(said.get("provider")) or rows.session.provider


_PROMPT = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens")


def _counts(usage: Any) -> dict[str, Any]:
    """Tokens in the shape of all agents; pi's input is uncached, its output has the reasoning."""
    said = usage if isinstance(usage, dict) else {}
    cache = importers.member(said, "cache")
    output = importers.tokens(said.get("output"))
    reasoning = said.get("reasoning") or said.get("reasoningTokens")
    return {
        "input_tokens": importers.tokens(said.get("input")),
        "cache_read_tokens": importers.tokens(said.get("cacheRead") or cache.get("read")),
        "cache_write_5m_tokens": importers.tokens(said.get("cacheWrite") or cache.get("write")),
        "output_tokens": output,
        "reasoning_tokens": min(output, importers.tokens(reasoning)),
    }


def _session_of(path: str) -> str:
    """The id in the name of a session's file, which stands behind its time."""
    return importers.path_name(path).removesuffix(".jsonl").rpartition("_")[2]


IMPORTER = Pi()
