"""What the records of a chat mean.

The file only grows. Each record names the one before it in the conversation, so that a
record which goes on from an earlier place gives up what stood behind that: those messages
are marked, their usage stays.
"""

from __future__ import annotations

import uuid
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from clankers.importers._blocks import Block
from clankers.importers._genai import blocks_of, parts_of, response_of, spent
from clankers.importers._lines import read_lines
from clankers.importers._rows import NAMED, RENAMED, Memory, Rows, flat, member, objects, remembered
from clankers.importers._values import count, is_uuid, milliseconds, next_seq, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from clankers.importers import Batch, Outcome, Resume

AGENT = "qwen-code"
_SUBAGENT = "agent-"
# In the user's name, but not typed.
_NOT_TYPED = ("cron", "goal_runtime", "notification")
_OUTCOMES = {"success": True, "error": False, "cancelled": None}
_TOKENS = {
    "prompt": "promptTokenCount",
    "cached": "cachedContentTokenCount",
    "output": "candidatesTokenCount",
    "thoughts": "thoughtsTokenCount",
    "tool": "toolUsePromptTokenCount",
    "total": "totalTokenCount",
}
_NOISE = frozenset(
    {
        "agent_bootstrap",
        "agent_launch_prompt",
        "agent_retry",
        "agent_session_ready",
        "at_command",
        "attribution_snapshot",
        "background_task_completed",
        "branch_checkpoint",
        "file_history_snapshot",
        "goal_runtime",
        "goal_state",
        "goal_turn_end",
        "omni_recall",
        "session_artifact_event",
        "session_artifact_snapshot",
        "session_execution_engine",
        "session_notes",
        "session_source",
        "session_sources_snapshot",
        "turn_result",
        "user_text_elements",
    }
)


def read_chat(path: Path, resume: Resume) -> Iterator[Batch]:
    """The batches of a chat, see `Importer.read`."""
    return read_lines(path, resume, Chat(path, remembered(resume.state)))


class Chat:
    """Takes the records of one chat.

    Remembers the records of the conversation in their order, each with its place if it
    became a message, else with 0.
    """

    def __init__(self, path: Path, memory: Memory) -> None:
        self.rows = Rows(AGENT, memory)
        self._path = path
        self._parent: str | None = None
        self._active: dict[str, int] = memory.notes.setdefault("active", {})
        self._kinds: dict[str, Callable[[str, int | None, dict[str, Any]], Outcome]] = {
            "user": self._prompt,
            "assistant": self._answer,
            "tool_result": self._results,
            "system": self._system,
        }

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        kind = record.get("type")
        take = self._kinds.get(kind) if isinstance(kind, str) else None
        if take is None or "uuid" not in record:
            return "unknown"
        self._describe(record)
        native_id = text(record["uuid"]) or f"line-{number}"
        at = self.rows.date(milliseconds(record.get("timestamp")))
        self._go_on(native_id, record)
        self._parent = text(record.get("parentUuid"))
        return take(native_id, at, record)

    # The session

    def _describe(self, record: dict[str, Any]) -> None:
        rows, session = self.rows, self.rows.session
        if not session.id:
            self._identify(text(record.get("sessionId")))
        rows.place(text(record.get("cwd")))
        session.git_branch = session.git_branch or text(record.get("gitBranch"))
        session.agent_version = text(record.get("version")) or session.agent_version
        rows.belongs_to(text(member(record, "forkedFrom").get("sessionId")), "fork")

    def _identify(self, session_id: str | None) -> None:
        stem = self._path.stem
        if stem.startswith(_SUBAGENT):
            parent = session_id or self._path.absolute().parent.name
            self.rows.identify(f"{parent}:{stem}")
            self.rows.belongs_to(parent, "subagent")
        elif is_uuid(stem):
            self.rows.identify(stem)
        else:
            place = f"{AGENT}:{self._path.absolute()}"
            self.rows.identify(session_id or str(uuid.uuid5(uuid.NAMESPACE_URL, place)))

    # The conversation

    def _go_on(self, native_id: str, record: dict[str, Any]) -> None:
        """Gives up what stands between a record and the one that it goes on from.

        Records of the program itself may name an older place and change nothing, unless
        they say that the conversation was rewound.
        """
        if native_id in self._active:
            return
        parent, is_rewind = text(record.get("parentUuid")), record.get("subtype") == "rewind"
        is_known = parent in self._active or (parent is None and is_rewind)
        if is_known and (is_rewind or record.get("type") != "system"):
            for gone in list(takewhile(lambda one: one != parent, reversed(self._active))):
                if self._active.pop(gone):
                    self.rows.abandon(gone)
        self._active[native_id] = 0

    def _say(
        self, native_id: str, role: str, blocks: list[Block], at: int | None, **more: Any
    ) -> None:
        more.setdefault("seq", self._active[native_id] or None)
        message = self.rows.say(
            native_id,
            role,
            blocks,
            at,
            parent_native_id=self._parent,
            is_sidechain=False,
            **more,
        )
        self._active[native_id] = message.seq or 0

    def _prompt(self, native_id: str, at: int | None, record: dict[str, Any]) -> Outcome:
        sent = blocks_of(record.get("message"), self.rows.attachments)
        blocks = _typed(sent, text(member(record, "systemPayload").get("displayText")))
        if not blocks:
            return "noise"
        self._say(native_id, "user" if _is_typed(record) else "system", blocks, at)
        return "imported"

    def _answer(self, native_id: str, at: int | None, record: dict[str, Any]) -> Outcome:
        memory = self.rows.memory
        memory.model = text(record.get("model")) or memory.model
        seq = self._active[native_id] or next_seq(memory.seq, at)
        memory.seq = max(memory.seq, seq)
        blocks = self._blocks(native_id, seq, at, record)
        used = self._use(native_id, at, record)
        self._say(
            native_id,
            "assistant",
            blocks,
            at,
            seq=seq,
            prompt_tokens=used and used.prompt,
            completion_tokens=used and used.output_tokens,
        )
        return "imported"

    def _blocks(
        self, message: str, seq: int, at: int | None, record: dict[str, Any]
    ) -> list[Block]:
        rows, blocks = self.rows, []
        for place, part in enumerate(parts_of(record.get("message")), start=1):
            call = member(part, "functionCall")
            if not call:
                blocks += blocks_of([part], rows.attachments)
                continue
            native_id = text(call.get("id")) or f"{message}-{place}"
            rows.memory.seq = max(rows.memory.seq, seq + place)
            name, given = text(call.get("name")), call.get("args")
            # Its place is the same whenever the record is read.
            blocks.append(rows.call(native_id, name, given, at, message=message, seq=seq + place))
        return blocks

    def _use(self, native_id: str, at: int | None, record: dict[str, Any]) -> Any:
        counts = member(record, "usageMetadata")
        used = spent(**{name: counts.get(written) for name, written in _TOKENS.items()})
        if used is not None:
            # A branched session repeats records with their ids.
            is_named = text(record["uuid"]) is not None
            key = native_id if is_named else f"{self.rows.session.id}:{native_id}"
            self.rows.use(key, at, raw=counts, message=native_id, **used._asdict())
        return used

    def _results(self, _native_id: str, at: int | None, record: dict[str, Any]) -> Outcome:
        told = member(record, "toolCallResult")
        parts = parts_of(record.get("message"))
        answered = [found for part in parts if (found := member(part, "functionResponse"))]
        ids = [call for one in answered if (call := text(one.get("id")))]
        own = text(told.get("callId"))
        for call in dict.fromkeys(ids or ([own] if own else [])):
            self._result(call, at, parts, told if own in (None, call) else {})
        return "imported" if ids or own else "unknown"

    def _result(self, call: str, at: int | None, parts: list[Any], told: dict[str, Any]) -> None:
        output, error = response_of(parts, call, self.rows.attachments)
        if output is None:
            output = text(told.get("resultDisplay"))
        status = told.get("status")
        success = _OUTCOMES.get(status) if isinstance(status, str) else error is None
        took = told.get("durationMs")
        tool = self.rows.answer(
            call,
            output,
            at,
            success=success,
            error=error,
            duration_ms=count(took) if took is not None else None,
        )
        if status == "cancelled":
            tool.error_message = error or "cancelled"

    # What the program says

    def _system(self, native_id: str, at: int | None, record: dict[str, Any]) -> Outcome:
        kind, payload = text(record.get("subtype")), member(record, "systemPayload")
        if kind == "slash_command":
            return self._command(native_id, at, payload)
        if kind == "ui_telemetry":
            return self._telemetry(native_id, at, member(payload, "uiEvent"))
        if kind == "chat_compression":
            info = member(payload, "info")
            self.rows.compact(
                native_id,
                at,
                tokens_before=count(info.get("originalTokenCount")) or None,
                tokens_after=count(info.get("newTokenCount")) or None,
            )
        elif kind == "custom_title":
            title = text(payload.get("customTitle"))
            # Without a source it is of a version in which only people gave titles.
            self.rows.name(title, NAMED if payload.get("titleSource") == "auto" else RENAMED)
        elif kind == "parent_session":
            self.rows.belongs_to(text(payload.get("parentSessionId")), "subagent")
        elif kind == "session_model":
            self.rows.memory.model = text(payload.get("modelId")) or self.rows.memory.model
        elif kind == "session_approval_mode":
            mode = text(payload.get("mode"))
            self.rows.session.permission_mode = mode or self.rows.session.permission_mode
        elif kind != "rewind":
            return "noise" if kind in _NOISE else "unknown"
        return "imported"

    def _command(self, native_id: str, at: int | None, payload: dict[str, Any]) -> Outcome:
        """A slash command as it was typed, or what the program answered."""
        if payload.get("phase") == "result":
            shown = [flat(one.get("text")) for one in objects(payload.get("outputHistoryItems"))]
            role, said = "system", "\n\n".join(filter(None, shown))
        else:
            role, said = "user", text(payload.get("rawCommand")) or ""
        if not said or payload.get("hiddenInvocation") is True:
            return "noise"
        self._say(native_id, role, [Block("text", said)], at)
        return "imported"

    def _telemetry(self, native_id: str, at: int | None, event: dict[str, Any]) -> Outcome:
        """Of all events only errors of the model say what no other record does."""
        said = text(event.get("error_message"))
        if said is None:
            return "noise"
        self.rows.fail(native_id, at, text(event.get("error_type")) or "api_error", said)
        return "imported"


def _is_typed(record: dict[str, Any]) -> bool:
    return (
        record.get("subtype") not in _NOT_TYPED
        and record.get("provenance") != "system"
        and record.get("externalInputKind") != "notification"
    )


def _typed(sent: list[Block], shown: str | None) -> list[Block]:
    """What the user typed; what stands beside it for the model comes behind it."""
    if shown is None:
        return sent
    others = [one for one in sent if one.text != shown]
    return [
        Block("text", shown),
        *(Block("context", one.text) if one.text else one for one in others),
    ]
