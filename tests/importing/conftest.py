"""A store, a transcript, another package's importer, and what is opened meanwhile."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clankers.store import Store
from importing._transcripts import SESSION, answer, call, prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from importing._parrot import Parrot

_OPENED: set[str] | None = None
_LOOKS = {"open", "os.listdir", "os.scandir"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "clankers.db") as opened:
        yield opened


@pytest.fixture
def projects(home: Path) -> Path:
    """Claude Code's folder in the home directory, with one project."""
    folder = home / ".claude" / "projects"
    (folder / "-home-ada-engine").mkdir(parents=True)
    return folder


@pytest.fixture
def transcript(projects: Path) -> Path:
    """A session: a prompt, a tool call, an answer, a line that is no JSON, and a known noise."""
    path = projects / "-home-ada-engine" / f"{SESSION}.jsonl"
    path.write_text(
        prompt("How high is the tide?", minute=1)
        + call("Bash", minute=2)
        + answer("Two metres.", minute=3)
        + "not json\n"
        + '{"type":"file-history-snapshot","messageId":"x","snapshot":{}}\n'
        + '{"type":"from-the-future"}\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture
def parrot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Parrot]:
    """Another package's importer for the agent `parrot`, installed as pip would."""
    install(tmp_path / "site", "parrot", "importing_parrot:IMPORTER", monkeypatch)
    source = Path(__file__).with_name("_parrot.py").read_text(encoding="utf-8")
    (tmp_path / "site" / "importing_parrot.py").write_text(source, encoding="utf-8")
    import importing_parrot  # type: ignore[import-not-found]

    yield importing_parrot.IMPORTER
    del sys.modules["importing_parrot"]


def install(site: Path, agent: str, reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a distribution that brings the importer `reference` for an agent."""
    declared = site / f"clankers_{agent}-1.0.dist-info"
    declared.mkdir(parents=True)
    (declared / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: clankers-{agent}\nVersion: 1.0\n"
    )
    (declared / "entry_points.txt").write_text(f"[clankers.importers]\n{agent} = {reference}\n")
    monkeypatch.syspath_prepend(site)


@pytest.fixture
def opened() -> Callable[[], AbstractContextManager[set[str]]]:
    """Collects the paths of all files that Python opens and folders that it lists inside."""
    return _collect_opened


@contextmanager
def _collect_opened() -> Iterator[set[str]]:
    global _OPENED  # noqa: PLW0603 - an audit hook cannot be removed, only told to rest
    found: set[str] = set()
    _OPENED = found
    try:
        yield found
    finally:
        _OPENED = None


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _LOOKS and _OPENED is not None and isinstance(arguments[0], str):
        _OPENED.add(arguments[0])


sys.addaudithook(_note)
