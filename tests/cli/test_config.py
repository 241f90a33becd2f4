"""`clankers-cli config`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from cli.conftest import Cli

MODULE = [sys.executable, "-m", "clankers_cli"]


class TestValues:
    def test_set_get_unset(self, cli: Cli) -> None:
        """A value that is set is there for the next run, and gone after unset."""
        assert cli("config", "set", "sync_interval", "45") == (0, "", "")
        assert cli("config", "get", "sync_interval") == (0, "45\n", "")
        assert cli("config", "unset", "sync_interval") == (0, "", "")
        assert cli("config", "get", "sync_interval") == (0, "30\n", "")

    @pytest.mark.parametrize(
        ("given", "key", "printed"),
        [
            ([], "endpoint", "\n"),
            ([], "sync_enabled", "false\n"),
            (["YES"], "sync_enabled", "true\n"),
            (["/a/**", "/b c/*"], "exclude", "/a/**\n/b c/*\n"),
            (["t0k"], "token", "t0k\n"),
        ],
    )
    def test_get_prints_what_a_script_can_use(
        self, cli: Cli, given: list[str], key: str, printed: str
    ) -> None:
        """An empty line for nothing, true and false, one line for each of a list."""
        if given:
            assert cli("config", "set", key, *given).code == 0
        assert cli("config", "get", key) == (0, printed, "")

    def test_get_as_json(self, cli: Cli) -> None:
        """One object with the value's own type and where it comes from."""
        cli("config", "set", "exclude", "/a/**")
        assert json.loads(cli("config", "get", "exclude", "--json").out) == {
            "key": "exclude",
            "value": ["/a/**"],
            "source": "profile",
        }

    def test_list(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every setting with its source; a token is only said to be there."""
        cli("config", "set", "token", "s3cret")
        monkeypatch.setenv("CLANKERS_SYNC_INTERVAL", "90")
        found = cli("config", "list", "--json")
        entries = {entry["key"]: entry for entry in json.loads(found.out)}
        assert len(entries) == 17
        assert entries["token"] == {"key": "token", "value": "(set)", "source": "profile"}
        assert entries["sync_interval"] == {"key": "sync_interval", "value": 90, "source": "env"}
        assert entries["endpoint"] == {"key": "endpoint", "value": None, "source": "default"}
        table = cli("config", "list").out
        assert table.splitlines()[2:5] == [
            "endpoint             -        default",
            "sync_enabled         false    default",
            "sync_interval        90       env",
        ]
        assert "s3cret" not in table + found.out

    def test_list_names_keys_it_does_not_know(self, cli: Cli, home: Path) -> None:
        """A misspelt key in a file that was edited by hand does not go unnoticed."""
        folder = home / ".local" / "share" / "clankers"
        folder.mkdir(parents=True)
        (folder / "clankers.json").write_text('{"profiles": {"default": {"sync_on": true}}}')
        assert cli("config", "list").err == (
            f"note: {folder / 'clankers.json'} also has sync_on, which this version does not know\n"
        )

    def test_a_variable_that_wins_is_mentioned(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Setting what the environment overrides works and says that it has no effect yet."""
        monkeypatch.setenv("CLANKERS_SYNC_INTERVAL", "90")
        found = cli("config", "set", "sync_interval", "5")
        assert found == (
            0,
            "",
            "note: CLANKERS_SYNC_INTERVAL is set in the environment and wins over the file\n",
        )
        monkeypatch.delenv("CLANKERS_SYNC_INTERVAL")
        assert cli("config", "get", "sync_interval").out == "5\n"

    @pytest.mark.parametrize(
        ("argv", "err"),
        [
            (
                ["set", "sync_intervall", "5"],
                (
                    "clankers-cli: there is no setting 'sync_intervall'\n"
                    "hint: did you mean 'sync_interval'?\n"
                ),
            ),
            (
                ["set", "sync_interval", "-5"],
                "clankers-cli: sync_interval must be a whole number above 0, not '-5'\n",
            ),
            (
                ["set", "sync_interval", "5", "6"],
                (
                    "clankers-cli: sync_interval takes one value, not 2\n"
                    "hint: 'config unset sync_interval' removes it\n"
                ),
            ),
            (
                ["set", "exclude"],
                (
                    "clankers-cli: exclude takes at least one value\n"
                    "hint: 'config unset exclude' removes it\n"
                ),
            ),
            (
                ["get", "qqq"],
                (
                    "clankers-cli: there is no setting 'qqq'\n"
                    "hint: 'clankers-cli config list' shows all settings\n"
                ),
            ),
        ],
    )
    def test_mistakes(self, cli: Cli, argv: list[str], err: str) -> None:
        """One line and, where there is a way on, a hint; exit code 1."""
        assert cli("config", *argv) == (1, "", err)

    def test_a_token_from_a_pipe(self, home: Path) -> None:
        """Left out, it is read from stdin, so that no other user sees it among the processes."""
        subprocess.run([*MODULE, "config", "set", "token"], input="s3cret\n", text=True, check=True)
        found = subprocess.run(
            [*MODULE, "config", "get", "token"], capture_output=True, text=True, check=True
        )
        assert found.stdout == "s3cret\n"

    def test_a_token_from_the_keyboard(self, home: Path) -> None:
        """On a terminal it is asked for and not echoed."""
        pytest.importorskip("termios")
        keyboard, terminal = os.openpty()
        child = subprocess.Popen(
            [*MODULE, "config", "set", "token"],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        shown = b""
        while b"token: " not in shown:
            shown += os.read(keyboard, 1000)
        os.write(keyboard, b"s3cret\n")
        with suppress(OSError):  # how Linux says that the other end is closed
            while more := os.read(keyboard, 1000):
                shown += more
        os.close(keyboard)
        assert child.wait() == 0
        assert b"s3cret" not in shown
        found = subprocess.run(
            [*MODULE, "config", "get", "token"], capture_output=True, text=True, check=True
        )
        assert found.stdout == "s3cret\n"

    def test_help_lists_every_setting(self, cli: Cli) -> None:
        """With its choices, default and variable."""
        shown = cli("config", "set", "--help").out
        assert "sync_mode            what wakes a sync: polling, triggers, hybrid (hybrid)" in shown
        assert "endpoint             server to sync with [CLANKERS_ENDPOINT]" in shown
        assert "token_origin" not in shown


class TestProfiles:
    def test_create_use_delete(self, cli: Cli) -> None:
        """The road through all four actions."""
        assert cli("config", "profiles", "create", "work") == (0, "", "")
        assert cli("config", "profiles", "use", "work") == (0, "", "")
        cli("config", "set", "sync_interval", "5")
        assert cli("config", "profiles", "list").out == (
            "profile    active\n---------  --------\nwork       yes\ndefault\n"
        )
        assert json.loads(cli("config", "profiles", "list", "--json").out) == [
            {"name": "work", "active": True},
            {"name": "default", "active": False},
        ]
        assert cli("--profile", "default", "config", "get", "sync_interval").out == "30\n"
        assert cli("config", "profiles", "use", "default").code == 0
        assert cli("config", "profiles", "delete", "work") == (0, "", "")
        assert cli("config", "profiles", "delete", "work") == (
            1,
            "",
            (
                "clankers-cli: there is no profile 'work' in"
                f" {os.environ['HOME']}/.local/share/clankers/clankers.json\n"
                "hint: 'clankers-cli config profiles create work' makes one\n"
            ),
        )

    def test_a_profile_of_the_run_wins(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        """`use` under CLANKERS_PROFILE changes the file and says that it has no effect yet."""
        cli("config", "profiles", "create", "a")
        monkeypatch.setenv("CLANKERS_PROFILE", "a")
        assert cli("config", "profiles", "use", "default") == (
            0,
            "",
            "note: this run is told to use 'a', which wins over the file\n",
        )


class TestConfigFile:
    def test_another_file(self, cli: Cli, tmp_path: Path) -> None:
        """--config names it, before or after the command; it is made when it is written."""
        file = tmp_path / "mine.json"
        assert cli("--config", file, "config", "set", "sync_interval", "5").code == 0
        assert cli("config", "get", "sync_interval", "--config", file).out == "5\n"
        assert cli("config", "get", "sync_interval").out == "30\n"

    def test_a_broken_file_is_left_alone(self, cli: Cli, tmp_path: Path) -> None:
        """Every action reports line and column, and none writes."""
        file = tmp_path / "mine.json"
        file.write_text('{"profiles": }')
        for argv in (["set", "sync_interval", "5"], ["unset", "db"], ["list"], ["get", "db"]):
            assert cli("--config", file, "config", *argv) == (
                1,
                "",
                (
                    f"clankers-cli: {file}, line 1, column 14: not JSON: Expecting value\n"
                    "hint: mend the file or move it away; it was left as it is\n"
                ),
            )
        assert file.read_text() == '{"profiles": }'
