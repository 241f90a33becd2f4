"""What holds for every command: global options, exit codes, errors, streams."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clankers import __version__
from clankers_cli.__main__ import COMMANDS

if TYPE_CHECKING:
    from cli.conftest import Cli

MODULE = [sys.executable, "-m", "clankers_cli"]

# A command like any other; what it does is what its argument says.
TRIAL = """
import atexit, os, threading
from clankers.errors import StoreError
from clankers_cli import _context

def configure(parser):
    parser.add_argument("act")
    nested = parser.add_subparsers(dest="nested")
    nested.add_parser("deeper").add_argument("--by", choices=["day", "week"])

def run(args):
    match args.act:
        case "show":
            print(args.db, args.config, args.profile, args.json)
        case "context":
            print(_context.database_path(args), _context.zone(args))
        case "clankers":
            raise StoreError("the \\x1b]52;c;aGk=\\x07 file\\nis bad", hint="try \\u202e another")
        case "os":
            open("/nowhere/at/all")
        case "bug":
            print("so far")
            raise ZeroDivisionError("a\\x1b[31mb")
        case "interrupt":
            raise KeyboardInterrupt
        case "five":
            return 5
        case "odd":
            print("caf\\u00e9 \\udcff \\U0001f600")
        case "last":
            atexit.register(print, "last", end="")
            print("first", end=" ")
        case "thread":
            threading.Timer(0.2, os.write, (1, b"last")).start()
            print("first", end=" ", flush=True)
            return 3
        case "chat":
            for number in range(100_000):
                print("line", number)
    return 0
"""
RUN_TRIAL = """
import sys
from clankers_cli import __main__ as cli
sys.path.insert(0, sys.argv.pop(1))
cli.COMMANDS["trial"] = ("trial_command", "do as told")
cli.entry_point()
"""


@pytest.fixture(autouse=True)
def buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output waits in a buffer, as it does for users."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Adds the command `trial` to this process; its folder, for other processes."""
    (tmp_path / "trial_command.py").write_text(TRIAL, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(COMMANDS, "trial", ("trial_command", "do as told"))
    monkeypatch.delitem(sys.modules, "trial_command", raising=False)
    return tmp_path


def start(folder: Path, *argv: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN_TRIAL, str(folder), *argv]
    return subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload,no-any-return]


class TestGlobalOptions:
    @pytest.mark.parametrize(
        "argv",
        [
            ["--db", "d", "--config", "c", "--profile", "p", "--json", "trial", "show"],
            ["trial", "--db", "d", "--config", "c", "--profile", "p", "--json", "show"],
            ["trial", "show", "--db=d", "--config=c", "--profile=p", "--json"],
            [
                "--db",
                "x",
                "--json",
                "trial",
                "--db",
                "d",
                "--profile",
                "p",
                "show",
                "--config",
                "c",
            ],
            ["--json", "trial", "show", "deeper", "--db", "d", "--config", "c", "--profile", "p"],
        ],
    )
    def test_stand_anywhere(self, cli: Cli, trial: Path, argv: list[str]) -> None:
        """Before the command, after it, after its own; of two the later counts."""
        assert cli(*argv) == (0, "d c p True\n", "")

    def test_left_out_they_are_nothing(self, cli: Cli, trial: Path) -> None:
        """A command can always ask for all four."""
        assert cli("trial", "show", "deeper") == (0, "None None None False\n", "")

    def test_are_not_abbreviated(self, cli: Cli, trial: Path) -> None:
        """An option that is added later must not change what a script means."""
        assert cli("trial", "show", "--js").code == 2

    @pytest.mark.parametrize("argv", [["--version"], ["config", "--version"]])
    def test_version(self, cli: Cli, argv: list[str]) -> None:
        """One line, on stdout."""
        assert cli(*argv) == (0, f"clankers-cli {__version__}\n", "")


class TestHelp:
    def test_names_every_command(self, cli: Cli) -> None:
        """The list of commands is the table's."""
        found = cli("--help")
        assert (found.code, found.err) == (0, "")
        for name, (_, about) in COMMANDS.items():
            assert f"    {name:<12}  {about}\n" in found.out

    def test_no_command_is_an_error(self, cli: Cli) -> None:
        """Help and an error on stderr, nothing on stdout, exit code 2."""
        found = cli()
        assert (found.code, found.out) == (2, "")
        assert found.err.startswith("usage: clankers-cli [-h] ")
        assert found.err.endswith("\nclankers-cli: name a command\n")

    def test_of_a_command(self, cli: Cli, trial: Path) -> None:
        """Shows what the command takes, and what it is for."""
        found = cli("trial", "--help")
        assert found.out.startswith("usage: clankers-cli trial [-h] ")
        assert "\nDo as told.\n" in found.out

    def test_fits_the_terminal(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        """COLUMNS decides the width, down to one that can still be read."""
        monkeypatch.setenv("COLUMNS", "50")
        lines = cli("--help").out.split("global options")[1].split("commands:")[0].splitlines()
        assert max(map(len, lines)) <= 48
        monkeypatch.setenv("COLUMNS", "1")
        assert cli("--help").code == 0


class TestMistakes:
    @pytest.mark.parametrize(
        ("argv", "hint"),
        [
            (["usgae"], "hint: did you mean 'usage'?\n"),
            (["trial", "show", "deper"], "hint: did you mean 'deeper'?\n"),
            (["trial", "show", "deeper", "--by", "dya"], "hint: did you mean 'day'?\n"),
        ],
    )
    def test_a_misspelt_word(self, cli: Cli, trial: Path, argv: list[str], hint: str) -> None:
        """The nearest of the words that were possible is suggested; exit code 2."""
        found = cli(*argv)
        assert (found.code, found.out) == (2, "")
        assert f"invalid choice: '{argv[-1]}'" in found.err
        assert found.err.endswith(hint)

    def test_a_word_like_no_other(self, cli: Cli) -> None:
        """Nothing is suggested where nothing is near."""
        found = cli("qqqqqq")
        assert found.code == 2
        assert "hint" not in found.err

    def test_an_unknown_option(self, cli: Cli) -> None:
        """Named, made visible, exit code 2."""
        found = cli("config", "list", "--no\x1b[31m")
        assert found.code == 2
        assert "unrecognized arguments: --no\\x1b[31m\n" in found.err


class TestErrors:
    def test_of_ours(self, cli: Cli, trial: Path) -> None:
        """One line, one hint, and no character that a terminal would obey."""
        assert cli("trial", "clankers") == (
            1,
            "",
            "clankers-cli: the \\x1b]52;c;aGk=\\x07 file↵is bad\nhint: try \\u202e another\n",
        )

    def test_of_the_system(self, cli: Cli, trial: Path) -> None:
        """What went wrong and with which file."""
        err = "clankers-cli: No such file or directory: /nowhere/at/all\n"
        assert cli("trial", "os") == (1, "", err)

    def test_of_ours_by_mistake(self, cli: Cli, trial: Path) -> None:
        """One line and how to report it; what was printed before stays."""
        found = cli("trial", "bug")
        assert (found.code, found.out) == (1, "so far\n")
        lines = found.err.splitlines()
        assert lines[0] == "clankers-cli: unexpected ZeroDivisionError: a\\x1b[31mb"
        assert lines[1].startswith("hint: this is a mistake in clankers-cli; please report it at")
        assert len(lines) == 2

    @pytest.mark.parametrize("act", ["bug", "clankers", "os"])
    def test_with_debugging(
        self, cli: Cli, trial: Path, monkeypatch: pytest.MonkeyPatch, act: str
    ) -> None:
        """CLANKERS_DEBUG shows the traceback of every error, before its line."""
        monkeypatch.setenv("CLANKERS_DEBUG", "1")
        found = cli("trial", act)
        assert found.err.startswith("Traceback (most recent call last):\n")
        assert "trial_command.py" in found.err
        assert "\nclankers-cli: " in found.err

    def test_an_interrupt(self, cli: Cli, trial: Path) -> None:
        """Exit code 130, and no traceback."""
        assert cli("trial", "interrupt") == (130, "", "clankers-cli: interrupted\n")

    def test_the_commands_own_code(self, cli: Cli, trial: Path) -> None:
        """What a command returns is the exit code."""
        assert cli("trial", "five").code == 5


class TestContext:
    def test_the_database(
        self, cli: Cli, trial: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """--db, then CLANKERS_DB_PATH, then the profile's db, then the data directory."""
        monkeypatch.setenv("CLANKERS_TIMEZONE", "UTC")
        folder = home / ".local" / "share" / "clankers"
        assert cli("trial", "context").out == f"{folder / 'clankers.db'} UTC\n"
        cli("config", "set", "db", "~/p.db")
        assert cli("trial", "context").out == f"{home / 'p.db'} UTC\n"
        monkeypatch.setenv("CLANKERS_DB_PATH", "/env/e.db")
        assert cli("trial", "context").out == "/env/e.db UTC\n"
        assert cli("trial", "context", "--db", "~/d.db").out == f"{home / 'd.db'} UTC\n"

    def test_the_settings_of_the_run(
        self, cli: Cli, trial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """--config and --profile decide which; the zone comes from them."""
        file = tmp_path / "mine.json"
        cli("config", "profiles", "create", "work", "--config", file)
        cli("config", "set", "timezone", "Asia/Tokyo", "--config", file, "--profile", "work")
        cli("config", "set", "db", "/w.db", "--config", file, "--profile", "work")
        found = cli("trial", "context", "--config", file, "--profile", "work")
        assert found == (0, "/w.db Asia/Tokyo\n", "")
        monkeypatch.setenv("CLANKERS_PROFILE", "nowhere")
        assert cli("trial", "context", "--config", file).code == 1
        assert cli("trial", "context", "--config", file, "--profile", "work").code == 0

    def test_a_config_file_that_is_not_there(self, cli: Cli, trial: Path, tmp_path: Path) -> None:
        """A misspelt --config must not mean the defaults, but for the command that makes it."""
        missing = tmp_path / "none.json"
        assert cli("trial", "context", "--config", missing) == (
            1,
            "",
            (
                f"clankers-cli: there is no config file at {missing}\n"
                f"hint: 'clankers-cli --config {missing} config set KEY VALUE' makes one\n"
            ),
        )
        assert cli("config", "list", "--config", missing).code == 0
        assert not missing.exists()

    @pytest.mark.parametrize("option", ["--db", "--config"])
    def test_a_home_that_is_not_there(self, cli: Cli, trial: Path, option: str) -> None:
        """A path that cannot be meant is an error of ours."""
        found = cli("trial", "context", option, "~nobody_of_that_name/x")
        assert found.code == 1
        assert found.err == (
            "clankers-cli: ~nobody_of_that_name/x is in the home of a user who is not there\n"
        )


class TestProcess:
    def test_both_ways_in(self, home: Path) -> None:
        """The installed command and `python -m` are the same."""
        script = Path(sys.executable).with_name("clankers-cli")
        for command in ([str(script)], MODULE):
            found = subprocess.run(
                [*command, "config", "get", "sync_interval"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert (found.returncode, found.stdout, found.stderr) == (0, "30\n", "")
            found = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (found.returncode, found.stdout) == (2, "")

    def test_a_reader_that_has_enough(self, trial: Path) -> None:
        """`| head` ends it quietly, in the middle of much output."""
        child = start(trial, "trial", "chat", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == "line 0\n"
        child.stdout.close()
        assert child.stderr is not None
        assert child.stderr.read() == ""
        child.stderr.close()
        assert child.wait() == 0

    def test_a_reader_that_is_gone(self, trial: Path) -> None:
        """Also where the little that was printed is only written at the end."""
        reading, writing = os.pipe()
        os.close(reading)
        child = start(trial, "trial", "show", stdout=writing, stderr=subprocess.PIPE)
        os.close(writing)
        assert child.communicate()[1] == ""
        assert child.returncode == 0

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    @pytest.mark.parametrize("act", ["show", "chat"])
    def test_a_full_disk(self, trial: Path, act: str) -> None:
        """Output that cannot be written is one line and exit code 1, never silence."""
        with Path("/dev/full").open("w") as full:
            child = start(trial, "trial", act, stdout=full, stderr=subprocess.PIPE)
            err = child.communicate()[1]
        assert (child.returncode, err) == (1, "clankers-cli: No space left on device\n")

    @pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
    @pytest.mark.parametrize(
        ("closed", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0), ("<&-", 0)]
    )
    def test_closed_streams(self, home: Path, closed: str, code: int) -> None:
        """A caller that closes a stream is no error."""
        for words in ("config get db", "import --sample", "query 'select 1'"):
            command = f'"{sys.executable}" -m clankers_cli {words} {closed}'
            found = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
            assert (found.returncode, found.stderr) == (code, "")

    def test_output_and_error_in_one_file(self, trial: Path) -> None:
        """What was printed before the error stands before it, as in a log of both."""
        child = start(trial, "trial", "bug", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        lines = child.communicate()[0].splitlines()
        assert lines[0] == "so far"
        assert lines[1].startswith("clankers-cli: unexpected ZeroDivisionError")

    @pytest.mark.parametrize(("act", "code"), [("last", 0), ("thread", 3)])
    def test_what_is_left_to_do(self, trial: Path, act: str, code: int) -> None:
        """What was registered for the end is done, and a thread at work is waited for."""
        child = start(trial, "trial", act, stdout=subprocess.PIPE)
        assert child.communicate()[0] == "first last"
        assert child.returncode == code

    def test_a_debugged_process_ends_as_ever(
        self, trial: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Profilers write what they found when the interpreter ends."""
        monkeypatch.setenv("CLANKERS_DEBUG", "1")
        profiled = [sys.executable, "-m", "cProfile", "-m", "clankers_cli", "--version"]
        done = subprocess.run(profiled, capture_output=True, text=True, check=True)
        assert "function calls" in done.stdout

    def test_an_error_without_stderr(self, trial: Path) -> None:
        """The exit code still says it, and the message does not end up on stdout."""
        reading, writing = os.pipe()
        os.close(reading)
        child = start(trial, "trial", "clankers", stdout=subprocess.PIPE, stderr=writing)
        os.close(writing)
        assert child.communicate()[0] == ""
        assert child.returncode == 1

    @pytest.mark.parametrize(
        ("encoding", "printed"),
        [
            ("ascii", b"caf\\xe9 \\udcff \\U0001f600"),
            ("latin-1", b"caf\xe9 \\udcff \\U0001f600"),
            ("utf-8", b"caf\xc3\xa9 \\udcff \xf0\x9f\x98\x80"),
        ],
    )
    def test_any_text_can_be_printed(self, trial: Path, encoding: str, printed: bytes) -> None:
        """What the terminal's encoding lacks comes escaped; it never stops a command."""
        command = [sys.executable, "-c", RUN_TRIAL, str(trial), "trial", "odd"]
        environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
        found = subprocess.run(command, capture_output=True, env=environment, check=True)
        assert found.stdout.rstrip() == printed

    @pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
    def test_a_real_interrupt(self, home: Path) -> None:
        """Ctrl-C while it waits: 130 and one line."""
        keyboard, terminal = os.openpty()
        child = subprocess.Popen(
            [*MODULE, "config", "set", "token"],
            stdin=terminal,
            stdout=terminal,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        assert child.stderr is not None
        assert child.stderr.read(7) == "token: "
        child.send_signal(signal.SIGINT)
        assert child.communicate()[1].endswith("clankers-cli: interrupted\n")
        assert child.returncode == 130
        os.close(keyboard)
        os.close(terminal)
