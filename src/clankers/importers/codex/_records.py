"""The records of one batch while its lines are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers import Resume
from clankers.importers._batch import Batch
from clankers.importers._blocks import TEXT, THINKING, Block, joined, layout
from clankers.importers._values import row_id
from clankers.importers.codex._answer import Answer
from clankers.importers.codex._attachments import Attachments
from clankers.importers.codex._state import AGENT, State
from clankers.models import Message, SessionError, ToolCall

if TYPE_CHECKING:
    from clankers.importers.codex._state import Layer
    from clankers.importers.codex._usage import Tokens

_LARGEST_ANSWER = 256 * 1024


class Records:
    """Collects rows, and keeps the one answer that is still being logged."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.batch = Batch(Resume())
        self.attachments = Attachments()
        self._tools: dict[str, ToolCall] = {}
        self._has_news = False

    def finish(self) -> Batch:
        """The batch with all that was collected; the open answer goes along as it is so far."""
        self._add_answer()
        self.batch.tools = list(self._tools.values())
        self.batch.attachments = self.attachments.all()
        return self.batch

    # Messages

    def say(self, native_id: str, role: str, blocks: list[Block], *, is_new: bool = True) -> None:
        """A message that is whole in one record; not new when another record has begun it."""
        state = self.state
        if is_new:
            self.close_answer()
        self.batch.messages.append(
            Message(
                state.row(native_id),
                state.id,
                state.now,
                seq=state.next_seq() if is_new else None,
                role=role,
                source=AGENT,
                native_id=native_id,
                is_sidechain=self.is_sidechain,
                text_content=joined(blocks, TEXT),
                content=layout(blocks),
            )
        )

    @property
    def is_sidechain(self) -> bool:
        return self.state.relationship == "subagent"

    def answer(self, native_id: str) -> Answer:
        """The answer that is being logged, begun under `native_id` when there is none."""
        state = self.state
        if state.answer is not None and state.answer.characters > _LARGEST_ANSWER:
            self.close_answer()
        if state.answer is None:
            state.answer = Answer(native_id, state.now, None, state.next_seq(), self.is_sidechain)
        state.answer.model = state.model
        # The clock of a machine may go back; an answer's end does not.
        state.answer.completed_at = max(state.now or 0, state.answer.completed_at or 0) or None
        self._has_news = True
        return state.answer

    def restate(self, type_: str, key: str, words: str) -> None:
        """Puts the fuller wording of a part of the open answer that was heard before."""
        answer = self.state.answer
        for block in answer.blocks if answer is not None else ():
            if block.type == type_ and block.key == key:
                block.text = words
                self._has_news = True

    def close_answer(self) -> None:
        self._add_answer()
        self.state.answer = None

    def _add_answer(self) -> None:
        """Adds the answer as it is, unless an earlier batch has given away just that."""
        if self.state.answer is not None and self._has_news:
            self.batch.messages.append(self._answered(self.state.answer))
        self._has_news = False

    def weigh_answer(self, used: Tokens) -> str | None:
        """Gives a response's tokens to the open answer; its id, or None when none is open."""
        answer = self.state.answer
        if answer is None:
            return None
        if answer.prompt_tokens is None:
            answer.prompt_tokens = used.prompt or None
            answer.completion_tokens = used.output or None
            self._has_news = True
        return self.state.row(answer.native_id)

    def _answered(self, answer: Answer) -> Message:
        state = self.state
        return Message(
            state.row(answer.native_id),
            state.id,
            answer.created_at,
            answer.completed_at,
            answer.seq,
            "assistant",
            answer.model,
            AGENT,
            answer.prompt_tokens,
            answer.completion_tokens,
            native_id=answer.native_id,
            is_sidechain=answer.is_sidechain,
            text_content=joined(answer.blocks, TEXT),
            thinking=joined(answer.blocks, THINKING),
            content=layout(answer.blocks),
        )

    # Tools and errors

    def tool(self, call_id: str) -> ToolCall:
        """The call under that id as this batch knows it; the store joins it with others."""
        state, key = self.state, row_id(call_id)
        when = state.now or 0
        tool = self._tools.get(key)
        if tool is None:
            tool = ToolCall(f"{state.id}:{key}", state.id, when, native_id=call_id)
            self._tools[key] = tool
        tool.created_at = min(tool.created_at, when)
        return tool

    def call(self, call_id: str, native_id: str | None, layer: Layer, **fields: Any) -> ToolCall:
        """A tool call at its place: in the answer `native_id`, or where one is open if None.

        A call that was heard of before keeps its place.
        """
        state, tool = self.state, self.tool(call_id)
        if call_id not in state.calls:
            answer = self.answer(native_id) if native_id else state.answer
            if answer is not None:
                answer.blocks.append(Block("tool", reference={"id": tool.id}))
                self._has_news = True
                tool.message_id = state.row(answer.native_id)
            tool.seq = state.next_seq()
        state.know_call(call_id, layer)
        update(tool, **fields)
        return tool

    def error(self, number: int, kind: str, message: str | None) -> None:
        state = self.state
        self.batch.errors.append(
            SessionError(state.row(state.place(number)), state.id, state.now or 0, kind, message)
        )


def update(tool: ToolCall, **fields: Any) -> None:
    """Sets what is known; what is not leaves the call as it was, as the store's rule has it."""
    for name, value in fields.items():
        if value is not None and value != "":
            setattr(tool, name, value)
