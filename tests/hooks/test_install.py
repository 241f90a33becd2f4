"""Hooks in an agent's own settings: merged, shown, taken out again, and nothing else touched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankers.errors import ConfigError
from clankers.hooks import plan
from clankers_cli.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = ("clankers-cli",)


@pytest.fixture
def settings(home: Path) -> Path:
    path = home / ".claude" / "settings.json"
    path.parent.mkdir()
    return path


def install(agent: str = "claude-code", *, remove: bool = False) -> None:
    plan(agent, remove=remove, command=COMMAND).apply()


THEIRS: dict[str, Any] = {
    "model": "opus",
    "hooks": {
        "PostToolUse": [{"matcher": "Edit", "hooks": [{"type": "command", "command": "fmt"}]}],
        "Notification": [],
    },
    "permissions": {"allow": ["Bash(ls:*)"]},
    "umlaut": "ü",
}


@pytest.mark.parametrize("indent", [2, 4, "\t"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_there_and_back(settings: Path, indent: int | str, end: str) -> None:
    """What was there stays, in its order and its writing; taken out, the file is what it was."""
    before = json.dumps(THEIRS, indent=indent, ensure_ascii=False) + end
    settings.write_text(before)
    install()
    added = json.loads(settings.read_text())
    assert list(added) == list(THEIRS)
    assert added["hooks"]["PostToolUse"][0] == THEIRS["hooks"]["PostToolUse"][0]
    assert added["hooks"]["PostToolUse"][1] == {
        "matcher": "*",
        "hooks": [{"type": "command", "command": "clankers-cli hook claude-code", "timeout": 5}],
    }
    assert set(added["hooks"]) == {
        "SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure",
        "Stop", "SessionEnd", "PreCompact", "SubagentStop", "Notification",
    }  # fmt: skip
    once = settings.read_text()
    assert plan("claude-code", command=COMMAND).diff == ""
    install()
    assert settings.read_text() == once
    install(remove=True)
    assert settings.read_text() == before


ODD = {
    "comments": '{\n  // mine\n  "model": "opus", /* why */\n  "hooks": {\n    // none yet\n    "Stop": [{"hooks": [{"command": "say"}]}]\n  }\n}\n',
    "trailing commas": '{\n  "a": [1,],\n  "hooks": {\n    "Stop": [\n      {"hooks": [{"command": "say"}]},\n    ],\n  },\n}\n',
    "numbers": '{"a": 3.0e1, "b": 1e400, "c": 0.10000000000000000001, "d": 1.10}',
    "escapes": '{"a": "caf\\u00e9 é", "b": "http:\\/\\/x", "c": "\\ud83d"}',
    "twice": '{"model": "x", "model": "y"}\n',
    "minified": '{"a":{"b":[1,2]},"c":null}',
    "blank lines": '\n{\n\n    "a": [1, 2],\n\n    "b": {}\n\n}\n\n',
    "tabs and carriage returns": '{\r\n\t"a": 1,\r\n\t"b": [\r\n\t\t2\r\n\t]\r\n}\r\n',
    "a byte order mark": '\ufeff{\n  "a": 1\n}\n',
    "empty": "{}",
    "nearly empty": "{}\n",
    "theirs in one line": '{"hooks": {"Stop": [{"hooks": [{"command": "say"}]}]}, "z": 1}',
    "like ours": '{"hooks": {"Stop": [{"hooks": [{"command": "/x/clankers-cli/notify.sh my hook done"}]}]}}',
    "another's": '{"hooks": {"Stop": [{"hooks": [{"command": "clankers-cli ok && notify hook claude-code"}]}]}}',
}


@pytest.mark.parametrize("before", ODD.values(), ids=ODD)
def test_odd_writing(settings: Path, before: str) -> None:
    """What people write stays as they wrote it, and every line of it is there meanwhile."""
    settings.write_bytes(before.encode())
    install()
    once = settings.read_bytes().decode()
    assert once.count("clankers-cli hook claude-code") == 9
    kept = iter(once)
    assert all(letter in kept for letter in before.rstrip())
    install()
    assert settings.read_bytes().decode() == once
    install(remove=True)
    assert settings.read_bytes().decode() == before


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
HOOKS = st.dictionaries(
    st.sampled_from(["Stop", "Other", "PreToolUse"]),
    st.lists(st.builds(lambda word: {"hooks": [{"command": word}]}, st.text(max_size=5)), min_size=1, max_size=2),
    min_size=1,
)  # fmt: skip


@given(
    st.dictionaries(st.text(max_size=3), VALUES, max_size=4),
    st.none() | HOOKS,
    st.sampled_from([None, 0, 1, 4, "\t"]),
)
@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_any_settings(
    settings: Path, others: dict[str, Any], hooks: dict[str, Any] | None, indent: int | str | None
) -> None:
    """With ours they are what an own reader of JSON expects; without them what they were."""
    given_ = {**others, **({} if hooks is None else {"hooks": hooks})}
    before = json.dumps(given_, indent=indent)
    settings.write_text(before)
    install()
    after = json.loads(settings.read_text())
    found = after.pop("hooks")
    assert after == others
    for event, entries in (hooks or {}).items():
        assert found[event][: len(entries)] == entries
    assert sum(len(entries) for entries in found.values()) == 9 + sum(
        map(len, (hooks or {}).values())
    )
    install(remove=True)
    assert settings.read_text() == before


def test_among_theirs(settings: Path) -> None:
    """Ours in a group of theirs is found as well; their command stays."""
    group = [
        {"hooks": [{"command": "/opt/py -m clankers_cli hook claude-code"}, {"command": "say"}]}
    ]
    settings.write_text(json.dumps({"hooks": {"Stop": group, "Gone": group}}))
    install()
    found = json.loads(settings.read_text())["hooks"]
    assert found["Gone"] == [{"hooks": [{"command": "say"}]}]
    assert [len(one["hooks"]) for one in found["Stop"]] == [1, 1]
    install(remove=True)
    theirs = [{"hooks": [{"command": "say"}]}]
    assert json.loads(settings.read_text()) == {"hooks": {"Stop": theirs, "Gone": theirs}}


def test_another_database(settings: Path) -> None:
    """Is named in the hook, which is ours all the same."""
    place = str(settings.parent / "other.db")
    assert main(["--db", place, "install", "claude-code"]) == 0
    once = settings.read_text()
    assert f"clankers_cli --db {place} hook claude-code" in once
    assert main(["--db", place, "install", "claude-code"]) == 0
    assert settings.read_text() == once
    assert main(["install", "claude-code"]) == 0
    assert "--db" not in settings.read_text()
    assert main(["--db", place, "install", "claude-code"]) == 0
    assert main(["install", "claude-code", "--remove"]) == 0
    assert json.loads(settings.read_text()) == {}


def test_a_file_that_is_not_there(settings: Path) -> None:
    """Is made, private to its owner; taken out, nothing of ours is left."""
    install()
    assert settings.stat().st_mode & 0o777 == 0o600
    install(remove=True)
    assert json.loads(settings.read_text()) == {}


def test_mode_and_link(settings: Path, tmp_path: Path) -> None:
    """The file keeps its rights, and a link into somebody's dotfiles stays one."""
    real = tmp_path / "dotfiles.json"
    real.write_text("{}\n")
    real.chmod(0o640)
    settings.symlink_to(real)
    install()
    assert settings.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert "clankers-cli hook" in real.read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"dotfiles.json", "home"}


@pytest.mark.parametrize(
    "content",
    [
        "{nope",
        "[]",
        "{} {}",
        '{"a": 1 "b": 2}',
        '{"hooks": []}',
        '{"hooks": null}',
        '{"hooks": {"Stop": {}}}',
        '{"a": ' + "[" * 100_000,
    ],
)
def test_what_cannot_be_merged(settings: Path, content: str) -> None:
    """Is refused and left as it is."""
    settings.write_text(content)
    with pytest.raises(ConfigError):
        install()
    assert settings.read_text() == content


def test_a_change_meanwhile(settings: Path) -> None:
    """Another program's change is not overwritten."""
    planned = plan("claude-code", command=COMMAND)
    settings.write_text('{"theirs": 1}')
    with pytest.raises(ConfigError, match="was changed meanwhile"):
        planned.apply()


@pytest.mark.parametrize(
    ("agent", "place", "expected"),
    [
        ("gemini", ".gemini/settings.json", {"SessionStart", "SessionEnd"}),
        ("codex", ".codex/hooks.json", {"SessionStart"}),
        ("cursor", ".cursor/hooks.json", {"sessionStart", "sessionEnd"}),
    ],
)
def test_other_agents(home: Path, agent: str, place: str, expected: set[str]) -> None:
    """In their own places, for the events of sessions; there and back."""
    install(agent)
    found = json.loads((home / place).read_text())
    assert set(found["hooks"]) == expected
    assert f"clankers-cli hook {agent}" in (home / place).read_text()
    assert plan(agent, command=COMMAND).diff == ""
    install(agent, remove=True)
    assert "hooks" not in json.loads((home / place).read_text())


def test_cursor_keeps_others(home: Path) -> None:
    """Its events list commands."""
    path = home / ".cursor" / "hooks.json"
    path.parent.mkdir()
    before = '{\n  "version": 1,\n  "hooks": {\n    "stop": [\n      {\n        "command": "mine"\n      }\n    ]\n  }\n}\n'
    path.write_text(before)
    install("cursor")
    assert json.loads(path.read_text())["hooks"]["sessionStart"] == [
        {"command": "clankers-cli hook cursor"}
    ]
    install("cursor", remove=True)
    assert path.read_text() == before


def test_opencode(home: Path) -> None:
    """A plugin in its folder, which goes as a whole; another's is left alone."""
    install("opencode")
    path = home / ".config" / "opencode" / "plugins" / "clankers.js"
    assert "export const Clankers" in path.read_text()
    install("opencode", remove=True)
    assert not path.exists()
    path.write_text("export const Mine = 1")
    with pytest.raises(ConfigError, match="is not ours"):
        install("opencode")


def test_the_command(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shows the change, makes it unless it is a dry run, and says when there is none."""
    settings.write_text('{\n  "model": "opus"\n}\n')
    assert main(["install", "claude-code", "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert '+  "hooks": {' in shown.out
    assert '   "model": "opus"' not in shown.out.replace("+", " ").split("hooks")[1]
    assert "dry run" in shown.err
    assert "hooks" not in settings.read_text()
    assert main(["install", "claude-code"]) == 0
    assert "hooks" in settings.read_text()
    capsys.readouterr()
    assert main(["install", "claude-code"]) == 0
    assert "is as it should be" in capsys.readouterr().out
    assert main(["install", "claude-code", "--remove"]) == 0
    assert json.loads(settings.read_text()) == {"model": "opus"}
    assert main(["install", "nobody"]) == 2
