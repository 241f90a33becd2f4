"""The documents are true: their code runs, their outputs are current, their links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from _blocks import BrokenBlock, blocks, followed, shape
from _meanings import TABLES
from _reference import Undocumented, described_tables
from generate import ROOT, pages, regenerated

import clankers

PAGES = pages()
EVERY_PAGE = pytest.mark.parametrize(
    "path", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES]
)
NEEDS_A_SHELL = pytest.mark.skipif(sys.platform == "win32", reason="is for a POSIX shell")
CI = ROOT / ".ci" / "run"
ADD_AN_AGENT = ROOT / "docs" / "how-to" / "add-an-agent.md"
ANSWER = {
    "squawk": "answer",
    "said": "hello again",
    "calls": [{"id": "c1", "tool": "fly", "input": {"to": "the mast"}}],
    "usage": {"in": 5, "out": 7},
}
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def read(path: Path) -> str:
    return path.read_text("utf-8")


class TestPages:
    @EVERY_PAGE
    def test_generated_parts_are_current(self, path: Path) -> None:
        """The reference says what the program is; `python docs/generate.py` brings it up to date."""
        assert regenerated(read(path)) == read(path)

    @EVERY_PAGE
    def test_code_does_what_the_page_says(self, path: Path) -> None:
        """Every block runs, and prints what stands under it; see docs/_blocks.py for the rules."""
        page = read(path)
        assert shape(followed(page, path.name)) == shape(page)

    @EVERY_PAGE
    def test_links_lead_somewhere(self, path: Path) -> None:
        """A link to a file finds the file, and one to a heading the heading."""
        broken = [
            f"{target}#{anchor}"
            for target, anchor in LINK.findall(read(path))
            if not target.startswith("https://") and not leads_somewhere(path, target, anchor)
        ]
        assert broken == []

    def test_the_index_has_all_of_them(self) -> None:
        """Every page of the documents can be reached from their index."""
        index = ROOT / "docs" / "index.md"
        linked = {(index.parent / target).resolve() for target, _ in LINK.findall(read(index))}
        assert {path for path in PAGES if path != index and path.parent != ROOT} == linked


def leads_somewhere(page: Path, target: str, anchor: str) -> bool:
    found = (page.parent / target).resolve() if target else page
    return found.is_file() and (not anchor or anchor in anchors(read(found)))


def anchors(page: str) -> set[str]:
    """The names that headings go by in an address."""
    headings = HEADING.findall(page)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_type_checkers_meet_every_public_name() -> None:
    """tests/typing/api.py holds the types of all that `import clankers` offers."""
    checked = set(re.findall(r"\bclankers\.(\w+)", read(ROOT / "tests" / "typing" / "api.py")))
    assert set(clankers.__all__) - checked == set()


class TestReadme:
    """The two commands on which a stranger's first impression hangs."""

    def commands(self) -> list[str]:
        return ["\n".join(b.lines) for b in blocks(read(ROOT / "README.md")) if b.language == "sh"]

    def test_has_exactly_two(self) -> None:
        """One command installs and shows usage, one runs all tests."""
        assert len(self.commands()) == 2

    @NEEDS_A_SHELL
    def test_the_first_shows_the_sample(self) -> None:
        """Where no agent was used there is something real to see."""
        assert self.cache_read_total() == "198,093"

    @NEEDS_A_SHELL
    def test_the_first_shows_own_sessions(self, home: Path) -> None:
        """Where an agent was used it is its usage, and the sample stays away."""
        write_transcript(home, cache_read_tokens=4_711)
        assert self.cache_read_total() == "4,711"

    def cache_read_total(self) -> str:
        """What the first command shows in all, once clankers is installed."""
        done = run_in_shell(self.commands()[0].partition("pip install -q . &&")[2])
        assert done.returncode == 0, done.stderr
        (total,) = [line.split() for line in done.stdout.splitlines() if line.startswith("total")]
        return total[4]

    @pytest.mark.skipif(not CI.exists(), reason="a source distribution has no CI")
    def test_the_second_is_what_ci_runs(self) -> None:
        """A contributor who follows the README sees what CI sees."""
        assert self.commands()[1] in read(CI)


def write_transcript(home: Path, *, cache_read_tokens: int) -> None:
    folder = home / ".claude" / "projects" / "-home-ada-code-tidewatch"
    folder.mkdir(parents=True)
    answer = {
        "id": "msg_1",
        "model": "claude-sonnet-4-5-20250929",
        "role": "assistant",
        "content": [{"type": "text", "text": "High water is at noon."}],
        "usage": {"cache_read_input_tokens": cache_read_tokens, "output_tokens": 7},
    }
    line = {
        "type": "assistant",
        "uuid": "u-1",
        "requestId": "req_1",
        "sessionId": "0b7f7f3e-0000-4000-8000-000000000001",
        "isSidechain": False,
        "timestamp": "2026-11-02T09:00:00Z",
        "message": answer,
    }
    path = folder / "0b7f7f3e-0000-4000-8000-000000000001.jsonl"
    path.write_text(json.dumps(line) + "\n", "utf-8")


def run_in_shell(command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as a person would, with the program of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", command],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


class TestMeanings:
    def test_a_column_without_a_meaning_is_refused(self) -> None:
        """Whoever adds a column says in docs/_meanings.py what it means."""
        columns = {**TABLES["sessions"].columns}
        del columns["title"]
        tables = {**TABLES, "sessions": TABLES["sessions"]._replace(columns=columns)}
        with pytest.raises(Undocumented, match=r"columns of sessions: .*\['title'\]"):
            described_tables(tables)

    def test_a_table_without_a_meaning_is_refused(self) -> None:
        """The same for a table."""
        tables = {name: table for name, table in TABLES.items() if name != "pruned"}
        with pytest.raises(Undocumented, match=r"tables: .*\['pruned'\]"):
            described_tables(tables)

    def test_a_meaning_of_nothing_is_refused(self) -> None:
        """What is gone from the database goes from the documents."""
        columns = {**TABLES["device"].columns, "owner": "whose it is"}
        tables = {**TABLES, "device": TABLES["device"]._replace(columns=columns)}
        with pytest.raises(Undocumented, match=r"columns of device: .*\['owner'\]"):
            described_tables(tables)


def page(*lines: str, mark: str = "", language: str = "console") -> str:
    return "\n".join([f"<!-- {mark} -->" if mark else "", f"```{language}", *lines, "```", ""])


class TestBlocks:
    """A check that lets anything pass would be worse than none."""

    @pytest.mark.parametrize(
        "broken",
        [
            page("$ clankers-cli sessions show nobody"),
            page("$ clankers-cli --version", mark="fails"),
            page("$ rm -rf /"),
            page("SELECT titel FROM sessions", language="sql"),
            page("DELETE FROM sessions", language="sql"),
            page("assert 1 == 2", language="python"),
            page("{", language="json"),
            page("=", language="toml"),
        ],
    )
    def test_a_broken_block_is_found(self, broken: str) -> None:
        """A command, statement or program that fails, or does not where it should, is an error."""
        with pytest.raises(BrokenBlock, match=r"a\.md, line 3"):
            followed(broken, "a.md")

    def test_another_output_is_found(self) -> None:
        """What a page shows is replaced by what is printed, numbers included."""
        before = page("$ clankers-cli query 'SELECT count(*) AS n FROM sessions'", "n", "-", "5")
        after = page("$ clankers-cli query 'SELECT count(*) AS n FROM sessions'", "n", "-", "4")
        assert followed(before, "a.md") == after
        assert shape(before) != shape(after)

    def test_the_output_of_a_program(self) -> None:
        """A block marked as output holds what the block above it printed."""
        program = page("print(6 * 7)", language="python")
        before = program + page("41", mark="output", language="text")
        after = program + page("42", mark="output", language="text")
        assert followed(before, "a.md") == after

    def test_only_widths_may_differ(self) -> None:
        """The length of a path changes how wide a table is, and nothing else may."""
        assert shape("path   n\n-----  -\n/home  1") == shape("path  n\n----  -\n/home  1")
        assert shape("a  1") != shape("a  2")
        assert shape("a b") != shape("ab")


class TestAddAnAgent:
    """The importer of the how-to, registered as its reader would."""

    @pytest.fixture
    def installed(self, tmp_path: Path) -> Path:
        """A folder of packages in which the how-to's is installed."""
        code = {block.language: "\n".join(block.lines) for block in blocks(read(ADD_AN_AGENT))}
        ((name, reference),) = entry_points(code["toml"]).items()
        module, _, _importer = reference.partition(":")
        source = tmp_path.joinpath("packages", *module.split(".")).with_suffix(".py")
        source.parent.mkdir(parents=True)
        source.write_text(code["python"], "utf-8")
        info = tmp_path / "packages" / "your_package-1.0.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text("Name: your-package\nVersion: 1.0\n")
        info.joinpath("entry_points.txt").write_text(
            f"[clankers.importers]\n{name} = {reference}\n"
        )
        return info.parent

    def test_imports_what_grows(self, home: Path, installed: Path) -> None:
        """Lines are counted, a bad one costs no other, and a grown file is read on."""
        path = home / ".parrot" / "polly.parrot.jsonl"
        path.parent.mkdir()
        path.write_text('{"squawk": "prompt", "said": "hello"}\nnot json\n', "utf-8")
        assert import_parrot(installed) == {"new": 1, "updated": 0, "lines": 2, "malformed": 1}
        assert said() == [("parrot", 1, "hello")]

        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(ANSWER) + "\n")
        assert import_parrot(installed) == {"new": 0, "updated": 1, "lines": 1, "malformed": 0}
        assert said() == [("parrot", 1, "hello"), ("parrot", 2, "hello again")]
        assert called() == [("fly", 3, "polly:L3", 5, 7)]


def entry_points(pyproject: str) -> dict[str, str]:
    found: dict[str, str] = tomllib.loads(pyproject)["project"]["entry-points"][
        "clankers.importers"
    ]
    return found


def import_parrot(packages: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "clankers_cli", "import", "parrot", "--json"],
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    return {name: report[name] for name in ("new", "updated", "lines", "malformed")}


def said() -> list[tuple[Any, ...]]:
    return asked(
        "SELECT s.source, m.seq, m.text_content FROM messages m"
        " JOIN sessions s ON s.id = m.session_id ORDER BY m.seq"
    )


def called() -> list[tuple[Any, ...]]:
    return asked(
        "SELECT t.tool_name, t.seq, t.message_id, u.input_tokens, u.output_tokens"
        " FROM tools t JOIN usage u ON u.message_id = t.message_id"
    )


def asked(statement: str) -> list[tuple[Any, ...]]:
    with clankers.Query(clankers.Config.load().database_path()) as query:
        return list(query.query(statement))
