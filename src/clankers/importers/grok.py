"""Grok Build: a folder for each session, with a log of updates and the model's own history.

Learned from public copies of xAI's source (session/storage, session/persistence.rs,
extensions/notification.rs, xai-chat-state), from the reader of kenn-io/agentsview and from
the fixtures of other open-source tools, whose newest model is grok-4.5.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clankers import importers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from clankers.importers import Batch, Block, Entry, Outcome, Resume

_SUMMARY, _UPDATES, _HISTORY = "summary.json", "updates.jsonl", "chat_history.jsonl"
_SUBAGENTS = "subagents"
# As the source calls a dollar's parts.
_TICKS = 10**10
# Native ids of what is only in the history; the log knows it better.
_FROM_HISTORY = "history-"
_SPOKEN = (b'"user_message_chunk"', b'"agent_message_chunk"')
_QUERY = re.compile(r"<user_query>\s*(.*?)\s*</user_query>", re.DOTALL)
_NOISE = frozenset(
    {
        "auto_compact_cancelled",
        "auto_compact_started",
        "auto_continue_completed",
        "auto_recovery_started",
        "available_commands_update",
        "compaction_checkpoint",
        "current_mode_update",
        "diff_review",
        "feedback_request",
        "hook_annotation",
        "hook_execution",
        "hooks_changed",
        "marketplace_updates_installed",
        "memory_dream_completed",
        "memory_flush_completed",
        "memory_flush_started",
        "memory_session_saved",
        "model_auto_switched",
        "monitor_event",
        "plan",
        "plugin_updates_installed",
        "plugins_changed",
        "relay_sync_status",
        "retry_state",
        "scheduled_task_created",
        "scheduled_task_deleted",
        "scheduled_task_fired",
        "session_recap",
        "session_recap_unavailable",
        "subagent_finished",
        "subagent_progress",
        "subagent_spawned",
        "task_backgrounded",
        "task_completed",
    }
)


class Grok:
    """The importer of Grok Build's sessions.

    The history is written anew when it is compacted, and both files say one session: a
    folder is read whole whenever one of them has changed.
    """

    agent = "grok"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """`sessions` in `$GROK_HOME`, else in `~/.grok`."""
        given = environ.get("GROK_HOME")
        return [(Path(given).expanduser() if given else home / ".grok") / "sessions"]

    def find(self, root: Path) -> Iterator[Path]:
        """The folder of each session at or below `root`, subagents after their parent."""
        if root.is_file():
            if root.name in (_SUMMARY, _UPDATES, _HISTORY):
                yield root.parent
            return
        for folder, folders, names in os.walk(root):
            folders.sort()
            if _is_session(names):
                # What else is in there, the tools may have written.
                folders[:] = [one for one in folders if one == _SUBAGENTS]
                yield Path(folder)

    def recognises(self, path: Path) -> bool:
        try:
            if not _is_session(os.listdir(path)):
                return False
        except OSError:
            return False
        known = _summary(path)
        return "id" in importers.member(known, "info") and "current_model_id" in known

    def entries(self, path: Path) -> Iterator[Entry]:
        """The one session of a folder."""
        changed = size = 0
        for name in (_SUMMARY, _UPDATES, _HISTORY):
            try:
                status = (path / name).stat()
            except OSError:
                continue
            changed, size = max(changed, status.st_mtime_ns), size + status.st_size
        yield importers.Entry(path.name, changed, size)

    def read_entry(self, path: Path, key: str) -> Iterator[Batch]:
        summary = _summary(path)
        updates, history = path / _UPDATES, path / _HISTORY
        is_told = _is_told(updates)
        session = _Session(path, key, summary)
        lines = 0
        said = _Updates(session, is_told=is_told)
        readers: list[tuple[Path, importers.LineReader]] = [
            (history, _History(session, is_told=is_told)),
            (updates, said),
        ]
        for file, reader in readers:
            if not file.is_file():
                continue
            before = lines
            for batch in importers.read_lines(file, importers.WHOLE, reader):
                lines += batch.lines
                # Lines of two files are counted as those of one.
                batch.malformed = [before + number for number in batch.malformed]
                batch.resume = importers.WHOLE
                yield batch
        said.close()
        end = importers.give(session.rows, imported=1 if summary else 0)
        end.malformed = [] if summary else [lines + 1]
        yield end

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        del resume  # Always whole.
        return self.read_entry(path, path.name)


def _is_session(names: list[str]) -> bool:
    return _SUMMARY in names and (_UPDATES in names or _HISTORY in names)


def _summary(path: Path) -> dict[str, Any]:
    """What is known of a session; nothing when it is missing or damaged."""
    found = importers.decode_value(importers.beside(path / _SUMMARY) or b"")
    return found if isinstance(found, dict) else {}


def _is_told(updates: Path) -> bool:
    """Whether the log has the conversation, and not only what tools did."""
    from clankers.importers._files import opened

    try:
        with opened(updates) as file:
            return any(word in line for line in file for word in _SPOKEN)
    except OSError:
        return False


class _Session:
    """What both files write into."""

    def __init__(self, path: Path, key: str, summary: dict[str, Any]) -> None:
        self.rows = rows = importers.Rows("grok", importers.Memory())
        # The calls that the history tells, and their places there.
        self.places: dict[str, int | None] = {}
        info = importers.member(summary, "info")
        self.is_subagent = path.parent.name == _SUBAGENTS
        if self.is_subagent:
            parent = _summary(path.parent.parent)
            of = importers.text(importers.member(parent, "info").get("id"))
            of = of or path.parent.parent.name
            rows.identify(f"{of}:agent-{key}")
            rows.belongs_to(of, "subagent")
        else:
            rows.identify(importers.text(info.get("id")) or key)
            self.is_subagent = summary.get("session_kind") == "subagent"
            kind = "subagent" if self.is_subagent else "fork"
            rows.belongs_to(importers.text(summary.get("parent_session_id")), kind)
        rows.place(importers.text(info.get("cwd")) or importers.text(summary.get("git_root_dir")))
        for name in ("session_summary", "generated_title"):
            rows.name(importers.text(summary.get(name)))
        rows.session.provider = "xai"
        rows.session.git_branch = importers.text(summary.get("head_branch"))
        rows.memory.model = rows.session.model = importers.text(summary.get("current_model_id"))
        for name in ("last_active_at", "updated_at", "created_at"):
            rows.date(importers.milliseconds(summary.get(name)))

    def image(self, part: dict[str, Any]) -> Block:
        given = importers.text(part.get("data"))
        if given is not None:
            kind = importers.text(part.get("mimeType"))
            reference = self.rows.attachments.encoded(given, kind)
        else:
            reference = self.rows.attachments.address(importers.text(part.get("url")))
        return importers.Block("image", reference=reference)

    def blocks(self, content: Any) -> list[Block]:
        if isinstance(content, str):
            return [importers.Block("text", content)]
        return [
            self.image(part)
            if part.get("type") == "image"
            else importers.Block("text", importers.text(part.get("text")) or "")
            for part in importers.objects(content)
        ]


class _History:
    """Takes what the model is sent: the conversation where the log does not have it.

    It has neither times nor ids, so that lines are known by their numbers.
    """

    def __init__(self, session: _Session, *, is_told: bool) -> None:
        self.rows = session.rows
        self._session = session
        self._is_told = is_told
        self._thoughts: list[Block] = []
        self._thought_in = ""
        if is_told:
            # What an earlier import took from here, before the log had it.
            self.rows.replace(_FROM_HISTORY)

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        kind = importers.text(record.get("type")) or importers.text(record.get("role"))
        if kind not in (
            "system",
            "user",
            "assistant",
            "reasoning",
            "tool_result",
            "backend_tool_call",
        ):
            return "unknown"
        if self._is_told:
            return "noise"
        native_id = f"{_FROM_HISTORY}{number}"
        if kind == "reasoning":
            thought = "\n\n".join(
                importers.flat(one)
                for name in ("summary", "content")
                for one in importers.objects(record.get(name))
            )
            self._thoughts.append(importers.Block("thinking", thought))
            self._thought_in = native_id
        elif kind == "assistant":
            self._answer(record, native_id)
        elif kind == "tool_result":
            call = importers.text(record.get("tool_call_id")) or native_id
            self.rows.answer(call, record.get("content"), None, success=None)
        elif kind == "backend_tool_call":
            self._backend(importers.member(record, "kind"), native_id)
        else:
            self._break_off()
            self._tell(record, native_id, is_user=kind == "user")
        return "imported"

    def _break_off(self) -> None:
        """Says what was thought when no answer came of it."""
        if self._thoughts:
            self.rows.say(self._thought_in, "assistant", self._thoughts, None)
            self._thoughts = []

    def _tell(self, record: dict[str, Any], native_id: str, *, is_user: bool) -> None:
        reason = record.get("synthetic_reason")
        is_typed = is_user and reason in (None, "interjection")
        blocks = self._session.blocks(record.get("content"))
        if is_typed:
            for block in blocks:
                query = _QUERY.search(block.text)
                block.text = query[1] if query else block.text
        self.rows.say(native_id, "user" if is_typed else "system", blocks, None)

    def _answer(self, record: dict[str, Any], native_id: str) -> None:
        rows = self.rows
        rows.memory.model = importers.text(record.get("model_id")) or rows.memory.model
        seq = rows.next_seq(rows.date(None))
        blocks = [*self._thoughts, importers.Block("text", importers.flat(record.get("content")))]
        self._thoughts = []
        for call in importers.objects(record.get("tool_calls")):
            called = importers.member(call, "function") or call
            call_id = importers.text(call.get("id")) or f"{native_id}#{len(blocks)}"
            name = importers.text(called.get("name"))
            blocks.append(
                rows.call(call_id, name, called.get("arguments"), None, message=native_id)
            )
            self._session.places[call_id] = rows.tool(call_id, None).seq
        rows.say(native_id, "assistant", blocks, None, seq=seq)

    def _backend(self, call: dict[str, Any], native_id: str) -> None:
        """A search that the service ran itself."""
        seq = self.rows.next_seq(self.rows.date(None))
        call_id = importers.text(call.get("id")) or native_id
        name = importers.text(call.get("tool_type"))
        given = call.get("action") or call.get("input")
        block = self.rows.call(call_id, name, given, None, message=native_id)
        self._session.places[call_id] = self.rows.tool(call_id, None).seq
        status = call.get("status")
        done = {"completed": True, "failed": False}.get(status) if isinstance(status, str) else None
        self.rows.answer(call_id, None, None, success=done)
        self.rows.say(native_id, "assistant", [*self._thoughts, block], None, seq=seq)
        self._thoughts = []


class _Updates:
    """Takes the log: chunks of messages, calls and their ends, and what each turn used."""

    def __init__(self, session: _Session, *, is_told: bool) -> None:
        self.rows = session.rows
        self._session = session
        self._is_told = is_told
        # The message that is being said, the calls in it, and whether one of them has ended.
        self._role: str | None = None
        self._native_id = ""
        self._at: int | None = None
        self._seq = 0
        self._blocks: list[Block] = []
        self._calls: set[str] = set()
        self._has_ended = False
        self._index: Any = None
        # What was said since each prompt, for going back to one.
        self._prompts: list[list[str]] = []
        self._takers: dict[str, Callable[[dict[str, Any], int | None, int], object]] = {
            "user_message_chunk": self._chunk,
            "agent_message_chunk": self._chunk,
            "agent_thought_chunk": self._chunk,
            "tool_call": self._call,
            "tool_call_update": self._end_call,
            "turn_completed": self._end_turn,
            "auto_compact_completed": self._compact,
            "auto_compact_failed": self._fail,
            "auto_recovery_exhausted": self._fail,
            "rewind_marker": self._rewind,
            "model_changed": self._change_model,
            "session_summary_generated": self._name,
        }

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        update = importers.member(importers.member(record, "params") or record, "update")
        kind = importers.text(update.get("sessionUpdate")) or ""
        at = self.rows.date(importers.milliseconds(record.get("timestamp")))
        if kind in _NOISE or (kind == "tool_call_update" and not _is_end(update)):
            return "noise"
        if kind not in self._takers:
            return "unknown"
        self._takers[kind](update, at, number)
        return "imported"

    def _name(self, update: dict[str, Any], _at: int | None, _number: int) -> None:
        self.rows.name(importers.text(update.get("session_summary")))

    def _change_model(self, update: dict[str, Any], _at: int | None, _number: int) -> None:
        self.rows.memory.model = importers.text(update.get("model_id"))

    def _fail(self, update: dict[str, Any], at: int | None, number: int) -> None:
        kind = str(update["sessionUpdate"])
        self.rows.fail(f"L{number}", at, kind, importers.text(update.get("error")))

    def _compact(self, update: dict[str, Any], at: int | None, number: int) -> None:
        self.rows.compact(
            f"L{number}",
            at,
            tokens_before=importers.tokens(update.get("tokens_before")) or None,
            tokens_after=importers.tokens(update.get("tokens_after")) or None,
        )

    # Messages

    def _chunk(self, update: dict[str, Any], at: int | None, number: int) -> None:
        kind, more = update["sessionUpdate"], importers.member(update, "_meta")
        role = "assistant"
        if kind == "user_message_chunk":
            role = "system" if more.get("hostTurn") is True else "user"
        is_next = role == "user" and more.get("promptIndex") != self._index
        if role != self._role or self._has_ended or is_next:
            self._begin(role, at, number)
            self._index = more.get("promptIndex")
        block = self._session.blocks([importers.member(update, "content")])[0]
        if kind == "agent_thought_chunk" and block.type == "text":
            block.type = "thinking"
        last = self._blocks[-1] if self._blocks else None
        if last is not None and last.type == block.type in ("text", "thinking"):
            last.text += block.text
        else:
            self._blocks.append(block)

    def _begin(self, role: str, at: int | None, number: int) -> None:
        self.close()
        self._role, self._native_id, self._blocks = role, f"L{number}", []
        self._calls, self._has_ended = set(), False
        self._at, self._seq = at, self.rows.next_seq(at)
        if role == "user":
            self._prompts.append([])
        if self._prompts:
            self._prompts[-1].append(self._native_id)

    def close(self) -> None:
        """Says the message that is being said; what comes next begins another."""
        if self._role is not None:
            blocks = self._blocks
            if self._role == "user":
                blocks = [_as_typed(block) for block in blocks]
            self.rows.say(self._native_id, self._role, blocks, self._at, seq=self._seq)
        self._role = None

    def _rewind(self, update: dict[str, Any], _at: int | None, _number: int) -> None:
        """Goes back to before a prompt; what was said since stays, beside the conversation."""
        self.close()
        target = importers.count(update.get("target_prompt_index"))
        for prompt in self._prompts[target:]:
            for native_id in prompt:
                self.rows.abandon(native_id)
        del self._prompts[target:]

    # Calls

    def _call(self, update: dict[str, Any], at: int | None, number: int) -> None:
        call_id = importers.text(update.get("toolCallId")) or f"L{number}"
        tool = importers.member(importers.member(update, "_meta"), "x.ai/tool")
        name = importers.text(tool.get("name")) or importers.text(update.get("title"))
        if not self._is_told:
            # The history says which message it was in, and where that was.
            seq = self._session.places.get(call_id)
            self.rows.call(call_id, name, update.get("rawInput"), at, seq=seq)
            return
        if self._role != "assistant" or self._has_ended:
            self._begin("assistant", at, number)
        given = update.get("rawInput")
        self._blocks.append(self.rows.call(call_id, name, given, at, message=self._native_id))
        self._calls.add(call_id)

    def _end_call(self, update: dict[str, Any], at: int | None, number: int) -> None:
        call_id = importers.text(update.get("toolCallId")) or f"L{number}"
        output = update.get("rawOutput")
        if output is None:
            output = update.get("content")
        is_done = update["status"] == "completed" and _went_well(output)
        self.rows.answer(call_id, output, at, success=is_done)
        self._has_ended = self._has_ended or call_id in self._calls

    # What it cost

    def _end_turn(self, update: dict[str, Any], at: int | None, number: int) -> None:
        message = self._native_id if self._role == "assistant" else None
        self.close()
        reason = importers.text(update.get("stop_reason"))
        if reason in ("error", "refusal", "max_tokens"):
            said = importers.text(update.get("agent_result"))
            self.rows.fail(f"L{number}", at, reason, said)
        used = importers.member(update, "usage")
        # What a subagent used is in the turn of its parent too.
        if self._session.is_subagent or not used:
            return
        # A fork begins with its parent's log, prompts and their ids included.
        turn = importers.text(update.get("prompt_id")) or f"{self.rows.session.id}:L{number}"
        models = importers.member(used, "modelUsage")
        is_partial = used.get("usageIsIncomplete") is True
        alone = {self.rows.memory.model or "": used}
        for model, counts in (models or alone).items():
            if isinstance(counts, dict):
                self._use(turn, model, counts, at, message=message, is_partial=is_partial)

    def _use(
        self,
        turn: str,
        model: str,
        counts: dict[str, Any],
        at: int | None,
        *,
        message: str | None,
        is_partial: bool,
    ) -> None:
        whole, read, output, reasoning = (
            importers.tokens(counts.get(name))
            for name in ("inputTokens", "cachedReadTokens", "outputTokens", "reasoningTokens")
        )
        if not (whole or read or output):
            return
        is_partial = is_partial or counts.get("costIsPartial") is True
        self.rows.use(
            f"{turn}:{model or '-'}",
            at,
            raw=counts,
            message=message,
            model=model or None,
            input_tokens=max(whole - read, 0),
            cache_read_tokens=read,
            output_tokens=output,
            reasoning_tokens=min(reasoning, output),
            cost_reported=None if is_partial else _cost(counts.get("costUsdTicks")),
        )


def _as_typed(block: Block) -> Block:
    query = _QUERY.search(block.text)
    return importers.Block(block.type, query[1], "", block.reference) if query else block


def _is_end(update: dict[str, Any]) -> bool:
    return update.get("status") in ("completed", "failed")


def _cost(ticks: Any) -> int | None:
    is_number = type(ticks) is int or type(ticks) is float
    return importers.microdollars(ticks / _TICKS) if is_number else None


def _went_well(output: Any) -> bool:
    """A command ended with 0; a search that found nothing ends with 1."""
    if not isinstance(output, dict):
        return True
    code = output.get("exit_code")
    if type(code) is not int:
        return True
    return code == 0 or (code == 1 and output.get("type") == "GrepSearch")


IMPORTER = Grok()
