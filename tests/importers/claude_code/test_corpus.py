"""Real transcripts, against an independent count of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clankers.importers.claude_code import IMPORTER
from clankers.importing import import_sessions
from clankers.store import Store

from ._transcripts import archived, batches_of, counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clankers.models import Usage

SOURCES = [
    "claude-code/d-kimuson-viewer",
    "claude-code/daaain-claude-code-log-synthetic",
    "claude-code/daaain-message-samples",
    "claude-code/jimmc414-cctrace",
    "claude-code/lanegrid-agtrace",
    "claude-code/m-claude",
    "claude-code/mai0313-vct",
    "claude-code/moredip-session-share",
    "claude-code/obra-episodic-memory",
    "claude-code/slopus-happy",
    "claude-code/yoavf-ai-sessions",
]
SUMMED = """SELECT sum(input_tokens), sum(cache_read_tokens),
  sum(cache_write_5m_tokens + cache_write_1h_tokens), sum(output_tokens) FROM usage"""


def expectation(corpus: Path) -> Any:
    return json.loads((corpus / "expected.json").read_text())


def sums(usage: Iterable[Usage]) -> dict[str, int]:
    rows = list(usage)
    return {
        "input_tokens": sum(one.input_tokens for one in rows),
        "cache_read_input_tokens": sum(one.cache_read_tokens for one in rows),
        "cache_creation_input_tokens": sum(
            one.cache_write_5m_tokens + one.cache_write_1h_tokens for one in rows
        ),
        "output_tokens": sum(one.output_tokens for one in rows),
    }


def stored_sums(store: Store) -> dict[str, int]:
    names = (
        "input_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "output_tokens",
    )
    (row,) = store.connection.execute(SUMMED)
    return dict(zip(names, map(int, row), strict=True))


def added(*counts: dict[str, int]) -> dict[str, int]:
    return {name: sum(one[name] for one in counts) for name in counts[0]}


@pytest.mark.parametrize("source", SOURCES)
def test_a_collection_imported_alone(corpus: Path, tmp_path: Path, source: str) -> None:
    """Tokens, lines and damaged lines are what another counter found."""
    truth = expectation(corpus)["sources"][source]
    with Store.open(tmp_path / "alone.db") as store:
        report = import_sessions(store, ["claude-code"], path=corpus / source)
        assert report.failures == []
        assert stored_sums(store) == truth["usage_cross_file_dedup"]
    assert (report.lines, report.malformed) == (truth["lines"], truth["malformed"])


def test_all_collections_together(corpus: Path, tmp_path: Path) -> None:
    """They have no response in common, so that their sums add up."""
    truths = expectation(corpus)["sources"]
    with Store.open(tmp_path / "together.db") as store:
        import_sessions(store, ["claude-code"], path=corpus / "claude-code")
        expected = added(*(truths[one]["usage_cross_file_dedup"] for one in SOURCES))
        assert stored_sums(store) == expected
    assert [one for one in truths if one.startswith("claude-code/")] == SOURCES


def test_every_file_alone(corpus: Path) -> None:
    """Within each file, too, a response counts once; every call and every line is there."""
    truths = expectation(corpus)["files"]
    different, unknown = {}, []
    for path in map(Path, IMPORTER.find(corpus / "claude-code")):
        truth = truths[path.relative_to(corpus).as_posix()]
        batches = batches_of(path)
        archive = archived(batches)
        imported, noise, strange, malformed = counted(batches)
        assert imported + noise + strange + len(malformed) == truth["lines"]
        assert len(malformed) == truth["malformed"]
        called = [one for one in archive.tools.values() if one.message_id]
        assert len(called) == truth["tool_use"]
        unknown += [path.name] * strange
        if (found := sums(archive.usage.values())) != truth["usage"]:
            different[path.name] = found["output_tokens"], truth["usage"]["output_tokens"]
    # It repeats a response without its request id, which the other counter takes for a
    # second one as long as it looks at one file.
    assert different == {"duplicate-assistant-response.jsonl": (11, 16)}
    # A line that someone made up to see what happens.
    assert unknown == ["edge_cases.jsonl"]


def test_fixtures_of_later_versions(corpus: Path) -> None:
    """Nothing in them is unknown but the records that their authors made up."""
    folder = corpus / "multi-synthetic/jazzyalex-agent-sessions/Resources/Fixtures"
    found = {}
    for path in map(Path, IMPORTER.find(folder / "stage0/agents/claude")):
        batches = batches_of(path)
        present = sum(1 for one in path.read_bytes().splitlines() if one.strip())
        assert sum(one.lines for one in batches) == present
        found[path.stem] = sum(one.unknown for one in batches)
    assert found == {
        "0a1b2c3d-4e5f-4061-8071-2a3b4c5d6e7f": 0,
        "agent-a0ad4f44468bdf20d": 0,
        "large": 0,
        "schema_drift": 2,
        "small": 0,
    }
