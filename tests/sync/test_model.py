"""Real devices and the real server under the executable model of the protocol."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import TOOLS
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from clankers.server.backends import SqliteBackend
from sync import _model

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = int(os.environ.get("CLANKERS_TEST_RUNS", "60"))
EXAMPLES = int(os.environ.get("CLANKERS_TEST_EXAMPLES", "25"))
# What there is to do in the model's world.
_ACTIONS = 28
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


@pytest.mark.parametrize("missing", ["sync_sessions_changed", "sync_messages_gone", "marker"])
def test_can_fail(missing: str, harness: Any, loop: asyncio.Runner, tmp_path: Path) -> None:
    """A device that does not note something, or does not know its own text again, is found out."""
    backend = SqliteBackend(tmp_path / "tenants", open_databases=8)
    found = False
    for seed in range(200):
        folder = tmp_path / str(seed)
        folder.mkdir()
        world = _model.world(harness, seed, backend, loop, folder)
        for device in world.clients:
            device.forget(missing)
        try:
            for action in harness.actions(seed, 60):
                world.act(action)
            world.heal()
            world.check()
        except (harness.Violation, AssertionError):
            found = True
        for device in world.clients:
            device.close()
        shutil.rmtree(folder)
        if found:
            break
    assert found
    loop.run(backend.close())


class Histories(RuleBasedStateMachine):
    """The same, with histories that hypothesis makes, and shortens when one fails."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.loop = asyncio.Runner()
        self.backend = SqliteBackend(self.folder / "tenants", open_databases=8)

    @initialize(seed=st.integers(0, 11))
    def begin(self, seed: int) -> None:
        self.harness = _model.load(TOOLS)
        self.world = _model.world(self.harness, seed, self.backend, self.loop, self.folder)

    @rule(
        action=st.tuples(
            st.integers(0, _ACTIONS - 1),
            st.integers(0, 5),
            st.integers(0, 999),
            st.integers(0, 999),
        )
    )
    def act(self, action: tuple[int, int, int, int]) -> None:
        self.world.act(action)

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.world.heal()
                self.world.check()
        finally:
            for device in self.world.clients if hasattr(self, "world") else ():
                device.close()
            self.loop.run(self.backend.close())
            self.loop.close()
            shutil.rmtree(self.folder)


def test_histories_of_hypothesis(harness: Any) -> None:
    """Whatever it finds to do, all agree in the end, and nothing is lost."""
    assert len(harness.NAMES) == _ACTIONS
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
