"""Copies: whole, private, and never one over another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from clankers.errors import NotADatabaseError, ReadOnlyError, StoreError
from clankers.store import Store
from clankers.store._backup import back_up
from clankers.testing import make_message, make_session
from store._children import Child

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


class TestPlaces:
    def test_a_file_of_any_name(self, store: Store, path: Path) -> None:
        """The copy is private whatever the umask, and nothing is left beside it."""
        folder = path.parent / "copies"
        folder.mkdir()
        copy = store.back_up(folder / "friday.db")
        assert copy == folder / "friday.db"
        assert copy.stat().st_mode & 0o777 == 0o600
        assert list(folder.iterdir()) == [copy]

    def test_a_folder(self, store: Store, tmp_path: Path) -> None:
        """In a folder that is there the copy is named after the time."""
        folder = tmp_path / "copies"
        folder.mkdir()
        copy = store.back_up(str(folder))
        assert copy.parent == folder
        assert re.fullmatch(r"clankers-\d{8}-\d{6}\.db", copy.name)

    def test_no_file_is_replaced(self, store: Store, tmp_path: Path) -> None:
        """Neither one that was there nor the database itself, and no half copy stays."""
        there = tmp_path / "there.db"
        there.write_text("mine")
        for taken in (there, store.path):
            with pytest.raises(StoreError, match="already a file"):
                store.back_up(taken)
        assert there.read_text() == "mine"
        assert not list(tmp_path.glob("*.partial"))

    def test_no_such_folder(self, store: Store, tmp_path: Path) -> None:
        """It is not made: the name may be mistyped."""
        with pytest.raises(ReadOnlyError, match="cannot be made"):
            store.back_up(tmp_path / "nowhere" / "copy.db")

    def test_they_are_listed(self, store: Store) -> None:
        """The newest first, with their sizes; unfinished ones are none."""
        assert store.backups() == []
        copies = [store.back_up(), store.back_up()]
        (copies[0].parent / "broken-off.db.partial").touch()
        found = store.backups()
        assert {one.path for one in found} == set(copies)
        assert [one.bytes for one in found] == [copy.stat().st_size for copy in copies]
        assert found[0].made_at >= found[1].made_at


def test_while_another_process_writes(store: Store) -> None:
    """The copy has whole transactions: as many tool calls as messages at any moment."""
    code = """
with Store.open(sys.argv[1]) as store:
    store.upsert(make_session())
    say("begun")
    for number in range(100_000):
        store.upsert_many([make_message(number), make_tool(number)])
"""
    with Child(code, store.path) as child:
        assert child.said() == "begun"
        copies = [store.back_up() for _copy in range(5)]
    for copy in copies:
        with Store.open(copy, read_only=True) as copied:
            messages, tools = copied.connection.execute(
                "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM tools)"
            ).get
            assert messages == tools
            assert copied.connection.pragma("integrity_check") == "ok"
