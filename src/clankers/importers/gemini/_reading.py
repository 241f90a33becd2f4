"""What the records of a chat mean.

A chat is a log: a later record with an id replaces the earlier one, `$rewindTo` gives up
everything from a message on, `$set` patches what is known of the session and may bring the
whole history anew. Each record is taken as it comes, so that a chat read in steps ends in
the same rows as one read at once. Nothing that was said is taken back: what was rewound is
marked, and what a new history leaves out or shortens stays as it was.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from clankers.importers._blocks import THINKING, Block
from clankers.importers._documents import ROWS_TOGETHER, damaged, give, load_document
from clankers.importers._genai import blocks_of, response_of, spent
from clankers.importers._lines import read_lines
from clankers.importers._rows import Memory, Rows, flat, objects, remembered
from clankers.importers._values import milliseconds, next_seq, text
from clankers.importers.gemini._projects import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clankers.importers import Batch, Outcome, Resume

AGENT = "gemini"
PROVIDER = "google"
_ASSISTANT = "assistant"
_ROLES = {
    "user": "user",
    "gemini": _ASSISTANT,
    "model": _ASSISTANT,
    "info": "system",
    "warning": "system",
}
_CONVERSATION = ("user", "gemini", "model")
# What has its place in the conversation and is no message.
_ERROR, _SILENT = "error", "silent"
# How texts begin that the program puts in the user's mouth.
_INJECTED = (
    "System: ",
    "<session_context>",
    "<state_snapshot>",
    "<hook_context>",
    "This is the Gemini CLI. We are setting up the context for our chat.",
)
# Of other states a call is still waiting or going on.
_OUTCOMES = {"success": True, "error": False, "cancelled": None}
_API_ERROR = "[API Error"


def read_chat(path: Path, resume: Resume) -> Iterator[Batch]:
    """The batches of a chat, see `Importer.read`; a document is read whole."""
    if path.suffix == ".json":
        return _read_document(path)
    return read_lines(path, resume, Chat(path, remembered(resume.state)))


def _read_document(path: Path) -> Iterator[Batch]:
    document = load_document(path)
    if document is None:
        yield damaged()
        return
    chat = Chat(path, Memory())
    if not isinstance(document, dict) or "sessionId" not in document:
        yield give(chat.rows, imported=0, unknown=1)
        return
    chat.begin(document)
    written = document.get("messages")
    counts = {"imported": 0, "noise": 0, "unknown": 0}
    for record in written if isinstance(written, list) else []:
        counts[chat.say(record) if isinstance(record, dict) else "unknown"] += 1
        if chat.rows.waiting >= ROWS_TOGETHER:
            yield give(chat.rows, **counts)
            counts = dict.fromkeys(counts, 0)
    yield give(chat.rows, **counts)


class Chat:
    """Takes the records of one chat.

    Remembers, in the order of the conversation, which messages are part of it, and of all
    that were ever said their place and kind.
    """

    def __init__(self, path: Path, memory: Memory) -> None:
        self.rows = Rows(AGENT, memory)
        self._path = path
        self._project: Project | None = None
        self._said: dict[str, list[Any]] = memory.notes.setdefault("said", {})
        # A set that keeps its order, as JSON has none.
        self._active: dict[str, bool] = memory.notes.setdefault("active", {})

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        if text(record.get("$rewindTo")):
            return self._rewind(record["$rewindTo"])
        # Of all records only messages have a type.
        if "type" in record:
            return self.say(record, f"line-{number}")
        if isinstance(record.get("$set"), dict):
            return self._patch(record["$set"])
        if text(record.get("sessionId")):
            self.begin(record)
            self._patch(record)
            return "imported"
        return "unknown"

    # The session

    def begin(self, header: dict[str, Any]) -> None:
        """Takes the header of a chat, or a document without its messages."""
        self._identify(text(header.get("sessionId")))
        self.rows.session.provider = PROVIDER
        if digest := text(header.get("projectHash")):
            self.rows.memory.notes["hash"] = digest
            self._project = None
        self._place(header)
        self.rows.date(milliseconds(header.get("startTime")))
        self._describe(header)

    def _identify(self, session_id: str | None) -> None:
        if self.rows.session.id:
            return
        folder = self._path.absolute().parent
        found = session_id or str(
            uuid.uuid5(uuid.NAMESPACE_URL, f"{AGENT}:{folder}/{self._path.name}")
        )
        if folder.parent.name == "chats":
            self.rows.identify(f"{folder.name}:agent-{found}")
            self.rows.belongs_to(folder.name, "subagent")
        else:
            self.rows.identify(found)

    def _place(self, header: dict[str, Any]) -> None:
        project, session = self._in_project(), self.rows.session
        self.rows.place(project.path)
        if header.get("kind") == "subagent":
            session.relationship = "subagent"
            directories = header.get("directories")
            # Those of a session itself are what was added to it later.
            if isinstance(directories, list) and directories:
                self.rows.place(text(directories[0]))
        # The calls of a document are all at hand, and its usage must know the place.
        for message in objects(header.get("messages")):
            for call in objects(message.get("toolCalls")):
                self._place_by(call.get("args"))
        if session.project_name is None:
            session.project_name = project.name

    def _place_by(self, given: Any) -> None:
        if not self.rows.session.project_path:
            self.rows.place(self._in_project().above(given))

    def _in_project(self) -> Project:
        if self._project is None:
            digest = text(self.rows.memory.notes.get("hash"))
            self._project = Project(self._path, digest)
        return self._project

    def _describe(self, header: dict[str, Any]) -> None:
        session = self.rows.session
        if (at := milliseconds(header.get("lastUpdated"))) is not None:
            session.updated_at = max(session.updated_at or 0, at)
        self.rows.name(text(header.get("summary")))

    def _patch(self, changes: dict[str, Any]) -> Outcome:
        self._identify(text(changes.get("sessionId")))
        self._describe(changes)
        if history := objects(changes.get("messages")):
            self._replace(history, milliseconds(changes.get("lastUpdated")))
        return "imported" if history or "summary" in changes else "noise"

    # What was said

    def say(self, record: dict[str, Any], fallback: str | None = None) -> Outcome:
        """Takes a message, or what replaces one that was taken before."""
        self._identify(None)
        kind = record.get("type")
        native_id = text(record.get("id")) or fallback or f"message-{len(self._said)}"
        if kind == _ERROR:
            self._fail(native_id, record)
        elif isinstance(kind, str) and kind in _ROLES:
            self._speak(native_id, kind, record)
        else:
            return "unknown"
        self._active[native_id] = True
        return "imported"

    def _speak(self, native_id: str, kind: str, record: dict[str, Any]) -> None:
        rows, role = self.rows, _ROLES[kind]
        at = rows.date(milliseconds(record.get("timestamp")))
        seq = self._seq(native_id, kind, at)
        if model := text(record.get("model")):
            rows.memory.model = model
        blocks = self._blocks(record)
        if role == "user":
            blocks = _typed(blocks, blocks_of(record.get("displayContent"), rows.attachments))
            role = "system" if _is_injected(blocks) else role
        blocks += self._calls(native_id, seq, at, record)
        # The results of calls stand with the calls.
        if role == "user" and not blocks:
            self._said[native_id] = [seq, _SILENT]
            return
        used = self._use(native_id, at, record)
        rows.say(
            native_id,
            role,
            blocks,
            at,
            seq=seq,
            is_sidechain=False,
            prompt_tokens=used and used.prompt,
            completion_tokens=used and used.output_tokens,
        )

    def _seq(self, native_id: str, kind: str, at: int | None) -> int:
        """The place of a message; what replaces one keeps its place."""
        if native_id in self._said:
            seq = int(self._said[native_id][0])
        else:
            self.rows.memory.seq = seq = next_seq(self.rows.memory.seq, at)
        self._said[native_id] = [seq, kind]
        return seq

    def _blocks(self, record: dict[str, Any]) -> list[Block]:
        said = blocks_of(record.get("content", record.get("parts")), self.rows.attachments)
        thoughts = [_thought(one) for one in objects(record.get("thoughts"))]
        if not thoughts:
            return said
        # Written down twice: as they came, and as parts of what the model is told again.
        return [*thoughts, *(one for one in said if one.type != THINKING)]

    def _calls(self, message: str, seq: int, at: int | None, record: dict[str, Any]) -> list[Block]:
        memory = self.rows.memory
        blocks = []
        for place, call in enumerate(objects(record.get("toolCalls")), start=1):
            native_id = text(call.get("id")) or f"{message}-{place}"
            happened = milliseconds(call.get("timestamp")) or at
            memory.seq = max(memory.seq, seq + place)
            name, given = text(call.get("name")), call.get("args")
            self._place_by(given)
            # Its place is the same in every reading of the message, which may gain calls.
            blocks.append(
                self.rows.call(native_id, name, given, happened, message=message, seq=seq + place)
            )
            self._answer(native_id, happened, call)
        return blocks

    def _answer(self, native_id: str, at: int | None, call: dict[str, Any]) -> None:
        output, error = response_of(call.get("result"), native_id, self.rows.attachments)
        if output is None:
            output = text(call.get("resultDisplay"))
        status = call.get("status")
        success = _OUTCOMES.get(status) if isinstance(status, str) else None
        tool = self.rows.answer(native_id, output, at, success=success, error=error)
        if status == "cancelled":
            tool.error_message = error or "cancelled"
        if child := text(call.get("agentId")):
            # Subagents of subagents stand beside them.
            main = self.rows.session.parent_id or self.rows.session.id
            tool.child_session_id = f"{main}:agent-{child.replace('/', '_')}"

    def _use(self, native_id: str, at: int | None, record: dict[str, Any]) -> Any:
        counts = record.get("tokens")
        if not isinstance(counts, dict):
            return None
        names = ("cached", "output", "thoughts", "tool", "total")
        used = spent(prompt=counts.get("input"), **{name: counts.get(name) for name in names})
        if used is not None:
            self.rows.use(
                f"{self.rows.session.id}:{native_id}",
                at,
                raw=counts,
                message=native_id,
                model=text(record.get("model")),
                **used._asdict(),
            )
        return used

    def _fail(self, native_id: str, record: dict[str, Any]) -> None:
        at = milliseconds(record.get("timestamp"))
        said = flat(record.get("content"))
        kind = "api_error" if said.startswith(_API_ERROR) else _ERROR
        self._said.setdefault(native_id, [0, _ERROR])
        self.rows.fail(native_id, at, kind, said)

    # What changes what was said

    def _rewind(self, native_id: str) -> Outcome:
        """Gives up a message and all after it, or everything when it is not to be found.

        The responses were billed: their usage stays.
        """
        self._identify(None)
        order = list(self._active)
        start = order.index(native_id) if native_id in self._active else 0
        for gone in order[start:]:
            del self._active[gone]
            if self._said[gone][1] not in (_ERROR, _SILENT):
                self.rows.abandon(gone)
        return "imported"

    def _replace(self, history: list[dict[str, Any]], at: int | None) -> None:
        """Takes the history that the model is told from now on.

        Of messages that are known it may hold shortened copies; they stay as they were.
        What is new in a conversation that had begun is the program's: a summary, mostly.
        """
        before = [one for one in self._active if self._said[one][1] in _CONVERSATION]
        named = [(text(one.get("id")), one) for one in history]
        kept = [native_id for native_id, _record in named if native_id is not None]
        news = []
        for native_id, record in named:
            if native_id in self._said:
                self._use(native_id, milliseconds(record.get("timestamp")), record)
            elif native_id is not None and self._add(record, is_late=bool(before)):
                news.append(native_id)
        self._active.clear()
        self._active.update((one, True) for one in kept if one in self._said)
        if news and set(before) - set(kept):
            self.rows.compact(
                f"{news[0]}-compaction",
                at,
                messages_before=len(before),
                messages_after=len(self._active),
            )

    def _add(self, record: dict[str, Any], *, is_late: bool) -> bool:
        """Takes a message that only a history tells of; False when it says nothing."""
        says = blocks_of(record.get("content"), self.rows.attachments) or record.get("toolCalls")
        if not says or record.get("type") not in _CONVERSATION:
            return False
        if is_late and not record.get("tokens") and not record.get("model"):
            record = {**record, "type": "info"}
        return self.say(record) == "imported"


def _thought(thought: dict[str, Any]) -> Block:
    said = (text(thought.get("subject")), text(thought.get("description")))
    return Block(THINKING, "\n".join(filter(None, said)))


def _typed(sent: list[Block], shown: list[Block]) -> list[Block]:
    """What the user typed; what that became for the model, as files were put in, stands behind it."""
    typed = [one for one in shown if one.text]
    if not typed:
        return sent
    words = {one.text for one in typed}
    return [
        *typed,
        *(
            one if not one.text else Block("context", one.text)
            for one in sent
            if one.text not in words
        ),
    ]


def _is_injected(blocks: list[Block]) -> bool:
    said = next((one.text for one in blocks if one.text), "")
    return said.lstrip().startswith(_INJECTED)
