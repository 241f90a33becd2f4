"""Copies: whole, private, and never one over another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from clankers.errors import NotADatabaseError, ReadOnlyError
from clankers.store import Store
from clankers.store._backup import back_up
from clankers.testing import make_message, make_session

if TYPE_CHECKING:
    from pathlib import Path


def test_a_copy_holds_what_is_committed(store: Store) -> None:
    """Also what only the log holds yet; not what another transaction is writing."""
    store.upsert(make_session(1))
    with store.atomic():
        store.upsert(make_session(2))
        copy = back_up(store.path)
    with Store.open(copy, read_only=True) as copied:
        assert [one.id for one in copied.sessions()] == ["session-1"]
    assert re.fullmatch(r"clankers-\d{8}-\d{6}\.db", copy.name)


def test_it_stands_alone_and_is_private(store: Store) -> None:
    """One file without a log, in a folder for its owner; a looser folder is tightened."""
    folder = store.path.parent / "backups"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    copy = back_up(store.path)
    with Store.open(copy, read_only=True):
        assert list(folder.iterdir()) == [copy]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert copy.stat().st_mode & 0o777 == 0o600


def test_several_in_one_second_have_names_of_their_own(store: Store) -> None:
    """No copy replaces an earlier one."""
    copies = [back_up(store.path) for _copy in range(5)]
    assert len(set(copies)) == 5
    assert all(copy.stat().st_size for copy in copies)


def test_a_damaged_database_gives_no_copy(path: Path) -> None:
    """A copy that could not be trusted is not kept."""
    with Store.open(path) as store:
        store.upsert_many([make_session(), *(make_message(n) for n in range(2_000))])
    whole = path.read_bytes()
    half = len(whole) // 32_768 * 16_384
    path.write_bytes(whole[:half] + b"\xff" * (len(whole) - half))
    with pytest.raises(NotADatabaseError, match="damaged"):
        back_up(path)
    assert list((path.parent / "backups").iterdir()) == []


def test_no_place_for_it(store: Store) -> None:
    """Where the folder cannot be made, the error says which."""
    (store.path.parent / "backups").write_text("in the way")
    with pytest.raises(ReadOnlyError, match="backups cannot be made"):
        back_up(store.path)
