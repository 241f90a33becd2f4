"""Real sessions, against an independent count of them."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from clankers.importers.opencode import IMPORTER

from ._sessions import batches_of, imported, rows

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.importers import Batch
    from clankers.store import Store

SHARE = "opencode/dark-factory/share/opencode"


def truths(corpus: Path) -> dict[str, dict[str, Any]]:
    """By session, what the other counter found in its export."""
    files = json.loads((corpus / "expected.json").read_text())["files"]
    found = [one for name, one in files.items() if name.startswith("opencode/dark-factory/export/")]
    assert len(found) == 7
    return {one["session"]: one for one in found}


@pytest.mark.parametrize("place", ["opencode.db", "storage"])
def test_every_session_as_it_was_counted(corpus: Path, place: str) -> None:
    """Titles, messages, parts, tokens and calls of each session are the counter's."""
    expected = truths(corpus)
    path = corpus / SHARE / place
    assert {one.key for one in IMPORTER.entries(path)} == set(expected)
    for key, truth in expected.items():
        compare(list(IMPORTER.read_entry(path, key)), truth)


def compare(batches: list[Batch], truth: dict[str, Any]) -> None:
    assert batches[-1].sessions[0].title == truth["title"]
    assert batches[-1].sessions[0].parent_id == truth["parent"]
    messages = [one for batch in batches for one in batch.messages]
    assert Counter(one.role for one in messages) == truth["roles"]
    written = sum(truth["roles"].values()) + sum(truth["parts"].values())
    assert sum(one.lines for one in batches) == 1 + written
    assert sum(one.noise for one in batches) == truth["parts"]["step-start"]
    assert [(one.unknown, one.malformed) for one in batches] == [(0, [])] * len(batches)
    usage = [one for batch in batches for one in batch.usage]
    sums = truth["tokens"]
    assert sum(one.input_tokens for one in usage) == sums["input"]
    assert sum(one.cache_read_tokens for one in usage) == sums["cache_read"]
    assert sum(one.cache_write_5m_tokens for one in usage) == sums["cache_write"]
    # 1.2.5 wrote reasoning as a part of the output: each total is reached without it.
    assert sum(one.output_tokens for one in usage) == sums["output"]
    assert sum(one.reasoning_tokens for one in usage) == sums["reasoning"]
    assert {one.cost_reported for one in usage} == {None}
    assert {f"{one.provider}/{one.model}" for one in usage} == set(truth["models"])
    tools = [one for batch in batches for one in batch.tools]
    assert len(tools) == truth["parts"]["tool"]
    assert sum(one.success is not None for one in tools) == truth["tool_status"]["completed"]


def test_the_archive_of_folder_and_database(corpus: Path, store: Store) -> None:
    """Together they are seven sessions, in which nothing counts twice."""
    imported(store, corpus / SHARE)
    assert rows(
        store,
        "SELECT count(*), sum(prompt_tokens), sum(completion_tokens), sum(message_count),"
        " sum(tool_call_count) FROM sessions",
    ) == [(7, 796_902 + 4_932_480, 51_366, 216, 220)]
    assert rows(store, "SELECT count(*), sum(reasoning_tokens) FROM usage") == [(170, 18_651)]
    # Commands whose exit was 1.
    assert rows(store, "SELECT count(*) FROM tools WHERE success = 0") == [(3,)]
    assert rows(store, "SELECT error_type, count(*) FROM session_errors GROUP BY 1") == [
        ("MessageAbortedError", 5)
    ]


def test_fixtures_of_another_tool(corpus: Path) -> None:
    """Two older layouts: ids that differ from file names, parts without a folder of their own."""
    fixtures = (
        corpus
        / "multi-synthetic/jazzyalex-agent-sessions/Resources/Fixtures/stage0/agents/opencode"
    )
    legacy, newer = IMPORTER.find(fixtures)
    (batch,) = batches_of(legacy)
    assert batch.sessions[0].title == "OpenCode Drift"
    assert batch.messages[1].text_content == "Read README and extracted the title."
    assert [(one.tool_name, one.success) for one in batch.tools] == [("bash", True)]
    large, small = batches_of(newer)
    assert [one.success for one in large.tools] == [False]
    assert [one.error_type for one in large.errors] == ["MessageAbortedError"]
    assert (large.usage[0].input_tokens, large.usage[0].output_tokens) == (120, 16)
    assert len(large.compactions) == 1
    assert small.messages[1].model == "gpt-4o-mini"
    assert sum(one.lines for one in (batch, large, small)) == 5 + 16 + 6


def test_no_other_agents_files_are_taken(corpus: Path) -> None:
    """In a folder with the files of many agents only OpenCode's are found."""
    found = [path.relative_to(corpus).as_posix() for path in IMPORTER.find(corpus)]
    assert [name.rpartition("/")[2] for name in found] == [
        "storage_legacy",
        "storage_v2",
        "storage",
        "opencode.db",
    ]
    assert all(IMPORTER.recognises(corpus / name) for name in found)
    others = [*corpus.glob("cursor/**/*.vscdb"), *corpus.glob("multi-synthetic/**/*.db")]
    assert others
    assert not any(IMPORTER.recognises(path) for path in others)
