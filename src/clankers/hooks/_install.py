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

_SECONDS = 5
_OURS = re.compile(r"clankers(-cli|_cli)\b.* hook ")
_PLUGIN = Path(__file__).with_name("opencode.js")
_PLUGIN_MARK = "// clankers: "
_WITH_MATCHER = frozenset({"PreToolUse", "PostToolUse", "PostToolUseFailure"})


class _Agent(NamedTuple):
    """Where an agent reads hooks, and of which events ours want to hear.

    The others say nothing that its transcript does not.

    Attributes:
        variable: the environment variable that moves its folder.
        folder: that folder, below the home directory.
        file: the file in it.
        is_flat: whether an event lists commands, and not groups of commands.
    """

    variable: str
    folder: str
    file: str
    events: tuple[str, ...]
    is_flat: bool = False


_AGENTS = {
    # https://code.claude.com/docs/en/hooks
    "claude-code": _Agent(
        "CLAUDE_CONFIG_DIR",
        ".claude",
        "settings.json",
        (
            "SessionStart",
            "UserPromptSubmit",
            "PreToolUse",
            "PostToolUse",
            "PostToolUseFailure",
            "Stop",
            "SessionEnd",
            "PreCompact",
            "SubagentStop",
        ),
    ),
    # https://developers.openai.com/codex/hooks
    "codex": _Agent("CODEX_HOME", ".codex", "hooks.json", ("SessionStart",)),
    # https://geminicli.com/docs/hooks/reference
    "gemini": _Agent("GEMINI_DIR", ".gemini", "settings.json", ("SessionStart", "SessionEnd")),
    # https://cursor.com/docs/agent/hooks
    "cursor": _Agent(
        "CURSOR_CONFIG_DIR", ".cursor", "hooks.json", ("sessionStart", "sessionEnd"), is_flat=True
    ),
}
INSTALLABLE = (*_AGENTS, "opencode")


class Installation(NamedTuple):
    """A change of an agent's settings that is not made yet.

    Attributes:
        path: the file.
        before: what it holds; "" where there is none.
        after: what it is to hold; "" where it is to go.
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
        if not self.after:
            target.unlink(missing_ok=True)
            return
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
    if agent == "opencode":
        return _plugin(remove=remove)
    known = _AGENTS[agent]
    path = _place(known)
    before = _read(path)
    settings = _parsed(path, before)
    # Without -P a file of the project that the agent works in could pass for one of Python's.
    words = command or (sys.executable, "-P", "-m", "clankers_cli")
    line = shlex.join([*words, "hook", agent])
    hooks = _without_ours(path, settings.get("hooks", {}))
    if not remove:
        if known.is_flat:
            settings.setdefault("version", 1)
        for event in known.events:
            hooks[event] = [*hooks.get(event, []), _entry(known, event, line)]
    if hooks:
        settings["hooks"] = hooks
    else:
        settings.pop("hooks", None)
    after = _written(settings, before)
    return Installation(path, before, before if _parsed(path, before) == settings else after)


def _plugin(*, remove: bool) -> Installation:
    """OpenCode's hooks are a module of JavaScript in a folder of its own."""
    config = _paths.environment().get("XDG_CONFIG_HOME") or Path.home() / ".config"
    path = Path(config) / "opencode" / "plugins" / "clankers.js"
    before = _read(path)
    if before and not before.startswith(_PLUGIN_MARK):
        raise ConfigError(f"{path} is not ours", hint="it was left as it is")
    return Installation(path, before, "" if remove else _PLUGIN.read_text(encoding="utf-8"))


def _place(agent: _Agent) -> Path:
    given = _paths.environment().get(agent.variable, "").split(",")[0]
    folder = Path(given).expanduser() if given else Path.home() / agent.folder
    return folder / agent.file


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
    if isinstance(entry, dict) and "command" in entry:
        return _OURS.search(str(entry["command"])) is not None
    commands = entry.get("hooks") if isinstance(entry, dict) else None
    if not isinstance(commands, list) or len(commands) != 1 or not isinstance(commands[0], dict):
        return False
    return _OURS.search(str(commands[0].get("command", ""))) is not None


def _entry(agent: _Agent, event: str, command: str) -> dict[str, Any]:
    if agent.is_flat:
        return {"command": command}
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
