"""The OpenAPI document, tried against the running service by schemathesis."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from clankers.server import Operator, Settings
from server._running import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = os.environ.get("CLANKERS_TEST_EXAMPLES", "15")
NO_LIMITS = {
    f"CLANKERS_SERVER_LIMIT_{name}": "1000000000"
    for name in ("API", "AUTH", "PULLS", "FAILED_AUTH", "BATCH_ROWS", "BATCH_BYTES")
}
# What ends tokens would end that of the test.
ENDING = r"/api/tokens/\{token_id\}"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "served", "--auth", "token", variables=NO_LIMITS) as running:
        yield running


def token(service: Service, *scopes: str) -> str:
    made = Operator(Settings(data=service.folder, auth="token")).create_token("t", scopes=scopes)
    return made[0]


def tried(service: Service, given: str, *options: str) -> None:
    program = [sys.executable, "-m", "schemathesis.cli", "run"]
    found = subprocess.run(
        [
            *(*program, f"{service.url}/docs/openapi.json", "--checks", "all", "-n", EXAMPLES),
            *("-H", f"Authorization: Bearer {given}", "--no-color", *options),
        ],
        cwd=service.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert found.returncode == 0, found.stdout[-6_000:] + found.stderr[-2_000:]
    assert '"status": 5' not in service.log()


def test_every_route(service: Service) -> None:
    """All checks hold with a token that may do everything: no 5xx, no answer beside the schema."""
    tried(service, token(service, "admin", "operator"), "--exclude-path-regex", ENDING)


def test_what_ends_tokens(service: Service) -> None:
    """The same of the routes that revoke and rotate, which know none of the ids that are tried."""
    tried(service, token(service, "admin"), "--include-path-regex", ENDING)
