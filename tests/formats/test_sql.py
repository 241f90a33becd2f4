"""INSERT statements that make the same values again."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from formats._values import VALUES, obeyed, written

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.formats import Value

NASTY: list[Value] = [
    None,
    0,
    -(2**63),
    2**63 - 1,
    0.0,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    float("inf"),
    float("-inf"),
    1e16,
    "",
    "it's",
    "two\nlines\r\n",
    "nul\x00inside",
    "\x1b[31m\u202e",
    "); DROP TABLE result; --",
    "\x01" * 5000,
    "a\x01" * 5000,
    b"",
    b"\x00\xff'",
    "日本 👨‍👩‍👧",
]


def restored(connection: apsw.Connection, text: str) -> list[tuple[Value, ...]]:
    connection.execute('DROP TABLE IF EXISTS "result"; CREATE TABLE "result"("a", "a_2")')
    connection.execute(text)
    return list(connection.execute("SELECT * FROM result ORDER BY rowid"))


def kept(value: Value) -> object:
    """A value with its storage class, floats by their bytes."""
    return (type(value), struct.pack(">d", value) if isinstance(value, float) else value)


def test_looks_so() -> None:
    """One statement a row, names quoted, repeated ones told apart."""
    assert written("sql", ["id", 'a"b', "id"], [("it's", 1, b"\x0f")], table="my table") == (
        'INSERT INTO "my table"("id","a""b","id_2") VALUES(\'it\'\'s\',1,X\'0f\');\n'
    )


@given(rows=st.lists(st.tuples(VALUES, VALUES), max_size=6))
@example(rows=[(value, value) for value in NASTY])
def test_restores(rows: list[tuple[Value, Value]]) -> None:
    """Run on an empty table, each value has the bytes and the storage class it had."""
    text = written("sql", ["a", "a"], rows)
    assert obeyed(text) <= {"\n", "\t"}
    found = restored(apsw.Connection(":memory:"), text)
    assert [list(map(kept, row)) for row in found] == [list(map(kept, row)) for row in rows]


def test_restores_in_the_shell(tmp_path: Path) -> None:
    """SQLite's own shell, which reads lines, makes the same of them."""
    if (shell := shutil.which("sqlite3")) is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the sqlite3 shell is missing")
        pytest.skip("needs the sqlite3 shell: apt-get install sqlite3")
    rows = [(number, value) for number, value in enumerate(NASTY)]
    text = written("sql", ["a", "b"], rows)
    file = tmp_path / "restored.db"
    script = "CREATE TABLE result(a, b);\n" + text
    subprocess.run([shell, "-bail", file], input=script.encode(), check=True)
    found = list(apsw.Connection(str(file)).execute("SELECT * FROM result ORDER BY a"))
    assert [kept(b) for _, b in found] == [kept(value) for value in NASTY]
