"""The rows of one session while its file is read: what most importers write into.

An importer says what happened in the words of its agent (`say`, `call`, `answer`, `use`);
ids, places, titles and derived columns are made here, the same way for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from attrs import evolve

from clankers.importers import Resume
from clankers.importers._attachments import Attachments
from clankers.importers._batch import Batch
from clankers.importers._blocks import TEXT, THINKING, Block, joined, layout
from clankers.importers._values import (
    first_line,
    json_text,
    next_seq,
    path_name,
    row_id,
    text,
)
from clankers.models import Compaction, Message, Session, SessionError, ToolCall, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# How sure a title is; a later one must be as sure to replace it.
PROMPTED, NAMED, RENAMED = 1, 2, 3
ERROR_CHARACTERS = 2_000
_LONGEST_MS = 10**12
# Counting begins anew within a response or a turn, which have fewer calls than these.
_CALLS_KEPT = 256
_DEEPEST = 32
_PATH_ARGUMENTS = (
    "file_path",
    "filePath",
    "absolute_path",
    "notebook_path",
    "target_file",
    "path",
    "filename",
)


class Memory(msgspec.Struct):
    """What must be known of a session to go on reading it later.

    Importers that read from a watermark keep it as `Resume.state`. `model` is that of the
    answers to come; `notes` is for what else an importer must remember, as JSON has it.
    `calls` are the latest ids of tool calls, each with the message that it was last met in
    and in how many messages that makes.
    """

    session: Session = msgspec.field(default_factory=lambda: Session(""))
    seq: int = 0
    last_at: int | None = None
    model: str | None = None
    title_rank: int = 0
    notes: dict[str, Any] = msgspec.field(default_factory=dict)
    calls: dict[str, tuple[str | None, int]] = msgspec.field(default_factory=dict)

    def encoded(self) -> bytes:
        return msgspec.json.encode(self)


def remembered(state: bytes | None) -> Memory:
    """The memory that an earlier reading kept; a new one without."""
    return Memory() if state is None else msgspec.json.decode(state, type=Memory)


class Rows:
    """Collects the rows of one session, in the order in which things were said.

    Ids are the agent's own: rows get `<session>:<native id>`. What is said again under one
    id replaces what it said before, as far as it says something. A thing without a time
    takes that of the one before it.
    """

    def __init__(self, agent: str, memory: Memory) -> None:
        self.agent = agent
        self.memory = memory
        self.session = memory.session
        self.session.source = agent
        self.attachments = Attachments()
        self._batch = Batch(Resume())
        self._tools: dict[str, ToolCall] = {}

    # The session

    def identify(self, native_id: str) -> None:
        """Sets the session's id, unless it has one."""
        self.session.id = self.session.id or row_id(native_id)

    def place(self, path: str | None) -> None:
        """Sets the project, by the folder the agent worked in; the first one stays."""
        if path and not self.session.project_path:
            self.session.project_path, self.session.project_name = path, path_name(path)

    def name(self, title: str | None, rank: int = NAMED) -> None:
        """Suggests a title; one that is surer stays."""
        found = first_line(title or "")
        if found and (rank > self.memory.title_rank or (rank == self.memory.title_rank > PROMPTED)):
            self.session.title, self.memory.title_rank = found, rank

    def belongs_to(self, parent_id: str | None, relationship: str) -> None:
        """Notes the session this one came out of: `subagent`, `fork` or `continuation`."""
        if parent_id and row_id(parent_id) != self.session.id:
            self.session.parent_id = row_id(parent_id)
            self.session.relationship = relationship

    def date(self, at: int | None) -> int | None:
        """Notes that something happened then; the time to use, that of the last thing for None."""
        session = self.session
        if at is None:
            return self.memory.last_at
        session.created_at = at if session.created_at is None else min(session.created_at, at)
        session.updated_at = max(session.updated_at or 0, at)
        self.memory.last_at = at
        return at

    def row(self, native_id: str) -> str:
        return f"{self.session.id}:{row_id(native_id)}"

    def next_seq(self, at: int | None) -> int:
        """The next place in the session; for a message whose tool calls are taken before it."""
        self.memory.seq = next_seq(self.memory.seq, at)
        return self.memory.seq

    # What was said

    def say(
        self,
        native_id: str,
        role: str,
        blocks: Sequence[Block],
        at: int | None,
        *,
        seq: int | None = None,
        **more: Any,
    ) -> Message:
        """Takes a message; `more` are further fields of `Message`.

        The first words of a user make the title until the session has a better one. `seq`
        is for what was said before and keeps its place.
        """
        at = self.date(at)
        blocks = [block for block in blocks if block.text or block.type not in (TEXT, THINKING)]
        message = Message(
            self.row(native_id),
            self.session.id,
            at,
            seq=self.next_seq(at) if seq is None else seq,
            role=role,
            source=self.agent,
            native_id=native_id,
            text_content=joined(blocks, TEXT),
            thinking=joined(blocks, THINKING),
            content=layout(blocks),
            **more,
        )
        if role == "assistant":
            message.model = message.model or self.memory.model
            self.session.model = message.model or self.session.model
        elif role == "user":
            self.name(message.text_content, PROMPTED)
        self._batch.messages.append(message)
        return message

    def abandon(self, native_id: str) -> None:
        """Notes that a message said before is on a branch that was given up; it stays stored."""
        self._batch.messages.append(
            Message(self.row(native_id), self.session.id, is_sidechain=True)
        )

    # Tool calls

    def call(
        self,
        native_id: str,
        name: str | None,
        given: Any,
        at: int | None,
        *,
        message: str | None = None,
        seq: int | None = None,
    ) -> Block:
        """Takes a tool call; the block that stands for it in the message `message`.

        `given` is the input: any value, or JSON as text. `seq` is for a call that is told
        again and keeps its place. An id that was met in another message is another call's,
        see `numbered`.
        """
        self.numbered(native_id, message)
        tool = self.tool(native_id, at)
        if seq is not None:
            tool.seq = seq
        elif tool.seq is None:
            tool.seq = self.next_seq(tool.created_at)
        tool.tool_name = name or tool.tool_name
        if message is not None:
            tool.message_id = self.row(message)
        given = unfolded(given)
        if given is not None:
            tool.tool_input = json_text(given)
            tool.file_path = path_in(given) or tool.file_path
        return Block("tool", reference={"id": tool.id})

    def answer(
        self,
        native_id: str,
        output: Any,
        at: int | None,
        *,
        success: bool | None,
        error: str | None = None,
        duration_ms: int | None = None,
    ) -> ToolCall:
        """Takes the result of a tool call, before or after the call itself.

        Of several calls with that id it is the latest one's. What failed without saying why is explained by its output.
        """
        tool = self.tool(native_id, at)
        if output is not None and output != "":
            tool.tool_output = json_text(output)
        # What is not said again stays, as it does in the store.
        if success is not None:
            tool.success = success
        if success is False:
            said = (error or flat(output) or "")[:ERROR_CHARACTERS]
            tool.error_message = said or tool.error_message
        if duration_ms is not None and 0 <= duration_ms < _LONGEST_MS:
            tool.duration_ms = duration_ms
        return tool

    def tool(self, native_id: str, at: int | None) -> ToolCall:
        """The row of the latest call with that id; the store joins it with what earlier batches say."""
        key = row_id(self.numbered(native_id))
        when = self.date(at) or 0
        tool = self._tools.get(key)
        if tool is None:
            tool = ToolCall(self.row(key), self.session.id, when, native_id=native_id)
            self._tools[key] = tool
        elif when < tool.created_at:
            tool.created_at = when
        return tool

    def numbered(self, native_id: str, message: str | None = None) -> str:
        """What rows call a tool call: its id, with `#2`, `#3`... behind it in further messages.

        Some providers count calls anew in each response. The same message told again has
        the same call; without a message it is the latest one.
        """
        calls = self.memory.calls
        known, number = calls.pop(native_id, (message, 1))
        if message is not None and known not in (None, message):
            number += 1
        calls[native_id] = message or known, number
        if len(calls) > _CALLS_KEPT:
            del calls[next(iter(calls))]
        return native_id if number == 1 else f"{native_id}#{number}"

    # What else happened

    def use(
        self,
        key: str,
        at: int | None,
        *,
        raw: Any,
        message: str | None = None,
        model: str | None = None,
        **more: Any,
    ) -> Usage:
        """Takes what one response used.

        `key` identifies it archive-wide and is led by the agent's name; `raw` are the
        numbers as the agent wrote them. Token counts come as further fields of `Usage`,
        in the one shape of all agents: uncached input, output with reasoning in it.
        """
        at, session = self.date(at), self.session
        found = Usage(
            f"{self.agent}:{row_id(key)}",
            session.id,
            session.created_at,
            self.row(message) if message is not None else None,
            self.agent,
            session.project_path,
            session.git_branch,
            provider=more.pop("provider", None) or session.provider,
            model=model or self.memory.model,
            occurred_at=at,
            raw=json_text(raw),
            **more,
        )
        self._batch.usage.append(found)
        return found

    def fail(self, native_id: str, at: int | None, kind: str, message: str | None) -> None:
        """Takes an error of the session itself, not of a tool."""
        at = self.date(at) or 0
        self._batch.errors.append(
            SessionError(self.row(native_id), self.session.id, at, kind, message or None)
        )

    def compact(self, native_id: str, at: int | None, **counts: int | None) -> None:
        """Notes that the context was replaced by a summary; `counts` as in `Compaction`."""
        at = self.date(at) or 0
        self._batch.compactions.append(
            Compaction(self.row(native_id), self.session.id, at, **counts)
        )

    def replace(self, beginning: str) -> None:
        """Takes away what a worse copy of this session said under native ids that begin so."""
        self._batch.replaces.append(self.row(beginning))

    def mention(self, session: Session) -> None:
        """Notes what is said of another session, which may never be read itself."""
        self._batch.mentions.append(session)

    # Giving it away

    @property
    def waiting(self) -> int:
        """How many rows the next batch has so far."""
        batch = self._batch
        return len(batch.messages) + len(self._tools) + len(batch.usage)

    def batch(self, resume: Resume) -> Batch:
        """All rows since the last call, with the session if anything is known of it."""
        batch, self._batch = self._batch, Batch(Resume())
        batch.tools, self._tools = list(self._tools.values()), {}
        batch.attachments, self.attachments = self.attachments.all(), Attachments()
        batch.resume = resume
        has_rows = batch.messages or batch.tools or batch.usage or batch.errors
        if self.session.id and (has_rows or batch.compactions or self.session.created_at):
            # A copy: reading goes on while the batch waits.
            batch.sessions.append(evolve(self.session))
        return batch


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; everything else is left out."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def member(value: Any, name: str) -> dict[str, Any]:
    """An object inside an object; an empty one where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def flat(content: Any, *, depth: int = 0) -> str:
    """The text of a string, of a block or of a list of blocks; of anything else its JSON.

    So is what stands in lists within more than 32 others.
    """
    if isinstance(content, str):
        return content
    if isinstance(content, list) and depth <= _DEEPEST:
        return "\n\n".join(filter(None, [flat(one, depth=depth + 1) for one in content]))
    if isinstance(content, dict) and isinstance(content.get("text"), str):
        return str(content["text"])
    return "" if content is None else json_text(content)


def unfolded(given: Any) -> Any:
    """The value of JSON that is written as text; any other text is itself."""
    if isinstance(given, str) and given.lstrip()[:1] in ("{", "["):
        try:
            return msgspec.json.decode(given)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return given
    return given


def path_in(given: Any) -> str | None:
    """The file that a tool was asked to work on."""
    if not isinstance(given, dict):
        return None
    found: Mapping[str, Any] = given
    return next((path for name in _PATH_ARGUMENTS if (path := text(found.get(name)))), None)
