"""What holds for the importer of every agent, without a list of them anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

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
def test_a_variable_may_name_the_home(
    agent: str, agent_variables: tuple[str, ...], tmp_path: Path, home: Path
) -> None:
    """As `~`, which programs that start others do not replace."""
    roots = importer(agent).roots(dict.fromkeys(agent_variables, "~/moved"), tmp_path)
    assert not any(part.startswith("~") for root in roots for part in root.parts)
    assert all(root.is_relative_to(tmp_path) or root.is_relative_to(home) for root in roots)


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
        assert min(batch.imported, batch.noise, batch.unknown) >= 0
        assert batch.malformed == sorted({n for n in batch.malformed if n > 0})
        rows: list[Any] = [*batch.messages, *batch.tools, *batch.errors, *batch.compactions]
        assert all(one.session_id and one.id.startswith(f"{one.session_id}:") for one in rows)
        assert all(one.session_id and one.id.startswith(f"{agent}:") for one in batch.usage)


@EVERY
def test_a_damaged_database_is_nobodys(agent: str, tmp_path: Path) -> None:
    """It is refused for what it is where it is read, not where it is looked at."""
    path = tmp_path / f"{agent}.db"
    path.write_bytes(b"SQLite format 3\0")
    assert not importer(agent).recognises(path)


# A record of each agent with something nested in it that its importer looks into.
NESTING = {
    "amp": (
        "T-1.json",
        (
            '{"id":"T-1","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"c",'
            '"input":@}]},{"role":"user","content":[{"type":"tool_result","toolUseID":"c","run":'
            '{"status":"error","result":@}}]}]}'
        ),
    ),
    "claude-code": (
        "11111111-1111-4111-8111-111111111111.jsonl",
        (
            '{"type":"user","uuid":"u","sessionId":"s","message":{"role":"user","content":'
            '[{"type":"tool_result","tool_use_id":"c","is_error":true,"content":@}]},'
            '"toolUseResult":@}'
        ),
    ),
    "cline": (
        "ui_messages.json",
        '[{"ts":1,"say":"api_req_started","text":"{\\"tokensIn\\":1,\\"x\\":@}"}]',
    ),
    "codex": (
        "rollout-2026-01-01T00-00-00-11111111-1111-4111-8111-111111111111.jsonl",
        (
            '{"type":"response_item","payload":{"type":"function_call_output","call_id":"c",'
            '"output":@}}'
        ),
    ),
    "copilot": (
        "11111111-1111-4111-8111-111111111111.jsonl",
        '{"type":"tool.execution_complete","data":{"toolCallId":"c","success":false,"result":@}}',
    ),
    "cursor": (
        "agent-transcripts/11111111-1111-4111-8111-111111111111.jsonl",
        '{"role":"user","message":{"content":[{"type":"tool_result","content":@}]}}',
    ),
    "droid": (
        "11111111-1111-4111-8111-111111111111.jsonl",
        (
            '{"type":"message","id":"a","message":{"role":"user","content":[{"type":"tool_result",'
            '"tool_use_id":"c","content":@}]}}'
        ),
    ),
    "gemini": (
        "session-a.jsonl",
        '{"id":"1","type":"gemini","content":@,"toolCalls":[{"id":"c","args":@,"result":@}]}',
    ),
    "goose": (
        "20250131_235959.jsonl",
        (
            '{"role":"user","created":1,"content":[{"type":"toolResponse","id":"c","toolResult":'
            '{"status":"error","error":@}}]}'
        ),
    ),
    "gptme": (
        "conversation.jsonl",
        '{"role":"user","content":@,"timestamp":"2026-01-01T00:00:00"}',
    ),
    "grok": (
        "updates.jsonl",
        (
            '{"params":{"update":{"sessionUpdate":"tool_call_update","toolCallId":"c",'
            '"status":"failed","rawOutput":@}}}'
        ),
    ),
    "kimi": (
        "wire.jsonl",
        (
            '{"type":"context.append_message","message":{"role":"tool","toolCallId":"c",'
            '"isError":true,"content":@}}'
        ),
    ),
    "pi": (
        "2026-01-01T00-00-00-000Z_11111111-1111-4111-8111-111111111111.jsonl",
        (
            '{"type":"message","id":"a","message":{"role":"toolResult","toolCallId":"c",'
            '"isError":true,"content":@}}'
        ),
    ),
    "qwen-code": (
        "chats/11111111-1111-4111-8111-111111111111.jsonl",
        (
            '{"uuid":"b","type":"tool_result","message":{"parts":[{"functionResponse":{"id":"c",'
            '"response":{"error":@}}}]}}'
        ),
    ),
}
LISTS, OBJECTS = ("[", "1", "]"), ('{"a":', "1", "}")


@pytest.mark.parametrize("kind", [LISTS, OBJECTS])
@EVERY
def test_a_value_nested_deeply(agent: str, kind: tuple[str, str, str], tmp_path: Path) -> None:
    """However deep it is, what stands beside it is read: nothing is raised, each line counts once."""
    begin, middle, end = kind
    name, record = NESTING.get(agent, ("session.jsonl", '{"type":"message","message":@}'))
    path = tmp_path / "sessions" / name
    path.parent.mkdir(parents=True)
    one = importer(agent)
    for levels in (30, 200, 340, 480, 900, 2_000, 100_000):
        line = record.replace("@", begin * levels + middle + end * levels)
        path.write_text(line if name.endswith(".json") else f"{line}\n{{}}\n{line}\n")
        one.recognises(path)
        for found in map(Path, one.find(tmp_path)):
            one.recognises(found)
            batches = read_all(agent, found)
            assert batches is not None
            if found.suffix == ".jsonl":
                assert sum(batch.lines for batch in batches) == 3


PIPES = (
    *("x.jsonl", "session-x.jsonl", "session-x.json", "wire.jsonl", "events.jsonl"),
    *("T-1.json", "rollout-x.jsonl", "x.settings.json", "conversation.jsonl", "updates.jsonl"),
    *("summary.json", "ui_messages.json", "x.messages.json", "store.db", "state.vscdb"),
    *("opencode.db", "sessions.db", "ses_1.json", "msg_1.json", "x.txt"),
)
FOLDERS = ("chats", "tmp/p/chats", "agent-transcripts", "storage/session/p", "agents/main", "x/s")


@EVERY
def test_pipes_are_not_waited_for(agent: str, tmp_path: Path) -> None:
    """A pipe with the name of a session would never end: looking for sessions goes on at once."""
    for folder in FOLDERS:
        (tmp_path / "root" / folder).mkdir(parents=True, exist_ok=True)
        for name in PIPES:
            os.mkfifo(tmp_path / "root" / folder / name)
    act = (
        "import sys; from pathlib import Path; from clankers.importers import importer\n"
        "one, root = importer(sys.argv[1]), Path(sys.argv[2])\n"
        "found = list(map(Path, one.find(root)))\n"
        "for path in sorted(root.rglob('*')) + found:\n"
        "    try:\n"
        "        one.recognises(path)\n"
        "    except OSError:\n"
        "        pass\n"
    )
    subprocess.run(
        [sys.executable, "-c", act, agent, str(tmp_path / "root")], check=True, timeout=30
    )


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
