"""The whole corpus of real transcripts: every line is counted, once, in the right file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from clankers.importing import import_sessions
from importing._transcripts import contents

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.store import Store


@pytest.mark.parametrize("agent", ["claude-code", "codex"])
def test_every_line_is_counted(store: Store, corpus: Path, agent: str) -> None:
    """Lines and malformed lines of each file are the independent counter's; all are accounted for."""
    counted = json.loads((corpus / "expected.json").read_text("utf-8"))["files"]
    expected = {
        str(corpus.resolve() / name): (count["lines"], count["malformed"])
        for name, count in counted.items()
        if name.startswith(f"{agent}/")
    }

    report = import_sessions(store, [agent], path=corpus / agent)

    query = "SELECT path, lines, malformed FROM import_sources"
    found = {path: rest for path, *rest in store.connection.execute(query)}
    assert {path: tuple(rest) for path, rest in found.items()} == expected
    assert report.failures == []
    missing = (
        "SELECT path FROM import_sources WHERE lines <> imported + noise + unknown + malformed"
    )
    assert store.connection.execute(missing).fetchall() == []


def test_again(store: Store, corpus: Path) -> None:
    """The second import of everything parses 0 bytes and writes 0 rows; a full one changes none.

    Two files may disagree on a session they share: then a full import writes some rows
    twice, and ends where the first one did.
    """
    import_sessions(store, path=corpus)
    before, rows = store.connection.total_changes(), contents(store.connection)

    again = import_sessions(store, path=corpus)
    assert (again.bytes_read, again.lines, again.read) == (0, 0, 0)
    assert again.unchanged == again.files
    assert store.connection.total_changes() == before

    full = import_sessions(store, path=corpus, full=True)
    assert full.read == full.files
    assert full.lines == sum(counted_lines(store))
    assert contents(store.connection) == rows


def counted_lines(store: Store) -> list[int]:
    return [lines for (lines,) in store.connection.execute("SELECT lines FROM import_sources")]


def test_each_agents_files_are_told_apart(store: Store, corpus: Path) -> None:
    """From a folder with the files of many agents each importer gets its own and no others'."""
    import_sessions(store, path=corpus)

    found = store.connection.execute("SELECT agent, path FROM import_sources").fetchall()
    assert {agent for agent, _path in found} == {"claude-code", "codex"}
    for agent, path in found:
        folder = str(path).removeprefix(f"{corpus.resolve()}/").partition("/")[0]
        assert folder in {agent, "multi-synthetic"}, path
