"""Redacting texts as sync sends them; prints MB/s of clean texts and of lower-casing the same.

usage: redacting.py FOLDER [MB]; the texts are those of the Claude Code transcripts in the folder.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clankers.sync.redaction import redact_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MB = 1_000_000
_TURNS = 5


def redacting(folder: Path, most: int) -> tuple[float, float]:
    """The rate of `redact_all`, and of the cheapest thing that reads every character."""
    texts = _clean_texts(folder, most)
    size = sum(map(len, texts)) / _MB
    redacted = _seconds(lambda: redact_all(texts))
    lowered = _seconds(lambda: [text.lower() for text in texts])
    return size / redacted, size / lowered


def _clean_texts(folder: Path, most: int) -> list[str]:
    found: list[str] = []
    size = 0
    for text in _texts(folder):
        found.append(text)
        size += len(text)
        if size > most:
            break
    pairs = zip(found, redact_all(found), strict=True)
    return [text for text, redacted in pairs if text is redacted]


def _texts(folder: Path) -> Iterator[str]:
    for file in sorted(folder.rglob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            yield from _of_content(json.loads(line).get("message", {}).get("content", ""))


def _of_content(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
        return
    for block in content:
        if "input" in block:
            yield json.dumps(block["input"])
        elif "text" in block:
            yield block["text"]
        else:
            yield from _of_content(block.get("content", ""))


def _seconds(work: Callable[[], object]) -> float:
    measured = []
    for _turn in range(_TURNS):
        started = time.perf_counter()
        work()
        measured.append(time.perf_counter() - started)
    return statistics.median(measured)


if __name__ == "__main__":
    print(*redacting(Path(sys.argv[1]), int(float(sys.argv[2]) * _MB)))
