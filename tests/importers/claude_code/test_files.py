"""Where transcripts are, and which session each of them is."""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from pathlib import Path

import pytest

from clankers.importers.claude_code import IMPORTER

from ._transcripts import (
    OTHER,
    PROJECT,
    SESSION,
    answer,
    archived,
    batches_of,
    encoded,
    imported,
    line,
    moment,
    transcript,
    user,
)

HOME = Path("/home/ada")


def found(root: Path) -> list[Path]:
    return [Path(name) for name in IMPORTER.find(root)]


def written(folder: Path, *names: str) -> list[Path]:
    """Empty files; those that end in a slash are folders."""
    paths = []
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.touch()
        paths.append(path)
    return paths


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ["/home/ada/.config/claude/projects", "/home/ada/.claude/projects"]),
        (
            {"XDG_CONFIG_HOME": "/xdg"},
            ["/xdg/claude/projects", "/home/ada/.claude/projects"],
        ),
        ({"CLAUDE_CONFIG_DIR": "/one"}, ["/one/projects"]),
        ({"CLAUDE_CONFIG_DIR": "/one, /two/projects,"}, ["/one/projects", "/two/projects"]),
        ({"CLAUDE_CONFIG_DIR": "/one,/one/projects"}, ["/one/projects"]),
        (
            {"CLAUDE_CONFIG_DIR": " , "},
            ["/home/ada/.config/claude/projects", "/home/ada/.claude/projects"],
        ),
    ],
)
def test_roots(environ: dict[str, str], expected: list[str]) -> None:
    """The variable names one or several configurations or their projects, else both places."""
    assert IMPORTER.roots(environ, HOME) == [Path(one) for one in expected]


def test_a_configuration_that_is_called_projects(tmp_path: Path) -> None:
    """What is inside decides: the folder named in the variable may itself be called so."""
    written(tmp_path, "projects/projects/-a/x.jsonl")
    root = tmp_path / "projects"
    assert IMPORTER.roots({"CLAUDE_CONFIG_DIR": str(root)}, HOME) == [root / "projects"]


def test_parents_come_before_their_subagents(tmp_path: Path) -> None:
    """Also the files of workflows are found, and the order never changes."""
    expected = written(
        tmp_path / "projects",
        "-a/one.jsonl",
        "-a/two.jsonl",
        "-a/one/subagents/agent-1.jsonl",
        "-a/one/subagents/workflows/wf/agent-2.jsonl",
        "-b/three.jsonl",
    )
    assert found(tmp_path) == expected


def test_what_is_no_transcript_is_not_found(tmp_path: Path) -> None:
    """Saved outputs, folders and pipes may be called as transcripts are."""
    (kept,) = written(tmp_path, "-a/one.jsonl")
    written(
        tmp_path,
        "-a/one/tool-results/two.jsonl",
        "-a/one/subagents/tool-results/three.jsonl",
        "-a/one/subagents/agent-1.meta.json",
        "-a/folder.jsonl/",
        "-a/notes.json",
    )
    os.mkfifo(tmp_path / "-a/pipe.jsonl")
    assert found(tmp_path) == [kept]


def test_one_file(tmp_path: Path) -> None:
    """A file is found whatever it is called."""
    (path,) = written(tmp_path, "copy.txt")
    assert found(path) == [path]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A root that is neither file nor folder holds nothing."""
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert found(tmp_path / "pipe.jsonl") == []


@pytest.mark.parametrize("mark", ["settings.json", "history.jsonl", "shell-snapshots/"])
def test_a_configuration_keeps_its_transcripts_in_projects(tmp_path: Path, mark: str) -> None:
    """Given itself or a folder above, nothing beside `projects` is a transcript."""
    (kept,) = written(tmp_path, ".claude/projects/-a/one.jsonl")
    written(tmp_path, f".claude/{mark}", ".claude/other/two.jsonl")
    assert found(tmp_path / ".claude") == [kept]
    assert found(tmp_path) == [kept]


def test_projects_of_another_kind_hide_nothing(tmp_path: Path) -> None:
    """Many people have a folder of that name."""
    written(tmp_path, "projects/engine/notes.txt")
    kept = written(tmp_path, ".claude/projects/-a/one.jsonl", "backup/two.jsonl")
    assert found(tmp_path) == kept


def test_linked_projects_are_followed_once(tmp_path: Path) -> None:
    """A project may be kept elsewhere; links that lead back, in circles or nowhere end there."""
    written(tmp_path, "elsewhere/three.jsonl", "other/four.jsonl")
    root = tmp_path / "projects"
    kept = written(root, "-a/one.jsonl", "-z/two.jsonl")
    for name, target in [
        ("-b", tmp_path / "elsewhere"),
        ("-c", tmp_path / "elsewhere"),
        ("-back", root),
        ("-first", root / "-z"),
        ("-circle", root / "-circle"),
        ("-gone", root / "nowhere"),
    ]:
        (root / name).symlink_to(target)
    (root / "-a/deep").symlink_to(tmp_path / "other")
    assert found(root) == [*kept, root / "-b/three.jsonl"]


def test_a_folder_that_may_not_be_read_hides_no_other() -> None:
    """Its neighbours are found all the same; as root, this is tried as somebody else."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        hidden, kept = written(root, "-a/one.jsonl", "-b/two.jsonl")
        hidden.parent.chmod(0)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        try:
            assert found(root) == [kept]
        finally:
            if is_root:
                os.seteuid(0)
            hidden.parent.chmod(0o700)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded([user("Hello")]), True),
        (b'{"type":"summary","summary":"A","leafUuid":"b"}\n', True),
        (b'{"type":"file-history-snapshot","snapshot":{}}\n', True),
        (b'{"type":"ai-title","aiTitle":"A"}\n', True),
        (b'broken\n{"type":"queue-operation","operation":"dequeue"}\n', True),
        (b'{"type":"session_meta","payload":{"text":"\\"isSidechain\\":true"}}\n', False),
        (b"", False),
    ],
)
def test_recognises(tmp_path: Path, content: bytes, *, expected: bool) -> None:
    """By names that nobody else writes; quoting them does not make a transcript."""
    path = tmp_path / "any"
    path.write_bytes(content)
    assert IMPORTER.recognises(path) is expected


def test_a_file_named_as_a_uuid_is_that_session(tmp_path: Path) -> None:
    """Its session has what the first lines say of folder, branch and version."""
    path = transcript(
        tmp_path,
        user("Hello", 1, cwd="", gitBranch="", permissionMode="plan"),
        answer("Hi", 2),
        user("Bye", 3, cwd="/tmp", gitBranch="other", version="9", permissionMode="default"),
    )
    session = imported(path).session
    assert session.id == SESSION
    assert session.source == "claude-code"
    assert session.provider == "anthropic"
    assert session.model == "claude-sonnet-4-5-20250929"
    assert session.project_path == "/home/ada/engine"
    assert session.project_name == "engine"
    assert session.git_branch == "main"
    assert session.agent_version == "2.0.76"
    assert session.permission_mode == "default"
    assert (session.created_at, session.updated_at) == (moment(1), moment(3))
    assert (session.parent_id, session.relationship) == (None, None)


def test_any_other_file_is_the_session_its_lines_name_first(tmp_path: Path) -> None:
    """Also when a summary without a session comes before, and others follow."""
    path = transcript(
        tmp_path,
        {"type": "summary", "summary": "A", "leafUuid": "x"},
        "broken",
        user("Hello", 1, sessionId="an/id"),
        user("Bye", 2, sessionId=OTHER),
        name="copy",
    )
    session = imported(path).session
    assert (session.id, session.parent_id) == ("an_id", None)


def test_a_file_that_names_no_session_has_an_id_of_its_own(tmp_path: Path) -> None:
    """The same whenever it is read."""
    path = transcript(tmp_path, user("Hello", sessionId=None), name="copy")
    expected = str(uuid.uuid5(uuid.NAMESPACE_URL, f"claude-code:{path}"))
    assert imported(path).session.id == expected


def test_a_name_that_comes_late_is_taken(tmp_path: Path) -> None:
    """As long as nothing was made under an id of our own."""
    first = {"type": "summary", "summary": "A", "leafUuid": "x"}
    path = transcript(tmp_path, first, name="copy")
    (before,) = batches_of(path)
    path.write_bytes(encoded([first, user("Hello", 1)]))
    assert archived(batches_of(path, before.resume)).session.id == SESSION


def test_rows_stay_under_the_id_they_were_made_under(tmp_path: Path) -> None:
    """A name that comes later than the first message does not tear a session apart."""
    first = user("Hello", 1, sessionId=None)
    path = transcript(tmp_path, first, name="copy")
    (before,) = batches_of(path)
    path.write_bytes(encoded([first, user("Bye", 2)]))
    after = archived([before, *batches_of(path, before.resume)])
    assert after.spoken == [("user", "Hello"), ("user", "Bye")]
    assert len(after.sessions) == 1


@pytest.mark.parametrize(
    "place", [f"{SESSION}/subagents", f"{SESSION}/subagents/workflows/wf", f"{SESSION}/subagents/a"]
)
def test_a_file_below_subagents_is_a_session_of_its_own(tmp_path: Path, place: str) -> None:
    """Its lines carry the id of the parent, whose folder it stands in."""
    path = tmp_path / "projects" / PROJECT / place / "agent-a1b2.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(encoded([user("Search", isSidechain=True, agentId="a1b2", sessionId=OTHER)]))
    session = imported(path).session
    assert session.id == f"{SESSION}:agent-a1b2"
    assert (session.parent_id, session.relationship) == (SESSION, "subagent")
    assert session.title == "Search"


def test_a_folder_above_that_is_called_subagents_means_nothing(tmp_path: Path) -> None:
    """Only one within a project does."""
    path = transcript(tmp_path / "subagents/ada", user("Hello"), name="agent-a1b2")
    assert imported(path).session.parent_id == SESSION


def test_a_flat_subagent_belongs_to_the_session_its_lines_name(tmp_path: Path) -> None:
    """Older versions put it beside its parent."""
    path = transcript(tmp_path, user("Search", isSidechain=True), name="agent-a1b2")
    session = imported(path).session
    assert (session.id, session.parent_id) == (f"{SESSION}:agent-a1b2", SESSION)


def test_a_flat_subagent_that_names_itself_has_no_parent(tmp_path: Path) -> None:
    """Nobody knows then whose it is."""
    path = transcript(tmp_path, user("Search", sessionId="agent-a1b2"), name="agent-a1b2")
    session = imported(path).session
    assert (session.id, session.parent_id) == ("agent-a1b2", None)


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"agentType": "Explore", "description": "Find the bug"}, "Find the bug"),
        ({"agentType": "Explore"}, "Search"),
        ({"description": 5}, "Search"),
        (["no object"], "Search"),
    ],
)
def test_a_subagent_is_called_as_its_task(tmp_path: Path, meta: object, expected: str) -> None:
    """The small file beside it tells the task; its kind alone is no title."""
    path = transcript(tmp_path, user("Search", isSidechain=True), name="agent-a1b2")
    path.with_suffix(".meta.json").write_text(json.dumps(meta))
    assert imported(path).session.title == expected


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "large"])
def test_the_file_beside_a_subagent_must_be_a_plain_one(tmp_path: Path, kind: str) -> None:
    """It is neither followed elsewhere nor waited for."""
    path = transcript(tmp_path, user("Search", isSidechain=True), name="agent-a1b2")
    beside = path.with_suffix(".meta.json")
    described = json.dumps({"description": "SENTINEL"})
    if kind == "link":
        (tmp_path / "outside").write_text(described)
        beside.symlink_to(tmp_path / "outside")
    elif kind == "pipe":
        os.mkfifo(beside)
    elif kind == "folder":
        beside.mkdir()
    else:
        beside.write_text(described + " " * 70_000)
    assert imported(path).session.title == "Search"


def test_a_copy_says_where_it_comes_from(tmp_path: Path) -> None:
    """Newer versions note it on each line that was copied."""
    origin = {"sessionId": OTHER, "messageUuid": "u"}
    path = transcript(tmp_path, line("user", message={"content": "Hi"}, forkedFrom=origin))
    session = imported(path).session
    assert (session.parent_id, session.relationship) == (OTHER, "fork")


def test_a_file_that_begins_with_lines_of_another_session_is_a_copy(tmp_path: Path) -> None:
    """Older versions left the copied lines their session."""
    path = transcript(tmp_path, user("Hello", 1, sessionId=OTHER), user("Again", 2))
    archive = imported(path)
    assert (archive.session.id, archive.session.parent_id) == (SESSION, OTHER)
    assert archive.session.relationship == "fork"
    assert archive.spoken == [("user", "Hello"), ("user", "Again")]


def test_lines_of_another_session_further_on_make_no_copy(tmp_path: Path) -> None:
    """Files are put together by hand as well."""
    path = transcript(tmp_path, user("Hello", 1), user("Again", 2, sessionId=OTHER))
    assert imported(path).session.parent_id is None


def test_the_session_that_goes_on_is_mentioned(tmp_path: Path) -> None:
    """Its own transcript knows nothing of the one before."""
    path = transcript(
        tmp_path, user("Hello"), {"type": "continued-in", "continuedInSessionId": OTHER}
    )
    (following,) = imported(path).mentions.values()
    assert (following.id, following.source) == (OTHER, "claude-code")
    assert (following.parent_id, following.relationship) == (SESSION, "continuation")


def test_a_file_without_a_conversation_makes_no_session(tmp_path: Path) -> None:
    """Summaries and snapshots are written for sessions that have another file."""
    path = transcript(
        tmp_path,
        {"type": "summary", "summary": "A", "leafUuid": "x"},
        {"type": "file-history-snapshot", "snapshot": {}},
        {"type": "ai-title", "aiTitle": "Named"},
    )
    assert imported(path).sessions == {}
