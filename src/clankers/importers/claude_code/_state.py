"""What is known of a session while its transcript is read, and kept with the watermark."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from clankers.importers._jsonl import decode_line
from clankers.importers._values import (
    first_line,
    is_uuid,
    milliseconds,
    next_seq,
    path_name,
    row_id,
    text,
)
from clankers.importers.claude_code._answers import Spoken
from clankers.importers.claude_code._lines import line_decoder, meta_decoder
from clankers.importers.claude_code._usage import Response
from clankers.models import Session

if TYPE_CHECKING:
    from clankers.importers.claude_code._lines import Line

AGENT = "claude-code"
FOREIGN_SUMMARIES = 256
LARGEST_META = 64 * 1024

# How good a title is: a name the person gave, the program's, a summary, the first words.
RENAMED, NAMED, SUMMARISED, PROMPTED, GUESSED = 5, 4, 3, 2, 1


class State(msgspec.Struct):
    """What a later reading of the same file must know of this one.

    The first value a line gives for identity (folder, branch, version) stays.
    """

    session_id: str = ""
    parent_id: str | None = None
    relationship: str | None = None
    seq: int = 0
    created_at: int | None = None
    last_at: int | None = None
    title: str | None = None
    title_rank: int = 0
    project_path: str | None = None
    git_branch: str | None = None
    agent_version: str | None = None
    model: str | None = None
    permission_mode: str | None = None
    answers: list[Spoken] = msgspec.field(default_factory=list)
    responses: list[Response] = msgspec.field(default_factory=list)
    queued: dict[str, str] = msgspec.field(default_factory=dict)
    summaries: dict[str, str] = msgspec.field(default_factory=dict)
    leaf: Any = None
    is_identified: bool = False

    def identify(self, line: Line) -> None:
        if not self.is_identified:
            self._take_identity(line)
        if line.permissionMode is not None and (mode := text(line.permissionMode)):
            self.permission_mode = mode
        if self.relationship is None and line.sessionId != self.session_id:
            self._relate(line)
        self.leaf = line.uuid
        if self.summaries and (summary := self.summaries.pop(str(line.uuid), None)):
            self.suggest_title(summary, SUMMARISED)

    def _take_identity(self, line: Line) -> None:
        self.project_path = self.project_path or text(line.cwd)
        self.git_branch = self.git_branch or text(line.gitBranch)
        self.agent_version = self.agent_version or text(line.version)
        self.is_identified = bool(self.project_path and self.git_branch and self.agent_version)

    def _relate(self, line: Line) -> None:
        """A transcript named as one session whose lines name another is a copy of that one."""
        if is_uuid(self.session_id) and (named := text(line.sessionId)):
            self.parent_id, self.relationship = row_id(named), "fork"

    def time_of(self, line: Line) -> int | None:
        """When the line was written; the time of the line before where it does not say."""
        found = milliseconds(line.timestamp)
        if found is None:
            return self.last_at
        self.last_at = found
        if self.created_at is None or found < self.created_at:
            self.created_at = found
        return found

    def next_seq(self, created_at: int | None) -> int:
        self.seq = next_seq(self.seq, created_at)
        return self.seq

    def summarise(self, summary: str, leaf: str | None) -> None:
        """Takes a summary: its own when it names a line of this file, else a guess for now."""
        if leaf is None or leaf == self.leaf:
            self.suggest_title(summary, SUMMARISED)
            return
        if len(self.summaries) < FOREIGN_SUMMARIES:
            self.summaries[leaf] = summary
        self.suggest_title(summary, GUESSED)

    def suggest_title(self, words: str, rank: int, *, keep_first: bool = False) -> None:
        is_better = rank > self.title_rank if keep_first else rank >= self.title_rank
        if is_better and (title := first_line(words)):
            self.title, self.title_rank = title, rank

    def session(self) -> Session:
        path = self.project_path
        return Session(
            self.session_id,
            self.created_at,
            self.last_at,
            source=AGENT,
            title=self.title,
            project_path=path,
            project_name=path_name(path) if path else None,
            model=self.model,
            provider="anthropic",
            permission_mode=self.permission_mode,
            parent_id=self.parent_id,
            relationship=self.relationship,
            git_branch=self.git_branch,
            agent_version=self.agent_version,
        )


state_decoder = msgspec.json.Decoder(State)


def first_state(path: Path) -> State:
    """Who a transcript is, from its name and place, else from its lines.

    A file named as a UUID is that session. `agent-<x>.jsonl` is a subagent of the session
    whose folder it stands in, or (in older versions, beside it) of the one its lines
    name. Any other file is the session its lines name, or one of its own.
    """
    stem = path.stem
    if stem.startswith("agent-"):
        parent = _parent_folder(path)
        parent_id = parent.name if parent else _named_session(path)
        if parent_id:
            state = State(f"{row_id(parent_id)}:{row_id(stem)}", row_id(parent_id), "subagent")
            state.title = _described_task(path)
            state.title_rank = NAMED if state.title else 0
            return state
    if is_uuid(stem):
        return State(stem)
    named = _named_session(path)
    return State(row_id(named) if named else str(uuid.uuid5(uuid.NAMESPACE_URL, f"{AGENT}:{path}")))


def session_folder(path: Path, state: State) -> Path:
    """The folder that belongs to the session: beside its transcript, named as it."""
    if path.stem.startswith("agent-"):
        return _parent_folder(path) or path.parent / (state.parent_id or state.session_id)
    return path.parent / (path.stem if is_uuid(path.stem) else state.session_id)


def _parent_folder(path: Path) -> Path | None:
    for folder in path.parents:
        if folder.name == "subagents":
            return folder.parent
    return None


def _named_session(path: Path) -> str | None:
    with path.open("rb") as lines:
        for line in lines:
            record = decode_line(line_decoder, line)
            if record is not None and (named := text(record.sessionId)):
                return named
    return None


def _described_task(path: Path) -> str | None:
    """The task a subagent was started for, from the small file beside its transcript."""
    try:
        with path.with_suffix(".meta.json").open("rb") as file:
            meta = decode_line(meta_decoder, file.read(LARGEST_META))
    except OSError:
        return None
    words = meta and (text(meta.description) or text(meta.agentType))
    return first_line(words) if words else None
