"""What the search index costs, measured within one process on a copy; prints JSON.

usage: indexing.py DATABASE
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clankers.store import Store
from clankers.store.search import update_index
from clankers.testing import make_message, make_session, make_tool

if TYPE_CHECKING:
    from collections.abc import Callable

_INDEX = ("message_search%", "tool_search%", "search_term%")
_TEXT_BYTES = """
SELECT (SELECT total(octet_length(text_content)) + total(octet_length(thinking)) FROM messages)
  + (SELECT total(octet_length(tool_input)) + total(octet_length(tool_output)) FROM tools)
"""
_LIKE = """
SELECT (SELECT count(*) FROM messages WHERE text_content LIKE ?1 OR thinking LIKE ?1)
  + (SELECT count(*) FROM tools WHERE tool_input LIKE ?1 OR tool_output LIKE ?1)
"""
_NAME = re.compile(r"\w+_\w+_\w+")
_NAMES, _ROWS, _SINGLE = 15, 1_000, 50


def measure(store: Store) -> dict[str, float]:
    text = store.connection.execute(_TEXT_BYTES).get
    index = store.connection.execute(
        "SELECT total(pgsize) FROM dbstat WHERE aggregate = 1"
        f" AND ({' OR '.join('name LIKE ?' for _name in _INDEX)})",
        _INDEX,
    ).get
    build = seconds(store.rebuild_index)
    names = rare_names(store)
    found = statistics.median(seconds(partial(store.search, name, limit=20)) for name in names)
    like = statistics.median(seconds(partial(look, store, name)) for name in names)
    return {
        "share": index / text,
        "text_mb": text / 1e6,
        "build_seconds": build,
        "search_ms": found * 1000,
        "like_ms": like * 1000,
        **growing(store),
    }


def look(store: Store, name: str) -> None:
    store.connection.execute(_LIKE, (f"%{name}%",)).fetchall()


def growing(store: Store) -> dict[str, float]:
    """Adding rows as an import adds them: the time of the index alone."""
    texts = [
        row
        for (row,) in store.connection.execute(
            "SELECT text_content FROM messages WHERE length(text_content) > 400 LIMIT 500"
        )
    ] or ["some words"]
    store.upsert(make_session())
    add(store, 0, _ROWS, texts)
    thousand = seconds(partial(index, store))
    single = []
    for number in range(_ROWS, _ROWS + _SINGLE):
        add(store, number, 1, texts)
        single.append(seconds(partial(index, store)))
    return {"thousand_ms": thousand * 1000, "one_ms": statistics.median(single) * 1000}


def index(store: Store) -> None:
    """As an import does at its end, all words collected."""
    with store.atomic():
        update_index(store.connection, uncollected=0)


def add(store: Store, first: int, count: int, texts: list[str]) -> None:
    for number in range(first, first + count):
        text = texts[number % len(texts)]
        store.upsert_many(
            [
                make_message(number, text_content=text),
                make_tool(number, tool_output=json.dumps(text * 2)),
            ]
        )


def rare_names(store: Store) -> list[str]:
    texts = store.connection.execute(
        "SELECT tool_output FROM tools WHERE n % 131 = 7 AND length(tool_output) > 500"
    )
    found = {match[0] for (text,) in texts if (match := _NAME.search(text))}
    return sorted(found, key=len, reverse=True)[:_NAMES] or ["max_open_files"]


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy.db")
        shutil.copyfile(sys.argv[1], copy)
        with Store.open(copy) as opened:
            print(json.dumps(measure(opened)))
