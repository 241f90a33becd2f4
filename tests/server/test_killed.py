"""kill -9 under load: what was acknowledged is there, each once, and what was not can be repeated."""

from __future__ import annotations

import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import requests

from server._running import Service, Sqld
from server.conftest import require_sqld

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("CLANKERS_TEST_KILLS", "4"))
SENDERS = 3
RECORDS = 20
NO_LIMITS = {"CLANKERS_SERVER_LIMIT_BATCH_ROWS": "100000000"}


class Sender:
    """Sends one batch after the other, and the same again until it is answered."""

    def __init__(self, service: Service, name: str) -> None:
        self._service = service
        self._name = name
        self.acknowledged = 0
        self.ended = threading.Event()

    def send(self) -> None:
        session = requests.Session()
        session.trust_env = False
        while not self.ended.is_set():
            self._send_until_answered(session, self._batch(self.acknowledged))
            self.acknowledged += 1

    def _send_until_answered(self, session: requests.Session, batch: dict[str, Any]) -> None:
        while True:
            try:
                answer = session.post(f"{self._service.url}/sync/batch", json=batch, timeout=10)
            except requests.RequestException:
                time.sleep(0.02)
                continue
            if answer.status_code == 200:
                assert answer.json()["messages_synced"] == RECORDS
                assert answer.json()["rejected"] == []
                return
            assert answer.status_code == 503, answer.text
            time.sleep(0.02)

    def _batch(self, number: int) -> dict[str, Any]:
        batch_id = f"{self._name}-{number}"
        stamp = {"changed_at": 1_790_000_000_000 + number, "device_id": self._name, "edition": 1}
        return {
            "batch_id": batch_id,
            "messages": [
                {
                    "id": f"{batch_id}-{place}",
                    "session_id": f"session-{self._name}",
                    "created_at": 1_790_000_000_000,
                    "text_content": f"message {place} of batch {number}",
                    **stamp,
                }
                for place in range(RECORDS)
            ],
        }


def under_load(service: Service, victim: Service | Sqld) -> list[Sender]:
    """Kills the victim again and again while batches come; what the senders had acknowledged."""
    senders = [Sender(service, f"s{number}") for number in range(SENDERS)]
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - repeats a run that failed
    waits = random.Random(seed)
    with ThreadPoolExecutor(SENDERS) as pool:
        running = [pool.submit(sender.send) for sender in senders]
        for _kill in range(KILLS):
            time.sleep(waits.uniform(0.05, 0.6))
            victim.kill()
            victim.start()
        time.sleep(0.3)
        for sender in senders:
            sender.ended.set()
        for one in running:
            one.result(timeout=60)
    return senders


def check_all(service: Service, senders: list[Sender]) -> None:
    """Every acknowledged record is there once, in the counts, in the pages and in the search."""
    expected = {
        f"s{number}-{batch}-{place}"
        for number, sender in enumerate(senders)
        for batch in range(sender.acknowledged)
        for place in range(RECORDS)
    }
    assert min(sender.acknowledged for sender in senders) > KILLS
    found: list[str] = []
    after, more = 0, True
    while more:
        page = service.get(f"/sync/changes?after={after}&limit=5000").json()
        found += [one["id"] for one in page["changes"] if one["table"] == "messages"]
        after, more = page["next"], page["more"]
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert service.get("/sync/status").json()["counts"]["messages"] == len(expected)
    hits = service.get("/api/search", params={"q": '"message 7 of batch 0"'}).json()["hits"]
    assert sorted(hit["id"] for hit in hits) == [f"s{number}-0-7" for number in range(SENDERS)]


def test_the_service(tmp_path: Path) -> None:
    """The service itself is killed, with its tenants in files."""
    with Service(tmp_path / "served", variables=NO_LIMITS) as service:
        check_all(service, under_load(service, service))


def test_the_database_server(tmp_path: Path) -> None:
    """The libSQL server is killed; the service outlives it and answers 503 meanwhile."""
    require_sqld()
    with Sqld(tmp_path / "sqld") as sqld:
        variables = {**NO_LIMITS, **sqld.variables}
        with Service(tmp_path / "served", *sqld.options, variables=variables) as service:
            check_all(service, under_load(service, sqld))


def test_the_service_before_a_database_server(tmp_path: Path) -> None:
    """The service is killed between a libSQL server that goes on and clients that do."""
    require_sqld()
    with Sqld(tmp_path / "sqld") as sqld:
        variables = {**NO_LIMITS, **sqld.variables}
        with Service(tmp_path / "served", *sqld.options, variables=variables) as service:
            check_all(service, under_load(service, service))
