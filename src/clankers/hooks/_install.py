"""Adding our hooks to an agent's own settings, and nothing else."""

from __future__ import annotations

import difflib
import os
import shlex
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clankers import _paths
from clankers.errors import ConfigError
from clankers.hooks._jsonc import added, parsed, removed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clankers.hooks._jsonc import Node

_SECONDS = 5
_PROGRAM = "clankers-cli"
_DB = "--db"
# What is made where there is no file.
_NEW = "{}\n"
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


def plan(
    agent: str,
    *,
    remove: bool = False,
    database: Path | None = None,
    command: Sequence[str] | None = None,
) -> Installation:
    """What adding our hooks to an agent's settings, or taking them out, would change.

    Args:
        agent: one of `INSTALLABLE`.
        remove: takes them out.
        database: has the hook write there, past any daemon.
        command: how a hook is run; by default by this Python.

    Raises:
        ConfigError: the file is no JSON, or not what the agent reads.
    """
    if agent == "opencode":
        return _plugin(remove=remove)
    known = _AGENTS[agent]
    path = _place(known)
    before = _read(path)
    # Without -P a file of the project that the agent works in could pass for one of Python's.
    words = command or (sys.executable, "-P", "-m", "clankers_cli")
    into = [] if database is None else [_DB, str(database)]
    line = shlex.join([*words, *into, "hook", agent])
    try:
        if not remove and _is_installed(before, known, agent, line):
            return Installation(path, before, before)
        after = _without_ours(before if before.strip() else _NEW, agent)
        after = after if remove else _with_ours(after, known, line)
    except (ValueError, RecursionError) as problem:
        raise ConfigError(
            f"{path} cannot be changed: {problem}", hint="it was left as it is"
        ) from problem
    return Installation(path, before, after if before.strip() or not remove else before)


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


def _hooks_of(root: Node) -> dict[str, Node]:
    """The lists of hooks, by their events.

    Raises:
        ValueError: the settings are not as agents read them.
    """
    if not root.is_object:
        raise ValueError("it is no JSON object")
    hooks = root.member("hooks")
    if hooks is None:
        return {}
    if not hooks.is_object or not all(one.is_list for one in hooks.children or ()):
        raise ValueError('"hooks" must be an object that holds a list for each event')
    return {str(one.key): one for one in hooks.children or ()}


def _is_installed(text: str, known: _Agent, agent: str, line: str) -> bool:
    """Whether each of the events has our hook once, and no other has it."""
    found = [
        (str(chain[1][1].key), command.value)
        for chain in _ours(parsed(text if text.strip() else _NEW), agent)
        if (command := chain[-1][1].member("command")) is not None
    ]
    return sorted(found) == sorted((event, line) for event in known.events)


def _with_ours(text: str, known: _Agent, line: str) -> str:
    if known.is_flat and parsed(text).member("version") is None:
        text = added(text, parsed(text), 1, "version")
    if parsed(text).member("hooks") is None:
        text = added(text, parsed(text), {}, "hooks")
    for event in known.events:
        root = parsed(text)
        entry = _entry(known, event, line)
        if (entries := _hooks_of(root).get(event)) is not None:
            text = added(text, entries, entry)
        elif (hooks := root.member("hooks")) is not None:
            text = added(text, hooks, [entry], event)
    return text


def _without_ours(text: str, agent: str) -> str:
    """What only held a hook of ours goes with it."""
    while chain := next(_ours(parsed(text), agent), None):
        while len(chain) > 1 and len(chain[-1][0].children or ()) == 1:
            chain.pop()
        text = removed(text, *chain[-1])
    return text


def _ours(root: Node, agent: str) -> Iterator[list[tuple[Node, Node]]]:
    """Each hook of ours, by what holds it: pairs of a container and what it holds."""
    for entries in _hooks_of(root).values():
        hooks = root.member("hooks") or root
        for entry in entries.children or ():
            chain = [(root, hooks), (hooks, entries), (entries, entry)]
            if _is_ours(entry, agent):
                yield chain
            group = entry.member("hooks")
            for command in group.children or () if group is not None and group.is_list else ():
                if _is_ours(command, agent):
                    yield [*chain, (group or entry, command)]


def _is_ours(entry: Node, agent: str) -> bool:
    """Whether it runs our program with `hook` and perhaps the agent, and nothing else."""
    command = entry.member("command")
    try:
        words = shlex.split(str(command.value)) if command is not None else []
    except ValueError:
        return False
    if words[-1:] == [agent]:
        words.pop()
    if words[-3:-2] == [_DB]:
        del words[-3:-1]
    if words[-3:] == ["-m", "clankers_cli", "hook"]:
        return True
    return [Path(word).name for word in words] == [_PROGRAM, "hook"]


def _entry(agent: _Agent, event: str, command: str) -> dict[str, Any]:
    if agent.is_flat:
        return {"command": command}
    hook = {"type": "command", "command": command, "timeout": _SECONDS}
    matcher = {"matcher": "*"} if event in _WITH_MATCHER else {}
    return {**matcher, "hooks": [hook]}
