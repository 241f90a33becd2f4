"""What the files of a task of Cline, Roo Code or Kilo Code say together.

`api_conversation_history.json` is the conversation as the model had it, often without times.
`ui_messages.json` is what was shown, with the time of everything, and what each request used.
Messages are taken from the first, all else from the second, and messages as well where the
first is missing.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from clankers import importers
from clankers.importers import Memory, Rows, member, milliseconds, text
from clankers.importers._documents import ROWS_TOGETHER
from clankers.importers._vscode._conversation import Conversation, environment_of
from clankers.importers._vscode._names import (
    CONVERSATION,
    HISTORY_ITEM,
    TASK_METADATA,
    UI_MESSAGES,
)
from clankers.importers._vscode._shown import Shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clankers.importers import Batch


def read_task(
    agent: str, folder: Path, key: str, *, totals_since: int | None = None
) -> Iterator[Batch]:
    """What a task's files say now; a damaged one costs only what it would have said.

    `totals_since` is that of `VSCodeTasks`.
    """
    files = (UI_MESSAGES, CONVERSATION)
    shown, said = (_records(folder / name) for name in files)
    rows = Rows(agent, Memory())
    rows.identify(key)
    item, metadata = _object(folder / HISTORY_ITEM), _object(folder / TASK_METADATA)
    times = Times(shown or [], said or [])
    rows.date(times.last)
    rows.date(times.first)
    _describe(rows, item, metadata)
    models = Models(metadata, said or [], times)
    conversation = Conversation(rows, said or [], times, models)
    screen = Shown(rows, shown or [], models, totals_since=totals_since, speaks=not said)
    counts = {"imported": 0, "noise": 0, "unknown": 0}
    for outcome in (*conversation.outcomes(), *screen.outcomes()):
        counts[outcome] += 1
        if rows.waiting >= ROWS_TOGETHER:
            yield importers.give(rows, **counts)
            counts = dict.fromkeys(counts, 0)
    last = importers.give(rows, **counts)
    last.malformed = [n for n, found in enumerate((shown, said), 1) if found is None]
    yield last


class Times:
    """When the messages of a conversation were said, as far as the other file tells.

    What is shown notes which message was the last one then: a prompt comes after all that
    was shown with the message before it, an answer begins with the first of it. Before
    version 3 it does not; then the n-th answer is that of the n-th request.
    """

    def __init__(self, shown: list[Any], said: list[Any]) -> None:
        self.requests: list[int] = []
        self._after: dict[int, tuple[int, int]] = {}
        known = []
        for one in importers.objects(shown):
            at = milliseconds(one.get("ts"))
            if at is None:
                continue
            known.append(at)
            if one.get("say") == "api_req_started":
                self.requests.append(at)
            index = one.get("conversationHistoryIndex")
            if type(index) is int:
                first, last = self._after.get(index, (at, at))
                self._after[index] = min(first, at), max(last, at)
        self.requests.sort()
        self._of: list[int | None] = []
        answers = 0
        for number, one in enumerate(said):
            role = one.get("role") if isinstance(one, dict) else None
            self._of.append(self._found(one, number, role, answers))
            answers += role == "assistant"
        known += [at for at in self._of if at is not None]
        self.first, self.last = min(known, default=None), max(known, default=None)

    def of(self, number: int) -> int | None:
        return self._of[number]

    def _found(self, one: Any, number: int, role: Any, answers: int) -> int | None:
        stated = milliseconds(one.get("ts")) if isinstance(one, dict) else None
        if stated is not None:
            return stated
        if around := self._after.get(number - 1):
            return around[0] if role == "assistant" else around[1]
        return self.requests[answers] if answers < len(self.requests) else None


class Models:
    """Which model answered when: from the task's metadata, the messages and the prompts."""

    def __init__(self, metadata: dict[str, Any], said: list[Any], times: Times) -> None:
        self._requests = times.requests
        known: list[tuple[int, str, str | None]] = []
        for one in importers.objects(metadata.get("model_usage")):
            at, model = milliseconds(one.get("ts")), text(one.get("model_id"))
            if at is not None and model is not None:
                known.append((at, model, text(one.get("model_provider_id"))))
        for number, one in enumerate(said):
            at = times.of(number)
            model, provider = model_of(one)
            model = model or environment_of(one).get("model")
            if at is not None and model:
                known.append((at, model, provider))
        known.sort(key=lambda one: one[0])
        self._known = known
        self._noted = [one[0] for one in known]

    def at(self, moment: int | None) -> tuple[str | None, str | None]:
        """The model and provider of the request that was running then.

        A request's model is noted after it was begun, so that what counts is the last note
        before the next request.
        """
        if moment is None or not self._known:
            return None, None
        after = bisect_left(self._requests, moment + 1)
        last = len(self._known)
        if after < len(self._requests):
            last = bisect_left(self._noted, self._requests[after])
        return self._known[last - 1][1:] if last else (None, None)


def model_of(message: Any) -> tuple[str | None, str | None]:
    """The model and provider that a message itself names."""
    info = member(message, "modelInfo")
    model = text(info.get("modelId")) or text(info.get("id"))
    return model, text(info.get("providerId")) or text(info.get("provider"))


def _describe(rows: Rows, item: dict[str, Any], metadata: dict[str, Any]) -> None:
    rows.place(text(item.get("workspace")) or text(item.get("cwdOnTaskInitialization")))
    rows.belongs_to(text(item.get("parentTaskId")), "subagent")
    rows.session.status = text(item.get("status"))
    for one in importers.objects(metadata.get("environment_history")):
        rows.session.agent_version = text(one.get("cline_version")) or rows.session.agent_version


def _records(path: Path) -> list[Any] | None:
    """The records of a file: none when there is no such file, None when it is damaged."""
    try:
        found = importers.load_document(path)
    except FileNotFoundError:
        return []
    if isinstance(found, dict):
        listed = found.get("messages")
        return listed if isinstance(listed, list) else None
    return found


def _object(path: Path) -> dict[str, Any]:
    found = importers.decode_value(importers.beside(path) or b"{}")
    return found if isinstance(found, dict) else {}
