"""A store of its own for every test, and short ways to look into it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from clankers.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Undone = Callable[[], AbstractContextManager[None]]
Rows = list[tuple[Any, ...]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clankers.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(path) as opened:
        yield opened


@pytest.fixture
def ask(store: Store) -> Callable[..., Rows]:
    """Rows of a query on the store's own connection."""

    def rows(sql: str, *values: str | float | None) -> Rows:
        return store.connection.execute(sql, values).fetchall()

    return rows


class UndoneError(Exception):
    """Ends a transaction that leaves nothing behind."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all examples of a property; each takes back what it wrote."""
    with Store.open(tmp_path_factory.mktemp("shared") / "clankers.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def undone(shared: Store) -> Undone:
    """Takes back what an example writes, so that the next one finds the store empty."""

    @contextmanager
    def transaction() -> Iterator[None]:
        with suppress(UndoneError), shared.atomic():
            yield
            raise UndoneError

    return transaction
