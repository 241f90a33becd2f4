"""What is known of a session while its transcript is read, and kept with the watermark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clankers.importers._values import first_line, next_seq, path_name, row_id, text
from clankers.importers.claude_code._spoken import AGENT
from clankers.importers.claude_code._usage import PROVIDER
from clankers.models import Session

if TYPE_CHECKING:
    from clankers.importers.claude_code._lines import Line

_FOREIGN_SUMMARIES = 16

# How good a title is: a name the person gave, the program's, a summary, the first words, a
# command, a summary that may be of another session.
RENAMED, NAMED, SUMMARISED, PROMPTED, COMMANDED, GUESSED = 6, 5, 4, 3, 2, 1


class Waiting(msgspec.Struct, array_like=True):
    """A prompt typed while the agent was busy; `left_at` is when the queue let go of it."""

    key: str
    left_at: int | None = None


class State(msgspec.Struct, omit_defaults=True):
    """What the lines up to some line say of their session.

    The first value a line gives for identity (folder, branch, version) stays. `offset`
    and `line` are the place of that line in the file, and `begun` the keys of messages
    that it or a later line goes on with. `is_from_name` says that the id is
    the file's name, `is_guess` that it is one of our own, `is_real` that the session has rows.
    """

    session_id: str = ""
    parent_id: str | None = None
    relationship: str | None = None
    is_guess: bool = False
    is_from_name: bool = False
    has_begun: bool = False
    is_real: bool = False
    offset: int = 0
    line: int = 0
    seq: int = 0
    created_at: int | None = None
    newest_at: int | None = None
    last_at: int | None = None
    title: str | None = None
    title_rank: int = 0
    project_path: str | None = None
    git_branch: str | None = None
    agent_version: str | None = None
    model: str | None = None
    permission_mode: str | None = None
    dropped_tokens: int = 0
    begun: list[str] = msgspec.field(default_factory=list)
    waiting: list[Waiting] = msgspec.field(default_factory=list)
    summaries: dict[str, str] = msgspec.field(default_factory=dict)
    leaf: str | None = None

    def identify(self, line: Line) -> None:
        """Takes in what every line of a conversation says of its session."""
        if self.agent_version is None or self.git_branch is None or self.project_path is None:
            self.project_path = self.project_path or line.cwd or None
            self.git_branch = self.git_branch or line.git_branch or None
            self.agent_version = self.agent_version or line.version or None
        if line.permission_mode:
            self.permission_mode = line.permission_mode
        if self.relationship is None and (not self.has_begun or line.forked_from is not None):
            self._relate(line)
        self.has_begun = True
        self.leaf = line.uuid
        if self.summaries and (summary := self.summaries.pop(line.uuid or "", None)):
            self.suggest_title(summary, SUMMARISED)

    def _relate(self, line: Line) -> None:
        """A copy of another session says so, or begins with lines that name the other."""
        origin = line.forked_from.get("sessionId") if isinstance(line.forked_from, dict) else None
        named = text(origin) or (line.session_id if self.is_from_name else None)
        if named and row_id(named) != self.session_id:
            self.parent_id, self.relationship = row_id(named), "fork"

    def time_of(self, stamp: int | None) -> int | None:
        """When a line was written; the time of the line before where it does not say."""
        if stamp is None:
            return self.last_at
        self.last_at = stamp
        if self.created_at is None or stamp < self.created_at:
            self.created_at = stamp
        if self.newest_at is None or stamp > self.newest_at:
            self.newest_at = stamp
        return stamp

    def next_seq(self, at: int | None) -> int:
        self.seq = next_seq(self.seq, at)
        return self.seq

    def summarise(self, summary: str, leaf: str | None) -> None:
        """Takes a summary: its own when it names a line of this file, else a guess for now.

        Older versions begin a file with the summaries of other sessions.
        """
        if not leaf or leaf == self.leaf:
            self.suggest_title(summary, SUMMARISED)
            return
        self.summaries[leaf] = summary
        if len(self.summaries) > _FOREIGN_SUMMARIES:
            del self.summaries[next(iter(self.summaries))]
        self.suggest_title(summary, GUESSED)

    def suggest_title(self, words: str, rank: int) -> None:
        """Takes a title unless there is a better one; of prompts the first stays."""
        keeps_first = rank in (PROMPTED, COMMANDED)
        if rank > self.title_rank or (rank == self.title_rank and not keeps_first):
            title = first_line(words)
            if title:
                self.title, self.title_rank = title, rank

    def session(self) -> Session:
        path = self.project_path
        return Session(
            self.session_id,
            self.created_at,
            self.newest_at,
            source=AGENT,
            title=self.title,
            project_path=path,
            project_name=path_name(path) if path else None,
            model=self.model,
            provider=PROVIDER,
            permission_mode=self.permission_mode,
            parent_id=self.parent_id,
            relationship=self.relationship,
            git_branch=self.git_branch,
            agent_version=self.agent_version,
        )


state_decoder = msgspec.json.Decoder(State)
