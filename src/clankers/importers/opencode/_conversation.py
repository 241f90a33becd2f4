"""A session and its messages, wherever they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers import Memory, Rows, Tally, member, milliseconds, text
from clankers.importers.opencode._parts import SYNTHETIC, Parts, fail
from clankers.importers.opencode._usage import model_of, used

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clankers.importers import Batch
    from clankers.importers.opencode._usage import Used

    Record = dict[str, Any]

ROWS_TOGETHER = 1_000
# Until a model has thought of a title.
_UNTITLED = ("New session - ", "Child session - ")
# Agents that come with OpenCode and differ in what they may do.
_MODES = ("build", "plan")


class Conversation:
    """Takes the records of one session in order; `batch` gives what they said.

    A record that is no JSON object is given as None, and counts as malformed.
    """

    def __init__(self, agent: str, session_id: str) -> None:
        self.rows = Rows(agent, Memory())
        self.rows.identify(session_id)
        self._tally = Tally(ROWS_TOGETHER)
        self._born: int | None = None
        self._calls: set[str] = set()
        self._compacting = False

    @property
    def is_full(self) -> bool:
        return self._tally.is_enough(self.rows)

    def batch(self) -> Batch:
        return self._tally.batch(self.rows)

    def begin(self, info: Record | None) -> None:
        """Takes the session's own record."""
        if not self._count(info) or info is None:
            return
        rows, time, title = self.rows, member(info, "time"), text(info.get("title"))
        if title and not title.startswith(_UNTITLED):
            rows.name(title)
        rows.place(text(info.get("directory")))
        # Of what is in no repository, the project's folder is the root of all.
        if info.get("worktree") != "/":
            rows.place(text(info.get("worktree")))
        rows.session.agent_version = text(info.get("version"))
        rows.belongs_to(text(info.get("parentID")), "subagent")
        self._born = milliseconds(time.get("created"))
        for at in (milliseconds(time.get("updated")), self._born):
            rows.date(at)

    def hear(self, native_id: str, record: Record | None, parts: Iterable[tuple[str, Any]]) -> None:
        """Takes a message with its parts; the parts of a damaged one are still there."""
        self._count(record)
        record = record or {}
        rows, time = self.rows, member(record, "time")
        at = rows.date(milliseconds(time.get("created")))
        seq = rows.next_seq(at)
        heard = Parts(rows, native_id, at, self._calls)
        for part_id, part in parts:
            self._take(heard, part_id, part)
        rows.place(text(member(record, "path").get("cwd")))
        role, fields = _role(record, heard), self._common()
        if role == "assistant":
            fields |= self._answer(native_id, record, heard, at)
        rows.say(native_id, role, heard.blocks, at, seq=seq, **fields)
        if record.get("error") is not None:
            fail(rows, native_id, milliseconds(time.get("completed")) or at, record["error"])
        self._note_compaction(native_id, record, heard, at)
        self._keep_birth()

    def _take(self, heard: Parts, part_id: str, part: Any) -> None:
        known = isinstance(part, dict)
        self._tally.add(heard.take(part_id, part) if known else "malformed")

    def _answer(
        self, native_id: str, record: Record, heard: Parts, at: int | None
    ) -> dict[str, Any]:
        """Takes what only an answer has; the further fields of its message."""
        rows, (provider, model) = self.rows, model_of(record)
        rows.session.provider = provider or rows.session.provider
        if record.get("mode") in _MODES:
            rows.session.permission_mode = record["mode"]
        ended = milliseconds(member(record, "time").get("completed"))
        found: dict[str, Any] = {"model": model, "parent_native_id": text(record.get("parentID"))}
        if ended is not None:
            found["completed_at"] = rows.date(ended)
            found["duration_ms"] = max(0, ended - (at or ended))
        if (spent := used(native_id, record, heard.steps)) is not None:
            found["prompt_tokens"] = spent.tokens.prompt
            found["completion_tokens"] = spent.tokens.output
            self._use(native_id, spent, at, provider=provider, model=model)
        return found

    def _use(self, native_id: str, spent: Used, at: int | None, **named: str | None) -> None:
        self._keep_birth()
        counts = spent.tokens
        self.rows.use(
            spent.identity,
            at,
            raw=spent.raw,
            message=native_id,
            input_tokens=counts.input,
            cache_read_tokens=counts.cache_read,
            # The only lifetime that OpenCode asks for.
            cache_write_5m_tokens=counts.cache_write,
            output_tokens=counts.output,
            reasoning_tokens=counts.reasoning,
            cost_reported=spent.cost,
            **named,
            **self._common(),
        )

    def _note_compaction(
        self, native_id: str, record: Record, heard: Parts, at: int | None
    ) -> None:
        """Older versions have the summary only, and nothing that asks for it."""
        if record.get("summary") is True and not self._compacting:
            self.rows.compact(native_id, at)
        self._compacting = heard.compacts

    def _keep_birth(self) -> None:
        """A fork was made after what it repeats, and is not as old as that."""
        session = self.rows.session
        session.created_at = self._born or session.created_at

    def _common(self) -> dict[str, Any]:
        return {"is_sidechain": True} if self.rows.session.parent_id else {}

    def _count(self, record: Record | None) -> bool:
        self._tally.add("malformed" if record is None else "imported")
        return record is not None


def _role(record: Record, heard: Parts) -> str:
    """Who spoke; what stands in the user's name and is all OpenCode's own words is the system's."""
    role = text(record.get("role")) or ("assistant" if heard.answers else "user")
    kinds = {block.type for block in heard.blocks}
    if role == "user" and kinds and kinds <= {SYNTHETIC, "compaction"}:
        for block in heard.blocks:
            if block.type == SYNTHETIC:
                block.type = "text"
        return "system"
    return role
