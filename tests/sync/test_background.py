"""Sync that goes on by itself, in simulated time where days pass, against real services."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, Self

import pytest
import requests
import zstandard
from server._running import Service

from clankers.auth import NoAuth, TokenAuth, new_token
from clankers.models import Message, Session
from clankers.sync import SyncManager
from clankers.sync._alone import alone
from sync._devices import Device, server_rows, tenant_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from clankers import errors

DAY = 86_400.0
# 2026-01-05T09:00:00Z
AT = 1_767_603_600_000
UNLIMITED = {"CLANKERS_SERVER_LIMIT_BATCH_ROWS": "1000000000"}
WRITER = """
import sys, time
from clankers import Store
from clankers.models import Message
with Store.open(sys.argv[1]) as store:
    end = time.monotonic() + float(sys.argv[2])
    number = 0
    while time.monotonic() < end:
        store.upsert(Message(f"w{number}", "s", created_at=1767603600000, role="user", text_content="a"))
        number += 1
        time.sleep(0.02)
"""


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path / "laptop")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "service", variables=UNLIMITED) as service:
        yield service


class Time:
    """Time that passes only where somebody waits, and things that happen at their moment.

    Attributes:
        now: seconds since the beginning.
        slept: all waits.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._happenings: list[tuple[float, Callable[[], object]]] = []

    def at(self, moment: float, happening: Callable[[], object]) -> None:
        self._happenings.append((moment, happening))

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        assert len(self.slept) < 100_000, "it runs and runs"
        self.slept.append(float(seconds))
        end = self.now + seconds
        due = sorted((one for one in self._happenings if one[0] <= end), key=lambda one: one[0])
        self._happenings = [one for one in self._happenings if one[0] > end]
        for moment, happening in due:
            self.now = max(self.now, moment)
            happening()
        self.now = end


class Running:
    """A background sync in simulated time, and what it told when."""

    def __init__(self, device: Device, url: str, auth: Any = None, **options: Any) -> None:
        self.time = Time()
        self.device = device
        self.synced: list[tuple[float, int]] = []
        self.failed: list[tuple[float, float]] = []
        self.kinds: set[str] = set()
        self.manager = SyncManager(device.store(), auth or NoAuth(), url)
        self._options = options

    def until(self, moment: float) -> None:
        self.run(lambda: self.time.now >= moment)

    def run(self, stop: Callable[[], bool]) -> None:
        def failed(problem: errors.ClankersError, seconds: float) -> None:
            self.kinds.add(type(problem).__name__)
            self.failed.append((self.time.now, seconds))

        self.manager.run(
            stop=stop,
            on_sync=lambda done: self.synced.append((self.time.now, done.sent)),
            on_failure=failed,
            clock=self.time.clock,
            sleep=self.time.sleep,
            **self._options,
        )

    @property
    def state(self) -> str:
        return self.manager.status(ask_server=False).state

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        self.manager.close()
        self.manager.store.close()


def write(device: Device, *names: str) -> None:
    """One commit of somebody else."""
    with device.store() as store:
        store.upsert_many([Session("s", created_at=AT), *map(message, names)])


def message(name: str) -> Message:
    return Message(name, "s", created_at=AT, role="user", text_content=name)


def stored(service: Service) -> set[str]:
    """The messages that the service has."""
    return set(server_rows(tenant_database(service.folder), "messages"))


class Answering:
    """A server that answers all requests alike."""

    def __init__(self, status: int, **headers: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_what: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_why: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Failing(Answering):
    """A service that answers 500 to every batch with the word poison in it."""

    def __init__(self, service: Service) -> None:
        super().__init__(500)
        asking = requests.Session()
        asking.trust_env = False

        class Handler(self._server.RequestHandlerClass):  # type: ignore[misc, name-defined]
            def do_GET(self) -> None:  # noqa: N802
                self.pass_on("GET", b"")

            def do_POST(self) -> None:  # noqa: N802
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "zstd":
                    said = zstandard.ZstdDecompressor().decompressobj().decompress(body)
                else:
                    said = body
                if b"poison" in said:
                    super().do_GET()
                else:
                    self.pass_on("POST", body)

            def pass_on(self, method: str, body: bytes) -> None:
                headers = {
                    name: self.headers[name]
                    for name in ("Content-Type", "Content-Encoding")
                    if name in self.headers
                }
                answer = asking.request(
                    method, service.url + self.path, data=body, headers=headers, timeout=30
                )
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

        self._server.RequestHandlerClass = Handler


class Held:
    """What a process has at a moment."""

    def __init__(self, device: Device) -> None:
        gc.collect()
        self.objects = len(gc.get_objects())
        self.threads = threading.active_count()
        self.files = len(os.listdir("/dev/fd"))
        self.log = device.database.with_name("clankers.db-wal").stat().st_size


class TestFailures:
    def test_five_days_offline(self, device: Device, service: Service) -> None:
        """It tries by the schedule, nothing grows, and all arrives when the server is there."""
        service.stop()
        held: dict[int, Held] = {}
        with Running(device, service.url) as running:
            for hour in range(120):
                running.time.at(hour * 3_600.0, lambda hour=hour: write(device, f"m{hour}"))  # type: ignore[misc]
            for day in (1, 5):
                running.time.at(day * DAY, lambda day=day: held.setdefault(day, Held(device)))  # type: ignore[misc]
            running.until(5 * DAY)
            status = running.manager.status(ask_server=False)
            assert status.state == "waiting"
            assert "does not answer" in str(status.last_error)
            self.check_schedule(running)
            service.start()
            running.until(5 * DAY + 400)
            assert running.state == "idle"
            assert running.manager.status(ask_server=False).next_try is None
        assert stored(service) == {f"m{hour}" for hour in range(120)}
        assert running.synced[0][1] == 121
        # Threads and files of others come and go.
        assert held[5].threads == held[1].threads
        assert held[5].files <= held[1].files + 1
        assert held[5].objects <= held[1].objects + 100
        # SQLite empties the log at a thousand pages of 16 KB.
        assert held[5].log < 17_000_000

    def check_schedule(self, running: Running) -> None:
        waits = [seconds for _at, seconds in running.failed]
        for wait, doubled in zip(waits, (15, 30, 60, 120, 240), strict=False):
            assert 0.8 * doubled <= wait <= 1.2 * doubled
        assert all(240 <= wait <= 300 for wait in waits[5:])
        assert len({round(wait, 3) for wait in waits[5:]}) > 100
        # What was committed meanwhile cut no wait short.
        gaps = [two[0] - one[0] for one, two in zip(running.failed, running.failed[1:])]  # noqa: B905
        assert gaps == pytest.approx(waits[:-1])
        assert 1_440 <= len(waits) <= 1_600

    def test_the_server_names_a_time(self, device: Device) -> None:
        """It is not asked before, and everybody can read when it is."""
        write(device, "a")
        with Answering(503, Retry_After="1000") as server, Running(device, server.url) as running:
            began = time.time() * 1000
            running.until(1_500)
            status = running.manager.status(ask_server=False)
            assert [at for at, _seconds in running.failed] == [0.0, 1000.0]
            assert [seconds for _at, seconds in running.failed] == [1000.0, 1000.0]
            assert status.state == "waiting"
            assert status.next_try is not None
            assert began + 1_000_000 <= status.next_try <= time.time() * 1000 + 1_000_000

    def test_a_server_that_fails(self, device: Device) -> None:
        """500 to a question is trouble that passes."""
        with Answering(500) as server, Running(device, server.url) as running:
            running.until(40)
            assert len(running.failed) >= 2
            assert running.state == "waiting"

    def test_a_row_that_the_server_fails_over(self, device: Device, service: Service) -> None:
        """Is found and set aside in a few tries; all others arrive."""
        write(device, *(f"m{number}" for number in range(500)), "poison")
        with Failing(service) as failing, Running(device, failing.url) as running:
            running.until(180)
            assert len(running.failed) <= 4
            (refused,) = running.manager.pending().refused
            assert (refused.table, refused.id) == ("messages", "poison")
        assert stored(service) == {f"m{number}" for number in range(500)}

    def test_not_let_in(self, device: Device, tmp_path: Path) -> None:
        """It waits longest, and says why."""
        with Service(tmp_path / "closed", "--auth", "token") as service:
            auth = TokenAuth(new_token(), service.url)
            with Running(device, service.url, auth) as running:
                running.until(700)
                assert running.failed == [(0.0, 300.0), (300.0, 300.0), (600.0, 300.0)]
                assert running.kinds == {"UnauthorizedError"}
                assert running.state == "unauthorized"

    def test_no_such_server(self, device: Device) -> None:
        """An address where something else is found is asked as seldom."""
        with Answering(404) as server, Running(device, server.url) as running:
            running.until(400)
            assert [at for at, _seconds in running.failed] == [0.0, 300.0]
            assert running.state == "error"

    def test_another_process_syncs(self, device: Device, service: Service) -> None:
        """It is let finish; that is no failure."""
        write(device, "a")
        with Running(device, service.url) as running, ExitStack() as lock:
            lock.enter_context(alone(device.database))
            running.time.at(4.5, lock.close)
            running.until(20)
            assert running.time.slept[:5] == [1.0] * 5
            assert running.synced == [(5.0, 2)]
            assert running.failed == []
        assert stored(service) == {"a"}

    def test_stopped_while_it_waits(self, device: Device) -> None:
        """It need not wait to the end."""
        stop, failed = threading.Event(), threading.Event()
        with Answering(503) as server:

            def work() -> None:
                with device.store() as store, SyncManager(store, NoAuth(), server.url) as manager:
                    manager.run(stop=stop.is_set, on_failure=lambda _problem, _wait: failed.set())

            thread = threading.Thread(target=work)
            thread.start()
            assert failed.wait(20)
            stop.set()
            thread.join(2)
            assert not thread.is_alive()


class TestModes:
    def test_polling(self, device: Device, service: Service) -> None:
        """Few rows go at the interval, as many as the batch size within a second."""
        with Running(device, service.url, mode="polling", batch_size=10) as running:
            running.time.at(3, lambda: write(device, "a", "b"))
            running.time.at(40, lambda: write(device, *(f"c{number}" for number in range(10))))
            running.until(65)
            assert running.synced == [(30.0, 3), (40.0, 10)]

    def test_polling_counts_what_came_in_parts(self, device: Device, service: Service) -> None:
        """Ten commits of one row wait as much as one of ten."""
        with Running(device, service.url, mode="polling", batch_size=5) as running:
            for number in range(4):
                running.time.at(3 + 2 * number, lambda n=number: write(device, f"a{n}"))  # type: ignore[misc]
            running.until(25)
            assert running.synced == [(9.0, 5)]

    @pytest.mark.parametrize("mode", ["triggers", "hybrid"])
    def test_a_commit_wakes_it(self, device: Device, service: Service, mode: str) -> None:
        """Long before the interval ends."""
        with Running(device, service.url, mode=mode, interval=200) as running:
            running.time.at(10.5, lambda: write(device, "a"))
            running.until(20)
            ((at, sent),) = running.synced
            assert 10.5 <= at <= 10.7
            assert sent == 2

    def test_triggers_send_each_change_at_once(self, device: Device, service: Service) -> None:
        """And hybrid has them share a second."""
        write(device, "a")
        sent: dict[str, list[float]] = {}
        for mode in ("triggers", "hybrid"):
            moments = sent[mode] = []
            writer = [sys.executable, "-c", WRITER, str(device.database), "3.3"]
            with (
                device.store() as store,
                SyncManager(store, NoAuth(), service.url) as manager,
                subprocess.Popen(writer, env=os.environ) as other,
            ):
                manager.run(
                    stop=lambda: other.poll() is not None,
                    mode=mode,
                    on_sync=lambda _done: moments.append(time.monotonic()),  # noqa: B023
                )
                manager.sync_now()
            with device.store() as store:
                store.upsert_many(
                    [Message(f"w{n}", "s", created_at=AT, text_content="b") for n in range(300)]
                )
        assert len(sent["triggers"]) > 20
        gaps = [two - one for one, two in zip(sent["hybrid"], sent["hybrid"][1:])]  # noqa: B905
        assert 2 <= len(gaps) <= 4
        # Between the beginnings of two pushes it is a second.
        assert min(gaps) > 0.5

    def test_hybrid_sends_the_first_change_at_once(self, device: Device, service: Service) -> None:
        """Within the same second; those that follow at most once a second."""
        write(device, "first")
        with Running(device, service.url, mode="hybrid") as running:
            for number in range(80):
                moment = 10 + number / 10
                running.time.at(moment, lambda n=number: write(device, f"a{n}"))  # type: ignore[misc]
            running.until(25)
            moments = [at for at, _sent in running.synced]
            assert moments[0] == 0.0
            assert 10 <= moments[1] <= 10.2
            gaps = [two - one for one, two in zip(moments[1:], moments[2:])]  # noqa: B905, RUF007
            assert min(gaps) > 0.999
            assert len(gaps) >= 7
            assert sum(sent for _at, sent in running.synced) == 82
        assert len(stored(service)) == 81

    def test_an_idle_one_asks_seldom(self, device: Device, service: Service) -> None:
        """Nothing is asked of the server between two agreements, five minutes apart."""
        write(device, "a")
        with Running(device, service.url, mode="hybrid") as running:
            asked: list[int] = []
            for moment in (1, 299, 590):
                running.time.at(moment, lambda: asked.append(questions(service)))
            running.until(595)
            assert running.synced == [(0.0, 2)]
            assert asked == [1, 1, 2]

    def test_pulls(self, device: Device, service: Service, tmp_path: Path) -> None:
        """What other devices sent comes at the start and at each interval; only where it is wanted."""
        desktop = Device(tmp_path / "desktop")
        write(desktop, "theirs")
        send(desktop, service)

        def more() -> None:
            write(desktop, "later")
            send(desktop, service)

        with Running(device, service.url, pulls=True) as running:
            running.until(5)
            assert set(device.rows("messages")) == {"theirs"}
        with Running(device, service.url) as running:
            running.time.at(2, more)
            running.until(100)
            assert set(device.rows("messages")) == {"theirs"}
        with Running(device, service.url, pulls=True) as running:
            running.time.at(2, lambda: write(desktop, "last"))
            running.time.at(3, lambda: send(desktop, service))
            running.until(29)
            assert set(device.rows("messages")) == {"theirs", "later"}
        with Running(device, service.url, pulls=True) as running:
            running.until(29)
            assert set(device.rows("messages")) == {"theirs", "later", "last"}


class TestTogether:
    def test_by_hand_meanwhile(self, device: Device, service: Service) -> None:
        """While it waits, another process may sync."""
        write(device, "a")
        stop, synced = threading.Event(), threading.Event()

        def work() -> None:
            with device.store() as store, SyncManager(store, NoAuth(), service.url) as manager:
                manager.run(stop=stop.is_set, on_sync=lambda _done: synced.set())

        thread = threading.Thread(target=work)
        thread.start()
        try:
            assert synced.wait(20)
            with device.store() as store, SyncManager(store, NoAuth(), service.url) as manager:
                for number in range(20):
                    store.upsert(message(f"b{number}"))
                    manager.sync_now()
        finally:
            stop.set()
            thread.join(10)
        assert stored(service) == {"a", *(f"b{number}" for number in range(20))}

    def test_rules_that_another_process_set(self, device: Device, service: Service) -> None:
        """Nothing goes under the old ones: they are put into effect anew."""
        from clankers.sync import Policy

        write(device, "a")
        with Running(device, service.url) as running:

            def other() -> None:
                policy = Policy(metrics_only=True)
                with (
                    device.store() as store,
                    SyncManager(store, NoAuth(), service.url, policy=policy) as manager,
                ):
                    manager.sync_now()
                write(device, "b")

            running.time.at(5, other)
            running.until(20)
            edition = "SELECT edition FROM sync_core"
            assert running.manager.store.connection.execute(edition).get == 3
        assert stored(service) == {"a", "b"}

    def test_a_move_that_another_process_made(self, device: Device, service: Service) -> None:
        """The database is bound anew before anything is sent."""
        write(device, "a")
        with Running(device, service.url) as running:

            def other() -> None:
                with device.store() as store:
                    SyncManager(store, NoAuth(), service.url).reset(move=True)

            running.time.at(5, other)
            running.until(20)
            status = running.manager.status(ask_server=False)
            assert (status.state, status.tenant) == ("idle", "default")


def send(device: Device, service: Service) -> None:
    with device.store() as store, SyncManager(store, NoAuth(), service.url) as manager:
        manager.sync_now()


def questions(service: Service) -> int:
    return service.log().count("/sync/status")
