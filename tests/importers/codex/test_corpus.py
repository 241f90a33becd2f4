"""Real rollouts, against an independent count of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clankers.importers.codex import IMPORTER

from ._rollouts import archived, batches_of, counted

if TYPE_CHECKING:
    from pathlib import Path


def test_sums_and_lines_of_real_rollouts(corpus: Path) -> None:
    """Tokens, lines and calls of every file equal what another counter found."""
    expected = json.loads((corpus / "expected.json").read_text())["files"]
    compared = 0
    for path in IMPORTER.find(corpus / "codex"):
        truth = expected[path.relative_to(corpus).as_posix()]
        batches = batches_of(path)
        archive = archived(batches)
        imported, noise, unknown, malformed = counted(batches)
        assert imported + noise + unknown + len(malformed) == truth["lines"]
        assert (unknown, len(malformed)) == (0, truth["malformed"])
        sums = truth["tokens_sum_last_dedup"]
        usage = archive.usage.values()
        assert sum(one.input_tokens + one.cache_read_tokens for one in usage) == sums.get(
            "input_tokens", 0
        )
        assert sum(one.cache_read_tokens for one in usage) == sums.get("cached_input_tokens", 0)
        assert sum(one.output_tokens for one in usage) == sums.get("output_tokens", 0)
        assert sum(one.reasoning_tokens for one in usage) == sums.get("reasoning_output_tokens", 0)
        asked = [one for one in archive.tools.values() if one.message_id]
        assert len(asked) == truth["tool_calls"]
        failed = [one.error_message or "" for one in asked if one.success is False]
        # The other counter knows exit codes only: a patch that Codex refuses has none.
        refused = ("patch rejected", "apply_patch verification failed")
        exited = [words for words in failed if not words.startswith(refused)]
        assert len(exited) == truth["tool_nonzero_exit"]
        prompts = [one for one in archive.messages.values() if one.role == "user"]
        assert len(prompts) == truth["turns"]
        compared += 1
    assert compared == 7


def test_no_line_of_other_collections_is_lost(corpus: Path) -> None:
    """Fixtures of later versions: every line is taken, and nothing raises."""
    folder = corpus / "multi-synthetic/jazzyalex-agent-sessions/Resources/Fixtures"
    paths = [*folder.glob("codex_*.jsonl"), *folder.glob("stage0/agents/codex/*.jsonl")]
    assert len(paths) == 7
    for path in paths:
        present = sum(1 for one in path.read_bytes().splitlines() if one.strip())
        assert sum(one.lines for one in batches_of(path)) == present
