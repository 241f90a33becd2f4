"""Adding our hooks to an agent's own settings, and nothing else."""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clankers import _paths
from clankers.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

# The events that are asked for; the others of an agent say nothing that its transcript does not.
_CLAUDE_EVENTS = (
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "Stop",
    "SessionEnd",
    "PreCompact",
    "SubagentStop",
)
_GEMINI_EVENTS = ("SessionStart", "SessionEnd")
_WITH_MATCHER = frozenset({"PreToolUse", "PostToolUse", "PostToolUseFailure"})
_SECONDS = 5
_EVENTS = {"claude-code": _CLAUDE_EVENTS, "gemini": _GEMINI_EVENTS}
INSTALLABLE = tuple(_EVENTS)
_OURS = re.compile(r"clankers(-cli|_cli)\b.* hook ")


class Installation(NamedTuple):
    """A change of an agent's settings that is not made yet.

    Attributes:
        path: the file.
        before: what it holds; "" where there is none.
        after: what it is to hold.
    """

    path: Path
    before: str
    after: str

    @property
    def diff(self) -> str:
        """The change as a unified diff; "" where there is none."""
        name = str(self.path)
        lines = difflib.unified_diff(
            self.before.splitlines(), self.after.splitlines(), name, name, lineterm=""
        )
        return "\n".join(lines)

    def apply(self) -> None:
        """Makes the change; the file keeps its rights, and a link stays one.

        Raises:
            ConfigError: the file is another one by now, or cannot be written.
        """
        if _read(self.path) != self.before:
            raise ConfigError(f"{self.path} was changed meanwhile", hint="try again")
        target = Path(os.path.realpath(self.path))
        unfinished = target.with_name(f"{target.name}.{os.getpid()}.partial")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o600
            made = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with open(made, "w", encoding="utf-8", newline="") as file:
                file.write(self.after)
                file.flush()
                os.fsync(made)
            os.chmod(unfinished, mode)
            os.replace(unfinished, target)
        except OSError as problem:
            unfinished.unlink(missing_ok=True)
            raise ConfigError(f"{self.path} cannot be written: {problem.strerror}") from problem


def plan(agent: str, *, remove: bool = False, command: Sequence[str] | None = None) -> Installation:
    """What adding our hooks to an agent's settings, or taking them out, would change.

    Args:
        agent: one of `INSTALLABLE`.
        remove: takes them out.
        command: how a hook is run; by default by this Python.

    Raises:
        ConfigError: the file is no JSON, or not what the agent reads.
    """
    path = _settings(agent)
    before = _read(path)
    settings = _parsed(path, before)
    words = command or (sys.executable, "-m", "clankers_cli")
    line = shlex.join([*words, "hook", agent])
    hooks = _without_ours(path, settings.get("hooks", {}))
    if not remove:
        for event in _EVENTS[agent]:
            hooks[event] = [*hooks.get(event, []), _entry(event, line)]
    if hooks:
        settings["hooks"] = hooks
    else:
        settings.pop("hooks", None)
    after = _written(settings, before)
    return Installation(path, before, before if _parsed(path, before) == settings else after)


def _settings(agent: str) -> Path:
    environment = _paths.environment()
    if agent == "claude-code":
        first = environment.get("CLAUDE_CONFIG_DIR", "").split(",")[0]
        folder = Path(first).expanduser() if first else Path.home() / ".claude"
    else:
        given = environment.get("GEMINI_DIR")
        folder = Path(given).expanduser() if given else Path.home() / ".gemini"
    return folder / "settings.json"


def _read(path: Path) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path} cannot be read: {problem}") from problem


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text.strip() else {}
    except ValueError as problem:
        raise ConfigError(
            f"{path} is no JSON: {problem}", hint="correct it first; it was left as it is"
        ) from problem
    if not isinstance(found, dict):
        raise ConfigError(f"{path} is no JSON object", hint="it was left as it is")
    return found


def _without_ours(path: Path, hooks: Any) -> dict[str, list[Any]]:
    if not isinstance(hooks, dict) or not all(isinstance(one, list) for one in hooks.values()):
        raise ConfigError(f"{path}: hooks are not as expected", hint="it was left as it is")
    kept = {
        event: [entry for entry in entries if not _is_ours(entry)]
        for event, entries in hooks.items()
    }
    # An event of ours alone goes with our entry; one that was empty stays so.
    return {event: entries for event, entries in kept.items() if entries or not hooks[event]}


def _is_ours(entry: Any) -> bool:
    commands = entry.get("hooks") if isinstance(entry, dict) else None
    if not isinstance(commands, list) or len(commands) != 1 or not isinstance(commands[0], dict):
        return False
    return _OURS.search(str(commands[0].get("command", ""))) is not None


def _entry(event: str, command: str) -> dict[str, Any]:
    hook = {"type": "command", "command": command, "timeout": _SECONDS}
    matcher = {"matcher": "*"} if event in _WITH_MATCHER else {}
    return {**matcher, "hooks": [hook]}


def _written(settings: dict[str, Any], before: str) -> str:
    """JSON with the indent, the letters and the line ends that the file had."""
    indent = re.search(r"\n([ \t]+)\"", before)
    text = json.dumps(settings, indent=indent[1] if indent else 2, ensure_ascii=before.isascii())
    if not before or before.endswith("\n"):
        text += "\n"
    return text.replace("\n", "\r\n") if "\r\n" in before else text
