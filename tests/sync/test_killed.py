"""kill -9 of client and server, over a net that drops, cuts, delays and repeats: each row arrives, once."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import pytest
from server._running import Service, Sqld
from server.conftest import require_sqld

from clankers import wire
from sync._devices import Device, server_rows, sqld_rows, tenant_database
from sync._proxy import Faults, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sync._devices import Rows

KILLS = int(os.environ.get("CLANKERS_TEST_KILLS", "10"))
ROWS = int(os.environ.get("CLANKERS_TEST_ROWS", "3000"))
SEED = int(os.environ.get("CLANKERS_TEST_SEED", "0"))
NO_LIMITS = {"CLANKERS_SERVER_LIMIT_BATCH_ROWS": "100000000"}
FAULTS = Faults.all(0.03, longest_delay=0.05)


@pytest.fixture(params=["files", "libsql"])
def served(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Service, Callable[[str], Rows]]]:
    """A service, and how the rows are read that it has on disk."""
    if request.param == "files":
        with Service(tmp_path / "served", variables=NO_LIMITS) as service:
            yield service, lambda table: server_rows(tenant_database(service.folder), table)
        return
    require_sqld()
    with (
        Sqld(tmp_path / "sqld") as sqld,
        Service(
            tmp_path / "served", *sqld.options, variables={**sqld.variables, **NO_LIMITS}
        ) as service,
    ):
        yield service, lambda table: sqld_rows(sqld, table)


def test_killed_at_any_moment(
    served: tuple[Service, Callable[[str], Rows]], tmp_path: Path
) -> None:
    """After all that, the rows there are the rows here, and nothing waits any more.

    Whenever everything has arrived it is sent once more, so that all kills hit a push.
    CLANKERS_TEST_KILLS, CLANKERS_TEST_ROWS and CLANKERS_TEST_SEED choose how often, how much
    and the moments.
    """
    service, rows_there = served
    chance = random.Random(SEED)
    device = Device(tmp_path / "device")
    device.fill(ROWS, SEED)
    with Proxy(service.url, FAULTS, seed=SEED) as proxy:
        device.variables["CLANKERS_ENDPOINT"] = proxy.url
        for _kill in range(KILLS):
            _push_until_killed(device, service, chance)
        proxy.faults = Faults.none()
        proxy.deliver_twins()
        ended = device.run("sync", "now", timeout=300)
        assert ended.returncode == 0, f"seed {SEED}: {ended.stderr}"
        assert sum(proxy.counts.values()) > 0
    for table in wire.TABLES:
        assert rows_there(table) == device.rows(table), f"seed {SEED}"
    with device.store() as store:
        assert store.connection.execute("SELECT count(*) FROM sync_queue").get == 0


def _push_until_killed(device: Device, service: Service, chance: random.Random) -> None:
    """Kills one side some time after the client began; begins anew what has ended by itself."""
    moment = 0.3 + chance.random() * 1.2
    client = device.start("sync", "now")
    until = time.monotonic() + moment
    while time.monotonic() < until:
        if client.poll() is not None:
            if client.returncode == 0:
                assert device.run("sync", "reset", "--yes").returncode == 0
            client = device.start("sync", "now")
        time.sleep(0.01)
    if chance.random() < 0.3:
        service.kill()
        service.start()
        client.wait(timeout=120)
    else:
        client.kill()
        client.wait(timeout=30)
