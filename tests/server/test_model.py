"""The real server under the executable model of the protocol: random histories with every fault."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest
from conftest import TOOLS

from clankers.server.backends import SqliteBackend
from server import _model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNS = int(os.environ.get("CLANKERS_TEST_RUNS", "150"))
FIRST = int(os.environ.get("CLANKERS_TEST_SEED", "0"))


@pytest.fixture
def harness() -> Any:
    """The model; not part of this repository."""
    if not (TOOLS / "sync_model").is_dir():
        pytest.skip(f"needs the model of the protocol at {TOOLS}, which is not in this repository")
    return _model.load(TOOLS)


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def test_random_histories(harness: Any, loop: asyncio.Runner, tmp_path: Path) -> None:
    """After every batch the rows are the model's; after the network heals all devices agree.

    Among the faults are lost, repeated and reordered batches, a server restored from a
    backup, a tenant made anew, copied laptops, poisoned records and clocks that are wrong.
    CLANKERS_TEST_RUNS and CLANKERS_TEST_SEED choose how many histories, and the first.
    """
    backend = SqliteBackend(tmp_path / "tenants", open_databases=8)
    for seed in range(FIRST, FIRST + RUNS):
        world = _model.world(harness, seed, backend, loop)
        actions = harness.actions(seed, 20 + seed % 100)
        try:
            for action in actions:
                world.act(action)
            world.heal()
            world.check()
        except (harness.Violation, AssertionError) as problem:
            pytest.fail(f"seed {seed}: {problem!r}\n{harness.show(actions)}")
    loop.run(backend.close())


@pytest.mark.parametrize("name", ["session_hides", "placeholder_zero", "usage_rule", "created_min"])
def test_can_fail(name: str, harness: Any, loop: asyncio.Runner, tmp_path: Path) -> None:
    """A model that lacks a rule of the protocol does not agree with the server, so that the other can."""
    backend = SqliteBackend(tmp_path / "tenants", open_databases=8)
    differed = False
    for seed in range(60):
        world = _model.world(harness, seed, backend, loop)
        world.server._shadow.fx = harness.Fix.but(name)
        try:
            for action in harness.actions(seed, 60):
                world.act(action)
        except (harness.Violation, AssertionError):
            differed = True
            break
    loop.run(backend.close())
    assert differed
