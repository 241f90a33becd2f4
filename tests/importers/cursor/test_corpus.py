"""Fixtures of other tools: all that there is of Cursor, against an independent count of lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clankers.importers.cursor import IMPORTER
from clankers.importing import import_sessions
from clankers.store import Store

from ._stores import counted, everything

if TYPE_CHECKING:
    from pathlib import Path

UPSTREAM = "00000000-0016-4016-8016-000000000016"


def test_every_line(corpus: Path) -> None:
    """Lines and malformed lines of each transcript are the other counter's; none is unknown."""
    expected = json.loads((corpus / "expected.json").read_text())["files"]
    compared = 0
    for path in IMPORTER.find(corpus):
        if path.suffix == ".jsonl":
            truth = expected[path.relative_to(corpus).as_posix()]
            imported, noise, unknown, malformed = counted(everything(path))
            assert imported + noise + unknown + malformed == truth["lines"]
            assert (unknown, malformed) == (0, truth["malformed"])
            compared += 1
    assert compared == 15


def test_an_editors_database(corpus: Path) -> None:
    """Bubbles come in the order of the list, also those kept under another id."""
    (path,) = [one for one in IMPORTER.find(corpus / "cursor") if one.suffix == ".vscdb"]
    found = everything(path)
    assert [one.native_id for one in found.messages] == [
        "native-user-016",
        "synthetic-collision-row",
        "fallback-assistant-016",
        "native-tool-read-016",
        "native-tool-search-016",
        "empty-id-row-016",
    ]
    assert [one.tool_name for one in found.tools] == ["read_file", "search"]
    assert [one.project_path for one in found.sessions] == ["/fixture/v016/project"]
    assert counted(found) == (7, 1, 0, 0)


def test_calls_with_their_results(corpus: Path) -> None:
    """Results without ids meet the calls they are of."""
    (path,) = [
        one
        for one in IMPORTER.find(corpus)
        if one.name == "large.jsonl" and one.parent.name == "cursor"
    ]
    found = everything(path)
    assert [(one.tool_name, one.tool_output) for one in found.tools if one.tool_name] == [
        ("Bash", '"file1.txt\\nfile2.txt"'),
        ("Read", '"hello world"'),
    ]


def test_among_other_agents(tmp_path: Path, corpus: Path) -> None:
    """Of a folder with all agents' files Cursor's importer takes its own, and fails on none."""
    with Store.open(tmp_path / "clankers.db") as store:
        report = import_sessions(store, ["cursor"], path=corpus)
        assert (report.files, report.failures) == (17, [])
        assert store.session(UPSTREAM).message_count == 6
