"""Searching: whole processes, and what the index costs."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import statistics
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from bench._measure import CommandError, Row, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench._measure import Command
    from bench._peers import AgentsView

_INDEXING = Path(__file__).parent / "indexing.py"
_WORDS = re.compile(r"[a-z]{4,9}")
_NAMES = re.compile(r"[A-Za-z_]\w+(?:[._/-]\w+)+")
_UNSPACED = ("検索", "データベース", "接続", "数据库", "中", "การค้นหา", "검색", "索引")
_SECONDS_TO_STOP = 30.0


def queries(database: Path, *, quick: bool) -> dict[str, list[str]]:
    """Searches of each kind, drawn from what is in the database; the same ones each time."""
    chance = random.Random(11)
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as reader:
        texts = [
            text
            for table, column in (("messages", "text_content"), ("tools", "tool_output"))
            for (text,) in reader.execute(
                f"SELECT {column} FROM {table} WHERE length({column}) > 200 AND n % 97 = 1"
            )
        ]
    share = 3 if quick else 1
    return {
        "words": [_words(chance, texts) for _ in range(24 // share)],
        "names": [_name(chance, texts) for _ in range(40 // share)],
        "parts": [_part(chance, texts) for _ in range(20 // share)],
        "no spaces": list(_UNSPACED),
    }


def _words(chance: random.Random, texts: list[str]) -> str:
    found = _WORDS.findall(chance.choice(texts))
    return " ".join(chance.choices(found, k=chance.choice((1, 2, 2, 3)))) if found else "file"


def _name(chance: random.Random, texts: list[str]) -> str:
    found = _NAMES.findall(chance.choice(texts))
    return chance.choice(found)[:60] if found else "os.path"


def _part(chance: random.Random, texts: list[str]) -> str:
    text = chance.choice(texts)
    start = chance.randrange(len(text) - 20)
    return f'"{text[start : start + chance.randint(5, 14)].replace(chr(34), " ").strip()}"'


class Searching:
    """Measures searches over a database that an import has just written."""

    def __init__(
        self, ours: Command, env: dict[str, str], database: Path, peer: AgentsView | None
    ) -> None:
        self._ours = ours
        self._env = env
        self._database = database
        self._peer = peer
        self.notes: list[str] = []

    def rows(self, *, quick: bool) -> Iterator[Row]:
        asked = queries(self._database, quick=quick)
        yield from self._beside_peer(asked["words"])
        every = [text for kind in asked.values() for text in kind]
        times = sorted(self._milliseconds(text) for text in every)
        middle, late = times[len(times) // 2], times[int(len(times) * 0.95)]
        work = f"search, {len(every)} of all kinds"
        yield Row(f"{work}, p50", middle, "ms", goal=25, goal_is="at most")
        yield Row(f"{work}, p95", late, "ms", goal=38, goal_is="at most")
        yield from self._index()

    def _milliseconds(self, text: str) -> float:
        command = [*self._ours, "search", "--limit", "20", "--", text]
        return run(command, self._env).seconds * 1000

    def _beside_peer(self, words: list[str]) -> Iterator[Row]:
        if self._peer is None:
            ours = statistics.median(self._milliseconds(text) for text in words)
            yield Row("search for words", ours, "ms")
            return
        daemon = self._peer.start_daemon()
        try:
            pairs = [(self._milliseconds(text), self._theirs(text)) for text in words]
        except CommandError as problem:
            self.notes.append(f"agentsview's search does not run: {problem}")
            return
        finally:
            daemon.terminate()
            daemon.wait(_SECONDS_TO_STOP)
        ours = statistics.median(pair[0] for pair in pairs)
        theirs = statistics.median(pair[1] for pair in pairs)
        yield Row("search for words", ours, "ms", "agentsview --fts, daemon", theirs, 0.6)

    def _theirs(self, text: str) -> float:
        assert self._peer is not None
        command: Command = [
            *(self._peer.program, "session", "search"),
            *("--fts", "--limit", "40", "--", text),
        ]
        return run(command, self._peer.daemon_env).seconds * 1000

    def _index(self) -> Iterator[Row]:
        found = json.loads(run([sys.executable, _INDEXING, self._database]).out)
        yield Row("search index, of its text", found["share"], "x", goal=0.16, goal_is="at most")
        per_100 = found["build_seconds"] / found["text_mb"] * 100
        yield Row("search index, built", per_100, "s/100MB", goal=2.5, goal_is="at most")
        yield Row(
            "index 1,000 messages and calls",
            found["thousand_ms"],
            "ms",
            goal=220,
            goal_is="at most",
        )
        yield Row("index one message and call", found["one_ms"], "ms", goal=2, goal_is="at most")
        yield Row(
            "rare names", found["search_ms"], "ms", "LIKE over all rows", found["like_ms"], 0.35
        )
