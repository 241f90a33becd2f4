"""What comes through a pipe is a script."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from clankers.store import Store
from clankers_cli.repl._session import is_whole, units

if TYPE_CHECKING:
    from pathlib import Path


def piped(database: Path, script: str, *argv: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "clankers_cli", "--db", str(database), "query", *argv]
    ran = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout, ran.stderr


@pytest.mark.parametrize("argv", [(), ("--interactive",)])
def test_statements_and_commands(database: Path, argv: tuple[str, ...]) -> None:
    """Each in its turn, without prompts; the last needs no semicolon."""
    script = "SELECT 1 AS a;\n.mode csv\nSELECT 'x;y' AS b; SELECT 2\n AS c;\n\n-- the end\n"
    assert piped(database, script, *argv) == (0, "a\n-\n1\nb\nx;y\nc\n2\n", "")
    assert piped(database, "SELECT 3 AS d", "--format", "ndjson")[1] == '{"d":3}\n'


def test_ends_at_the_first_error(database: Path) -> None:
    """With its message and its code; what comes behind is not run."""
    code, out, err = piped(database, "SELECT 1 AS a;\nSELECT * FROM nots;\nSELECT 2 AS b;")
    assert (code, out) == (1, "a\n-\n1\n")
    assert "no such table: nots" in err
    code, out, err = piped(database, ".mode xml\nSELECT 1;")
    assert (code, out) == (1, "")
    assert "there is no format 'xml'" in err


def test_leaves_when_told(database: Path) -> None:
    """What stands behind .exit is not run."""
    assert piped(database, "SELECT 1 AS a;\n.exit\nSELECT nonsense;") == (0, "a\n-\n1\n", "")


def test_writes(database: Path) -> None:
    """Only with --write or .write on; each statement, or BEGIN to COMMIT, is one transaction."""
    rename = "UPDATE sessions SET title = 'x' WHERE id = 'session-1';"
    code, _, err = piped(database, rename)
    assert code == 1
    assert ".write on" in err
    code, _, err = piped(database, f".write on\n{rename}")
    assert code == 1
    assert "a script cannot switch .write on" in err
    code, _, err = piped(database, rename, "--write")
    assert (code, err) == (0, f"{rename}  1 row\n")
    script = (
        "UPDATE sessions SET title = 'y' WHERE id = 'session-2';\n"
        "BEGIN;\nUPDATE sessions SET title = 'z' WHERE id = 'session-3';\nSELECT nonsense;\nCOMMIT;"
    )
    code, _, err = piped(database, script, "--write")
    assert code == 1
    assert "no such column: nonsense" in err
    with Store.open(database, read_only=True) as store:
        titles = [store.session(f"session-{number}").title for number in (1, 2, 3)]
    assert titles == ["x", "y", "Session 3"]


def test_destructive_ones_need_yes(database: Path) -> None:
    """Nobody is there to ask."""
    code, _, err = piped(database, "DELETE FROM messages;", "--write")
    assert code == 1
    assert "--yes" in err
    assert piped(database, "DELETE FROM messages;", "--write", "--yes")[0] == 0


def test_output_to_a_file(database: Path, tmp_path: Path) -> None:
    """The file is there when the script is done, or as it was when it fails."""
    target = tmp_path / "out.tsv"
    script = "SELECT 1 AS a; SELECT 2 AS b;"
    assert piped(database, script, "--output", str(target), "--format", "tsv") == (0, "", "")
    assert target.read_text() == "a\n1\nb\n2\n"
    assert piped(database, "SELECT 3; nonsense", "--output", str(target))[0] == 1
    assert target.read_text() == "a\n1\nb\n2\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (".tables", [".tables"]),
        ("SELECT 1;\n.mode csv\nSELECT\n.5;", ["SELECT 1;", ".mode csv", "SELECT\n.5;"]),
        ("-- a comment\n  .mode csv; -- x\n", [".mode csv; -- x"]),
        ("exit", ["exit"]),
        ("quit;\nSELECT 1", ["quit;", "SELECT 1"]),
        ("SELECT exit FROM t;", ["SELECT exit FROM t;"]),
    ],
)
def test_units(text: str, expected: list[str]) -> None:
    """A dot begins a command only where a statement could begin."""
    assert list(units(text)) == expected


@pytest.mark.parametrize(
    ("text", "whole"),
    [("", True), (".mode", True), ("exit", True), ("SELECT 1", False), ("SELECT 1;", True)],
)
def test_is_whole(text: str, whole: bool) -> None:  # noqa: FBT001
    """When Enter runs what was typed."""
    assert is_whole(text) is whole
