"""What holds for the importer of every agent, without a list of them anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.errors import ImporterError
from clankers.importers import Batch, Resume, agents, importer

if TYPE_CHECKING:
    from clankers.importers import Collection

AGENTS = agents()
EVERY = pytest.mark.parametrize("agent", AGENTS)
SUFFIXES = (".jsonl", ".json", ".db", ".vscdb", ".txt", "", ".jsonl.zst")
HEAVY = ("apsw", "attrs", "msgspec", "json", "zstandard", "dataclasses", "typing")


@EVERY
def test_costs_nothing_until_it_reads(agent: str) -> None:
    """Every import of anybody's sessions loads every importer, to ask for its roots."""
    act = (
        "import sys, os; import clankers.importing; before = set(sys.modules)\n"
        "from clankers.importers import importer; from pathlib import Path\n"
        f"one = importer({agent!r})\n"
        "list(one.roots({}, Path('/nowhere')))\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    found = subprocess.run(
        [sys.executable, "-c", act], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not set(found) & set(HEAVY)


@EVERY
def test_names_itself(agent: str) -> None:
    """Its file has the agent's name, and rows get the same one."""
    one = importer(agent)
    assert one.agent == agent
    assert one.version >= 1


@EVERY
def test_roots_are_below_the_home_it_is_given(agent: str, tmp_path: Path) -> None:
    """And are looked for nowhere else while no variable says so."""
    roots = importer(agent).roots({}, tmp_path)
    assert roots
    assert all(root.is_relative_to(tmp_path) for root in roots)


@EVERY
def test_finds_nothing_where_nothing_is(agent: str, tmp_path: Path) -> None:
    """An empty folder, one of other files, and a single file of nobody's."""
    one = importer(agent)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.md").write_text("# Notes\n")
    (tmp_path / "folder" / "data.csv").write_text("a,b\n1,2\n")
    assert [path for path in map(Path, one.find(tmp_path)) if path.suffix in (".md", ".csv")] == []
    assert not one.recognises(tmp_path / "folder" / "notes.md")
    assert not one.recognises(tmp_path / "folder" / "data.csv")


def read_all(agent: str, path: Path) -> list[Batch] | None:
    """What is read, session by session where there are many; None when it is refused as a whole."""
    one = importer(agent)
    try:
        if hasattr(one, "entries"):
            many = cast("Collection", one)
            if (entries := many.entries(path)) is not None:
                return [batch for entry in entries for batch in many.read_entry(path, entry.key)]
        return list(one.read(path, Resume()))
    except (ImporterError, OSError):
        return None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "message", "content", "id", "sessionId", "messages", "usage", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("junk")


@EVERY
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_anything_may_be_in_a_file(agent: str, folder: Path, data: st.DataObject) -> None:
    """Bytes, JSON of any shape, empty files, under any name: nothing but a refusal is raised."""
    import json

    content = data.draw(
        st.binary(max_size=200)
        | st.lists(JSON, max_size=4).map(
            lambda found: b"\n".join(json.dumps(one).encode() for one in found)
        )
        | JSON.map(lambda found: json.dumps(found).encode())
    )
    path = folder / f"{agent}-session{data.draw(st.sampled_from(SUFFIXES))}"
    path.write_bytes(content)
    importer(agent).recognises(path)
    for batch in read_all(agent, path) or []:
        assert batch.lines >= 0
        assert all(one.session_id for one in batch.messages)
        assert all(one.session_id for one in batch.usage)


@pytest.mark.slow
@EVERY
def test_other_agents_files(agent: str, corpus: Path) -> None:
    """Real files of all others: read by the wrong importer they are refused or counted, no more."""
    for path in sorted(corpus.rglob("*")):
        if path.is_file() and path.stat().st_size < 300_000:
            importer(agent).recognises(path)
            read_all(agent, path)


def test_every_agent_is_in_the_documents() -> None:
    """One row of the table in docs/reference/agents.md for each importer."""
    page = Path(__file__).parents[2] / "docs" / "reference" / "agents.md"
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line[:3] == "| ["]
    assert [row.split("`")[1] for row in rows] == AGENTS


def test_names_are_those_of_their_files() -> None:
    """An agent is found by its file alone."""
    import clankers.importers

    folder = os.path.dirname(clankers.importers.__file__)
    names = sorted(
        name.removesuffix(".py").replace("_", "-")
        for name in os.listdir(folder)
        if not name.startswith("_")
    )
    assert names == AGENTS
