"""What the lines of a rollout mean: one reading of one file, from a watermark on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from clankers.importers._batch import Resume
from clankers.importers._jsonl import decode_line, is_blank, read_chunks
from clankers.importers._values import first_line, json_text, row_id, text
from clankers.importers.codex._calls import Calls
from clankers.importers.codex._conversation import Conversation
from clankers.importers.codex._lines import (
    EVENT,
    NOISE_EVENTS,
    NOISE_ITEMS,
    NOISE_RECORDS,
    NOISE_RESPONSES,
    RESPONSE_ITEM,
    SESSION_META,
    TURN_CONTEXT,
    USAGE_RECORD,
    line_decoder,
    member,
    objects,
    opened,
)
from clankers.importers.codex._outcomes import shortened
from clankers.importers.codex._records import Records
from clankers.importers.codex._replay import ReplayGate
from clankers.importers.codex._state import (
    NAMED,
    Compacted,
    first_state,
    name_session,
    state_decoder,
)
from clankers.importers.codex._stream import open_rollout
from clankers.importers.codex._usage import usage_of
from clankers.importers.codex._wording import key
from clankers.models import Compaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from clankers.importers._batch import Batch
    from clankers.importers._jsonl import Chunk
    from clankers.importers.codex._lines import Line
    from clankers.importers.codex._state import State
    from clankers.importers.codex._usage import Tokens

Outcome = Literal["imported", "noise", "unknown"]

_COMPACTION_LINES = 32


def read_rollout(path: Path, resume: Resume) -> Iterator[Batch]:
    """The batches of one rollout, see `Importer.read`.

    Offsets count uncompressed bytes, in compressed files too.
    """
    state = state_decoder.decode(resume.state) if resume.state else first_state(path)
    gate = ReplayGate(state.replay, path)
    with open_rollout(path, resume.offset) as stream:
        for chunk in read_chunks(stream, resume):
            reading = Reading(state, gate)
            for number, line in enumerate(chunk.lines, chunk.first):
                if not is_blank(line):
                    reading.take(number, line)
            yield reading.batch(chunk.resume)
            if not is_blank(chunk.torn):
                yield from _read_tail(state, path, chunk)


def _read_tail(state: State, path: Path, chunk: Chunk) -> Iterator[Batch]:
    """The batch of a last line that has no newline yet; none while it does not parse."""
    before = msgspec.json.encode(state)
    reading = Reading(state, ReplayGate(state.replay, path))
    outcome = reading.take(chunk.resume.line + 1, chunk.torn)
    if outcome is not None:
        batch = reading.batch(chunk.resume)
        batch.resume = Resume(chunk.resume.offset, chunk.resume.line, before)
        batch.tail = outcome
        yield batch


class Reading:
    """Collects what the lines of one chunk say; `batch()` gives it away."""

    def __init__(self, state: State, gate: ReplayGate) -> None:
        self._state = state
        self._gate = gate
        self._records = Records(state)
        self._conversation = Conversation(self._records)
        self._calls = Calls(self._records)
        self._takers: dict[str, Callable[[Line, int], Outcome]] = {
            SESSION_META: self._take_header,
            TURN_CONTEXT: self._take_turn,
            RESPONSE_ITEM: self._take_item,
            EVENT: self._take_event,
            USAGE_RECORD: self._take_usage_record,
            "compacted": self._take_compacted,
            "inter_agent_communication": self._take_relay,
            "realtime_item": self._take_speech,
            "item.completed": self._take_completed,
            "turn.completed": self._take_whole_turn,
            "turn.failed": self._take_error,
            "error": self._take_error,
        }

    def take(self, number: int, line: bytes) -> Outcome | None:
        """Takes one line; the counter it went to, or None when it is malformed."""
        batch = self._records.batch
        record = decode_line(line_decoder, line)
        if record is None:
            batch.malformed.append(number)
            return None
        outcome = self._take(opened(record), number)
        if outcome == "imported":
            batch.imported += 1
            self._state.has_content = True
        elif outcome == "noise":
            batch.noise += 1
        else:
            batch.unknown += 1
        return outcome

    def batch(self, resume: Resume) -> Batch:
        batch = self._records.finish(resume)
        if self._state.has_content and batch.lines > len(batch.malformed):
            batch.sessions.append(self._state.session())
        batch.resume = Resume(resume.offset, resume.line, msgspec.json.encode(self._state))
        return batch

    def _take(self, line: Line, number: int) -> Outcome:
        name_session(self._state, line)
        if line.kind != SESSION_META and self._gate.is_copy(line, self._state.session_id):
            return self._skip(line)
        self._state.note_time(line.timestamp)
        taker = self._takers.get(line.kind)
        if taker is not None and line.payload:
            return taker(line, number)
        return "noise" if line.kind in NOISE_RECORDS else "unknown"

    def _skip(self, line: Line) -> Outcome:
        """A copy of the parent's line: only the counters go on from it."""
        if line.kind == EVENT and line.type == "token_count":
            self._state.counter.observe(member(line.payload, "info"))
        elif line.kind == USAGE_RECORD:
            self._state.counter.skip_record()
        return "noise"

    # The session

    def _take_header(self, line: Line, number: int) -> Outcome:
        state, payload = self._state, line.payload
        named = row_id(line.session_id or "")
        if state.is_described and named and named != state.session_id:
            state.be_related(named, "fork")
            self._gate.arm(named, is_copied_header=True)
            return "noise"
        state.note_time(line.timestamp)
        is_first = not state.is_described
        state.describe(payload)
        if is_first:
            self._gate.begin(payload)
            if state.parent_id and state.relationship != "continuation":
                self._gate.arm(state.parent_id, is_copied_header=False)
        else:
            self._gate.disarm()
        self._take_instructions(payload, number)
        return "imported"

    def _take_instructions(self, payload: dict[str, Any], number: int) -> None:
        """The user's own instructions, which early versions kept in the header only."""
        self._conversation.note(text(payload.get("instructions")), number)

    def _take_turn(self, line: Line, _number: int) -> Outcome:
        self._state.move(line.payload)
        self._state.set_model(line.payload)
        self._state.set_permissions(line.payload)
        return "imported"

    # The conversation

    def _take_item(self, line: Line, number: int) -> Outcome:
        payload, kind = line.payload, line.type
        self._state.has_items = self._state.has_items or kind == "message"
        if kind == "message":
            return _said(is_new=self._conversation.item(payload, number))
        if kind == "reasoning":
            return _said(is_new=self._conversation.reasoning(payload, number))
        if kind == "agent_message":
            return _said(is_new=self._conversation.relay(payload, number))
        if kind in ("compaction", "context_compaction", "compaction_summary"):
            return self._compact("item", number)
        if kind.endswith(("_output", "_result")):
            self._calls.answer(payload, number)
            return "imported"
        if kind.endswith("_call"):
            return _said(is_new=self._calls.ask(payload, number))
        return "noise" if kind in NOISE_RESPONSES else "unknown"

    def _take_event(self, line: Line, number: int) -> Outcome:
        payload, kind = line.payload, line.type
        if kind == "token_count":
            return self._take_count(line, number)
        if kind == "item_completed":
            return self._take_completed(line, number)
        if taker := _EVENTS.get(kind):
            return taker(self, payload, number)
        if kind in NOISE_EVENTS:
            return self._end_answer(kind)
        if self._calls.note(kind, payload, number):
            return "imported"
        return "noise" if self._calls.knows(kind) else "unknown"

    def _end_answer(self, kind: str) -> Outcome:
        if kind in ("task_started", "turn_started"):
            self._records.close_answer()
        return "noise"

    def _take_completed(self, line: Line, number: int) -> Outcome:
        item = member(line.payload, "item")
        kind = _snake(text(item.get("type")) or text(item.get("item_type")) or "")
        noted = {name: line.payload.get(name) for name in ("started_at_ms", "completed_at_ms")}
        item = {**noted, **item, "type": kind}
        if taker := _ITEMS.get(kind):
            return taker(self, item, number)
        if self._calls.note(kind, item, number):
            return "imported"
        return "noise" if kind in NOISE_ITEMS or self._calls.knows(kind) else "unknown"

    def _take_agent_item(self, item: dict[str, Any], number: int) -> Outcome:
        native_id = text(item.get("id")) or self._state.place(number)
        pieces = [text(one.get("text")) for one in objects(item.get("content"))]
        words = text(item.get("text")) or "\n\n".join(piece for piece in pieces if piece)
        return _said(is_new=self._conversation.answer(words, native_id, "event", number))

    def _take_agent_message(self, payload: dict[str, Any], number: int) -> Outcome:
        words, place = text(payload.get("message")) or "", self._state.place(number)
        return _said(is_new=self._conversation.answer(words, place, "event", number))

    def _take_agent_reasoning(self, payload: dict[str, Any], number: int) -> Outcome:
        words, place = text(payload.get("text")) or "", self._state.place(number)
        return _said(is_new=self._conversation.think(words, place, "event", number))

    def _take_plan(self, item: dict[str, Any], number: int) -> Outcome:
        """A plan, which stands in the answer's own response item where there are any."""
        return "noise" if self._state.has_items else self._take_agent_item(item, number)

    def _take_hook(self, item: dict[str, Any], number: int) -> Outcome:
        pieces = [text(one.get("text")) for one in objects(item.get("fragments"))]
        words = "\n\n".join(piece for piece in pieces if piece)
        return _said(is_new=not self._state.has_items and self._conversation.note(words, number))

    def _take_review(self, payload: dict[str, Any], number: int) -> Outcome:
        asked = text(member(payload, "target").get("instructions"))
        words = asked or text(payload.get("prompt")) or text(payload.get("user_facing_hint"))
        role = "user" if asked else "system"
        return _said(is_new=self._conversation.note(words, number, role=role))

    def _take_findings(self, payload: dict[str, Any], number: int) -> Outcome:
        review = member(payload, "review_output")
        pieces = [text(review.get("overall_explanation"))]
        for one in objects(review.get("findings")):
            pieces += [text(one.get("title")), text(one.get("body"))]
        words = "\n\n".join(piece for piece in pieces if piece)
        return _said(is_new=self._conversation.note(words, number))

    def _take_goal(self, payload: dict[str, Any], number: int) -> Outcome:
        words = text(member(payload, "goal").get("objective")) or ""
        if key(words) == self._state.goal:
            return "noise"
        self._state.goal = key(words)
        return _said(is_new=self._conversation.note(words, number))

    def _take_speech(self, line: Line, number: int) -> Outcome:
        payload, place = line.payload, self._state.place(number)
        words = text(payload.get("text")) or ""
        if line.type != "transcript_segment":
            return "noise"
        if payload.get("role") == "assistant":
            return _said(is_new=self._conversation.answer(words, place, "event", number))
        return _said(is_new=self._conversation.user_event({"message": words}, number))

    def _take_relay(self, line: Line, number: int) -> Outcome:
        return _said(is_new=self._conversation.relay(line.payload, number))

    # Settings, errors and compactions

    def _take_name(self, payload: dict[str, Any], _number: int) -> Outcome:
        name = text(payload.get("thread_name"))
        if name is None or not first_line(name):
            return "noise"
        self._state.suggest_title(name, NAMED)
        return "imported"

    def _take_settings(self, payload: dict[str, Any], _number: int) -> Outcome:
        settings = member(payload, "thread_settings")
        self._state.move(settings)
        self._state.set_model(settings)
        self._state.set_permissions(settings)
        self._state.provider = text(settings.get("model_provider_id")) or self._state.provider
        return "imported"

    def _take_configured(self, payload: dict[str, Any], _number: int) -> Outcome:
        self._state.set_model(payload)
        return "imported"

    def _take_reroute(self, payload: dict[str, Any], _number: int) -> Outcome:
        self._state.set_model({"model": payload.get("to_model")})
        return "imported"

    def _take_error(self, line: Line, number: int) -> Outcome:
        return self._fail(line.payload, number)

    def _fail(self, payload: dict[str, Any], number: int) -> Outcome:
        told = payload.get("error")
        words = text(payload.get("message")) or text(member(told).get("message")) or text(told)
        info = payload.get("codex_error_info") or member(told).get("codex_error_info")
        kind = text(info) or next(iter(member(info)), None) or text(member(told).get("kind"))
        self._records.error(number, kind or text(payload.get("type")) or "error", shortened(words))
        return "imported"

    def _take_turn_end(self, payload: dict[str, Any], number: int) -> Outcome:
        self._records.close_answer()
        return self._fail(payload, number) if member(payload, "error") else "noise"

    def _take_abort(self, payload: dict[str, Any], number: int) -> Outcome:
        self._records.close_answer()
        self._records.error(number, "turn_aborted", text(payload.get("reason")))
        return "imported"

    def _take_compacted(self, line: Line, number: int) -> Outcome:
        outcome = self._compact("record", number)
        is_told = self._conversation.note(text(line.payload.get("message")), number)
        return "imported" if is_told else outcome

    def _take_compaction_event(self, _payload: dict[str, Any], number: int) -> Outcome:
        return self._compact("event", number)

    def _compact(self, kind: str, number: int) -> Outcome:
        """One compaction, which up to three kinds of record tell of."""
        state, known = self._state, self._state.compacted
        is_known = known is not None and number - known.line <= _COMPACTION_LINES
        if known is not None and is_known and kind not in known.kinds:
            known.kinds.append(kind)
            return "noise"
        self._records.close_answer()
        counter = state.counter
        found = Compacted(state.row(state.place(number)), number, state.now or 0, [kind])
        found.is_measured = counter.estimate > 0
        self._add_compaction(found, counter.context or None, counter.estimate or None)
        state.compacted = found
        return "imported"

    def _add_compaction(self, found: Compacted, before: int | None, after: int | None) -> None:
        self._records.batch.compactions.append(
            Compaction(found.id, self._state.id, found.created_at, before, after)
        )

    # Usage

    def _take_count(self, line: Line, number: int) -> Outcome:
        counter = self._state.counter
        info = line.payload.get("info", line.payload)
        if not isinstance(info, dict):
            return "noise"
        used = counter.observe(info)
        if used is not None:
            self._use(used, {**_tier(line.payload), **info}, info)
            return "imported"
        known = self._state.compacted
        if known is None or known.is_measured or not counter.estimate:
            return "noise"
        if number - known.line > _COMPACTION_LINES:
            return "noise"
        known.is_measured = True
        self._add_compaction(known, None, counter.estimate)
        return "imported"

    def _take_usage_record(self, line: Line, _number: int) -> Outcome:
        counter, payload = self._state.counter, line.payload
        thread = line.thread_id
        if thread is not None and row_id(thread) != self._state.id:
            counter.skip_record()
            return "noise"
        used = counter.record(payload.get("usage"))
        if used is None:
            return "noise"
        self._use(used, payload, payload)
        self._records.close_answer()
        return "imported"

    def _take_whole_turn(self, line: Line, number: int) -> Outcome:
        return self._take_turn_usage(line.payload, number)

    def _take_turn_usage(self, payload: dict[str, Any], _number: int) -> Outcome:
        """The usage of a whole turn, all that `codex exec --json` tells."""
        used = self._state.counter.add(payload.get("usage"))
        if used is None:
            return "noise"
        usage = member(payload, "usage")
        self._use(used, usage, usage)
        self._records.close_answer()
        return "imported"

    def _use(self, used: Tokens, stated: dict[str, Any], raw: dict[str, Any]) -> None:
        state, usage = self._state, usage_of(used, stated)
        usage.raw = json_text(raw)
        usage.id, usage.session_id = state.usage_id(), state.id
        usage.session_at = state.created_at
        usage.message_id = self._records.weigh_answer(used)
        usage.project_path = state.cwd
        usage.git_branch = state.git_branch
        usage.provider = state.provider or "openai"
        usage.model = usage.model or state.model
        usage.occurred_at = state.now
        usage.service_tier = usage.service_tier or state.service_tier
        usage.is_sidechain = self._records.is_sidechain
        self._records.batch.usage.append(usage)


def _said(*, is_new: bool) -> Outcome:
    return "imported" if is_new else "noise"


def _tier(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: payload[name] for name in ("service_tier", "model") if name in payload}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


_Taker = "Callable[[Reading, dict[str, Any], int], Outcome]"
_EVENTS: dict[str, Any] = {}
_ITEMS: dict[str, Any] = {}
