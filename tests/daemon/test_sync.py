"""A daemon that syncs with a service, both in processes of their own."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from server._running import Service
from sync._devices import server_rows, tenant_database

from clankers.config import Config
from clankers.daemon import Client
from clankers.models import Message, Session
from clankers.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from daemon.conftest import Daemon

_PATIENCE = 20.0
NEEDS_PROC = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
# 2026-01-05T09:00:00Z
AT = 1_767_603_600_000


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "service") as service:
        yield service


@pytest.fixture
def syncing(stopped: Daemon, service: Service) -> Daemon:
    """A daemon with sync on, which has said so."""
    configure(stopped, endpoint=service.url, sync_enabled=True)
    stopped.start()
    until(lambda: said(stopped, "sync is on"))
    return stopped


def config(daemon: Daemon) -> Path:
    return daemon.folder / "clankers" / "clankers.json"


def configure(daemon: Daemon, **values: Any) -> None:
    settings = Config.load(config(daemon))
    for key, value in values.items():
        settings.set(key, value)
    settings.save()


def write(daemon: Daemon, *names: str) -> None:
    """One commit of another process than the daemon."""
    with Store.open(daemon.database) as store:
        store.upsert_many([Session("s", created_at=AT), *map(message, names)])


def message(name: str) -> Message:
    return Message(name, "s", created_at=AT, role="user", text_content=name)


def stored(service: Service) -> set[str]:
    """The messages that the service has."""
    database = tenant_database(service.folder)
    return set(server_rows(database, "messages")) if database.exists() else set()


def until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + _PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it does not become so"
        time.sleep(0.05)


def said(daemon: Daemon, text: str) -> list[str]:
    """What the log says about sync that begins so."""
    return [
        one["message"]
        for one in daemon.log()
        if one["component"] == "sync" and one["message"].startswith(text)
    ]


def health(daemon: Daemon) -> Any:
    with Client(daemon.socket) as client:
        return client.call("health")


def test_a_commit_of_another_process(syncing: Daemon, service: Service) -> None:
    """Arrives long before the interval ends, and so does what the daemon itself is told."""
    started = time.monotonic()
    write(syncing, "a")
    until(lambda: stored(service) == {"a"})
    with Client(syncing.socket) as client:
        client.call("upsertMessage", message={"id": "b", "sessionId": "s", "textContent": "b"})
    until(lambda: stored(service) == {"a", "b"})
    assert time.monotonic() - started < 15
    assert said(syncing, "sync is on") == [f"sync is on: {service.url}, profile 'default'"]
    until(lambda: health(syncing)["pendingSync"] == 0)


def test_off_and_on(syncing: Daemon, service: Service) -> None:
    """As the file says, without a new start; what waits meanwhile is counted."""
    write(syncing, "a")
    until(lambda: stored(service) == {"a"})
    configure(syncing, sync_enabled=False)
    until(lambda: said(syncing, "sync is off"))
    write(syncing, "b", "c")
    until(lambda: health(syncing)["pendingSync"] == 2)
    assert stored(service) == {"a"}
    configure(syncing, sync_enabled=True)
    until(lambda: stored(service) == {"a", "b", "c"})
    until(lambda: health(syncing)["pendingSync"] == 0)


def test_no_server(daemon: Daemon) -> None:
    """Nothing waits, nothing is said."""
    write(daemon, "a")
    time.sleep(1.2)
    assert health(daemon)["pendingSync"] == 0
    assert health(daemon)["syncProblem"] is None
    assert said(daemon, "") == []


def test_the_environment_keeps_it_off(
    stopped: Daemon, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the file says."""
    monkeypatch.setenv("CLANKERS_SYNC_ENABLED", "false")
    configure(stopped, endpoint=service.url, sync_enabled=True)
    stopped.start()
    write(stopped, "a")
    until(lambda: health(stopped)["pendingSync"] == 2)
    assert said(stopped, "sync is on") == []
    assert stored(service) == set()


def test_another_profile(syncing: Daemon, service: Service, tmp_path: Path) -> None:
    """Is taken up; its server does not get what belongs to another one."""
    write(syncing, "a")
    until(lambda: stored(service) == {"a"})
    with Service(tmp_path / "work") as work:
        settings = Config.load(config(syncing))
        settings.create_profile("work")
        settings.use_profile("work")
        settings.save()
        configure(syncing, endpoint=work.url, sync_enabled=True)
        until(lambda: said(syncing, f"sync is on: {work.url}, profile 'work'"))
        until(lambda: said(syncing, "sync fails"))
        write(syncing, "b")
        assert "nothing was sent" in health(syncing)["syncProblem"]
        settings = Config.load(config(syncing))
        settings.use_profile("default")
        settings.save()
        until(lambda: stored(service) == {"a", "b"})
        assert stored(work) == set()


def test_a_profile_of_another_database(syncing: Daemon, service: Service, tmp_path: Path) -> None:
    """Its server is not given this one."""
    with Service(tmp_path / "work") as work:
        configure(syncing, db=str(syncing.folder / "work.db"), endpoint=work.url)
        until(lambda: said(syncing, "sync is off"))
        write(syncing, "a")
        time.sleep(1.5)
        assert stored(work) == stored(service) == set()
    assert "is for" in health(syncing)["syncProblem"]


def test_a_broken_config(syncing: Daemon, service: Service) -> None:
    """Keeps sync off, is told once, and sync goes on when it is mended."""
    whole = config(syncing).read_text()
    config(syncing).write_text("{")
    until(lambda: said(syncing, "sync is off"))
    write(syncing, "a")
    time.sleep(2.5)
    assert stored(service) == set()
    assert len(said(syncing, "sync is off")) == 1
    assert str(config(syncing)) in health(syncing)["syncProblem"]
    config(syncing).write_text(whole)
    until(lambda: stored(service) == {"a"})
    assert health(syncing)["syncProblem"] is None


def test_a_word_that_is_no_switch(
    stopped: Daemon, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keeps sync off, and the variable is named."""
    monkeypatch.setenv("CLANKERS_SYNC_ENABLED", "maybe")
    configure(stopped, endpoint=service.url, sync_enabled=True)
    stopped.start()
    until(lambda: said(stopped, "sync is off: CLANKERS_SYNC_ENABLED"))
    assert "CLANKERS_SYNC_ENABLED" in health(stopped)["syncProblem"]


def test_a_server_that_is_away(stopped: Daemon, service: Service) -> None:
    """Is told once; the daemon serves and ends meanwhile, and goes on when it is back."""
    service.stop()
    configure(stopped, endpoint=service.url, sync_enabled=True)
    stopped.start()
    until(lambda: said(stopped, "sync fails"))
    write(stopped, "a")
    until(lambda: health(stopped)["pendingSync"] == 2)
    assert "does not answer" in health(stopped)["syncProblem"]
    started = time.monotonic()
    assert stopped.end() == 0
    assert time.monotonic() - started < 5
    service.start()
    stopped.start()
    until(lambda: stored(service) == {"a"})
    assert health(stopped)["syncProblem"] is None


def test_killed(syncing: Daemon, service: Service) -> None:
    """kill -9, and the next one sends the rest."""
    names = [f"m{number}" for number in range(3_000)]
    write(syncing, *names)
    syncing.kill()
    write(syncing, "last")
    syncing.start()
    until(lambda: stored(service) == {*names, "last"})
    until(lambda: health(syncing)["pendingSync"] == 0)


def test_a_database_that_is_replaced(syncing: Daemon, service: Service) -> None:
    """What is committed to the new file arrives."""
    write(syncing, "a")
    until(lambda: stored(service) == {"a"})
    whole = syncing.folder / "copy.db"
    with Store.open(syncing.database) as store:
        store.back_up(whole)
    for file in syncing.folder.glob("clankers.db-*"):
        if file.suffix != ".db-sync-lock":
            file.unlink()
    os.replace(whole, syncing.database)
    write(syncing, "b")
    until(lambda: stored(service) == {"a", "b"})


def test_refused_rows(syncing: Daemon, service: Service) -> None:
    """Are told of in the log."""
    with Store.open(syncing.database) as store:
        # Seconds for milliseconds.
        store.upsert(Session("s", created_at=AT // 1000))
    until(lambda: said(syncing, "rows not taken: 1"))
    until(lambda: health(syncing)["pendingSync"] == 0)


def test_a_server_that_never_answers(stopped: Daemon) -> None:
    """Does not keep the daemon from ending."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        configure(
            stopped, endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}", sync_enabled=True
        )
        stopped.start()
        asking, _address = silent.accept()
        started = time.monotonic()
        assert stopped.end() == 0
        assert time.monotonic() - started < 10
        asking.close()


@NEEDS_PROC
def test_an_idle_daemon(syncing: Daemon) -> None:
    """Uses less than a hundredth of a core."""
    assert syncing.process is not None
    time.sleep(2)
    before = cpu(syncing.process.pid)
    time.sleep(5)
    assert cpu(syncing.process.pid) - before <= 0.05


def cpu(pid: int) -> float:
    """Seconds of processor that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@NEEDS_PROC
def test_what_is_loaded(daemon: Daemon, service: Service) -> None:
    """What sync needs, when it is on and not before."""
    assert "zstandard" not in libraries(daemon)
    configure(daemon, endpoint=service.url, sync_enabled=True)
    until(lambda: "zstandard" in libraries(daemon))


def libraries(daemon: Daemon) -> str:
    assert daemon.process is not None
    with open(f"/proc/{daemon.process.pid}/maps", encoding="utf-8") as maps:
        return maps.read()
