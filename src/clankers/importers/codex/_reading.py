"""What the lines of a rollout mean: one reading of one file, from a watermark on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from clankers.importers import Resume
from clankers.importers._jsonl import decode_line, is_blank, read_chunks
from clankers.importers._values import first_line, row_id, text
from clankers.importers.codex._accounting import Accounting
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
from clankers.importers.codex._state import NAMED, Origin, first_state, name_session, state_decoder
from clankers.importers.codex._stream import open_rollout
from clankers.importers.codex._wording import key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from clankers.importers import Batch
    from clankers.importers._jsonl import Chunk
    from clankers.importers.codex._lines import Line
    from clankers.importers.codex._state import Layer, State

    Takers = dict[str, Callable[[dict[str, Any], int], "Outcome"]]

Outcome = Literal["imported", "noise", "unknown"]

_TURN_STARTS = frozenset({"task_started", "turn_started"})
_HUMP = re.compile(r"(?<!^)(?=[A-Z])")


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
                yield from _read_tail(state, gate, chunk)


def _read_tail(state: State, gate: ReplayGate, chunk: Chunk) -> Iterator[Batch]:
    """The batch of a last line that has no newline yet; none while it does not parse."""
    before = msgspec.json.encode(state)
    reading = Reading(state, gate)
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
        self._accounting = Accounting(self._records)
        self._by_kind = self._record_takers()
        self._items = self._item_takers()
        self._events = self._event_takers()
        self._completed = self._completed_takers()

    def _record_takers(self) -> Takers:
        return {
            TURN_CONTEXT: self._take_turn,
            RESPONSE_ITEM: self._take_item,
            EVENT: self._take_event,
            USAGE_RECORD: self._take_usage_record,
            "compacted": self._take_compacted,
            "error": self._take_error,
            "inter_agent_communication": self._take_relay,
            "item.completed": self._take_completed,
            "realtime_item": self._take_speech,
            "thread.started": self._take_start,
            "turn.completed": self._take_turn_usage,
            "turn.failed": self._take_error,
        }

    def _item_takers(self) -> Takers:
        return {
            "agent_message": self._take_relay,
            "compaction": self._take_item_compaction,
            "compaction_summary": self._take_item_compaction,
            "context_compaction": self._take_item_compaction,
            "message": self._take_message,
            "reasoning": self._take_reasoning,
        }

    def _event_takers(self) -> Takers:
        return {
            "agent_message": self._take_agent_message,
            "agent_reasoning": self._take_agent_reasoning,
            "agent_reasoning_raw_content": self._take_agent_reasoning,
            "context_compacted": self._take_compaction,
            "entered_review_mode": self._take_review,
            "error": self._take_error,
            "exited_review_mode": self._take_findings,
            "item_completed": self._take_completed,
            "model_reroute": self._take_reroute,
            "session_configured": self._take_configured,
            "stream_error": self._take_error,
            "task_complete": self._take_turn_end,
            "thread_goal_updated": self._take_goal,
            "thread_name_updated": self._take_name,
            "thread_settings_applied": self._take_settings,
            "token_count": self._take_count,
            "turn.completed": self._take_turn_usage,
            "turn_aborted": self._take_abort,
            "turn_complete": self._take_turn_end,
            "user_message": self._take_prompt,
        }

    def _completed_takers(self) -> Takers:
        return {
            "agent_message": self._take_agent_item,
            "assistant_message": self._take_agent_item,
            "context_compaction": self._take_compaction,
            "error": self._take_error,
            "hook_prompt": self._take_hook,
            "plan": self._take_plan,
            "reasoning": self._take_reasoning_item,
            "user_message": self._take_prompt_item,
        }

    def take(self, number: int, line: bytes) -> Outcome | None:
        """Takes one line; the counter it went to, or None when it is malformed."""
        batch = self._records.batch
        record = decode_line(line_decoder, line)
        outcome = None if record is None else self._take_safely(record, number)
        if outcome is None:
            batch.malformed.append(number)
            return None
        if outcome == "imported":
            batch.imported += 1
            self._state.settle()
        elif outcome == "noise":
            batch.noise += 1
        else:
            batch.unknown += 1
        return outcome

    def batch(self, resume: Resume) -> Batch:
        """All records since the start of the chunk."""
        batch = self._records.finish()
        if self._state.has_content and batch.lines > len(batch.malformed):
            batch.sessions.append(self._state.session())
        batch.resume = Resume(resume.offset, resume.line, msgspec.json.encode(self._state))
        return batch

    def _take_safely(self, record: dict[str, Any], number: int) -> Outcome | None:
        try:
            return self._take(opened(record), number)
        except RecursionError:
            # Nested just so deep that it could be decoded and cannot be encoded again.
            return None

    def _take(self, line: Line, number: int) -> Outcome:
        if not self._state.session_id:
            name_session(self._state, line)
        if line.kind == SESSION_META:
            return self._take_header(line)
        if self._gate.is_copy(line, self._state.session_id):
            self._accounting.skip(line)
            return "noise"
        self._state.note_time(line.timestamp)
        taker = self._by_kind.get(line.kind)
        if taker is not None and line.payload:
            return taker(line.payload, number)
        return "noise" if line.kind in NOISE_RECORDS else "unknown"

    # The session

    def _take_header(self, line: Line) -> Outcome:
        state, payload = self._state, line.payload
        if not payload:
            return "unknown"
        named = row_id(line.session_id or "")
        if state.is_described and named and named != state.session_id:
            state.be_related(named, "fork")
            self._gate.arm(named, is_copied_header=True)
            return "noise"
        state.note_time(line.timestamp)
        if state.is_described:
            self._gate.disarm()
        else:
            self._gate.begin(payload)
        is_first = not state.is_described
        state.describe(payload)
        if is_first and state.parent_id and state.relationship != "continuation":
            self._gate.arm(state.parent_id, is_copied_header=False)
        return "imported"

    def _take_turn(self, payload: dict[str, Any], _number: int) -> Outcome:
        self._state.move(payload)
        self._state.set_model(payload)
        self._state.set_permissions(payload)
        return "imported"

    def _take_start(self, _payload: dict[str, Any], _number: int) -> Outcome:
        return "imported"

    def _take_settings(self, payload: dict[str, Any], number: int) -> Outcome:
        settings = member(payload, "thread_settings")
        self._state.provider = text(settings.get("model_provider_id")) or self._state.provider
        return self._take_turn(settings, number)

    def _take_configured(self, payload: dict[str, Any], _number: int) -> Outcome:
        self._state.set_model(payload)
        return "imported"

    def _take_reroute(self, payload: dict[str, Any], _number: int) -> Outcome:
        self._state.set_model({"model": payload.get("to_model")})
        return "imported"

    def _take_name(self, payload: dict[str, Any], _number: int) -> Outcome:
        name = first_line(text(payload.get("thread_name")) or "")
        self._state.suggest_title(name, NAMED)
        return _told(bool(name))

    # The three families of records

    def _take_item(self, payload: dict[str, Any], number: int) -> Outcome:
        kind = text(payload.get("type")) or ""
        if taker := self._items.get(kind):
            return taker(payload, number)
        if kind.endswith(("_output", "tool_result")):
            self._calls.answer(payload, number)
            return "imported"
        if kind.endswith("_call"):
            return _told(self._calls.ask(payload, number))
        return "noise" if kind in NOISE_RESPONSES else "unknown"

    def _take_event(self, payload: dict[str, Any], number: int) -> Outcome:
        kind = text(payload.get("type")) or ""
        if taker := self._events.get(kind):
            return taker(payload, number)
        if self._calls.knows(kind):
            return _told(self._calls.note(kind, payload, number))
        if kind in _TURN_STARTS:
            self._records.close_answer()
        return "noise" if kind in NOISE_EVENTS else "unknown"

    def _take_completed(self, payload: dict[str, Any], number: int) -> Outcome:
        item = member(payload, "item")
        kind = _snake(text(item.get("type")) or text(item.get("item_type")) or "")
        times = {name: payload.get(name) for name in ("started_at_ms", "completed_at_ms")}
        item = {**times, **item, "type": kind}
        if taker := self._completed.get(kind):
            return taker(item, number)
        if self._calls.knows(kind):
            return _told(self._calls.note(kind, item, number))
        return "noise" if kind in NOISE_ITEMS else "unknown"

    # The conversation

    def _take_message(self, payload: dict[str, Any], number: int) -> Outcome:
        self._state.has_items = True
        return _told(self._conversation.item(payload, self._origin(payload, "item", number)))

    def _take_reasoning(self, payload: dict[str, Any], number: int) -> Outcome:
        return _told(self._conversation.reasoning(payload, self._origin(payload, "item", number)))

    def _take_relay(self, payload: dict[str, Any], number: int) -> Outcome:
        return _told(self._conversation.relay(payload, self._origin(payload, "item", number)))

    def _take_prompt(self, payload: dict[str, Any], number: int) -> Outcome:
        return _told(self._conversation.user_event(payload, self._origin({}, "event", number)))

    def _take_prompt_item(self, item: dict[str, Any], number: int) -> Outcome:
        return _told(self._conversation.user_item(item, self._origin(item, "event", number)))

    def _take_agent_message(self, payload: dict[str, Any], number: int) -> Outcome:
        words = text(payload.get("message")) or ""
        return _told(self._conversation.answer(words, self._origin({}, "event", number)))

    def _take_agent_item(self, item: dict[str, Any], number: int) -> Outcome:
        words = text(item.get("text")) or _joined(item.get("content"))
        return _told(self._conversation.answer(words, self._origin(item, "event", number)))

    def _take_agent_reasoning(self, payload: dict[str, Any], number: int) -> Outcome:
        words = text(payload.get("text")) or ""
        return _told(self._conversation.think(words, self._origin({}, "event", number)))

    def _take_reasoning_item(self, item: dict[str, Any], number: int) -> Outcome:
        return _told(self._conversation.reasoning_item(item, self._origin(item, "event", number)))

    def _origin(self, named: dict[str, Any], layer: Layer, number: int) -> Origin:
        return Origin(text(named.get("id")) or self._state.place(number), layer, number)

    def _take_plan(self, item: dict[str, Any], number: int) -> Outcome:
        """A plan, which stands in the answer's own response item where there are any."""
        return "noise" if self._state.has_items else self._take_agent_item(item, number)

    def _take_hook(self, item: dict[str, Any], number: int) -> Outcome:
        """What a hook told the model, which stands in a response item where there are any."""
        words = "" if self._state.has_items else _joined(item.get("fragments"))
        return _told(self._conversation.note(words, number))

    def _take_review(self, payload: dict[str, Any], number: int) -> Outcome:
        asked = text(member(payload, "target").get("instructions"))
        words = asked or text(payload.get("prompt")) or text(payload.get("user_facing_hint"))
        return _told(self._conversation.note(words, number, role="user" if asked else "system"))

    def _take_findings(self, payload: dict[str, Any], number: int) -> Outcome:
        review = member(payload, "review_output")
        pieces = [text(review.get("overall_explanation"))]
        for one in objects(review.get("findings")):
            pieces += [text(one.get("title")), text(one.get("body"))]
        return _told(self._conversation.note("\n\n".join(filter(None, pieces)), number))

    def _take_goal(self, payload: dict[str, Any], number: int) -> Outcome:
        words = text(member(payload, "goal").get("objective")) or ""
        is_same, self._state.goal = key(words) == self._state.goal, key(words)
        return _told(not is_same and self._conversation.note(words, number))

    def _take_speech(self, payload: dict[str, Any], number: int) -> Outcome:
        if payload.get("type") != "transcript_segment":
            return "noise"
        words = text(payload.get("text")) or ""
        if payload.get("role") == "assistant":
            return self._take_agent_message({"message": words}, number)
        return self._take_prompt({"message": words}, number)

    # Errors, compactions, usage

    def _take_error(self, payload: dict[str, Any], number: int) -> Outcome:
        return self._fail(payload, "event", number)

    def _take_turn_end(self, payload: dict[str, Any], number: int) -> Outcome:
        self._records.close_answer()
        return self._fail(payload, "item", number) if member(payload, "error") else "noise"

    def _fail(self, payload: dict[str, Any], layer: Layer, number: int) -> Outcome:
        told = payload.get("error")
        words = text(payload.get("message")) or text(member(told).get("message")) or text(told)
        if self._state.is_repeat("error", key(words or ""), Origin("", layer, number)):
            return "noise"
        info = payload.get("codex_error_info") or member(told).get("codex_error_info")
        kind = text(info) or next(iter(member(info)), None) or text(member(told).get("kind"))
        self._records.error(number, kind or text(payload.get("type")) or "error", shortened(words))
        return "imported"

    def _take_abort(self, payload: dict[str, Any], number: int) -> Outcome:
        self._records.close_answer()
        self._records.error(number, "turn_aborted", text(payload.get("reason")))
        return "imported"

    def _take_compaction(self, _payload: dict[str, Any], number: int) -> Outcome:
        return _told(self._accounting.compact("event", number))

    def _take_item_compaction(self, _payload: dict[str, Any], number: int) -> Outcome:
        return _told(self._accounting.compact("item", number))

    def _take_compacted(self, payload: dict[str, Any], number: int) -> Outcome:
        is_new = self._accounting.compact("record", number)
        has_summary = self._conversation.note(text(payload.get("message")), number)
        return _told(is_new or has_summary)

    def _take_usage_record(self, payload: dict[str, Any], _number: int) -> Outcome:
        return _told(self._accounting.record(payload))

    def _take_count(self, payload: dict[str, Any], number: int) -> Outcome:
        return _told(self._accounting.count(payload, number))

    def _take_turn_usage(self, payload: dict[str, Any], _number: int) -> Outcome:
        return _told(self._accounting.turn(payload))


def _told(is_new: bool) -> Outcome:  # noqa: FBT001 - the one thing it says
    return "imported" if is_new else "noise"


def _joined(blocks: Any) -> str:
    pieces = (text(one.get("text")) for one in objects(blocks))
    return "\n\n".join(piece for piece in pieces if piece)


def _snake(name: str) -> str:
    return _HUMP.sub("_", name).lower()
