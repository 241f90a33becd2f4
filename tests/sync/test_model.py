"""Real devices and the real server under the executable model of the protocol."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from conftest import TOOLS

from clankers.server.backends import SqliteBackend
from sync import _model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNS = int(os.environ.get("CLANKERS_TEST_RUNS", "60"))
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
    """Whatever broke: when the network heals, all devices and the server have the same, and all of it.

    Among the faults are lost, repeated and reordered batches and replies, crashes, a server
    restored from a backup, a tenant made anew, copied laptops, restored databases, moves to
    the archive, new rules, poisoned records and clocks that are wrong. CLANKERS_TEST_RUNS and
    CLANKERS_TEST_SEED choose how many histories, and the first.
    """
    backend = SqliteBackend(tmp_path / "tenants", open_databases=8)
    for seed in range(FIRST, FIRST + RUNS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        world = _model.world(harness, seed, backend, loop, folder)
        actions = harness.actions(seed, 20 + seed % 100)
        try:
            for action in actions:
                world.act(action)
            world.heal()
            world.check()
        except (harness.Violation, AssertionError) as problem:
            pytest.fail(f"seed {seed}: {problem!r}\n{harness.show(actions)}")
        for device in world.clients:
            device.close()
        shutil.rmtree(folder)
    loop.run(backend.close())
