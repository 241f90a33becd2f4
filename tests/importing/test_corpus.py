"""The whole corpus of real transcripts: every line is counted, once, in the right file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

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


# Folders of the collections that are called otherwise than their agents.
CALLED = {"claude": "claude-code", "qwen": "qwen-code", "iflow": "claude-code", "Cursor": "cursor"}
COLLECTED = {
    "claude-code", "codex", "copilot", "cursor", "droid", "gemini", "gptme", "grok", "kimi",
    "opencode", "pi", "qwen-code",
}  # fmt: skip


def test_each_agents_files_are_told_apart(store: Store, corpus: Path) -> None:
    """From a folder with the files of many agents each importer gets its own and no others'."""
    report = import_sessions(store, path=corpus)

    assert report.failures == []
    found = store.connection.execute("SELECT agent, path FROM import_sources").fetchall()
    assert {agent for agent, _path in found} == COLLECTED
    for agent, path in found:
        parts = str(path).removeprefix(f"{corpus.resolve()}/").replace("#", "/").split("/")
        named = {CALLED.get(part, part) for part in parts} & COLLECTED
        # Rollouts lie about in one collection, under names of their own.
        assert named == {agent} or parts[-1].startswith("codex_"), path


def test_sums_of_each_agent(store: Store, corpus: Path) -> None:
    """What the other counter found in whole folders is what the archive has of each agent."""
    for agent in ("copilot", "gemini", "opencode", "pi"):
        import_sessions(store, [agent], path=corpus / agent)
    columns = (
        "sum(input_tokens)", "sum(cache_read_tokens)", "sum(cache_write_5m_tokens)",
        "sum(output_tokens)",
    )  # fmt: skip
    rows = store.connection.execute(
        f"SELECT source, {', '.join(columns)} FROM usage GROUP BY source ORDER BY source"
    ).fetchall()
    assert rows == [
        # Input less what came from the cache.
        ("copilot", 186_809 - 151_738, 151_738, 0, 2_848),
        # Input less cached; output and thoughts. Both of its folders.
        (
            "gemini",
            8_283_511 - 5_100_562 + 202_586 - 48_951,
            5_100_562 + 48_951,
            0,
            72_603 + 155_609 + 2_152 + 2_141,
        ),
        # Its totals show that this version has reasoning inside of output.
        ("opencode", 796_902, 4_932_480, 0, 51_366),
        ("pi", 1_049, 43_229_469, 4_296_232, 83_156),
    ]
    counted: dict[Any, Any] = dict(
        list(store.connection.execute("SELECT source, count(*) FROM sessions GROUP BY source"))
    )
    assert counted == {"copilot": 1, "gemini": 64, "opencode": 7, "pi": 1}
    query = "SELECT s.source, count(*) FROM tools t JOIN sessions s ON s.id = t.session_id"
    calls: dict[Any, Any] = dict(list(store.connection.execute(f"{query} GROUP BY 1")))
    assert calls == {"copilot": 13, "gemini": 562 + 12, "opencode": 220, "pi": 391}
