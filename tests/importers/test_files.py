"""Opening what another program left, which may be anything."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from clankers.errors import ImporterError
from clankers.importers import beginning, beside, load_document
from clankers.importers._files import opened

if TYPE_CHECKING:
    from pathlib import Path


def test_the_beginning_of_a_file(tmp_path: Path) -> None:
    """So many bytes at most; none of what cannot be read."""
    path = tmp_path / "a"
    path.write_bytes(b"parrot")
    assert beginning(path) == b"parrot"
    assert beginning(path, 3) == b"par"
    assert beginning(tmp_path) == b""
    assert beginning(tmp_path / "missing") == b""
    assert beginning(path / "below a file") == b""


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody may ever write to it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert beginning(pipe) == b""
    assert beside(pipe) is None
    for read in (opened, load_document):
        with pytest.raises((OSError, ImporterError), match="not a regular file"):
            read(pipe)


def test_what_stands_beside_a_session(tmp_path: Path) -> None:
    """A small plain file, and no link: that may lead to any file of the user's."""
    path, link = tmp_path / "a", tmp_path / "link"
    path.write_bytes(b"12345")
    link.symlink_to(path)
    assert beside(path) == b"12345"
    assert beside(path, 5) == b"12345"
    assert beside(path, 4) is None
    assert beside(link) is None
    assert beside(tmp_path) is None
    assert beside(tmp_path / "missing") is None
    # Only what is named may be no link: a home that lies elsewhere is the user's own doing.
    (tmp_path / "moved").symlink_to(tmp_path, target_is_directory=True)
    assert beside(tmp_path / "moved" / "a") == b"12345"


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts what Linux has open")
def test_nothing_stays_open(tmp_path: Path) -> None:
    """Neither of what was read nor of what was refused."""
    (tmp_path / "a").write_bytes(b"parrot")
    os.mkfifo(tmp_path / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    for name in ("a", "pipe", ".", "missing"):
        beginning(tmp_path / name)
        beside(tmp_path / name)
    assert len(os.listdir("/proc/self/fd")) == before
