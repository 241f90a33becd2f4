"""What an event of a session means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers import (
    Block,
    Rows,
    count,
    member,
    milliseconds,
    objects,
    remembered,
    text,
    tokens,
)
from clankers.importers._values import is_uuid
from clankers.importers.copilot import _accounting as accounting
from clankers.importers.copilot._kinds import is_noise
from clankers.importers.copilot._workspace import name_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clankers.importers import Outcome, Resume

# Prompts that begin with one of these were not typed by the user.
_INJECTED = ("agent-", "autopilot", "schedule", "skill-", "system")
_AUTO = "auto"
# What tells where an attachment is, the best first.
_PLACES = ("path", "filePath", "url", "displayName", "title")


class Events:
    """Takes the events of a session; `rows.memory` is what must be known between readings."""

    def __init__(self, path: Path, resume: Resume) -> None:
        self.rows = Rows("copilot", remembered(resume.state))
        stem = path.parent.name if path.name == "events.jsonl" else path.stem
        self._stem = stem
        if is_uuid(stem):
            self.rows.identify(stem)
            # What an event said is surer, also where that was read earlier.
            if not self.rows.memory.notes.get("titled"):
                self.rows.name(name_of(path.parent))
        self._is_subagent = False
        notes = self.rows.memory.notes
        # Call, as it is numbered -> its place in the session, and when it began to run.
        self._calls: dict[str, list[int | None]] = notes.setdefault("calls", {})
        self._assets: dict[str, dict[str, Any]] = notes.setdefault("assets", {})
        # What is learned of the session, and what happened in it.
        self._facts: dict[str, Callable[[dict[str, Any]], None]] = {
            "assistant.turn_start": self._learn_model,
            "session.auto_mode_resolved": self._learn_model,
            "session.binary_asset": self._keep_asset,
            "session.context_changed": self._learn_place,
            "session.mode_changed": self._change_mode,
            "session.model_change": self._learn_model,
            "session.resume": self._resume,
            "session.start": self._start,
            "session.title_changed": self._rename,
        }
        self._events: dict[str, Callable[[str, dict[str, Any], int | None], None]] = {
            "abort": self._aborted,
            "assistant.message": self._answer,
            "assistant.reasoning": self._reasoning,
            "session.compaction_complete": self._compacted,
            "session.error": self._error,
            "session.shutdown": self._shut_down,
            "session.truncation": self._truncated,
            "subagent.failed": self._error,
            "system.message": self._told,
            "system.notification": self._told,
            "tool.execution_complete": self._ran,
            "tool.execution_start": self._runs,
            "user.message": self._prompt,
        }

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        kind, data = text(record.get("type")) or "", member(record, "data")
        fact, event = self._facts.get(kind), self._events.get(kind)
        if fact is None and event is None:
            return "noise" if is_noise(kind) else "unknown"
        if kind == "session.start":
            self.rows.identify(text(data.get("sessionId")) or self._stem)
        self.rows.identify(self._stem)
        at = self.rows.date(milliseconds(record.get("timestamp")))
        self._is_subagent = bool(record.get("agentId") or data.get("parentToolCallId"))
        if fact is not None:
            fact(data)
        elif event is not None:
            event(text(record.get("id")) or f"line-{number}", data, at)
        return "imported"

    # The session

    def _start(self, data: dict[str, Any]) -> None:
        session = self.rows.session
        self.rows.date(milliseconds(data.get("startTime")))
        session.agent_version = text(data.get("copilotVersion")) or session.agent_version
        self._learn_place(member(data, "context"))
        self._learn_model(data)

    def _resume(self, data: dict[str, Any]) -> None:
        # What a crashed run said is in no count that is still to come.
        self.rows.memory.notes["said"] = 0
        self.rows.session.status = "active"
        self._learn_place(member(data, "context"))
        self._learn_model(data)

    def _learn_place(self, data: dict[str, Any]) -> None:
        session = self.rows.session
        self.rows.place(text(data.get("cwd")) or text(data.get("gitRoot")))
        session.git_branch = session.git_branch or text(data.get("branch"))

    def _learn_model(self, data: dict[str, Any]) -> None:
        """Learns the model of the answers to come."""
        for name in ("newModel", "selectedModel", "chosenModel", "model"):
            found = text(data.get(name))
            if found and found != _AUTO:
                self.rows.memory.model = found

    def _change_mode(self, data: dict[str, Any]) -> None:
        session = self.rows.session
        session.permission_mode = text(data.get("newMode")) or session.permission_mode

    def _rename(self, data: dict[str, Any]) -> None:
        if title := text(data.get("title")):
            self.rows.name(title)
            self.rows.memory.notes["titled"] = True

    def _keep_asset(self, data: dict[str, Any]) -> None:
        if asset := text(data.get("assetId")):
            self._assets[asset] = self._media(data)

    # What was said

    def _prompt(self, native_id: str, data: dict[str, Any], at: int | None) -> None:
        words, source = text(data.get("content")), text(data.get("source")) or ""
        is_typed = not (
            source.startswith(_INJECTED)
            or data.get("isAutopilotContinuation") is True
            or self._is_subagent
        )
        blocks = [self._attached(one) for one in objects(data.get("attachments"))]
        if words is None and not blocks:
            # Nothing was typed, only the model was told something.
            words, is_typed = text(data.get("transformedContent")), False
        blocks.insert(0, Block("text", words or ""))
        self._say(native_id, "user" if is_typed else "system", blocks, at)

    def _told(self, native_id: str, data: dict[str, Any], at: int | None) -> None:
        self._say(native_id, "system", [Block("text", text(data.get("content")) or "")], at)

    def _reasoning(self, native_id: str, data: dict[str, Any], at: int | None) -> None:
        """Thoughts that come by themselves; some versions tell them with the message too."""
        self._say(native_id, "assistant", self._thoughts(data.get("content")), at)

    def _answer(self, native_id: str, data: dict[str, Any], at: int | None) -> None:
        native_id, model = text(data.get("messageId")) or native_id, text(data.get("model"))
        if not self._is_subagent:
            self._learn_model(data)
        output, seq = tokens(data.get("outputTokens")), self.rows.next_seq(at)
        blocks = self._thoughts(data.get("reasoningText"))
        blocks.append(Block("text", text(data.get("content")) or ""))
        for request in objects(data.get("toolRequests")):
            if call := text(request.get("toolCallId")):
                given = request.get("arguments")
                blocks.append(self._call(call, request.get("name"), given, at, native_id))
        self._say(
            native_id,
            "assistant",
            blocks,
            at,
            seq=seq,
            model=model,
            completion_tokens=output or None,
        )
        if output:
            self._weigh(text(data.get("apiCallId")), output)

    def _thoughts(self, words: Any) -> list[Block]:
        found, notes = text(words), self.rows.memory.notes
        if found is None or found == notes.get("thought"):
            return []
        notes["thought"] = found
        return [Block("thinking", found)]

    def _say(
        self, native_id: str, role: str, blocks: list[Block], at: int | None, **more: Any
    ) -> None:
        if any(block.text or block.reference for block in blocks):
            self.rows.say(native_id, role, blocks, at, is_sidechain=self._is_subagent, **more)

    def _attached(self, attachment: dict[str, Any]) -> Block:
        """A picture, or the place of what the agent was to look at."""
        asset = self._assets.get(text(attachment.get("assetId")) or "")
        media = asset or self._media(attachment)
        if media and (text(media.get("media_type")) or "").startswith("image/"):
            return Block("image", reference=media)
        places = (text(attachment.get(name)) for name in _PLACES)
        return Block("file", reference={"path": next(filter(None, places), None)})

    def _media(self, said: dict[str, Any]) -> dict[str, Any]:
        data = text(said.get("data"))
        media_type = text(said.get("mimeType"))
        return self.rows.attachments.encoded(data, media_type) if data else {}

    # Tool calls

    def _call(
        self, call: str, name: Any, given: Any, at: int | None, message: str | None = None
    ) -> Block:
        # It stays in the place that it was given when it was first told of.
        known = self._calls.setdefault(self.rows.numbered(call, message), [None, None])
        known[0] = self.rows.next_seq(at) if known[0] is None else known[0]
        return self.rows.call(call, text(name), given, at, message=message, seq=known[0])

    def _runs(self, native_id: str, data: dict[str, Any], at: int | None) -> None:
        call = text(data.get("toolCallId")) or native_id
        self._call(call, data.get("toolName"), data.get("arguments"), at)
        self._calls[self.rows.numbered(call)][1] = at

    def _ran(self, native_id: str, data: dict[str, Any], at: int | None) -> None:
        call = text(data.get("toolCallId")) or native_id
        _seq, began = self._calls.pop(self.rows.numbered(call), [None, None])
        success = data.get("success")
        error = data.get("error")
        self.rows.answer(
            call,
            self._output(data.get("result")),
            at,
            success=success if isinstance(success, bool) else None,
            error=text(error) or text(member(data, "error").get("message")),
            duration_ms=None if began is None or at is None else at - began,
        )

    def _output(self, result: Any) -> Any:
        if not isinstance(result, dict):
            return result
        output = result.get("content") or result.get("detailedContent")
        media = [self._media(one) for one in objects(result.get("binaryResultsForLlm"))]
        pictures = [{"type": "image", **one} for one in media if one]
        return [{"type": "text", "text": output}, *pictures] if pictures else output

    # What went wrong, and what was left out

    def _error(self, native_id: str, data: dict[str, Any], at: int | None) -> None:
        kind = text(data.get("errorType")) or "error"
        self.rows.fail(native_id, at, kind, text(data.get("message")) or text(data.get("error")))

    def _aborted(self, native_id: str, data: dict[str, Any], at: int | None) -> None:
        self.rows.fail(native_id, at, "aborted", text(data.get("reason")))

    def _compacted(self, native_id: str, data: dict[str, Any], at: int | None) -> None:
        if data.get("success") is False:
            self.rows.fail(native_id, at, "compaction", text(data.get("error")))
            return
        self._told(native_id, {"content": data.get("summaryContent")}, at)
        messages = count(data.get("preCompactionMessagesLength"))
        self.rows.compact(
            native_id,
            at,
            tokens_before=tokens(data.get("preCompactionTokens")) or None,
            tokens_after=tokens(data.get("postCompactionTokens")) or None,
            messages_before=messages or None,
            messages_after=max(0, messages - count(data.get("messagesRemoved"))) or None,
        )

    def _truncated(self, native_id: str, data: dict[str, Any], at: int | None) -> None:
        self.rows.compact(
            native_id,
            at,
            tokens_before=tokens(data.get("preTruncationTokensInMessages")) or None,
            tokens_after=tokens(data.get("postTruncationTokensInMessages")) or None,
            messages_before=count(data.get("preTruncationMessagesLength")) or None,
            messages_after=count(data.get("postTruncationMessagesLength")) or None,
        )

    # What was used

    def _weigh(self, api_call: str | None, output: int) -> None:
        """Notes the output of an answer, by which a shutdown's counts are understood."""
        notes = self.rows.memory.notes
        # The parts of one response may each say what the whole had.
        is_part = api_call is not None and api_call == notes.get("api_call")
        same: int = notes["response"] if is_part else 0
        notes["said"] = notes.get("said", 0) + max(0, output - same)
        notes["api_call"], notes["response"] = api_call, max(same, output)

    def _shut_down(self, native_id: str, data: dict[str, Any], at: int | None) -> None:
        rows, notes = self.rows, self.rows.memory.notes
        rows.session.status = "error" if data.get("shutdownType") == "error" else "completed"
        rows.session.ended_at = max(rows.session.ended_at or 0, at or 0) or None
        if message := text(data.get("errorReason")):
            rows.fail(native_id, at, "shutdown", message)
        now = accounting.counted(data)
        if not now:
            return
        used = accounting.grown(notes.get("counted", {}), now, notes.get("said", 0))
        used = {model: counts for model, counts in used.items() if any(counts.values())}
        # The sum of credits goes on over resumes, also where the tokens begin anew.
        before, total = notes.get("nano", 0), accounting.nano(data)
        spent = total - before if total >= before else total
        notes.update(counted=now, said=0, nano=total or before)
        for model, counts in used.items():
            nano = counts["totalNanoAiu"] or (spent if len(used) == 1 else 0)
            rows.use(
                f"{rows.session.id}:{native_id}:{model}",
                at,
                raw=member(data, "modelMetrics").get(model),
                model=model,
                cost_reported=accounting.cost(nano, at),
                **accounting.shape(counts),
            )
