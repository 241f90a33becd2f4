"""Transactions: all or nothing, nested ones too."""
# ruff: noqa: PT012 - what ends a transaction is raised after something was written in it

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clankers.errors import DatabaseBusyError, StoreError
from clankers.store import Store
from clankers.testing import make_message, make_session

if TYPE_CHECKING:
    from pathlib import Path


class StopError(Exception):
    """What a test raises inside a transaction."""


def titles(store: Store) -> list[str | None]:
    return sorted((one.title for one in store.sessions()), key=str)


class TestAtomic:
    def test_commits_at_the_end(self, store: Store, path: Path) -> None:
        """Others see all of it once the block ends, and none of it before."""
        with Store.open(path) as other:
            with store.atomic():
                store.upsert(make_session(1))
                store.upsert(make_session(2))
                assert titles(other) == []
            assert titles(other) == ["Session 1", "Session 2"]

    @pytest.mark.parametrize("problem", [StopError, KeyboardInterrupt, SystemExit])
    def test_an_exception_takes_all_back(self, store: Store, problem: type[BaseException]) -> None:
        """Whatever ends the block, nothing stays, and the store works on."""
        store.upsert(make_session(1))
        with pytest.raises(problem), store.atomic():
            store.upsert_many([make_session(1, title="changed"), make_session(2)])
            raise problem
        assert titles(store) == ["Session 1"]
        assert store.upsert(make_session(2))

    def test_an_inner_one_is_taken_back_alone(self, store: Store) -> None:
        """A failed part leaves what came before and after it, at any depth."""
        with store.atomic():
            store.upsert(make_session(1))
            with pytest.raises(StopError), store.atomic():
                store.upsert(make_session(2))
                with store.atomic():
                    store.upsert(make_session(3))
                raise StopError
            with store.atomic():
                store.upsert(make_session(4))
        assert titles(store) == ["Session 1", "Session 4"]

    def test_an_outer_one_takes_inner_ones_back(self, store: Store) -> None:
        """An inner block that ended well is not committed yet."""
        with pytest.raises(StopError), store.atomic():
            with store.atomic():
                store.upsert(make_session(1))
            raise StopError
        assert titles(store) == []

    def test_takes_the_lock_at_once(self, store: Store, path: Path) -> None:
        """A block that has written nothing yet already keeps other writers out."""
        with (
            Store.open(path, busy_timeout_ms=0) as other,
            store.atomic(),
            pytest.raises(DatabaseBusyError, match=r"clankers\.db is busy"),
        ):
            other.upsert(make_session())

    def test_a_failed_statement_takes_back_what_it_belongs_to(self, store: Store) -> None:
        """An error of SQLite is one of ours, and the block is undone like by any other."""
        with pytest.raises(StoreError, match="FOREIGN KEY constraint failed"), store.atomic():
            store.upsert(make_session(1))
            store.write("messages", [make_message(session_id="unknown")])
        assert titles(store) == []

    def test_works_inside_a_transaction_of_the_users_own(self, store: Store) -> None:
        """Whoever began with SQL decides with SQL."""
        store.connection.execute("BEGIN")
        with store.atomic():
            store.upsert(make_session(1))
        store.connection.execute("ROLLBACK")
        assert titles(store) == []

    def test_writes_nothing_after_sqlite_has_rolled_back(self, store: Store) -> None:
        """What follows would not be part of the transaction any more: it is refused."""
        with pytest.raises(StoreError, match="was rolled back"), store.atomic():
            store.upsert(make_session(1))
            store.connection.execute("ROLLBACK")
            store.upsert(make_session(2))
        assert titles(store) == []
        assert store.upsert(make_session(3))

    def test_may_write_while_it_reads(self, store: Store) -> None:
        """A list that is being read is no obstacle to changing what it lists."""
        store.upsert_many([make_session(number) for number in range(50)])
        for session in store.sessions():
            store.upsert(make_session(title="read", id=session.id))
        assert set(titles(store)) == {"read"}
