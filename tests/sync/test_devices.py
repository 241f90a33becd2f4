"""Devices of the sync tests: what they are filled with, and that all sides are read alike."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from server._running import Service, Sqld

from clankers import wire
from clankers.models import Message
from sync._devices import Device, server_rows, sqld_rows, tenant_database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TABLES = ("sessions", "messages", "tools", "session_errors", "compaction_events", "usage")


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path / "laptop")


def everything(device: Device) -> dict[str, dict[str, dict[str, Any]]]:
    return {table: device.rows(table) for table in TABLES}


def count(device: Device) -> int:
    return sum(map(len, everything(device).values()))


class TestFill:
    def test_as_many_rows_as_asked_for(self, device: Device) -> None:
        """Over all tables, beginning with one of each."""
        device.fill(6, 1)
        assert {table: len(device.rows(table)) for table in TABLES} == dict.fromkeys(TABLES, 1)
        device.fill(2_345, 1)
        assert count(device) == 2_345
        device.fill(100, 2)
        assert count(device) == 2_445

    def test_one_seed_one_content(self, device: Device, tmp_path: Path) -> None:
        """Two devices are equal, a second time changes nothing, fewer rows are the first ones."""
        other, shorter = Device(tmp_path / "desktop"), Device(tmp_path / "tablet")
        device.fill(1_500, 7)
        other.fill(1_500, 7)
        before = everything(device)
        assert everything(other) == before
        device.fill(1_500, 7)
        assert everything(device) == before
        shorter.fill(400, 7)
        assert count(shorter) == 400
        for table in TABLES:
            # Nothing of a row depends on how many others there are.
            assert shorter.rows(table).items() <= before[table].items()

    def test_another_seed_another_content(self, device: Device, tmp_path: Path) -> None:
        """No id is shared."""
        other = Device(tmp_path / "desktop")
        device.fill(300, 1)
        other.fill(300, 2)
        for table in TABLES:
            assert not device.rows(table).keys() & other.rows(table).keys()

    def test_what_the_texts_are_like(self, device: Device) -> None:
        """50 to 2,000 bytes, some beyond ASCII and beyond the first plane; some columns are null."""
        device.fill(600, 3)
        messages = device.rows("messages").values()
        sizes = sorted(len(one["text_content"].encode()) for one in messages)
        assert 50 <= sizes[0] < 80
        assert 1_500 < sizes[-1] <= 2_000
        texts = "".join(one["text_content"] for one in messages)
        assert "日本語" in texts
        assert "🚀" in texts
        assert {one["thinking"] is None for one in messages} == {True, False}
        assert all(json.loads(one["tool_input"]) for one in device.rows("tools").values())

    def test_no_placeholder_is_made(self, device: Device) -> None:
        """Also where a session and its rows are written a thousand rows apart."""
        device.fill(2_500, 4)
        with device.store() as store:
            made = "SELECT count(*) FROM sessions WHERE placeholder"
            assert list(store.connection.execute(made)) == [(0,)]


class TestProcesses:
    def test_commands_have_the_device(self, device: Device) -> None:
        """A child finds this database and nothing of another one."""
        device.fill(40, 1)
        found = device.run("query", "SELECT count(*) FROM sessions", "--format", "csv")
        assert (found.returncode, found.stderr) == (0, "")
        assert found.stdout.split()[-1] == str(len(device.rows("sessions")))
        missing = device.run("query", "SELECT nothing")
        assert missing.returncode != 0

    def test_variables(self, device: Device) -> None:
        """What a test sets reaches the commands that run from then on."""
        device.variables["CLANKERS_ENDPOINT"] = "https://a.example"
        assert device.run("config", "get", "endpoint").stdout == "https://a.example\n"

    def test_start_and_kill(self, device: Device) -> None:
        """A process can be killed; what it wrote is in the log."""
        process = device.start("no-such-command")
        assert process.wait(60) != 0
        assert "no-such-command" in device.log.read_text(encoding="utf-8")
        process = device.start("daemon")
        process.kill()
        assert process.wait(60) == -signal.SIGKILL


def send(service: Service, device: Device) -> None:
    """Sends all that a device has, as a program would that knows nothing of deltas."""
    stamp = {"changed_at": 1_790_000_000_000, "device_id": "laptop", "edition": 1}
    body = {
        table: [{"id": one, **fields, **stamp} for one, fields in device.rows(table).items()]
        for table in TABLES
    }
    answer = service.post("/sync/batch", body)
    assert (answer.status_code, answer.json()["rejected"]) == (200, [])


def check_rows(service: Service, device: Device, read: Callable[[str], Any]) -> None:
    """Both sides are equal; what is hidden or deleted is left out on each."""
    device.fill(400, 1)
    send(service, device)
    for table in TABLES:
        assert read(table) == device.rows(table)
    orphan = {"id": "orphan", "session_id": "nowhere", "text_content": "first"}
    with device.store() as store:
        store.upsert(Message("orphan", "nowhere", text_content="first"))
    deleted = {"table": "messages", "id": "m1-1"}
    service.post("/sync/batch", {"messages": [orphan], "deletes": [deleted]})
    assert "nowhere" not in device.rows("sessions")
    assert read("sessions") == device.rows("sessions")
    assert "m1-1" in device.rows("messages")
    assert read("messages").keys() == device.rows("messages").keys() - {"m1-1"}
    assert read("messages")["orphan"]["text_content"] == "first"


class TestServerRows:
    def test_tenants_in_files(self, device: Device, tmp_path: Path) -> None:
        """The file is read while the service runs."""
        with Service(tmp_path / "served") as service:
            path = tenant_database(service.folder)
            check_rows(service, device, lambda table: server_rows(path, table))

    def test_tenants_on_a_libsql_server(self, device: Device, tmp_path: Path, sqld: Sqld) -> None:
        """The same shape over HTTP."""
        with Service(tmp_path / "served", *sqld.options, variables=sqld.variables) as service:
            check_rows(service, device, lambda table: sqld_rows(sqld, table))

    def test_columns_are_those_of_the_wire(self, device: Device) -> None:
        """Neither what is derived nor what only this database knows."""
        device.fill(6, 1)
        (session,) = device.rows("sessions").values()
        assert session.keys() == wire.FIELDS["sessions"].keys()
        assert not session.keys() & {"n", "placeholder", "cost", "message_count"}
        assert device.archived_rows("sessions") == {}
