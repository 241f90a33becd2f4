"""Kimi: the logs of Kimi Code, and of the Kimi CLI that was before it.

Learned from the source of MoonshotAI/kimi-code (packages/agent-core: agent/records,
agent/context; protocol 1.4) and MoonshotAI/kimi-cli (wire/types.py, session.py, metadata.py),
and from sessions that another open-source tool keeps as fixtures.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clankers import importers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from clankers.importers import Batch, Block, Outcome, Resume

_LOG = "wire.jsonl"
_STATE = "state.json"
_MAIN = "main"
# How many prompts back an undo may reach.
_TURNS_KEPT = 100
_CHILD = re.compile(r"agent_id: ([\w-]+)$", re.MULTILINE)
# Whose words a message in the user's name are, as far as they are a person's.
_TYPED = frozenset({"user", "shell_command", "plugin_command", "skill_activation"})
_NOISE = frozenset(
    {
        "context.clear",
        "forked",
        "llm.tools_snapshot",
        "mcp.tools_discovered",
        "metadata",
        "micro_compaction.apply",
        "permission.record_approval_result",
        "plugin.session_start",
        "runtime.set_binding",
        # What was typed comes again when it enters the context.
        "turn.cancel",
        "turn.ended",
        "turn.prompt",
        "turn.steer",
    }
)
_NOISY = ("full_compaction.", "goal.", "plan_mode.", "swarm_mode.", "token_counting.", "tools.")
_OLD_NOISE = frozenset(
    {
        "ApprovalRequest",
        "ApprovalRequestResolved",
        "ApprovalResponse",
        "CompactionBegin",
        "HookResolved",
        "HookTriggered",
        "MCPLoadingBegin",
        "MCPLoadingEnd",
        "Notification",
        "PlanDisplay",
        "QuestionRequest",
        "StepInterrupted",
        "ToolCallRequest",
        "TurnEnd",
    }
)


class Kimi:
    """The importer of both. Every agent of a session has a log of its own in Kimi Code."""

    agent = "kimi"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """`sessions` in `$KIMI_CODE_HOME` or `~/.kimi-code`, and in `$KIMI_SHARE_DIR` or `~/.kimi`."""
        new = environ.get("KIMI_CODE_HOME")
        old = environ.get("KIMI_SHARE_DIR")
        return [
            (Path(new).expanduser() if new else home / ".kimi-code") / "sessions",
            (Path(old).expanduser() if old else home / ".kimi") / "sessions",
        ]

    def find(self, root: Path) -> Iterator[Path]:
        """Every log below `root`, or `root` itself, a session's own before those of its agents.

        The CLI's own logs of its subagents are left out: their parent's log repeats them.
        """
        if root.is_file():
            yield root
            return
        for folder, folders, names in os.walk(root):
            if _LOG in names:
                folders.clear()
                yield Path(folder, _LOG)
            folders.sort(key=lambda name: (name != _MAIN, name))

    def recognises(self, path: Path) -> bool:
        start = importers.beginning(path, 4096)
        return b'"metadata"' in start and b'"protocol_version"' in start

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        return importers.read_lines(path, resume, _Records(path, resume))


class _Place:
    """What the names of a log's folders say."""

    def __init__(self, path: Path) -> None:
        folder = path.parent
        self.is_new = folder.parent.name == "agents"
        if path.name != _LOG:
            self.name, self.session, self.folder = _MAIN, path.stem, folder
        elif self.is_new:
            self.name, self.folder = folder.name, folder.parent.parent
            self.session = self.folder.name
        else:
            self.name, self.session, self.folder = _MAIN, folder.name, folder

    def agent(self, name: str) -> str:
        """The session of an agent."""
        if name == _MAIN:
            return self.session
        return f"{self.session}:{name if name.startswith('agent-') else f'agent-{name}'}"

    def project(self) -> str | None:
        """The folder that the CLI names by its hash only, from the list that it keeps."""
        import hashlib

        known = importers.objects(
            _aside(self.folder.parent.parent.parent / "kimi.json", "work_dirs")
        )
        for one in known:
            given = importers.text(one.get("path")) or ""
            hashed = hashlib.md5(given.encode("utf-8", "replace"), usedforsecurity=False)
            if hashed.hexdigest() == self.folder.parent.name:
                return given
        return None


class _Records:
    """Takes the records of a log; what is said in one step of an agent is one message."""

    def __init__(self, path: Path, resume: Resume) -> None:
        self.rows = importers.Rows("kimi", importers.remembered(resume.state))
        self._place = place = _Place(path)
        self.rows.identify(place.agent(place.name))
        self._notes: dict[str, Any] = self.rows.memory.notes
        self._steps: dict[str, Any] = self._notes.setdefault("steps", {})
        self._turns: list[list[str]] = self._notes.setdefault("turns", [])
        self._describe(place)
        self._takers: dict[str, Callable[[dict[str, Any], int | None, int], Outcome]] = {
            "config.update": self._configure,
            "profile.bind": self._configure,
            "permission.set_mode": self._set_mode,
            "llm.request": self._request,
            "context.append_message": self._append,
            "context.append_loop_event": self._happen,
            "context.apply_compaction": self._compact,
            "context.undo": self._undo,
            "usage.record": self._record_usage,
        }

    def _describe(self, place: _Place) -> None:
        """Takes what stands beside the log: title, folder, and who started this agent."""
        state = _aside(place.folder / _STATE)
        rows = self.rows
        if place.name == _MAIN:
            title = importers.text(state.get("title"))
            rows.name(title, rank=3 if state.get("isCustomTitle") is True else 2)
            rows.name(importers.text(state.get("custom_title")), rank=3)
        else:
            agents = importers.member(state, "agents")
            parent = importers.text(importers.member(agents, place.name).get("parentAgentId"))
            rows.belongs_to(place.agent(parent or _MAIN), "subagent")
        rows.place(importers.text(state.get("workDir")))
        if not place.is_new and not rows.session.project_path:
            rows.place(place.project())

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        kind = importers.text(record.get("type")) or ""
        message = importers.member(record, "message")
        if not kind and message:
            at = importers.milliseconds(record.get("timestamp"))
            return self._take_old(message, at, number, _MAIN)
        at = importers.milliseconds(record.get("time"))
        if taker := self._takers.get(kind):
            return taker(record, at, number)
        return "noise" if kind in _NOISE or kind.startswith(_NOISY) else "unknown"

    # Kimi Code

    def _configure(self, record: dict[str, Any], at: int | None, _number: int) -> Outcome:
        self.rows.date(at)
        disclosed = importers.member(record, "environmentDisclosure")
        self.rows.place(importers.text(record.get("cwd")) or importers.text(disclosed.get("cwd")))
        provider, model = importers.provider_and_model(record.get("modelAlias"))
        if model:
            self.rows.memory.model = self.rows.session.model = model
            self.rows.session.provider = provider or self.rows.session.provider
        return "imported"

    def _set_mode(self, record: dict[str, Any], at: int | None, _number: int) -> Outcome:
        self.rows.date(at)
        mode = importers.text(record.get("mode"))
        self.rows.session.permission_mode = mode or self.rows.session.permission_mode
        return "imported"

    def _request(self, record: dict[str, Any], at: int | None, _number: int) -> Outcome:
        self.rows.date(at)
        rows = self.rows
        rows.memory.model = importers.text(record.get("model")) or rows.memory.model
        rows.session.provider = importers.text(record.get("provider")) or rows.session.provider
        return "imported"

    def _append(self, record: dict[str, Any], at: int | None, number: int) -> Outcome:
        message = importers.member(record, "message")
        role, native_id = importers.text(message.get("role")), f"L{number}"
        if role == "tool":
            call = importers.text(message.get("toolCallId")) or native_id
            failed = message.get("isError") is True
            self.rows.answer(call, message.get("content"), at, success=not failed)
            return "imported"
        if role not in ("user", "assistant", "system"):
            return "unknown"
        origin = importers.member(message, "origin")
        kind = importers.text(origin.get("kind")) or "user"
        is_typed = kind in _TYPED and origin.get("phase") != "output"
        is_typed = is_typed and origin.get("trigger") not in ("model-tool", "nested-skill")
        if role == "user" and is_typed:
            self._turns.append([])
            del self._turns[:-_TURNS_KEPT]
        elif role == "user":
            role = "system"
        self._note(native_id)
        self.rows.say(native_id, role, self._blocks(message.get("content")), at)
        return "imported"

    def _happen(self, record: dict[str, Any], at: int | None, number: int) -> Outcome:
        event = importers.member(record, "event")
        kind = importers.text(event.get("type"))
        step = importers.text(event.get("stepUuid")) or f"L{number}"
        if kind == "content.part":
            self._extend(_MAIN, step, self._blocks([event.get("part")]), at)
        elif kind == "tool.call":
            self._call(step, event.get("toolCallId"), event.get("name"), event.get("args"), at)
        elif kind == "tool.result":
            self._answer(event.get("toolCallId"), importers.member(event, "result"), at)
        elif kind == "step.end":
            self._end_step(event, at)
        else:
            return "noise" if kind == "step.begin" else "unknown"
        return "imported"

    def _answer(self, given: Any, result: dict[str, Any], at: int | None) -> None:
        call = importers.text(given)
        if call is None:
            return
        output = result.get("output")
        tool = self.rows.answer(
            call,
            output if output not in (None, "") else result.get("message"),
            at,
            success=result.get("isError", result.get("is_error")) is not True,
        )
        child = _CHILD.match(output) if isinstance(output, str) else None
        if child and self._place.is_new:
            tool.child_session_id = self._place.agent(child[1])

    def _end_step(self, event: dict[str, Any], at: int | None) -> None:
        """The counts of a step, which the next record repeats."""
        step, used = importers.text(event.get("uuid")), importers.member(event, "usage")
        if step is None or not any(counts := _counts(used)):
            return
        self._notes["counted"] = list(counts)
        self._extend(_MAIN, step, [], at, counts)
        self._use(step, counts, used, at, message=step if self._has_step(_MAIN, step) else None)

    def _record_usage(self, record: dict[str, Any], at: int | None, number: int) -> Outcome:
        used = importers.member(record, "usage")
        counts = _counts(used)
        if list(counts) == self._notes.pop("counted", None) or not any(counts):
            return "noise"
        provider, model = importers.provider_and_model(record.get("model"))
        model = self.rows.memory.model or model
        when = at if at is not None else f"{self.rows.session.id}:L{number}"
        self._use(
            f"{when}:{model or '-'}:{':'.join(map(str, counts))}",
            counts,
            used,
            at,
            model=model,
            provider=self.rows.session.provider or provider,
        )
        return "imported"

    def _compact(self, record: dict[str, Any], at: int | None, number: int) -> Outcome:
        summary = importers.Block("text", importers.text(record.get("summary")) or "")
        self.rows.say(f"L{number}", "system", [summary], at)
        self.rows.compact(
            f"L{number}",
            at,
            tokens_before=importers.tokens(record.get("tokensBefore")) or None,
            tokens_after=importers.tokens(record.get("tokensAfter")) or None,
        )
        return "imported"

    def _undo(self, record: dict[str, Any], at: int | None, _number: int) -> Outcome:
        """Takes back so many prompts with what followed each."""
        self.rows.date(at)
        for _ in range(min(importers.count(record.get("count")), len(self._turns))):
            for native_id in self._turns.pop():
                self.rows.abandon(native_id)
        return "imported"

    # Kimi CLI

    def _take_old(self, message: dict[str, Any], at: int | None, number: int, who: str) -> Outcome:
        kind, payload = importers.text(message.get("type")), importers.member(message, "payload")
        if kind == "SubagentEvent":
            agent = payload.get("agent_id") or payload.get("parent_tool_call_id")
            agent = importers.text(agent or payload.get("task_tool_call_id")) or "agent"
            # They are told in their parent's log, and are not sessions of their own.
            return self._take_old(importers.member(payload, "event"), at, number, f"agent {agent}")
        if kind in ("TurnBegin", "SteerInput"):
            self._steps.pop(who, None)
            role = "user" if who == _MAIN else "system"
            blocks = self._blocks(payload.get("user_input"))
            self.rows.say(f"L{number}", role, blocks, at, is_sidechain=who != _MAIN)
        elif kind == "StepBegin":
            self._steps.pop(who, None)
            return "noise"
        elif kind == "ContentPart":
            step = self._current(who, number)
            self._extend(who, step, self._blocks([payload]), at, is_stream=True)
        elif kind == "ToolCall":
            called = importers.member(payload, "function")
            step = self._current(who, number)
            self._call(
                step, payload.get("id"), called.get("name"), called.get("arguments"), at, who=who
            )
        elif kind == "ToolResult":
            result = importers.member(payload, "return_value") or importers.member(
                payload, "result"
            )
            self._answer(payload.get("tool_call_id"), result, at)
        elif kind == "StatusUpdate":
            return self._update(payload, at, number, who)
        elif kind == "CompactionEnd":
            self.rows.compact(f"L{number}", at)
        else:
            return "noise" if kind in _OLD_NOISE else "unknown"
        return "imported"

    def _current(self, who: str, number: int) -> str:
        step = self._steps.get(who)
        return str(step["id"]) if step else f"L{number}"

    def _update(self, payload: dict[str, Any], at: int | None, number: int, who: str) -> Outcome:
        used = importers.member(payload, "token_usage")
        counts = _counts(used)
        if not any(counts):
            return "noise"
        step = self._steps.get(who)
        message = str(step["id"]) if step else None
        if message is not None:
            self._extend(who, message, [], at, counts)
        key = importers.text(payload.get("message_id"))
        key = key or f"{self.rows.session.id}:L{number}"
        self._use(key, counts, used, at, message=message, is_sidechain=who != _MAIN)
        return "imported"

    # Both

    def _note(self, native_id: str) -> None:
        if self._turns and native_id not in self._turns[-1]:
            self._turns[-1].append(native_id)

    def _has_step(self, who: str, step: str) -> bool:
        return bool(self._steps.get(who)) and self._steps[who]["id"] == step

    def _open(self, who: str, step: str, at: int | None) -> dict[str, Any]:
        """What is known of a step, which is begun by what is first said in it."""
        if not self._has_step(who, step):
            at = self.rows.date(at)
            seq = self.rows.next_seq(at)
            self._steps[who] = {"id": step, "at": at, "seq": seq, "blocks": []}
            self._note(step)
        found: dict[str, Any] = self._steps[who]
        return found

    def _extend(
        self,
        who: str,
        step: str,
        blocks: list[Block],
        at: int | None,
        counts: tuple[int, int, int, int] | None = None,
        *,
        is_stream: bool = False,
    ) -> None:
        """Says the message of a step again, with what it gained."""
        if not blocks and not self._has_step(who, step):
            return
        known = self._open(who, step, at)
        self.rows.date(at)
        for block in blocks:
            last = known["blocks"][-1] if known["blocks"] else None
            if is_stream and last and last[0] == block.type in ("text", "thinking"):
                last[1] += block.text
            else:
                known["blocks"].append([block.type, block.text, block.key, block.reference])
        fresh, read, write, output = counts or (0, 0, 0, 0)
        self.rows.say(
            step,
            "assistant",
            [importers.Block(*one) for one in known["blocks"]],
            known["at"],
            seq=known["seq"],
            is_sidechain=who != _MAIN,
            prompt_tokens=fresh + read + write or None,
            completion_tokens=output or None,
        )
        # The message is as old as its beginning; what comes next is later.
        self.rows.date(at)

    def _call(
        self, step: str, given: Any, name: Any, arguments: Any, at: int | None, *, who: str = _MAIN
    ) -> None:
        self._open(who, step, at)
        call = importers.text(given) or f"{step}#{len(self._steps[who]['blocks'])}"
        block = self.rows.call(call, importers.text(name), arguments, at, message=step)
        self._extend(who, step, [block], at)

    def _use(
        self,
        key: str,
        counts: tuple[int, int, int, int],
        raw: dict[str, Any],
        at: int | None,
        **more: Any,
    ) -> None:
        fresh, read, write, output = counts
        self.rows.use(
            key,
            at,
            raw=raw,
            input_tokens=fresh,
            cache_read_tokens=read,
            cache_write_5m_tokens=write,
            output_tokens=output,
            **more,
        )

    def _blocks(self, content: Any) -> list[Block]:
        if isinstance(content, str):
            return [importers.Block("text", content)]
        return [self._block(part) for part in importers.objects(content)]

    def _block(self, part: dict[str, Any]) -> Block:
        kind = importers.text(part.get("type"))
        if kind == "think":
            return importers.Block("thinking", importers.text(part.get("think")) or "")
        if kind in ("image_url", "audio_url", "video_url"):
            image = importers.member(part, "imageUrl") or importers.member(part, kind)
            reference = self.rows.attachments.address(importers.text(image.get("url")))
            return importers.Block("image" if kind == "image_url" else "file", reference=reference)
        return importers.Block("text", importers.text(part.get("text")) or "")


def _counts(used: dict[str, Any]) -> tuple[int, int, int, int]:
    """Uncached input, cache reads, cache writes and output, in either spelling."""

    def one(new: str, old: str) -> int:
        return importers.tokens(used.get(new, used.get(old)))

    return (
        one("inputOther", "input_other"),
        one("inputCacheRead", "input_cache_read"),
        one("inputCacheCreation", "input_cache_creation"),
        one("output", "output"),
    )


def _aside(path: Path, member: str | None = None) -> Any:
    """An object that is kept beside the logs; an empty one when it is missing or damaged."""
    found = importers.decode_value(importers.beside(path) or b"{}")
    found = found if isinstance(found, dict) else {}
    return found if member is None else found.get(member)


IMPORTER = Kimi()
