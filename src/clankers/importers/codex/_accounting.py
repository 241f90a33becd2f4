"""The usage rows and compactions of a batch, out of what counters and records say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers._values import row_id, text
from clankers.importers.codex._lines import EVENT, USAGE_RECORD, member
from clankers.importers.codex._state import Compacted
from clankers.importers.codex._usage import usage_of
from clankers.models import Compaction

if TYPE_CHECKING:
    from clankers.importers.codex._lines import Line
    from clankers.importers.codex._records import Records
    from clankers.importers.codex._usage import Tokens

_COMPACTION_LINES = 32
# What newer versions write beside the counters and not among them.
_AROUND = ("service_tier", "model")


class Accounting:
    """Turns what lines say of tokens into the rows of a batch."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._state = records.state

    def count(self, payload: dict[str, Any], number: int) -> bool:
        """A token count; True when it tells of a response, or of what a compaction left."""
        counter = self._state.counter
        info = payload.get("info", payload)
        if not isinstance(info, dict):
            return False
        used = counter.observe(info)
        if used is None:
            return self._measure_compaction(number)
        around = {name: payload.get(name) for name in _AROUND}
        self._use(used, {**around, **info}, info)
        return True

    def record(self, payload: dict[str, Any]) -> bool:
        """One response's own record, which comes before the count that includes it."""
        counter, thread = self._state.counter, text(payload.get("thread_id"))
        if thread is not None and row_id(thread) != self._state.id:
            counter.skip_record()
            return False
        used = counter.record(payload.get("usage"))
        if used is None:
            return False
        self._use(used, payload, payload)
        self._records.close_answer()
        return True

    def turn(self, payload: dict[str, Any]) -> bool:
        """The usage of a whole turn, all that `codex exec --json` tells."""
        usage = member(payload, "usage")
        used = self._state.counter.add(usage)
        if used is None:
            return False
        self._use(used, usage, usage)
        self._records.close_answer()
        return True

    def skip(self, line: Line) -> None:
        """A copied line: the counters go on from what it says, and nothing is counted."""
        if line.kind == EVENT and line.type == "token_count":
            self._state.counter.observe(member(line.payload, "info"))
        elif line.kind == USAGE_RECORD:
            self._state.counter.skip_record()

    def compact(self, kind: str, number: int) -> bool:
        """A compaction, of which up to three kinds of record tell; False for a further one."""
        state, known = self._state, self._state.compacted
        is_near = known is not None and number - known.line <= _COMPACTION_LINES
        if known is not None and is_near and kind not in known.kinds:
            known.kinds.append(kind)
            return False
        self._records.close_answer()
        counter = state.counter
        found = Compacted(state.row(state.place(number)), number, state.now or 0, [kind])
        found.is_measured = counter.estimate > 0
        self._add(found, counter.context or None, counter.estimate or None)
        state.compacted = found
        return True

    def _measure_compaction(self, number: int) -> bool:
        """Takes the estimate that follows a compaction as what it left."""
        known, estimate = self._state.compacted, self._state.counter.estimate
        if known is None or known.is_measured or not estimate:
            return False
        if number - known.line > _COMPACTION_LINES:
            return False
        known.is_measured = True
        self._add(known, None, estimate)
        return True

    def _add(self, found: Compacted, before: int | None, after: int | None) -> None:
        self._records.batch.compactions.append(
            Compaction(found.id, self._state.id, found.created_at, before, after)
        )

    def _use(self, used: Tokens, stated: dict[str, Any], raw: dict[str, Any]) -> None:
        state, usage = self._state, usage_of(used, stated, raw)
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
