"""Big tool outputs beside the transcript: the only other files that are read, and how."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from clankers.importers.claude_code._tool_results import LARGEST_FILE

from ._transcripts import PROJECT, SESSION, encoded, imported, result, transcript, user

if TYPE_CHECKING:
    from pathlib import Path

SENTINEL = "SENTINEL"
WHOLE = "the whole output, für immer\n" * 100


def placeholder(path: object) -> str:
    return (
        f"<persisted-output>\nOutput too large (178.2KB). Full output saved to: {path}\n\n"
        "Preview (first 2KB):\nthe whole\n...\n</persisted-output>"
    )


def outputs(tmp_path: Path, session: str = SESSION) -> Path:
    folder = tmp_path / "projects" / PROJECT / session / "tool-results"
    folder.mkdir(parents=True)
    return folder


def output_of(tmp_path: Path, content: object) -> object:
    """What is stored as the output of a call with that result."""
    written = imported(transcript(tmp_path, result("t1", content))).tool.tool_output
    return json.loads(written or "null")


def test_a_saved_output_is_read_whole(tmp_path: Path) -> None:
    """In place of its beginning, which the transcript has."""
    saved = outputs(tmp_path) / "toolu_1.txt"
    saved.write_text(WHOLE)
    assert output_of(tmp_path, placeholder(saved)) == WHOLE


def test_a_saved_output_in_a_block(tmp_path: Path) -> None:
    """Results may be lists of blocks; the others stay."""
    saved = outputs(tmp_path) / "toolu_1.txt"
    saved.write_text(WHOLE)
    other = {"type": "text", "text": "and more"}
    assert output_of(tmp_path, [{"type": "text", "text": placeholder(saved)}, other]) == [
        {"type": "text", "text": WHOLE},
        other,
    ]


@pytest.mark.parametrize(
    "named",
    [
        f"/Users/ada/.claude/projects/-x/{SESSION}/tool-results/toolu_1.txt",
        f"C:\\Users\\ada\\.claude\\projects\\-x\\{SESSION}\\tool-results\\toolu_1.txt",
        f"{SESSION}/tool-results/toolu_1.txt",
    ],
)
def test_an_archive_may_have_moved(tmp_path: Path, named: str) -> None:
    """Only the last three parts of the name count, of either system."""
    (outputs(tmp_path) / "toolu_1.txt").write_text(WHOLE)
    assert output_of(tmp_path, placeholder(named)) == WHOLE


@pytest.mark.parametrize("is_flat", [True, False])
def test_a_subagent_reads_what_its_session_saved(tmp_path: Path, *, is_flat: bool) -> None:
    """It stands in the folder of the parent."""
    saved = outputs(tmp_path) / "toolu_1.txt"
    saved.write_text(WHOLE)
    path = saved.parents[2] / "agent-a1.jsonl"
    if not is_flat:
        path = saved.parents[1] / "subagents/agent-a1.jsonl"
        path.parent.mkdir()
    path.write_bytes(encoded([result("t1", placeholder(saved))]))
    assert json.loads(imported(path).tool.tool_output or "") == WHOLE


def test_a_name_deep_in_an_output_is_part_of_it(tmp_path: Path) -> None:
    """An output that quotes another is not replaced by it."""
    saved = outputs(tmp_path) / "toolu_1.txt"
    saved.write_text(SENTINEL)
    text = "x" * 500 + placeholder(saved)
    assert output_of(tmp_path, text) == text


@pytest.mark.parametrize(
    "named",
    [
        "{tmp}/outside.txt",
        "{tmp}/tool-results/secret.txt",
        "{tmp}/other/tool-results/secret.txt",
        "{project}/22222222-2222-4222-8222-222222222222/tool-results/secret.txt",
        "{session}/secret.txt",
        "{session}/tool-results/../secret.txt",
        "{session}/tool-results/deep/secret.txt",
        "{session}/tool-results/..",
        "{session}/tool-results/.",
        "{session}/tool-results/",
        "{session}/tool-results",
        "{session}/tool-results/nothing.txt",
        "{session}/tool-results/a\0b",
        "{session}/tool-results/" + "n" * 5_000,
        "",
        "/",
        "..",
    ],
)
def test_other_names_stay_text(tmp_path: Path, named: str) -> None:
    """Whatever a transcript names: nothing outside the session's own folder is read."""
    folder = outputs(tmp_path)
    (folder / "deep").mkdir()
    for path in (
        tmp_path / "outside.txt",
        tmp_path / "tool-results/secret.txt",
        tmp_path / "other/tool-results/secret.txt",
        folder.parent / "secret.txt",
        folder / "deep/secret.txt",
        folder / "secret.txt",
        folder / "outside.txt",
        folder.parents[1] / "22222222-2222-4222-8222-222222222222/tool-results/secret.txt",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SENTINEL)
    named = named.format(tmp=tmp_path, project=folder.parents[1], session=folder.parent)
    text = placeholder(named)
    assert output_of(tmp_path, text) == text


@pytest.mark.parametrize("session", ["..", ".", "a/..", "", "a\0b"])
@pytest.mark.parametrize("name", ["copy", "agent-a1"])
def test_a_line_cannot_name_another_folder_as_the_sessions(
    tmp_path: Path, session: str, name: str
) -> None:
    """A session's id may come from its lines; every folder around has a secret."""
    project = tmp_path / "projects" / PROJECT
    for folder in (tmp_path, tmp_path / "projects", project):
        (folder / "tool-results").mkdir(parents=True)
        (folder / "tool-results/secret.txt").write_text(SENTINEL)
    for parent in ("..", ".", PROJECT, "projects", tmp_path.name):
        text = placeholder(f"/x/{parent}/tool-results/secret.txt")
        path = transcript(tmp_path, result("t1", text, sessionId=session), name=name)
        assert json.loads(imported(path).tool.tool_output or "") == text


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Not out of the folder, and not within it."""
    folder = outputs(tmp_path)
    (tmp_path / "outside.txt").write_text(SENTINEL)
    (folder / "inside.txt").write_text(SENTINEL)
    (folder / "out").symlink_to(tmp_path / "outside.txt")
    (folder / "in").symlink_to(folder / "inside.txt")
    for name in ("out", "in"):
        text = placeholder(folder / name)
        assert output_of(tmp_path, text) == text


@pytest.mark.parametrize("level", ["tool-results", "session"])
def test_a_linked_folder_is_not_entered(tmp_path: Path, level: str) -> None:
    """Neither the outputs' own nor the session's."""
    project = tmp_path / "projects" / PROJECT
    project.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "tool-results").mkdir(parents=True)
    (elsewhere / "tool-results/secret.txt").write_text(SENTINEL)
    if level == "session":
        (project / SESSION).symlink_to(elsewhere)
    else:
        (project / SESSION).mkdir()
        (project / SESSION / "tool-results").symlink_to(elsewhere / "tool-results")
    text = placeholder(project / SESSION / "tool-results/secret.txt")
    assert output_of(tmp_path, text) == text


def test_a_linked_project_is_the_users_own(tmp_path: Path) -> None:
    """Folders above the session may be links."""
    project = tmp_path / "elsewhere"
    saved = project / SESSION / "tool-results/toolu_1.txt"
    saved.parent.mkdir(parents=True)
    saved.write_text(WHOLE)
    (tmp_path / "projects").mkdir()
    (tmp_path / "projects" / PROJECT).symlink_to(project)
    assert output_of(tmp_path, placeholder(saved)) == WHOLE


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    """A pipe has no end."""
    path = outputs(tmp_path) / "toolu_1.txt"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    text = placeholder(path)
    assert output_of(tmp_path, text) == text


def test_a_huge_output_stays_where_it_is(tmp_path: Path) -> None:
    """More than 16 MB are not for a database."""
    path = outputs(tmp_path) / "toolu_1.txt"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    text = placeholder(path)
    assert output_of(tmp_path, text) == text
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE)
    assert output_of(tmp_path, text) == "\0" * LARGEST_FILE


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """They are shown as far as they can be."""
    path = outputs(tmp_path) / "toolu_1.txt"
    path.write_bytes(b"a\xffb")
    assert output_of(tmp_path, placeholder(path)) == "a\ufffdb"


def test_a_prompt_names_no_file(tmp_path: Path) -> None:
    """Only results of tools are saved."""
    saved = outputs(tmp_path) / "toolu_1.txt"
    saved.write_text(SENTINEL)
    text = placeholder(saved)
    assert imported(transcript(tmp_path, user(text))).message.text_content == text
