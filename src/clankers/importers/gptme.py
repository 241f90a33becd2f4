"""gptme: a folder for each conversation, with a file of lines for each of its branches.

Learned from the source of gptme/gptme (logmanager/manager.py, message.py, config/chat.py,
llm/openai_responses.py, tools/base.py) and from the fixture of another open-source tool.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clankers import importers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clankers.importers import Batch, Block, Entry, Outcome, Resume

_CONVERSATION = "conversation.jsonl"
_CONFIG = "config.toml"
_COUNTS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
    "output_tokens",
    "reasoning_tokens",
)
_THOUGHT = re.compile(r"<think(?:ing)?>(.*?)</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
# What the provider signed its thoughts with; gptme itself never shows it.
_SIGNATURE = re.compile(r"<!--\s*think-sig:.*?-->\s*", re.DOTALL)
_CALL = re.compile(r"^@([\w.-]+)\(([\w.:-]+)\):\s*(?=\{)", re.MULTILINE)
_FAILED = "Error executing tool"


class Gptme:
    """The importer of gptme's conversations.

    gptme writes its files anew with every message, and what was undone moves from the
    conversation into a branch beside it: a folder is read whole whenever it has changed.
    """

    agent = "gptme"
    version = 1

    def roots(self, environ: Mapping[str, str], home: Path) -> list[Path]:
        """`$GPTME_LOGS_HOME`, else `gptme/logs` in `$XDG_DATA_HOME` or where each platform keeps data."""
        if given := environ.get("GPTME_LOGS_HOME", "").strip():
            return [Path(given).expanduser()]
        data = environ.get("XDG_DATA_HOME", "").strip()
        found = [Path(data) / "gptme"] if data else [home / ".local/share/gptme"]
        found.append(home / "Library/Application Support/gptme")
        if local := environ.get("LOCALAPPDATA"):
            found.append(Path(local) / "gptme" / "gptme")
        return [folder / "logs" for folder in found]

    def find(self, root: Path) -> Iterator[Path]:
        """The folder of each conversation at or below `root`; of its file, the folder it is in."""
        if root.is_file():
            if root.name == _CONVERSATION:
                yield root.parent
            return
        for folder, folders, names in os.walk(root):
            if _CONVERSATION in names:
                # What else is in there may be the workspace, where anything can lie.
                folders.clear()
                yield Path(folder)
            folders.sort()

    def recognises(self, path: Path) -> bool:
        start = importers.beginning(path / _CONVERSATION, 4096).lstrip()
        return start.startswith(b'{"role":') and b'"content":' in start

    def entries(self, path: Path) -> Iterator[Entry]:
        """The one session of a folder."""
        changed = size = 0
        for file in [path / _CONFIG, *_branches(path)]:
            try:
                status = file.stat()
            except OSError:
                continue
            changed, size = max(changed, status.st_mtime_ns), size + status.st_size
        yield importers.Entry(path.name, changed, size)

    def read_entry(self, path: Path, key: str) -> Iterator[Batch]:
        reader = _Messages(key)
        reader.describe(path)
        lines = 0
        for branch in _branches(path):
            reader.begin(is_main=branch.name == _CONVERSATION)
            before = lines
            for batch in importers.read_lines(branch, importers.WHOLE, reader):
                lines += batch.lines
                # Lines of several files are counted as those of one.
                batch.malformed = [before + number for number in batch.malformed]
                batch.resume = importers.WHOLE
                yield batch

    def read(self, path: Path, resume: Resume) -> Iterator[Batch]:
        del resume  # Always whole.
        return self.read_entry(path, path.name)


def _branches(path: Path) -> list[Path]:
    """The conversation, and what was left of it by `/undo`, `/edit` and `/branch`."""
    return [path / _CONVERSATION, *sorted((path / "branches").glob("*.jsonl"))]


class _Messages:
    """Takes the messages of all branches, each once."""

    def __init__(self, session: str) -> None:
        self.rows = importers.Rows("gptme", importers.Memory())
        self.rows.identify(session)
        self._known: set[str] = set()
        self._times: dict[str, int] = {}
        self._is_main = True

    def describe(self, path: Path) -> None:
        """Takes what stands beside the conversation: its name, model and workspace."""
        chat = _chat(path / _CONFIG)
        rows = self.rows
        rows.name(importers.text(chat.get("name")))
        rows.session.provider, rows.session.model = importers.provider_and_model(chat.get("model"))
        given = importers.text(chat.get("workspace"))
        rows.place(_link(path / "workspace") or (_absolute(given) if given else None))

    def begin(self, *, is_main: bool) -> None:
        """Goes to the next branch, which begins as the others do."""
        self._is_main = is_main
        self._times = {}
        # By their times its messages come between those of the others.
        self.rows.memory.seq, self.rows.memory.last_at = 0, None

    def take(self, record: dict[str, Any], number: int) -> Outcome:
        at = _moment(record.get("timestamp"))
        native_id = self._native_id(record, number)
        if native_id in self._known:
            self.rows.next_seq(self.rows.date(at))
            return "noise"
        role = importers.text(record.get("role"))
        if role == "assistant":
            self._answer(record, native_id, at)
        elif role == "user":
            self._say(native_id, "user", [_text(record)], at)
        elif role in ("system", "tool"):
            self._tell(record, native_id, at)
        else:
            return "unknown"
        self._known.add(native_id)
        return "imported"

    def _native_id(self, record: dict[str, Any], number: int) -> str:
        """There are no ids; the time of a message stays when it is copied."""
        written = importers.text(record.get("timestamp"))
        if written is None:
            return f"L{number}"
        self._times[written] = again = self._times.get(written, 0) + 1
        return written if again == 1 else f"{written}#{again}"

    def _say(
        self, native_id: str, role: str, blocks: list[Block], at: int | None, **more: Any
    ) -> None:
        self.rows.say(native_id, role, blocks, at, is_sidechain=not self._is_main, **more)

    def _tell(self, record: dict[str, Any], native_id: str, at: int | None) -> None:
        """What the program says, which is how it gives the results of tools."""
        call = importers.text(record.get("call_id"))
        if call is None:
            self._say(native_id, "system", [_text(record)], at)
            return
        said = importers.text(record.get("content"))
        failed = said is not None and said.startswith(_FAILED)
        self.rows.answer(call, said, at, success=False if failed else None)

    def _answer(self, record: dict[str, Any], native_id: str, at: int | None) -> None:
        rows = self.rows
        metadata = importers.member(record, "metadata")
        provider, rows.memory.model = importers.provider_and_model(metadata.get("model"))
        rows.session.provider = provider or rows.session.provider
        seq = rows.next_seq(rows.date(at))
        blocks = self._blocks(importers.text(record.get("content")) or "", native_id, at)
        # Old versions wrote the counts beside the model.
        used = importers.member(metadata, "usage") or {
            name: metadata[name] for name in _COUNTS if name in metadata
        }
        fresh, read, write, output, reasoning = (importers.tokens(used.get(one)) for one in _COUNTS)
        self._say(
            native_id,
            "assistant",
            blocks,
            at,
            seq=seq,
            prompt_tokens=fresh + read + write or None,
            completion_tokens=output or None,
        )
        if fresh or read or write or output:
            # A conversation that is copied keeps the times of its messages.
            is_dated = importers.text(record.get("timestamp")) is not None
            place = native_id if is_dated else f"{rows.session.id}:{native_id}"
            rows.use(
                f"{place}:{rows.memory.model or '-'}:{fresh}:{read}:{write}:{output}",
                at,
                raw=used,
                message=native_id,
                input_tokens=fresh,
                cache_read_tokens=read,
                cache_write_5m_tokens=write,
                output_tokens=output,
                reasoning_tokens=min(reasoning, output),
                cost_reported=importers.microdollars(metadata.get("cost")),
                is_sidechain=not self._is_main,
            )

    def _blocks(self, content: str, message: str, at: int | None) -> list[Block]:
        content = _SIGNATURE.sub("", content)
        blocks = []
        end = 0
        for thought in _THOUGHT.finditer(content):
            blocks += self._spoken(content[end : thought.start()], message, at)
            blocks.append(importers.Block("thinking", thought[1].strip()))
            end = thought.end()
        rest = content[end:]
        return [*blocks, *self._spoken(rest.lstrip() if blocks else rest, message, at)]

    def _spoken(self, content: str, message: str, at: int | None) -> list[Block]:
        """Text, and the calls in it that have an id; other calls are code blocks and stay text."""
        blocks = []
        end = 0
        for call in _CALL.finditer(content):
            if call.start() < end:
                continue
            length = _length_of_object(content, call.end())
            if length is None:
                continue
            given = content[call.end() : call.end() + length]
            blocks.append(importers.Block("text", content[end : call.start()].strip()))
            blocks.append(self.rows.call(call[2], call[1], given, at, message=message))
            end = call.end() + length
        rest = content[end:]
        return [*blocks, importers.Block("text", rest.strip() if blocks else rest)]


def _text(record: dict[str, Any]) -> Block:
    return importers.Block("text", importers.flat(record.get("content")))


def _length_of_object(content: str, start: int) -> int | None:
    """How many characters the JSON object has that begins at `start`."""
    import json

    try:
        return json.JSONDecoder().raw_decode(content, start)[1] - start
    except (ValueError, RecursionError):
        return None


def _moment(value: Any) -> int | None:
    """A time, which gptme writes without a zone as the clock on the wall has it."""
    from datetime import datetime

    from clankers.times import zone

    written = importers.text(value)
    try:
        moment = datetime.fromisoformat(written or "")
        if moment.tzinfo is None:
            written = moment.replace(tzinfo=zone()).isoformat()
    except (ValueError, OverflowError):
        return None
    return importers.milliseconds(written)


def _chat(path: Path) -> dict[str, Any]:
    """The settings of a conversation; none when they are missing or damaged."""
    import tomllib

    written = (importers.beside(path) or b"").decode("utf-8", "replace")
    try:
        return importers.member(tomllib.loads(written), "chat")
    except (ValueError, RecursionError):
        return {}


def _link(path: Path) -> str | None:
    """Where the link to the workspace leads; what is there is not looked at."""
    try:
        return str(path.readlink())
    except OSError:
        return None


def _absolute(workspace: str) -> str | None:
    """A folder, if it is not the conversation's own one."""
    return None if workspace.startswith("@") else os.path.expanduser(workspace)


IMPORTER = Gptme()
