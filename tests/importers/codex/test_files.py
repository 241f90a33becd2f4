"""Which files the Codex importer finds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from clankers.importers.codex import IMPORTER

from ._rollouts import THREAD, header, rollout


def place(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}\n")


def found(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in IMPORTER.find(root)]


def test_roots_are_codex_home_by_comma_else_the_home_folder(tmp_path: Path) -> None:
    """$CODEX_HOME may name several folders, with ~ and spaces; without it ~/.codex is read."""
    home = Path(os.environ["HOME"])
    assert IMPORTER.roots({}, home) == [home / ".codex"]
    given = {"CODEX_HOME": f"{tmp_path}/a, ~/b,"}
    assert IMPORTER.roots(given, home) == [tmp_path / "a", home / "b"]


def test_rollouts_come_by_time_and_other_files_do_not_come(tmp_path: Path) -> None:
    """Name order is time order, so that a parent is read before its forks."""
    place(
        tmp_path,
        "sessions/2026/01/02/rollout-2026-01-02T00-00-00-b.jsonl",
        "sessions/2025/12/31/rollout-2025-12-31T00-00-00-a.jsonl.zst",
        "archived_sessions/rollout-2026-01-01T00-00-00-c.jsonl",
        "sessions/2025/12/31/notes.jsonl",
        "sessions/2025/12/31/rollout-2025-12-31.txt",
        "history.jsonl",
        "worktrees/rollout-2025-01-01T00-00-00-d.jsonl",
    )
    assert found(tmp_path) == [
        "sessions/2025/12/31/rollout-2025-12-31T00-00-00-a.jsonl.zst",
        "archived_sessions/rollout-2026-01-01T00-00-00-c.jsonl",
        "sessions/2026/01/02/rollout-2026-01-02T00-00-00-b.jsonl",
    ]


def test_of_two_copies_sessions_and_plain_win(tmp_path: Path) -> None:
    """A rollout that is archived or compressed while it is found comes once."""
    place(
        tmp_path,
        "sessions/2025/12/31/rollout-1-a.jsonl",
        "archived_sessions/rollout-1-a.jsonl",
        "sessions/2025/12/31/rollout-2-b.jsonl",
        "sessions/2025/12/31/rollout-2-b.jsonl.zst",
        "sessions/2025/12/31/rollout-3-c.jsonl.zst",
        "archived_sessions/rollout-3-c.jsonl",
    )
    assert found(tmp_path) == [
        "sessions/2025/12/31/rollout-1-a.jsonl",
        "sessions/2025/12/31/rollout-2-b.jsonl",
        "sessions/2025/12/31/rollout-3-c.jsonl.zst",
    ]


def test_a_folder_of_several_homes_gives_the_rollouts_of_each(tmp_path: Path) -> None:
    """The same name under two homes is two files: only copies within one home are dropped."""
    place(tmp_path, "ada/sessions/rollout-1-a.jsonl", "bob/sessions/rollout-1-a.jsonl")
    assert found(tmp_path) == ["ada/sessions/rollout-1-a.jsonl", "bob/sessions/rollout-1-a.jsonl"]


def test_a_single_file_may_have_any_name(tmp_path: Path) -> None:
    """A saved log or a copied rollout is taken as given; other kinds of file are not."""
    place(tmp_path, "run.jsonl", "old.jsonl.zst", "run.json")
    assert list(IMPORTER.find(tmp_path / "run.jsonl")) == [tmp_path / "run.jsonl"]
    assert list(IMPORTER.find(tmp_path / "old.jsonl.zst")) == [tmp_path / "old.jsonl.zst"]
    assert list(IMPORTER.find(tmp_path / "run.json")) == []
    assert list(IMPORTER.find(tmp_path / "missing")) == []


@pytest.mark.parametrize("mark", ["config.toml", "auth.json", "history.jsonl"])
def test_only_in_an_agents_root_the_search_is_narrowed(tmp_path: Path, mark: str) -> None:
    """A folder called sessions beside others hides none of them, unless the root is Codex's."""
    own, saved = "sessions/rollout-1-a.jsonl", "backup/sessions/rollout-2-b.jsonl"
    place(tmp_path, own, saved, f".codex/{own}", f".codex/{saved}")
    assert found(tmp_path / ".codex") == [own]
    assert found(tmp_path) == [f".codex/{own}", own, f".codex/{saved}", saved]
    place(tmp_path, mark)
    assert found(tmp_path) == [own]


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links and pipes")
def test_links_below_the_folders_and_pipes_are_left_out(tmp_path: Path) -> None:
    """Only the folder of the rollouts itself may be a link, as to another disk."""
    root, elsewhere = tmp_path / ".codex", tmp_path / "elsewhere"
    place(tmp_path, "elsewhere/2025/rollout-1-a.jsonl", "outside/rollout-3-c.jsonl")
    root.mkdir()
    (root / "sessions").symlink_to(elsewhere)
    (elsewhere / "2025/again").symlink_to(elsewhere)
    (elsewhere / "2025/outside").symlink_to(tmp_path / "outside")
    os.mkfifo(elsewhere / "2025/rollout-2-b.jsonl")
    assert found(root) == ["sessions/2025/rollout-1-a.jsonl"]
    assert found(elsewhere) == ["2025/rollout-1-a.jsonl"]


def test_recognises_each_layout_and_nothing_else(tmp_path: Path) -> None:
    """Rollouts, early rollouts and exec logs are known by their beginning."""
    assert IMPORTER.recognises(rollout(tmp_path, header()))
    early, log, other, damaged = (tmp_path / name for name in ("a", "b", "c", "d.zst"))
    early.write_text('{"id":"x","timestamp":"2025-06-01T00:00:00Z","instructions":null}\n')
    log.write_text(f'{{"type":"thread.started","thread_id":"{THREAD}"}}\n')
    other.write_text('{"type":"user","text":"what is \\"session_meta\\"?"}\n')
    damaged.write_bytes(b"not zstd")
    assert IMPORTER.recognises(early)
    assert IMPORTER.recognises(log)
    assert not IMPORTER.recognises(other)
    assert not IMPORTER.recognises(damaged)
