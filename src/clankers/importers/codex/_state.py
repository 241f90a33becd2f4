"""What is known of a session while its rollout is read, and kept with the watermark."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from clankers.importers._values import (
    first_line,
    milliseconds,
    next_seq,
    path_name,
    row_id,
    text,
)
from clankers.importers.codex._answer import Answer  # noqa: TC001 - msgspec resolves it
from clankers.importers.codex._lines import member
from clankers.importers.codex._replay import Replay
from clankers.importers.codex._threads import created_at, named_ids
from clankers.importers.codex._usage import Counter
from clankers.importers.codex._wording import is_same
from clankers.models import Session

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.importers.codex._lines import Line

AGENT = "codex"
PROMPTED, NAMED = 1, 2
_KNOWN_CALLS = 64
_HEARD = 16
_HEARD_LINES = 64
_SUBAGENT_SOURCES = frozenset({"subagent", "guardian_review"})

Layer = Literal["item", "event"]


class Origin(NamedTuple):
    """Where a text comes from: the id it goes by, the kind of record, the line."""

    native_id: str
    layer: Layer
    line: int


class Heard(msgspec.Struct, array_like=True):
    """A text that the other kind of record may still repeat."""

    speaker: str
    layer: Layer
    key: str
    native_id: str
    line: int


class Compacted(msgspec.Struct, array_like=True):
    """A compaction that further records may still add to."""

    id: str
    line: int
    created_at: int
    kinds: list[str]
    is_measured: bool = False


class State(msgspec.Struct):
    """What a later reading of the same file must know of this one.

    Everything that decides about a record stands here and nothing of it in the reading,
    so that a file read in pieces gives what it gives in one.
    """

    session_id: str = ""
    page: str = ""
    fallback_id: str = ""
    is_described: bool = False
    has_content: bool = False
    has_items: bool = False
    seq: int = 0
    created_at: int | None = None
    last_at: int | None = None
    updated_at: int | None = None
    title: str | None = None
    title_rank: int = 0
    project_path: str | None = None
    cwd: str | None = None
    git_branch: str | None = None
    agent_version: str | None = None
    model: str | None = None
    provider: str | None = None
    service_tier: str | None = None
    permission_mode: str | None = None
    parent_id: str | None = None
    relationship: str | None = None
    goal: str = ""
    unnamed_call: str | None = None
    answer: Answer | None = None
    compacted: Compacted | None = None
    heard: list[Heard] = msgspec.field(default_factory=list)
    calls: dict[str, Layer] = msgspec.field(default_factory=dict)
    counter: Counter = msgspec.field(default_factory=Counter)
    replay: Replay = msgspec.field(default_factory=Replay)

    @property
    def id(self) -> str:
        """The session's id; from the path when no line named one before it was needed."""
        if not self.session_id:
            self.session_id = self.fallback_id
        return self.session_id

    def settle(self) -> None:
        """Notes that a line said something of the session, which then has its id and its time."""
        if not self.has_content:
            self.has_content = True
            began_at = created_at(self.id)
            self.created_at = self.created_at or began_at

    def place(self, number: int) -> str:
        """A native id for what has none, from where it stands in the file."""
        return f"{self.page}.L{number}" if self.page else f"L{number}"

    def row(self, native_id: str) -> str:
        return f"{self.id}:{row_id(native_id)}"

    def usage_id(self) -> str:
        number = f"{self.page}.{self.counter.responses}" if self.page else self.counter.responses
        return f"{AGENT}:{self.id}:{number}"

    def note_time(self, timestamp: Any) -> None:
        found = milliseconds(timestamp)
        if found is None:
            return
        self.last_at = found
        self.updated_at = max(found, self.updated_at or 0)
        if self.created_at is None:
            self.created_at = found

    @property
    def now(self) -> int | None:
        """When the line was written, or the one before it, or the session, as far as is known."""
        return self.last_at or self.created_at or created_at(self.session_id)

    def next_seq(self) -> int:
        self.seq = next_seq(self.seq, self.now)
        return self.seq

    def is_repeat(self, speaker: str, key: str, origin: Origin) -> Heard | None:
        """The record of the other kind that has said the same just before, or None.

        Each record answers for one other: the same words said twice stay two messages.
        """
        if not key:
            return None
        recent = [one for one in self.heard if origin.line - one.line <= _HEARD_LINES]
        for one in recent:
            if one.speaker == speaker and one.layer != origin.layer and is_same(one.key, key):
                recent.remove(one)
                self.heard = recent
                return one
        recent.append(Heard(speaker, origin.layer, key, origin.native_id, origin.line))
        self.heard = recent[-_HEARD:]
        return None

    def know_call(self, call_id: str, layer: Layer) -> None:
        """Remembers by which kind of record a call was told of; a response item outweighs."""
        if layer == "item" or call_id not in self.calls:
            self.calls[call_id] = layer
        if len(self.calls) > _KNOWN_CALLS:
            del self.calls[next(iter(self.calls))]

    def suggest_title(self, words: str, rank: int) -> None:
        is_better = rank > self.title_rank or rank == self.title_rank == NAMED
        if is_better and (title := first_line(words)):
            self.title, self.title_rank = title, rank

    def describe(self, payload: dict[str, Any]) -> None:
        """Takes what a session's own header says; a later one only adds."""
        began = milliseconds(payload.get("timestamp"))
        if began is not None:
            self.created_at = min(began, self.created_at or began)
            self.updated_at = max(began, self.updated_at or 0)
        self.move(payload)
        self.git_branch = self.git_branch or text(member(payload, "git").get("branch"))
        self.agent_version = text(payload.get("cli_version")) or self.agent_version
        self.provider = text(payload.get("model_provider")) or self.provider
        self.set_model(payload)
        if not self.is_described:
            self.is_described = True
            self._relate(payload)

    def move(self, payload: dict[str, Any]) -> None:
        """Takes the working folder; the session's project is the first one."""
        self.cwd = text(payload.get("cwd")) or self.cwd
        self.project_path = self.project_path or self.cwd

    def set_model(self, payload: dict[str, Any]) -> None:
        self.model = text(payload.get("model")) or self.model
        self.service_tier = text(payload.get("service_tier")) or self.service_tier

    def set_permissions(self, payload: dict[str, Any]) -> None:
        approval = payload.get("approval_policy")
        if isinstance(approval, dict):
            approval = next(iter(approval), None)
        sandbox = member(payload, "sandbox_policy")
        self.permission_mode = (
            text(approval)
            or text(sandbox.get("type"))
            or text(sandbox.get("mode"))
            or self.permission_mode
        )

    def _relate(self, payload: dict[str, Any]) -> None:
        source = member(payload, "source")
        spawned_by = text(member(source, "subagent", "thread_spawn").get("parent_thread_id"))
        parent = spawned_by or text(payload.get("parent_thread_id"))
        forked_from = text(payload.get("forked_from_id"))
        base = text(member(payload, "history_base").get("thread_id"))
        if (
            parent
            or "subagent" in source
            or text(payload.get("thread_source")) in _SUBAGENT_SOURCES
        ):
            self.be_related(parent or forked_from, "subagent")
        elif forked_from:
            self.be_related(forked_from, "fork")
        elif base and row_id(base) != self.session_id:
            self.be_related(base, "continuation")

    def be_related(self, parent: str | None, relationship: str) -> None:
        """Becomes another session's `relationship`, unless it is one's already or its own parent."""
        if self.relationship is None and (parent is None or row_id(parent) != self.session_id):
            self.parent_id = row_id(parent) if parent else None
            self.relationship = relationship

    def session(self) -> Session:
        path = self.project_path
        return Session(
            self.id,
            self.created_at,
            self.updated_at,
            source=AGENT,
            title=self.title,
            project_path=path,
            project_name=path_name(path) if path else None,
            model=self.model,
            provider=self.provider or "openai",
            permission_mode=self.permission_mode,
            parent_id=self.parent_id,
            relationship=self.relationship,
            git_branch=self.git_branch,
            agent_version=self.agent_version,
        )


state_decoder = msgspec.json.Decoder(State)


def first_state(path: Path) -> State:
    """Who a rollout is by its name, as far as that says it."""
    thread, page = named_ids(path)
    fallback = uuid.uuid5(uuid.NAMESPACE_URL, f"{AGENT}:{path.absolute()}")
    return State(thread, page, str(fallback))


def name_session(state: State, line: Line) -> None:
    """Takes the session's id from a line where the file's name does not hold it."""
    if named := line.session_id:
        state.session_id = row_id(named)
