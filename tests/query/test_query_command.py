"""`clankers-cli query`: one statement in, a table or JSON out."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest

from clankers_cli.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {
    "attr",
    "attrs",
    "cattr",
    "cattrs",
    "clankers.models",
    "importlib.metadata",
    "msgspec",
    "requests",
    "tabulate",
    "tenacity",
    "zoneinfo",
}


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


class Ask(Protocol):
    def __call__(self, *argv: str) -> Outcome: ...


@pytest.fixture
def ask(archive: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs `clankers-cli query` on the small archive."""

    def run(*argv: str) -> Outcome:
        capsys.readouterr()
        code = main(["--db", str(archive), "query", *argv])
        return Outcome(code, *capsys.readouterr())

    return run


class TestFormats:
    def test_a_table_unless_asked(self, ask: Ask) -> None:
        """Names, a rule, rows; numbers stand right."""
        assert ask("SELECT id, cost FROM sessions ORDER BY id") == (
            0,
            "id  cost\n--  ----\ns1   0.5\ns2  NULL\n",
            "",
        )

    @pytest.mark.parametrize("options", [["--format", "json"], ["--json"]])
    def test_json(self, ask: Ask, options: list[str]) -> None:
        """An array of objects, by the option of the command or the one of all commands."""
        outcome = ask("SELECT id, cost FROM sessions ORDER BY id", *options)
        assert json.loads(outcome.out) == [{"id": "s1", "cost": 0.5}, {"id": "s2", "cost": None}]

    def test_the_format_goes_before_json(self, ask: Ask) -> None:
        """What is said more closely counts."""
        assert ask("SELECT 1 AS a", "--json", "--format", "table").out == "a\n-\n1\n"

    def test_without_rows(self, ask: Ask) -> None:
        """An empty answer is an answer."""
        assert ask("SELECT id FROM pruned, sessions").out == "id\n--\n"
        assert ask("SELECT id FROM pruned, sessions", "--json").out == "[]\n"

    def test_an_unknown_one(self, ask: Ask) -> None:
        """A mistake on the command line is exit code 2."""
        assert ask("SELECT 1", "--format", "xml").code == 2


class TestInput:
    def test_from_standard_input(self, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
        """A long statement can come from a file."""
        monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT\n  7 AS seven\n"))
        assert ask("-", "--json").out == '[\n{"seven":7}\n]\n'

    @pytest.mark.parametrize(
        "options", [["--limit", "-1"], ["--limit", "x"], ["--timeout", "-1"], ["--timeout", "nan"]]
    )
    def test_impossible_numbers(self, ask: Ask, options: list[str]) -> None:
        """They are mistakes on the command line, named as what they should be."""
        outcome = ask("SELECT 1", *options)
        assert outcome.code == 2
        assert f"invalid number of {'rows' if 'limit' in options[0] else 'seconds'}" in outcome.err


class TestLimits:
    def test_a_cut_answer_says_so(self, ask: Ask) -> None:
        """On stderr, so that stdout stays what it is."""
        outcome = ask("SELECT id FROM messages ORDER BY id", "--limit", "2")
        assert outcome.code == 0
        assert outcome.out == "id\n--\nm1\nm2\n"
        assert outcome.err == "only the first 2 rows are shown; a greater --limit shows more\n"

    def test_a_whole_answer_does_not(self, ask: Ask) -> None:
        """A limit that cut nothing is not worth a word."""
        assert ask("SELECT id FROM messages", "--limit", "3").err == ""

    def test_time(self, ask: Ask) -> None:
        """A statement without end is an error when its time is over."""
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT sum(i) FROM n"
        outcome = ask(endless, "--timeout", "0.05")
        assert outcome.code == 1
        assert "longer than its limit of 0.05 s" in outcome.err

    def test_no_time_limit(self, ask: Ask) -> None:
        """0 is how a shell says none."""
        assert ask("SELECT 1", "--timeout", "0").code == 0


class TestErrors:
    def test_a_misspelt_table(self, ask: Ask) -> None:
        """Exit code 1, the message and the nearest name on stderr, nothing on stdout."""
        outcome = ask("SELECT * FROM mesages")
        assert (outcome.code, outcome.out) == (1, "")
        assert "no such table: mesages" in outcome.err
        assert "did you mean messages?" in outcome.err

    def test_a_refusal(self, ask: Ask, archive: Path) -> None:
        """The operation is named and nothing is done."""
        before = archive.read_bytes()
        outcome = ask("DELETE FROM messages")
        assert outcome.code == 1
        assert "this would DELETE from messages; query only reads" in outcome.err
        assert archive.read_bytes() == before


class TestUntrustedText:
    HOSTILE = "\x1b]52;c;aGVsbG8=\x07\x1b]0;owned\x07\u202egnp.exe\x9b31m"

    @pytest.fixture
    def hostile(self) -> str:
        points = ", ".join(str(ord(character)) for character in self.HOSTILE)
        return f"SELECT char({points}) AS a"

    def test_in_a_table(self, ask: Ask, hostile: str) -> None:
        """A clipboard escape, a title change and U+202E are shown, not obeyed."""
        assert ask(hostile).out.splitlines()[2] == (
            r"\x1b]52;c;aGVsbG8=\x07\x1b]0;owned\x07\u202egnp.exe\x9b31m"
        )

    def test_in_json(self, ask: Ask, hostile: str) -> None:
        """JSON carries the very same text in characters that no terminal obeys."""
        out = ask(hostile, "--json").out
        assert json.loads(out) == [{"a": self.HOSTILE}]
        assert out.isascii()
        assert out.replace("\n", "").isprintable()

    def test_in_a_column_name(self, ask: Ask) -> None:
        """Names are text from outside too."""
        out = ask('SELECT 1 AS "a\x1b[2J\u202eb"').out
        assert out.splitlines()[0] == r"a\x1b[2J\u202eb"

    def test_in_an_error(self, ask: Ask) -> None:
        """So are the names that an error repeats."""
        err = ask('SELECT "\x1b]0;x\x07\u202e" FROM sessions').err
        assert r"\x1b]0;x\x07\u202e" in err
        assert not {"\x1b", "\x07", "\u202e"} & set(err)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal to write to")
def test_a_terminal_gets_lines_that_fit(archive: Path) -> None:
    """On a terminal long text is shortened to its width; nothing has to fit into a pipe."""
    sql = "SELECT id, printf('%.*c', 100, 'x') AS text FROM sessions ORDER BY id LIMIT 1"
    command = [sys.executable, "-m", "clankers_cli", "--db", str(archive), "query", sql]
    ours, theirs = os.openpty()
    environ = {**os.environ, "COLUMNS": "40"}
    subprocess.run(command, stdout=theirs, check=True, env=environ)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode().splitlines()
    os.close(ours)
    assert shown == ["id  text", f"--  {'-' * 36}", f"s1  {'x' * 24}…{'x' * 11}"]
    piped = subprocess.run(command, capture_output=True, check=True, text=True, env=environ)
    assert piped.stdout.splitlines()[2] == f"s1  {'x' * 100}"


def test_what_a_query_imports(archive: Path) -> None:
    """The road of a query stays free of records and of every slow library."""
    program = (
        "import sys, clankers.query, clankers.formats\n"
        f"query = clankers.query.Query({str(archive)!r})\n"
        "answer = query.query('SELECT * FROM sessions')\n"
        "clankers.formats.write_table(sys.stderr, answer.columns, answer)\n"
        "answer = query.query('SELECT * FROM sessions')\n"
        "clankers.formats.write_json(sys.stderr, answer.columns, answer)\n"
        f"print(*({HEAVY!r} & sys.modules.keys()))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert ran.stdout == "\n"
