"""Amp: the threads that it keeps as one JSON document each.

Learned from the readers of other open-source tools (ccusage, agentsview, houston,
cross_agent_session_resumer); its maker documents nothing, and newer versions keep threads
on the maker's servers only.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clankers import importers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clankers.importers import Batch, Block, Outcome, Resume

# Its own id comes before anything that is inside something else.
_THREAD = re.compile(rb'\s*\{[^{}\[\]]*"id"\s*:\s*"T-')
_MESSAGES_TOGETHER = 2_000
_FAILED = frozenset({"error", "cancelled", "rejected-by-user"})
# Of these models nothing is billed for writing to the cache: it is input like any other.
_NO_CACHE_WRITES = "gpt-"


class Amp:
    """The importer of Amp's threads."""

    agent = "amp"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """`threads` in `$AMP_DATA_DIR` (one or several, by comma), else in Amp's data folder."""
        if given := environ.get("AMP_DATA_DIR", "").strip(", "):
            named = [Path(part.strip()).expanduser() for part in given.split(",") if part.strip()]
            return [folder / "threads" for folder in named]
        data = environ.get("XDG_DATA_HOME")
        return [(Path(data) if data else home / ".local/share") / "amp/threads"]

    def find(self, root: Path) -> Iterator[Path]:
        """Every `T-<id>.json` below `root`, or `root` itself."""
        if root.is_file():
            yield root
            return
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                if name.startswith("T-") and name.endswith(".json"):
                    yield Path(folder, name)

    def recognises(self, path: Path) -> bool:
        return path.suffix == ".json" and _THREAD.match(importers.beginning(path)) is not None

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:  # noqa: ARG002 - always whole
        thread = importers.load_document(path)
        if thread is None:
            yield importers.damaged()
        else:
            yield from _Thread(path, thread if isinstance(thread, dict) else {}).batches()


class _Thread:
    """What one document says."""

    def __init__(self, path: Path, thread: dict[str, Any]) -> None:
        self.rows = importers.Rows("amp", importers.Memory())
        self._thread = thread
        self.rows.identify(importers.text(thread.get("id")) or path.stem)
        # The messages whose own counts are known.
        self._counted: set[str] = set()

    def batches(self) -> Iterator[Batch]:
        found = self._thread.get("messages")
        said = found if isinstance(found, list) else []
        if not said and not self._ledger():
            # A thread that was opened and closed again, or no thread at all.
            is_thread = importers.text(self._thread.get("id")) is not None
            yield importers.give(
                self.rows, imported=0, noise=int(is_thread), unknown=int(not is_thread)
            )
            return
        self._begin()
        counted = Counter(["imported"])
        for place, message in enumerate(said):
            counted[self._message(message, place)] += 1
            if place % _MESSAGES_TOGETHER == _MESSAGES_TOGETHER - 1:
                yield self._give(counted)
                counted = Counter()
        for place, event in enumerate(self._ledger()):
            counted[self._event(event, place)] += 1
        yield self._give(counted)

    def _give(self, counted: Counter[str]) -> Batch:
        return importers.give(
            self.rows,
            imported=counted["imported"],
            noise=counted["noise"],
            unknown=counted["unknown"],
        )

    # The session

    def _begin(self) -> None:
        rows, thread = self.rows, self._thread
        rows.date(importers.milliseconds(thread.get("created")))
        rows.name(importers.text(thread.get("title")))
        initial = importers.member(importers.member(thread, "env"), "initial")
        version = importers.text(importers.member(initial, "platform").get("clientVersion"))
        rows.session.agent_version = version
        rows.place(importers.text(initial.get("cwd")))
        for tree in importers.objects(initial.get("trees")):
            rows.place(_path(importers.text(tree.get("uri"))))
            ref = importers.text(importers.member(tree, "repository").get("ref"))
            branch = ref.removeprefix("refs/heads/") if ref else None
            rows.session.git_branch = rows.session.git_branch or branch
        self._relate()

    def _relate(self) -> None:
        """Notes the thread that this one came out of."""
        for one in importers.objects(self._thread.get("relationships")):
            if one.get("role") == "parent":
                is_fork = one.get("type") == "fork"
                parent = importers.text(one.get("threadID"))
                self.rows.belongs_to(parent, "fork" if is_fork else "continuation")
        self.rows.belongs_to(importers.text(self._thread.get("mainThreadID")), "subagent")

    # What was said

    def _message(self, message: Any, place: int) -> Outcome:
        if not isinstance(message, dict):
            return "unknown"
        role = importers.text(message.get("role"))
        if role not in ("user", "assistant", "info"):
            return "unknown"
        native_id = _native_id(message.get("messageId"), f"n{place}")
        usage = importers.member(message, "usage")
        at = importers.milliseconds(usage.get("timestamp") or message.get("timestamp"))
        at = at or importers.milliseconds(importers.member(message, "meta").get("sentAt"))
        counts = _counts(usage, _model(usage, message))
        seq = self.rows.next_seq(self.rows.date(at))
        blocks = self._blocks(message.get("content"), native_id, at)
        if blocks:
            prompt = sum(counts[name] for name in _PROMPT)
            self.rows.say(
                native_id,
                "system" if role == "info" else role,
                blocks,
                at,
                seq=seq,
                model=_model(usage, message),
                prompt_tokens=prompt or None,
                completion_tokens=counts["output_tokens"] or None,
            )
        self._use(native_id, usage, counts, _model(usage, message), at)
        self._fail(native_id, importers.member(message, "state"), at)
        return "imported"

    def _fail(self, native_id: str, state: dict[str, Any], at: int | None) -> None:
        kind = importers.text(state.get("type"))
        if kind in ("error", "cancelled"):
            error = state.get("error")
            words = importers.text(error) or importers.text(
                importers.member(state, "error").get("message")
            )
            self.rows.fail(native_id, at, "aborted" if kind == "cancelled" else kind, words)

    def _blocks(self, content: Any, message: str, at: int | None) -> list[Block]:
        if isinstance(content, str):
            return [importers.Block("text", content)] if content else []
        found = (
            self._block(one, message, place, at)
            for place, one in enumerate(importers.objects(content))
        )
        return [one for one in found if one is not None]

    def _block(
        self, block: dict[str, Any], message: str, place: int, at: int | None
    ) -> Block | None:
        kind = importers.text(block.get("type"))
        if kind == "tool_result":
            self._result(block, f"{message}-{place}", at)
        elif kind == "tool_use":
            call = importers.text(block.get("id")) or f"{message}-{place}"
            name = importers.text(block.get("name"))
            return self.rows.call(call, name, block.get("input"), at, message=message)
        elif kind == "manual_bash_invocation":
            return self._shell(block, message, at)
        elif kind == "summary":
            return self._summary(importers.member(block, "summary"), message, at)
        elif kind == "image":
            return importers.Block("image", reference=self._image(block.get("source")))
        elif kind in ("text", "thinking") and (words := importers.text(block.get(kind))):
            return importers.Block(kind, words)
        return None

    def _summary(self, summary: dict[str, Any], message: str, at: int | None) -> Block | None:
        """What stands for the messages before it; another thread's is only referred to."""
        words = importers.text(summary.get("summary"))
        if words is None:
            return None
        self.rows.compact(message, at)
        return importers.Block("text", words)

    def _image(self, source: Any) -> dict[str, Any]:
        data = importers.text(importers.member({"source": source}, "source").get("data"))
        if data is None:
            return self.rows.attachments.address(_address(source))
        media_type = source.get("mediaType") or source.get("media_type")
        return self.rows.attachments.encoded(data, importers.text(media_type))

    # Tool calls

    def _shell(self, block: dict[str, Any], message: str, at: int | None) -> Block:
        """A command that the user ran."""
        given = importers.member(block, "args")
        ran = self.rows.call(f"{message}-bash", "Bash", given, at, message=message)
        self._ran(f"{message}-bash", importers.member(block, "toolRun"), at)
        return ran

    def _result(self, block: dict[str, Any], otherwise: str, at: int | None) -> None:
        call = importers.text(block.get("toolUseID")) or importers.text(block.get("tool_use_id"))
        call = call or otherwise
        if run := importers.member(block, "run"):
            self._ran(call, run, at)
        else:
            failed = block.get("is_error") is True
            self.rows.answer(call, block.get("content"), at, success=not failed)

    def _ran(self, call: str, run: dict[str, Any], at: int | None) -> None:
        status, result = importers.text(run.get("status")), run.get("result")
        success: bool | None = None
        if status in _FAILED:
            success = False
        elif status == "done":
            success = not _has_failed(result)
        error = run.get("error")
        words = importers.text(error) or importers.text(
            importers.member(run, "error").get("message")
        )
        output = _output(result) if result is not None else run.get("progress")
        if success is not None or output is not None:
            self.rows.answer(call, output, at, success=success, error=words or _reason(status))

    # What was used

    def _use(
        self,
        native_id: str,
        usage: dict[str, Any],
        counts: dict[str, Any],
        model: str | None,
        at: int | None,
    ) -> None:
        if not any(counts.values()):
            return
        self._counted.add(native_id)
        stamp = importers.milliseconds(usage.get("timestamp"))
        # A fork of a thread copies its messages, with their times.
        place = f"{stamp}:{model or '-'}" if stamp is not None else self.rows.session.id
        self.rows.use(
            f"{place}:{native_id}", at, raw=usage, message=native_id, model=model, **counts
        )

    def _ledger(self) -> list[dict[str, Any]]:
        return importers.objects(importers.member(self._thread, "usageLedger").get("events"))

    def _event(self, event: dict[str, Any], place: int) -> Outcome:
        """Counts of old versions, which stand beside the messages; newer ones say more there."""
        message = _native_id(event.get("toMessageId"), "")
        if message in self._counted:
            # The first event of a message tells what the message itself does.
            self._counted.discard(message)
            return "noise"
        used = importers.member(event, "tokens")
        counts = {
            "input_tokens": importers.tokens(used.get("input")),
            "output_tokens": importers.tokens(used.get("output")),
        }
        if not any(counts.values()):
            return "noise"
        self.rows.use(
            f"{self.rows.session.id}:{importers.text(event.get('id')) or f'event-{place}'}",
            importers.milliseconds(event.get("timestamp")),
            raw=event,
            message=message or None,
            model=importers.text(event.get("model")),
            **counts,
        )
        return "imported"


_PROMPT = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens")


def _counts(usage: dict[str, Any], model: str | None) -> dict[str, Any]:
    """Tokens in the shape of all agents; Amp's three kinds of input do not overlap."""
    fresh = importers.tokens(usage.get("inputTokens"))
    written = importers.tokens(usage.get("cacheCreationInputTokens"))
    if model is not None and model.startswith(_NO_CACHE_WRITES):
        fresh, written = fresh + written, 0
    return {
        "input_tokens": fresh,
        "cache_read_tokens": importers.tokens(usage.get("cacheReadInputTokens")),
        "cache_write_5m_tokens": written,
        "output_tokens": importers.tokens(usage.get("outputTokens")),
    }


def _model(usage: dict[str, Any], message: dict[str, Any]) -> str | None:
    return importers.text(usage.get("model")) or importers.text(message.get("model"))


def _native_id(found: Any, default: str) -> str:
    if type(found) is int:
        return str(found)
    return importers.text(found) or default


def _output(result: Any) -> Any:
    """The text of a result, which tools wrap in objects of their own."""
    for name in ("output", "content", "diff"):
        if isinstance(result, dict) and (found := importers.text(result.get(name))):
            return found
    return result


def _has_failed(result: Any) -> bool:
    if not isinstance(result, dict):
        return False
    code = result.get("exitCode")
    return result.get("success") is False or (type(code) is int and code != 0)


def _reason(status: str | None) -> str | None:
    return status if status in _FAILED and status != "error" else None


def _address(source: Any) -> str | None:
    if isinstance(source, dict):
        return importers.text(source.get("url")) or importers.text(source.get("path"))
    return importers.text(source)


def _path(uri: str | None) -> str | None:
    """The folder in a `file:` address, or the path itself."""
    if uri is None or not uri.startswith("file://"):
        return uri
    from urllib.parse import unquote

    return unquote(uri.removeprefix("file://").removeprefix("localhost")) or None


IMPORTER = Amp()
